"""A socket and a selector of plain memory: what arrives and what leaves is up to the test."""

from __future__ import annotations

import errno
import itertools
import selectors
import socket
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

UNLIMITED = 10**12

_descriptors = itertools.count(100_000)
"""Numbers no real descriptor has."""


class FakeSocket:
    """One side of a connection.

    `incoming` holds what `recv` brings, an empty chunk for the end of the stream, an exception to
    raise. `room` is how many bytes the kernel still takes. `sends` are the sizes that each `send`
    took, `given` the objects it was given, `sent` is everything together.
    """

    def __init__(self) -> None:
        self.incoming: deque[bytes | OSError] = deque()
        self.accepting: deque[FakeSocket | OSError] = deque()
        self.room = UNLIMITED
        self.broken: OSError | None = None
        self.sent = bytearray()
        self.sends: list[int] = []
        self.given: list[bytes | memoryview] = []
        self.half_closed = False
        self.closed = False
        self.options: list[tuple[int, int, int]] = []
        self._descriptor = next(_descriptors)

    @property
    def as_socket(self) -> socket.socket:
        """Itself, for what asks for a socket."""
        return cast(socket.socket, self)

    @property
    def ready(self) -> int:
        """What a selector would report."""
        readable = selectors.EVENT_READ if self.incoming or self.accepting else 0
        return readable | (selectors.EVENT_WRITE if self.room or self.broken else 0)

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return -1 if self.closed else self._descriptor

    def recv(self, size: int) -> bytes:
        """The next chunk, cut to `size`."""
        self._require_open()
        if not self.incoming:
            raise BlockingIOError
        chunk = self.incoming.popleft()
        if isinstance(chunk, OSError):
            try:
                raise chunk
            finally:
                del chunk  # an error and its own frame would keep each other alive
        if len(chunk) > size:
            self.incoming.appendleft(chunk[size:])
        return chunk[:size]

    def send(self, data: bytes | memoryview) -> int:
        """Take as much as there is room for."""
        self._require_open()
        if self.broken is not None:
            raise self.broken
        if self.half_closed:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        if not self.room:
            raise BlockingIOError
        self.given.append(data)
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.sent += taken
        self.sends.append(len(taken))
        return len(taken)

    def accept(self) -> tuple[FakeSocket, tuple[str, int]]:
        """The next newcomer."""
        self._require_open()
        if not self.accepting:
            raise BlockingIOError
        newcomer = self.accepting.popleft()
        if isinstance(newcomer, OSError):
            raise newcomer
        return newcomer, ("192.0.2.7", 40_000)

    def setblocking(self, flag: bool) -> None:
        """Note that it does not block: it never does."""
        assert not flag

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Note the option."""
        self.options.append((level, option, value))

    def shutdown(self, how: int) -> None:
        """Say that nothing more will be sent."""
        self._require_open()
        assert how == socket.SHUT_WR
        self.half_closed = True

    def close(self) -> None:
        """Be gone."""
        self.closed = True

    def _require_open(self) -> None:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")


class FakeSelector(selectors.BaseSelector):
    """Reports what its fake sockets are ready for, at once; `waits` are the times it was given."""

    def __init__(self) -> None:
        self.waits: list[float | None] = []
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._sockets: dict[int, FakeSocket] = {}

    def introduce(self, sock: FakeSocket) -> FakeSocket:
        """Make a socket known, so that its readiness is seen when it is registered."""
        self._sockets[sock.fileno()] = sock
        return sock

    @property
    def readable(self) -> bool:
        """Whether something arrived that is watched for."""
        read = selectors.EVENT_READ
        return any(
            key.events & read and self._sockets[descriptor].ready & read
            for descriptor, key in self._keys.items()
            if descriptor in self._sockets
        )

    def interest(self, sock: FakeSocket) -> int:
        """What is watched for on the socket."""
        key = self._keys.get(sock.fileno())
        return 0 if key is None else key.events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a descriptor that is not watched yet."""
        assert fileobj >= 0
        assert fileobj not in self._keys
        key = selectors.SelectorKey(fileobj, fileobj, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch it no longer."""
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Whatever is ready now; never waits."""
        self.waits.append(timeout)
        found = []
        for descriptor, key in self._keys.items():
            sock = self._sockets.get(descriptor)
            ready = key.events & sock.ready if sock is not None else 0
            if ready:
                found.append((key, ready))
        return found

    def close(self) -> None:
        """Watch nothing."""
        self._keys.clear()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Everything watched."""
        return self._keys
