"""Ending bans and mutes, and listing them.

Rules:
- Nobody lifts what is against themselves, or against who is of their rank or above.
- Addresses are shown to administrators only; others are told whether one is bound.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import moderation_replies, moderation_requests
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE, User
from chat_server import composition
from chat_server.commands import flooding
from chat_server.commands.acting import (
    Deed,
    done_at,
    note,
    nothing,
    perform,
    place,
    require_above,
    require_unmuted,
)
from chat_server.commands.results import Answer, Awaited
from chat_server.domain.moderation import Policy
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room
from chat_server.domain.sanctions import Sanction, Sanctions, block_network

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub
    from chat_server.services import Services


def unban(
    services: Services, session: Session, request: moderation_requests.Unban
) -> Awaited | None:
    """Let somebody in again."""
    return _lift(services, session, request, "bans")


def unmute(
    services: Services, session: Session, request: moderation_requests.Unmute
) -> Awaited | None:
    """Let somebody speak again."""
    found = services.hub.find(request.target)
    if request.room == EVERYONE and isinstance(found, Person):
        require_above(services, session, found, None)
        if flooding.unmute_flooder(found, session.connection.loop.now):
            deed = Deed("unmute", {"target": found.user}, nothing, nothing, flooding.REASON)
            note(services, session, deed, None)
            return done_at(services, session)
    return _lift(services, session, request, "mutes")


def bans(services: Services, session: Session, request: moderation_requests.Bans) -> Answer:
    """List the bans."""
    room = place(services, session, request.room)
    found = _listed(services, session, _policy(services.hub, room).bans)
    return partial(moderation_replies.BansOk, room=_name(room), bans=found)


def mutes(services: Services, session: Session, request: moderation_requests.Mutes) -> Answer:
    """List the mutes; those of the server with the ones for flooding."""
    room = place(services, session, request.room)
    found = _listed(services, session, _policy(services.hub, room).mutes)
    if room is None:
        found += flooding.flood_mutes(services, session)
    return partial(moderation_replies.MutesOk, room=_name(room), mutes=found)


def _lift(
    services: Services,
    session: Session,
    request: moderation_requests.Unban | moderation_requests.Unmute,
    kind: str,
) -> Awaited | None:
    """End the bans or mutes that are named by a nick, a network or an id."""
    hub = services.hub
    require_unmuted(services, session)
    room = place(services, session, request.room)
    lifted = _named(services, session, request.target, kind, room)
    ids = [sanction.id for sanction in lifted]
    hub.govern(room, lambda policy: _kind(policy, kind).lift(ids))

    def impose(policy: Policy) -> None:
        for sanction in lifted:
            _kind(policy, kind).impose(sanction)

    extra = {"target": _user(hub, lifted[0])}
    detail = " ".join([*ids, *(one.network for one in lifted if one.network)])
    undo = partial(hub.govern, room, impose)
    deed = Deed(request.type, extra, nothing, undo, detail)
    if room is None:
        note(services, session, deed, None)
        return done_at(services, session)
    perform(services, session, request, room, deed)
    return None


def _named(
    services: Services, session: Session, name: str, kind: str, room: Room | None
) -> list[Sanction]:
    """The bans or mutes of this name; raise Refused where there are none, or one is above them."""
    hub, now = services.hub, session.connection.loop.wall
    found = hub.find(name)
    sanctions = _kind(_policy(hub, room), kind)
    named = sanctions.named(name, now, found.uid if found is not None else None)
    if not named:
        text = f"No {kind.removesuffix('s')} of this name is in force."
        raise Refused("room.no_ban", text, field="target")
    for uid in {sanction.uid for sanction in named if sanction.uid is not None}:
        if uid == session.known.uid:
            raise Refused("user.self", "You cannot do this for yourself.", field="target")
        if hub.rank(session, room) <= hub.rank_of(uid, room):
            raise Refused("permission.denied", f"{name} has your rank, or a higher one.")
    return named


def _listed(
    services: Services, session: Session, sanctions: Sanctions
) -> list[moderation_replies.Sanction]:
    """Bans or mutes as the session may see them."""
    all_of_it = services.hub.rank(session) >= Rank.ADMIN
    now = session.connection.loop.wall
    return [_shown(found, all_of_it) for found in sanctions.in_force(now)]


def _shown(found: Sanction, all_of_it: bool) -> moderation_replies.Sanction:
    network = found.network
    if all_of_it and found.addresses:
        network = " ".join(map(block_network, found.addresses))
    return moderation_replies.Sanction(
        id=found.id,
        nick=found.nick,
        uid=found.uid,
        network=network,
        address=True if found.addresses else None,
        by=found.by,
        reason=found.reason,
        since=composition.date(found.since),
        until=composition.date(found.until) if found.until is not None else None,
    )


def _policy(hub: Hub, room: Room | None) -> Policy:
    return hub.policy if room is None else room.policy


def _name(room: Room | None) -> str:
    return EVERYONE if room is None else room.name


def _user(hub: Hub, sanction: Sanction) -> User | None:
    """Whom a sanction is against, as they are called now where they are known."""
    if sanction.uid is None or sanction.nick is None:
        return None
    return hub.user(sanction.uid) or User(uid=sanction.uid, nick=sanction.nick)


def _kind(policy: Policy, kind: str) -> Sanctions:
    """The bans, or the mutes."""
    return policy.bans if kind == "bans" else policy.mutes
