"""What a server answers: Welcome, Ok in the shape each request has, and Error. All carry `re`.

Optional fields that have nothing to say are left out of the bytes, never sent as `null`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from chat_schema import limits
from chat_schema.account_replies import ChallengeOk, IdentityOk, IgnoresOk, KeyOk
from chat_schema.errors import Refused
from chat_schema.moderation_events import Settings
from chat_schema.moderation_replies import (
    AccountOk,
    AccountsOk,
    ActOk,
    AuditOk,
    BansOk,
    ElevateOk,
    LockdownOk,
    ModeOk,
    ModsOk,
    MutesOk,
    Officer,
    ServerRole,
    SessionsOk,
    StatsOk,
)
from chat_schema.names import Cursor, Sequence, User
from chat_schema.reply import Ok, Part

__all__ = [
    "REPLIES",
    "AccountOk",
    "AccountsOk",
    "ActOk",
    "AuditOk",
    "BansOk",
    "ChallengeOk",
    "Durability",
    "ElevateOk",
    "Error",
    "Heartbeat",
    "HistoryOk",
    "HistoryPolicy",
    "IdentityOk",
    "IgnoresOk",
    "JoinOk",
    "KeyOk",
    "LeaveOk",
    "Limits",
    "LockdownOk",
    "ModeOk",
    "ModsOk",
    "MutesOk",
    "NickOk",
    "Officer",
    "Ok",
    "Part",
    "Rate",
    "Resumption",
    "RoomEntry",
    "RoomsOk",
    "SearchOk",
    "SentOk",
    "ServerRole",
    "SessionsOk",
    "Settings",
    "StatsOk",
    "TopicOk",
    "UsersOk",
    "Welcome",
]

Durability = Annotated[
    Literal["memory", "process", "disk"],
    BeforeValidator(lambda value: value if value in ("process", "disk") else "memory"),
]
"""What an `ok` to a message means: it survives nothing, the process's death, or a power cut."""


class HistoryPolicy(Part):
    """How much of a room can be read back: the oldest number there is, and what is kept.

    At most the newest `kept` entries, none older than `days`; what is absent is not limited.
    """

    oldest: Sequence
    kept: int | None = None
    days: float | None = None


class JoinOk(Ok):
    """A snapshot of the room: every numbered event after `seq` follows on this connection.

    `mods` are who looks after it, where somebody does, `mode` how it is set, where it is.
    """

    room: str
    epoch: str
    seq: Sequence
    topic: str
    members: list[User]
    count: int
    history: HistoryPolicy
    mods: list[Officer] | None = None
    mode: Settings | None = None


class LeaveOk(Ok):
    """You are no longer in `room`."""

    room: str


class NickOk(Ok):
    """You, as others see you now."""

    user: User


class SentOk(Ok):
    """The message is number `seq` of `room`, and as durable as `welcome` said."""

    room: str
    seq: Sequence
    ts: str
    duplicate: bool | None = None


class TopicOk(Ok):
    """The topic of `room`; empty means none."""

    room: str
    topic: str


class RoomEntry(Part):
    """One room in a list."""

    room: str
    topic: str
    count: int


class RoomsOk(Ok):
    """Rooms by name; where `more`, ask again with `after` set to the last name."""

    rooms: list[RoomEntry]
    count: int
    more: bool


class UsersOk(Ok):
    """Users by nick; where `more`, ask again with `after` set to the last nick."""

    users: list[User]
    count: int
    more: bool


class HistoryOk(Ok):
    """Events in ascending order. `more`: there is more in the direction asked."""

    room: str
    events: list[dict[str, Any]]
    more: bool
    oldest: Sequence
    head: Sequence
    epoch: str


class Heartbeat(Part):
    """Seconds of silence after which the server asks, and after which either side gives up."""

    interval: float
    timeout: float


class Rate(Part):
    """So many units at once, and so many a second after that."""

    burst: int
    per_second: float


