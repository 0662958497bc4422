"""The load processes of one server, seen from the benchmark that commands them."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Self, TypeVar

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

    def __enter__(self) -> Self:
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
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        for pipe in self._pipes:
            pipe.close()

    # Coming in

    def enter(self, patience: float = _TO_ENTER) -> Entered:
        """Bring all clients in; raise LoadError where that takes too long."""
        entered = self._log_in(patience)
        if entered.clients < self._scenario.clients:
            came = f"{entered.clients} of {self._scenario.clients}"
            raise LoadError(f"only {came} came in within {patience:.0f} s")
        self._settle()
        return entered

    def idle(self, patience: float = _TO_ENTER) -> IdleFigure:
        """Bring in as many as come in that time and say what they cost."""
        before = meter.resident_kib(self._server.pid)
        entered = self._log_in(patience)
        if not entered.clients:
            raise LoadError("nobody came in")
        self._settle()
        after = meter.resident_kib(self._server.pid)
        kib = None if before is None or after is None else (after - before) / entered.clients
        return IdleFigure(entered.clients, kib, entered.clients / (entered.ended - entered.began))

    def _log_in(self, patience: float) -> Entered:
        contender = self._server.contender
        at_once = max(1, contender.at_once // len(self._shares))
        deadline = time.monotonic() + patience
        orders = [
            Enter(
                self._server.pid,
                self._server.port,
                contender.dialect,
                self._scenario,
                seats,
                at_once,
                deadline,
            )
            for seats in self._shares
        ]
        answers = self._ask(orders, deadline, Entered)
        return Entered(
            sum(a.clients for a in answers),
            min(a.began for a in answers),
            max(a.ended for a in answers),
        )

    def _settle(self) -> None:
        deadline = time.monotonic() + _TO_DRAIN
        self._ask([Settle(_QUIET, deadline)] * len(self._pipes), deadline, Settled)

    # Talking

    def talk(self, warm: float, seconds: float, rest: float) -> Figure:
        """Measure one round, and what the server does in up to `rest` seconds after it."""
        begin = time.monotonic() + warm
        end = begin + seconds
        self._tell([Talk(begin, end)] * len(self._pipes))
        before = self._look(begin)
        after = self._look(end)
        heard = self._hear(end, Heard)
        drained = self._drain(heard)
        put_off = meter.rest(self._server.pid, rest)
        return _figure(heard, before, after, drained, _share(put_off, warm + seconds))

    def _drain(self, heard: list[Heard]) -> Drained:
        sent: Counter[int] = Counter()
        for one in heard:
            sent.update(one.sent)
        deadline = time.monotonic() + _TO_DRAIN
        answers = self._ask([Drain(dict(sent), deadline)] * len(self._pipes), deadline, Drained)
        return Drained(sum(a.missing for a in answers), sum(a.surplus for a in answers))

    def _look(self, when: float) -> _Look:
        """Look at the meters at that time, or at once when a load process has failed."""
        wait(self._pipes, max(0.0, when - time.monotonic()))
        return _Look(time.monotonic(), meter.cpu_seconds(self._server.pid), meter.machine_seconds())

    # The pipes

    def _ask(self, orders: Sequence[Order], deadline: float, kind: type[_Some]) -> list[_Some]:
        self._tell(orders)
        return self._hear(deadline, kind)

    def _tell(self, orders: Sequence[Order]) -> None:
        for pipe, order in zip(self._pipes, orders, strict=True):
            with contextlib.suppress(OSError):  # one that has ended has said why: `_hear` reads it
                pipe.send(order)

    def _hear(self, deadline: float, kind: type[_Some]) -> list[_Some]:
        return [self._hear_from(pipe, deadline, kind) for pipe in self._pipes]

    def _hear_from(
        self, pipe: Connection[Order, Answer], deadline: float, kind: type[_Some]
    ) -> _Some:
        if not pipe.poll(max(0.0, deadline - time.monotonic()) + _SLACK):
            raise LoadError("a load process does not answer")
        try:
            answer = pipe.recv()
        except (EOFError, OSError):
            raise LoadError("a load process has died") from None
        if not isinstance(answer, kind):
            raise LoadError(answer.why if isinstance(answer, Failure) else f"got {answer}")
        return answer


class _Look(NamedTuple):
    """What the meters said."""

    when: float
    server: float | None
    machine: tuple[float, float] | None


def _figure(
    heard: list[Heard], before: _Look, after: _Look, drained: Drained, later: float | None
) -> Figure:
    ages = array("q", sorted(age for one in heard for age in one.ages))
    rate = sum(one.deliveries / one.seconds for one in heard)
    share = None
    if before.server is not None and after.server is not None:
        share = _share(after.server - before.server, after.when - before.when)
    return Figure(
        deliveries_per_s=rate,
        cpu_s_per_million=_per_million(share, rate),
        later_s_per_million=_per_million(later, rate),
        p50_ms=percentile(ages, 0.50),
        p99_ms=percentile(ages, 0.99),
        server_share=share,
        load_share=max(one.share for one in heard),
        cores_share=_in_use(before, after),
        lost=drained.missing,
        surplus=drained.surplus,
    )


def _share(processor: float | None, seconds: float) -> float | None:
    return None if processor is None else processor / seconds


def _per_million(share: float | None, rate: float) -> float | None:
    return None if share is None or not rate else share / rate * 1e6


def _in_use(before: _Look, after: _Look) -> float | None:
    if before.machine is None or after.machine is None:
        return None
    (busy, whole), (busy_then, whole_then) = before.machine, after.machine
    return (busy_then - busy) / max(1.0, whole_then - whole)
