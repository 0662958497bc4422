"""One thread, one selector: the connections it owns, what was posted to it, and its timers.

A tick: read everything that is readable and hand the frames over; take what was posted, in order;
put each room's frames before its members; send once per client. No timer delays a message: when it
is quiet it leaves at once, and under load a tick carries a hundred.

Rules:
- `post` is the only call that other threads may make (and `stop`, which posts).
- Waking: a poster appends first and then looks at `_sleeping`; the loop says that it sleeps first
  and then looks at the inbox. In the other order a wake-up is lost and the loop sleeps on work.
- Nothing that runs here may wait.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from chat_server.net.audience import Audience
from chat_server.net.connection import Connection
from chat_server.net.outbox import Outbox

log = logging.getLogger(__name__)

Item = tuple[Any, ...]
"""Something posted: an action and what it needs."""

MURMUR = 0.2
"""Seconds that comings and goings may wait in a crowd: nobody notices, and a storm of them ends."""

INTAKE = 512 * 1024
"""Bytes read before what they caused is sent: bounds what one tick can pile up for a client."""


@dataclass(frozen=True)
class Clock:
    """Time, passed in: `monotonic` measures, `wall` dates; both in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time

    def stamp(self, ago: timedelta = timedelta()) -> str:
        """The date, or the one so long ago, as events carry it: `2026-11-22T15:00:00.123Z`."""
        return stamp_of(self.wall() - ago.total_seconds())


def stamp_of(wall: float) -> str:
    """A date in seconds since 1970 as events carry it."""
    date = datetime.fromtimestamp(wall, UTC)
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03}Z"


class Ready(Protocol):
    """Anything a selector can watch here."""

    def fileno(self) -> int:
        """The descriptor."""

    def on_ready(self, mask: int) -> None:
        """Do what the descriptor is ready for."""


