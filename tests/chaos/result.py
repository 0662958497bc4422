"""What a scenario found, as a row of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.checker import KINDS, Violation

SHOWN = 12
"""Violations shown in words; the others are only counted."""


@dataclass
class Result:
    """One scenario: `disturbances` are kills, cuts or whatever it does.

    `expected`: it is a control, which must have violations to be sound.
    """

    name: str
    disturbances: int
    messages: int
    acknowledged: int
    seconds: float
    violations: list[Violation]
    notes: list[str] = field(default_factory=list)
    expected: bool = False

    @property
    def sound(self) -> bool:
        """Whether it is as it must be."""
        return bool(self.violations) == self.expected


def table(results: Iterable[Result]) -> Iterable[str]:
    """One line per scenario, then what is to be said of each."""
    results = list(results)
    counts = "".join(f"{kind:>11}" for kind in (*KINDS, "other"))
    yield f"{'':18}{'times':>7}{'messages':>10}{'acknowledged':>14}{counts}{'seconds':>9}  verdict"
    for one in results:
        found = Counter(v.kind if v.kind in KINDS else "other" for v in one.violations)
        numbers = "".join(f"{found[kind]:>11,}" for kind in (*KINDS, "other"))
        yield (
            f"{one.name:18}{one.disturbances:>7,}{one.messages:>10,}{one.acknowledged:>14,}"
            f"{numbers}{one.seconds:>9.1f}  {_verdict(one)}"
        )
    for one in results:
        yield from (f"{one.name}: {note}" for note in one.notes)
        if not one.sound:
            yield from (f"{one.name}: {v.kind}: {v.words}" for v in one.violations[:SHOWN])


def _verdict(one: Result) -> str:
    if one.expected:
        return "caught, as it must be" if one.sound else "NOT CAUGHT"
    return "kept" if one.sound else "BROKEN"
