"""Where the user is: who they are, which rooms they are in, and which of them they look at."""

from __future__ import annotations

from chat_schema import events, replies, requests
from chat_schema.names import User, same_name

LOBBY = "lobby"
"""The room this client enters first, and returns to from the last other one."""


class Place:
    """Kept up to date by what arrives; a view and the commands read it."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.room: str | None = None
        self.rooms: dict[str, str] = {}
        self.last_whisperer: str | None = None

    def note_reply(self, reply: replies.Ok | replies.Welcome) -> None:
        """Take in the answer to one's own request."""
        match reply:
            case replies.JoinOk():
                self.rooms.pop(same_name(reply.room), None)  # the one looked at last stands last
                self.room = self.rooms[same_name(reply.room)] = reply.room
            case replies.LeaveOk():
                self._leave(reply.room)
            case replies.NickOk():
                self.user = reply.user

    def note_event(self, event: events.Event) -> None:
        """Take in what happened."""
        if isinstance(event, events.Nick) and event.user.uid == self.user.uid:
            self.user = event.user
        if isinstance(event, events.Leave) and event.user.uid == self.user.uid:
            self._leave(event.room)
        if isinstance(event, events.Whisper) and event.user.uid != self.user.uid:
            self.last_whisperer = event.user.nick

    def _leave(self, room: str) -> None:
        self.rooms.pop(same_name(room), None)
        if self.room is not None and same_name(self.room) == same_name(room):
            self.room = next(reversed(self.rooms.values()), None)

    def follow_up(self, reply: replies.Ok | replies.Welcome) -> requests.Request | None:
        """What this client asks by itself after an answer: the lobby, when nowhere else is left."""
        if isinstance(reply, replies.LeaveOk) and not self.rooms:
            return requests.Join(room=LOBBY)
        return None
