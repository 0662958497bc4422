"""One client's side of the protocol without a socket: bytes in, events and answers out.

    session = Session()
    id, data = session.ask(requests.Hello(nick="alice"))     # send data
    for item in session.receive(received): ...               # events, and Answers to ids
    data = session.outgoing()                                # send this too: answers to pings

Rules:
- After `receive`, send what `outgoing` returns: the session keeps itself alive that way.
- A numbered event that was seen already is dropped; so every view is free of repeats.
- What the server may do wrong raises ProtocolError; the connection is then of no use.
- One thread at a time.
"""

from __future__ import annotations

import itertools
from enum import Enum
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from chat_schema import events, limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.framing import FrameDecoder, encode_frame
from chat_schema.names import same_name


class ProtocolError(Exception):
    """The server sent what no server of this protocol sends."""


class State(Enum):
    """How far a session has got; it only moves down this list."""

    NEW = "new"
    WELCOME = "welcome"
    ENDED = "ended"


class Answer(NamedTuple):
    """The one reply to request `id`; Refused where it was not done."""

    id: str
    request: requests.Request
    reply: replies.Ok | replies.Welcome | Refused


class Fault(NamedTuple):
    """An error that answers no request: the connection itself is at fault."""

    refused: Refused


Incoming = events.AnyEvent | events.Unknown | Answer | Fault


class Session:
    """The protocol's state: what was asked, how far each room was seen, and who we are."""

    def __init__(self) -> None:
        self.state = State.NEW
        self.welcome: replies.Welcome | None = None
        self.bye: events.Bye | None = None
        self._decoder = FrameDecoder(limits.FRAME_TO_CLIENT)
        self._ids = itertools.count(1)
        self._asked: dict[str, requests.Request] = {}
        self._seen: dict[str, int] = {}
        self._outgoing: list[bytes] = []

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return len(self._asked)

    def ask(self, request: requests.Request) -> tuple[str, bytes]:
        """Return the id under which the answer will come, and the bytes to send."""
        id = str(next(self._ids))
        self._asked[id] = request
        body = request.model_copy(update={"id": id}).model_dump_json(exclude_none=True)
        return id, encode_frame(body.encode())

    def outgoing(self) -> bytes:
        """Return, once, what the session itself has to say."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> list[Incoming]:
        """Take bytes from the server; return what they bring, in order."""
        bodies = self._decoder.feed(data)
        if self._decoder.too_large is not None:
            raise ProtocolError(f"The server sent a frame of {self._decoder.too_large} bytes.")
        return [item for body in bodies if (item := self._read(body)) is not None]

    def _read(self, body: bytes) -> Incoming | None:
        try:
            frame = from_json(body)
            if not isinstance(frame, dict):
                raise ProtocolError("The server sent a frame that is no object.")
            if "re" in frame or frame.get("type") == "error":
                return self._read_reply(frame)
            return self._read_event(events.event_of(frame))
        except (ValidationError, ValueError) as error:
            raise ProtocolError(f"The server sent a frame that cannot be read: {error}") from None

    def _read_reply(self, frame: dict[str, Any]) -> Incoming | None:
        id = str(frame.get("re", ""))
        request = self._asked.pop(id, None)
        if frame.get("type") == "error":
            refused = replies.Error.model_validate(frame, strict=False).to_refused()
            return Fault(refused) if request is None else Answer(id, request, refused)
        if request is None:
            return None  # an answer nobody waits for: of a later level, or a repeat
        reply = replies.REPLIES[request.type].model_validate(frame)
        self._note(reply)
        return Answer(id, request, reply)

    def _note(self, reply: replies.Ok | replies.Welcome) -> None:
        match reply:
            case replies.Welcome():
                self.welcome = reply
                self.state = State.WELCOME
            case replies.JoinOk():
                self._seen[same_name(reply.room)] = reply.seq
            case replies.LeaveOk():
                self._seen.pop(same_name(reply.room), None)

    def _read_event(self, event: events.AnyEvent | events.Unknown) -> Incoming | None:
        match event:
            case events.Ping():
                self._outgoing.append(encode_frame(b'{"type":"pong"}'))
            case events.Bye():
                self.bye = event
                self.state = State.ENDED
            case events.Broadcast() | events.Whisper() | events.Topic() | events.Unknown():
                if self._repeats(event):
                    return None
        return event

    def _repeats(self, event: events.NumberedEvent | events.Unknown) -> bool:
        """Whether the event was seen before; if not, it is from now on."""
        if event.room is None or event.seq is None:
            return False
        key = same_name(event.room)
        if event.seq <= self._seen.get(key, 0):
            return True
        self._seen[key] = event.seq
        return False
