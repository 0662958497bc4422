"""Entering, leaving and listing rooms, and their topics."""

from __future__ import annotations

from functools import partial
from heapq import nsmallest
from typing import TYPE_CHECKING

from chat_schema import limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.names import same_name
from chat_server import composition
from chat_server.commands.results import Answer, Later
from chat_server.journal.base import Entry, First, Retention

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub, Snapshot
    from chat_server.services import Services


def join(services: Services, session: Session, request: requests.Join) -> Answer:
    """Enter a room; entering again is no fault and brings a new snapshot."""
    most = services.limits.rooms
    if len(session.rooms) >= most and same_name(request.room) not in session.rooms:
        words = f"You are in {most} rooms, the most one may be in."
        raise Refused("room.limit", words, limit=most)
    snapshot = services.hub.join(session, request.room, request.password)
    return partial(_entered, snapshot, services.journal.retention(snapshot.room.key))


def _entered(
    snapshot: Snapshot, retention: Retention, *, re: str, ignored: list[str] | None
) -> bytes:
    return composition.join_ok(
        re=re,
        ignored=ignored,
        room=snapshot.room.name,
        epoch=snapshot.position.epoch,
        seq=snapshot.audience.delivered,
        topic=snapshot.topic,
        members=snapshot.members,
        count=snapshot.size,
        oldest=snapshot.position.oldest,
        kept=retention.entries,
        days=retention.days,
        mods=[officer.model_dump(exclude_none=True) for officer in snapshot.mods],
        mode=snapshot.room.policy.mode.settings.model_dump(exclude_none=True),
    )


def leave(services: Services, session: Session, request: requests.Leave) -> Answer:
    """Leave a room."""
    room = session.room(request.room)
    services.hub.leave(session, room)
    return partial(replies.LeaveOk, room=room.name)


def topic(services: Services, session: Session, request: requests.Topic) -> Answer | None:
    """Read the topic, or set it, which everybody in the room hears of."""
    room = services.hub.room_of(session, request.room)
    if request.topic is None:
        return partial(replies.TopicOk, room=room.name, topic=room.topic)
    voice = room.voices.get(session.known.uid)  # None for an administrator who is elsewhere
    services.hub.require_speech(session, room, session.connection.loop.wall)
    ts = session.connection.loop.stamp
    head, tail = composition.topic(room.name, ts, session.known, request.topic)
    answer = None
    if request.id is not None:
        ok = replies.TopicOk(
            re=request.id,
            ignored=session.ignored(request),
            room=room.name,
            topic=request.topic,
        )
        answer = partial(_changed, ok)
    entry = Entry(
        room.key,
        head,
        tail,
        ts=ts,
        author=session.known.uid,
        cid=None,
        origin=session,
        re=request.id,
        answer=answer,
        topic=request.topic,
        voice=voice,
    )
    services.journal.append(entry)
    session.in_flight += 1
    return None


def _changed(ok: replies.TopicOk, seq: int, first: First | None) -> bytes:
    return ok.model_dump_json(exclude_none=True).encode()


def list_rooms(services: Services, session: Session, request: requests.Rooms) -> Later:
    """List every room with its topic and how many are in it."""
    return Later(partial(_page, services.hub, request.after))


def _page(hub: Hub, after: str | None) -> Answer:
    rooms = hub.rooms()
    bound = same_name(after) if after is not None else ""
    later = [room for room in rooms if same_name(room[0]) > bound]
    chosen = nsmallest(limits.LIST_PAGE, later, key=lambda room: same_name(room[0]))
    return partial(
        replies.RoomsOk,
        rooms=[
            replies.RoomEntry(room=name, topic=topic, count=count) for name, topic, count in chosen
        ],
        count=len(rooms),
        more=len(later) > len(chosen),
    )
