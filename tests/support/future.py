"""A server of a later level: a proxy that slips unknown things into whatever the real one sends.

Each object gets an unknown field, each choice a value nobody knows, and before each frame comes an
event of an unknown type. A client that obeys the compatibility rules does not notice.
"""

from __future__ import annotations

import json
import socket
import threading
from typing import Any, Self

from chat_schema import limits
from chat_schema.framing import FrameDecoder, encode_frame

CHOICES = {"reason": "ascended", "reconnect": "perhaps", "durability": "eternal"}
"""Fields with a fixed set of values today, and one of tomorrow."""

DEFAULTS = {("state", "end"): "paused"}
"""Choices of which only the default may be taken for another: a replay must have begun."""


class FutureServer:
    """Listens on `address` and speaks for the server at `behind`, in words of tomorrow."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            _shut(sock)
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._behind)
            self._sockets += [client, server]
            self._start(self._carry_requests, client, server)
            self._start(self._carry_answers, server, client)

    @staticmethod
    def _carry_requests(client: socket.socket, server: socket.socket) -> None:
        while data := _receive(client):
            server.sendall(data)
        _shut(server)

    @staticmethod
    def _carry_answers(server: socket.socket, client: socket.socket) -> None:
        decoder = FrameDecoder(limits.FRAME_TO_CLIENT)
        while data := _receive(server):
            for body in decoder.feed(data):
                client.sendall(tomorrow(body))
        _shut(client)


def tomorrow(body: bytes) -> bytes:
    """The frames that a server of a later level would send in the place of `body`."""
    stranger = {"type": "x-example.org/aurora", "room": "nowhere", "seq": 1, "colour": "green"}
    return encode_frame(json.dumps(stranger).encode()) + encode_frame(
        json.dumps(_grown(json.loads(body))).encode()
    )


def _grown(value: Any) -> Any:
    if isinstance(value, list):
        return [_grown(item) for item in value]
    if not isinstance(value, dict):
        return value
    grown = {key: _choice(key, item) for key, item in value.items()}
    return {**grown, "x_new": {"deep": [1, None, "?"]}}


def _choice(key: str, item: Any) -> Any:
    if isinstance(item, str) and (key, item) in DEFAULTS:
        return DEFAULTS[key, item]
    return CHOICES.get(key, _grown(item))


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except OSError:
        return b""


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was shut, or never connected
