"""One raw connection of a chaos client: frames out, bodies in, nothing of the real client."""

from __future__ import annotations

import json
import socket
from typing import Any, Self

from chat_schema.framing import HEADER, encode_frame

Address = tuple[str, int]

CHUNK = 64 * 1024
CONNECTING = 5.0
"""Seconds for the kernel to connect, and for a sending that the server does not take."""


class Gone(Exception):
    """The connection is no more, whoever ended it."""


class Wire:
    """A connected socket; every fault of it is Gone."""

    def __init__(self, address: Address) -> None:
        self._buffer = bytearray()
        try:
            self._socket = socket.create_connection(address, CONNECTING)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Gone(str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *requests: dict[str, Any]) -> None:
        """Send requests with one call."""
        data = b"".join(encode_frame(json.dumps(request).encode()) for request in requests)
        try:
            self._socket.settimeout(CONNECTING)
            self._socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from None

    def receive(self, patience: float) -> list[bytes]:
        """The bodies that come next; none after `patience` seconds of silence."""
        self._socket.settimeout(patience)
        try:
            data = self._socket.recv(CHUNK)
        except TimeoutError:
            return []
        except OSError as error:
            raise Gone(str(error)) from None
        if not data:
            raise Gone("end of stream")
        self._buffer += data
        return self._bodies()

    def _bodies(self) -> list[bytes]:
        bodies, at = [], 0
        while len(self._buffer) >= at + HEADER:
            end = at + HEADER + int.from_bytes(self._buffer[at : at + HEADER], "big")
            if len(self._buffer) < end:
                break
            if end > at + HEADER:  # else it is a keep-alive
                bodies.append(bytes(self._buffer[at + HEADER : end]))
            at = end
        del self._buffer[:at]
        return bodies
