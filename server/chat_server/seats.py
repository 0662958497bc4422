"""Who sits where: the sessions of every person, and the stays that are held without one.

Rules:
- What is here is changed under the hub's lock, which the caller holds; `of` may be asked without.
- A stay counts once against its address while it is held, and not while a session has it.
- A stay is stored as it is, and dropped when it is over, in the journal's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chat_schema.errors import Refused
from chat_server.domain.addresses import Stays, block_of
from chat_server.domain.people import People, Person
from chat_server.domain.rooms import Room
from chat_server.journal.base import Done, Journal, Stay, ignore

if TYPE_CHECKING:
    from chat_server.dispatch import Session


class Held(NamedTuple):
    """The stay of somebody whose connection was lost, or whose server was restarted.

    `lost` are the keys of rooms they were put out of meanwhile.
    """

    person: Person
    digest: str
    rooms: dict[str, Room]
    lost: set[str]


class Seats:
    """The sessions by uid, in the order of arriving, and the held stays by digest."""

    def __init__(self, journal: Journal, people: People, counted: Stays) -> None:
        self._journal = journal
        self._people = people
        self._counted = counted
        self.sessions: dict[str, tuple[Session, ...]] = {}
        self.held: dict[str, Held] = {}

    # Sessions

    def of(self, uid: str) -> tuple[Session, ...]:
        """The sessions of a person; none where they are not connected."""
        return self.sessions.get(uid, ())

    def take(self, session: Session, person: Person, digest: str | None) -> None:
        """Make the session one of the person's."""
        session.person = person
        session.digest = digest
        person.block = block_of(session.connection.address)
        self.sessions[person.uid] = (*self.of(person.uid), session)
        if digest is not None:
            self._people.remember(digest, person)

    def give_up(self, gone: Sequence[Session]) -> None:
        """Make these no sessions of their person any more."""
        for session in gone:
            uid = session.known.uid
            left = tuple(other for other in self.of(uid) if other is not session)
            if left:
                self.sessions[uid] = left
            else:
                self.sessions.pop(uid, None)

    def require(self, session: Session) -> None:
        """Refuse a session whose stay was taken up by another before it could hear of it."""
        if session.operator is not None:
            raise Refused("permission.denied", "The operator has no nick and is in no room.")
        if session not in self.of(session.known.uid):
            raise replaced()

    def inside(self, person: Person, key: str) -> bool:
        """Whether any session or held stay of the person is in the room."""
        return any(key in session.rooms for session in self.of(person.uid)) or any(
            key in self.held[digest].rooms for digest in person.held
        )

    def put_out(self, person: Person, room: Room) -> list[Session]:
        """Take the room from all sessions and held stays; return the sessions that were in it."""
        for digest in person.held:
            self._put_out_held(self.held[digest], room)
        return [session for session in self.of(person.uid) if session.rooms.pop(room.key, None)]

    # Stays

    def hold(
        self, person: Person, digest: str, rooms: dict[str, Room], address: str
    ) -> Held | None:
        """Hold a stay without a session; None where its address has too many of them."""
        if not self._counted.hold(digest, address):
            return None
        person.held.add(digest)
        held = self.held[digest] = Held(person, digest, rooms, set())
        return held

    def restore(self, person: Person, digest: str, rooms: dict[str, Room]) -> Held:
        """Hold a stay of an earlier run, which counts against no address."""
        self._people.remember(digest, person)
        person.held.add(digest)
        held = self.held[digest] = Held(person, digest, rooms, set())
        return held

    def take_up(self, person: Person, digest: str) -> Held | None:
        """Hold a stay no longer; None where it was not held."""
        held = self.held.pop(digest, None)
        self._counted.release(digest)
        person.held.discard(digest)
        return held

    def stays(self, person: Person) -> list[Held]:
        """The held stays of a person."""
        return [self.held[digest] for digest in person.held]

    def keep(self, session: Session, done: Done) -> None:
        """Have the session's stay stored as it is now; without the lock too."""
        if session.digest is not None and session.person is not None:
            self._keep(session.person, session.digest, session.rooms, done)

    def forget(self, digest: str) -> None:
        """Have the token of this digest bring back nobody, now and after a restart."""
        self._people.forget(digest)
        self._journal.drop_stay(digest)

    def _put_out_held(self, held: Held, room: Room) -> None:
        if held.rooms.pop(room.key, None) is not None:
            held.lost.add(room.key)
            self._keep(held.person, held.digest, held.rooms, ignore)

    def _keep(self, person: Person, digest: str, rooms: dict[str, Room], done: Done) -> None:
        names = tuple(room.name for room in rooms.values())
        self._journal.keep_stay(Stay(person.uid, person.nick, digest, names), done)


def replaced() -> Refused:
    """What a session is refused whose stay a later connection has."""
    return Refused("session.replaced", "Your stay goes on on another connection.")
