"""A wire between a client and a server that a test can cut, hold up and mend."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Wire:
    """Listens on `address` and carries bytes to the server at `behind`; `connections` are counted.

    `cut` ends every connection. While `down` the server cannot be reached: connections are closed
    as soon as they are made. While `silent` nothing comes back from the server, and nobody is told.
    """

    def __init__(self, behind: tuple[str, int]) -> None:
        self.behind = behind
        self.down = False
        self.silent = False
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down = True
        _end(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join()
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def cut(self, *, down: bool = False) -> None:
        """End every connection; with `down` no other can be made until that is taken back."""
        self.down = self.down or down
        for sock in list(self._sockets):
            _end(sock)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            if not self.down and (server := self._reach()) is not None:
                self._sockets.append(server)
                self.connections += 1
                self._start(self._carry, client, server, False)
                self._start(self._carry, server, client, True)
            else:
                _end(client)

    def _reach(self) -> socket.socket | None:
        try:
            return socket.create_connection(self.behind)
        except OSError:
            return None

    def _carry(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (back and self.silent):
                    target.sendall(data)
        _end(target)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may never have been connected
        sock.shutdown(socket.SHUT_RDWR)
