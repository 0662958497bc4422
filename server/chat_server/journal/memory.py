"""A journal in memory: nothing waits, nothing survives.

Bounded twice: by entries a room, and by bytes in all, where the largest histories give up their
oldest entries first. Bytes are tallied now and then, not for every entry.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Iterable
from itertools import islice

from chat_schema.framing import HEADER
from chat_server.journal.base import Durability, Entry, HandOn, Page, Position


class _Room:
    """One room's entries: the newest is number `head`."""

    __slots__ = ("epoch", "frames", "head")

    def __init__(self, epoch: str, limit: int) -> None:
        self.epoch = epoch
        self.frames: deque[bytes] = deque(maxlen=limit)
        self.head = 0

    @property
    def size(self) -> int:
        return sum(map(len, self.frames))

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.head, self.head - len(self.frames) + 1)


class MemoryJournal:
    """Keeps the last `kept` entries of each room and at most `budget` bytes in all."""

    durability: Durability = "memory"

    def __init__(self, kept: int, budget: int) -> None:
        self.kept: int | None = kept
        self._limit = kept
        self._budget = budget
        self._until_tally = budget
        self._token = secrets.token_hex(4)
        self._forgotten = 0
        self._rooms: dict[str, _Room] = {}
        self._lock = threading.Lock()
        self._hand_on: HandOn = _not_open

    def open(self, hand_on: HandOn) -> None:
        """Begin; `hand_on` is called inside `append`, under the lock that numbers."""
        self._hand_on = hand_on

    def append(self, entry: Entry) -> None:
        """Number, keep and hand on at once."""
        with self._lock:
            if self._hand_on is _not_open:
                raise RuntimeError("the journal is not open")
            room = self._rooms.get(entry.room) or self._open_room(entry.room)
            seq = room.head = room.head + 1
            body = f"{entry.head}{seq}{entry.tail}".encode()
            size = len(body)
            if size > self._until_tally:
                self._tally()
            self._until_tally -= size
            frame = size.to_bytes(HEADER, "big") + body
            room.frames.append(frame)
            self._hand_on(entry, seq, frame)

    def position(self, room: str) -> Position:
        """Where `room` stands."""
        with self._lock:
            # made here if need be: the epoch must be the one that the room will have
            return (self._rooms.get(room) or self._open_room(room)).position

    def read(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Read a page; see Journal."""
        with self._lock:
            found = self._rooms.get(room) or self._new_room()
            position = found.position
            first, end = _span(position, after, before, limit)
            frames = list(islice(found.frames, first - position.oldest, end - position.oldest))
        return _page(frames, position, first, end, size, forward=after is not None)

    def forget(self, room: str) -> None:
        """Drop the room."""
        with self._lock:
            self._rooms.pop(room, None)
            self._forgotten += 1

    def close(self) -> None:
        """Nothing is waiting."""
        self._hand_on = _not_open

    def _open_room(self, name: str) -> _Room:
        room = self._rooms[name] = self._new_room()
        return room

    def _new_room(self) -> _Room:
        """A room in the epoch of this journal and of what it has forgotten so far."""
        return _Room(f"{self._token}.{self._forgotten}", self._limit)

    def _tally(self) -> None:
        """Halve the largest histories until a tenth of the budget is free again."""
        size = sum(room.size for room in self._rooms.values())
        for room in sorted(self._rooms.values(), key=lambda room: room.size, reverse=True):
            if size <= self._budget * 0.9:
                break
            for _ in range((len(room.frames) + 1) // 2):
                size -= len(room.frames.popleft())
        self._until_tally = self._budget - size


def _not_open(entry: Entry, seq: int, frame: bytes) -> None:
    raise RuntimeError("the journal is not open")


def _span(position: Position, after: int | None, before: int | None, limit: int) -> tuple[int, int]:
    """The numbers of a page as a half-open range within what there is."""
    if after is not None:
        first = max(after + 1, position.oldest)
        return first, max(first, min(first + limit, position.head + 1))
    end = position.head + 1 if before is None else max(1, min(before, position.head + 1))
    end = max(end, position.oldest)
    return max(position.oldest, end - limit), end


def _page(
    frames: list[bytes], position: Position, first: int, end: int, size: int, *, forward: bool
) -> Page:
    """Cut the page to `size` bytes on the far side of the reader, and say whether there is more."""
    ordered: Iterable[bytes] = frames if forward else reversed(frames)
    chosen: list[bytes] = []
    for frame in ordered:
        size -= len(frame)
        if size < 0 and chosen:
            break
        chosen.append(frame[HEADER:])
    if forward:
        return Page(chosen, first + len(chosen) <= position.head, position)
    return Page(chosen[::-1], end - len(chosen) > position.oldest, position)
