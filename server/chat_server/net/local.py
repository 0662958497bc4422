"""The operator's socket: a file that only its owner can open, and both of its ends.

Rules:
- The kernel says who connects; what a program says of itself does not count.
- A socket that an earlier run has left is replaced: the caller holds the lock that says so.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat_server.net.loop import Loop

log = logging.getLogger(__name__)

CONTROL = "control.sock"
"""The operator's socket, in the data folder."""

BACKLOG = 16
"""Connections the kernel holds for us: an operator and some scripts."""

PAUSE = 1.0
"""Seconds without accepting after the system refused."""

LONGEST = 100
"""Bytes of a path that every system takes for a socket; Linux takes 107."""

LOCAL_PEERCRED = 1
"""The option of macOS and the BSDs that tells who is on the other side."""


def _listen(path: Path) -> socket.socket:
    """Return a listening socket at `path`; raise OSError where it cannot be made."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _within_reach(path) as name:
            sock.bind(name)
        path.chmod(0o600)  # until now whoever came in was refused by their uid
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def connect_local(path: Path, timeout: float) -> socket.socket:
    """Return a socket connected to the one at `path`, `timeout` in seconds; or raise OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        with _within_reach(path) as name:
            sock.connect(name)
    except BaseException:
        sock.close()
        raise
    return sock


def peer_uid(sock: socket.socket) -> int:
    """The uid of whoever is on the other side, as the kernel knows it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _, uid, _ = struct.unpack("iIi", credentials)
    else:
        _, uid = struct.unpack("II", sock.getsockopt(0, LOCAL_PEERCRED, 8))
    return int(uid)


class LocalListener:
    """Accepts whoever runs the server, or root; `welcome(sock, uid)` gets each socket.

    Raises OSError where there can be no socket at `path`.
    """

    def __init__(
        self, path: Path, loop: Loop, welcome: Callable[[socket.socket, int], None]
    ) -> None:
        self._path = path
        self._socket = _listen(path)
        self._loop = loop
        self._welcome = welcome
        self._interest = 0

    def fileno(self) -> int:
        """The descriptor, for the selector."""
        return self._socket.fileno()

    def open(self) -> None:
        """Begin, or go on, accepting; on the loop's thread."""
        if self._socket.fileno() >= 0:
            self._watch(EVENT_READ)

    def close(self) -> None:
        """Stop accepting for good, and take the file away; on the loop's thread."""
        self._watch(0)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def on_ready(self, mask: int) -> None:
        """Accept one who is waiting; the next one comes in the next tick."""
        try:
            sock, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # out of descriptors, and the socket would stay readable
            log.warning("cannot accept an operator for %.0f s: %s", PAUSE, error.strerror)
            self._watch(0)
            self._loop.call_at(self._loop.now + PAUSE, lambda _: self.open())
            return
        uid = peer_uid(sock)
        if uid not in (0, os.geteuid()):
            log.warning("the operator's socket was tried by uid %d", uid)
            sock.close()
            return
        sock.setblocking(False)
        self._welcome(sock, uid)

    def _watch(self, wanted: int) -> None:
        if wanted != self._interest:
            self._loop.watch(self, self._interest, wanted)
            self._interest = wanted


@contextmanager
def _within_reach(path: Path) -> Iterator[str]:
    """A name for `path` that is short enough for a socket, by way of its folder if need be."""
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"  # Linux has it; others refuse the long path
    finally:
        os.close(folder)
