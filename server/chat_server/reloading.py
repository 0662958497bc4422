"""What of the settings can change while the server serves, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from chat_server.settings import Settings

LIVE = (
    "server.name",
    "server.motd",
    "heartbeat",
    "limits.connections",
    "limits.new_connections",
    "limits.new_connections_window",
    "limits.exempt_loopback",
    "limits.hello_timeout",
    "limits.frame_timeout",
    "limits.outbox_before_welcome",
    "limits.outbox_soft",
    "limits.outbox_soft_grace",
    "limits.outbox_hard",
    "limits.outbox_stall",
    "limits.text",
    "limits.rooms_per_client",
    "limits.messages_burst",
    "limits.messages_per_second",
    "limits.joins_burst",
    "limits.joins_per_minute",
    "limits.reads_burst",
    "limits.reads_per_minute",
    "limits.flood_mute",
    "auth.plain_passwords",
    "admin",
    "log.level",
    "log.format",
    "log.dir",
    "log.keep_days",
    "log.messages",
    "tls",
)
"""Settings and sections that `ChatServer.reload` and the process take up; most hold for new
connections only: nobody's bounds change under their feet."""


def restart_needed(old: Settings, new: Settings) -> list[str]:
    """The settings that differ and are not taken up before a restart, as `section.name`."""
    return [name for name in _differences("", old, new) if not _is_live(name)]


def _is_live(name: str) -> bool:
    return any(name == live or name.startswith(f"{live}.") for live in LIVE)


def _differences(name: str, old: Any, new: Any) -> Iterator[str]:
    """The name of every setting with two values; tables of rooms count as one setting."""
    if not isinstance(old, BaseModel):
        if old != new:
            yield name
        return
    for field in type(old).model_fields:
        below = f"{name}.{field}" if name else field
        yield from _differences(below, getattr(old, field), getattr(new, field))
