"""The socket under a session: two threads, so that neither reading nor writing waits for the other.

Rules:
- `on_item` and `on_end` are called on the reading thread, in the order of the stream; while they
  run nothing more is read, which is how a slow consumer slows the server's sending to it.
- `send` queues and returns: a server that has stopped reading us cannot block a caller.
- Socket errors end here: callers see Disconnected, or `on_end` with one.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

from chat_client.session import Incoming, ProtocolError, Session

READ_SIZE = 64 * 1024
"""Bytes of one read."""


class Disconnected(Exception):
    """There is no connection, or no longer.

    `code` is that of the server's `bye` where it said one (as `server.shutdown`), else
    `connection.refused`, `connection.lost` or `connection.garbled`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Transport:
    """A connected socket that feeds a session; complete when the constructor returns."""

    def __init__(
        self,
        sock: socket.socket,
        session: Session,
        on_item: Callable[[Incoming], None],
        on_end: Callable[[Disconnected], None],
    ) -> None:
        self._socket = sock
        self._session = session
        self._on_item = on_item
        self._on_end = on_end
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="chat-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="chat-writer", daemon=True)

    def start(self) -> None:
        """Begin to read and write."""
        self._reader.start()
        self._writer.start()

    def send(self, data: bytes) -> None:
        """Queue whole frames."""
        self._queue.put(data)

    def close(self) -> None:
        """Send what is queued, then end; waits for both threads unless called on one of them."""
        self._queue.put(None)
        if threading.current_thread() is not self._reader:
            self._writer.join()
            with contextlib.suppress(OSError):  # it may be closed by the other side already
                self._socket.shutdown(socket.SHUT_RDWR)
            self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        reason = Disconnected("connection.lost", "A fault in this client ended the connection.")
        try:
            reason = self._read_until_end()
        finally:  # whoever waits must hear of the end, also when a callback of theirs failed
            self._on_end(reason)
            self._queue.put(None)

    def _read_until_end(self) -> Disconnected:
        try:
            while data := self._socket.recv(READ_SIZE):
                for item in self._session.receive(data):
                    self._on_item(item)
                if reply := self._session.outgoing():
                    self._queue.put(reply)
        except TimeoutError:
            return Disconnected("connection.lost", "Nothing was heard from the server any more.")
        except OSError as error:
            return self._said_bye() or Disconnected(
                "connection.lost", f"The connection was lost ({error.strerror or error})."
            )
        except ProtocolError as error:
            return Disconnected("connection.garbled", str(error))
        return self._said_bye() or Disconnected("connection.lost", "The server went away.")

    def _said_bye(self) -> Disconnected | None:
        bye = self._session.bye
        return Disconnected(bye.code, bye.message) if bye is not None else None

    def _write(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                self._socket.sendall(data)
            except OSError:
                return  # the reader meets the same end and reports it


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """Return a connected socket; raise Disconnected (`connection.refused`) where there is none."""
    try:
        sock = socket.create_connection((host, port), timeout)
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        raise Disconnected(
            "connection.refused", f"Cannot reach {host}:{port}: {reason.lower()}."
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
