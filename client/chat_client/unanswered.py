"""The requests that have no answer yet, in the order in which they were asked.

Rules:
- A request stays here until it is answered, also while there is no connection.
- `waiting` are those to be sent on this connection: all of them after a new welcome, in the
  original order; a request that may not go out yet holds up those behind it.
- What was sent on an earlier connection may have been done. A message is then recognised by its
  own event, which has our uid and the `cid`, and is not sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from chat_schema import events, replies, requests

Message = events.Broadcast | events.Whisper


@dataclass
class Asked:
    """One request. `connection` is the number of the one it was sent on last, 0 for none yet.

    `again`: it was asked before the connection that there is now.
    `event` is its own event, where that was seen before the answer. `doubtful`: it was sent under
    a uid that is gone, so the server would not notice that it comes twice.
    """

    id: str
    request: requests.Request
    connection: int = 0
    again: bool = False
    event: Message | None = None
    doubtful: bool = False

    @property
    def cid(self) -> str | None:
        """The name of the message that it makes, where it makes one."""
        return getattr(self.request, "cid", None)

    @property
    def creates(self) -> bool:
        """Whether being done twice would show."""
        return isinstance(self.request, requests.Broadcast | requests.Whisper)

    def outcome(self, event: Message) -> replies.SentOk:
        """The answer that the server would give, read from the event."""
        return replies.SentOk(re=self.id, room=event.room, seq=event.seq, ts=event.ts)


class Unanswered:
    """An ordered collection of Asked, and the queue of those that wait to be sent."""

    def __init__(self) -> None:
        self._all: dict[str, Asked] = {}
        self._by_cid: dict[str, Asked] = {}
        self._waiting: deque[Asked] = deque()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Asked]:
        return iter(list(self._all.values()))

    def add(self, asked: Asked) -> None:
        """Keep a request, and let it wait to be sent."""
        self._all[asked.id] = asked
        if asked.creates and asked.cid is not None:
            self._by_cid[asked.cid] = asked
        self._waiting.append(asked)

    def pop(self, id: str) -> Asked | None:
        """Take out the request that is answered now."""
        asked = self._all.pop(id, None)
        if asked is not None and asked.cid is not None:
            self._by_cid.pop(asked.cid, None)
        return asked

    def named(self, cid: str | None) -> Asked | None:
        """The message of this name."""
        return self._by_cid.get(cid) if cid is not None else None

    def start_over(self) -> None:
        """Let everything wait to be sent, in the original order."""
        self._waiting = deque(self._all.values())
        for asked in self._waiting:
            asked.again = True

    def next(self) -> Asked | None:
        """The request to be sent next, which stays; None where none waits."""
        while self._waiting and self._waiting[0].id not in self._all:
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    def sent(self, connection: int) -> None:
        """Note that `next` was sent."""
        self._waiting.popleft().connection = connection

    def leaving(self) -> list[str]:
        """The rooms for which nothing else is asked than to leave them."""
        about: dict[str, list[requests.Request]] = {}
        for asked in self._all.values():
            room = getattr(asked.request, "room", None)
            if isinstance(room, str):
                about.setdefault(room.lower(), []).append(asked.request)
        return [
            room
            for room, asked_for in about.items()
            if all(isinstance(request, requests.Leave) for request in asked_for)
        ]
