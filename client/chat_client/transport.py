"""The socket of one connection: reading and writing, neither of which waits for the other.

Rules:
- Bytes are taken on the thread that calls `run`; while they are, nothing more is read, which is how
  a slow consumer slows the server's sending to it. A thread of its own writes.
- `send` queues and returns: a server that has stopped reading us cannot block a caller.
- With TLS the socket is a SecureSocket; nothing else differs.
- Socket errors end here: callers see Disconnected. Whoever takes bytes may raise Ending.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
from typing import Protocol

from chat_client.reading import ProtocolError
from chat_client.tls import NoTls, SecureSocket, Tls, Untrusted, secure

READ_SIZE = 64 * 1024
"""Bytes of one read."""

FAREWELL = 2.0
"""Seconds that `close` leaves for what is still to be sent."""

LONGEST_POLL = 3600.0
"""Seconds of one wait: poll counts milliseconds in 32 bits."""


class Disconnected(Exception):
    """There is no connection, or no longer.

    `code` is that of the server's `bye` where it said one (as `server.shutdown`), else
    `connection.refused`, `connection.lost`, `connection.garbled`, or `connection.untrusted` where
    the server could not show who it is: that is not tried again.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Ending(Exception):
    """Raised by a Taker to end its connection, for this reason."""

    def __init__(self, reason: Disconnected) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Taker(Protocol):
    """What a Transport reads for; called on the thread that reads."""

    def take(self, data: bytes) -> None:
        """Take bytes that have arrived; raise ProtocolError or Ending."""

    def pause(self) -> float:
        """Return the seconds to wait for bytes at most."""

    def wake(self) -> None:
        """Nothing has arrived for so long; may raise Ending."""


class Transport:
    """A connected socket; `run` reads for its taker until the end."""

    def __init__(self, sock: socket.socket | SecureSocket, taker: Taker) -> None:
        self._socket = sock
        self._secure = sock if isinstance(sock, SecureSocket) else None
        self._taker = taker
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="chat-writer", daemon=True)
        self._writer.start()

    def run(self) -> Disconnected:
        """Read until the connection ends, and return why."""
        try:
            return self._read_until_end()
        except Ending as ending:
            return ending.reason
        except ProtocolError as error:
            return Disconnected("connection.garbled", str(error))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return Disconnected("connection.lost", f"The connection was lost: {reason}.")
        finally:
            self._shut()  # a writer that is stuck comes loose
            self._queue.put(None)
            self._writer.join()
            self._socket.close()

    def send(self, data: bytes) -> None:
        """Queue whole frames."""
        self._queue.put(data)

    def close(self) -> None:
        """Send what is queued, as far as that goes, and end; `run` returns."""
        self._queue.put(None)
        self._writer.join(FAREWELL)
        self._shut()

    def _read_until_end(self) -> Disconnected:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            if not self._wait(poll):
                self._taker.wake()
            elif (data := self._read()) is None:
                continue
            elif data:
                self._taker.take(data)
            else:
                return Disconnected("connection.lost", "The server went away.")

    def _wait(self, poll: select.poll) -> bool:
        """Wait for something to read; False: it is time to do something else."""
        if self._secure is not None and self._secure.ready:
            return True
        return bool(poll.poll(min(self._taker.pause(), LONGEST_POLL) * 1000 + 1))

    def _read(self) -> bytes | None:
        """What has arrived; None where it is a part of which nothing can be made yet."""
        try:
            return self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return None

    def _write(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                self._socket.sendall(data)
            except OSError:
                return  # the reader meets the same end and reports it

    def _shut(self) -> None:
        with contextlib.suppress(OSError):  # the other side may have closed it already
            self._socket.shutdown(socket.SHUT_RDWR)


def connect(
    host: str, port: int, timeout: float, tls: Tls | None = None
) -> socket.socket | SecureSocket:
    """Return a connected socket, a secure one where `tls` says how.

    Raises Disconnected: `connection.refused` where there is none, `connection.untrusted`.
    """
    try:
        sock = socket.create_connection((host, port), timeout)
    except (OSError, UnicodeError) as error:  # the latter: what can be no name of a host
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        raise Disconnected(
            "connection.refused", f"Cannot reach {host}:{port}: {reason.lower()}."
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        return _secured(sock, (host, port), timeout, tls)
    sock.settimeout(None)
    return sock


def _secured(
    sock: socket.socket, address: tuple[str, int], timeout: float, tls: Tls
) -> SecureSocket:
    try:
        return secure(sock, address, timeout, tls)
    except Untrusted as error:
        raise Disconnected("connection.untrusted", str(error)) from None
    except NoTls as error:
        raise Disconnected("connection.refused", str(error)) from None
