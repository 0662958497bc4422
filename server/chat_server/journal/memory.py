"""A journal in memory: nothing waits, nothing survives.

Bounded twice: by entries a room, and by bytes in all, where the largest histories give up their
oldest entries first.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from chat_schema.framing import HEADER, encode_frame
from chat_server.journal.base import Durability, Entry, Kept, Page, Position

class _Room:
    """One room's entries: the newest is number `head`."""

    __slots__ = ("epoch", "frames", "head")

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)
        self.frames: deque[bytes] = deque()
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
        self._size = 0
        self._rooms: dict[str, _Room] = {}
        self._lock = threading.Lock()
        self._hand_on: Callable[[Kept], None] = _not_open

    def open(self, hand_on: Callable[[Kept], None]) -> None:
        """Begin; `hand_on` is called inside `append`, under the lock that numbers."""
        self._hand_on = hand_on

    def append(self, entry: Entry) -> None:
        """Number, keep and hand on at once."""
        with self._lock:
            room = self._rooms.get(entry.room)
            if room is None:
                room = self._rooms[entry.room] = _Room()
            seq = room.head = room.head + 1
            frame = encode_frame(f"{entry.head}{seq}{entry.tail}".encode())
            room.frames.append(frame)
            self._size += len(frame)
            if len(room.frames) > self._limit:
                self._size -= len(room.frames.popleft())
            if self._size > self._budget:
                self._shrink()
            self._hand_on((entry, seq, frame))

    def position(self, room: str) -> Position:
        """Where `room` stands."""
        with self._lock:
            found = self._rooms.get(room)
            if found is None:
                found = self._rooms[room] = _Room()  # its epoch must be the one it will have
            return found.position

    def read(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Read a page; see Journal."""
        with self._lock:
            found = self._rooms.get(room) or _Room()
            position = found.position
            first, end = _span(position, after, before, limit)
            frames = list(islice(found.frames, first - position.oldest, end - position.oldest))
        return _page(frames, position, first, end, size, forward=after is not None)

    def forget(self, room: str) -> None:
        """Drop the room."""
        with self._lock:
            found = self._rooms.pop(room, None)
            if found is not None:
                self._size -= found.size

    def close(self) -> None:
        """Nothing is waiting."""
        self._hand_on = _not_open

    def _shrink(self) -> None:
        """Free a tenth of the budget: halve the largest histories, the oldest entries first."""
        for room in sorted(self._rooms.values(), key=lambda room: room.size, reverse=True):
            for _ in range((len(room.frames) + 1) // 2):
                self._size -= len(room.frames.popleft())
            if self._size <= self._budget * 0.9:
                return


def _not_open(_: Kept) -> None:
    raise RuntimeError("the journal is not open")


def _span(
    position: Position, after: int | None, before: int | None, limit: int
) -> tuple[int, int]:
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
