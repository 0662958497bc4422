"""Entering our rooms again that the server has not kept for us.

Rules:
- A room whose join is put off is asked for again, one room at a time, after as long as was said.
- One that does not let us in is told as left, with the server's reason before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from chat_client.asking import Asking
from chat_client.cursors import Cursors
from chat_client.incoming import Incoming
from chat_client.reading import sound_names
from chat_schema import events, requests
from chat_schema.errors import Refused
from chat_schema.events import LeaveReason
from chat_schema.names import User, same_name

PUT_OFF = frozenset({"rate.joins", "server.busy"})
"""Refusals after which a room is asked for again, instead of taken for lost."""


class Homecoming:
    """The rooms that wait; `wait` are the seconds after which the server wants the next."""

    def __init__(self, asking: Asking, cursors: Cursors) -> None:
        self.wait = 0.0
        self._asking = asking
        self._cursors = cursors
        self._rooms: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._rooms)

    def start_over(self) -> None:
        """Another connection begins."""
        self._rooms.clear()
        self.wait = 0.0

    def enter(self, kept: Iterable[str]) -> None:
        """Ask for the rooms that we were in, but for those that were `kept`."""
        there = {same_name(room) for room in kept}
        for room in self._cursors.joined():
            if same_name(room) not in there:
                self._ask(room)

    def refuse(self, room: str, refused: Refused, user: User | None) -> list[Incoming]:
        """Take in that a room did not let us in; return what tells it, if that is final."""
        if refused.code in PUT_OFF:
            self._rooms.append(room)
            self.wait = refused.retry_after or 0.0
            return []
        self._cursors.leave(room)
        notice = events.Notice(code=refused.code, message=refused.message, ts="")
        reason: LeaveReason = "banned" if refused.code == "room.banned" else "lost"
        who = user or User(uid="", nick="")
        return [notice, events.Leave(room=room, user=who, reason=reason, ts="")]

    def wake(self) -> None:
        """Ask for the next that was put off, if we are to be there still."""
        room = self._rooms.popleft() if self._rooms else None
        if room is not None and room in self._cursors.joined():
            self._ask(room)

    def _ask(self, room: str) -> None:
        with sound_names():
            self._asking.send_own(requests.Join(room=room))
