"""What every handler may use: made once by app.py, the same for all sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chat_schema.replies import Heartbeat, Limits
from chat_server.domain.meters import MeterTerms
from chat_server.eventlog import EventLog
from chat_server.hub import Hub
from chat_server.journal.base import Journal
from chat_server.telemetry import Telemetry
from chat_server.workers import Workers

if TYPE_CHECKING:
    from chat_server.audit import Audit
    from chat_server.auth import Auth
    from chat_server.control import Control
    from chat_server.domain.attempts import Attempts


@dataclass(frozen=True)
class Resume:
    """What those who come back are granted: `seconds` to do so, and a replay of so many events.

    `bytes` bounds all the replays of one return together.
    """

    seconds: float
    events: int
    bytes: int


@dataclass(frozen=True)
class Services:
    """The parts of a running server, and what it says of itself in `welcome`."""

    hub: Hub
    journal: Journal
    workers: Workers
    searchers: Workers
    hashers: Workers
    auth: Auth
    attempts: Attempts
    meters: MeterTerms | None
    audit: Audit
    control: Control
    log: EventLog
    telemetry: Telemetry
    resume: Resume
    server: str
    limits: Limits
    heartbeat: Heartbeat
    motd: str | None
