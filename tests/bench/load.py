"""A load process: holds its share of the clients and does what the benchmark orders.

It ends when the benchmark does; if that was killed and could not stop the server under test, the
load stops it. One selector watches all clients; while nothing is
ordered it goes on reading, so that no server finds its clients slow or dead.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from array import array
from collections.abc import Callable
from multiprocessing.connection import Connection
from selectors import EVENT_READ

from tests.bench.author import Author
from tests.bench.dialect import DIALECTS
from tests.bench.login import Queue
from tests.bench.member import Ear, LoadError, Member, Station, Talker
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
from tests.bench.scenario import Scenario

_KEEP_ALIVE = 20.0
"""Seconds between signs of life: less than any of the servers waits before it asks for one."""

_TURN = 0.05
"""Seconds that a turn waits at most, so that deadlines are looked at."""

now = time.monotonic


def serve(orders: Connection[Answer, Order]) -> None:
    """Run in a process of its own until `orders` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the benchmark, which ends us
    enter = orders.recv()
    assert isinstance(enter, Enter)
    try:
        Load(orders, enter).serve()
    except (EOFError, BrokenPipeError):
        with contextlib.suppress(ProcessLookupError):
            os.kill(enter.server, signal.SIGTERM)
    except LoadError as error:
        orders.send(Failure(str(error)))


class Load:
    """The clients of one process at one server."""

    def __init__(self, orders: Connection[Answer, Order], enter: Enter) -> None:
        self._orders = orders
        self._enter = enter
        self._scenario: Scenario = enter.scenario
        self._station = Station(DIALECTS[enter.dialect])
        self._members: list[Member] = []
        self._talkers: dict[int, list[Talker]] = {}
        self._ordered = False
        self._keep_alive_due = now() + _KEEP_ALIVE

    def serve(self) -> None:
        """Enter, then obey until the pipe is closed."""
        self._orders.send(self._log_in())
        self._station.selector.register(self._orders, EVENT_READ, self._order)
        while True:
            while not self._ordered:
                self._turn(_KEEP_ALIVE)
            self._ordered = False
            self._orders.send(self._obey(self._orders.recv()))

    def _obey(self, order: Order) -> Answer:
        match order:
            case Settle():
                return self._settle(order)
            case Talk():
                return self._talk(order)
            case Drain():
                return self._drain(order)
            case _:
                raise LoadError(f"{order} makes no sense now")

    def _order(self, _: int) -> None:
        self._ordered = True

    def _turn(self, patience: float) -> int:
        """Hear what has arrived, waiting at most `patience`; return from how many it came."""
        events = self._station.selector.select(max(0.0, patience))
        for key, mask in events:
            key.data(mask)
        if now() >= self._keep_alive_due:
            self._keep_alive_due = now() + _KEEP_ALIVE
            for member in self._members:
                member.send(self._station.dialect.keep_alive)
        return len(events)

    # Coming in

    def _log_in(self) -> Entered:
        enter = self._enter
        began = now()
        queue = Queue(self._station, enter.seats, enter.port, enter.at_once)
        while not queue.empty and now() < enter.deadline:
            self._turn(_TURN)
        ended = now()
        self._members = queue.members
        self._seat_talkers()
        gc.collect()
        gc.freeze()
        gc.disable()
        return Entered(len(self._members), began, ended)

    def _seat_talkers(self) -> None:
        kind = Author if self._scenario.asks else Talker
        for member in self._members:
            if member.seat.talks:
                talker = kind(member, f"room{member.seat.room}", self._scenario.size)
                self._talkers.setdefault(member.seat.room, []).append(talker)
        for member in self._members:
            if member.seat.witness and isinstance(member, Ear):
                talkers = self._talkers.get(member.seat.room, ())
                member.talkers = {talker.number: talker for talker in talkers}

    def _settle(self, order: Settle) -> Settled:
        while self._turn(order.quiet) and now() < order.deadline:
            pass
        return Settled()

    # Talking

    def _talk(self, order: Talk) -> Heard:
        talk = self._pace() if self._scenario.rate else self._fill_windows()
        self._talk_until(order.begin, talk)
        self._station.ages = array("q")
        self._station.measuring = True
        began, processor, before = now(), time.process_time(), self._count()
        self._talk_until(order.end, talk)
        self._station.measuring = False
        seconds = max(now() - began, 1e-6)
        return Heard(
            self._count() - before,
            seconds,
            (time.process_time() - processor) / seconds,
            self._station.ages,
            self._sent(),
        )

    def _talk_until(self, end: float, talk: Callable[[], float]) -> None:
        """`talk` says what is to be said now, and in how many seconds there may be more."""
        while (left := end - now()) > 0:
            self._turn(min(left, talk()))

    def _fill_windows(self) -> Callable[[], float]:
        heard, window = self._station.heard, self._scenario.window
        heard.update(talker for talkers in self._talkers.values() for talker in talkers)

        def talk() -> float:
            for talker in heard:
                talker.top_up(window)
            heard.clear()
            return _TURN

        return talk

    def _pace(self) -> Callable[[], float]:
        talkers = [talker for talkers in self._talkers.values() for talker in talkers]
        gap = self._scenario.rooms * self._scenario.talkers / self._scenario.rate
        start = now()
        for talker in talkers:
            talker.due = start + gap * talker.member.seat.room / self._scenario.rooms

        def talk() -> float:
            for talker in talkers:
                talker.keep_pace(now(), gap)
            return min((talker.due for talker in talkers), default=now() + _TURN) - now()

        return talk

    def _count(self) -> int:
        return sum(member.got for member in self._members)

    def _sent(self) -> dict[int, int]:
        return {room: sum(t.sent for t in talkers) for room, talkers in self._talkers.items()}

    # Hearing the rest

    def _drain(self, order: Drain) -> Drained:
        expected = self._expected(order.sent)
        while now() < order.deadline:
            if all(member.got >= count for member, count in expected):
                break
            self._turn(_TURN)
        gaps = [count - member.got for member, count in expected]
        return Drained(
            missing=sum(gap for gap in gaps if gap > 0),
            surplus=-sum(gap for gap in gaps if gap < 0),
        )

    def _expected(self, sent: dict[int, int]) -> list[tuple[Member, int]]:
        """How much every member must have heard; not everybody hears themselves."""
        own = {
            talker.member: talker.sent
            for talkers in self._talkers.values()
            for talker in talkers
            if not self._station.dialect.echoes
        }
        return [(m, sent.get(m.seat.room, 0) - own.get(m, 0)) for m in self._members]
