"""A raw client for tests: frames in and out of a real socket, with nothing of the real client."""

from __future__ import annotations

import json
import socket
from typing import Any, Self

from chat_schema.framing import HEADER, encode_frame

PATIENCE = 20.0
"""Seconds after which a test that waits for something has failed."""

Frame = dict[str, Any]


class Closed(Exception):
    """The server ended the connection."""


class Peer:
    """One connection; `ask` is the barrier: afterwards everything before it has happened."""

    def __init__(self, address: tuple[str, int], nick: str | None = None) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self.nick = nick
        self._ids = 0

    @classmethod
    def welcomed(cls, address: tuple[str, int], nick: str | None = None) -> Self:
        """A peer that has said hello."""
        peer = cls(address)
        fields = {"nick": nick} if nick is not None else {}
        peer.nick = peer.ask("hello", **fields)["user"]["nick"]
        return peer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, type_: str, **fields: Any) -> None:
        """Send a frame of this type."""
        self.send_body(json.dumps({"type": type_, **fields}).encode())

    def send_body(self, body: bytes) -> None:
        """Send any body in a sound frame."""
        self.socket.sendall(encode_frame(body))

    def receive(self) -> Frame:
        """The next frame; raise Closed at the end of the stream."""
        size = int.from_bytes(self._exactly(HEADER), "big")
        frame: Frame = json.loads(self._exactly(size))
        return frame

    def ask(self, type_: str, **fields: Any) -> Frame:
        """Ask and return the reply; what comes before it is thrown away."""
        return self.ask_all(type_, **fields)[-1]

    def ask_all(self, type_: str, **fields: Any) -> list[Frame]:
        """Ask and return everything up to and including the reply."""
        self._ids += 1
        number = f"t{self._ids}"
        self.send(type_, id=number, **fields)
        frames = [self.receive()]
        while frames[-1].get("re") != number:
            frames.append(self.receive())
        return frames

    def heard(self) -> list[Frame]:
        """Every event that has arrived until now."""
        return self.ask_all("ping")[:-1]

    def rest(self) -> list[Frame]:
        """Every frame up to the end of the stream."""
        frames = []
        try:
            while True:
                frames.append(self.receive())
        except (Closed, ConnectionResetError):
            return frames

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise Closed
            data += piece
        return data


def kinds(frames: list[Frame]) -> list[str]:
    """The types of frames, in order."""
    return [frame["type"] for frame in frames]
