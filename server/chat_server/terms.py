"""The settings as the terms that the parts of the server take.

Rules:
- Each term is made whole from settings that were checked; nothing is opened, asked or remembered.
- `unlimited` is the caller's to heed, but where `welcome` tells of it.
"""

from __future__ import annotations

from chat_schema import replies
from chat_server.domain.addresses import AddressLimits, StayLimits
from chat_server.domain.meters import MeterTerms
from chat_server.net.connection import Terms
from chat_server.settings import Settings


def address_limits(settings: Settings) -> AddressLimits:
    """How many connections an address may have, and begin."""
    limits = settings.limits
    return AddressLimits(
        at_once=limits.connections,
        per_window=limits.new_connections,
        window=limits.new_connections_window,
        exempt_loopback=limits.exempt_loopback,
    )


def stay_limits(settings: Settings) -> StayLimits:
    """How many stays without a connection an address may have."""
    return StayLimits(settings.limits.stays, settings.limits.exempt_loopback)


def meter_terms(settings: Settings) -> MeterTerms:
    """At what rates a person may ask; what is set per minute is told per second."""
    limits = settings.limits
    return MeterTerms(
        messages=replies.Rate(burst=limits.messages_burst, per_second=limits.messages_per_second),
        joins=replies.Rate(burst=limits.joins_burst, per_second=limits.joins_per_minute / 60),
        reads=replies.Rate(burst=limits.reads_burst, per_second=limits.reads_per_minute / 60),
        flood_mute=limits.flood_mute,
    )


def announced(settings: Settings, *, unlimited: bool) -> replies.Limits:
    """What `welcome` tells of the limits."""
    rates = meter_terms(settings)
    return replies.Limits(
        text=settings.limits.text,
        rooms=settings.limits.rooms_per_client,
        messages=None if unlimited else rates.messages,
        joins=None if unlimited else rates.joins,
        reads=None if unlimited else rates.reads,
    )


def heartbeat(settings: Settings) -> replies.Heartbeat:
    """What `welcome` tells of pings."""
    terms = settings.heartbeat
    return replies.Heartbeat(interval=terms.interval, timeout=terms.timeout)


def connection_terms(settings: Settings) -> Terms:
    """The bounds of time and bytes that a connection is held to."""
    limits = settings.limits
    return Terms(
        hello=limits.hello_timeout,
        frame=limits.frame_timeout,
        ping=settings.heartbeat.interval,
        silence=settings.heartbeat.timeout,
        outbox_before_welcome=limits.outbox_before_welcome,
        outbox_soft=limits.outbox_soft,
        outbox_hard=limits.outbox_hard,
        soft_grace=limits.outbox_soft_grace,
        stall=limits.outbox_stall,
    )
