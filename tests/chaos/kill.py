"""The server is killed, or asked to stop, at random moments under load; clients come back.

Nearly every kill comes after so many acknowledgements that it falls into the middle of commits and
deliveries, some while the server starts. All cycles share a data folder, a port and the clients.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.chaos.checker import Violation, check
from tests.chaos.child import Child
from tests.chaos.crowd import Cast, Crowd, CrowdStuck
from tests.chaos.result import Result
from tests.chaos.store import Damaged, read_store

BURST = 120
"""Acknowledgements between a start and a kill, at most."""
AT_START = 0.1
"""The share of kills that come while the server starts, within the first STARTING seconds."""
STARTING = 0.6
PROMISED = 5.0
"""Seconds within which a server that is asked to stop has ended."""


class Times:
    """What is measured on the way: starts, ends, and how a server ended."""

    def __init__(self) -> None:
        self.back: list[float] = []
        self.ended: list[float] = []
        self.faults: list[Violation] = []


def kill(cycles: int, random: Random) -> Result:
    """Kill it with SIGKILL, `cycles` times."""
    return _scenario("kill -9", cycles, random, signal.SIGKILL)


def terminate(cycles: int, random: Random) -> Result:
    """Stop it with SIGTERM, `cycles` times: it ends in time and tells everybody."""
    return _scenario("sigterm", cycles, random, signal.SIGTERM)


def _scenario(name: str, cycles: int, random: Random, number: signal.Signals) -> Result:
    began = time.monotonic()
    times = Times()
    # told when to come back, the library waits for seconds: it would be away most of the time
    cast = Cast() if number == signal.SIGKILL else Cast(patrons=0)
    with TemporaryDirectory(prefix="chaos-") as folder, Child(Path(folder)) as child:
        with Crowd(child.address, cast, random) as crowd:
            try:
                _cycles(cycles, random, number, child, crowd, times)
            except CrowdStuck as stuck:
                times.faults.append(Violation("stuck", f"{stuck}; the log ends {child.log[-500:]}"))
            child.end(signal.SIGKILL)
        violations = [*times.faults, *judge(crowd, child.data)]
        if number == signal.SIGTERM and (untold := crowd.total("untold")):
            violations.append(Violation("untold", f"{untold} connections ended without a bye"))
    return Result(
        name,
        cycles,
        sum(len(member.messages) for member in crowd.members),
        crowd.acknowledged,
        time.monotonic() - began,
        violations,
        _notes(crowd, times, number),
    )


def judge(crowd: Crowd, folder: Path) -> list[Violation]:
    """Everything that is wrong with what members saw and the folder of a server that has ended."""
    surprises = [Violation("surprise", words) for words in crowd.surprises()]
    try:
        store = read_store(folder)
    except Damaged as damaged:
        return [*surprises, Violation("damaged", str(damaged))]
    return [*surprises, *check(crowd.logs(), store)]


def _cycles(
    cycles: int,
    random: Random,
    number: signal.Signals,
    child: Child,
    crowd: Crowd,
    times: Times,
) -> None:
    child.start()
    crowd.settle()
    for _ in range(cycles):
        _under_load(random, crowd)
        _end(number, child, times)
        child.start()
        if number == signal.SIGKILL and random.random() < AT_START:
            time.sleep(random.uniform(0, STARTING))
            _end(number, child, times)
            child.start()
        _until_back(child, crowd, times)
    crowd.end()


def _under_load(random: Random, crowd: Crowd) -> None:
    """Return at some moment after a random number of acknowledgements."""
    enough = crowd.acknowledged + random.randrange(BURST)
    crowd.wait_for(lambda: crowd.acknowledged >= enough, "no acknowledgements under load")
    time.sleep(random.uniform(0, 0.005))


def _until_back(child: Child, crowd: Crowd, times: Times) -> None:
    began, before = time.monotonic(), crowd.acknowledged
    crowd.wait_for(
        lambda: crowd.acknowledged > before or not child.running, "no acknowledgement after a start"
    )
    if not child.running:
        raise CrowdStuck("the server ended by itself")
    times.back.append(time.monotonic() - began)


def _end(number: signal.Signals, child: Child, times: Times) -> None:
    code, seconds = child.end(number)
    times.ended.append(seconds)
    if number == signal.SIGTERM and code != 0:
        times.faults.append(Violation("exit", f"a server asked to stop ended with {code}"))


def _notes(crowd: Crowd, times: Times, number: signal.Signals) -> list[str]:
    notes = [
        f"{crowd.total('duplicates')} messages were sent again and recognised; first "
        f"acknowledgement after a start: {_spread(times.back)}"
    ]
    if number == signal.SIGTERM:
        late = sum(seconds > PROMISED for seconds in times.ended)
        notes.append(f"ended after {_spread(times.ended)}, {late} later than {PROMISED:.0f} s")
        notes.append(f"{crowd.total('told')} connections were told of the stop")
    return notes


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.2f} s in the middle, {ordered[-1]:.2f} s at most"
