"""What a server announces: one model per event type. An event never has `re`.

Rules:
- Nothing in a room's event is meant for one recipient: everybody gets the same bytes.
- A numbered event has `seq`, counted per room from 1 without gap. `(room, seq)` names a message.
- Readers are lenient: unknown fields are dropped, an unknown choice becomes its default, an
  unknown type becomes Unknown and still moves the cursor of its room.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import from_json

from chat_schema import limits
from chat_schema.event import Event
from chat_schema.moderation_events import (
    AnyAct,
    Ban,
    Demote,
    Invite,
    Kick,
    Mode,
    Mute,
    Promote,
    Unban,
    Unmute,
)
from chat_schema.names import Sequence, User

__all__ = [
    "EVENTS",
    "AnyAct",
    "AnyEvent",
    "Ban",
    "Broadcast",
    "Bye",
    "Demote",
    "Event",
    "Invite",
    "Join",
    "Kick",
    "Leave",
    "LeaveReason",
    "Mode",
    "Mute",
    "Nick",
    "Notice",
    "NumberedEvent",
    "Ping",
    "Promote",
    "Reconnect",
    "Replay",
    "ReplayState",
    "Topic",
    "Unban",
    "Unknown",
    "Unmute",
    "Whisper",
    "event_of",
    "read_event",
]


def _known(default: str, *others: str) -> BeforeValidator:
    """Read a choice that may grow: what this version does not know becomes the default."""
    return BeforeValidator(lambda value: value if value in others else default)


LeaveReason = Annotated[
    Literal["left", "quit", "lost", "kicked", "banned", "switched"],
    _known("left", "quit", "lost", "kicked", "banned", "switched"),
]
Reconnect = Annotated[Literal["later", "now", "never"], _known("later", "now", "never")]

ReplayState = Annotated[Literal["begin", "end"], _known("end", "begin", "end")]


class Join(Event):
    """Somebody entered the room."""

    type: Literal["join"] = "join"
    room: str
    user: User
    ts: str


class Leave(Event):
    """Somebody is no longer in the room.

    They left, quit, lost the connection, were kicked or banned, or switched to another identity:
    who logs in or out leaves as one person and enters as another.
    """

    type: Literal["leave"] = "leave"
    room: str
    user: User
    reason: LeaveReason = "left"
    ts: str


class Nick(Event):
    """Somebody you share a room with, or you, has another nick or registered: `user` is as now."""

    type: Literal["nick"] = "nick"
    user: User
    old: str
    ts: str


class Broadcast(Event):
    """A message to a room, or to everyone where `room` is `*`."""

    type: Literal["broadcast"] = "broadcast"
    room: str
    seq: Sequence
    ts: str
    user: User
    text: str
    cid: str | None = None


class Whisper(Event):
    """A message between two people; both get it, in the conversation `room`."""

    type: Literal["whisper"] = "whisper"
    room: str
    seq: Sequence
    ts: str
    user: User
    to: User
    text: str
    cid: str | None = None


class Topic(Event):
    """The room has another topic; empty means none."""

    type: Literal["topic"] = "topic"
    room: str
    seq: Sequence
    ts: str
    user: User
    topic: str


class Replay(Event):
    """Brackets what was missed in one conversation: its numbered events stand in between.

    At `begin`, `after` and `to` say which numbers follow, `head` is the newest there is, and
    `complete` that nothing is missing between the client's cursor and `head`.
    """

    type: Literal["replay"] = "replay"
    room: str
    state: ReplayState
    epoch: str | None = None
    after: Sequence | None = None
    to: Sequence | None = None
    head: Sequence | None = None
    complete: bool | None = None


class Ping(Event):
    """The server has heard nothing for a while and wants a `pong`."""

    type: Literal["ping"] = "ping"
    ts: str


class Notice(Event):
    """Something this client should know; `code` is for programs, `message` for people."""

    type: Literal["notice"] = "notice"
    code: str
    message: str
    ts: str


class Bye(Event):
    """The last frame before the server closes; `after` is in seconds."""

    type: Literal["bye"] = "bye"
    code: str
    message: str
    reconnect: Reconnect = "later"
    after: float | None = None


class Unknown(Event):
    """An event of a later level; where it is numbered it counts like any other."""

    type: str
    room: str | None = None
    seq: Sequence | None = None


NumberedEvent = Broadcast | Whisper | Topic | AnyAct
AnyEvent = (
    Join
    | Leave
    | Nick
    | Broadcast
    | Whisper
    | Topic
    | Kick
    | Ban
    | Unban
    | Mute
    | Unmute
    | Promote
    | Demote
    | Invite
    | Mode
    | Replay
    | Ping
    | Notice
    | Bye
)

EVENTS: dict[str, type[Event]] = {
    model.model_fields["type"].default: model for model in AnyEvent.__args__
}
"""Every event model by the `type` it has on the wire."""

_adapter = TypeAdapter[AnyEvent](Annotated[AnyEvent, Field(discriminator="type")])


def read_event(body: bytes) -> AnyEvent | Unknown:
    """Return the event in `body`; raise pydantic's ValidationError where it is none."""
    try:
        value = from_json(body)
    except ValueError:
        return _adapter.validate_json(body)  # says in pydantic's way what is wrong
    return event_of(value)


def event_of(value: Any) -> AnyEvent | Unknown:
    """Return the event that a decoded object is, as a page of history holds them."""
    type_ = value.get("type") if isinstance(value, dict) else None
    if isinstance(type_, str) and type_ not in EVENTS:
        return _unknown(type_, value.get("room"), value.get("seq"))
    return _adapter.validate_python(value)


def _unknown(type_: str, room: object, seq: object) -> Unknown:
    """What a later level may use otherwise is taken for absent: nothing of it is understood."""
    countable = isinstance(seq, int) and 0 <= seq <= limits.SAFE_INTEGER
    return Unknown(
        type=type_,
        room=room if isinstance(room, str) else None,
        seq=seq if isinstance(seq, int) and countable else None,
    )
