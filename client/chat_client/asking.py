"""The outgoing side of one client: ids for what is asked, and the frames that ask it.

Rules:
- An id is used once in the life of a session, also across connections.
- What the session asks for itself is remembered until it is answered; nobody else waits for it.
"""

from __future__ import annotations

import itertools

from chat_schema import requests
from chat_schema.framing import encode_frame


class Asking:
    """Frames to be sent, and the requests among them that are the session's own."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._own: dict[str, requests.Request] = {}
        self._frames: list[bytes] = []

    def next_id(self) -> str:
        """An id that was not used before."""
        return str(next(self._ids))

    def send(self, id: str, request: requests.Request) -> None:
        """Put a request among what is to be sent."""
        body = request.model_copy(update={"id": id}).model_dump_json(exclude_none=True)
        self._frames.append(encode_frame(body.encode()))

    def send_own(self, request: requests.Request) -> None:
        """Ask for what nobody but the session waits for."""
        id = self.next_id()
        self._own[id] = request
        self.send(id, request)

    def pong(self) -> None:
        """Answer a ping."""
        self._frames.append(encode_frame(b'{"type":"pong"}'))

    def pop(self, id: str) -> requests.Request | None:
        """Take out the session's own request that is answered now."""
        return self._own.pop(id, None)

    def outgoing(self) -> bytes:
        """Return, once, what is to be sent."""
        data = b"".join(self._frames)
        self._frames.clear()
        return data

    def start_over(self) -> None:
        """Another connection begins: nothing was sent on it."""
        self._frames.clear()

    def lose(self) -> None:
        """The connection is gone: nothing of what the session itself asked will be answered."""
        self._own.clear()
