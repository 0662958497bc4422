"""What administrators do: see who is here, rename, stop the server, close its doors, look back.

Rules:
- That the session has the rank is checked before (registry.py); every act is noted in the audit.
- Whoever acts on somebody has a higher rank than they.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from chat_schema import admin_requests, limits, moderation_replies, replies
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
from chat_schema.reply import Ok
from chat_server.commands.acting import when_kept
from chat_server.commands.proof import prove, require_private, was_right
from chat_server.commands.results import Answer, Awaited, Later
from chat_server.commands.resume import role_of
from chat_server.domain.people import Person

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub
    from chat_server.journal.base import Journal
    from chat_server.services import Services

PAGE_BYTES = limits.FRAME_TO_CLIENT // 2
"""Where a page of sessions is cut: each can name ROOMS_PER_CLIENT rooms."""

ENTRY_BYTES = 512
"""Bytes that an entry of `sessions` has at most, but for its rooms."""


def elevate(services: Services, session: Session, request: admin_requests.Elevate) -> Awaited:
    """Make the session an administrator's, by the password that the operator has set."""
    if not services.auth.elevates:
        raise Refused("permission.denied", "This server has no administrator's password.")
    require_private(services, session)
    job = partial(services.auth.elevate, request.password)
    return prove(services, session, EVERYONE, job, partial(_elevate, services, session))


def _elevate(services: Services, session: Session, right: bool) -> Answer:
    if not right:
        services.log.note(
            "elevate_failed", nick=session.known.nick, address=session.connection.address
        )
        raise Refused("auth.failed", "This is not the administrator's password.")
    was_right(services, session, EVERYONE)
    session.elevated = True
    services.audit.note(session, "elevate")
    return partial(moderation_replies.ElevateOk, role="admin")


def sessions(services: Services, session: Session, request: admin_requests.Sessions) -> Later:
    """List the connections that are welcome, by number."""
    after = -1 if request.after is None else request.after
    return Later(partial(_page_of_sessions, services.hub, after))


def _page_of_sessions(hub: Hub, after: int) -> Answer:
    everyone = hub.all_sessions()
    later = [session for session in everyone if session.number > after]
    chosen: list[moderation_replies.SessionEntry] = []
    size = 0
    for session in later[: limits.LIST_PAGE]:
        entry = _entry_of(session)
        size += ENTRY_BYTES + sum(len(room) + 3 for room in entry.rooms)
        if size > PAGE_BYTES and chosen:
            break
        chosen.append(entry)
    return partial(
        moderation_replies.SessionsOk,
        sessions=chosen,
        count=len(everyone),
        more=len(later) > len(chosen),
    )


def _entry_of(session: Session) -> moderation_replies.SessionEntry:
    person = session.person  # gone meanwhile, perhaps: other loops do not wait for a list
    return moderation_replies.SessionEntry(
        number=session.number,
        user=person.user if person is not None else None,
        address=session.connection.address,
        secure=session.connection.secure,
        since=session.since,
        client=session.client,
        rooms=[room.name for room in list(session.rooms.values())],
        role=(role_of(session) if person is not None else None) or "user",
    )


def rename(services: Services, session: Session, request: admin_requests.Rename) -> Answer:
    """Give somebody of a lower rank another nick, with all their sessions."""
    person = _person(services.hub, request.target)
    if person is session.known:
        raise Refused("user.self", "To change your own nick, ask for another.", field="target")
    if services.hub.rank_of(person.uid) >= services.hub.rank(session):
        raise Refused("permission.denied", f"{person.nick} has your rank, or a higher one.")
    old = person.nick
    services.hub.call(person, request.nick, session)
    services.audit.note(session, "rename", target=old, detail=f"to {request.nick}")
    return partial(replies.NickOk, user=person.user)


def _person(hub: Hub, nick: str) -> Person:
    """Whoever is online under `nick`."""
    found = hub.find(nick)
    if found is None:
        raise Refused("user.unknown", f"There is nobody called {nick}.", field="target")
    if not isinstance(found, Person):
        raise Refused("user.offline", f"{found.name} is not online.", field="target")
    return found


def shutdown(services: Services, session: Session, request: admin_requests.Shutdown) -> Answer:
    """Tell everybody, and have the server stop after a while."""
    seconds = request.seconds or 0
    words = f"in {seconds} s" if seconds else "now"
    words += f": {request.reason}" if request.reason else ""
    services.audit.note(session, "shutdown", room=EVERYONE, detail=words)
    services.control.shutdown(seconds, request.reason)
    return Ok


def stats(services: Services, session: Session, request: admin_requests.Stats) -> Answer:
    """Tell what the server counts."""
    return partial(moderation_replies.StatsOk, stats=services.telemetry.stats())


def lockdown(
    services: Services, session: Session, request: admin_requests.Lockdown
) -> Answer | Awaited:
    """Tell who may come in, or change it; who is in stays."""
    level = request.level
    if level is not None:
        services.hub.govern(None, lambda policy: setattr(policy, "lockdown", level))
        services.audit.note(session, "lockdown", room=EVERYONE, detail=level)
    now = cast(moderation_replies.Lockdown, services.hub.policy.lockdown)
    answer = partial(moderation_replies.LockdownOk, level=now)
    return answer if level is None else when_kept(services, answer)


def audit(services: Services, session: Session, request: admin_requests.Audit) -> Later:
    """List what those with power did."""
    count = request.limit or limits.AUDIT_PAGE
    return Later(partial(_page_of_acts, services.journal, request.before, count))


def _page_of_acts(journal: Journal, before: int | None, count: int) -> Answer:
    acts, more = journal.acts(before, count)
    entries = [moderation_replies.AuditEntry(**act._asdict()) for act in acts]
    return partial(moderation_replies.AuditOk, entries=entries, more=more)
