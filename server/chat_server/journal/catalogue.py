"""Every room that has entries, in memory: where it stands, and under which id its rows are.

Rules:
- The writer alone numbers (`next`) and adds rooms; what others see (`head`, `pruned`, `topic`)
  changes under `lock`, together with the handing on of what it means.
"""

from __future__ import annotations

import sqlite3
import threading

from chat_server.journal.base import Known, Position


class Shelf:
    """One room: `head` is the newest number handed on, `next` the newest one given."""

    __slots__ = ("epoch", "head", "id", "key", "name", "next", "pruned", "topic")

    def __init__(self, id: int, key: str, name: str, topic: str, epoch: str) -> None:
        self.id = id
        self.key = key
        self.name = name
        self.topic = topic
        self.epoch = epoch
        self.pruned = 0
        self.head = 0
        self.next = 0

    @property
    def position(self) -> Position:
        """Where the room stands."""
        return Position(self.epoch, self.head, self.pruned + 1)


class Catalogue:
    """The rooms by key; loaded when the journal is opened, within a second for ten thousand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.lock = threading.Lock()
        facts = dict(connection.execute("select name, value from facts"))
        self._token: str = facts["epoch"]
        self._forgotten: int = facts["forgotten"]
        self._looked_at: dict[str, str] = {}
        self._shelves = {shelf.key: shelf for shelf in _load(connection)}
        self._last_id = max((shelf.id for shelf in self._shelves.values()), default=0)

    def find(self, key: str) -> Shelf | None:
        """The room, where it has entries."""
        return self._shelves.get(key)

    def all(self) -> list[Shelf]:
        """Every room."""
        return list(self._shelves.values())

    def draft(self, key: str, name: str) -> Shelf:
        """A room that is about to get its first entry; `add` makes it known."""
        self._last_id += 1
        return Shelf(self._last_id, key, name, "", self._looked_at.get(key, self._epoch))

    def add(self, shelf: Shelf) -> None:
        """Make a room known."""
        self._shelves[shelf.key] = shelf
        self._looked_at.pop(shelf.key, None)

    def remove(self, key: str) -> None:
        """Forget a room; should one of this name come again, it has another epoch."""
        del self._shelves[key]
        self._forgotten += 1

    def position(self, key: str) -> Position:
        """Where a room stands; one without entries will begin in the epoch that is told here."""
        with self.lock:
            shelf = self._shelves.get(key)
            if shelf is not None:
                return shelf.position
            return Position(self._looked_at.setdefault(key, self._epoch), 0, 1)

    def look_away(self, key: str) -> None:
        """Nobody needs to know any more where a room without entries stands."""
        self._looked_at.pop(key, None)

    def known(self, key: str) -> Known | None:
        """Name and topic of a room that has entries."""
        with self.lock:
            shelf = self._shelves.get(key)
            return Known(shelf.name, shelf.topic) if shelf is not None else None

    def without_entries(self, key: str) -> Position:
        """Where a room stood a moment ago, when it was found to have no entries."""
        return Position(self._looked_at.get(key, self._epoch), 0, 1)

    @property
    def _epoch(self) -> str:
        """The epoch of rooms that begin now."""
        return f"{self._token}.{self._forgotten}"


def _load(connection: sqlite3.Connection) -> list[Shelf]:
    shelves = []
    for id, key, name, topic, epoch, pruned, newest in connection.execute(
        """select id, key, name, topic, epoch, pruned,
            (select max(seq) from events where events.room = rooms.id) from rooms"""
    ):
        shelf = Shelf(id, key, name, topic, epoch)
        shelf.pruned = pruned
        shelf.head = shelf.next = max(pruned, newest or 0)
        shelves.append(shelf)
    return shelves
