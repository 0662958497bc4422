"""Who may do what: accounts, ranks, the policies of rooms and of the server, and their force.

Rules:
- What is here is guarded by `_lock`, the hub's own, which is held for microseconds; nothing is
  called out of the domain, the journal and the loops while holding it.
- A policy is changed in memory first and stored then, in the journal's order: an act that could not
  be stored is in force until the server ends.
- `_records` orders what is stored of accounts. It is taken without `_lock`, and that may be within.
- Handlers call from their own loop's thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json, to_json

from chat_schema.errors import Refused
from chat_schema.moderation_replies import Officer
from chat_schema.names import EVERYONE, User, same_name
from chat_server import composition
from chat_server.delivery import Delivery
from chat_server.domain.accounts import Account, Accounts
from chat_server.domain.addresses import block_of
from chat_server.domain.moderation import Applicant, Policy
from chat_server.domain.people import People, Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room, Rooms
from chat_server.domain.voice import Voice
from chat_server.journal.base import Done, Entry, Journal, JournalFull

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.net.loop import Loop

T = TypeVar("T")

SERVER_RANKS = {"admin": Rank.ADMIN, "moderator": Rank.MODERATOR}
"""What the role of an account is worth; that of a moderator only within a room."""

log = logging.getLogger("chat_server")


class Governance:
    """The part of the hub that decides; see hub.py for the part that moves people."""

    def __init__(self, journal: Journal, rooms: Rooms, ownerless: Iterable[str] = ()) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._records = threading.Lock()
        self.accounts = Accounts()
        self._people = People(self.accounts)
        self._rooms = rooms
        self._ownerless = frozenset(map(same_name, ownerless))
        self._policies: dict[str, Policy] = {}
        self._closing = False
        self.policy = Policy()
        self._sessions: dict[str, tuple[Session, ...]] = {}
        self._delivery = Delivery(self._sessions, self._begin, self._set_topic)

    def close(self) -> None:
        """Have no office pass on any more: from here on people leave because the server stops."""
        self._closing = True

    # Who there is

    def find(self, nick: str) -> Person | Account | None:
        """The person online under `nick`, else the account of that name: where it is, or itself."""
        with self._lock:
            person = self._people.find(nick)
            if person is not None:
                return person
            account = self.accounts.by_name(nick)
            return account and (self._people.by_uid(account.uid) or account)

    def user(self, uid: str) -> User | None:
        """Whoever has this uid, as others see them, online or an account; None where nobody has."""
        with self._lock:
            person = self._people.by_uid(uid)
            account = self.accounts.by_uid(uid)
        if person is not None:
            return person.user
        return User(uid=uid, nick=account.name, registered=True) if account is not None else None

    def sessions(self, uid: str) -> tuple[Session, ...]:
        """The sessions of a person; none where they are not connected."""
        return self._sessions.get(uid, ())

    def all_sessions(self) -> list[Session]:
        """Every session that is welcome, in the order of connecting."""
        with self._lock:
            sessions = [session for several in self._sessions.values() for session in several]
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
            self._keep_policy(room)
        return outcome

    def require_speech(self, session: Session, room: Room | None, now: float) -> None:
        """Raise Refused where a policy forbids the session to speak in the room, or to whisper."""
        with self._lock:
            applicant = self.applicant(session)
            rank = self.rank(session)
            refused = self.policy.refuse_speech(applicant, rank, now, None)
            if refused is not None:
                raise on_server(refused)
            if room is not None:
                rank = self.rank(session, room)
                last = room.spoke.get(applicant.uid)
                refused = room.policy.refuse_speech(applicant, rank, now, last)
                room.guarded = room.policy.guarded  # the last mute may be over
                if refused is None:
                    room.spoke[applicant.uid] = now
        if refused is not None:
            raise refused

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
        with self._lock:
            if self.accounts.by_name(account.name) is not None:
                raise Refused("nick.reserved", "This nick belongs to another account.")
            self.accounts.add(account)

        def stored(refused: Refused | None) -> None:
            if refused is not None:
                with self._lock:
                    self.accounts.remove(account)
            done(refused)

        self.keep_account(account, stored)

    def keep_account(self, account: Account, done: Done) -> None:
        """Have an account stored as it is now.

        Raises Refused (`session.revoked`) where it has ceased to exist: nothing brings it back.
        """
        with self._records:  # what is stored last is what was changed last
            if self.accounts.by_uid(account.uid) is not account:
                raise Refused("session.revoked", "The account was removed.")
            body = to_json(account.as_record()).decode()
            self._journal.keep_record("account", account.uid, body, done)

    def remove_account(self, account: Account, stamp: str, done: Done) -> None:
        """Let an account cease to exist, and its offices pass on; its sessions are not touched."""
        with self._lock:
            self.accounts.remove(account)
            for key, policy in list(self._policies.items()):
                if policy.rank(account.uid) > Rank.GUEST:
                    self._pass_on(key, policy, account.uid, stamp)
        with self._records:
            self._journal.keep_record("account", account.uid, None, done)

    def adopt(self, person: Person, account: Account, witness: Session) -> None:
        """Make a guest the person of the account with the same uid; `witness` is told in any case.

        That session may have ended since it asked.
        """
        with self._lock:
            person.adopt(account)
            for room in person.rooms.values():
                room.policy.register(person.uid, person.nick)
                self._keep_policy(room)
            stamp = witness.connection.loop.stamp
            body = composition.renamed(person, person.nick, stamp)
            witnesses = {witness, *self.sessions(person.uid)}
            self._delivery.announce_once(tuple(person.rooms), witnesses, body)

    def _restore_governance(self) -> None:
        """Take in what an earlier run has kept."""
        for _, body in self._journal.records("account"):
            self.accounts.add(Account.from_record(from_json(body)))
        for key, body in self._journal.records("policy"):
            self._policies[key] = Policy.from_record(from_json(body))
        self.policy = self._policies.get(EVERYONE, self.policy)

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
                    self._people.forget(digest)
                    self._journal.drop_stay(digest)
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

    def _keep_policy(self, room: Room | None) -> None:
        """Have a policy that was changed decide from now on, and stored where it is worth it."""
        if room is None:
            self._store_policy(EVERYONE, self.policy)
        else:
            room.govern(room.policy)
            self._store_policy(room.key, room.policy)

    def _store_policy(self, key: str, policy: Policy) -> None:
        if policy.blank:
            if self._policies.pop(key, None) is not None:
                self._journal.keep_record("policy", key, None, ignore)
            return
        self._policies[key] = policy
        self._journal.keep_record("policy", key, to_json(policy.as_record()).decode(), ignore)

    def _own(self, room: Room, person: Person) -> None:
        """Give the room to somebody, where nobody has it."""
        registered = person.account is not None
        if room.key not in self._ownerless and room.policy.enter(
            person.uid, person.nick, registered=registered
        ):
            self._keep_policy(room)

    def _disown(self, room: Room, uid: str, stamp: str) -> None:
        """End the office of a guest who has left, and pass it on where it was the last owner's."""
        if self._closing or (room.members and room.policy.rank(uid) < Rank.MODERATOR):
            return
        ownerless = room.key in self._ownerless
        heir = room.policy.leave(uid, {} if ownerless else room.members)
        if not room.members and room.policy.forgettable and not ownerless:
            room.policy = Policy()
        self._keep_policy(room)
        if heir is not None:
            self.proclaim(room, room.members[heir], stamp)

    def _pass_on(self, key: str, policy: Policy, uid: str, stamp: str) -> None:
        """Have somebody hold no office in a room any more, whether it is open or not."""
        room = self._rooms.find(key)
        policy.uninvite(uid)
        heir = policy.dismiss(uid, room.members if room is not None else {})
        if room is not None:
            self._keep_policy(room)
            if heir is not None:
                self.proclaim(room, room.members[heir], stamp)
        else:
            self._store_policy(key, policy)

    def proclaim(self, room: Room, heir: Person, stamp: str) -> None:
        """Tell a room who owns it now."""
        extra = {"target": heir.user.model_dump(exclude_none=True), "role": "owner"}
        head, tail = composition.act("promote", room.name, stamp, heir, extra)
        entry = Entry(
            room.key, head, tail, ts=stamp, author=heir.uid, cid=None, origin=None, re=None,
            answer=None,
        )  # fmt: skip
        try:
            self._journal.append(entry)
        except JournalFull:
            log.warning("a room was not told of its new owner: the journal is full")

    # What an event can ask of the rooms, on any thread

    def _begin(self, key: str) -> None:
        """Have a room listed whose first message came when the last member had gone."""
        if key != EVERYONE:
            with self._lock, suppress(Refused):  # with too many rooms, who joins it has it listed
                self._open_room(key)

    def _set_topic(self, key: str, topic: str) -> None:
        """Change the topic in the order of the numbers; without the lock, see hub.py's rules."""
        room = self._rooms.find(key)
        if room is not None:
            room.topic = topic

    def _open_room(self, name: str) -> Room:
        """The room, made if need be, with what the journal knows of it."""
        found = self._rooms.find(name)
        if found is not None:
            return found
        known = self._journal.known(same_name(name))
        room, evicted = self._rooms.open(known.name if known is not None else name)
        if known is not None:
            room.topic = known.topic
        policy = self._policies.get(room.key)
        room.govern(policy or Policy())
        if evicted is not None:
            self._journal.evict(evicted)
        return room


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


def ignore(_: Refused | None) -> None:
    """Nobody waits for it: what could not be kept is known while this server runs."""
