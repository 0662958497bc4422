"""Rooms with what is kept of them: topics, policies, and offices that pass on.

Rules:
- The caller holds the hub's lock; only `set_topic` runs without it, under the journal's, which is
  taken after it.
- A policy is changed in memory first and stored then, in the journal's order: an act that could not
  be stored is in force until the server ends.
- A policy of which nothing is worth keeping is not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pydantic_core import to_json

from chat_schema.names import EVERYONE, same_name
from chat_server import composition
from chat_server.domain.moderation import Policy
from chat_server.domain.ownership import Ownership
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room, Rooms
from chat_server.journal.base import Done, Entry, Journal, JournalFull, ignore

log = logging.getLogger("chat_server")


class RoomBook:
    """What the rooms are and who looks after them; `policy` is the server's own.

    `policies` are those of rooms that are kept, by the key of the room, open or not. In rooms
    that are `ownerless`, who comes first gets no office.
    """

    def __init__(
        self, journal: Journal, rooms: Rooms, ownerless: Iterable[str], ownership: Ownership
    ) -> None:
        self._ownership = ownership
        self._journal = journal
        self._rooms = rooms
        self._ownerless = frozenset(map(same_name, ownerless))
        self._closing = False
        self.policy = Policy()
        self.policies: dict[str, Policy] = {}

    def close(self) -> None:
        """Have no office pass on any more: from here on people leave because the server stops."""
        self._closing = True

    def take_in(self, key: str, policy: Policy) -> None:
        """Have a policy that an earlier run has kept decide again."""
        if key == EVERYONE:
            self.policy = policy
            return
        self.policies[key] = policy
        policy.ownerless = key in self._ownerless
        self._ownership.count(key, policy)

    # Rooms

    def open(self, name: str) -> Room:
        """The room, made if need be, with what the journal knows of it; may raise Refused."""
        found = self._rooms.find(name)
        if found is not None:
            return found
        known = self._journal.known(same_name(name))
        room, evicted = self._rooms.open(known.name if known is not None else name)
        if known is not None:
            room.topic = known.topic
        room.govern(self.policies.get(room.key) or Policy())
        room.policy.ownerless = room.key in self._ownerless
        if evicted is not None:
            self._journal.evict(evicted)
        return room

    def drop_if_void(self, room: Room) -> None:
        """Let a room go that has neither members nor history nor an owner."""
        exists = self._rooms.find(room.key) is room
        empty = not room.members and room.policy.blank
        if exists and empty and self._journal.position(room.key).head == 0:
            self._rooms.drop(room)
            self._journal.evict(room.key)

    def set_topic(self, key: str, topic: str) -> None:
        """Change the topic in the order of the numbers: under the journal's lock, on any thread."""
        room = self._rooms.find(key)
        if room is not None:
            room.topic = topic

    # Policies

    def keep(self, room: Room | None, done: Done = ignore) -> None:
        """Have a policy that was changed decide from now on, and stored where it is worth it.

        None is the server's; `done` is told when that is stored.
        """
        if room is None:
            body = to_json(self.policy.as_record()).decode()
            self._journal.keep_record("policy", EVERYONE, body, done)
        else:
            room.govern(room.policy)
            self._store(room.key, room.policy)

    def _store(self, key: str, policy: Policy) -> None:
        self._ownership.settle(key, policy)
        if policy.blank:
            if self.policies.pop(key, None) is not None:
                self._journal.keep_record("policy", key, None, ignore)
            return
        self.policies[key] = policy
        self._journal.keep_record("policy", key, to_json(policy.as_record()).decode(), ignore)

    # Offices

    def own(self, room: Room, person: Person) -> None:
        """Give the room to somebody, where nobody has it."""
        if room.policy.enter(person.uid, person.nick, registered=person.account is not None):
            self.keep(room)

    def disown(self, room: Room, uid: str, stamp: str) -> None:
        """End the office of a guest who has left, and pass it on where it was the last owner's."""
        if self._closing or (room.members and room.policy.rank(uid) < Rank.MODERATOR):
            return
        heir = room.policy.leave(uid, room.members)
        if not room.members and room.policy.forgettable:
            room.policy = Policy()
        self.keep(room)
        if heir is not None:
            self.proclaim(room, room.members[heir], stamp)

    def dismiss(self, uid: str, stamp: str) -> None:
        """Have somebody hold no office in any room any more, whether it is open or not."""
        for key, policy in list(self.policies.items()):
            if policy.rank(uid) > Rank.GUEST:
                self._pass_on(key, policy, uid, stamp)

    def _pass_on(self, key: str, policy: Policy, uid: str, stamp: str) -> None:
        room = self._rooms.find(key)
        policy.uninvite(uid)
        heir = policy.dismiss(uid, room.members if room is not None else {})
        if room is not None:
            self.keep(room)
            if heir is not None:
                self.proclaim(room, room.members[heir], stamp)
        else:
            self._store(key, policy)

    def proclaim(self, room: Room, heir: Person, stamp: str) -> None:
        """Tell a room who owns it now; without the lock too."""
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
