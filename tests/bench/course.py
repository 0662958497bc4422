"""The course of a measurement: servers started, rounds interleaved, everything stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.bench.crew import Crew
from tests.bench.figure import Figure, IdleFigure
from tests.bench.member import LoadError
from tests.bench.scenario import Scenario, idle
from tests.bench.server import Contender, Server, ServerError, scratch_folder


@dataclass(frozen=True)
class Effort:
    """How long and how often to measure, after `warm` seconds, with so many load processes.

    After each round a server gets up to `rest` seconds to do what it has put off.
    """

    rounds: int
    seconds: float
    warm: float
    processes: int
    rest: float


def measure(
    scenario: Scenario, contenders: Sequence[Contender], effort: Effort
) -> dict[str, list[Figure]]:
    """Return the rounds of every server; one that fails is left out and named on stderr."""
    taken: dict[str, list[Figure]] = {}
    with ExitStack() as stack:
        crews: dict[str, Crew] = {}
        for contender in contenders:
            with _or_left_out(contender, scenario):
                crew = stack.enter_context(_at_server(contender, scenario, effort))
                crew.enter()
                crews[contender.name] = crew
        for number in range(1, effort.rounds + 1):
            for contender in contenders:
                if contender.name not in crews:
                    continue
                with _or_left_out(contender, scenario):
                    crew = crews.pop(contender.name)
                    figure = crew.talk(effort.warm, effort.seconds, effort.rest)
                    crews[contender.name] = crew
                    taken.setdefault(contender.name, []).append(figure)
                    _tell_progress(scenario, contender, f"{number}/{effort.rounds}", figure)
    return taken


def measure_idle(
    clients: int, contenders: Sequence[Contender], effort: Effort
) -> dict[str, IdleFigure]:
    """Return what so many silent connections cost at every server, one server after the other."""
    taken: dict[str, IdleFigure] = {}
    scenario = idle(clients)
    for contender in contenders:
        with _or_left_out(contender, scenario), _at_server(contender, scenario, effort) as crew:
            taken[contender.name] = figure = crew.idle()
            say(f"idle {contender.name}: {figure.logins_per_s:,.0f} logins/s")
    return taken


@contextmanager
def _at_server(contender: Contender, scenario: Scenario, effort: Effort) -> Iterator[Crew]:
    """A fresh server and the load processes for it; the load goes first at the end."""
    with (
        scratch_folder() as folder,
        Server(contender, folder) as server,
        Crew(server, scenario, effort.processes) as crew,
    ):
        yield crew


@contextmanager
def _or_left_out(contender: Contender, scenario: Scenario) -> Iterator[None]:
    try:
        yield
    except (LoadError, ServerError) as error:
        say(f"{scenario.name} {contender.name}: left out: {error}")


def _tell_progress(scenario: Scenario, contender: Contender, which: str, figure: Figure) -> None:
    say(f"{scenario.name} {which} {contender.name}: {figure.deliveries_per_s:,.0f} deliveries/s")


def say(line: str) -> None:
    """Tell the user on stderr how things are going."""
    print(line, file=sys.stderr, flush=True)
