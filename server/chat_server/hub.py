"""Who is online and in which rooms, and how what happens reaches the loops.

Rules:
- The domain is changed under `_lock`, which is held for microseconds; the events that tell of a
  change are posted under it too, so that every loop hears of changes in the order they happened.
- Handlers call from their own loop's thread; `_deliver` and `_announce` run on each loop.
- Numbered events come only from the journal, through `_deliver`.
"""

from __future__ import annotations

import secrets
import threading
from base64 import b32encode
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chat_schema import limits
from chat_schema.errors import Refused
from chat_schema.events import LeaveReason, Nick
from chat_schema.framing import encode_frame
from chat_schema.names import EVERYONE, conversation_of, same_name
from chat_server import composition
from chat_server.domain.people import People, Person
from chat_server.domain.rooms import Room, Rooms
from chat_server.journal.base import Entry, Journal, Position

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.net.audience import Audience
    from chat_server.net.loop import Loop
    from chat_server.net.outbox import Outbox


class Snapshot(NamedTuple):
    """A room with `size` members, as it is at the number that its `audience` has got.

    `members` are the first of them as JSON objects, at most MEMBERS_IN_JOIN.
    """

    room: Room
    topic: str
    members: list[str]
    size: int
    audience: Audience
    position: Position


class Hub:
    """Everybody and every room, for all loops."""

    def __init__(self, journal: Journal, rooms: Rooms) -> None:
        self._journal = journal
        self._loops: tuple[Loop, ...] = ()
        self._lock = threading.Lock()
        self._people = People()
        self._rooms = rooms
        self._sessions: dict[str, tuple[Session, ...]] = {}

    def open(self, loops: Sequence[Loop]) -> None:
        """Begin, with the loops that deliver."""
        self._loops = tuple(loops)
        self._journal.open(self._hand_on)

    # People

    def arrive(self, session: Session, nick: str | None) -> Person:
        """Let the session's person in; raise Refused where the nick cannot be had."""
        with self._lock:
            person = self._people.arrive(_new_uid(), nick)
            self._sessions[person.uid] = (session,)
        session.connection.loop.enter(session.connection, EVERYONE)
        return person

    def depart(self, session: Session, reason: LeaveReason) -> None:
        """Let go of a session that has ended, and tell its rooms."""
        person = session.known
        with self._lock:
            for room in session.rooms.values():
                self._leave(session, room, reason)
            self._people.depart(person)
            del self._sessions[person.uid]
            self._forget_conversations(person)
        for room in session.rooms.values():
            self._drop_if_void(room)
        session.rooms.clear()

    def rename(self, session: Session, nick: str) -> None:
        """Give the person another nick and tell everyone who shares a room with them, once."""
        person = session.known
        if nick == person.nick:
            return  # no news
        with self._lock:
            old = self._people.rename(person, nick)
            event = Nick(user=person.user, old=old, ts=session.connection.loop.stamp)
            frame = encode_frame(event.model_dump_json(exclude_none=True).encode())
            item = (self._announce_once, tuple(session.rooms), session, frame)
            for loop in self._loops:
                loop.post(item)

    def online(self, nick: str) -> Person:
        """The person online under `nick`; raise Refused where there is none."""
        with self._lock:
            person = self._people.find(nick)
        if person is None:
            raise Refused("user.offline", f"Nobody called {nick} is online.", field="to")
        return person

    def everyone(self) -> list[Person]:
        """Everyone online, in no order."""
        with self._lock:
            return self._people.all()

    def converse(self, one: Person, other: Person) -> str:
        """The whisper conversation of two people, remembered for as long as one is online."""
        room = conversation_of(one.uid, other.uid)
        with self._lock:
            one.conversations.add(room)
            other.conversations.add(room)
        return room

    # Rooms

    def join(self, session: Session, name: str) -> Snapshot:
        """Put the person into the room and tell it; once in, only the snapshot is new."""
        key = same_name(name)
        connection, person = session.connection, session.known
        new = key not in session.rooms
        audience = connection.loop.enter(connection, key) if new else connection.audiences[key]
        try:
            with self._lock:
                room, evicted = self._rooms.open(name)
                if evicted is not None:
                    self._journal.forget(evicted)
                if new and len(audience) == 1:  # it may have been evicted since it was entered
                    audience.delivered = self._journal.position(key).head
                if self._rooms.enter(room, person):
                    self._post(key, composition.join(room.name, connection.loop.stamp, person))
                members = [member.as_json for member in islice(room.members.values(), _CAP)]
                topic, size = room.topic, len(room.members)
        except Refused:
            connection.loop.leave(connection, key)
            with self._lock:
                if self._rooms.find(name) is None:
                    self._journal.forget(key)  # entering made it known there, without an entry
            raise
        session.rooms[key] = room
        return Snapshot(room, topic, members, size, audience, self._journal.position(key))

    def leave(self, session: Session, room: Room) -> None:
        """Take the person out of the room and tell it, them included."""
        with self._lock:
            self._leave(session, room, "left")
        session.connection.loop.leave(session.connection, room.key)
        del session.rooms[room.key]
        self._drop_if_void(room)

    def set_topic(self, room: Room, topic: str, entry: Entry) -> None:
        """Change the topic in the same order as the event that tells of it."""
        with self._lock:
            self._journal.append(entry)
            room.topic = topic

    def members(self, room: Room) -> list[Person]:
        """Who is in the room, in the order of joining."""
        with self._lock:
            return list(room.members.values())

    def rooms(self) -> list[tuple[str, str, int]]:
        """Name, topic and member count of every room, in no order."""
        with self._lock:
            rooms = self._rooms.all()
        return [(room.name, room.topic, len(room.members)) for room in rooms]

    # Under the lock

    def _leave(self, session: Session, room: Room, reason: LeaveReason) -> None:
        self._rooms.leave(room, session.known)
        stamp = session.connection.loop.stamp
        self._post(room.key, composition.leave(room.name, stamp, session.known, reason))

    def _forget_conversations(self, person: Person) -> None:
        """A conversation of two guests who are both gone can never be read again."""
        for room in person.conversations:
            if not any(uid in self._sessions for uid in room.split(":")[1:]):
                self._journal.forget(room)

    # Delivery

    def _post(self, key: str, body: bytes) -> None:
        item = (self._announce, key, encode_frame(body))
        for loop in self._loops:
            loop.post(item)

    def _hand_on(self, entry: Entry, seq: int, frame: bytes) -> None:
        item = (self._deliver, entry, seq, frame)
        for loop in self._loops:
            loop.post(item)

    def _deliver(self, loop: Loop, item: tuple[Any, Entry, int, bytes]) -> None:
        """Put a numbered event before its people on this loop, then answer who asked for it."""
        _, entry, seq, frame = item
        if entry.people:
            self._deliver_to_people(loop, entry.people, frame)
        elif (audience := loop.audiences.get(entry.room)) is not None:
            audience.deliver(seq, frame)
        if entry.origin.connection.loop is loop:
            entry.origin.kept(entry, seq)

    def _deliver_to_people(self, loop: Loop, people: tuple[str, ...], frame: bytes) -> None:
        for uid in people:
            for session in self._sessions.get(uid, ()):
                if session.connection.loop is loop:
                    session.connection.send(frame)

    @staticmethod
    def _announce(loop: Loop, item: tuple[Any, str, bytes]) -> None:
        _, key, frame = item
        audience = loop.audiences.get(key)
        if audience is not None:
            audience.murmur(frame)

    @staticmethod
    def _announce_once(loop: Loop, item: tuple[Any, tuple[str, ...], Session, bytes]) -> None:
        """Reach everyone in any of the rooms once, and the person even in none."""
        _, keys, session, frame = item
        reached: set[Outbox] = set()
        for key in keys:
            audience = loop.audiences.get(key)
            if audience is not None:
                audience.publish_to(set(audience) - reached, frame)
                reached.update(audience)
        if session.connection.loop is loop and not keys:
            session.connection.send(frame)

    def _drop_if_void(self, room: Room) -> None:
        """Let a room go that has neither members nor history."""
        with self._lock:
            exists = self._rooms.find(room.key) is room
            if exists and not room.members and self._journal.position(room.key).head == 0:
                self._rooms.drop(room)
                self._journal.forget(room.key)


def _new_uid() -> str:
    """A uid that nobody has had: 56 random bits, so that a million guests do not meet."""
    return "u" + b32encode(secrets.token_bytes(7)).decode().rstrip("=").lower()


_CAP = limits.MEMBERS_IN_JOIN
