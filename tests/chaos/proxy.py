"""A proxy between clients and a server that knows frames, and ends connections around them.

Every connection gets a plan: in one direction, so many frames in, it is cut before, inside or after
a frame, in one of the ways in which connections end. A plan may also wait for the reply to a
message: the request is let through, the server keeps it and answers, and the client never hears.
"""

from __future__ import annotations

import contextlib
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
    """One connection through the proxy: two threads, either of which may carry out the plan."""

    def __init__(
        self, proxy: Proxy, client: socket.socket, server: socket.socket, cut: Plan
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._plan = cut
        self._deaf = False
        self._left = 2
        self._lock = threading.Lock()
        self._keep_server = False

    def start(self) -> None:
        """Begin to carry bytes."""
        for to_client in (True, False):
            threading.Thread(target=self._carry, args=(to_client,), daemon=True).start()

    def _carry(self, to_client: bool) -> None:
        source, target = (self._server, self._client) if to_client else (self._client, self._server)
        buffer, number = bytearray(), 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._deaf:
                    continue
                buffer += data
                number, cut = self._pass(buffer, number, to_client, target)
                if cut:
                    break
        self._end(source, target)

    def _pass(
        self, buffer: bytearray, number: int, to_client: bool, target: socket.socket
    ) -> tuple[int, bool]:
        """Send on the whole frames of the buffer; return their number and whether it was cut."""
        at = 0
        for begin, end in _frames(buffer):
            if self._due(number, to_client, buffer[begin:end]):
                self._cut(target, bytes(buffer[:begin]), bytes(buffer[begin:end]))
                return number, True
            number, at = number + 1, end
        if at:
            target.sendall(buffer[:at])
            del buffer[:at]
        return number, False

    def _due(self, number: int, to_client: bool, frame: bytearray) -> bool:
        cut = self._plan
        if self._proxy.calm or (cut.to_client or cut.reply) != to_client:
            return False
        if cut.reply:  # an answer with a number: to a message, not to a join or a hello
            return b'"type":"ok"' in frame and b'"seq":' in frame and b'"epoch":' not in frame
        return number >= cut.frame

    def _cut(self, target: socket.socket, before: bytes, frame: bytes) -> None:
        part = {"before": b"", "inside": frame[: len(frame) // 2], "after": frame}
        self._proxy.note(self._plan)
        with contextlib.suppress(OSError):
            target.sendall(before + part[self._plan.where])
        _WAYS[self._plan.how](self)

    def _end(self, source: socket.socket, target: socket.socket) -> None:
        """One direction is over: end both, and close them when the other direction is over, too."""
        with self._lock:
            self._left -= 1
            last = self._left == 0
        _shut(self._client)
        if not self._keep_server:
            _shut(self._server)
        if last or (self._keep_server and source is self._client):
            self._proxy.drop(self._client)
        if last and not self._keep_server:
            self._proxy.drop(self._server)

    # The ways to cut

    def close(self) -> None:
        """End both sides."""

    def half(self) -> None:
        """End what the client reads; what it sends still arrives, for a moment."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)
        time.sleep(self._plan.moment)

    def reset(self) -> None:
        """Drop both sides."""
        for sock in (self._client, self._server):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
                sock.close()

    def silent(self) -> None:
        """Let nothing through in either direction, then close."""
        self._deaf = True
        time.sleep(self._plan.moment)

    def zombie(self) -> None:
        """Close the client's side; the server may go on believing."""
        self._keep_server = True
        self._proxy.bury(self._server)


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
