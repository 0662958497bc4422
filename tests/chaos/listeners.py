"""Two hundred receivers in one thread: who reads is timed, who is stuck keeps a log for later.

A message carries the moment at which it was sent; it and all receivers live in this process, so
that one clock is enough.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from typing import Any

from chat_schema.framing import HEADER, encode_frame
from tests.chaos.view import Bodies, View
from tests.chaos.wire import Address

MARK = b'"text":"@'
PING = b'{"type":"ping"'
SMALL = 4096
"""Bytes the kernel holds for a receiver that may get stuck: its server soon knows."""
TO_COME_IN = 20.0
"""Seconds for a connection, a welcome and a room."""


class Listener:
    """A receiver: counts what it hears and when; with a `view` it also knows what."""

    def __init__(self, address: Address, room: str, view: View | None = None) -> None:
        self.room = room
        self.view = view
        self.heard = 0
        self._address = address
        self._token = ""
        self._buffer = bytearray()
        self.socket = self._come_in()

    def come_back(self) -> None:
        """Connect again to the same stay, with what is known; everything missed is then read."""
        self.socket.close()
        self.socket = self._come_in()

    def read(self, times: list[float] | None) -> None:
        """Take what is there; note the age in seconds of every message."""
        data = self.socket.recv(256 * 1024)
        if not data:
            raise ConnectionResetError("the server closed")
        now = time.monotonic()
        self._buffer += data
        for body in self._bodies():
            if body.startswith(PING):
                self.ask(type="pong")
            at = body.find(MARK)
            if at >= 0:
                self.heard += 1
                if times is not None:
                    sent = float(body[at + len(MARK) : body.index(b" ", at)])
                    times.append(now - sent)
            if self.view is not None:
                self._note(body)

    def ask(self, **request: Any) -> None:
        """Send a request."""
        self.socket.sendall(encode_frame(json.dumps(request).encode()))

    def _come_in(self) -> socket.socket:
        self._buffer.clear()
        sock = socket.socket()
        if self.view is not None:
            self.view.connected()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        sock.settimeout(TO_COME_IN)
        sock.connect(self._address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        cursors = self.view.resume() if self.view is not None else {}
        resume = {"token": self._token, "rooms": cursors} if self._token else True
        self.ask(type="hello", id="hello", resume=resume)
        welcome = self.wait("hello")
        if not self._token:
            self._token = welcome["resume"]["token"]
            self.ask(type="join", id="join", room=self.room)
            joined = self.wait("join")
            if self.view is not None:
                self.view.enter(self.room, joined["epoch"], joined["seq"])
        self.fill()
        return sock

    def fill(self) -> None:
        """Ask for what a replay left out, until there is nothing."""
        while self.view is not None and self.view.wants:
            request = self.view.wants.pop(0)
            self.ask(**request)
            self.view.history(*self.wait_for(request["id"]))

    def wait(self, re: str) -> dict[str, Any]:
        """The reply; events before it are noted."""
        return self.wait_for(re)[0]

    def wait_for(self, re: str) -> tuple[dict[str, Any], bytes]:
        """The reply, and its bytes."""
        while True:
            for body in self._bodies():
                frame = json.loads(body)
                if frame.get("re") == re:
                    return frame, body
                if self.view is not None:
                    self.view.event(frame, body)
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed")
            self._buffer += data

    def _note(self, body: bytes) -> None:
        assert self.view is not None
        frame = json.loads(body)
        if "re" not in frame:
            self.view.event(frame, body)

    def _bodies(self) -> Any:
        """Each whole body, taken out of the buffer as it is yielded."""
        while len(self._buffer) >= HEADER:
            end = HEADER + int.from_bytes(self._buffer[:HEADER], "big")
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER:end])
            del self._buffer[:end]
            yield body


class Hall:
    """Rooms with a speaker each, and listeners, some of whom can be told not to read."""

    def __init__(self, address: Address, rooms: int, members: int, may_stick: int) -> None:
        names = [f"room{number}" for number in range(rooms)]
        bodies: Bodies = {}
        self.speakers = [Listener(address, name) for name in names]
        self.prompt = [
            Listener(address, name) for name in names for _ in range(members - may_stick)
        ]
        self.wayward = [
            Listener(address, name, View(bodies)) for name in names for _ in range(may_stick)
        ]
        self.said = dict.fromkeys(names, 0)
        self._selector = selectors.DefaultSelector()
        for one in (*self.speakers, *self.prompt):
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    def close(self) -> None:
        """Close every connection."""
        self._selector.close()
        for one in (*self.speakers, *self.prompt, *self.wayward):
            one.socket.close()

    def attend(self) -> None:
        """From now on the wayward read, too."""
        for one in self.wayward:
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    def ignore(self) -> None:
        """From now on the wayward do not read."""
        for one in self.wayward:
            self._selector.unregister(one.socket)

    def talk(self, until: float, rate: float, size: int) -> list[float]:
        """Say `rate` messages a second in all until then; return the ages at which they arrived."""
        times: list[float] = []
        due, number, padding = time.monotonic(), 0, "x" * size
        while (now := time.monotonic()) < until:
            while due <= now:
                speaker = self.speakers[number % len(self.speakers)]
                text = f"@{time.monotonic():.6f} {padding}"
                speaker.ask(type="broadcast", room=speaker.room, text=text)
                self.said[speaker.room] += 1
                due, number = due + 1 / rate, number + 1
            self._listen(min(due, until) - now, times)
        return times

    def finish(self, patience: float) -> list[str]:
        """Read until the prompt ones have heard everything; say who has not."""
        end = time.monotonic() + patience
        while (late := self._late()) and time.monotonic() < end:
            self._listen(0.05, [])
        return late

    def _late(self) -> list[str]:
        return [
            f"a listener in {one.room} heard {one.heard} of {self.said[one.room]}"
            for one in (*self.prompt, *self.speakers)
            if one.heard != self.said[one.room]
        ]

    def _listen(self, seconds: float, times: list[float]) -> None:
        for key, _ in self._selector.select(max(0.0, seconds)):
            one: Listener = key.data
            one.read(None if one.view is not None else times)
