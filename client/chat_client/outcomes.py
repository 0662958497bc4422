"""The line that says an account's or an administrator's wish was done, where no event tells it."""

from __future__ import annotations

from chat_client.escape import escape
from chat_client.place import Place
from chat_client.tables import at, of_table, where
from chat_schema import replies, requests
from chat_schema.account_replies import IdentityOk, IgnoresOk, KeyOk
from chat_schema.moderation_replies import ActOk, ElevateOk, LockdownOk, ModeOk
from chat_schema.names import User

DONE = {
    "kick": "{target} is put out of {where}",
    "ban": "{target} is banned {at}",
    "unban": "the ban of {target} is lifted {at}",
    "mute": "{target} is muted {at}",
    "unmute": "{target} may speak again {at}",
    "promote": "{target} has an office {at}",
    "demote": "{target} has no office any more {at}",
    "invite": "{target} is invited {at}",
}
"""What was done where the user does not see the event: on the server, or in another room."""

LEVELS = {
    "none": "everybody may come in",
    "registrations": "everybody may come in, but there are no new accounts",
    "accounts": "only who has an account may come in",
    "moderators": "only server moderators and administrators may come in",
}


def of_outcome(  # noqa: PLR0911 - one per reply
    request: requests.Request, reply: replies.Ok | replies.Welcome, place: Place
) -> list[str]:
    """The lines that answer a request; none where the events have told it already."""
    match reply:
        case IdentityOk():
            return [_identity(request, reply)]
        case KeyOk():
            key = f"your key is {escape(reply.public)}" if reply.public else "you have no key"
            return [f"-- {key}"]
        case IgnoresOk():
            return [f"-- you ignore {_names(reply.users)}"]
        case ActOk():
            return _act(request, reply, place)
        case ElevateOk():
            return [f"-- you may do what an {escape(_office(reply.role))} may, while connected"]
        case ModeOk() if place.is_in(reply.room) and _changes(request):
            return []
        case LockdownOk():
            return [f"-- {LEVELS[reply.level]}"]
        case replies.NickOk() if isinstance(request, requests.Rename):
            return [f"-- {escape(request.target)} is {escape(reply.user.nick)} now"]
    return of_table(reply) or _plain(request)


def _plain(request: requests.Request) -> list[str]:
    """What a simple `ok` means."""
    match request:
        case requests.Passwd():
            return ["-- your password is another one; your other sessions have ended"]
        case requests.Shutdown():
            return [f"-- the server stops in {request.seconds or 0} s"]
    return []


def _identity(request: requests.Request, reply: IdentityOk) -> str:
    nick = escape(reply.user.nick)
    role = f", {_office(reply.role)} of the server" if reply.role not in (None, "user") else ""
    match request:
        case requests.Register():
            return f"-- {nick} is yours now: nobody else gets this name"
        case requests.Unregister():
            return f"-- you have no account any more, and are {nick}"
    rooms = " ".join(f"#{escape(room)}" for room in reply.rooms)
    return f"-- you are {nick} now{role}; in {rooms or 'no room'}"


def _office(role: str | None) -> str:
    return "administrator" if role == "admin" else escape(role or "user")


def _act(request: requests.Request, reply: ActOk, place: Place) -> list[str]:
    """Nothing for what is told in the room."""
    if reply.seq is not None and place.is_in(reply.room):
        return []
    target = escape(str(getattr(request, "target", "")))
    done = DONE.get(request.type, "done {at}")
    return [f"-- {done.format(target=target, at=at(reply.room), where=where(reply.room))}"]


def _changes(request: requests.Request) -> bool:
    """Whether a request changes how a room is set: then the room is told."""
    return bool(request.model_fields_set - {"type", "id", "room"})


def _names(users: list[User]) -> str:
    return ", ".join(escape(user.nick) for user in users) or "nobody"
