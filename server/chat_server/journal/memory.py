"""A journal in memory: nothing waits, nothing survives.

Bounded by entries a room, by remembered cids and acts, and by bytes in all, where the largest
histories give up their oldest entries first. Bytes are tallied now and then, not for every entry.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from pydantic_core import from_json

from chat_schema.framing import HEADER
from chat_server.journal.base import (
    Act,
    Acts,
    Done,
    Durability,
    Entry,
    Failed,
    First,
    Found,
    HandOn,
    Kept,
    Known,
    Outcome,
    Page,
    Position,
    Query,
    Repeated,
    Retention,
    Stay,
)  # fmt: skip
from chat_server.journal.content import conflict, is_conversation, name_in, same_content
from chat_server.journal.pages import cut, newest, span
from chat_server.journal.words import fold, words_of

CIDS = 100_000
"""Messages whose cids are remembered: some 20 MB."""

ACTS = 10_000
"""Acts that are remembered: some 5 MB."""


class _Room:
    """One room's entries: the newest is number `head`."""

    __slots__ = ("epoch", "frames", "head", "name", "topic")

    def __init__(self, epoch: str, limit: int) -> None:
        self.epoch = epoch
        self.frames: deque[bytes] = deque(maxlen=limit)
        self.head = 0
        self.name = ""
        self.topic = ""

    @property
    def size(self) -> int:
        return sum(map(len, self.frames))

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.head, self.head - len(self.frames) + 1)

    def body(self, seq: int) -> bytes | None:
        """The event of this number, where it is still kept."""
        index = seq - self.position.oldest
        return self.frames[index][HEADER:] if 0 <= index < len(self.frames) else None


