"""Rooms and who is in them; a room is created by the first to join and keeps its first spelling."""

from __future__ import annotations

from chat_schema.errors import Refused
from chat_schema.limits import SLOW_SECONDS
from chat_schema.names import same_name
from chat_server.domain.moderation import Policy
from chat_server.domain.people import Person
from chat_server.domain.voice import Voice

SPOKE = 10_000
"""Speakers whose last moment a room remembers; the longest silent go first."""


class Room:
    """One room; `key` is its name as compared, `policy` who may do what in it.

    `voices` are its members' rights to speak, by uid; `spoke` is when somebody last did, where slow
    mode asks. While not `guarded`, nothing but being a member is needed to speak.
    """

    __slots__ = ("guarded", "key", "members", "name", "policy", "spoke", "topic", "voices")

    def __init__(self, name: str) -> None:
        self.key = same_name(name)
        self.name = name
        self.topic = ""
        self.policy = Policy()
        self.guarded = False
        self.members: dict[str, Person] = {}
        self.voices: dict[str, Voice] = {}
        self.spoke: dict[str, float] = {}

    def note_spoke(self, uid: str, now: float) -> None:
        """Remember when somebody spoke, whether they leave or not, while slow mode asks for it."""
        self.spoke.pop(uid, None)
        self.spoke[uid] = now
        while len(self.spoke) > SPOKE or now - next(iter(self.spoke.values())) > SLOW_SECONDS:
            del self.spoke[next(iter(self.spoke))]

    def govern(self, policy: Policy) -> None:
        """Have `policy`, which may have changed, decide from now on."""
        self.policy = policy
        self.guarded = policy.guarded


class Rooms:
    """Every room there is, at most `limit`; the one empty longest gives way to a new one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rooms: dict[str, Room] = {}
        self._empty: dict[str, None] = {}

    def find(self, name: str) -> Room | None:
        """The room called `name` in any case."""
        return self._rooms.get(same_name(name))

    def all(self) -> list[Room]:
        """Every room, in no order."""
        return list(self._rooms.values())

    def open(self, name: str) -> tuple[Room, str | None]:
        """Return the room, made if need be, and the key of the one that had to go for it."""
        found = self.find(name)
        if found is not None:
            return found, None
        evicted = self._make_space()
        room = Room(name)
        self._rooms[room.key] = room
        self._empty[room.key] = None
        return room, evicted

    def enter(self, room: Room, person: Person) -> bool:
        """Put `person` into the room; False where they were in it already."""
        if person.uid in room.members:
            return False
        room.members[person.uid] = person
        room.voices[person.uid] = Voice()
        person.rooms[room.key] = room
        self._empty.pop(room.key, None)
        return True

    def leave(self, room: Room, person: Person) -> bool:
        """Take `person` out of the room; False where they were not in it."""
        if room.members.pop(person.uid, None) is None:
            return False
        del person.rooms[room.key]
        del room.voices[person.uid]
        if not room.members:
            room.spoke.clear()
            self._empty[room.key] = None
        return True

    def drop(self, room: Room) -> None:
        """Let an empty room cease to exist."""
        del self._rooms[room.key]
        self._empty.pop(room.key, None)

    def _make_space(self) -> str | None:
        if len(self._rooms) < self._limit:
            return None
        oldest = next(iter(self._empty), None)
        if oldest is None:
            raise Refused("server.busy", f"The server has {self._limit} rooms, all in use.")
        self.drop(self._rooms[oldest])
        return oldest
