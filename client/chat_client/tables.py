"""Lists for those who look after rooms and the server, as tables: everything remote is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from chat_client.dates import date, term
from chat_client.deeds import settings
from chat_client.escape import escape
from chat_schema import replies
from chat_schema.moderation_replies import (
    AuditEntry,
    AuditOk,
    BansOk,
    ModeOk,
    ModsOk,
    MutesOk,
    Sanction,
    SessionEntry,
    SessionsOk,
    StatsOk,
)
from chat_schema.names import EVERYONE

WIDEST = 40
"""Characters that a column is padded to at most: one long cell does not move all the others."""

Rows = Sequence[Sequence[str]]


def of_table(  # noqa: PLR0911 - one per list
    reply: replies.Ok | replies.Welcome,
) -> list[str] | None:
    """The lines of a list; None for what is no list of these."""
    match reply:
        case BansOk():
            return _sanctions("ban", reply.room, reply.bans)
        case MutesOk():
            return _sanctions("mute", reply.room, reply.mutes)
        case ModsOk():
            return _mods(reply)
        case ModeOk():
            return [f"-- {where(reply.room)}: {settings(reply.mode)}"]
        case SessionsOk():
            return _sessions(reply)
        case StatsOk():
            rows = [(escape(name), escape(str(value))) for name, value in reply.stats.items()]
            return ["-- stats of the server", *table(rows)]
        case AuditOk():
            return _audit(reply)
    return None


def limits_table(limits: replies.Limits) -> list[str]:
    """What the server allows."""
    rates = {"messages": limits.messages, "joins": limits.joins, "reads": limits.reads}
    rows = [(name, _rate(rate)) for name, rate in rates.items() if rate is not None]
    bounds = [
        ("text", f"{limits.text} characters"),
        ("topic", f"{limits.topic} characters"),
        ("rooms", f"{limits.rooms} at a time"),
        ("password", f"{limits.password} characters at least"),
    ]
    return ["-- what the server allows", *table([*rows, *bounds])]


def table(rows: Rows) -> list[str]:
    """Rows as lines, each column as wide as its widest cell; cells are escaped already."""
    if not rows:
        return []
    columns = zip(*rows, strict=True)
    widths = [min(max(map(len, column)), WIDEST) for column in columns]
    padded = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return [f"   {line.rstrip()}" for line in padded]


def where(room: str) -> str:
    """A room as people write it, or the server."""
    return "the server" if room == EVERYONE else f"#{escape(room)}"


def at(room: str) -> str:
    """In a room, or on the server."""
    return "on the server" if room == EVERYONE else f"in {where(room)}"


def _rate(rate: replies.Rate) -> str:
    per = rate.per_second
    every = f"{per:g} a second" if per >= 1 else f"{per * 60:g} a minute"
    return f"{rate.burst} at once, then {every}"


def _sanctions(what: str, room: str, found: list[Sanction]) -> list[str]:
    if not found:
        return [f"-- no {what} {at(room)}"]
    count = f"{len(found)} {what}{'' if len(found) == 1 else 's'}"
    return [f"-- {count} {at(room)}", *table([_sanction(each) for each in found])]


def _sanction(each: Sanction) -> tuple[str, ...]:
    named = escape(each.nick or each.network or "an address")
    bound = f"{named} and address" if each.address and each.nick else named
    reason = f": {escape(each.reason)}" if each.reason else ""
    until = term(each.until, each.since)
    return (escape(each.id), bound, until, f"by {escape(each.by)} {date(each.since)}{reason}")


def _mods(reply: ModsOk) -> list[str]:
    if not reply.mods:
        return [f"-- nobody looks after {where(reply.room)}"]
    rows = [(escape(each.user.nick), each.role) for each in reply.mods]
    return [f"-- who looks after {where(reply.room)}", *table(rows)]


def _sessions(reply: SessionsOk) -> list[str]:
    head = f"-- {reply.count} connection{'' if reply.count == 1 else 's'}"
    last = reply.sessions[-1].number if reply.sessions else 0
    more = [f"   … and more: /sessions {last}"] if reply.more else []
    return [head, *table([_session(each) for each in reply.sessions]), *more]


def _session(each: SessionEntry) -> tuple[str, ...]:
    nick = escape(each.user.nick) if each.user is not None else "(nobody yet)"
    secure = " TLS" if each.secure else ""
    role = "" if each.role == "user" else each.role
    rooms = " ".join(f"#{escape(room)}" for room in each.rooms)
    since = date(each.since)
    program = escape(each.client or "")
    return (str(each.number), nick, role, f"{escape(each.address)}{secure}", since, rooms, program)


def _audit(reply: AuditOk) -> list[str]:
    if not reply.entries:
        return ["-- nothing was done yet"]
    older = [f"-- there are older ones than {reply.entries[0].number}"] if reply.more else []
    return ["-- what was done", *table([_entry(each) for each in reply.entries]), *older]


def _entry(each: AuditEntry) -> tuple[str, ...]:
    room = "" if each.room is None else where(each.room)
    target, detail = escape(each.target or ""), escape(each.detail or "")
    what = " ".join(word for word in (escape(each.act), target, room, detail) if word)
    return (str(each.number), date(each.ts), escape(each.actor), what)
