"""Who is online and in which rooms; what changes is posted to the loops in the same order.

Rules:
- The domain is changed under `_lock`, which is held for microseconds; the events that tell of a
  change are posted under it too, so that every loop hears of changes in the order they happened.
- Handlers call from their own loop's thread.
- The journal is asked under `_lock`: what it calls under its own, `RoomBook.set_topic`, must not
  take `_lock`.
- A person is in a room while one of their sessions is, or one of their held stays.
- A stay that can be resumed outlives its session: held, it keeps its nick and rooms, and nobody
  sees it leave, until it is taken up or `release` finds that it was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chat_schema import limits
from chat_schema.errors import Refused
from chat_schema.events import LeaveReason
from chat_schema.moderation_replies import Officer
from chat_schema.names import EVERYONE, same_name
from chat_server import composition
from chat_server.conversations import Conversations
from chat_server.domain.accounts import Account
from chat_server.domain.addresses import Stays, is_loopback_block
from chat_server.domain.ownership import Ownership
from chat_server.domain.people import Person, new_uid
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room, Rooms
from chat_server.eventlog import EventLog
from chat_server.governance import Governance
from chat_server.journal.base import Done, Journal, Position, ignore
from chat_server.restoration import Restoration
from chat_server.seats import Held, replaced

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
    mods: list[Officer]
    audience: Audience
    position: Position


class Hub(Governance):
    """Everybody and every room, for all loops."""

    def __init__(
        self,
        journal: Journal,
        rooms: Rooms,
        log: EventLog,
        ownerless: Iterable[str] = (),
        stays: Stays | None = None,
        ownership: Ownership | None = None,
    ) -> None:
        super().__init__(journal, rooms, ownerless, stays, ownership)
        self._log = log
        self._conversations = Conversations(journal, self._people, self.accounts)

    def open(self, loops: Sequence[Loop]) -> list[Held]:
        """Begin, with the loops that deliver; return the stays of an earlier run, now held."""
        self._delivery.open(loops)
        earlier = Restoration(
            self._journal, self.accounts, self._people, self._rooms, self._room_book, self._seats
        )
        held = earlier.take_in(loops[0].wall)
        self.guarded = self.policy.guarded
        self._journal.open(self._delivery.hand_on)
        self._conversations.restore()
        earlier.settle(loops[0].stamp)
        return held

    @property
    def kept(self) -> int:
        """Events that were kept since the start."""
        return self._delivery.kept

    # People

    def arrive(
        self,
        session: Session,
        nick: str | None,
        digest: str | None = None,
        account: Account | None = None,
    ) -> None:
        """Let the session's person in: the account's, or a guest.

        Raises Refused where the nick cannot be had, or the server lets nobody like this in.
        """
        with self._lock:
            self._admit(session, account, nick or "")
            person = self._person(nick, account)
            self._seats.take(session, person, digest)
        session.connection.loop.enter(session.connection, EVERYONE)

    def resume(self, session: Session, digest: str, account: Account | None = None) -> Held | None:
        """Let the session take up the stay of this token, from another session if need be.

        None where there is no such stay, or it is not that of `account`, where one is given. The
        caller enters the rooms, and leaves the others.
        Raises Refused where a later connection has it: hellos can be read in another order than
        they were sent on different connections, and the last one counts.
        """
        with self._lock:
            person = self._people.returning(digest)
            if person is None or account not in (None, person.account):
                return None
            self._admit(session, person.account, person.nick)
            others = [other for other in self.sessions(person.uid) if other.digest == digest]
            if others and others[0].number > session.number:
                raise replaced()
            held = self._seats.take_up(person, digest)
            self._seats.give_up(others)
            if held is None:  # not the rooms of the other session: it may just be entering them
                rooms = {
                    key: room
                    for key, room in person.rooms.items()
                    if not self._seats.inside(person, key)
                }
                held = Held(person, digest, rooms, set())
            self._seats.take(session, person, digest)
        for other in others:
            other.connection.loop.post((_replace, other))
        session.connection.loop.enter(session.connection, EVERYONE)
        return held

    def switch(self, session: Session, account: Account | None) -> None:
        """Make the session that of an account, or of a guest, in the rooms that let it in."""
        with self._lock:
            self._seats.require(session)
            self._admit(session, account, "")
            loop, old, rooms = session.connection.loop, session.known, list(session.rooms.values())
            self._seats.give_up([session])
            session.rooms.clear()
            self._go(old, rooms, "switched", loop.stamp)
            person = self._person(None, account)
            person.meter = person.meter or old.meter  # another name does not fill it
            self._seats.take(session, person, session.digest)
            stayed = [room for room in rooms if self._stays(session, room, old)]
        for room in rooms:
            if room not in stayed:
                loop.leave(session.connection, room.key)
                self._drop_if_void(room)
        self.keep_stay(session, ignore)

    def depart(self, session: Session, reason: LeaveReason, *, hold: bool) -> Held | None:
        """Let go of a session that has ended, and tell its rooms; or hold its stay.

        It is not held where its address has too many of them. Returns what is held, for `release`
        when its time has come.
        """
        person, digest = session.known, session.digest
        with self._lock:
            if session not in self.sessions(person.uid):
                return None  # another session has taken the stay up
            self._seats.give_up([session])
            rooms = dict(session.rooms)
            session.rooms.clear()
            if digest is not None and hold:
                held = self._seats.hold(person, digest, rooms, session.connection.address)
                if held is not None:
                    return held
            self._end_stay(person, digest, rooms, reason, session.connection.loop.stamp)
        self._drop_void(rooms)
        return None

    def release(self, held: Held, stamp: str, reason: LeaveReason = "lost") -> None:
        """End a stay that nobody has taken up since it was held."""
        with self._lock:
            if self._seats.held.get(held.digest) is not held:
                return
            self._seats.take_up(held.person, held.digest)
            self._end_stay(held.person, held.digest, held.rooms, reason, stamp)
        self._drop_void(held.rooms)

    def put_off(
        self,
        uid: str,
        refused: Refused,
        stamp: str,
        *,
        but: Session | None = None,
        reason: LeaveReason = "kicked",
    ) -> None:
        """End everything of a person: their sessions with this refusal, and their held stays.

        `but` is a session that goes on; `reason` is what is told of those who are held.
        """
        self.dismiss([session for session in self.sessions(uid) if session is not but], refused)
        with self._lock:
            person = self._people.by_uid(uid)
            stays = self._seats.stays(person) if person is not None else []
        for stay in stays:
            self.release(stay, stamp, reason)

    def keep_stay(self, session: Session, done: Done) -> None:
        """Keep the stay as it is now, so that it can be resumed after a restart too."""
        self._seats.keep(session, done)

    def rename(self, session: Session, nick: str) -> None:
        """Give the session's person another nick and tell who shares a room with them, once."""
        with self._lock:
            self._seats.require(session)
        self.call(session.known, nick, session)

    def call(self, person: Person, nick: str, witness: Session) -> None:
        """Give a person another nick; `witness` is told even where it shares no room with them."""
        if nick == person.nick:
            return  # no news
        with self._lock:
            old = self._people.rename(person, nick)
            body = composition.renamed(person, old, witness.connection.loop.stamp)
            witnesses = {witness, *self.sessions(person.uid)}
            self._delivery.announce_once(tuple(person.rooms), witnesses, body)
        self._log.note("nick", uid=person.uid, old=old, nick=nick)
        for session in self.sessions(person.uid):
            session.connection.loop.post((_keep, self, session))

    def converse(self, one: Person, other: Person) -> str:
        """The whisper conversation of two people, remembered while there is one of them."""
        with self._lock:
            return self._conversations.begin(one, other)

    # Rooms

    def join(self, session: Session, name: str, password: str | None = None) -> Snapshot:
        """Put the person into the room and tell it; once in, only the snapshot is new."""
        new = same_name(name) not in session.rooms
        room, audience = self.enter(session, name, password)
        if new:
            self.keep_stay(session, ignore)
        with self._lock:
            members = [member.as_json for member in islice(room.members.values(), _CAP)]
            topic, size = room.topic, len(room.members)
        mods = self.officers(room)
        position = self._journal.position(room.key)
        return Snapshot(room, topic, members, size, mods, audience, position)

    def enter(
        self, session: Session, name: str, password: str | None = None
    ) -> tuple[Room, Audience]:
        """Put the person into the room and tell it, unless they are in it already."""
        key = same_name(name)
        connection = session.connection
        new = key not in session.rooms
        audience = connection.loop.enter(connection, key) if new else connection.audiences[key]
        try:
            with self._lock:
                self._seats.require(session)
                room = self._room_book.open(name)
                if new and len(audience) == 1:  # it may have been evicted since it was entered
                    audience.delivered = self._journal.position(key).head
                self._require_entry(session, room, password)
                self._enter(session, room)
        except Refused:
            if new:
                connection.loop.leave(connection, key)
            with self._lock:
                found = self._rooms.find(name)
                if found is None:
                    self._journal.evict(key)  # entering made it known there, without an entry
            if found is not None:
                self._drop_if_void(found)
            raise
        return room, audience

    def leave(self, session: Session, room: Room) -> None:
        """Take the session out of the room and, with the last one, the person; tell the room."""
        connection = session.connection
        with self._lock:
            self._seats.require(session)
            heard = session.rooms.pop(room.key, None) is not None
            self._leave(session.known, room, "left", connection.loop.stamp)
        if heard:
            connection.loop.leave(connection, room.key)
        self._drop_if_void(room)
        self.keep_stay(session, ignore)

    def expel(self, room: Room, uid: str, reason: LeaveReason, stamp: str) -> None:
        """Put somebody out of a room with all their sessions, and tell it."""
        with self._lock:
            person = self._people.by_uid(uid)
            if person is None:
                return
            inside = self._seats.put_out(person, room)
            self._leave(person, room, reason, stamp)
            for session in inside:
                session.connection.loop.post((_take_out, self, session, room.key))
        self._drop_if_void(room)

    # Under the lock

    def _person(self, nick: str | None, account: Account | None) -> Person:
        """The person of the account, who may be online already, or a new guest."""
        if account is None:
            return self._people.arrive(new_uid(), nick)
        online = self._people.by_uid(account.uid)
        return online or self._people.arrive(account.uid, account.name, account)

    def _enter(self, session: Session, room: Room) -> None:
        stamp = session.connection.loop.stamp
        if self._rooms.enter(room, session.known):
            self._delivery.announce(room.key, composition.join(room.name, stamp, session.known))
            self._log.note("join", uid=session.known.uid, nick=session.known.nick, room=room.name)
            if len(room.members) == 1:
                self._room_book.own(room, session.known)
        session.rooms[room.key] = room

    def _stays(self, session: Session, room: Room, old: Person) -> bool:
        """Enter a room one was in as `old`, where it lets one in.

        A password was shown before, but by whoever needed none.
        """
        let_in = old.uid in room.policy.invited or room.policy.rank(old.uid) >= Rank.MODERATOR
        try:
            self._require_entry(session, room, None)
        except Refused as refused:
            if refused.code != "room.password" or let_in:
                return False
        self._enter(session, room)
        return True

    def _end_stay(
        self,
        person: Person,
        digest: str | None,
        rooms: dict[str, Room],
        reason: LeaveReason,
        stamp: str,
    ) -> None:
        """Let go of a stay that is in no session and not held any more."""
        if digest is not None:
            self._seats.forget(digest)
        self._go(person, list(rooms.values()), reason, stamp)

    def _go(self, person: Person, rooms: list[Room], reason: LeaveReason, stamp: str) -> None:
        """Have a person leave rooms, and the server where this was the last of them here."""
        for room in rooms:
            self._leave(person, room, reason, stamp)
        if not self.sessions(person.uid) and not person.held:
            self._people.depart(person)
            self._conversations.leave(person)
            if person.meter is not None and not (person.account is None and _is_here(person)):
                self.used_meters.put(person.lasting_name, person.meter)

    def _leave(self, person: Person, room: Room, reason: LeaveReason, stamp: str) -> None:
        """Have a person leave a room, unless another session or stay of theirs is in it."""
        if not self._seats.inside(person, room.key) and self._rooms.leave(room, person):
            self._delivery.announce(room.key, composition.leave(room.name, stamp, person, reason))
            self._log.note("leave", uid=person.uid, nick=person.nick, room=room.name, reason=reason)
            self._room_book.disown(room, person.uid, stamp)

    def _drop_void(self, rooms: dict[str, Room]) -> None:
        for room in rooms.values():
            self._drop_if_void(room)

    def _drop_if_void(self, room: Room) -> None:
        """Let a room go that nothing is left of; the caller does not hold the lock."""
        with self._lock:
            self._room_book.drop_if_void(room)


def _is_here(person: Person) -> bool:
    """Whether they came from this machine: many guests of one address, all its owner's affair."""
    return person.block is None or is_loopback_block(person.block)


def _replace(loop: Loop, item: tuple[Any, Session]) -> None:
    """Tell a session that it is no longer the one; on its own loop.

    Not here: the inbox may be drained in the middle of a request of this very session.
    """
    loop.call_at(loop.now, lambda _: item[1].replaced())


def _take_out(loop: Loop, item: tuple[Any, Hub, Session, str]) -> None:
    """Have a connection hear nothing more of a room its person was put out of."""
    _, hub, session, key = item
    if key in session.connection.audiences and key not in session.rooms:
        loop.leave(session.connection, key)
        hub.keep_stay(session, ignore)


def _keep(loop: Loop, item: tuple[Any, Hub, Session]) -> None:
    item[1].keep_stay(item[2], ignore)


_CAP = limits.MEMBERS_IN_JOIN
"""People named in the reply to a join."""
