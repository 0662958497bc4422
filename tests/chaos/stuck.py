"""Receivers that never read hurt only themselves: what the others feel, measured without and with.

All get messages at a fixed rate. In A everybody reads; in B some in each room do not. A and B take
turns, and the figures are of the others alone. The stuck are closed and counted, and have
everything when they come back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.checker import Violation, check
from tests.chaos.listeners import Hall
from tests.chaos.logs import Logs
from tests.chaos.result import Result
from tests.chaos.stand import Stand
from tests.chaos.store import read_store

PROMISED = 30.0
"""Seconds within which who never reads is closed."""
LOOK = 0.5
"""Seconds between looks at the server's counters."""
COUNTER = "closed.client.slow"


@dataclass(frozen=True)
class Size:
    """How many rooms and members of each, how many of them get stuck, and how much is said."""

    rooms: int = 10
    members: int = 20
    stuck: int = 2
    rate: float = 200.0
    text: int = 1000
    calm: float = 10.0
    """Seconds of each A."""


@dataclass
class Figures:
    """The ages of messages in seconds, and what became of the stuck."""

    calm: list[float] = field(default_factory=list)
    stuck: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    faults: list[Violation] = field(default_factory=list)


def stuck(rounds: int, size: Size | None = None, **limits: float) -> Result:
    """A and B, `rounds` times each; `limits` are the server's where not its defaults."""
    size = size or Size()
    began, figures = time.monotonic(), Figures()
    with TemporaryDirectory(prefix="chaos-") as name:
        data = Path(name) / "data"
        with Stand(data, **limits) as server:
            hall = Hall(server.address, size.rooms, size.members, size.stuck)
            try:
                for _ in range(rounds):
                    _round(hall, server, size, figures)
                late = hall.finish(PROMISED)
                figures.faults += [Violation("gap", words) for words in late]
            finally:
                hall.close()
        figures.faults += _recovered(hall, data)
    said = sum(hall.said.values())
    return Result(
        "stuck receivers",
        rounds * size.rooms * size.stuck,
        said,
        said,
        time.monotonic() - began,
        figures.faults,
        _notes(size, figures),
    )


def _round(hall: Hall, server: Stand, size: Size, figures: Figures) -> None:
    hall.attend()
    before, end = server.counts().get(COUNTER, 0), time.monotonic() + size.calm
    while time.monotonic() < end:
        server.counts()  # as in B: to ask has its price
        figures.calm += hall.talk(time.monotonic() + LOOK, size.rate, size.text)
    hall.ignore()
    began = time.monotonic()
    while (closed := server.counts().get(COUNTER, 0) - before) < len(hall.wayward):
        if time.monotonic() > began + PROMISED:
            words = f"{closed} of {len(hall.wayward)} stuck receivers were closed in time"
            figures.faults.append(Violation("stuck", words))
            break
        figures.stuck += hall.talk(time.monotonic() + LOOK, size.rate, size.text)
    figures.closed.append(time.monotonic() - began)
    for one in hall.wayward:
        one.come_back()


def _recovered(hall: Hall, data: Path) -> list[Violation]:
    """Whether those who were stuck have everything, without gap or repeat."""
    views = {f"stuck {number}": one.view for number, one in enumerate(hall.wayward)}
    runs = {name: view.runs for name, view in views.items() if view is not None}
    return check(Logs({}, runs, complete=True), read_store(data))


def _notes(size: Size, figures: Figures) -> list[str]:
    receivers = size.rooms * size.members
    calm, with_stuck = _at(figures.calm, 0.99), _at(figures.stuck, 0.99)
    closed = ", ".join(f"{seconds:.1f}" for seconds in figures.closed)
    return [
        f"{receivers} receivers, {size.rooms * size.stuck} of them stuck; the others' p50 and p99: "
        f"{_at(figures.calm, 0.5):.2f} and {calm:.2f} ms without, "
        f"{_at(figures.stuck, 0.5):.2f} and {with_stuck:.2f} ms with "
        f"({with_stuck / calm - 1 if calm else 0:+.0%} at p99)",
        f"all stuck ones closed and counted after {closed} s; then each came back for the rest",
    ]


def _at(times: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    ordered = sorted(times)
    return ordered[int(share * (len(ordered) - 1))] * 1000 if ordered else 0.0
