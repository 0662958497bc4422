"""What journals look at inside a body: the room's name, and whether a repeated cid repeats."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from chat_schema.errors import Refused
from chat_schema.names import EVERYONE, same_name
from chat_server.journal.base import Entry


def name_in(body: bytes | str) -> str:
    """The name of the room, as its creator spelled it, in the body of one of its events."""
    name = from_json(body)["room"]
    assert isinstance(name, str)
    return name


def is_conversation(key: str) -> bool:
    """Whether this is no room that one can join: a whisper conversation, or everyone."""
    return key == EVERYONE or key.startswith("dm:")


def same_content(body: bytes | str, entry: Entry) -> bool:
    """Whether `entry` says what the event in `body` says, to the same room or nick."""
    return _content(from_json(body)) == _content(from_json(f"{entry.head}0{entry.tail}"))


def _content(event: dict[str, Any]) -> tuple[object, ...]:
    """What an author asked for; to whom a nick belonged may have changed since."""
    to = event["to"]["nick"] if "to" in event else event["room"]
    return event["type"], event["text"], same_name(to)


def conflict() -> Refused:
    """The refusal of a cid that says something else the second time."""
    return Refused(
        "cid.conflict", "This cid is that of another message of yours; nothing was sent."
    )
