"""The command `python -m tests.chaos`: breaks what can break, and prints a table of what was kept.

Exit codes: 0 everything promised was kept and every control was caught · 1 not · 2 usage.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import sys
from collections.abc import Callable
from random import Random
from typing import NoReturn

import tests.chaos
from tests.chaos.control import planted
from tests.chaos.cuts import cuts
from tests.chaos.kill import kill, terminate
from tests.chaos.power import power
from tests.chaos.result import Result, table
from tests.chaos.stuck import stuck

Options = argparse.Namespace
ROUNDS = 100
"""Cycles for one A and B of stuck receivers: a round takes half a minute."""

SCENARIOS: dict[str, Callable[[Options, Random], list[Result]]] = {
    "kill": lambda options, random: [kill(options.cycles, random)],
    "sigterm": lambda options, random: [terminate(options.cycles, random)],
    "cuts": lambda options, random: [cuts(options.cuts, random)],
    "power": lambda options, random: power(options.cuts, random),
    "stuck": lambda options, random: [stuck(max(1, options.cycles // ROUNDS))],
}


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    logging.disable()  # a journal on what a lying disk has left complains, and has reason to
    print(f"seed {options.seed}", flush=True)
    results = [planted()]
    for name in SCENARIOS if options.scenario == "all" else [options.scenario]:
        print(f"{name} …", file=sys.stderr, flush=True)
        results += SCENARIOS[name](options, Random(f"{options.seed} {name}"))
    print("\n".join(table(results)))
    return 0 if all(result.sound for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=tests.chaos.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scenario", nargs="?", default="all", choices=["all", *SCENARIOS])
    add("--cycles", type=_count, default=20, help="kills, and stops by SIGTERM (20)")
    add("--cuts", type=_count, default=500, help="cuts of connections, and of power (500)")
    add("--seed", type=int, default=secrets.randbelow(10**6), help="for the same dice again")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return int(text)


def _leave(number: int, _: object) -> NoReturn:
    """End as if asked to from within, so that everything that was started is stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
