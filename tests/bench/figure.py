"""Figures: what one round measured, the median of several, and what bounded them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

from tests.bench.scenario import Scenario

_USED_UP = 0.8
"""From this share on we say that a thing was used up: the rest is switching and noise."""


@dataclass(frozen=True)
class Figure:
    """One round at one server; None is what this system does not tell.

    `later_s_per_million` is the CPU for what the server put off until the round was over. Shares
    are of one core: `server_share` the server's, `load_share` the busiest load process's.
    `cores_share` is how much of the whole machine was in use. `lost` and `surplus` count deliveries
    that never came, or came once too often; both are zero in a sound server.
    """

    deliveries_per_s: float
    cpu_s_per_million: float | None
    later_s_per_million: float | None
    p50_ms: float
    p99_ms: float
    server_share: float | None
    load_share: float
    cores_share: float | None
    lost: int = 0
    surplus: int = 0

    def bound_by(self, scenario: Scenario) -> str:
        """What kept the figure from being higher."""
        if scenario.rate:
            return "rate"
        shares = {
            "cores": self.cores_share or 0.0,
            "server": min(1.0, self.server_share or 0.0),
            "load": self.load_share,
        }
        busiest = max(shares, key=lambda what: shares[what])
        return busiest if shares[busiest] >= _USED_UP else "window"


@dataclass(frozen=True)
class IdleFigure:
    """Connections in which nothing happens."""

    connections: int
    kib_per_connection: float | None
    logins_per_s: float


@dataclass(frozen=True)
class KeptFigure:
    """A server that has kept so many messages; pages are None where there are too few for one.

    `newest_ms` is for the newest page of a room, `any_ms` for one anywhere. `start_s` is until it
    welcomes somebody, `after_kill_s` the same when its last run was killed with a full WAL.
    """

    messages: int
    mib: float
    newest_ms: float | None
    any_ms: float | None
    start_s: float
    after_kill_s: float


def middle(rounds: list[Figure]) -> Figure:
    """The median of each figure by itself; what was lost is added up."""
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(Figure)):
        known = [value for value in (getattr(one, name) for one in rounds) if value is not None]
        values[name] = median(known) if known else None
    values["lost"] = sum(one.lost for one in rounds)
    values["surplus"] = sum(one.surplus for one in rounds)
    return Figure(**values)


def percentile(ages: array[int], part: float) -> float:
    """Milliseconds below which `part` of `ages`, ascending microseconds, lie."""
    return ages[min(len(ages) - 1, int(len(ages) * part))] / 1000 if ages else 0.0
