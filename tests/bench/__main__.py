"""The command `python -m tests.bench`: measures what is asked for and prints tables.

Exit codes: 0 all is measured · 1 a server of ours has no figure somewhere · 2 usage.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from tests.bench.options import Options
from tests.bench.programme import Programme
from tests.bench.report import Report
from tests.bench.server import ServerError


def main() -> int:
    """Measure what the command line asks for."""
    options = Options()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    report = Report(options.effort)
    try:
        complete = _measure(options, report)
    except ServerError as error:
        print(f"python -m tests.bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        report.write(options.json)
    return 0 if complete else 1


def _measure(options: Options, report: Report) -> bool:
    """Measure and print; return whether every server of ours has every figure."""
    programme = Programme(options.effort, report)
    if options.scenarios or options.idle:
        ours = options.ours("process")
        peers, left_out = options.peers()
        report.leave_out(left_out)
        for scenario in options.scenarios:
            programme.scenario(scenario, ours, peers)
        if options.idle:
            programme.idle(options.idle, ours, peers)
    if options.growth:
        programme.crowds(options.growth, options.ours("process"))
        if options.on_disk:
            programme.kept(options.growth)
    if options.acknowledged:
        programme.acknowledged(options.acknowledged, options.ours())
    return programme.complete


def _leave(number: int, _: object) -> NoReturn:
    """End as if asked to from within, so that everything that was started is stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
