"""What is measured of a running server whenever somebody asks: registered with its telemetry."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

from chat_server.hub import Hub
from chat_server.journal.base import Journal
from chat_server.net.loop import Clock
from chat_server.telemetry import Telemetry
from chat_server.workers import Workers


class Measured(NamedTuple):
    """The parts that are looked at; `connections` tells how many there are."""

    clock: Clock
    hub: Hub
    journal: Journal
    workers: Workers
    searchers: Workers
    hashers: Workers
    connections: Callable[[], int]


def register(telemetry: Telemetry, parts: Measured) -> None:
    """Have the telemetry measure these parts; all of it is cheap, and only done when asked."""
    began = parts.clock.monotonic()
    python = ".".join(map(str, sys.version_info[:3]))
    gauges: dict[str, Callable[[], int | str]] = {
        "version": lambda: version("typed-chat"),
        "python": lambda: python,
        "uptime": lambda: int(parts.clock.monotonic() - began),
        "connections": parts.connections,
        "people": lambda: len(parts.hub.everyone()),
        "accounts": lambda: len(parts.hub.accounts.all()),
        "rooms": lambda: len(parts.hub.rooms()),
        "messages": lambda: parts.hub.kept,
        "journal.storing": lambda: int(parts.journal.storing),
        "journal.waiting": lambda: parts.journal.backlog,
        "workers.waiting": lambda: parts.workers.waiting,
        "searches.waiting": lambda: parts.searchers.waiting,
        "hashes.waiting": lambda: parts.hashers.waiting,
    }
    for name, value in gauges.items():
        telemetry.gauge(name, value)
