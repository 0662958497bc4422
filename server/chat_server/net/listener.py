"""The listening socket: accepts, turns away whom the door refuses, and never spins.

Out of descriptors, `accept` fails while the socket stays readable; so the listener then looks away
for a moment instead of asking again at once.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
from collections.abc import Callable

from chat_server.net.loop import Loop

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections the kernel holds for us: a whole room that reconnects at once."""

ACCEPTED_PER_TICK = 64
"""Newcomers taken in one tick, so that a storm of them does not hold up those who talk."""

PAUSE = 1.0
"""Seconds without accepting after the system refused a descriptor."""

USER_TIMEOUT = 30_000
"""Milliseconds until sent bytes that nobody acknowledges end the connection (TCP_USER_TIMEOUT)."""

UNSENT = 128 * 1024
"""Bytes that the kernel takes for a client beyond those under way (TCP_NOTSENT_LOWAT).

Left alone it takes megabytes of each: a client that never reads would be noticed only after them.
"""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise OSError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """Accepts for one loop; `welcome(sock, address)` gets each prepared socket."""

    def __init__(
        self, sock: socket.socket, loop: Loop, welcome: Callable[[socket.socket, str], None]
    ) -> None:
        self._socket = sock
        self._loop = loop
        self._welcome = welcome
        self._interest = 0

    def fileno(self) -> int:
        """The descriptor, for the selector."""
        return self._socket.fileno()

    def open(self) -> None:
        """Begin, or go on, accepting; on the loop's thread."""
        if self._socket.fileno() >= 0:
            self._watch(selectors.EVENT_READ)

    def close(self) -> None:
        """Stop accepting for good; on the loop's thread."""
        self._watch(0)
        self._socket.close()

    def on_ready(self, mask: int) -> None:
        """Accept who is waiting."""
        for _ in range(ACCEPTED_PER_TICK):
            try:
                sock, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._look_away(error)
                return
            self._prepare(sock)
            self._welcome(sock, str(address[0]))

    def _look_away(self, error: OSError) -> None:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            raise error
        log.warning("cannot accept for %.0f s: %s", PAUSE, error.strerror)
        self._watch(0)
        self._loop.call_at(self._loop.now + PAUSE, lambda _: self.open())

    def _watch(self, wanted: int) -> None:
        if wanted != self._interest:
            self._loop.watch(self, self._interest, wanted)
            self._interest = wanted

    @staticmethod
    def _prepare(sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
