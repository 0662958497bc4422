"""A bounded queue of bytes for one client, written by the loop that owns the client.

Duties, in order:
1. Putting never blocks and never reorders; the loop sends once per tick with all that waits.
2. Chunks are shared between the outboxes of a room and are never changed or copied to be kept.
3. What the kernel does not take stays, is counted in bytes, and is bounded: over the hard limit
   the owner is told at the next flush, never in the middle of a fan-out.
4. While held, nothing leaves: what must come first is still being read, and `release` puts it
   before everything that was put meanwhile.
5. Only the owning loop's thread may call anything here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

JOINED = 64
"""Chunks joined for one send: enough for a busy tick, small beside the hard limit."""


ALONE = 2
"""Audiences of a client in a single room: that one, and everyone on the server."""


class Owner(Protocol):
    """What an outbox tells its connection."""

    def blocked(self) -> None:
        """Say that the kernel took only a part: watch for room to write."""

    def overfull(self) -> None:
        """Say that more waits than the hard limit allows."""

    def emptied(self) -> None:
        """Say that a blocked outbox has nothing left."""

    def broken(self) -> None:
        """Say that the connection can take nothing any more."""


class Line(Protocol):
    """What is sent through instead of a socket where bytes may wait below the outbox."""

    @property
    def waiting(self) -> bool:
        """Whether some do; then the outbox is stuck, even with nothing in it."""

    def send(self, data: bytes | memoryview) -> int:
        """Take bytes as a socket does."""

    def push(self) -> int:
        """Send what waits, and return how many bytes left."""


class Outbox:
    """What waits for one client. `queued` counts its bytes, exactly so while `stuck`.

    `rooms` counts the audiences it is in; they keep it.
    """

    __slots__ = (
        "_chunks", "_line", "_owner", "_place", "_send", "_unsent", "hard_limit", "held",
        "progress", "queued", "rooms", "stuck",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, owner: Owner, unsent: list[Outbox], hard_limit: int
    ) -> None:
        self.hard_limit = hard_limit
        self.queued = 0
        self.stuck = False
        self.held = False
        self._place = 0
        self.progress = 0
        self.rooms = 0
        self._chunks: list[bytes | memoryview] = []
        self._owner = owner
        self._send: Callable[[bytes | memoryview], int] = sock.send
        self._line: Line | None = None
        self._unsent = unsent

    @property
    def waiting(self) -> bool:
        """Whether anything has not left yet."""
        return bool(self._chunks) or self._line_waits

    def secure(self, line: Line) -> None:
        """Send through `line` from now on; nothing was sent before."""
        self._send = line.send
        self._line = line

    def block(self) -> None:
        """Note that bytes wait in the line: the client has to make progress."""
        if not self.stuck:
            self.stuck = True
            self._owner.blocked()

    def put(self, data: bytes | memoryview) -> None:
        """Queue `data`, whole frames, to leave with this tick's flush."""
        if not self._chunks:
            self._unsent.append(self)
        elif self.stuck or self.held:
            self.queued += len(data)
            if self.queued > self.hard_limit:
                self._unsent.append(self)
        self._chunks.append(data)

    def pass_on(self, data: bytes | memoryview) -> None:
        """Send a room's frames at once where nothing else can be due to this client in this tick.

        Saves queueing them first, a fifth of the cost of a fan-out. What is not taken, or cannot
        be, goes the usual way: a fault must not be acted upon in the middle of a fan-out.
        """
        if not self._chunks and self.rooms <= ALONE:
            try:
                sent = self._send(data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            if sent:
                data = memoryview(data)[sent:]
        self.put(data)

    def hold(self) -> None:
        """Let nothing leave until `release`; what waits already goes first."""
        self.held = True
        self._place = len(self._chunks)
        self._chunks.append(b"")

    def release(self, first: bytes) -> None:
        """Let `first` leave, then what was put since `hold`."""
        if self.held:
            self.held = False
            self._chunks[self._place : self._place + 1] = [first] if first else []
            self.queued = sum(map(len, self._chunks))
            self._unsent.append(self)

    def go_on(self) -> None:
        """There is room to write again: send what waits in the line, then here."""
        if self._line is not None:
            try:
                self.progress += bool(self._line.push())
            except OSError:
                self._owner.broken()
                return
        if self._line_waits:
            return
        if self._chunks:
            self.flush()
        elif self.stuck:
            self._unstick()

    def flush(self) -> None:
        """Send what waits, as much as the kernel takes."""
        chunks = self._chunks
        if self.held:
            if self.queued > self.hard_limit:
                self._owner.overfull()
            return
        if not chunks:
            return
        while chunks:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks[:JOINED])
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._owner.broken()
                return
            if sent < len(data):
                self._keep(sent)
                return
            del chunks[:JOINED]
        if self.stuck and not self._line_waits:
            self._unstick()

    @property
    def _line_waits(self) -> bool:
        return self._line is not None and self._line.waiting

    def discard(self) -> None:
        """Drop what waits, except the rest of a chunk of which a part was sent already."""
        self.held = False
        first = self._chunks[:1]
        self._chunks = [chunk for chunk in first if isinstance(chunk, memoryview)]
        self.queued = sum(map(len, self._chunks))

    def clear(self) -> None:
        """Drop everything, the owner too: the connection is gone, and nothing may hold it."""
        self._chunks.clear()
        self.queued = 0
        self.held = False
        self.stuck = False
        self._line = None
        del self._owner

    def _unstick(self) -> None:
        self.stuck = False
        self.queued = 0
        self._owner.emptied()

    def _keep(self, sent: int) -> None:
        """Drop the `sent` bytes at the front; the rest keeps its shared chunks."""
        whole = 0
        while whole < len(self._chunks) and sent >= len(self._chunks[whole]):
            sent -= len(self._chunks[whole])
            whole += 1
        del self._chunks[:whole]
        if sent:
            self._chunks[0] = memoryview(self._chunks[0])[sent:]
        self.progress += whole + bool(sent)
        self.queued = sum(map(len, self._chunks))
        if not self.stuck:
            self.stuck = True
            self._owner.blocked()
        if self.queued > self.hard_limit:
            self._owner.overfull()
