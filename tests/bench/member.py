"""One client in its room: counting what it hears, reading stamps, talking.

Most members only count, which costs a `recv` and a search in the bytes. An `Ear` reads each stamp,
for its age and, where it is a witness, for its talker. `Talker` makes a member speak.
"""

from __future__ import annotations

import selectors
import socket
from array import array

from tests.bench import stamp
from tests.bench.dialect import Dialect
from tests.bench.scenario import Seat

ROOM_TO_READ = 256 * 1024
"""Bytes read at once: many messages a call, and they stay in the processor's cache."""

_CARRY = len(stamp.MARK) - 1
_LAST = stamp.MARK[-1]


class LoadError(Exception):
    """A server did not do what the load needs of it."""


class Station:
    """What the members in one process share: the selector, the buffer, and what was heard."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.selector = selectors.DefaultSelector()
        self.buffer = bytearray(_CARRY + ROOM_TO_READ)
        self.room_to_read = memoryview(self.buffer)[_CARRY:]
        self.measuring = False
        self.ages = array("q")
        self.heard: set[Talker] = set()


class Member:
    """A client that counts the messages it hears; `got` is since it came."""

    __slots__ = ("_rest", "_tail", "got", "seat", "sock", "station")

    def __init__(self, station: Station, seat: Seat, sock: socket.socket) -> None:
        self.station = station
        self.seat = seat
        self.sock = sock
        self.got = 0
        self._tail = b""
        self._rest = b""

    def hear(self, mask: int) -> None:
        """Count what has arrived; a mark may be cut anywhere."""
        end = _CARRY + self._receive(mask)
        buffer = self.station.buffer
        tail = self._tail
        start = _CARRY - len(tail)
        if tail:
            buffer[start:_CARRY] = tail
        self.got += buffer.count(stamp.MARK, start, end)
        self._tail = (
            bytes(buffer[max(start, end - _CARRY) : end]) if buffer[end - 1] == _LAST else b""
        )

    def send(self, data: bytes) -> None:
        """Send now what the kernel takes, and the rest when it can."""
        if self._rest:
            self._rest += data
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise LoadError(f"client {self.seat.number} cannot send: {error.strerror}") from None
        if sent < len(data):
            self._rest = data[sent:]
            self._watch(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _receive(self, mask: int) -> int:
        """Read into the buffer and return how much; raise LoadError where the end has come."""
        if mask & selectors.EVENT_WRITE:
            rest, self._rest = self._rest, b""
            self._watch(selectors.EVENT_READ)
            self.send(rest)
        try:
            size = self.sock.recv_into(self.station.room_to_read)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LoadError(f"client {self.seat.number}: {error.strerror}") from None
        if not size:
            raise LoadError(f"the server closed the connection of client {self.seat.number}")
        return size

    def _watch(self, wanted: int) -> None:
        self.station.selector.modify(self.sock, wanted, self.hear)


class Ear(Member):
    """A member that reads every stamp; as a witness it has the `talkers` of its room."""

    __slots__ = ("talkers",)

    def __init__(self, station: Station, seat: Seat, sock: socket.socket) -> None:
        super().__init__(station, seat, sock)
        self.talkers: dict[bytes, Talker] = {}

    def hear(self, mask: int) -> None:
        """Take every stamp that has arrived whole."""
        size = self._receive(mask)
        now = stamp.clock()
        data = self._tail + self.station.buffer[_CARRY : _CARRY + size]
        first, *stamps = data.split(stamp.MARK)
        if stamps and len(stamps[-1]) < stamp.DIGITS:
            self._tail = stamp.MARK + stamps.pop()
        else:
            self._tail = (stamps[-1] if stamps else first)[-_CARRY:]
        self.got += len(stamps)
        if self.station.measuring:
            self.station.ages.extend([stamp.age(now, found) for found in stamps])
        if self.talkers:
            self._witness(stamps)

    def _witness(self, stamps: list[bytes]) -> None:
        for found in stamps:
            talker = self.talkers.get(found[stamp.CLOCK_DIGITS : stamp.DIGITS])
            if talker is not None:
                talker.in_flight -= 1
                self.station.heard.add(talker)


class Talker:
    """Makes a member talk. `sent` is since it came, `in_flight` what its witness has not heard."""

    __slots__ = ("_after", "_before", "due", "in_flight", "member", "sent")

    def __init__(self, member: Member, room: str, size: int) -> None:
        frame = member.station.dialect.say(room, stamp.text(size))
        before, _, self._after = frame.partition(stamp.BLANK)
        self._before = before + stamp.MARK
        self.member = member
        self.sent = 0
        self.in_flight = 0
        self.due = 0.0

    @property
    def number(self) -> bytes:
        """How this talker is named in its stamps."""
        return stamp.digits(0, self.member.seat.number)[stamp.CLOCK_DIGITS :]

    def top_up(self, window: int) -> None:
        """Say as much as the window allows."""
        if self.in_flight < window:
            self._say(window - self.in_flight)

    def keep_pace(self, now: float, gap: float) -> None:
        """Say one message for every `gap` seconds that have passed since `due`."""
        while self.due <= now:
            self.due += gap
            self._say(1)

    def _say(self, times: int) -> None:
        self.member.send(
            self._messages(times, stamp.digits(stamp.clock(), self.member.seat.number))
        )
        self.in_flight += times
        self.sent += times

    def _messages(self, times: int, digits: bytes) -> bytes:
        return (self._before + digits + self._after) * times
