"""What a client asks: one model per request type, and the reading of a body into one of them.

Rules:
- Optional fields accept `null` as absent. Unknown fields are kept in `model_extra`, so that the
  reply can name them in `ignored`.
- `read_request` is the only way in: it raises Refused, with the request's id where there is one,
  and never repeats the input in a message, because a password may be inside.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, from_json

from chat_schema import limits, names
from chat_schema.account_requests import (
    Challenge,
    Ignore,
    Ignores,
    Key,
    Login,
    Logout,
    Passwd,
    Register,
    Unignore,
    Unregister,
)
from chat_schema.admin_requests import (
    Account,
    Accounts,
    Audit,
    Elevate,
    Lockdown,
    Rename,
    Sessions,
    Shutdown,
    Stats,
)
from chat_schema.errors import Refused
from chat_schema.moderation_requests import (
    Ban,
    Bans,
    Demote,
    Invite,
    Kick,
    Mode,
    Mods,
    Mute,
    Mutes,
    Promote,
    Unban,
    Unmute,
)
from chat_schema.request import Request

__all__ = [
    "REQUESTS",
    "Account",
    "Accounts",
    "AnyRequest",
    "Audit",
    "Ban",
    "Bans",
    "Broadcast",
    "Challenge",
    "Credentials",
    "Demote",
    "Elevate",
    "Hello",
    "History",
    "Ignore",
    "Ignores",
    "Invite",
    "Join",
    "Key",
    "Kick",
    "Leave",
    "Lockdown",
    "Login",
    "Logout",
    "Mode",
    "Mods",
    "Mute",
    "Mutes",
    "Nick",
    "Passwd",
    "Ping",
    "Pong",
    "Promote",
    "Quit",
    "Register",
    "Rename",
    "Request",
    "Resume",
    "Rooms",
    "Search",
    "Sessions",
    "Shutdown",
    "Stats",
    "Topic",
    "Unban",
    "Unignore",
    "Unmute",
    "Unregister",
    "Users",
    "Whisper",
    "read_request",
    "refusal_of",
]


class Resume(BaseModel):
    """A wish to come back: with `token` to a stay, without it (on the wire `true`) to this one.

    `rooms` says where the client was in each conversation, as [epoch, seq]. Without it nothing is
    replayed: so asks a client that was started anew.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    token: names.Token | None = Field(default=None, repr=False)
    rooms: Annotated[dict[names.Conversation, names.Cursor], Field(max_length=limits.RESUMED)] | (
        None
    ) = None

    @model_validator(mode="after")
    def _interoperable(self) -> Self:
        _check(self.model_extra, 2)
        return self


def _wish(value: object) -> object:
    """`true` is a wish without particulars, `false` is none."""
    return {} if value is True else None if value is False else value


class Credentials(BaseModel):
    """An account, and the password or the signature that shows whose it is."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    nick: names.Nick
    password: names.Password | None = Field(default=None, repr=False)
    signature: names.Signature | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _interoperable(self) -> Self:
        _check(self.model_extra, 2)
        return self


class Hello(Request):
    """The first request on every connection; `resume` asks for a token to come back with."""

    type: Literal["hello"] = "hello"
    version: Annotated[int, Field(ge=0, le=limits.SAFE_INTEGER)] | None = None
    nick: names.Nick | None = None
    client: names.ClientName | None = None
    login: Credentials | None = None
    resume: Annotated[Resume | None, BeforeValidator(_wish)] = None


class Ping(Request):
    """Asks for an `ok`: a barrier, and the measure of lag."""

    type: Literal["ping"] = "ping"


class Pong(Request):
    """Answers the event `ping`; it gets no reply, not even an `ok`."""

    type: Literal["pong"] = "pong"


class Quit(Request):
    """Ends the stay; the server answers, says bye and closes."""

    type: Literal["quit"] = "quit"


class Join(Request):
    """Enters a room, which exists from then on."""

    type: Literal["join"] = "join"
    room: names.RoomName
    password: names.RoomPassword | None = Field(default=None, repr=False)


class Leave(Request):
    """Leaves a room."""

    type: Literal["leave"] = "leave"
    room: names.RoomName


class Nick(Request):
    """Takes another nick."""

    type: Literal["nick"] = "nick"
    nick: names.Nick


class Broadcast(Request):
    """Says something to a room one is in, or to everyone with room `*`."""

    type: Literal["broadcast"] = "broadcast"
    room: names.Destination
    text: names.Text
    cid: names.ClientMessageId | None = None


class Whisper(Request):
    """Says something to one person."""

    type: Literal["whisper"] = "whisper"
    to: names.Nick
    text: names.Text
    cid: names.ClientMessageId | None = None


class Topic(Request):
    """Reads a room's topic, or sets it where `topic` is given; the empty string clears it."""

    type: Literal["topic"] = "topic"
    room: names.RoomName
    topic: names.Topic | None = None


