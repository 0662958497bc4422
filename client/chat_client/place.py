"""Where the user is: who they are, in which rooms, which of them they look at, whom they ignore."""

from __future__ import annotations

from chat_client import dates
from chat_schema import events, replies, requests
from chat_schema.moderation_replies import Officer
from chat_schema.names import EVERYONE, User, same_name

LOBBY = "lobby"
"""The room this client enters first, and returns to from the last other one."""

AT_ONCE = 10.0
"""Seconds between an act and the leaving that follows from it: at most a slow disk's."""


class Place:
    """Kept up to date by what arrives; a view and the commands read it.

    `staff` are the uids of those who look after each room, as far as that is known. `ignored` are
    the uids of whom the user wants to hear nothing. `elevated`: an administrator for now.
    """

    def __init__(self, user: User) -> None:
        self.user = user
        self.room: str | None = None
        self.rooms: dict[str, str] = {}
        self.last_whisperer: str | None = None
        self.staff: dict[str, set[str]] = {}
        self.ignored: frozenset[str] = frozenset()
        self.limits: replies.Limits | None = None
        self.elevated = False
        self._acts: dict[tuple[str, str], str] = {}

    def enter(self, welcome: replies.Welcome) -> None:
        """Take in the first welcome, or that of a later connection."""
        self.user = welcome.user
        self.limits = welcome.limits
        self.elevated = False

    def note_reply(self, reply: replies.Ok | replies.Welcome) -> None:
        """Take in the answer to one's own request."""
        match reply:
            case replies.JoinOk():
                self.rooms.pop(same_name(reply.room), None)  # the one looked at last stands last
                self.room = self.rooms[same_name(reply.room)] = reply.room
                self._appoint(reply.room, reply.mods or [])
            case replies.LeaveOk():
                self._leave(reply.room)
            case replies.NickOk() if reply.user.uid == self.user.uid:
                self.user = reply.user
            case replies.IdentityOk():
                self._become(reply)
            case replies.IgnoresOk():
                self.ignored = frozenset(user.uid for user in reply.users)
            case replies.ModsOk():
                self._appoint(reply.room, reply.mods)
            case replies.ElevateOk():
                self.elevated = True

    def note_event(self, event: events.Event) -> None:
        """Take in what happened."""
        match event:
            case events.Nick() if event.user.uid == self.user.uid:
                self.user = event.user
            case events.Leave() if event.user.uid == self.user.uid and event.reason != "switched":
                self._leave(event.room)
            case events.Leave():
                self._acts.pop((same_name(event.room), event.user.uid), None)
            case events.Kick() | events.Ban() if event.target is not None:
                self._acts[same_name(event.room), event.target.uid] = event.ts
            case events.Whisper() if event.user.uid not in (self.user.uid, *self.ignored):
                self.last_whisperer = event.user.nick
            case events.Promote():
                self.staff.setdefault(same_name(event.room), set()).add(event.target.uid)
            case events.Demote():
                self.staff.get(same_name(event.room), set()).discard(event.target.uid)

    def is_in(self, room: str) -> bool:
        """Whether the user is told what happens there."""
        return room == EVERYONE or same_name(room) in self.rooms

    def knows_why(self, leave: events.Leave) -> bool:
        """Whether an act in the room has just told why somebody is out of it."""
        act = self._acts.get((same_name(leave.room), leave.user.uid))
        seconds = dates.apart(act, leave.ts) if act is not None else None
        return seconds is not None and seconds <= AT_ONCE

    def is_staff(self, user: User, room: str | None) -> bool:
        """Whether somebody is known to look after a room."""
        return room is not None and user.uid in self.staff.get(same_name(room), ())

    def follow_up(self, reply: replies.Ok | replies.Welcome) -> requests.Request | None:
        """What this client asks by itself after an answer.

        The lobby, when nowhere else is left; whom one ignores, when one is somebody else.
        """
        if isinstance(reply, replies.LeaveOk | replies.IdentityOk) and not self.rooms:
            return requests.Join(room=LOBBY)
        return None

    def _appoint(self, room: str, officers: list[Officer]) -> None:
        self.staff[same_name(room)] = {officer.user.uid for officer in officers}

    def _become(self, reply: replies.IdentityOk) -> None:
        """Be somebody else, in the rooms that let them in."""
        self.user = reply.user
        left = {same_name(room) for room in self.rooms.values()}
        left -= {same_name(room) for room in reply.rooms}
        for room in left:
            self._leave(room)

    def _leave(self, room: str) -> None:
        self.rooms.pop(same_name(room), None)
        self.staff.pop(same_name(room), None)
        if self.room is not None and same_name(self.room) == same_name(room):
            self.room = next(reversed(self.rooms.values()), None)
