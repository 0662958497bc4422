"""What a room, and the person concerned, is told of those who look after it; all are numbered.

`user` is who did it, `target` whom it concerns, absent where an address was named. The person
concerned gets the same frame even when not in the room.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from chat_schema.event import Event
from chat_schema.names import Sequence, User

Role = Annotated[
    Literal["none", "moderator", "owner"],
    BeforeValidator(lambda value: value if value in ("moderator", "owner") else "none"),
]
"""An office in a room."""


class Settings(BaseModel):
    """How a room is set; what is not so is left out. `password`: one is needed to enter."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    moderated: bool | None = None
    members_only: bool | None = None
    invite_only: bool | None = None
    password: bool | None = None
    slow: int | None = None


class Act(Event):
    """Something that somebody did by virtue of their office."""

    type: str
    room: str
    seq: Sequence
    ts: str
    user: User
    reason: str | None = None


class Kick(Act):
    """Somebody was put out of the room."""

    type: Literal["kick"] = "kick"
    target: User


class Ban(Act):
    """Somebody was put out and may not come back, until `until` or until unbanned."""

    type: Literal["ban"] = "ban"
    target: User | None = None
    until: str | None = None


class Unban(Act):
    """A ban was lifted."""

    type: Literal["unban"] = "unban"
    target: User | None = None


class Mute(Act):
    """Somebody may not speak here, until `until` or until unmuted."""

    type: Literal["mute"] = "mute"
    target: User
    until: str | None = None


class Unmute(Act):
    """Somebody may speak here again."""

    type: Literal["unmute"] = "unmute"
    target: User


class Promote(Act):
    """Somebody holds an office from now on; `user` is the target itself where nobody chose."""

    type: Literal["promote"] = "promote"
    target: User
    role: Role


class Demote(Act):
    """Somebody holds no office any more."""

    type: Literal["demote"] = "demote"
    target: User


class Invite(Act):
    """Somebody may enter although the room is closed to them."""

    type: Literal["invite"] = "invite"
    target: User


class Mode(Act):
    """The room is set like this now."""

    type: Literal["mode"] = "mode"
    mode: Settings


AnyAct = Kick | Ban | Unban | Mute | Unmute | Promote | Demote | Invite | Mode
