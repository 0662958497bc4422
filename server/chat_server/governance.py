"""Who there is and who may do what: ranks, the force of policies and of what is withdrawn.

Rules:
- What is here, and in the parts that are made here, is guarded by `_lock`, which is the hub's own
  and held for microseconds; nothing but the domain, the journal and the loops is called under it.
- Handlers call from their own loop's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from chat_schema.errors import Refused
from chat_schema.moderation_replies import Officer
from chat_schema.names import EVERYONE, User, same_name
from chat_server import composition
from chat_server.account_book import AccountBook
from chat_server.delivery import Delivery
from chat_server.domain.accounts import Account, Accounts
from chat_server.domain.addresses import Stays, block_of
from chat_server.domain.meters import UsedMeters
from chat_server.domain.moderation import Applicant, Policy
from chat_server.domain.ownership import Ownership
from chat_server.domain.people import People, Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room, Rooms
from chat_server.domain.voice import Voice
from chat_server.journal.base import Done, Journal
from chat_server.room_book import RoomBook
from chat_server.seats import Seats

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.net.loop import Loop

T = TypeVar("T")

SERVER_RANKS = {"admin": Rank.ADMIN, "moderator": Rank.MODERATOR}
"""What the role of an account is worth; that of a moderator only within a room."""


class Governance:
    """The part of the hub that decides; see hub.py for the part that moves people.

    While not `guarded`, no policy of the server's keeps anybody from speaking.
    """

    def __init__(
        self,
        journal: Journal,
        rooms: Rooms,
        ownerless: Iterable[str] = (),
        stays: Stays | None = None,
        ownership: Ownership | None = None,
    ) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self.accounts = Accounts()
        self._people = People(self.accounts)
        self._rooms = rooms
        self._seats = Seats(journal, self._people, stays or Stays(None))
        self._room_book = RoomBook(journal, rooms, ownerless, ownership or Ownership(None))
        self.guarded = False
        self.used_meters = UsedMeters()
        self._account_book = AccountBook(journal, self.accounts, self._lock)
        self._delivery = Delivery(self._seats.sessions, self._begin, self._room_book.set_topic)

    def close(self) -> None:
        """Have no office pass on any more: from here on people leave because the server stops."""
        self._room_book.close()

    @property
    def policy(self) -> Policy:
        """The server's own policy."""
        return self._room_book.policy

    # Who there is

    def find(self, nick: str) -> Person | Account | None:
        """The person online under `nick`, else the account of that name: where it is, or itself."""
        with self._lock:
            person = self._people.find(nick)
            if person is not None:
                return person
            account = self.accounts.by_name(nick)
            return account and (self._people.by_uid(account.uid) or account)

    def addressee(self, nick: str) -> Person:
        """Whom a whisper reaches: somebody online, or an account; raise Refused where nobody is."""
        found = self.find(nick)
        if found is None:
            raise Refused("user.offline", f"Nobody called {nick} is online.", field="to")
        return found if isinstance(found, Person) else Person(found.uid, found.name, found)

    def everyone(self) -> list[Person]:
        """Everyone online, in no order."""
        with self._lock:
            return self._people.all()

    def user(self, uid: str) -> User | None:
        """Whoever has this uid, as others see them, online or an account; None where nobody has."""
        with self._lock:
            return self._user(uid)

    def sessions(self, uid: str) -> tuple[Session, ...]:
        """The sessions of a person; none where they are not connected."""
        return self._seats.of(uid)

    def all_sessions(self) -> list[Session]:
        """Every session that is welcome, in the order of connecting."""
        with self._lock:
            sessions = [session for several in self._seats.sessions.values() for session in several]
        return sorted(sessions, key=lambda session: session.number)

    def room_of(self, session: Session, name: str) -> Room:
        """The room of this name that the session is in, or, for administrators, that there is.

        Raises Refused where there is none; of others' rooms nobody else is told even that.
        """
        if same_name(name) in session.rooms or self.rank(session) < Rank.ADMIN:
            return session.room(name)
        room = self.room(name)
        if room is None:
            raise Refused("room.not_member", f"There is no room called {name}.", field="room")
        return room

    def officers(self, room: Room) -> list[Officer]:
        """Who looks after a room: owners first, those who are not here among them."""
        with self._lock:
            owners = [self._user(uid) for uid in room.policy.owners]
            moderators = [self._user(uid) for uid in room.policy.moderators]
        found = [Officer(user=user, role="owner") for user in owners if user is not None]
        return found + [Officer(user=user, role="moderator") for user in moderators if user]

    def last_block(self, uid: str) -> str | None:
        """The block somebody online connected from last; None where this server has not seen it."""
        person = self._people.by_uid(uid)
        return person.block if person is not None else None

    def room(self, name: str) -> Room | None:
        """The room called `name`, whoever is in it."""
        with self._lock:
            return self._rooms.find(name)

    def members(self, room: Room) -> list[Person]:
        """Who is in the room, in the order of joining."""
        with self._lock:
            return list(room.members.values())

    def rooms(self) -> list[tuple[str, str, int]]:
        """Name, topic and member count of every room, in no order."""
        with self._lock:
            rooms = self._rooms.all()
        return [(room.name, room.topic, len(room.members)) for room in rooms]

    # Ranks

    def rank(self, session: Session, room: Room | None = None) -> Rank:
        """What this session may do, on the server or in a room."""
        if session.operator is not None:
            return Rank.OPERATOR
        if session.elevated:
            return Rank.ADMIN
        if session.person is None:
            return Rank.STRANGER
        return self._rank(session.person.uid, room)

    def rank_of(self, uid: str, room: Room | None = None) -> Rank:
        """The highest rank somebody has in any session, online or not."""
        if any(session.elevated for session in self.sessions(uid)):
            return Rank.ADMIN
        return self._rank(uid, room)

    def _rank(self, uid: str, room: Room | None) -> Rank:
        account = self.accounts.by_uid(uid)
        rank = Rank.GUEST if account is None else Rank.ACCOUNT
        role = SERVER_RANKS.get(account.role, rank) if account is not None else rank
        if room is None:
            return role if role is Rank.ADMIN else rank
        return max(rank, role, room.policy.rank(uid))

    def applicant(self, session: Session) -> Applicant:
        """Who this is in the eyes of a policy."""
        account = session.known.account
        return Applicant(
            session.known.uid,
            session.known.nick,
            account.created if account is not None else None,
            block_of(session.connection.address),
        )

    # Policies

    def govern(self, room: Room | None, change: Callable[[Policy], T]) -> T:
        """Change the policy of a room, or of the server, have it stored, and return the outcome."""
        with self._lock:
            policy = self.policy if room is None else room.policy
            outcome = change(policy)
            self._room_book.keep(room)
            self.guarded = self.policy.guarded
        return outcome

    def when_kept(self, done: Done) -> None:
        """Have `done` told when what was changed of the server's policy until now is stored."""
        with self._lock:
            self._room_book.keep(None, done)

    def require_speech(self, session: Session, room: Room | None, now: float) -> None:
        """Raise Refused where a policy forbids the session to speak in the room, or to whisper."""
        with self._lock:
            applicant = self.applicant(session)
            rank = self.rank(session)
            refused = self.policy.refuse_speech(applicant, rank, now, None)
            self.guarded = self.policy.guarded  # the last mute may be over
            if refused is not None:
                raise on_server(refused)
            if room is not None:
                rank = self.rank(session, room)
                last = room.spoke.get(applicant.uid)
                refused = room.policy.refuse_speech(applicant, rank, now, last)
                room.guarded = room.policy.guarded  # the last mute may be over
                if refused is None:
                    room.note_spoke(applicant.uid, now)
        if refused is not None:
            raise refused

    def proclaim(self, room: Room, heir: Person, stamp: str) -> None:
        """Tell a room who owns it now."""
        self._room_book.proclaim(room, heir, stamp)

    def withdraw(self, uid: str, room: Room | None, refused: Refused) -> None:
        """Have all that somebody says there, or anywhere, refused, what is on its way too.

        Until `permit`, or until they have left the room and entered it again.
        """
        with self._lock:
            person = self._people.by_uid(uid)
            for voice in self._voices(person, room):
                voice.refused = refused

    def permit(self, uid: str, room: Room | None) -> None:
        """Let somebody say more there, or anywhere, once `withdraw` has had its effect."""
        with self._lock:
            person = self._people.by_uid(uid)
            if person is None:
                return
            for place in [room] if room is not None else person.rooms.values():
                if uid in place.voices:
                    place.voices[uid] = Voice()
            if room is None:
                person.voice = Voice()

    @staticmethod
    def _voices(person: Person | None, room: Room | None) -> list[Voice]:
        if person is None:
            return []
        if room is not None:
            return [room.voices[person.uid]] if person.uid in room.voices else []
        return [place.voices[person.uid] for place in person.rooms.values()] + [person.voice]

    # Accounts

    def add_account(self, account: Account, done: Done) -> None:
        """Have an account exist, and stored; one that cannot be stored ceases to exist.

        Raises Refused (`nick.reserved`) where another account has the name.
        """
        self._account_book.add(account, done)

    def keep_account(self, account: Account, done: Done) -> None:
        """Have an account stored as it is now.

        Raises Refused (`session.revoked`) where it has ceased to exist: nothing brings it back.
        """
        self._account_book.keep(account, done)

    def remove_account(self, account: Account, stamp: str, done: Done) -> None:
        """Let an account cease to exist, and its offices pass on; its sessions are not touched."""
        with self._lock:
            self.accounts.remove(account)
            self._room_book.dismiss(account.uid, stamp)
        self._account_book.erase(account, done)

    def adopt(self, person: Person, account: Account, witness: Session) -> None:
        """Make a guest the person of the account with the same uid; `witness` is told in any case.

        That session may have ended since it asked.
        """
        with self._lock:
            person.adopt(account)
            for room in person.rooms.values():
                room.policy.register(person.uid, person.nick)
                self._room_book.keep(room)
            stamp = witness.connection.loop.stamp
            body = composition.renamed(person, person.nick, stamp)
            witnesses = {witness, *self.sessions(person.uid)}
            self._delivery.announce_once(tuple(person.rooms), witnesses, body)

    # Telling and ending

    def tell(self, uid: str, frame: bytes, outside: str = "") -> None:
        """Send a whole frame to all sessions of a person, those in the room `outside` left out."""
        for session in self.sessions(uid):
            session.connection.loop.post((_send, session, frame, outside))

    def dismiss(self, sessions: Iterable[Session], refused: Refused) -> None:
        """End sessions with an error and `bye`; from now on no token brings their stays back."""
        for session in sessions:
            with self._lock:
                digest, session.digest = session.digest, None
                if digest is not None:
                    self._seats.forget(digest)
            session.connection.loop.post((_end, session, refused))

    # Under the lock

    def _user(self, uid: str) -> User | None:
        """Somebody online, or the owner of an account, as others see them."""
        person = self._people.by_uid(uid)
        if person is not None:
            return person.user
        account = self.accounts.by_uid(uid)
        return User(uid=uid, nick=account.name, registered=True) if account is not None else None

    def _admit(self, session: Session, account: Account | None, nick: str) -> None:
        """Refuse whom the server does not let in."""
        wall = session.connection.loop.wall
        applicant = Applicant(
            account.uid if account is not None else "",
            nick,
            account.created if account is not None else None,
            block_of(session.connection.address),
        )
        role = SERVER_RANKS.get(account.role, Rank.ACCOUNT) if account else Rank.GUEST
        refused = self.policy.refuse_entry(applicant, None, wall, staff=role >= Rank.MODERATOR)
        if refused is not None:
            raise on_server(refused)
        if self.policy.lockdown == "accounts" and account is None:
            raise Refused("server.locked", "Only people with an account are let in at present.")
        if self.policy.lockdown == "moderators" and role < Rank.MODERATOR:
            raise Refused("server.locked", "Only moderators are let in at present.")

    def _require_entry(self, session: Session, room: Room, password: str | None) -> None:
        """Refuse whom the room does not let in; who is in it already is."""
        if session.known.uid in room.members:
            return
        applicant = self.applicant(session)
        wall = session.connection.loop.wall
        staff = self.rank(session, room) >= Rank.MODERATOR
        refused = room.policy.refuse_entry(applicant, password, wall, staff=staff)
        if refused is not None:
            raise refused

    # What an event can ask, on any thread

    def _begin(self, key: str) -> None:
        """Have a room listed whose first message came when the last member had gone."""
        if key != EVERYONE:
            with self._lock, suppress(Refused):  # with too many rooms, who joins it has it listed
                self._room_book.open(key)


def on_server(refused: Refused) -> Refused:
    """What a ban or a mute of the whole server says; one of a room says the same of the room."""
    return Refused(
        refused.code.replace("room.", "server."),
        refused.message.replace("the room", "the server").replace("in the server", "on the server"),
        retry_after=refused.retry_after,
    )


def _send(loop: Loop, item: tuple[Any, Session, bytes, str]) -> None:
    _, session, frame, outside = item
    if outside not in session.connection.audiences:
        session.connection.send(frame)


def _end(loop: Loop, item: tuple[Any, Session, Refused]) -> None:
    """End a session on its own loop; not here, where one of its requests may be under way."""
    _, session, refused = item
    loop.call_at(loop.now, lambda _: session.end(refused))
