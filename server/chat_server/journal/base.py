"""What every journal promises, whatever it keeps its entries in.

The contract (tests/server/journal/test_contract.py holds every implementation to it):
- `append` never blocks. It raises JournalFull when its queue is full, and then nothing happened.
- Per room the numbers are 1, 2, 3 … without gap or repeat.
- An entry is handed on only when it is as durable as `durability` says, to `hand_on`, in the order
  of its numbers, on any thread; what was handed on stays readable until retention removes it.
- `read` returns the very bytes that were handed on, and may wait: call it in a worker.
- `epoch` changes when a room's history was lost: its numbers then start again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

Durability = Literal["memory", "process", "disk"]


class JournalFull(Exception):
    """More is waiting to be kept than the journal takes; nothing of this entry was kept."""


class Entry:
    """An event that still lacks its number, and who is to be told of it.

    The body is `head`, the number, and `tail`: the handler has made both, so that a journal needs
    to know no message. `people` are the uids that get it where it is not for a room. `origin` is
    the session that asked and `answer(seq)` makes the reply, None where no reply is wanted; the
    journal carries these two and never looks at them.
    """

    __slots__ = ("answer", "head", "origin", "people", "room", "tail")

    def __init__(
        self,
        room: str,
        head: str,
        tail: str,
        origin: Any,
        answer: Callable[[int], bytes] | None,
        people: tuple[str, ...] = (),
    ) -> None:
        self.room = room
        self.head = head
        self.tail = tail
        self.origin = origin
        self.answer = answer
        self.people = people


HandOn = Callable[[Entry, int, bytes], None]
"""Gets each kept entry with its number and the frame that everybody gets."""


class Position(NamedTuple):
    """Where a room stands: the newest number, the oldest that can be read, and the epoch."""

    epoch: str
    head: int
    oldest: int


class Page(NamedTuple):
    """A piece of history: event bodies in ascending order, and whether there is more that way."""

    bodies: list[bytes]
    more: bool
    position: Position


class Journal(Protocol):
    """The contract above as a type. Every method may be called on any thread."""

    durability: Durability
    kept: int | None

    def open(self, hand_on: HandOn) -> None:
        """Begin; `hand_on` gets each entry when it is kept."""

    def append(self, entry: Entry) -> None:
        """Number `entry`, keep it, hand it on."""

    def position(self, room: str) -> Position:
        """Where `room` stands; a room without entries stands at 0 with the oldest at 1."""

    def read(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Up to `limit` events and `size` bytes: the first after a number, else the last before."""

    def forget(self, room: str) -> None:
        """Drop a room that can never be read again; its epoch ends."""

    def close(self) -> None:
        """Keep what is waiting, then refuse everything."""