class Rooms(Request):
    """Lists the rooms by name, a page at a time."""

    type: Literal["rooms"] = "rooms"
    after: names.RoomName | None = None


class Users(Request):
    """Lists the members of a room one is in, or everyone online, by nick, a page at a time."""

    type: Literal["users"] = "users"
    room: names.RoomName | None = None
    after: names.Nick | None = None


class History(Request):
    """Reads the numbered events of a conversation after, or before, a number."""

    type: Literal["history"] = "history"
    room: names.Conversation
    after: names.Sequence | None = None
    before: names.Sequence | None = None
    limit: names.PageSize | None = None


class Search(Request):
    """Looks for words in what was said where the asker may read; a word also finds longer ones."""

    type: Literal["search"] = "search"
    text: names.Query
    room: names.Conversation | None = None
    sender: names.Nick | None = None
    before: names.Sequence | None = None
    limit: Annotated[int, Field(ge=1, le=limits.SEARCH_PAGE)] | None = None


AnyRequest = (
    Hello
    | Ping
    | Pong
    | Quit
    | Join
    | Leave
    | Nick
    | Broadcast
    | Whisper
    | Topic
    | Rooms
    | Users
    | History
    | Search
    | Challenge
    | Login
    | Register
    | Logout
    | Passwd
    | Key
    | Unregister
    | Ignore
    | Unignore
    | Ignores
    | Kick
    | Ban
    | Unban
    | Bans
    | Mute
    | Unmute
    | Mutes
    | Mods
    | Promote
    | Demote
    | Invite
    | Mode
    | Elevate
    | Sessions
    | Rename
    | Shutdown
    | Stats
    | Lockdown
    | Audit
    | Accounts
    | Account
)

REQUESTS: dict[str, type[Request]] = {
    model.model_fields["type"].default: model for model in AnyRequest.__args__
}
"""Every request model by the `type` it has on the wire."""

_validate = TypeAdapter[AnyRequest](
    Annotated[AnyRequest, Field(discriminator="type")]
).validator.validate_json


def read_request(body: bytes) -> AnyRequest:
    """Return the request in `body`; raise Refused (`frame.*`, `type.*`, `field.*`, …) if none is.

    Costs about a microsecond for a request without unknown fields: only those can hold what the
    field types do not already exclude, so only they are searched for depth and odd numbers.
    """
    try:
        request: AnyRequest = _validate(body)
    except ValidationError as error:
        raise _refusal(body, error) from None
    if request.__pydantic_extra__:
        _check_interoperable(request.__pydantic_extra__, request.id)
    return request


def _refusal(body: bytes, error: ValidationError) -> Refused:
    detail = error.errors(include_url=False, include_context=True, include_input=True)[0]
    match detail["type"]:
        case "json_invalid":
            return Refused("frame.invalid", "The frame is not one well-formed JSON value.")
        case "union_tag_invalid" | "union_tag_not_found":
            return _type_refusal(from_json(body).get("type"), _id_of(body))
        case "model_attributes_type" | "model_type" | "dict_type" if len(detail["loc"]) < 2:
            return Refused("frame.invalid", "The frame holds JSON, but not an object.")
        case "value_error":  # what `_check` found within a field
            return Refused("frame.invalid", str(detail["ctx"]["error"]), re=_id_of(body))
    return _field_refusal(detail, detail["loc"][1:], _id_of(body))


