"""The commands of administrators, and what everybody may ask of the server."""

from __future__ import annotations

import re
from typing import Any

from chat_client.client import new_cid
from chat_client.command import (
    Action,
    Command,
    Help,
    Question,
    Secret,
    UsageError,
    duration,
    first_word,
    only_word,
    refuse_secret,
    unless_alone,
)
from chat_client.place import Place
from chat_client.tables import limits_table
from chat_schema import limits, requests
from chat_schema.names import EVERYONE

LEVELS = ("none", "registrations", "accounts", "moderators")
SHOWN_AUDIT = 20
"""Entries that /audit shows unless told: a screen of them."""


def _admin(place: Place, rest: str) -> Action:
    refuse_secret(rest, 0, "admin")
    question = Question("Administrator's password: ")
    return Secret((question,), lambda password: requests.Elevate(password=password))


def _announce(place: Place, rest: str) -> Action:
    return requests.Broadcast(room=EVERYONE, text=rest, cid=new_cid())


def _sessions(place: Place, rest: str) -> Action:
    return requests.Sessions(after=_count(rest, limits.SAFE_INTEGER, "sessions") if rest else None)


def _forcerename(place: Place, rest: str) -> Action:
    usage = BY_NAME["forcerename"].usage
    target, nick = first_word(rest, usage)
    return requests.Rename(target=target, nick=only_word(nick, usage))


def _shutdown(place: Place, rest: str) -> Action:
    seconds, reason = duration(rest, 1, limits.SHUTDOWN_SECONDS)
    return requests.Shutdown(seconds=seconds, reason=reason)


def _stats(place: Place, rest: str) -> Action:
    return requests.Stats()


def _lockdown(place: Place, rest: str) -> Action:
    level: Any = {"": None, "off": "none"}.get(rest.lower(), rest.lower())
    if level not in (None, *LEVELS):
        raise UsageError(f"Usage: {BY_NAME['lockdown'].usage}")
    return requests.Lockdown(level=level)


def _audit(place: Place, rest: str) -> Action:
    count = _count(rest, limits.AUDIT_PAGE, "audit") if rest else SHOWN_AUDIT
    return requests.Audit(limit=count)


def _count(word: str, longest: int, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,16}", word) or not 1 <= int(word) <= longest:
        raise UsageError(f"A number from 1 to {longest}. Usage: {BY_NAME[name].usage}")
    return int(word)


def _limits(place: Place, rest: str) -> Action:
    if place.limits is None:
        raise UsageError("The server has not told its limits yet.")
    return Help(limits_table(place.limits))


COMMANDS = (
    Command("limits", "", "Show what the server allows.", "/limits", _limits, theme="server"),
    Command(
        "admin", "", "Become administrator; asks for the password.", "/admin", _admin,
        ("elevate",), theme="server", reveals=unless_alone(0),
        more=("Until the connection ends. Then `*` works: /kick * bob, /ban * bob 1d, /mutes *",),
    ),
    Command(
        "announce", "TEXT", "Say something to everyone.", "/announce tea is ready", _announce,
        ("broadcast",), theme="server",
    ),
    Command(
        "sessions", "[AFTER]", "List everyone connected, with address and rooms.", "/sessions",
        _sessions, ("listall",), theme="server",
    ),
    Command(
        "forcerename", "OLD NEW", "Give somebody another nick.", "/forcerename bob rob",
        _forcerename, ("rename",), theme="server",
    ),
    Command(
        "shutdown", "[SECONDS] [REASON]", "Stop the server.", "/shutdown 60 new disks", _shutdown,
        theme="server", more=("Everybody is told at once. 30s and 5m are understood, too.",),
    ),
    Command("stats", "", "Show what the server counts.", "/stats", _stats, theme="server"),
    Command(
        "lockdown", "[LEVEL]", "Show or set who may come in.", "/lockdown accounts", _lockdown,
        theme="server",
        more=(
            "LEVEL: none (everybody comes in), registrations (no new accounts), accounts (no new",
            "guests), moderators (only server moderators and administrators).",
        ),
    ),
    Command(
        "audit", "[COUNT]", "List what those with power did.", "/audit 50", _audit, theme="server",
    ),
)  # fmt: skip
"""In the order of /help."""

BY_NAME = {command.name: command for command in COMMANDS}
