"""Who is online and in which rooms; what changes is posted to the loops in the same order.

Rules:
- The domain is changed under `_lock`, which is held for microseconds; the events that tell of a
  change are posted under it too, so that every loop hears of changes in the order they happened.
- Handlers call from their own loop's thread.
- `_set_topic` runs under the journal's lock: it must not take `_lock`, under which the journal is
  asked.
- A stay that can be resumed outlives its session: held, it keeps its nick and rooms, and nobody
  sees it leave, until it is taken up or `release` finds that it was not.
"""

from __future__ import annotations

import secrets
import threading
from base64 import b32encode
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chat_schema import limits
from chat_schema.errors import Refused
from chat_schema.events import LeaveReason, Nick
from chat_schema.names import EVERYONE, conversation_of, same_name, uids_of
from chat_server import composition
from chat_server.delivery import Delivery
from chat_server.domain.people import People, Person
from chat_server.domain.rooms import Room, Rooms
from chat_server.journal.base import Done, Journal, Position, Stay

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.net.audience import Audience
    from chat_server.net.loop import Loop


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


class Held(NamedTuple):
    """The stay of somebody whose connection was lost, or whose server was restarted."""

    person: Person
    rooms: dict[str, Room]


class Hub:
    """Everybody and every room, for all loops."""

    def __init__(self, journal: Journal, rooms: Rooms) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._people = People()
        self._rooms = rooms
        self._sessions: dict[str, tuple[Session, ...]] = {}
        self._held: dict[str, Held] = {}
        self._delivery = Delivery(self._sessions, self._begin, self._set_topic)

    def open(self, loops: Sequence[Loop]) -> list[Held]:
        """Begin, with the loops that deliver; return the stays of an earlier run, now held."""
        self._delivery.open(loops)
        self._restore_rooms()
        held = [found for stay in self._journal.stays() if (found := self._restore(stay))]
        self._journal.open(self._delivery.hand_on)
        self._restore_conversations()
        return held

    # People

    def arrive(self, session: Session, nick: str | None, digest: str | None = None) -> Person:
        """Let the session's person in; raise Refused where the nick cannot be had."""
        with self._lock:
            person = self._people.arrive(_new_uid(), nick, digest)
            self._sessions[person.uid] = (session,)
        session.connection.loop.enter(session.connection, EVERYONE)
        return person

    def resume(self, session: Session, digest: str) -> Held | None:
        """Let the session take up the stay of this token, from another session if need be.

        None where there is no such stay. The caller enters the rooms, and leaves the others.
        Raises Refused where a later connection has it: hellos can be read in another order than
        they were sent on different connections, and the last one counts.
        """
        with self._lock:
            person = self._people.returning(digest)
            if person is None:
                return None
            others = self._sessions.get(person.uid, ())
            if others and others[0].number > session.number:
                raise _replaced()
            self._held.pop(person.uid, None)
            self._sessions[person.uid] = (session,)
            held = Held(person, dict(person.rooms))
        for other in others:
            other.connection.loop.post((_replace, other))
        session.connection.loop.enter(session.connection, EVERYONE)
        return held

    def depart(self, session: Session, reason: LeaveReason) -> Held | None:
        """Let go of a session that has ended, and tell its rooms; or hold its stay, unless it quit.

        Returns what is held, for `release` when its time has come.
        """
        person = session.known
        with self._lock:
            if session not in self._sessions.get(person.uid, ()):
                return None  # another session has taken the stay up
            del self._sessions[person.uid]
            held = Held(person, dict(person.rooms))
            session.rooms.clear()
            if person.digest is not None and reason != "quit":
                self._held[person.uid] = held
                return held
            self._end(held, reason, session.connection.loop.stamp)
        self._drop_void(held)
        return None

    def release(self, held: Held, stamp: str) -> None:
        """End a stay that nobody has taken up since it was held."""
        with self._lock:
            if self._held.get(held.person.uid) is not held:
                return
            del self._held[held.person.uid]
            self._end(held, "lost", stamp)
        self._drop_void(held)

    def keep_stay(self, session: Session, done: Done) -> None:
        """Keep the stay as it is now, so that it can be resumed after a restart too."""
        person = session.known
        if person.digest is not None:
            with self._lock:
                names = tuple(room.name for room in person.rooms.values())
            self._journal.keep_stay(Stay(person.uid, person.nick, person.digest, names), done)

    def rename(self, session: Session, nick: str) -> None:
        """Give the person another nick and tell everyone who shares a room with them, once."""
        person = session.known
        if nick == person.nick:
            return  # no news
        with self._lock:
            self._require_current(session)
            old = self._people.rename(person, nick)
            event = Nick(user=person.user, old=old, ts=session.connection.loop.stamp)
            body = event.model_dump_json(exclude_none=True).encode()
            self._delivery.announce_once(tuple(person.rooms), session, body)
        self.keep_stay(session, _ignore)

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
        new = same_name(name) not in session.rooms
        room, audience = self.enter(session, name)
        if new:
            self.keep_stay(session, _ignore)
        with self._lock:
            members = [member.as_json for member in islice(room.members.values(), _CAP)]
            topic, size = room.topic, len(room.members)
        position = self._journal.position(room.key)
        return Snapshot(room, topic, members, size, audience, position)

    def enter(self, session: Session, name: str) -> tuple[Room, Audience]:
        """Put the person into the room and tell it, unless they are in it already."""
        key = same_name(name)
        connection, person = session.connection, session.known
        new = key not in session.rooms
        audience = connection.loop.enter(connection, key) if new else connection.audiences[key]
        try:
            with self._lock:
                self._require_current(session)
                room = self._open_room(name)
                if new and len(audience) == 1:  # it may have been evicted since it was entered
                    audience.delivered = self._journal.position(key).head
                if self._rooms.enter(room, person):
                    self._delivery.announce(
                        key, composition.join(room.name, connection.loop.stamp, person)
                    )
                session.rooms[key] = room
        except Refused:
            if new:
                connection.loop.leave(connection, key)
            with self._lock:
                if self._rooms.find(name) is None:
                    self._journal.evict(key)  # entering made it known there, without an entry
            raise
        return room, audience

    def leave(self, session: Session, room: Room) -> None:
        """Take the person out of the room and tell it, them included."""
        connection = session.connection
        with self._lock:
            self._require_current(session)
            self._leave(session.known, room, "left", connection.loop.stamp)
            heard = session.rooms.pop(room.key, None) is not None
        if heard:
            connection.loop.leave(connection, room.key)
        self._drop_if_void(room)
        self.keep_stay(session, _ignore)

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

    def _require_current(self, session: Session) -> None:
        """Refuse a session whose stay was taken up by another before it could hear of it."""
        if session not in self._sessions.get(session.known.uid, ()):
            raise _replaced()

    def _open_room(self, name: str) -> Room:
        """The room, made if need be, with what the journal knows of it."""
        found = self._rooms.find(name)
        if found is not None:
            return found
        known = self._journal.known(same_name(name))
        room, evicted = self._rooms.open(known.name if known is not None else name)
        if known is not None:
            room.topic = known.topic
        if evicted is not None:
            self._journal.evict(evicted)
        return room

    def _end(self, held: Held, reason: LeaveReason, stamp: str) -> None:
        """Let somebody go who is in no session and not held any more."""
        for room in list(held.person.rooms.values()):
            self._leave(held.person, room, reason, stamp)
        self._people.depart(held.person)
        self._forget_conversations(held.person)
        if held.person.digest is not None:
            self._journal.drop_stay(held.person.uid)

    def _leave(self, person: Person, room: Room, reason: LeaveReason, stamp: str) -> None:
        if self._rooms.leave(room, person):
            self._delivery.announce(room.key, composition.leave(room.name, stamp, person, reason))

    def _forget_conversations(self, person: Person) -> None:
        """A conversation of two guests who are both gone can never be read again."""
        for room in person.conversations:
            if not any(uid in self._sessions or uid in self._held for uid in uids_of(room)):
                self._journal.forget(room)

    # What an earlier run has left

    def _restore_rooms(self) -> None:
        for known in self._journal.rooms():
            room, _ = self._rooms.open(known.name)
            room.topic = known.topic

    def _restore(self, stay: Stay) -> Held | None:
        """Hold the stay; None where its nick is taken, by one kept later under the same."""
        try:
            person = self._people.arrive(stay.uid, stay.nick, stay.digest)
        except Refused:
            self._journal.drop_stay(stay.uid)
            return None
        for name in stay.rooms:
            with suppress(Refused):  # fewer rooms are allowed now
                self._rooms.enter(self._open_room(name), person)
        held = self._held[person.uid] = Held(person, dict(person.rooms))
        return held

    def _restore_conversations(self) -> None:
        for room in self._journal.conversations():
            people = [self._held[uid].person for uid in uids_of(room) if uid in self._held]
            for person in people:
                person.conversations.add(room)
            if not people:
                self._journal.forget(room)

    # What an event can ask of the rooms, on any thread

    def _begin(self, key: str) -> None:
        """Have a room listed whose first message came when the last member had gone."""
        if key != EVERYONE:
            with self._lock, suppress(Refused):  # with too many rooms, who joins it has it listed
                self._open_room(key)

    def _set_topic(self, key: str, topic: str) -> None:
        """Change the topic in the order of the numbers; without the lock, see the rules."""
        room = self._rooms.find(key)
        if room is not None:
            room.topic = topic

    def _drop_void(self, held: Held) -> None:
        for room in held.rooms.values():
            self._drop_if_void(room)

    def _drop_if_void(self, room: Room) -> None:
        """Let a room go that has neither members nor history."""
        with self._lock:
            exists = self._rooms.find(room.key) is room
            if exists and not room.members and self._journal.position(room.key).head == 0:
                self._rooms.drop(room)
                self._journal.evict(room.key)


def _replaced() -> Refused:
    return Refused("session.replaced", "Your stay goes on on another connection.")


def _replace(loop: Loop, item: tuple[Any, Session]) -> None:
    """Tell a session that it is no longer the one; on its own loop.

    Not here: the inbox may be drained in the middle of a request of this very session.
    """
    loop.call_at(loop.now, lambda _: item[1].replaced())


def _ignore(_: Refused | None) -> None:
    """A stay that could not be kept is resumed all the same while this server runs."""


def _new_uid() -> str:
    """A uid that nobody has had: 56 random bits, so that a million guests do not meet."""
    return "u" + b32encode(secrets.token_bytes(7)).decode().rstrip("=").lower()


_CAP = limits.MEMBERS_IN_JOIN
