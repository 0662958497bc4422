"""Bringing clients into their rooms, a bounded number of them at a time."""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Callable, Iterable

from tests.bench.dialect import Step
from tests.bench.member import Ear, LoadError, Member, Station
from tests.bench.scenario import Seat

_HEARD_AT_MOST = 64 * 1024
_KEPT = 4 * 1024


class Login:
    """One client on its way in; calls `done` with the member when it is there."""

    def __init__(
        self, station: Station, seat: Seat, port: int, done: Callable[[Member], None]
    ) -> None:
        self._station = station
        self._seat = seat
        self._done = done
        self._steps: list[Step] = station.dialect.login(f"n{seat.number}", f"room{seat.room}")
        self._heard = b""
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result = self._sock.connect_ex(("127.0.0.1", port))
        if result not in (0, errno.EINPROGRESS):
            raise self._failed(os.strerror(result))
        station.selector.register(self._sock, selectors.EVENT_WRITE, self.connected)

    def connected(self, _: int) -> None:
        """Begin to talk, once the connection is there or has failed."""
        if result := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise self._failed(os.strerror(result))
        self._station.selector.modify(self._sock, selectors.EVENT_READ, self.answered)
        self._sock.send(self._steps[0].send)

    def answered(self, _: int) -> None:
        """Go a step further for each answer that has come."""
        try:
            data = self._sock.recv(_HEARD_AT_MOST)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from None
        if not data:
            raise self._failed("the server closed the connection")
        self._heard += data
        self._answer_pings()
        while self._steps and (at := self._heard.find(self._steps[0].expect)) >= 0:
            self._heard = self._heard[at + len(self._steps.pop(0).expect) :]
            if self._steps:
                self._sock.send(self._steps[0].send)
        if not self._steps:
            self._arrive()
        elif len(self._heard) > _HEARD_AT_MOST:
            self._heard = self._heard[-_KEPT:]

    def _answer_pings(self) -> None:
        dialect = self._station.dialect
        if dialect.ping is None:
            return
        for match in dialect.ping.finditer(self._heard):
            self._sock.send(dialect.pong(match))
        self._heard = dialect.ping.sub(b"", self._heard)

    def _arrive(self) -> None:
        kind = Ear if self._seat.ear else Member
        member = kind(self._station, self._seat, self._sock)
        self._station.selector.modify(self._sock, selectors.EVENT_READ, member.hear)
        self._done(member)

    def _failed(self, why: str) -> LoadError:
        self._sock.close()
        heard = self._heard[-200:].decode(errors="replace")
        return LoadError(f"login of client {self._seat.number}: {why} {heard}".rstrip())


class Queue:
    """Clients who want in, with `at_once` of them on their way at a time."""

    def __init__(self, station: Station, seats: Iterable[Seat], port: int, at_once: int) -> None:
        self.members: list[Member] = []
        self._station = station
        self._waiting = iter(seats)
        self._port = port
        self._under_way = 0
        for _ in range(at_once):
            self._next()

    @property
    def empty(self) -> bool:
        """Whether everyone is in."""
        return not self._under_way

    def _next(self) -> None:
        seat = next(self._waiting, None)
        if seat is not None:
            self._under_way += 1
            Login(self._station, seat, self._port, self._arrived)

    def _arrived(self, member: Member) -> None:
        self.members.append(member)
        self._under_way -= 1
        self._next()
