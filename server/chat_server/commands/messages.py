"""Saying something: to a room, to everyone, to one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat_schema import requests
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE
from chat_server import composition
from chat_server.journal.base import Entry

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services


def broadcast(services: Services, session: Session, request: requests.Broadcast) -> None:
    """Append a message to a room; its members and the author hear of it when it is kept."""
    if request.room == EVERYONE:
        raise Refused("permission.denied", "Only administrators speak to everyone.", field="room")
    room = session.room(request.room)
    ts = session.connection.loop.stamp
    head, tail = composition.broadcast(room.name, ts, session.known, request.text, request.cid)
    services.journal.append(
        Entry(
            room=room.key,
            name=room.name,
            head=head,
            tail=tail,
            ts=ts,
            origin=session,
            re=request.id,
            ignored=session.ignored(request),
        )
    )
    session.appended()


def whisper(services: Services, session: Session, request: requests.Whisper) -> None:
    """Append a message to the conversation of two people."""
    person = session.known
    other = services.hub.online(request.to)
    if other is person:
        raise Refused("user.self", "You cannot whisper to yourself.", field="to")
    room = services.hub.converse(person, other)
    ts = session.connection.loop.stamp
    head, tail = composition.whisper(room, ts, person, other, request.text, request.cid)
    services.journal.append(
        Entry(
            room=room,
            name=room,
            head=head,
            tail=tail,
            ts=ts,
            origin=session,
            re=request.id,
            ignored=session.ignored(request),
            people=(person.uid, other.uid),
        )
    )
    session.appended()
