"""Who of those with power did what: kept with the journal, and told to the event log.

Rules:
- It keeps what was done to the whole server, and what those who look after all of it did in a room.
  What owners and moderators do in their own is in the room's history, and told to the event log:
  anybody can have a room, and would fill the audit.
- It is told what was done, after it was; an act that cannot be kept is done all the same, and then
  the event log says that the audit lacks it.
- No secret is a `detail`: neither a password nor its hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
from chat_server.eventlog import EventLog
from chat_server.journal.base import Act, Journal

if TYPE_CHECKING:
    from chat_server.dispatch import Session


class Audit:
    """Writes acts down; on the loop of the session that acts."""

    def __init__(self, journal: Journal, log: EventLog) -> None:
        self._journal = journal
        self._log = log

    def note(
        self,
        session: Session,
        act: str,
        *,
        room: str | None = None,
        target: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Tell that the session did `act`: where, to whom, and the rest in words; keep it if so."""
        actor = actor_of(session)
        kept = Act(0, session.connection.loop.stamp, actor, act, room, target, detail)

        def done(refused: Refused | None) -> None:
            if refused is not None:
                self._log.note("audit_lost", actor=actor, act=act, why=refused.code)

        self._log.note("act", actor=actor, act=act, room=room, target=target, detail=detail)
        if room in (None, EVERYONE) or _of_server(session):
            self._journal.keep_act(kept, done)


def _of_server(session: Session) -> bool:
    """Whether somebody looks after the whole server."""
    account = session.person.account if session.person is not None else None
    role = account.role if account is not None else "user"
    return session.operator is not None or session.elevated or role != "user"


def actor_of(session: Session) -> str:
    """Who acts, as the audit names them: `nick@address`, or the operator by their uid."""
    if session.operator is not None:
        return f"operator ({session.operator})"
    person = session.known
    name = person.account.name if person.account is not None else person.nick
    return f"{name}@{session.connection.address}"
