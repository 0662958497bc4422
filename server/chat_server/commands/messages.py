"""Saying something: to a room, to everyone, to one person."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from chat_schema import requests
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
from chat_schema.requests import Request
from chat_server import composition
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room
from chat_server.journal.base import Answer, Entry, Kept, Outcome

T = TypeVar("T")

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services


def broadcast(services: Services, session: Session, request: requests.Broadcast) -> None:
    """Append a message to a room; its members and the author hear of it when it is kept."""
    if len(request.text) > services.limits.text:
        raise _too_long(request.text, services.limits.text)
    unless, voice = None, None
    try:
        room = session.rooms.get(request.room) or _room_of(services, session, request.room)
        voice = room.voices.get(session.known.uid)  # first: a mute from here on withdraws it
        if voice is None:
            _require_everyone(room)
        if room.guarded or services.hub.guarded:
            services.hub.require_speech(session, room, session.connection.loop.wall)
    except Refused as refused:
        room, unless = _sent_before(request, refused, Room(request.room))
    ts = session.connection.loop.stamp
    head, tail = composition.broadcast(room.name, ts, session.known, request.text, request.cid)
    entry = Entry(
        room.key,
        head,
        tail,
        ts=ts,
        author=session.known.uid,
        cid=request.cid,
        origin=session,
        re=request.id,
        answer=_sent(session, request, room.name, ts),
        unless=unless,
        voice=voice,
        then=_noted(services, session, room, request.text) if services.log.messages else None,
    )
    services.journal.append(entry)
    session.in_flight += 1
    if room.key == EVERYONE and unless is None:
        services.audit.note(session, "announce", room=EVERYONE, detail=request.text)


def _noted(
    services: Services, session: Session, room: Room, text: str
) -> Callable[[Outcome], bool]:
    """What writes a message down for the operator once it is kept; repetitions were before."""
    nick, uid = session.known.nick, session.known.uid

    def note(outcome: Outcome) -> bool:
        if isinstance(outcome, Kept):
            services.log.note(
                "message", room=room.name, seq=outcome.seq, uid=uid, nick=nick, text=text
            )
        return False

    return note


def whisper(services: Services, session: Session, request: requests.Whisper) -> None:
    """Append a message to the conversation of two people."""
    if len(request.text) > services.limits.text:
        raise _too_long(request.text, services.limits.text)
    person, unless = session.known, None
    voice = person.voice  # before the policy is asked, as above
    try:
        other = services.hub.addressee(request.to)
        _require_heard(services, session, other)
    except Refused as refused:
        other, unless = _sent_before(request, refused, Person("", request.to))
    room = services.hub.converse(person, other) if unless is None else ""
    ts = session.connection.loop.stamp
    head, tail = composition.whisper(room, ts, person, other, request.text, request.cid)
    entry = Entry(
        room,
        head,
        tail,
        ts=ts,
        author=person.uid,
        cid=request.cid,
        origin=session,
        re=request.id,
        answer=_sent(session, request, room, ts),
        people=(person.uid, other.uid),
        unless=unless,
        voice=voice,
    )
    services.journal.append(entry)
    session.in_flight += 1


def _require_everyone(room: Room) -> None:
    """Refuse who has no voice in the room, put out a moment ago; nobody needs one in `*`."""
    if room.name != EVERYONE:
        raise Refused("room.not_member", f"You are not in {room.name} any more.", field="room")


def _too_long(text: str, limit: int) -> Refused:
    """The refusal of a text longer than this server takes; the protocol's own bound is higher."""
    words = f"The text has {len(text)} characters; at most {limit} are taken."
    return Refused("message.too_long", words, field="text", limit=limit, size=len(text))


def _sent_before(
    request: requests.Broadcast | requests.Whisper, refused: Refused, target: T
) -> tuple[T, Refused]:
    """What cannot be sent now, to the journal all the same: it may have been before."""
    if request.cid is None:
        raise refused
    return target, refused


def _require_heard(services: Services, session: Session, other: Person) -> None:
    """Refuse a whisper to oneself, of somebody muted, or to somebody who ignores them."""
    if other.uid == session.known.uid:
        raise Refused("user.self", "You cannot whisper to yourself.", field="to")
    if services.hub.guarded:
        services.hub.require_speech(session, None, session.connection.loop.wall)
    if session.known.uid in other.ignored:
        raise Refused("user.ignores", f"{other.nick} takes no whispers from you.", field="to")


def _room_of(services: Services, session: Session, name: str) -> Room:
    """The room to speak in; only administrators speak to everyone at once."""
    if name != EVERYONE:
        return session.room(name)
    if services.hub.rank(session) < Rank.ADMIN:
        raise Refused("permission.denied", "Only administrators speak to everyone.", field="room")
    return Room(EVERYONE)


def _sent(session: Session, request: Request, name: str, ts: str) -> Answer | None:
    """The reply but for the number; None where none is wanted."""
    if request.id is None:
        return None
    return partial(composition.sent_ok, request.id, session.ignored(request), name, ts)
