"""Who looks after a room, whom it invites, and how it is set.

Rules:
- Guests hold an office while they are in the room, accounts wherever they are.
- No password of a room is kept, written down or told, only that there is one.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from chat_schema import moderation_replies, moderation_requests
from chat_schema.errors import Refused
from chat_server.commands.acting import (
    Deed,
    account_of,
    anybody,
    name_of,
    nothing,
    perform,
    require_above,
    require_inside,
    require_unmuted,
    user_of,
)
from chat_server.commands.results import Answer
from chat_server.domain.moderation import Mode, Policy, Secret
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub
    from chat_server.services import Services

RANKS = {"moderator": Rank.MODERATOR, "owner": Rank.OWNER}

SALT_BYTES = 12
"""Random bytes of a salt: no two rooms with one password show it."""


def mods(services: Services, session: Session, request: moderation_requests.Mods) -> Answer:
    """List who looks after a room."""
    room = services.hub.room_of(session, request.room)
    return partial(moderation_replies.ModsOk, room=room.name, mods=services.hub.officers(room))


def promote(services: Services, session: Session, request: moderation_requests.Promote) -> None:
    """Give somebody an office."""
    hub = services.hub
    require_unmuted(services, session)
    room = hub.room_of(session, request.room)
    found = anybody(hub, request.target)
    require_above(services, session, found, room)
    registered = account_of(found) is not None
    if not registered:
        require_inside(found, room)
    role = request.role or "moderator"
    before = room.policy.rank(found.uid)
    give = partial(_give, uid=found.uid, name=name_of(found), registered=registered)
    hub.govern(room, lambda policy: give(policy, rank=RANKS[role]))
    undo = partial(hub.govern, room, partial(give, rank=before))
    extra = {"target": user_of(found), "role": role}
    perform(services, session, request, room, Deed("promote", extra, nothing, undo, role))


def demote(services: Services, session: Session, request: moderation_requests.Demote) -> None:
    """Take somebody's office, or give up one's own."""
    hub = services.hub
    require_unmuted(services, session)
    room = hub.room_of(session, request.room)
    found = anybody(hub, request.target)
    before = room.policy.rank(found.uid)
    if found.uid != session.known.uid:
        require_above(services, session, found, room)
        if hub.rank(session, room) < Rank.OWNER:
            raise Refused("permission.denied", "This needs the rights of an owner of the room.")
    if before < Rank.MODERATOR:
        raise Refused("user.absent", f"{name_of(found)} holds no office here.", field="target")
    hub.govern(room, lambda policy: policy.dismiss(found.uid, {}))
    follow = partial(_inherit, hub, room, found.uid, session.connection.loop.stamp)
    give = partial(_give, uid=found.uid, name=name_of(found), rank=before)
    registered = account_of(found) is not None
    undo = partial(hub.govern, room, partial(give, registered=registered))
    extra = {"target": user_of(found)}
    perform(services, session, request, room, Deed("demote", extra, follow, undo))


def invite(services: Services, session: Session, request: moderation_requests.Invite) -> None:
    """Let somebody enter whatever the mode is."""
    hub = services.hub
    require_unmuted(services, session)
    room = hub.room_of(session, request.room)
    found = anybody(hub, request.target)
    if found.uid == session.known.uid:
        raise Refused("user.self", "You are there.", field="target")
    if session.known.uid in found.ignored:
        text = f"{name_of(found)} takes no invitations from you."
        raise Refused("user.ignores", text, field="target")
    name, registered = name_of(found), account_of(found) is not None
    before = found.uid in room.policy.invited
    hub.govern(room, lambda policy: policy.invite(found.uid, name, registered=registered))

    def undo() -> None:
        if not before:
            hub.govern(room, lambda policy: policy.uninvite(found.uid))

    extra = {"target": user_of(found)}
    perform(services, session, request, room, Deed("invite", extra, nothing, undo))


def mode(services: Services, session: Session, request: moderation_requests.Mode) -> Answer | None:
    """Tell how a room is set, after changing what is asked."""
    room = services.hub.room_of(session, request.room)
    changes = _changes(request)
    if not changes:
        settings = room.policy.mode.settings
        return partial(moderation_replies.ModeOk, room=room.name, mode=settings)
    require_unmuted(services, session)
    before = room.policy.mode
    after = services.hub.govern(room, lambda policy: _set(policy, replace(policy.mode, **changes)))
    undo = partial(services.hub.govern, room, lambda policy: _set(policy, before))
    told = {**changes, "password": "set" if changes.get("password") else "none"}
    detail = " ".join(f"{name}={told[name]}" for name in changes)
    deed = Deed("mode", {"mode": after.settings}, nothing, undo, detail)
    answer = partial(moderation_replies.ModeOk, room=room.name, mode=after.settings)
    perform(services, session, request, room, deed, answer)
    return None


def _changes(request: moderation_requests.Mode) -> dict[str, Any]:
    """What a request asks to be set otherwise."""
    fields = ("moderated", "members_only", "invite_only", "slow")
    given = {name: getattr(request, name) for name in fields}
    changes = {name: value for name, value in given.items() if value is not None}
    if request.password is not None:
        salt = secrets.token_hex(SALT_BYTES)
        changes["password"] = Secret.of(request.password, salt) if request.password else None
    return changes


def _set(policy: Policy, mode: Mode) -> Mode:
    policy.mode = mode
    return mode


def _give(policy: Policy, *, uid: str, name: str, rank: Rank, registered: bool) -> None:
    """Have somebody hold exactly this office, or none."""
    if rank >= Rank.MODERATOR:
        policy.appoint(uid, name, rank, registered=registered)
    else:
        policy.dismiss(uid, {})


def _inherit(hub: Hub, room: Room, uid: str, stamp: str) -> None:
    """Have a room whose last owner holds no office any more pass to another, and tell it."""
    heir = hub.govern(room, lambda policy: policy.pass_on(uid, room.members))
    if heir is not None:
        hub.proclaim(room, room.members[heir], stamp)
