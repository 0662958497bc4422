"""What an earlier run has left: taken in before anybody is served.

Rules:
- On the thread that starts the server, before the loops run: nothing needs the lock.
- `take_in` comes before the journal is open, `settle` after, since it may append.
- Accounts, then policies, rooms and stays: each looks up the ones before.
- What the settings no longer allow is let go; a server with old data starts all the same.
"""

from __future__ import annotations

from contextlib import suppress

from pydantic_core import from_json

from chat_schema.errors import Refused
from chat_server.domain.accounts import Account, Accounts
from chat_server.domain.moderation import Applicant, Policy
from chat_server.domain.people import People, Person
from chat_server.domain.rooms import Room, Rooms
from chat_server.journal.base import Journal, Stay
from chat_server.room_book import RoomBook
from chat_server.seats import Held, Seats


class Restoration:
    """Fills the parts of a hub with what the journal kept for them."""

    def __init__(
        self,
        journal: Journal,
        accounts: Accounts,
        people: People,
        rooms: Rooms,
        room_book: RoomBook,
        seats: Seats,
    ) -> None:
        self._journal = journal
        self._accounts = accounts
        self._people = people
        self._rooms = rooms
        self._room_book = room_book
        self._seats = seats

    def take_in(self, now: float) -> list[Held]:
        """Have everything exist again as of `now`, since 1970; return the stays, now held."""
        self._restore_records()
        for known in self._journal.rooms():
            self._room_book.open(known.name)
        return [held for stay in self._journal.stays() if (held := self._restore(stay, now))]

    def settle(self, stamp: str) -> None:
        """End the offices of guests who did not outlive the earlier run."""
        for key, policy in list(self._room_book.policies.items()):
            room = self._rooms.find(key) or Room(key)
            room.govern(policy)
            for uid in policy.guests:
                if uid not in room.members:
                    self._room_book.disown(room, uid, stamp)
        for room in self._rooms.all():
            if not room.policy.owners and room.members:
                heir = next(iter(room.members.values()))  # from a database without offices
                self._room_book.own(room, heir)

    def _restore_records(self) -> None:
        for _, body in self._journal.records("account"):
            self._accounts.add(Account.from_record(from_json(body)))
        for key, body in self._journal.records("policy"):
            self._room_book.take_in(key, Policy.from_record(from_json(body)))

    def _restore(self, stay: Stay, now: float) -> Held | None:
        """Hold the stay; None where its nick is taken, by one kept later under the same."""
        try:
            account = self._accounts.by_uid(stay.uid)
            online = self._people.by_uid(stay.uid)
            person = online or self._people.arrive(stay.uid, stay.nick, account)
        except Refused:
            self._journal.drop_stay(stay.digest)
            return None
        return self._seats.restore(person, stay.digest, self._enter(person, stay.rooms, now))

    def _enter(self, person: Person, names: tuple[str, ...], now: float) -> dict[str, Room]:
        """Put somebody into rooms they were in, as far as they are allowed now, by key.

        A ban is stored before the stay without the room is: a kill in between leaves both.
        """
        rooms: dict[str, Room] = {}
        since = person.account.created if person.account is not None else None
        applicant = Applicant(person.uid, person.nick, since, "")
        for name in names:
            with suppress(Refused):  # fewer rooms are allowed now
                room = self._room_book.open(name)
                if room.policy.bans.against(applicant, now) is None:
                    self._rooms.enter(room, person)
                    rooms[room.key] = room
        return rooms
