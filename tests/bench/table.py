"""The figures as tables in Markdown, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.bench.figure import Figure, IdleFigure, KeptFigure
from tests.bench.peer import short_name
from tests.bench.scenario import Scenario


def scenario_table(
    scenario: Scenario, figures: Mapping[str, Figure], peers: Sequence[str], ours: Sequence[str]
) -> Iterable[str]:
    """One row per server, the fastest first.

    Ratios are to the best peer, and to the first of our servers where there are several.
    """
    values = {name: float(getattr(one, scenario.judged_by)) for name, one in figures.items()}
    bases = _bases(values, peers, ours, low=scenario.rate > 0)
    yield f"**{scenario.name}**: {scenario.what}"
    what = "p99" if scenario.rate else "rate"
    header = [
        *("server", "deliveries/s", *(f"{what} vs {short_name(base)}" for base in bases)),
        *("cpu s/M", "later s/M", "p50 ms", "p99 ms", "server %", "load %", "cores %", "bound by"),
    ]
    names = sorted(values, key=lambda name: values[name], reverse=not scenario.rate)
    yield from _table(
        header,
        (
            [
                *(name, f"{figures[name].deliveries_per_s:,.0f}"),
                *(_ratio(values[name], values.get(base)) for base in bases),
                *_details(figures[name]),
                figures[name].bound_by(scenario) + _faults(figures[name]),
            ]
            for name in names
        ),
    )


def _details(one: Figure) -> list[str]:
    shares = (one.server_share, one.load_share, one.cores_share)
    return [
        _number(one.cpu_s_per_million, 3),
        _number(one.later_s_per_million, 3),
        _number(one.p50_ms, 2),
        _number(one.p99_ms, 2),
        *(_number(None if share is None else share * 100, 0) for share in shares),
    ]


def idle_table(
    figures: Mapping[str, IdleFigure], peers: Sequence[str], ours: Sequence[str]
) -> Iterable[str]:
    """One row per server; ratios are of logins."""
    values = {name: one.logins_per_s for name, one in figures.items()}
    bases = _bases(values, peers, ours, low=False)
    yield "**idle**: connections in rooms of 10 in which nobody says anything"
    ratios = [f"logins vs {short_name(base)}" for base in bases]
    yield from _table(
        ["server", "connections", "KiB each", "logins/s", *ratios],
        (
            [
                *(name, f"{figures[name].connections:,}"),
                _number(figures[name].kib_per_connection, 1),
                f"{values[name]:,.0f}",
                *(_ratio(values[name], values.get(base)) for base in bases),
            ]
            for name in sorted(values, key=lambda name: values[name], reverse=True)
        ),
    )


def crowd_table(figures: Mapping[int, Mapping[str, Figure]], ours: Sequence[str]) -> Iterable[str]:
    """One row per size of the room, and what one delivery costs each server there."""
    yield "**crowds**: 1 room, 4 of its members talk flat out; CPU seconds per million deliveries"
    names = [short_name(name) for name in ours]
    yield from _table(
        ["members", *names, *(f"{name}, deliveries/s" for name in names)],
        (
            [
                f"{members:,}",
                *(_number(row[n].cpu_s_per_million, 3) if n in row else "-" for n in ours),
                *(_number(row[n].deliveries_per_s, 0) if n in row else "-" for n in ours),
            ]
            for members, row in figures.items()
        ),
    )


def kept_table(figures: Sequence[KeptFigure]) -> Iterable[str]:
    """One row per number of messages kept; the ratio is to the first row that has a page."""
    yield "**kept**: what it costs to have kept messages; on disk, pages of 200"
    base = next((one.any_ms for one in figures if one.any_ms is not None), None)
    header = ["messages", "MiB", "newest page, ms", "any page, ms", "vs first"]
    yield from _table(
        [*header, "start, s", "start after kill -9, s"],
        (
            [
                *(f"{one.messages:,}", _number(one.mib, 1)),
                *(_number(one.newest_ms, 2), _number(one.any_ms, 2), _ratio(one.any_ms, base)),
                *(_number(one.start_s, 2), _number(one.after_kill_s, 2)),
            ]
            for one in figures
        ),
    )


def acknowledged_table(
    many: Scenario, figures: Mapping[str, Figure], alone: Mapping[str, Figure]
) -> Iterable[str]:
    """One row per server; the ratio is to the first."""
    yield f"**acknowledged**: {many.what}; then one alone, one message at a time"
    base = next((one.deliveries_per_s for one in figures.values()), None)
    header = ["server", "acknowledged/s", "vs first", "cpu s/M", "later s/M"]
    header += ["p50 ms", "p99 ms", "alone: p50 ms", "p99 ms", "bound by"]
    yield from _table(
        header,
        (
            [
                *(name, f"{one.deliveries_per_s:,.0f}", _ratio(one.deliveries_per_s, base)),
                *_details(one)[:4],
                *(_details(alone[name])[2:4] if name in alone else ("-", "-")),
                one.bound_by(many) + _faults(one),
            ]
            for name, one in figures.items()
        ),
    )


# The parts of a table


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """Columns as wide as they need to be; the first is words, the others are numbers."""
    rows = list(rows)
    yield ""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = [f"{'-' * (width - 1)}{':' if at else '-'}" for at, width in enumerate(widths)]
    for row in (header, rule, *rows):
        cells = (
            f"{cell:{'>' if at else '<'}{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"| {' | '.join(cells)} |"


def _bases(
    values: Mapping[str, float], peers: Sequence[str], ours: Sequence[str], *, low: bool
) -> list[str]:
    """Whom the others are compared with: the best peer, and the first of several of ours."""
    best = (min if low else max)(
        (name for name in peers if name in values), key=lambda name: values[name], default=None
    )
    first = next((name for name in ours if name in values), None)
    several = best is None or sum(name in values for name in ours) > 1
    return [base for base in (best, first if several else None) if base is not None]


def _ratio(value: float | None, base: float | None) -> str:
    return f"{value / base:.2f} \N{MULTIPLICATION SIGN}" if value is not None and base else "-"


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:,.{places}f}"


def _faults(one: Figure) -> str:
    lost = f", LOST {one.lost:,}" if one.lost else ""
    return lost + (f", {one.surplus:,} TOO MANY" if one.surplus else "")
