"""What every handler may use: made once by app.py, the same for all sessions."""

from __future__ import annotations

from dataclasses import dataclass

from chat_schema.replies import Heartbeat, Limits
from chat_server.hub import Hub
from chat_server.journal.base import Journal
from chat_server.telemetry import Telemetry
from chat_server.workers import Workers


@dataclass(frozen=True)
class Services:
    """The parts of a running server, and what it says of itself in `welcome`."""

    hub: Hub
    journal: Journal
    workers: Workers
    telemetry: Telemetry
    server: str
    limits: Limits
    heartbeat: Heartbeat
    motd: str | None
