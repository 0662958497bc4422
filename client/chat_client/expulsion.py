"""Rooms that somebody put us out of while we were away: the welcome tells, or what was missed.

Rules:
- Who was put out does not come back by themselves.
- A server that was restarted may have let us in again, because the hello named the room: the act
  is among the events that were missed, and we leave.
- After the act nothing of the room is handed on any more, until we join it anew.
- Live acts are none of this: the event `leave` follows them.
"""

from __future__ import annotations

from chat_client.cursors import Cursors
from chat_client.identity import Identity
from chat_schema import events, replies
from chat_schema.events import LeaveReason
from chat_schema.names import same_name


class Expulsion:
    """The rooms that are being left, by their names."""

    def __init__(self, identity: Identity, cursors: Cursors) -> None:
        self._identity = identity
        self._cursors = cursors
        self._rooms: set[str] = set()

    def hides(self, event: events.AnyEvent | events.Unknown) -> bool:
        """Whether an event is of a room in which we are no more."""
        room = getattr(event, "room", None) if self._rooms else None
        return isinstance(room, str) and self.is_from(room)

    def is_from(self, room: str) -> bool:
        """Whether we were put out of this room."""
        return same_name(room) in self._rooms

    def note(self, act: events.Kick | events.Ban) -> list[events.Leave]:
        """Take in a missed act; where it was us in a room of ours, return what tells it."""
        there, user = self._cursors.find(act.room), self._identity.user
        ours = act.target is not None and self._identity.is_mine(act.target.uid)
        if not ours or there is None or not there.joined or user is None:
            return []
        self._cursors.leave(act.room)
        self._rooms.add(same_name(act.room))
        reason: LeaveReason = "kicked" if isinstance(act, events.Kick) else "banned"
        return [events.Leave(room=act.room, user=user, reason=reason, ts=act.ts)]

    def take(self, welcome: replies.Welcome) -> list[events.Leave]:
        """Take in the rooms that the server has not let us into; return what tells it."""
        rooms = welcome.resume.expelled if welcome.resume is not None else None
        for room in rooms or []:
            self._cursors.leave(room)
        user = welcome.user
        return [events.Leave(room=room, user=user, reason="kicked", ts="") for room in rooms or []]

    def forget(self, room: str) -> None:
        """The room was left, or joined anew."""
        self._rooms.discard(same_name(room))

    def start_over(self) -> None:
        """Another connection begins, whose hello does not name these rooms."""
        self._rooms.clear()