def refusal_of(error: ValidationError) -> Refused:
    """What the server would say to the request model that could not be made, without asking it."""
    detail = error.errors(include_url=False, include_context=True, include_input=True)[0]
    return _field_refusal(detail, detail["loc"], None)


def _type_refusal(type_: object, re: str | None) -> Refused:
    if type_ is None:
        return Refused("field.missing", "Every request needs a type.", field="type", re=re)
    if not isinstance(type_, str):
        return Refused("field.invalid", "The type of a request is a string.", field="type", re=re)
    known = ", ".join(sorted(REQUESTS))
    return Refused("type.unknown", f"Known request types are: {known}.", re=re)


def _id_of(body: bytes) -> str | None:
    """The request's id, if the body has a usable one: refusals of broken requests carry it too."""
    value = from_json(body)
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= limits.ID_CHARACTERS else None


_CODES = {
    ("nick", "string_pattern_mismatch"): "nick.invalid",
    ("to", "string_pattern_mismatch"): "nick.invalid",
    ("room", "string_pattern_mismatch"): "room.invalid",
    ("text", "string_pattern_mismatch"): "message.invalid",
    ("topic", "string_pattern_mismatch"): "message.invalid",
    ("text", "string_too_short"): "message.empty",
    ("text", "string_too_long"): "message.too_long",
    ("topic", "string_too_long"): "message.too_long",
}


def _field_refusal(detail: ErrorDetails, place: tuple[int | str, ...], re: str | None) -> Refused:
    """Name the field and the rule, never the value: nor what is inside a field, names included."""
    field = ".".join(str(part) for part in place[:2])
    inside = len(place) > 2
    if not inside and (detail["type"] == "missing" or detail["input"] is None):
        return Refused("field.missing", f"The field {field} is required.", field=field, re=re)
    code = _CODES.get((field, detail["type"]), "field.invalid")
    size = len(detail["input"]) if isinstance(detail["input"], str) else None
    limit = None if inside else detail.get("ctx", {}).get("max_length")
    return Refused(
        code,
        _explain(code, field, detail["msg"]),
        field=field,
        limit=limit,
        size=size if limit is not None else None,
        re=re,
    )


def _explain(code: str, field: str, rule: str) -> str:
    """The rule that was broken, for people."""
    allowed = "a topic is one line" if field == "topic" else "only tab and newline may be"
    form = f"The field {field} has a form, or holds characters, that it may not."
    usual = form if "match pattern" in rule else f"The field {field} is not right: {rule}."
    return {
        "nick.invalid": _name_rule("nick", limits.NICK_CHARACTERS),
        "room.invalid": _name_rule("room name", limits.ROOM_CHARACTERS),
        "message.invalid": f"The {field} holds a control character; {allowed}.",
        "message.empty": "The text needs at least one character.",
        "message.too_long": f"The {field} is too long; nothing of it was sent.",
    }.get(code, usual)


def _name_rule(what: str, longest: int) -> str:
    return (
        f"A {what} has 1 to {longest} of a-z, A-Z, 0-9, '_', '.' and '-', "
        "and begins with a letter or digit."
    )


def _check_interoperable(extra: dict[str, Any], re: str | None) -> None:
    try:
        _check(extra, 1)
    except ValueError as error:
        raise Refused("frame.invalid", str(error), re=re) from None


def _check(value: object, depth: int) -> None:
    """Refuse in unknown fields what other JSON libraries would read differently (I-JSON)."""
    if depth > limits.NESTING and isinstance(value, dict | list):
        raise ValueError(f"The frame is nested deeper than {limits.NESTING} levels.")
    if isinstance(value, dict):
        for item in value.values():
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinite numbers are not JSON.")
    elif isinstance(value, int) and abs(value) > limits.SAFE_INTEGER:
        raise ValueError("Integers beyond 2^53-1 are not read alike everywhere; use a string.")
