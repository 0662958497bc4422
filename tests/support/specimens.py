"""One request of each type: with what it needs, and with every field it has."""

from __future__ import annotations

from typing import Any

from chat_schema import limits

NONE: dict[str, Any] = {}
ROOM: dict[str, Any] = {"room": "general"}
TARGET: dict[str, Any] = {"target": "mallory"}
THERE: dict[str, Any] = {"room": "general", "target": "mallory"}
PASSWORD: dict[str, Any] = {"password": "correct horse"}

MINIMAL: dict[str, dict[str, Any]] = {
    "hello": NONE,
    "ping": NONE,
    "pong": NONE,
    "quit": NONE,
    "join": ROOM,
    "leave": ROOM,
    "nick": {"nick": "alice"},
    "broadcast": {**ROOM, "text": "hello"},
    "whisper": {"to": "bob", "text": "hello"},
    "topic": ROOM,
    "rooms": NONE,
    "users": NONE,
    "history": ROOM,
    "search": {"text": "green build"},
    "challenge": NONE,
    "login": {"nick": "alice"},
    "register": PASSWORD,
    "logout": NONE,
    "passwd": {"old": "correct horse", "new": "battery staple"},
    "key": NONE,
    "unregister": PASSWORD,
    "ignore": TARGET,
    "unignore": TARGET,
    "ignores": NONE,
    "kick": THERE,
    "ban": THERE,
    "unban": THERE,
    "bans": ROOM,
    "mute": THERE,
    "unmute": THERE,
    "mutes": ROOM,
    "mods": ROOM,
    "promote": THERE,
    "demote": THERE,
    "invite": THERE,
    "mode": ROOM,
    "elevate": PASSWORD,
    "sessions": NONE,
    "rename": {**TARGET, "nick": "guest_9"},
    "shutdown": NONE,
    "stats": NONE,
    "lockdown": NONE,
    "audit": NONE,
    "accounts": NONE,
    "account": {"nick": "alice"},
}
"""The required fields of each request."""

SIGNATURE = "A-z_" * 21 + "AA"
PUBLIC_KEY = "A-z_" * 10 + "AAA"
SANCTION: dict[str, Any] = {**THERE, "seconds": limits.SANCTION_SECONDS, "reason": "flooding"}

FULL: dict[str, dict[str, Any]] = MINIMAL | {
    "hello": {
        "version": 1,
        "nick": "alice",
        "client": "a-client/1.0",
        "login": {"nick": "Alice", "password": "correct horse", "signature": SIGNATURE},
        "resume": {"token": "s3cr3t", "rooms": {"general": ("e1", 7), "*": ("", 0)}},
    },
    "join": {**ROOM, "password": "open sesame"},
    "broadcast": {"room": "*", "text": "hello\n\tthere", "cid": "c1"},
    "whisper": {"to": "bob", "text": "hello", "cid": "c1"},
    "topic": {**ROOM, "topic": "what we talk about"},
    "rooms": {"after": "general"},
    "users": {**ROOM, "after": "alice"},
    "history": {"room": "dm:u1:u2", "after": 0, "before": limits.SAFE_INTEGER, "limit": 200},
    "search": {"text": "hello", "room": "*", "sender": "Bob", "before": 9, "limit": 100},
    "login": {"nick": "Alice", **PASSWORD, "signature": SIGNATURE},
    "key": {"public": PUBLIC_KEY},
    "kick": {**THERE, "reason": "flooding"},
    "ban": SANCTION,
    "mute": SANCTION,
    "promote": {**THERE, "role": "owner"},
    "mode": {
        **ROOM,
        "moderated": True,
        "members_only": False,
        "invite_only": True,
        "password": "open sesame",
        "slow": limits.SLOW_SECONDS,
    },
    "sessions": {"after": 0},
    "shutdown": {"seconds": limits.SHUTDOWN_SECONDS, "reason": "an update"},
    "lockdown": {"level": "registrations"},
    "audit": {"before": 1, "limit": limits.AUDIT_PAGE},
    "accounts": {"after": "alice"},
    "account": {"nick": "alice", "role": "moderator", **PASSWORD, "remove": True},
}
"""Every field of each request."""
