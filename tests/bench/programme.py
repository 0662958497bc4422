"""What can be measured: each part is measured, printed as a table, and put into the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench import peer, table
from tests.bench.course import Effort, measure, measure_idle
from tests.bench.figure import Figure, middle
from tests.bench.growth import Sizes, measure_kept
from tests.bench.report import Report
from tests.bench.scenario import Scenario, authors, crowd
from tests.bench.server import Contender


class Programme:
    """Measures, prints and reports; `complete` until a server of ours has no figure somewhere."""

    def __init__(self, effort: Effort, report: Report) -> None:
        self.complete = True
        self._effort = effort
        self._report = report

    def scenario(
        self, scenario: Scenario, ours: Sequence[Contender], peers: Sequence[Contender]
    ) -> None:
        """One scenario at every server."""
        figures = self._rounds(scenario, ours, peers)
        _print(table.scenario_table(scenario, figures, _names(peers), _names(ours)))

    def idle(self, clients: int, ours: Sequence[Contender], peers: Sequence[Contender]) -> None:
        """Silent connections at every server."""
        figures = measure_idle(clients, [*ours, *peers], self._effort)
        self._report.add_idle(figures)
        self._expect(figures, ours)
        _print(table.idle_table(figures, _names(peers), _names(ours)))

    def crowds(self, sizes: Sizes, ours: Sequence[Contender]) -> None:
        """Rooms of growing size."""
        figures = {members: self._rounds(crowd(members), ours) for members in sizes.members}
        _print(table.crowd_table(figures, _names(ours)))

    def kept(self, sizes: Sizes) -> None:
        """Growing histories; only those on disk grow."""
        figures = measure_kept(sizes, peer.ours("disk"), self._effort)
        self._report.add_kept(figures)
        _print(table.kept_table(figures))

    def acknowledged(self, many: Scenario, ours: Sequence[Contender]) -> None:
        """Many authors at once, and one alone."""
        figures = self._rounds(many, ours)
        alone = self._rounds(authors(1, window=1), ours)
        _print(table.acknowledged_table(many, figures, alone))

    def _rounds(
        self, scenario: Scenario, ours: Sequence[Contender], peers: Sequence[Contender] = ()
    ) -> dict[str, Figure]:
        rounds = measure(scenario, [*ours, *peers], self._effort)
        self._report.add(scenario, rounds)
        whole = [name for name, taken in rounds.items() if len(taken) == self._effort.rounds]
        self._expect(whole, ours)
        return {name: middle(taken) for name, taken in rounds.items()}

    def _expect(self, measured: Iterable[str], ours: Sequence[Contender]) -> None:
        self.complete &= set(_names(ours)) <= set(measured)


def _names(contenders: Sequence[Contender]) -> list[str]:
    return [contender.name for contender in contenders]


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n", flush=True)
