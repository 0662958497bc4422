"""The answers to those who look after rooms, and to administrators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from chat_schema.moderation_events import Role, Settings
from chat_schema.names import Sequence, User
from chat_schema.reply import Ok, Part

Lockdown = Annotated[
    Literal["none", "registrations", "accounts", "moderators"],
    BeforeValidator(
        lambda value: value if value in ("registrations", "accounts", "moderators") else "none"
    ),
]
"""Who may come in: everybody; everybody, but no new accounts; accounts only; those with power."""

ServerRole = Annotated[
    Literal["user", "moderator", "admin"],
    BeforeValidator(lambda value: value if value in ("moderator", "admin") else "user"),
]
"""What somebody may do on the whole server."""


class ActOk(Ok):
    """It was done; `seq` is the number of its event, absent where it concerned the server."""

    room: str
    seq: Sequence | None = None
    ts: str


class Officer(Part):
    """Somebody who looks after a room."""

    user: User
    role: Role


class ModsOk(Ok):
    """Owners first, each in the order of their appointment."""

    room: str
    mods: list[Officer]


class ModeOk(Ok):
    """How the room is set."""

    room: str
    mode: Settings


class Sanction(Part):
    """A ban or a mute in force.

    `id` names it. `nick` and `uid` are those it was spoken against, absent for an address alone.
    `network` is an address or network as it was given; that a person's address is bound too is
    told by `address`, and only administrators are told which.
    """

    id: str
    nick: str | None = None
    uid: str | None = None
    network: str | None = None
    address: bool | None = None
    by: str
    reason: str | None = None
    since: str
    until: str | None = None


class BansOk(Ok):
    """The bans in force, the oldest first."""

    room: str
    bans: list[Sanction]


class MutesOk(Ok):
    """The mutes in force, the oldest first; those of the server, `*`, hold those for flooding."""

    room: str
    mutes: list[Sanction]


class ElevateOk(Ok):
    """What you may do now."""

    role: ServerRole


class SessionEntry(Part):
    """One connection: who, from where, since when, and with which program."""

    number: Sequence
    user: User | None = None
    address: str
    secure: bool
    since: str
    client: str | None = None
    rooms: list[str]
    role: ServerRole


class SessionsOk(Ok):
    """Connections by number; where `more`, ask again with `after` set to the last one."""

    sessions: list[SessionEntry]
    count: int
    more: bool


class StatsOk(Ok):
    """What the server counts, by name."""

    stats: dict[str, int | float | str]


class LockdownOk(Ok):
    """Who may come in."""

    level: Lockdown


class AuditEntry(Part):
    """What was done: when, by whom, what, to whom, and the rest."""

    number: Sequence
    ts: str
    actor: str
    act: str
    room: str | None = None
    target: str | None = None
    detail: str | None = None


class AuditOk(Ok):
    """Entries in ascending order; where `more`, there are older ones."""

    entries: list[AuditEntry]
    more: bool


class AccountEntry(Part):
    """One account; `created` is a date, `key`: it can be logged in to by a key."""

    uid: str
    nick: str
    role: ServerRole
    created: str
    key: bool
    online: bool


class AccountsOk(Ok):
    """Accounts by nick; where `more`, ask again with `after` set to the last nick."""

    accounts: list[AccountEntry]
    count: int
    more: bool


class AccountOk(Ok):
    """The account as it is now, or as it was when it was removed."""

    account: AccountEntry
