"""Frames of the server as what they say; whatever no server sends is a ProtocolError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from chat_schema import replies, requests
from chat_schema.errors import Refused
from chat_schema.framing import FrameDecoder

Reply = replies.Ok | replies.Welcome | Refused


class ProtocolError(Exception):
    """The server sent what no server of this protocol sends."""


@contextmanager
def readable() -> Iterator[None]:
    """What is read of a frame within must be there, and be what it should."""
    try:
        yield
    except (ValidationError, ValueError) as error:
        raise ProtocolError(f"The server sent a frame that cannot be read: {error}") from None


@contextmanager
def sound_names() -> Iterator[None]:
    """What a server has named we must be able to name, too."""
    try:
        yield
    except ValidationError:
        raise ProtocolError("The server has named something in a way that it refuses.") from None


def bodies_in(decoder: FrameDecoder, data: bytes) -> list[bytes]:
    """The whole bodies that there are now."""
    bodies = decoder.feed(data)
    if decoder.too_large is not None:
        raise ProtocolError(f"The server sent a frame of {decoder.too_large} bytes.")
    return bodies


def object_in(body: bytes) -> dict[str, Any]:
    """The object that a frame is."""
    frame = from_json(body)
    if not isinstance(frame, dict):
        raise ProtocolError("The server sent a frame that is no object.")
    return frame


def is_reply(frame: dict[str, Any]) -> bool:
    """Whether a frame answers something; otherwise it tells of an event."""
    return "re" in frame or frame.get("type") == "error"


def reply_in(frame: dict[str, Any], request: requests.Request | None) -> Reply | None:
    """The answer to a request; None where it is a good one to what nobody has asked."""
    if frame.get("type") == "error":
        return replies.Error.model_validate(frame, strict=False).to_refused()
    return None if request is None else replies.REPLIES[request.type].model_validate(frame)