class Limits(Part):
    """The bounds this server enforces; a client reads them here instead of knowing them."""

    frame_to_server: int = limits.FRAME_TO_SERVER
    frame_to_client: int = limits.FRAME_TO_CLIENT
    text: int = limits.TEXT_CHARACTERS
    topic: int = limits.TOPIC_CHARACTERS
    rooms: int = limits.ROOMS_PER_CLIENT
    history: int = limits.HISTORY_PAGE
    search: int = limits.SEARCH_PAGE
    list: int = limits.LIST_PAGE
    members: int = limits.MEMBERS_IN_JOIN
    messages: Rate | None = None
    joins: Rate | None = None
    reads: Rate | None = None
    password: int = limits.PASSWORD_SHORTEST


class Resumption(Part):
    """How to come back: show `token` within `seconds` of losing the connection.

    `resumed`: this is the stay that was asked for, under its uid and nick. `rooms` are those the
    client is in. `everyone` is where the conversation `*` stands. `conversations` are the stay's
    whispers, where there are any: a program that was started anew can read them back. `expelled`
    are rooms, as the hello named them, out of which somebody was put while away.
    """

    token: str = Field(repr=False)
    seconds: float
    resumed: bool
    rooms: list[str]
    everyone: Cursor
    conversations: list[str] | None = None
    expelled: list[str] | None = None


class Welcome(Part):
    """The reply to hello: who you are, and what holds on this server."""

    type: Literal["welcome"] = "welcome"
    re: str | None = None
    version: int
    level: int
    server: str
    user: User
    limits: Limits
    heartbeat: Heartbeat
    durability: Durability
    resume: Resumption | None = None
    motd: str | None = None
    role: ServerRole | None = None
    ignored: list[str] | None = None


class SearchOk(Ok):
    """Found events in ascending order; where `more`, there are older ones."""

    hits: list[dict[str, Any]]
    more: bool


class Error(Part):
    """The request was not done, or, without `re`, the connection has a fault of its own."""

    type: Literal["error"] = "error"
    re: str | None = None
    code: str
    message: str
    fatal: bool = False
    retryable: bool = False
    retry_after: float | None = None
    field: str | None = None
    limit: int | None = None
    size: int | None = None
    versions: Annotated[tuple[int, int], Field(strict=False)] | None = None

    @classmethod
    def from_refused(cls, refused: Refused) -> Error:
        """The frame that tells a client of `refused`."""
        return cls(**vars(refused))

    def to_refused(self) -> Refused:
        """The exception that tells a program of this frame."""
        fields = {name: getattr(self, name) for name in Error.model_fields if name != "type"}
        return Refused(fields.pop("code"), fields.pop("message"), **fields)


REPLIES: dict[str, type[Welcome] | type[Ok]] = {
    "hello": Welcome,
    "ping": Ok,
    "quit": Ok,
    "join": JoinOk,
    "leave": LeaveOk,
    "nick": NickOk,
    "broadcast": SentOk,
    "whisper": SentOk,
    "topic": TopicOk,
    "rooms": RoomsOk,
    "users": UsersOk,
    "history": HistoryOk,
    "search": SearchOk,
    "challenge": ChallengeOk,
    "login": IdentityOk,
    "register": IdentityOk,
    "logout": IdentityOk,
    "passwd": Ok,
    "key": KeyOk,
    "unregister": IdentityOk,
    "ignore": IgnoresOk,
    "unignore": IgnoresOk,
    "ignores": IgnoresOk,
    "kick": ActOk,
    "ban": ActOk,
    "unban": ActOk,
    "bans": BansOk,
    "mute": ActOk,
    "unmute": ActOk,
    "mutes": MutesOk,
    "mods": ModsOk,
    "promote": ActOk,
    "demote": ActOk,
    "invite": ActOk,
    "mode": ModeOk,
    "elevate": ElevateOk,
    "sessions": SessionsOk,
    "rename": NickOk,
    "shutdown": Ok,
    "stats": StatsOk,
    "lockdown": LockdownOk,
    "audit": AuditOk,
    "accounts": AccountsOk,
    "account": AccountOk,
}
"""The model of the good answer to each request type; `pong` has none."""
