"""The load processes of one server, seen from the benchmark that commands them."""

from __future__ import annotations

import multiprocessing
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

from tests.bench import load, meter
from tests.bench.figure import Figure, IdleFigure, percentile
from tests.bench.member import LoadError
from tests.bench.order import (
    Answer,
    Drain,
    Drained,
    Enter,
    Entered,
    Failure,
    Heard,
    Order,
    Settle,
    Settled,
    Talk,
)
from tests.bench.scenario import Scenario, deal
from tests.bench.server import Server

_TO_ENTER = 60.0
_TO_DRAIN = 10.0
_QUIET = 0.2
_SLACK = 10.0
"""Seconds beyond a deadline until a load process counts as dead."""

_Some = TypeVar("_Some", Entered, Settled, Heard, Drained)


class Crew:
    """The clients of `scenario` at `server`, in `processes` load processes; use it with `with`."""

    def __init__(self, server: Server, scenario: Scenario, processes: int) -> None:
        self._server = server
        self._scenario = scenario
        self._shares = [seats for seats in deal(scenario, processes) if seats]
        self._pipes: list[Connection[Order, Answer]] = []
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Crew:
        context = multiprocessing.get_context("spawn")
        for number in range(len(self._shares)):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=load.serve, args=(theirs,), name=f"load-{number}", daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    # Coming in

    def enter(self, patience: float = _TO_ENTER) -> Entered:
        """Bring all clients in; raise LoadError where that takes too long."""
        entered = self._log_in(patience)
        if entered.clients < self._scenario.clients:
            raise LoadError(
                f"only {entered.clients} of {self._scenario.clients} came in within {patience:.0f} s"
            )
        self._settle()
        return entered

    def idle(self, patience: float = _TO_ENTER) -> IdleFigure:
        """Bring in as many as come in that time and say what they cost."""
        before = meter.resident_kib(self._server.pid)
        start = time.monotonic()
        entered = self._log_in(patience)
        if not entered.clients:
            raise LoadError("nobody came in")
        self._settle()
        after = meter.resident_kib(self._server.pid)
        kib = None if before is None or after is None else (after - before) / entered.clients
        return IdleFigure(entered.clients, kib, entered.clients / (entered.when - start))

    def _log_in(self, patience: float) -> Entered:
        contender = self._server.contender
        at_once = max(1, contender.at_once // len(self._shares))
        deadline = time.monotonic() + patience
        orders = [
            Enter(self._server.port, contender.dialect, self._scenario, seats, at_once, deadline)
            for seats in self._shares
        ]
        answers = self._ask(orders, deadline, Entered)
        return Entered(sum(a.clients for a in answers), max(a.when for a in answers))

    def _settle(self) -> None:
        deadline = time.monotonic() + _TO_DRAIN
        self._ask([Settle(_QUIET, deadline)] * len(self._pipes), deadline, Settled)

    # Talking

    def talk(self, warm: float, seconds: float) -> Figure:
        """Measure one round."""
        begin = time.monotonic() + warm
        self._tell([Talk(begin, begin + seconds)] * len(self._pipes))
        before = self._look_at(begin)
        after = self._look_at(begin + seconds)
        heard = self._hear(begin + seconds, Heard)
        drained = self._drain(heard)
        return _figure(heard, before, after, drained)

    def _drain(self, heard: list[Heard]) -> Drained:
        sent: Counter[int] = Counter()
        for one in heard:
            sent.update(one.sent)
        deadline = time.monotonic() + _TO_DRAIN
        answers = self._ask([Drain(dict(sent), deadline)] * len(self._pipes), deadline, Drained)
        return Drained(sum(a.missing for a in answers), sum(a.surplus for a in answers))

    def _look_at(self, when: float) -> _Look:
        """Look at the meters at that time, unless a load process fails before."""
        if failed := wait(self._pipes, max(0.0, when - time.monotonic())):
            self._hear_from(self._pipes[self._pipes.index(failed[0])], when, Heard)  # type: ignore[arg-type]
        return _Look(self._server.pid)

    # The pipes

    def _ask(self, orders: Sequence[Order], deadline: float, kind: type[_Some]) -> list[_Some]:
        self._tell(orders)
        return self._hear(deadline, kind)

    def _tell(self, orders: Sequence[Order]) -> None:
        for pipe, order in zip(self._pipes, orders, strict=True):
            try:
                pipe.send(order)
            except OSError:
                raise LoadError(self._why(pipe)) from None

    def _hear(self, deadline: float, kind: type[_Some]) -> list[_Some]:
        return [self._hear_from(pipe, deadline, kind) for pipe in self._pipes]
