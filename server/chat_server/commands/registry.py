"""One row per request type: who handles it and what must hold first.

A handler runs on the session's loop and never waits. It returns an Answer for the dispatcher to
send, Later or Awaited for what has to wait, Farewell to end the stay, or None where the answer
follows when the journal has kept an entry. It raises Refused to refuse; then nothing may have
happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chat_schema.names import EVERYONE
from chat_server.commands import (
    accounts,
    administration,
    history,
    ignoring,
    lifting,
    login,
    messages,
    offices,
    operation,
    presence,
    rooms,
    sanctions,
)
from chat_server.commands.results import Answer, Awaited, Farewell, Later
from chat_server.domain.meters import Metered
from chat_server.domain.rights import Rank

Handle = Callable[..., Answer | Later | Awaited | Farewell | None]


@dataclass(frozen=True, slots=True)
class Row:
    """Who handles a request, and the least rank for it; whoever has less is refused.

    MODERATOR and OWNER are meant in the room that the request names. Where the rank depends on what
    is asked, `rank_for` tells it, and `rank` is the least it can be. `appends`: the handler appends
    to the journal, so it may follow others without waiting. `meter`: which bucket of the person's
    pays for it.
    """

    handle: Handle
    rank: Rank
    rank_for: Callable[[Any], Rank] | None = None
    appends: bool = False
    meter: Metered | None = None
    checked: bool = field(init=False)
    """Whether being welcome is not enough, or may not be: known beforehand, for the hot path."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "checked", self.rank > Rank.GUEST or self.rank_for is not None)


def _in_room(rank: Rank) -> Callable[[Any], Rank]:
    """This rank in a room; on the whole server, `*`, an administrator's."""
    return lambda request: Rank.ADMIN if request.room == EVERYONE else rank


def _to_change(rank: Rank, *fields: str) -> Callable[[Any], Rank]:
    """This rank to change something, and only to be welcome to be told of it."""
    return lambda request: (
        rank if any(getattr(request, field) is not None for field in fields) else Rank.GUEST
    )


ROWS: dict[str, Row] = {
    "hello": Row(presence.hello, Rank.STRANGER),
    "ping": Row(presence.ping, Rank.STRANGER),
    "pong": Row(presence.pong, Rank.STRANGER),
    "quit": Row(presence.quit_, Rank.STRANGER),
    "nick": Row(presence.nick, Rank.GUEST, meter="joins"),
    "users": Row(presence.users, Rank.GUEST, meter="reads"),
    "join": Row(rooms.join, Rank.GUEST, meter="joins"),
    "leave": Row(rooms.leave, Rank.GUEST),
    "rooms": Row(rooms.list_rooms, Rank.GUEST, meter="reads"),
    "topic": Row(rooms.topic, Rank.GUEST, _to_change(Rank.MODERATOR, "topic"), meter="messages"),
    "broadcast": Row(messages.broadcast, Rank.GUEST, appends=True, meter="messages"),
    "whisper": Row(messages.whisper, Rank.GUEST, appends=True, meter="messages"),
    "history": Row(history.history, Rank.GUEST, meter="reads"),
    "search": Row(history.search, Rank.GUEST, meter="reads"),
    "challenge": Row(login.challenge, Rank.STRANGER),
    "login": Row(login.login, Rank.GUEST, meter="joins"),
    "logout": Row(login.logout, Rank.ACCOUNT, meter="joins"),
    "register": Row(accounts.register, Rank.GUEST, meter="joins"),
    "passwd": Row(accounts.passwd, Rank.ACCOUNT),
    "key": Row(accounts.key, Rank.ACCOUNT, meter="messages"),
    "unregister": Row(accounts.unregister, Rank.ACCOUNT),
    "ignore": Row(ignoring.ignore, Rank.GUEST, meter="messages"),
    "unignore": Row(ignoring.unignore, Rank.GUEST, meter="messages"),
    "ignores": Row(ignoring.ignores, Rank.GUEST, meter="reads"),
    "kick": Row(sanctions.kick, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="messages"),
    "ban": Row(sanctions.ban, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="messages"),
    "unban": Row(lifting.unban, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="messages"),
    "bans": Row(lifting.bans, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="reads"),
    "mute": Row(sanctions.mute, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="messages"),
    "unmute": Row(lifting.unmute, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="messages"),
    "mutes": Row(lifting.mutes, Rank.MODERATOR, _in_room(Rank.MODERATOR), meter="reads"),
    "mods": Row(offices.mods, Rank.GUEST, meter="reads"),
    "promote": Row(offices.promote, Rank.OWNER, meter="messages"),
    "demote": Row(offices.demote, Rank.MODERATOR, meter="messages"),
    "invite": Row(offices.invite, Rank.MODERATOR, meter="joins"),
    "mode": Row(
        offices.mode,
        Rank.GUEST,
        _to_change(Rank.OWNER, "moderated", "members_only", "invite_only", "password", "slow"),
        meter="messages",
    ),
    "elevate": Row(administration.elevate, Rank.GUEST),
    "sessions": Row(administration.sessions, Rank.ADMIN, meter="reads"),
    "rename": Row(administration.rename, Rank.ADMIN, meter="messages"),
    "shutdown": Row(administration.shutdown, Rank.ADMIN),
    "stats": Row(administration.stats, Rank.ADMIN, meter="reads"),
    "lockdown": Row(administration.lockdown, Rank.ADMIN, meter="messages"),
    "audit": Row(administration.audit, Rank.ADMIN, meter="reads"),
    "accounts": Row(operation.accounts, Rank.OPERATOR, meter="reads"),
    "account": Row(operation.account, Rank.OPERATOR, meter="messages"),
}
"""Every request the server knows."""
