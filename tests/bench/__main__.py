"""The command `python -m tests.bench`: reads options, measures, prints tables.

Exit codes: 0 all is measured · 1 a server of ours has no figure somewhere · 2 usage.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import tests.bench
from tests.bench import meter, peer, table
from tests.bench.course import Effort, measure, measure_idle, say
from tests.bench.figure import middle
from tests.bench.report import Report
from tests.bench.scenario import SCENARIOS, Scenario
from tests.bench.server import Contender, ServerError

_QUICK_IDLE = 50
_SPARE_DESCRIPTORS = 100
_LONGEST_ROUND = 60.0


def main() -> int:
    """Measure what the command line asks for."""
    parser = _parser()
    options = parser.parse_args()
    _raise_descriptor_limit(parser, options.idle)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    peers, left_out = _find_peers(options)
    ours = [peer.ours(threads) for threads in options.io_threads]
    effort = _effort(options)
    report = Report(effort, left_out)
    try:
        complete = _measure(options, ours, peers, effort, report)
    except ServerError as error:
        parser.error(str(error))
    if options.json:
        report.write(options.json)
    return 0 if complete else 1


def _measure(
    options: argparse.Namespace,
    ours: list[Contender],
    peers: list[Contender],
    effort: Effort,
    report: Report,
) -> bool:
    """Measure and print; return whether every server of ours has every figure."""
    names = [one.name for one in peers]
    complete = True
    for scenario in _scenarios(options):
        rounds = measure(scenario, [*ours, *peers], effort)
        report.add(scenario, rounds)
        figures = {name: middle(taken) for name, taken in rounds.items()}
        _print(table.scenario_table(scenario, figures, names))
        complete &= all(len(rounds.get(one.name, ())) == effort.rounds for one in ours)
    if clients := options.idle or (_QUICK_IDLE if options.quick else 0):
        idle = measure_idle(clients, [*ours, *peers], effort)
        report.add_idle(idle)
        _print(table.idle_table(idle, names))
        complete &= all(one.name in idle for one in ours)
    return complete


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n", flush=True)


# What the options mean


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=tests.bench.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=_seconds, help="of one round (1)")
    add("--rounds", type=_count, help="per scenario; the table has the median (3)")
    add("--scenario", action="append", choices=SCENARIOS, help="only this one; may be repeated")
    add("--peers", type=_peer_names, help=f"auto, none or some of {','.join(peer.NAMES)} (auto)")
    add(
        "--io-threads",
        type=_numbers,
        default=[None],
        metavar="N,...",
        help="measure our server with each number of loop threads",
    )
    add(
        "--idle",
        type=_count,
        metavar="N",
        help="measure N idle connections; without --scenario nothing else",
    )
    add("--processes", type=_count, metavar="N", help="load processes per server")
    add("--json", type=Path, metavar="FILE", help="write every figure there too")
    add("--quick", action="store_true", help="a moment of everything, without peers")
    return parser


def _effort(options: argparse.Namespace) -> Effort:
    rounds, seconds, warm = (1, 0.2, 0.05) if options.quick else (3, 1.0, 0.4)
    return Effort(
        rounds=options.rounds or rounds,
        seconds=options.seconds or seconds,
        warm=warm,
        processes=options.processes or (1 if options.quick else _load_processes()),
    )


def _load_processes() -> int:
    """One core is for the server, the others for the load, of which a few are always enough.

    With two cores it still takes two processes: one would stand still while it reads for both.
    """
    return min(4, max(2, meter.cores() - 1))


def _scenarios(options: argparse.Namespace) -> list[Scenario]:
    if options.idle and not options.scenario:
        return []
    chosen = [SCENARIOS[name] for name in options.scenario or SCENARIOS]
    return [scenario.small() for scenario in chosen] if options.quick else chosen


def _find_peers(options: argparse.Namespace) -> tuple[list[Contender], list[str]]:
    """The peers to measure, and the names of those that are not here."""
    wanted = options.peers if options.peers is not None else [] if options.quick else peer.NAMES
    found = {name: peer.find(name) for name in wanted}
    left_out = [name for name, contender in found.items() if contender is None]
    for name in left_out:
        say(f"{name}: not installed, left out")
    return [contender for contender in found.values() if contender is not None], left_out


def _peer_names(text: str) -> list[str]:
    names = {"auto": list(peer.NAMES), "none": []}.get(text, text.split(","))
    if unknown := set(names) - set(peer.NAMES):
        raise argparse.ArgumentTypeError(f"there is no peer {', '.join(sorted(unknown))}")
    return names


def _numbers(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_ROUND:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_LONGEST_ROUND:.0f}")
    return seconds


# What the system has to do for us


def _raise_descriptor_limit(parser: argparse.ArgumentParser, idle: int | None) -> None:
    """Allow ourselves, and with us all we start, as many connections as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a hard limit and refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if idle and soft != resource.RLIM_INFINITY and idle + _SPARE_DESCRIPTORS > soft:
        parser.error(f"--idle {idle}: the system allows {soft} descriptors a process (ulimit -n)")


def _leave(number: int, _: object) -> NoReturn:
    """End as if asked to from within, so that everything that was started is stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
