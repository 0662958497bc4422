"""Whispered conversations: remembered while there is anybody who may read them.

Rules:
- The caller holds the hub's lock.
- A conversation of two guests who are both gone can never be read again.
"""

from __future__ import annotations

from chat_schema.names import conversation_of, uids_of
from chat_server.domain.accounts import Account, Accounts
from chat_server.domain.people import People, Person
from chat_server.journal.base import Journal


class Conversations:
    """Knows whose each conversation is, and has the journal forget those that are nobody's."""

    def __init__(self, journal: Journal, people: People, accounts: Accounts) -> None:
        self._journal = journal
        self._people = people
        self._accounts = accounts

    def begin(self, one: Person, other: Person) -> str:
        """The conversation of two people, remembered from now on if it was not."""
        room = conversation_of(one.uid, other.uid)
        one.conversations.add(room)
        other.conversations.add(room)
        return room

    def leave(self, person: Person) -> None:
        """Forget the conversations of somebody who has gone, where nobody has them any more."""
        for room in person.conversations:
            if not self._owners(room):
                self._journal.forget(room)

    def restore(self) -> None:
        """Give the conversations of an earlier run to those whose they are."""
        for room in self._journal.conversations():
            owners = self._owners(room)
            for owner in owners:
                owner.conversations.add(room)
            if not owners:
                self._journal.forget(room)

    def _owners(self, room: str) -> list[Person | Account]:
        found = [self._people.by_uid(uid) or self._accounts.by_uid(uid) for uid in uids_of(room)]
        return [owner for owner in found if owner is not None]
