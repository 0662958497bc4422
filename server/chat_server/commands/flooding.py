"""Who is muted for flooding, as `mutes` of the server lists them, and who may speak again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from chat_schema.moderation_replies import Sanction
from chat_server.domain.people import Person

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services

ID = "flood"
"""Names every such mute: it is over in a moment, and `unmute` takes the nick."""

BY = "server"
"""Nobody has this nick."""

REASON = "flooding"


def flood_mutes(services: Services, session: Session) -> list[Sanction]:
    """Everybody online who is muted for flooding now, whoever is mute longest first."""
    now = session.connection.loop.now
    muted = [
        (meter.muted_until, person)
        for person in services.hub.everyone()
        if (meter := person.meter) is not None and meter.muted_until > now
    ]
    muted.sort(key=lambda found: found[0])
    return [_sanction(services, session, person, until - now) for until, person in muted]


def unmute_flooder(person: Person, now: float) -> bool:
    """Let somebody speak again who was muted for flooding; False where they were not."""
    return person.meter is not None and person.meter.unmute(now)


def _sanction(services: Services, session: Session, person: Person, left: float) -> Sanction:
    clock = session.connection.loop.clock
    assert services.meters is not None  # who has a meter got it by these terms
    gone = services.meters.flood_mute - left
    return Sanction(
        id=ID,
        nick=person.nick,
        uid=person.uid,
        by=BY,
        reason=REASON,
        since=clock.stamp(timedelta(seconds=gone)),
        until=clock.stamp(timedelta(seconds=-left)),
    )
