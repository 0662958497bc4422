"""The door: how many are connected, whether one more may be, and the words to those sent away.

Rules:
- Any thread may call a Door; nobody waits in it but who stops the server.
"""

from __future__ import annotations

import logging
import resource
import threading
from socket import SHUT_WR, socket

from chat_schema.errors import Refused
from chat_server.dispatch import farewell
from chat_server.domain.addresses import Addresses, AddressLimits
from chat_server.net.loop import Item, Loop

log = logging.getLogger("chat_server")

RECONNECT_AFTER = 5.0
"""Seconds after which clients of a stopped server are told to try again."""

SPARE_DESCRIPTORS = 32
"""Kept back for the listener, the loops and the database when clients are counted."""


class Door:
    """Counts who is connected, by address and all together; None lifts the limits by address."""

    def __init__(self, limits: AddressLimits | None) -> None:
        self._addresses = Addresses(limits)
        self._changed = threading.Condition()
        self._clients = 0
        self._capacity = _descriptors() - SPARE_DESCRIPTORS

    @property
    def clients(self) -> int:
        """How many are connected, operators too."""
        return self._clients

    def admit(self, address: str, now: float) -> None:
        """Count one more client, or raise Refused; `now` is a loop's."""
        with self._changed:
            if self._clients >= self._capacity:
                raise Refused("server.full", "The server has no room for more clients.")
            self._addresses.admit(address, now)
            self._clients += 1

    def admit_operator(self) -> None:
        """Count one more operator, whom no limit keeps out."""
        with self._changed:
            self._clients += 1

    def leave(self, address: str) -> None:
        """Count one client, or operator, less."""
        with self._changed:
            self._clients -= 1
            self._addresses.release(address)
            self._changed.notify_all()

    def bound(self, limits: AddressLimits) -> None:
        """Hold who comes from now on to other limits."""
        with self._changed:
            self._addresses.limits = limits

    def tidy(self, now: float) -> None:
        """Forget addresses of which nothing matters any more."""
        with self._changed:
            self._addresses.tidy(now)

    def wait_empty(self, seconds: float) -> bool:
        """Wait until nobody is connected; False where somebody still is after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._clients == 0, seconds)


def dismiss(loop: Loop, _: Item) -> None:
    """Say goodbye to everybody, but not in the middle of a request, where inboxes are drained."""

    def close_all(_: float) -> None:
        frames = last_words()
        for connection in list(loop.connections):
            connection.close(frames, "shutdown")

    loop.call_at(loop.now, close_all)


def last_words() -> bytes:
    """The frames that tell a client that the server stops."""
    refused = Refused("server.shutdown", "The server is stopping; come back in a moment.")
    return farewell(refused, error=False, after=RECONNECT_AFTER)


def turn_away(sock: socket, refused: Refused) -> None:
    """Say why, as far as that goes without waiting, and close."""
    try:
        sock.send(farewell(refused, error=True))
        sock.shutdown(SHUT_WR)
    except OSError:
        log.debug("a refused client was gone before it could be told")
    finally:
        sock.close()


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1_000_000
