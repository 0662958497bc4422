"""A proxy between clients and a server that knows frames, and ends connections around them.

Every connection gets a plan: in one direction, so many frames in, it is cut before, inside or after
a frame, in one of the ways in which connections end. A plan may also wait for the reply to a
message: the request is let through, the server keeps it and answers, and the client never hears.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, Self

from chat_schema.framing import HEADER
from tests.chaos.wire import Address

Where = Literal["before", "inside", "after"]
How = Literal["close", "half", "reset", "silent", "zombie"]

WHERE: tuple[Where, ...] = ("before", "inside", "after")
HOW: tuple[How, ...] = ("close", "half", "reset", "silent", "zombie")
ZOMBIES = 8
"""Connections that the server still believes in, kept open until as many younger ones are."""
LINGER = struct.pack("ii", 1, 0)
"""Closing then resets the connection."""


@dataclass(frozen=True)
class Plan:
    """Cut in one direction at its frame number `frame` (from 0), or at the first message's reply.

    How: `close` ends both sides; `half` ends what the client reads, and a moment later the rest;
    `reset` drops both without an end; `silent` lets nothing through for a moment, then closes;
    `zombie` closes the client's side, and the server learns nothing of it for a while.
    """

    to_client: bool
    frame: int
    reply: bool
    where: Where
    how: How
    moment: float
    """Seconds for `half` and `silent`."""


def plan(random: Random) -> Plan:
    """Any plan; a third of them cut while the client says hello or is replayed to."""
    return Plan(
        to_client=random.random() < 0.6,
        frame=random.randrange(4) if random.random() < 0.3 else random.randrange(4, 60),
        reply=random.random() < 0.3,
        where=random.choice(WHERE),
        how=random.choice(HOW),
        moment=random.uniform(0.001, 0.05),
    )


class Proxy:
    """Listens on `address` for a server elsewhere; cuts until `calm`. Use it with `with`."""

    def __init__(self, server: Address, random: Random) -> None:
        self.cuts: Counter[str] = Counter()
        self._server = server
        self._random = random
        self._lock = threading.Lock()
        self._calm = False
        self._zombies: deque[socket.socket] = deque()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: Address = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._calm = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for sock in left:
            _shut(sock)
        self._thread.join()

    @property
    def count(self) -> int:
        """How many cuts there were."""
        return sum(self.cuts.values())

    @property
    def calm(self) -> bool:
        """Whether cutting is over."""
        return self._calm

    def rest(self) -> None:
        """Cut no more; what connects now stays."""
        self._calm = True
        with self._lock:
            zombies = list(self._zombies)
            self._zombies.clear()
        for sock in zombies:
            self.drop(sock)

    def note(self, cut: Plan) -> None:
        """Count a cut that was made."""
        with self._lock:
            place = "reply" if cut.reply else "to client" if cut.to_client else "to server"
            self.cuts[f"{place} {cut.where} {cut.how}"] += 1

    def bury(self, sock: socket.socket) -> None:
        """Keep a server's side open a while longer."""
        with self._lock:
            self._zombies.append(sock)
            oldest = self._zombies.popleft() if len(self._zombies) > ZOMBIES else None
        if oldest is not None:
            self.drop(oldest)

    def drop(self, sock: socket.socket) -> None:
        """Close a socket and know it no longer."""
        with self._lock:
            self._open.discard(sock)
        _shut(sock)
        sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server, 5.0)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self._open.update((client, server))
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Link(self, client, server, plan(self._random)).start()


class Link:
    """One connection through the proxy, carried by a thread of its own."""

    def __init__(
        self, proxy: Proxy, client: socket.socket, server: socket.socket, cut: Plan
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._plan = cut
        self._buffers = {client: bytearray(), server: bytearray()}
        self._numbers = {client: 0, server: 0}
        self._selector = selectors.DefaultSelector()
        self._until = float("inf")

    def start(self) -> None:
        """Begin to carry bytes."""
        threading.Thread(target=self._run, name="link", daemon=True).start()

    def _run(self) -> None:
        with self._selector, contextlib.suppress(OSError, _Over):
            for sock in (self._client, self._server):
                self._selector.register(sock, selectors.EVENT_READ)
            while time.monotonic() < self._until:
                rest = self._until - time.monotonic()
                for key, _ in self._selector.select(None if rest > 3600 else max(0, rest)):
                    assert isinstance(key.fileobj, socket.socket)
                    self._carry(key.fileobj)
        for sock in (self._client, self._server):
            self._proxy.drop(sock)

    def _carry(self, source: socket.socket) -> None:
        data = source.recv(65536)
        if not data:
            raise _Over
        buffer = self._buffers[source]
        buffer += data
        target = self._client if source is self._server else self._server
        at = 0
        for begin, end in _frames(buffer):
            if self._due(source, buffer[begin:end]):
                self._cut(target, bytes(buffer[:begin]), bytes(buffer[begin:end]))
                return
            self._numbers[source] += 1
            at = end
        target.sendall(buffer[:at])
        del buffer[:at]

    def _due(self, source: socket.socket, frame: bytearray) -> bool:
        cut, to_client = self._plan, source is self._server
        if self._proxy.calm or self._until < float("inf"):
            return False
        if (cut.to_client or cut.reply) != to_client:
            return False
        if cut.reply:  # an answer with a number: to a message, not to a join or a hello
            return b'"type":"ok"' in frame and b'"seq":' in frame and b'"epoch":' not in frame
        return self._numbers[source] >= cut.frame

    def _cut(self, target: socket.socket, before: bytes, frame: bytes) -> None:
        part = {"before": b"", "inside": frame[: len(frame) // 2], "after": frame}
        self._proxy.note(self._plan)
        with contextlib.suppress(OSError):
            target.sendall(before + part[self._plan.where])
        _WAYS[self._plan.how](self)

    # The ways to cut

    def close(self) -> None:
        """End both sides."""
        raise _Over

    def half(self) -> None:
        """End what the client reads; what it sends still arrives, for a moment."""
        self._client.shutdown(socket.SHUT_WR)
        self._selector.unregister(self._server)
        self._until = time.monotonic() + self._plan.moment

    def reset(self) -> None:
        """Drop both sides without an end."""
        for sock in (self._client, self._server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        for sock in (self._client, self._server):
            sock.close()
        raise _Over

    def silent(self) -> None:
        """Let nothing through in either direction, then close."""
        for sock in (self._client, self._server):
            self._selector.unregister(sock)
        time.sleep(self._plan.moment)
        raise _Over

    def zombie(self) -> None:
        """Close the client's side; the server may go on believing."""
        self._proxy.bury(self._server)
        self._server = self._client
        raise _Over


class _Over(Exception):
    """The connection has come to its end."""


_WAYS: dict[How, Callable[[Link], None]] = {
    "close": Link.close,
    "half": Link.half,
    "reset": Link.reset,
    "silent": Link.silent,
    "zombie": Link.zombie,
}


def _frames(buffer: bytearray) -> list[tuple[int, int]]:
    """Where the whole frames are."""
    found, at = [], 0
    while len(buffer) >= at + HEADER:
        end = at + HEADER + int.from_bytes(buffer[at : at + HEADER], "big")
        if len(buffer) < end:
            break
        found.append((at, end))
        at = end
    return found


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
