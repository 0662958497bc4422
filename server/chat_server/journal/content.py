"""What journals look at inside a body: the room's name, and whether a repeated cid repeats."""

from __future__ import annotations

from pydantic_core import from_json

from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
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
    """Whether `entry` says what the event in `body` says."""
    first, second = from_json(body), from_json(f"{entry.head}0{entry.tail}")
    return all(first.get(field) == second.get(field) for field in ("type", "text", "topic"))


def conflict() -> Refused:
    """The refusal of a cid that says something else the second time."""
    return Refused(
        "cid.conflict", "This cid is that of another message of yours; nothing was sent."
    )
