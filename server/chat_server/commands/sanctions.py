"""Putting people out, keeping them out, and keeping them silent: in a room, or on the server.

Rules:
- Who is put out of a room, or silenced in it, has their voice withdrawn before the event is given
  to the journal: nothing they say has a higher number.
- A ban or a mute binds the addresses at which somebody is, who acts never learns which.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import moderation_requests
from chat_schema.errors import Refused
from chat_server import composition
from chat_server.commands.acting import (
    Deed,
    anybody,
    done_at,
    name_of,
    note,
    nothing,
    perform,
    place,
    require_above,
    require_inside,
    require_unmuted,
    user_of,
)
from chat_server.commands.results import Awaited
from chat_server.domain.addresses import block_of
from chat_server.domain.moderation import Policy
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room
from chat_server.domain.sanctions import Applicant, Sanction, Sanctions, covers
from chat_server.domain.sanctions import network_of as read_network

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.domain.accounts import Account
    from chat_server.hub import Hub
    from chat_server.services import Services

Sanctioned = moderation_requests.Ban | moderation_requests.Mute


def kick(services: Services, session: Session, request: moderation_requests.Kick) -> Awaited | None:
    """Put somebody out; they may come back."""
    hub = services.hub
    require_unmuted(services, session)
    room = place(services, session, request.room)
    found = anybody(hub, request.target)
    require_above(services, session, found, room)
    extra = {"reason": request.reason, "target": user_of(found)}
    if room is None:
        return _kick_off(
            services, session, found, Deed("kick", extra, nothing, nothing, request.reason)
        )
    uid = require_inside(found, room).uid
    refused = Refused("room.not_member", f"You were put out of {room.name}.", field="room")
    hub.withdraw(uid, room, refused)
    if uid in room.policy.invited:
        hub.govern(room, lambda policy: policy.uninvite(uid))
    stamp = session.connection.loop.stamp
    out = partial(hub.expel, room, uid, "kicked", stamp)
    perform(
        services,
        session,
        request,
        room,
        Deed("kick", extra, out, partial(hub.permit, uid, room), request.reason),
    )
    return None


def _kick_off(services: Services, session: Session, found: Person | Account, deed: Deed) -> Awaited:
    """End all connections of somebody, and their stays."""
    if not isinstance(found, Person):
        raise Refused("user.absent", f"{found.name} is not online.", field="target")
    text = "An administrator ended your connection" + _because(deed.detail)
    note(services, session, deed, None)
    services.hub.put_off(found.uid, Refused("server.kicked", text), session.connection.loop.stamp)
    return done_at(services, session)


def ban(services: Services, session: Session, request: moderation_requests.Ban) -> Awaited | None:
    """Put somebody out and keep them out, or keep out whoever comes from an address."""
    hub = services.hub
    require_unmuted(services, session)
    room = place(services, session, request.room)
    found, network = _whom(services, session, request.target, room)
    sanction = _impose(services, session, request, found, network, room)
    deed = _deed(hub, "ban", sanction, found, room)
    if room is None:
        note(services, session, deed, None)
        _put_off(hub, sanction, session)
        return done_at(services, session)
    if found is not None:
        text = f"You are banned from the room{sanction.words(session.connection.loop.wall)}"
        hub.withdraw(found.uid, room, Refused("room.banned", text))
    perform(services, session, request, room, deed)
    return None


def mute(services: Services, session: Session, request: moderation_requests.Mute) -> Awaited | None:
    """Let somebody hear and not speak."""
    hub, wall = services.hub, session.connection.loop.wall
    require_unmuted(services, session)
    room = place(services, session, request.room)
    found = anybody(hub, request.target)
    require_above(services, session, found, room)
    sanction = _impose(services, session, request, found, None, room)
    where = "on the server" if room is None else "in the room"
    code = "server.muted" if room is None else "room.muted"
    refused = Refused(
        code, f"You are muted {where}{sanction.words(wall)}", retry_after=request.seconds
    )
    hub.withdraw(found.uid, room, refused)
    hub.permit(found.uid, room)  # what they say from now on is asked of the policy
    deed = _deed(hub, "mute", sanction, found, room)
    if room is None:
        note(services, session, deed, None)
        return done_at(services, session)
    perform(services, session, request, room, deed)
    return None


def _whom(
    services: Services, session: Session, target: str, room: Room | None
) -> tuple[Person | Account | None, str | None]:
    """The person to ban, or the address or network: what looks like one is one.

    Nobody gets such a nick; an account of old may have it.
    """
    network = read_network(target)
    if network is not None:
        _require_elsewhere(session, network)
        return None, network
    found = anybody(services.hub, target)
    require_above(services, session, found, room)
    return found, None


def _impose(
    services: Services,
    session: Session,
    request: Sanctioned,
    found: Person | Account | None,
    network: str | None,
    room: Room | None,
) -> Sanction:
    """Have a ban or a mute in force."""
    now = session.connection.loop.wall
    uid = found.uid if found is not None else None

    def change(policy: Policy) -> Sanction:
        sanction = Sanction(
            policy.next_id(),
            by=session.known.nick,
            since=now,
            nick=name_of(found) if found is not None else None,
            uid=uid,
            addresses=_addresses(services.hub, session, uid, room),
            network=network,
            reason=request.reason,
            until=now + request.seconds if request.seconds is not None else None,
        )
        _kind(policy, request.type).impose(sanction)
        if uid is not None and request.type == "ban":
            policy.uninvite(uid)
        return sanction

    return services.hub.govern(room, change)


def _deed(
    hub: Hub, type_: str, sanction: Sanction, found: Person | Account | None, room: Room | None
) -> Deed:
    """The act of imposing a ban or a mute; a ban puts out of the room when it is kept."""
    until = composition.date(sanction.until) if sanction.until is not None else None
    target = user_of(found) if found is not None else None
    extra = {"reason": sanction.reason, "target": target, "until": until}
    told = (sanction.id, sanction.network, f"until {until}" if until else None, sanction.reason)
    detail = " ".join(part for part in told if part)

    def follow() -> None:
        if type_ == "ban" and found is not None and room is not None:
            hub.expel(room, found.uid, "banned", composition.date(sanction.since))

    def undo() -> None:
        hub.govern(room, lambda policy: _kind(policy, type_).lift([sanction.id]))
        if found is not None:
            hub.permit(found.uid, room)

    return Deed(type_, extra, follow, undo, detail)


def _addresses(hub: Hub, session: Session, uid: str | None, room: Room | None) -> tuple[str, ...]:
    """The blocks at which somebody is, or was last; on the server without the actor's own."""
    if uid is None:
        return ()
    own = _own_blocks(session) if room is None else ()
    blocks = dict.fromkeys(block_of(other.connection.address) for other in hub.sessions(uid))
    last = hub.last_block(uid) or _last_login(hub, uid)
    return tuple(block for block in blocks or ([last] if last else []) if block not in own)


