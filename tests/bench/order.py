"""What the benchmark tells its load processes, and what they answer; times are monotonic."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from tests.bench.scenario import Scenario, Seat


@dataclass(frozen=True)
class Enter:
    """Log these clients in, until `deadline` at the latest; answered with Entered."""

    server: int
    port: int
    dialect: str
    scenario: Scenario
    seats: list[Seat]
    at_once: int
    deadline: float


@dataclass(frozen=True)
class Entered:
    """So many are in; the first knocked at `began`, the last came in at `ended`."""

    clients: int
    began: float
    ended: float


@dataclass(frozen=True)
class Settle:
    """Wait until nothing has arrived for `quiet` seconds, or `deadline`; answered with Settled."""

    quiet: float
    deadline: float


@dataclass(frozen=True)
class Settled:
    """It is quiet."""


@dataclass(frozen=True)
class Talk:
    """Talk from now to `end` and count from `begin`; answered with Heard."""

    begin: float
    end: float


@dataclass(frozen=True)
class Heard:
    """What was delivered here in `seconds`, and which ages the messages had in microseconds.

    `share` of a core is what this process took. `sent` is per room, and since the clients came.
    """

    deliveries: int
    seconds: float
    share: float
    ages: array[int]
    sent: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Drain:
    """Hear what is still under way, of `sent` in each room; answered with Drained."""

    sent: dict[int, int]
    deadline: float


@dataclass(frozen=True)
class Drained:
    """Deliveries that never came, and those that came too often."""

    missing: int
    surplus: int


@dataclass(frozen=True)
class Failure:
    """The load cannot go on."""

    why: str


Order = Enter | Settle | Talk | Drain
Answer = Entered | Settled | Heard | Drained | Failure
