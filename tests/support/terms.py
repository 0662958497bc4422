"""What connections in tests are granted."""

from __future__ import annotations

from dataclasses import replace

from chat_server.net.connection import Terms

USUAL_TERMS = Terms(
    hello=10,
    frame=30,
    ping=30,
    silence=75,
    outbox_before_welcome=8 * 1024,
    outbox_soft=256 * 1024,
    outbox_hard=1024 * 1024,
    soft_grace=10,
    stall=15,
)
"""The server's own defaults."""

SMALL_TERMS = replace(USUAL_TERMS, outbox_before_welcome=1000, outbox_soft=2000, outbox_hard=5000)
"""With outboxes that are soon full."""