def _last_login(hub: Hub, uid: str) -> str | None:
    """Where an account that is not here was last."""
    account = hub.accounts.by_uid(uid)
    return account.block if account is not None else None


def _require_elsewhere(session: Session, network: str) -> None:
    """Refuse to ban a network that the actor is in."""
    if any(covers(network, own) for own in _own_blocks(session)):
        raise Refused("user.self", "Your own address is in there.", field="target")


def _own_blocks(session: Session) -> tuple[str, ...]:
    """Where the actor is; an operator is on the server's own machine."""
    if session.operator is not None:
        return block_of("127.0.0.1"), block_of("::1")
    return (block_of(session.connection.address),)


def _put_off(hub: Hub, sanction: Sanction, actor: Session) -> None:
    """End whatever a ban from the server keeps out: all of a person, one session of an address."""
    now = actor.connection.loop.wall
    refused = Refused("server.banned", f"You are banned from the server{sanction.words(now)}")
    if sanction.uid is not None:
        hub.put_off(sanction.uid, refused, actor.connection.loop.stamp, reason="banned")
    hub.dismiss([found for found in hub.all_sessions() if _bound(hub, sanction, found)], refused)


def _bound(hub: Hub, sanction: Sanction, session: Session) -> bool:
    """Whether a ban from the server ends this session, which is not of the person it names."""
    person = session.person
    if person is None or person.uid == sanction.uid:
        return False  # gone meanwhile, or ended already
    account = person.account
    since = account.created if account is not None else None
    applicant = Applicant(person.uid, person.nick, since, block_of(session.connection.address))
    staff = hub.rank(session) >= Rank.ADMIN or (account is not None and account.role != "user")
    return sanction.matches(applicant, by_address=not staff)


def _kind(policy: Policy, type_: str) -> Sanctions:
    """What the request of this type adds to."""
    return policy.bans if type_ == "ban" else policy.mutes


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else "."