class MemoryJournal:
    """Keeps the last `kept` entries of each room and at most `budget` bytes in all."""

    durability: Durability = "memory"
    alive = True
    storing = True
    backlog = 0

    def __init__(self, kept: int, budget: int, cids: int = CIDS) -> None:
        self._limit = kept
        self._budget = budget
        self._until_tally = budget
        self._token = secrets.token_hex(4)
        self._forgotten = 0
        self._rooms: dict[str, _Room] = {}
        self._cids: dict[tuple[str, str], tuple[str, int, str]] = {}
        self._cid_order: deque[tuple[str, str]] = deque()
        self._cid_limit = cids
        self._records: dict[tuple[str, str], str] = {}
        self._acts: deque[Act] = deque(maxlen=ACTS)
        self._act_count = 0
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
            outcome = self._repeated(entry) if entry.cid is not None else None
            if outcome is None and (refusal := entry.refusal) is not None:
                outcome = Failed(entry, refusal)
            self._hand_on((outcome or self._keep(entry),))

    def _keep(self, entry: Entry) -> Kept:
        room = self._rooms.get(entry.room) or self._open_room(entry.room)
        seq = room.head = room.head + 1
        body = f"{entry.head}{seq}{entry.tail}".encode()
        size = len(body)
        if size > self._until_tally:
            self._tally()
        self._until_tally -= size
        frame = size.to_bytes(HEADER, "big") + body
        room.frames.append(frame)
        if entry.topic is not None:
            room.topic = entry.topic
        if entry.cid is not None:
            self._remember(entry, seq)
        return Kept(entry, seq, frame)

    def _remember(self, entry: Entry, seq: int) -> None:
        assert entry.cid is not None
        name = (entry.author, entry.cid)
        self._cids[name] = (entry.room, seq, entry.ts)
        self._cid_order.append(name)
        if len(self._cid_order) > self._cid_limit:  # a dict would look for its first for long
            del self._cids[self._cid_order.popleft()]

    def _repeated(self, entry: Entry) -> Outcome | None:
        """The outcome of an entry whose cid was used before; None for a new one."""
        assert entry.cid is not None
        known = self._cids.get((entry.author, entry.cid))
        if known is None:
            return None
        key, seq, ts = known
        room = self._rooms.get(key)
        body = room.body(seq) if room is not None else None
        if body is not None and not same_content(body, entry):
            return Failed(entry, conflict())
        name = name_in(body or f"{entry.head}0{entry.tail}")
        return Repeated(entry, First(name, seq, ts))

    def position(self, room: str) -> Position:
        """Where `room` stands."""
        with self._lock:
            # made here if need be: the epoch must be the one that the room will have
            return (self._rooms.get(room) or self._open_room(room)).position

    def retention(self, room: str) -> Retention:
        """The newest entries, the same number in each room."""
        return Retention(self._limit, None)

    def known(self, room: str) -> Known | None:
        """Name and topic of a room that has entries."""
        with self._lock:
            found = self._rooms.get(room)
            return self._describe(found) if found is not None and found.frames else None

    @staticmethod
    def _describe(room: _Room) -> Known:
        return Known(name_in(room.frames[-1][HEADER:]), room.topic)

    def rooms(self) -> Iterable[Known]:
        """Every room that has entries."""
        with self._lock:
            rooms = [(key, room) for key, room in self._rooms.items() if room.frames]
            return [self._describe(room) for key, room in rooms if not is_conversation(key)]

    def conversations(self) -> Iterable[str]:
        """Every whisper conversation that has entries."""
        with self._lock:
            return [key for key, room in self._rooms.items() if room.frames and key[:3] == "dm:"]

    def read(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Read a page; see Journal."""
        with self._lock:
            found = self._rooms.get(room) or self._new_room()
            position = found.position
            first, end = span(position, after, before, limit)
            frames = list(islice(found.frames, first - position.oldest, end - position.oldest))
        bodies = [frame[HEADER:] for frame in frames]
        return cut(bodies, position, first, end, size, forward=after is not None)

    def search(self, query: Query) -> Found:
        """Look through everything, newest first."""
        with self._lock:
            frames = [frame for room in query.rooms for frame in self._frames(room, query.before)]
        bodies = sorted((frame[HEADER:] for frame in frames[::-1]), key=_date, reverse=True)
        matching = (body for body in bodies if _matches(body, query))
        return newest(matching, query.limit, query.size)

    def _frames(self, key: str, before: int | None) -> Iterator[bytes]:
        room = self._rooms.get(key)
        if room is None:
            return iter(())
        count = len(room.frames) if before is None else before - room.position.oldest
        return islice(room.frames, max(0, min(count, len(room.frames))))

    def evict(self, room: str) -> None:
        """Drop the room: what is in memory lives no longer than its room."""
        self.forget(room)

    def forget(self, room: str) -> None:
        """Drop the room."""
        with self._lock:
            self._rooms.pop(room, None)
            self._forgotten += 1

    def keep_stay(self, stay: Stay, done: Done) -> None:
        """Nothing is to be done: stays end with the server, as everything here does."""
        done(None)

    def drop_stay(self, digest: str) -> None:
        """Nothing was kept."""

    def stays(self) -> Iterable[Stay]:
        """None: nothing outlives a server."""
        return ()

    def keep_record(self, kind: str, key: str, body: str | None, done: Done) -> None:
        """Keep it for as long as the journal lives."""
        with self._lock:
            if body is None:
                self._records.pop((kind, key), None)
            else:
                self._records[kind, key] = body
        done(None)

    def records(self, kind: str) -> Iterable[tuple[str, str]]:
        """What is kept now."""
        with self._lock:
            return [(key, body) for (of, key), body in self._records.items() if of == kind]

    def keep_act(self, act: Act, done: Done) -> None:
        """Keep it until there are ACTS newer ones."""
        with self._lock:
            self._act_count += 1
            self._acts.append(act._replace(number=self._act_count))
        done(None)

    def acts(self, before: int | None, limit: int) -> Acts:
        """Look through those that are remembered."""
        with self._lock:
            acts = [act for act in self._acts if before is None or act.number < before]
        return Acts(acts[-limit:], len(acts) > limit)

    def flush(self) -> None:
        """Nothing is waiting."""

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


def _not_open(outcomes: object) -> None:
    raise RuntimeError("the journal is not open")


def _date(body: bytes) -> str:
    return str(from_json(body)["ts"])


def _matches(body: bytes, query: Query) -> bool:
    event = from_json(body)
    if query.sender is not None and fold(event["user"]["nick"]) != fold(query.sender):
        return False
    said = [fold(word) for word in words_of(event.get("text") or event.get("topic") or "")]
    return all(any(word.startswith(fold(start)) for word in said) for start in query.words)
