"""Who is online under which nick; two nicks that differ only in case are one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from chat_schema.errors import Refused
from chat_schema.names import RESERVED_NICKS, User, same_name

if TYPE_CHECKING:
    from chat_server.domain.rooms import Room


class Person:
    """Somebody online; `as_json` is the user object that every event about them carries.

    `digest` is that of the token by which the stay can be resumed, None where it cannot. `rooms`
    are those they are a member of, by key; Rooms keeps it.
    """

    __slots__ = ("as_json", "conversations", "digest", "nick", "rooms", "uid")

    def __init__(self, uid: str, nick: str, digest: str | None = None) -> None:
        self.uid = uid
        self.digest = digest
        self.conversations: set[str] = set()
        self.rooms: dict[str, Room] = {}
        self.rename(nick)

    def rename(self, nick: str) -> None:
        """Take another nick; People.rename claims it first."""
        self.nick = nick
        # both are ASCII without anything to escape; a test compares this with the model's bytes
        self.as_json = f'{{"uid":"{self.uid}","nick":"{nick}"}}'

    @property
    def user(self) -> User:
        """This person as others see them."""
        return User(uid=self.uid, nick=self.nick)


class People:
    """Everyone online, by nick and by uid."""

    def __init__(self) -> None:
        self._by_nick: dict[str, Person] = {}
        self._by_digest: dict[str, Person] = {}
        self._guest_numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._by_nick)

    def arrive(self, uid: str, nick: str | None, digest: str | None = None) -> Person:
        """Let somebody in under `nick`, or as a guest; raise Refused where they cannot have it."""
        chosen = self._guest_nick() if nick is None else nick
        self._require_free(chosen)
        person = self._by_nick[same_name(chosen)] = Person(uid, chosen, digest)
        if digest is not None:
            self._by_digest[digest] = person
        return person

    def rename(self, person: Person, nick: str) -> str:
        """Give `person` another nick and return the old one; raise Refused where it is not free."""
        self._require_free(nick, person)
        old = person.nick
        del self._by_nick[same_name(old)]
        person.rename(nick)
        self._by_nick[same_name(nick)] = person
        return old

    def depart(self, person: Person) -> None:
        """Let somebody go; their nick is free at once."""
        del self._by_nick[same_name(person.nick)]
        if person.digest is not None:
            del self._by_digest[person.digest]

    def returning(self, digest: str) -> Person | None:
        """The person whose stay the token of this digest resumes."""
        return self._by_digest.get(digest)

    def find(self, nick: str) -> Person | None:
        """The person online under `nick` in any case."""
        return self._by_nick.get(same_name(nick))

    def all(self) -> list[Person]:
        """Everyone, in no order."""
        return list(self._by_nick.values())

    def _guest_nick(self) -> str:
        while True:
            nick = f"guest_{next(self._guest_numbers)}"
            if nick not in self._by_nick:
                return nick

    def _require_free(self, nick: str, person: Person | None = None) -> None:
        if same_name(nick) in RESERVED_NICKS:
            raise Refused("nick.reserved", f"Nobody gets the nick {nick}.", field="nick")
        holder = self._by_nick.get(same_name(nick))
        if holder is not None and holder is not person:
            raise Refused("nick.taken", f"The nick {nick} is taken by {holder.nick}.", field="nick")