class Loop:
    """Owns connections and audiences; everything but `post` and `stop` is for its own thread.

    `now`, `wall` and `stamp` are the time of the tick: on the monotonic clock, in seconds since
    1970, and as events carry it.

    `room_position` tells the newest number of a room, `departed` gets the address of each
    connection that is gone.
    """

    def __init__(
        self,
        clock: Clock,
        room_position: Callable[[str], int],
        departed: Callable[[str], None],
    ) -> None:
        self.clock = clock
        self.now = clock.monotonic()
        self.wall = clock.wall()
        self.stamp = stamp_of(self.wall)
        self.intake = 0
        self.unsent: list[Outbox] = []
        self.connections: set[Connection] = set()
        self.audiences: dict[str, Audience] = {}
        self._room_position = room_position
        self._departed = departed
        self._selector = selectors.DefaultSelector()
        self._inbox: deque[Item] = deque()
        self._resumed: list[Connection] = []
        self._dirty: list[Audience] = []
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._timer_numbers = itertools.count()
        self._sleeping = False
        self._stopped = False
        self._alarm = _Alarm()
        self.watch(self._alarm, 0, selectors.EVENT_READ)

    # For every thread

    def post(self, item: Item) -> None:
        """Have `item[0](loop, item)` called on the loop's thread, in the order of posting.

        The item is one tuple, the action and what it needs: one allocation serves every loop.
        """
        self._inbox.append(item)
        if self._sleeping:
            self._sleeping = False
            self._alarm.ring()

    def stop(self) -> None:
        """Let `run` return after the current tick."""
        self.post((_stop,))

    # For the loop's thread

    def run(self) -> None:
        """Tick until stopped, then close what is left."""
        while not self._stopped:
            try:
                self.tick()
            except Exception:
                log.exception("a fault in the loop; it goes on")
        self._close()

    def tick(self) -> None:
        """Wait for something to do, do it, and send what came of it."""
        self._sleeping = True
        events = self._selector.select(self._patience())
        self._sleeping = False
        self.now = self.clock.monotonic()
        self.wall = self.clock.wall()
        self.stamp = stamp_of(self.wall)
        self.intake = 0
        for key, mask in events:
            key.data(mask)
            if self.intake >= INTAKE:
                self.drain()
                self._flush()
                self.intake = 0
        self._run_timers()
        self._go_on()
        self.drain()
        self._flush()

    def drain(self) -> None:
        """Take what was posted: afterwards everything handed on so far is before its audience."""
        inbox = self._inbox
        while inbox:
            item = inbox.popleft()
            item[0](self, item)

    def watch(self, ready: Ready, before: int, wanted: int) -> None:
        """Change what the selector reports for `ready` from the mask `before` to `wanted`."""
        if not before:
            self._selector.register(ready.fileno(), wanted, ready.on_ready)
        elif not wanted:
            self._selector.unregister(ready.fileno())
        else:
            self._selector.modify(ready.fileno(), wanted, ready.on_ready)

    def call_at(self, when: float, action: Callable[[float], None]) -> None:
        """Call `action(when)` at `when` on the monotonic clock, or as soon after as can be."""
        heapq.heappush(self._timers, (when, next(self._timer_numbers), action))

    def resume(self, connection: Connection) -> None:
        """Let a paused connection go on in the next tick, not in the middle of this call."""
        self._resumed.append(connection)

    def adopt(self, connection: Connection) -> None:
        """Take a new connection in."""
        self.connections.add(connection)

    def forget(self, connection: Connection, interest: int) -> None:
        """Let a connection go, before its descriptor is closed and given to another."""
        if interest:
            self._selector.unregister(connection.fileno())
        self.connections.discard(connection)
        self._departed(connection.address)

    # Audiences

    def enter(self, connection: Connection, key: str) -> Audience:
        """Put the connection into the audience `key`; it gets what is published from now on.

        What is posted is taken first, so that the position of the audience is exact: everything up
        to `delivered` happened before, everything later will be seen.
        """
        self.drain()
        audience = self.audiences.get(key)
        if audience is None:
            audience = self.audiences[key] = Audience(
                self._dirty, self._room_position(key), self._hush_later
            )
        audience.add(connection.outbox)
        connection.audiences[key] = audience
        return audience

    def leave(self, connection: Connection, key: str) -> None:
        """Take the connection out of the audience, after what was published there."""
        self.drain()
        audience = connection.audiences.pop(key, None)
        if audience is not None:  # what was just drained may have taken it out already
            audience.remove(connection.outbox)
            self._let_go(key, audience)

    def leave_all(self, connection: Connection) -> None:
        """Take a connection that has ended out of every audience."""
        for key, audience in connection.audiences.items():
            audience.drop(connection.outbox)
            self._let_go(key, audience)
        connection.audiences.clear()

    def _hush_later(self, audience: Audience) -> None:
        self.call_at(self.now + MURMUR, lambda _: audience.hush())

    def _let_go(self, key: str, audience: Audience) -> None:
        if not audience:
            del self.audiences[key]

    # The parts of a tick

    def _patience(self) -> float | None:
        if self._inbox or self._resumed or self._dirty or self.unsent:
            return 0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - self.clock.monotonic())

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            when, _, action = heapq.heappop(self._timers)
            action(when)

    def _go_on(self) -> None:
        resumed, self._resumed = self._resumed, []
        for connection in resumed:
            try:
                connection.resume()
            except Exception:
                log.exception("a fault while a connection went on")

    def _flush(self) -> None:
        for audience in self._dirty:
            audience.spread()
        self._dirty.clear()
        for outbox in self.unsent:
            try:
                outbox.flush()
            except Exception:
                log.exception("a fault while sending")
        self.unsent.clear()

    def _close(self) -> None:
        for connection in list(self.connections):
            connection.abort("server stopped")
        self._selector.close()
        self._alarm.close()


def _stop(loop: Loop, _: Item) -> None:
    loop._stopped = True


class _Alarm:
    """Wakes a loop that waits in its selector."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)

    def fileno(self) -> int:
        return self._ours.fileno()

    def ring(self) -> None:
        try:
            self._theirs.send(b"\0")
        except BlockingIOError:
            return  # it has been ringing for a while: the loop will wake
        except OSError:
            if self._theirs.fileno() >= 0:
                raise  # otherwise it woke by itself, took the word to stop, and is gone

    def on_ready(self, mask: int) -> None:
        self._ours.recv(4096)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()
