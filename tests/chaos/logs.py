"""What a run leaves behind for the checker: messages sent, events seen, and the store's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class Message:
    """Something a sender said. `seq` is what the acknowledgement said, None while there is none.

    `refused`: the server refused it at least once, so that later ones may have come before it.
    """

    author: str
    cid: str
    room: str
    text: str
    seq: int | None = None
    refused: bool = False


class Entered(NamedTuple):
    """The server set a receiver's cursor for a room: a join, or a history begun anew."""

    room: str
    epoch: str
    seq: int


class Seen(NamedTuple):
    """A numbered event that reached a receiver, as the bytes of its body."""

    room: str
    seq: int
    body: bytes


Run = Sequence[Entered | Seen]
"""What one connection of a receiver brought, in order."""


@dataclass(slots=True)
class StoredRoom:
    """The rows of one room, in no order that matters; below `oldest` nothing is expected."""

    epoch: str
    oldest: int = 1
    events: list[tuple[int, bytes]] = field(default_factory=list)


class StoredCid(NamedTuple):
    """A row that remembers which event a message became."""

    author: str
    cid: str
    room: str
    seq: int


@dataclass(slots=True)
class Store:
    """Everything the database holds of conversations."""

    rooms: dict[str, StoredRoom] = field(default_factory=dict)
    cids: list[StoredCid] = field(default_factory=list)


@dataclass(slots=True)
class Logs:
    """One run: senders' messages in the order of sending, and receivers' runs in order.

    `complete`: at the end everybody had the time to see everything.
    """

    senders: Mapping[str, Sequence[Message]]
    receivers: Mapping[str, Sequence[Run]]
    complete: bool = False
