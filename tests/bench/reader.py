"""Somebody who reads pages of history and looks at the clock."""

from __future__ import annotations

import random
import time
from statistics import median
from typing import Self

from tests.bench.server import ServerError
from tests.support.peer import Peer

PAGE = 200

_HEADER = 4

Pages = tuple[float | None, float | None]
"""Milliseconds for the newest page of a room, and for one anywhere; None where it has none."""


class Reader:
    """Reads in `room`, whose newest number is `head`, one page after the other."""

    def __init__(self, port: int, room: str, head: int) -> None:
        self._peer = Peer.welcomed(("127.0.0.1", port))
        self._room = room
        self._head = head
        self._newest: list[float] = []
        self._anywhere: list[float] = []

    def __enter__(self) -> Self:
        self._peer.ask("join", room=self._room)
        if len(self._peer.ask("history", room=self._room)["events"]) != PAGE:
            raise ServerError("a page of history is not as long as it should be")
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.socket.close()

    @property
    def took(self) -> Pages:
        """The medians of what was read."""
        return median(self._newest), median(self._anywhere)

    def read(self) -> None:
        """Read one page of each kind."""
        self._newest.append(self._page(self._head + 1))
        self._anywhere.append(self._page(random.randint(PAGE + 1, self._head + 1)))

    def _page(self, before: int) -> float:
        """Milliseconds for a page, which is not looked into: the time is to be the server's."""
        began = time.perf_counter()
        self._peer.send("history", id="page", room=self._room, before=before, limit=PAGE)
        with self._peer.socket.makefile("rb") as stream:
            stream.read(int.from_bytes(stream.read(_HEADER), "big"))
        return (time.perf_counter() - began) * 1000
