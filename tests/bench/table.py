"""The figures as tables, with ratios to the best peer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.bench.figure import Figure, IdleFigure
from tests.bench.scenario import Scenario

_NAME = 18


def scenario_table(
    scenario: Scenario, figures: Mapping[str, Figure], peers: Iterable[str]
) -> Iterable[str]:
    """One line per server, the fastest first; ratios are to the best peer, or to the first row."""
    values = {name: float(getattr(one, scenario.judged_by)) for name, one in figures.items()}
    best = _best(values, peers, low=scenario.rate > 0)
    title = f"{'p99' if scenario.rate else 'rate'} vs {best}"
    yield f"{scenario.name}: {scenario.what}"
    yield (
        f"  {'':{_NAME}} {'deliveries/s':>13} {title} {'cpu s/M':>8} "
        f"{'p50 ms':>8} {'p99 ms':>8} {'server %':>8} {'load %':>7} {'cores %':>7}  bound by"
    )
    for name in sorted(values, key=lambda name: values[name], reverse=not scenario.rate):
        one = figures[name]
        yield (
            f"  {name:{_NAME}} {one.deliveries_per_s:13,.0f} "
            f"{_ratio(values[name], values.get(best)):>{len(title)}} "
            f"{_number(one.cpu_s_per_million, 3):>8} "
            f"{one.p50_ms:8.2f} {one.p99_ms:8.2f} {_percent(one.server_share):>8} "
            f"{_percent(one.load_share):>7} {_percent(one.cores_share):>7}  "
            f"{one.bound_by(scenario)}{_faults(one)}"
        )


def idle_table(figures: Mapping[str, IdleFigure], peers: Iterable[str]) -> Iterable[str]:
    """One line per server; ratios are of logins to those of the best peer."""
    values = {name: one.logins_per_s for name, one in figures.items()}
    best = _best(values, peers, low=False)
    yield "idle: connections in rooms of 10 in which nobody says anything"
    title = f"logins vs {best}"
    yield f"  {'':{_NAME}} {'connections':>13} {'KiB each':>9} {'logins/s':>9} {title}"
    for name in sorted(values, key=lambda name: values[name], reverse=True):
        one = figures[name]
        yield (
            f"  {name:{_NAME}} {one.connections:13,} {_number(one.kib_per_connection, 1):>9} "
            f"{one.logins_per_s:9,.0f} {_ratio(values[name], values.get(best)):>{len(title)}}"
        )


def _best(values: Mapping[str, float], peers: Iterable[str], *, low: bool) -> str:
    """Whom the others are compared with."""
    among = [name for name in peers if name in values] or list(values)[:1]
    return (min if low else max)(among, key=lambda name: values[name], default="-")


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f} x" if base else "-"


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f}"


def _faults(one: Figure) -> str:
    lost = f", LOST {one.lost:,}" if one.lost else ""
    return lost + (f", {one.surplus:,} TOO MANY" if one.surplus else "")
