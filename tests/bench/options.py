"""What the command line of the benchmark asks for."""

from __future__ import annotations

import argparse
import contextlib
import resource
from pathlib import Path

import tests.bench
from tests.bench import meter, peer
from tests.bench.course import Effort, say
from tests.bench.growth import SMALL, Sizes
from tests.bench.scenario import SCENARIOS, Scenario, authors
from tests.bench.server import Contender

_QUICK_IDLE = 50
_AUTHORS = 64
_QUICK_AUTHORS = 4
_UNANSWERED = 32
"""Messages that an author has under way: what the server takes before it stops to read."""

_SPARE_DESCRIPTORS = 100
_LONGEST_ROUND = 60.0


class Options:
    """The command line; usage errors end the process here."""

    def __init__(self) -> None:
        self._parser = _parser()
        self._given = self._parser.parse_args()
        self._descriptors = _raise_descriptor_limit()
        if self.idle + _SPARE_DESCRIPTORS > self._descriptors:
            self.refuse(
                f"--idle {self.idle}: the system allows {self._descriptors} descriptors a process"
            )
        self.json: Path | None = self._given.json
        self.effort = _effort(self._given)

    def refuse(self, why: str) -> None:
        """End with a usage error."""
        self._parser.error(why)

    # What to measure

    @property
    def _everything(self) -> bool:
        """A quick run is of everything, unless something is named."""
        given = self._given
        named = given.scenario or given.idle or given.growth or given.acknowledged
        return bool(given.quick and not named)

    @property
    def scenarios(self) -> list[Scenario]:
        """The scenarios; all where nothing is named."""
        given = self._given
        if not given.scenario and (given.idle or given.growth or given.acknowledged):
            return []
        chosen = [SCENARIOS[name] for name in given.scenario or SCENARIOS]
        return [scenario.small() for scenario in chosen] if given.quick else chosen

    @property
    def idle(self) -> int:
        """How many idle connections, 0 for none."""
        return int(self._given.idle or (_QUICK_IDLE if self._everything else 0))

    @property
    def growth(self) -> Sizes | None:
        """How far to go in measuring growth; crowds that the system has no descriptors for go."""
        if not (self._given.growth or self._everything):
            return None
        sizes = SMALL if self._given.quick else Sizes()
        return sizes.up_to(self._descriptors - _SPARE_DESCRIPTORS)

    @property
    def acknowledged(self) -> Scenario | None:
        """Who wants every message acknowledged."""
        if not (self._given.acknowledged or self._everything):
            return None
        return authors(_QUICK_AUTHORS if self._given.quick else _AUTHORS, _UNANSWERED)

    # Whom to measure

    def ours(self, *without: str) -> list[Contender]:
        """Our server in every way asked for, or else in every way but some."""
        durabilities = self._given.servers or [name for name in peer.OURS if name not in without]
        return [
            peer.ours(durability, threads)
            for durability in durabilities
            for threads in self._given.io_threads
        ]

    @property
    def on_disk(self) -> bool:
        """Whether our server on disk is among them."""
        return "disk" in (self._given.servers or peer.OURS)

    def peers(self) -> tuple[list[Contender], list[str]]:
        """The peers to measure, and the names of those that are not here."""
        wanted = [] if self._given.quick and self._given.peers is None else self._given.peers
        found = {name: peer.find(name) for name in (peer.NAMES if wanted is None else wanted)}
        left_out = [name for name, contender in found.items() if contender is None]
        for name in left_out:
            say(f"{name}: not installed, left out")
        return [contender for contender in found.values() if contender is not None], left_out


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
    ours = ",".join(peer.OURS)
    add("--servers", type=_our_names, help=f"some of {ours} (memory,disk; --acknowledged: all)")
    add("--peers", type=_peer_names, help=f"auto, none or some of {','.join(peer.NAMES)} (auto)")
    add(
        "--io-threads",
        type=_numbers,
        default=[None],
        metavar="N,...",
        help="measure our server with each number of loop threads",
    )
    add("--idle", type=_count, metavar="N", help="measure N idle connections")
    add(
        "--growth",
        action="store_true",
        help="measure crowds of 10 to 10,000, and what a million messages kept cost",
    )
    add("--acknowledged", action="store_true", help="measure messages whose authors wait for ok")
    add("--processes", type=_count, metavar="N", help="load processes per server")
    add("--json", type=Path, metavar="FILE", help="write every figure there too")
    add(
        "--quick", action="store_true", help="a moment of everything, or of what is named; no peers"
    )
    return parser


def _effort(given: argparse.Namespace) -> Effort:
    rounds, seconds, warm, rest = (1, 0.2, 0.05, 0.0) if given.quick else (3, 1.0, 0.4, 30.0)
    return Effort(
        rounds=given.rounds or rounds,
        seconds=given.seconds or seconds,
        warm=warm,
        processes=given.processes or (1 if given.quick else _load_processes()),
        rest=rest,
    )


def _load_processes() -> int:
    """One core is for the server, the others for the load, of which a few are always enough.

    With two cores it still takes two processes: one would stand still while it reads for both.
    """
    return min(4, max(2, meter.cores() - 1))


# The values


def _our_names(text: str) -> list[str]:
    return _names(text.split(","), peer.OURS)


def _peer_names(text: str) -> list[str]:
    return _names({"auto": list(peer.NAMES), "none": []}.get(text, text.split(",")), peer.NAMES)


def _names(names: list[str], known: tuple[str, ...]) -> list[str]:
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}")
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


def _raise_descriptor_limit() -> float:
    """Allow ourselves, and with us all we start, as many as the system lets us; say how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a hard limit and refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return float("inf") if soft == resource.RLIM_INFINITY else soft
