"""Saying something: to a room, to everyone, to one person."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chat_schema import requests
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
from chat_schema.requests import Request
from chat_server import composition
from chat_server.domain.rooms import Room
from chat_server.journal.base import Entry

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services


def broadcast(services: Services, session: Session, request: requests.Broadcast) -> None:
    """Append a message to a room; its members and the author hear of it when it is kept."""
    room = session.rooms.get(request.room) or _room_of(session, request.room)
    ts = session.connection.loop.stamp
    head, tail = composition.broadcast(room.name, ts, session.known, request.text, request.cid)
    answer = None if request.id is None else _sent(session, request, request.id, room.name, ts)
    services.journal.append(Entry(room.key, head, tail, session, answer))
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
    answer = None if request.id is None else _sent(session, request, request.id, room, ts)
    people = (person.uid, other.uid)
    services.journal.append(Entry(room, head, tail, session, answer, people))
    session.in_flight += 1


def _room_of(session: Session, name: str) -> Room:
    if name == EVERYONE:
        raise Refused("permission.denied", "Only administrators speak to everyone.", field="room")
    return session.room(name)


def _sent(
    session: Session, request: Request, re: str, name: str, ts: str
) -> Callable[[int], bytes]:
    """The reply but for the number."""
    return partial(composition.sent_ok, re, session.ignored(request), name, ts)
