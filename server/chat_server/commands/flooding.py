"""Who is muted for flooding, as `mutes` of the server lists them, and who may speak again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from chat_schema.moderation_replies import Sanction
from chat_server.domain.meters import Meter
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
        (meter, person)
        for person in services.hub.everyone()
        if (meter := person.meter) is not None and now < meter.muted_until
    ]
    muted.sort(key=lambda found: found[0].muted_since)
    return [_sanction(session, meter, person) for meter, person in muted]


def unmute_flooder(person: Person, now: float) -> bool:
    """Let somebody speak again who was muted for flooding; False where they were not."""
    return person.meter is not None and person.meter.unmute(now)


def _sanction(session: Session, meter: Meter, person: Person) -> Sanction:
    loop = session.connection.loop
    since, until = (
        timedelta(seconds=loop.now - at) for at in (meter.muted_since, meter.muted_until)
    )
    return Sanction(
        id=ID,
        nick=person.nick,
        uid=person.uid,
        by=BY,
        reason=REASON,
        since=loop.clock.stamp(since),
        until=loop.clock.stamp(until),
    )
