"""What a request is charged to its person before it is handled, and how long who is refused waits.

Rules:
- What is refused here costs nothing. What a handler refuses has been charged: probing is not free.
- A repetition is charged like the first time; `retry_after` tells when it passes.
- Administrators act and read as much as they need; what they say is counted. Whoever runs the
  server is not measured at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat_schema import requests
from chat_schema.requests import Request
from chat_server.domain.meters import Meter, Metered, MeterTerms, Warned, message_cost
from chat_server.domain.rights import Rank

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub

PAUSES = {
    "rate.messages": 0.05,
    "rate.muted": 0.05,
    "rate.joins": 0.05,
    "rate.reads": 0.05,
}
"""Seconds for which nothing is read from whom this was told: a flood is 20 requests a second."""

FULL = 0.1
"""Seconds for which nothing is read from who met a full journal: it needs time to empty."""

CHANGES = {
    "topic": ("topic",),
    "mode": ("moderated", "members_only", "invite_only", "password", "slow"),
    "key": ("public",),
    "lockdown": ("level",),
}
"""Requests that only ask, and cost nothing, where none of these fields is there."""


def charge(
    hub: Hub, terms: MeterTerms, session: Session, bucket: Metered, request: Request
) -> Warned | None:
    """Charge the session's person; "warn" where this is the first message too many.

    Raises Refused, one of `rate.*`, with `retry_after`. Called on the session's loop.
    """
    meter = session.known.meter or _meter_of(hub, terms, session)
    now = session.connection.loop.now
    if isinstance(request, requests.Broadcast | requests.Whisper):
        return meter.message(message_cost(request.text), now) if session.operator is None else None
    if hub.rank(session) >= Rank.ADMIN or not _changes(request):
        return None
    if bucket == "messages":
        return meter.message(1, now)
    meter.join(now) if bucket == "joins" else meter.read(now)
    return None


def charge_rooms(hub: Hub, terms: MeterTerms, session: Session, rooms: int) -> None:
    """Charge the rooms that a hello enters anew; raise Refused where none may be."""
    if rooms:
        meter = session.known.meter or _meter_of(hub, terms, session)
        meter.come_home(rooms, session.connection.loop.now)


def _meter_of(hub: Hub, terms: MeterTerms, session: Session) -> Meter:
    """The person's meter: what they had used when they went away, where they were here before."""
    person = session.known
    used = hub.used_meters.take(person.lasting_name, session.connection.loop.now)
    person.meter = used or Meter(terms)
    return person.meter


def _changes(request: Request) -> bool:
    """Whether it is one that costs something."""
    fields = CHANGES.get(request.type)
    return fields is None or any(getattr(request, field) is not None for field in fields)
