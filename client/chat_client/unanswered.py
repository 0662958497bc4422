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
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.names import same_name

Message = events.Broadcast | events.Whisper

DONE_BY = {
    "leave": "room.not_member",
    "login": "auth.already",
    "register": "auth.already",
    "logout": "auth.required",
}
"""The refusal of each request that says, the second time, that it was done the first time."""

UNSURE = "message.unsure"
"""The code of a message that may or may not have been kept; never on the wire."""


class Answer(NamedTuple):
    """The one reply to request `id`; Refused where it was not done."""

    id: str
    request: requests.Request
    reply: replies.Ok | replies.Welcome | Refused


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

    @property
    def room(self) -> str:
        """The room it is about, empty where it is about none."""
        return getattr(self.request, "room", None) or ""

    def is_done_by(self, reply: replies.Ok | replies.Welcome | Refused) -> bool:
        """Whether a refusal says that what was wished before is so already."""
        if not isinstance(reply, Refused) or not self.again:
            return False
        return DONE_BY.get(self.request.type) == reply.code

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
        about: dict[str, list[bool]] = {}
        for asked in self._all.values():
            leave = isinstance(asked.request, requests.Leave)
            about.setdefault(same_name(asked.room), []).append(leave)
        return [room for room, leaves in about.items() if room and all(leaves)]

    # What can be answered here

    def lose(self) -> list[Answer]:
        """The connection is gone: answer what was seen to be done, and what needs no doing now."""
        answers = []
        for asked in list(self._all.values()):
            if asked.event is not None:
                answers.append(self._answer(asked, asked.outcome(asked.event)))
            elif isinstance(asked.request, requests.Quit):
                answers.append(self._answer(asked, replies.Ok(re=asked.id)))
        return answers

    def recognise(self, event: Message, connection: int) -> list[Answer]:
        """Take in an event of our own: it answers what was sent before this connection."""
        asked = self._by_cid.get(event.cid or "")
        if asked is None or asked.request.type != event.type:
            return []
        if asked.connection == connection:
            asked.event = event  # its own answer follows
            return []
        return [self._answer(asked, asked.outcome(event))]

    def doubt(self, known: Callable[[str], bool]) -> list[Answer]:
        """We have another uid: what was sent is looked for in the rooms that are `known`."""
        answers = []
        for asked in list(self._all.values()):
            if asked.creates and asked.connection:
                asked.doubtful = asked.cid is not None and known(asked.room)
                if not asked.doubtful:
                    answers.append(self._answer(asked, _unsure()))
        return answers

    def give_up_in(self, room: str) -> list[Answer]:
        """What cannot be read any more in a room may hold our own messages."""
        return [
            self._answer(asked, _unsure())
            for asked in list(self._all.values())
            if asked.doubtful and same_name(asked.room) == same_name(room)
        ]

    def _answer(self, asked: Asked, reply: replies.Ok | Refused) -> Answer:
        self.pop(asked.id)
        return Answer(asked.id, asked.request, reply)


def _unsure() -> Refused:
    return Refused(
        UNSURE, "The connection was lost before the answer: nobody knows whether this was kept."
    )
