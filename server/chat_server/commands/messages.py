"""Saying something: to a room, to everyone, to one person."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import requests
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
from chat_schema.requests import Request
from chat_server import composition
from chat_server.domain.rooms import Room
from chat_server.journal.base import Answer, Entry

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services


def broadcast(services: Services, session: Session, request: requests.Broadcast) -> None:
    """Append a message to a room; its members and the author hear of it when it is kept."""
    room = session.rooms.get(request.room) or _room_of(session, request.room)
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
    )
    services.journal.append(entry)
    session.in_flight += 1


def whisper(services: Services, session: Session, request: requests.Whisper) -> None:
    """Append a message to the conversation of two people."""
    person = session.known
    other = services.hub.online(request.to)
    if other is person:
        raise Refused("user.self", "You cannot whisper to yourself.", field="to")
    room = services.hub.converse(person, other)
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
    )
    services.journal.append(entry)
    session.in_flight += 1


def _room_of(session: Session, name: str) -> Room:
    if name == EVERYONE:
        raise Refused("permission.denied", "Only administrators speak to everyone.", field="room")
    return session.room(name)


def _sent(session: Session, request: Request, name: str, ts: str) -> Answer | None:
    """The reply but for the number; None where none is wanted."""
    if request.id is None:
        return None
    return partial(composition.sent_ok, request.id, session.ignored(request), name, ts)
