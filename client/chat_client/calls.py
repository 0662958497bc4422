"""What a program can ask beyond talking, in three groups: `client.account`, `.care`, `.admin`.

    client.account.register(password)
    client.care.ban("dev", "mallory", seconds=3600, reason="spam")
    client.admin.elevate(password)
    client.care.ban("*", "192.0.2.0/24")                    # on the whole server

Rules:
- As with the client's own methods: any thread but that of the callbacks; Refused carries the
  wire's code; Disconnected is the end.
- Durations are in seconds; None means until it is lifted.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeVar

from chat_schema import names, replies, requests
from chat_schema.account_replies import IdentityOk, IgnoresOk, KeyOk
from chat_schema.moderation_events import Settings
from chat_schema.moderation_replies import (
    ActOk,
    AuditOk,
    BansOk,
    ElevateOk,
    Lockdown,
    LockdownOk,
    ModeOk,
    ModsOk,
    MutesOk,
    Officer,
    Sanction,
    SessionsOk,
    StatsOk,
)

R = TypeVar("R", bound=replies.Ok)


class Call(Protocol):
    """Asks a request of these fields and waits for its answer."""

    def __call__(self, kind: type[R], request: type[requests.Request], **fields: Any) -> R:
        """Return the answer, or raise Refused or Disconnected."""


class Account:
    """One's own account, and whom one ignores."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def register(self, password: str) -> names.User:
        """Make the nick one has an account, and return who one is now."""
        return self._call(IdentityOk, requests.Register, password=password).user

    def login(self, nick: str, password: str) -> IdentityOk:
        """Become the person of an account; the answer names the rooms one is in then.

        The password is kept in memory, to log in again on another connection.
        """
        return self._call(IdentityOk, requests.Login, nick=nick, password=password)

    def logout(self) -> IdentityOk:
        """Become a guest again."""
        return self._call(IdentityOk, requests.Logout)

    def passwd(self, old: str, new: str) -> None:
        """Change the password; the account's other sessions end."""
        self._call(replies.Ok, requests.Passwd, old=old, new=new)

    def unregister(self, password: str) -> names.User:
        """Give the account up, and return who one is now."""
        return self._call(IdentityOk, requests.Unregister, password=password).user

    def key(self, public: str | None = None) -> str:
        """Return the public key by which one can log in, after setting it; empty for none."""
        return self._call(KeyOk, requests.Key, public=public).public

    def ignore(self, nick: str) -> list[names.User]:
        """Take no whispers and invitations from somebody, and return whom one ignores."""
        return self._call(IgnoresOk, requests.Ignore, target=nick).users

    def unignore(self, nick: str) -> list[names.User]:
        """Take them again, and return whom one ignores."""
        return self._call(IgnoresOk, requests.Unignore, target=nick).users

    def ignores(self) -> list[names.User]:
        """Return whom one ignores."""
        return self._call(IgnoresOk, requests.Ignores).users


class Care:
    """Looking after a room; with the room `*`, kick, ban, mute and their lists are the server's."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def kick(self, room: str, nick: str, reason: str | None = None) -> ActOk:
        """Put somebody out."""
        return self._call(ActOk, requests.Kick, room=room, target=nick, reason=reason)

    def ban(
        self, room: str, target: str, *, seconds: int | None = None, reason: str | None = None
    ) -> ActOk:
        """Put somebody out and keep them out; `target` is a nick, an address or a network."""
        fields = {"room": room, "target": target, "seconds": seconds, "reason": reason}
        return self._call(ActOk, requests.Ban, **fields)

    def unban(self, room: str, target: str) -> ActOk:
        """Lift a ban; `target` is a nick, an address, a network, or the ban's number as `#7`."""
        return self._call(ActOk, requests.Unban, room=room, target=target)

    def bans(self, room: str) -> list[Sanction]:
        """Return the bans in force."""
        return self._call(BansOk, requests.Bans, room=room).bans

    def mute(
        self, room: str, nick: str, *, seconds: int | None = None, reason: str | None = None
    ) -> ActOk:
        """Let somebody read and not speak."""
        fields = {"room": room, "target": nick, "seconds": seconds, "reason": reason}
        return self._call(ActOk, requests.Mute, **fields)

    def unmute(self, room: str, nick: str) -> ActOk:
        """Let somebody speak again."""
        return self._call(ActOk, requests.Unmute, room=room, target=nick)

    def mutes(self, room: str) -> list[Sanction]:
        """Return the mutes in force."""
        return self._call(MutesOk, requests.Mutes, room=room).mutes

    def mods(self, room: str) -> list[Officer]:
        """Return who looks after a room, owners first."""
        return self._call(ModsOk, requests.Mods, room=room).mods

    def promote(
        self, room: str, nick: str, role: Literal["moderator", "owner"] = "moderator"
    ) -> ActOk:
        """Give somebody an office."""
        return self._call(ActOk, requests.Promote, room=room, target=nick, role=role)

    def demote(self, room: str, nick: str) -> ActOk:
        """Take somebody's office, or lay down one's own."""
        return self._call(ActOk, requests.Demote, room=room, target=nick)

    def invite(self, room: str, nick: str) -> ActOk:
        """Let somebody enter a room that is closed to them."""
        return self._call(ActOk, requests.Invite, room=room, target=nick)

    def mode(self, room: str, **changes: bool | int | str | None) -> Settings:
        """Return how a room is set, after changing what is given.

        `moderated`, `members_only` and `invite_only` are true or false, `slow` is in seconds, and
        `password` a string, empty for none.
        """
        return self._call(ModeOk, requests.Mode, room=room, **changes).mode


class Admin:
    """What administrators ask; the right comes from the account, or from `elevate`."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def elevate(self, password: str) -> str:
        """Become administrator until the connection ends, and return the role one has."""
        return self._call(ElevateOk, requests.Elevate, password=password).role

    def sessions(self, after: int | None = None) -> SessionsOk:
        """List the connections, a page at a time."""
        return self._call(SessionsOk, requests.Sessions, after=after)

    def rename(self, target: str, nick: str) -> names.User:
        """Give somebody another nick, and return who they are now."""
        return self._call(replies.NickOk, requests.Rename, target=target, nick=nick).user

    def shutdown(self, seconds: int | None = None, reason: str | None = None) -> None:
        """Stop the server after so many seconds; everybody is told at once."""
        self._call(replies.Ok, requests.Shutdown, seconds=seconds, reason=reason)

    def stats(self) -> dict[str, int | float | str]:
        """Return what the server counts, by name."""
        return self._call(StatsOk, requests.Stats).stats

    def lockdown(self, level: Lockdown | None = None) -> Lockdown:
        """Return who may come in, after changing it where a level is given."""
        return self._call(LockdownOk, requests.Lockdown, level=level).level

    def audit(self, *, before: int | None = None, limit: int | None = None) -> AuditOk:
        """Return what those with power did: the newest, or what precedes a number."""
        return self._call(AuditOk, requests.Audit, before=before, limit=limit)
