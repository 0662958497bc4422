"""Who is online under which nick; two nicks that differ only in case are one.

Rules:
- The name of an account is for its owner alone, online or not.
- Nobody is called like an address, so that a ban of one means it; an account of old may be.
- All sessions of an account are one person. A guest has one session.
"""

from __future__ import annotations

import itertools
import re
import secrets
from base64 import b32encode
from typing import TYPE_CHECKING

from chat_schema.errors import Refused
from chat_schema.names import RESERVED_NICKS, User, same_name
from chat_server.domain.sanctions import network_of
from chat_server.domain.voice import Voice

if TYPE_CHECKING:
    from chat_server.domain.accounts import Account, Accounts
    from chat_server.domain.meters import Meter
    from chat_server.domain.rooms import Room

GUEST_NICK = re.compile(r"guest_[0-9]+", re.IGNORECASE)
"""What a guest without a nick is called; no account has such a name."""


class Person:
    """Somebody online; `as_json` is the user object that every event about them carries.

    `held` are the digests of the tokens of their stays that have no connection at present, `block`
    is where they connected from last. `rooms` are those they are a member of, by key; Rooms keeps
    it. `voice` is their right to whisper.
    """

    __slots__ = (
        "_ignored", "account", "as_json", "block", "conversations", "held", "meter", "nick",
        "rooms", "uid", "voice",
    )  # fmt: skip

    def __init__(self, uid: str, nick: str, account: Account | None = None) -> None:
        self.uid = uid
        self.account = account
        self.conversations: set[str] = set() if account is None else account.conversations
        self.held: set[str] = set()
        self.block: str | None = None
        self.rooms: dict[str, Room] = {}
        self.voice = Voice()
        self.meter: Meter | None = None
        self._ignored: dict[str, str] = {}
        self.rename(nick)

    def rename(self, nick: str) -> None:
        """Take another nick; People.rename claims it first."""
        self.nick = nick
        sign = ',"registered":true' if self.registered else ""
        # all is ASCII without anything to escape; a test compares this with the model's bytes
        self.as_json = f'{{"uid":"{self.uid}","nick":"{nick}"{sign}}}'

    def adopt(self, account: Account) -> None:
        """Be the person of this new account of the same uid."""
        account.conversations |= self.conversations
        account.ignored |= self._ignored
        self.account = account
        self.conversations = account.conversations
        self.rename(self.nick)

    @property
    def lasting_name(self) -> str:
        """What stays of them when they go: the account, or where they were."""
        return self.account.uid if self.account is not None else self.block or ""

    @property
    def registered(self) -> bool:
        """Whether the nick is the name of the person's own account."""
        return self.account is not None and same_name(self.account.name) == same_name(self.nick)

    @property
    def ignored(self) -> dict[str, str]:
        """From whom this person takes nothing, nicks by uid; kept with the account."""
        return self._ignored if self.account is None else self.account.ignored

    @property
    def user(self) -> User:
        """This person as others see them."""
        return User(uid=self.uid, nick=self.nick, registered=self.registered or None)


class People:
    """Everyone online, by nick, by uid, and by the digests of their tokens."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._by_nick: dict[str, Person] = {}
        self._by_uid: dict[str, Person] = {}
        self._by_digest: dict[str, Person] = {}
        self._guest_numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._by_nick)

    def arrive(self, uid: str, nick: str | None, account: Account | None = None) -> Person:
        """Let somebody in under `nick`, or as a guest; raise Refused where they cannot have it."""
        chosen = self._guest_nick() if nick is None else nick
        self._require_free(chosen, None, account)
        person = self._by_nick[same_name(chosen)] = Person(uid, chosen, account)
        self._by_uid[uid] = person
        return person

    def rename(self, person: Person, nick: str) -> str:
        """Give `person` another nick and return the old one; raise Refused where it is not free."""
        self._require_free(nick, person, person.account)
        old = person.nick
        del self._by_nick[same_name(old)]
        person.rename(nick)
        self._by_nick[same_name(nick)] = person
        return old

    def depart(self, person: Person) -> None:
        """Let somebody go; their nick is free at once."""
        del self._by_nick[same_name(person.nick)]
        del self._by_uid[person.uid]

    def remember(self, digest: str, person: Person) -> None:
        """Have the token of this digest bring back `person`."""
        self._by_digest[digest] = person

    def forget(self, digest: str) -> None:
        """Have the token of this digest bring back nobody."""
        self._by_digest.pop(digest, None)

    def returning(self, digest: str) -> Person | None:
        """The person whose stay the token of this digest resumes."""
        return self._by_digest.get(digest)

    def find(self, nick: str) -> Person | None:
        """The person online under `nick` in any case."""
        return self._by_nick.get(same_name(nick))

    def by_uid(self, uid: str) -> Person | None:
        """The person online with this uid."""
        return self._by_uid.get(uid)

    def all(self) -> list[Person]:
        """Everyone, in no order."""
        return list(self._by_nick.values())

    def _guest_nick(self) -> str:
        while True:
            nick = f"guest_{next(self._guest_numbers)}"
            if nick not in self._by_nick:
                return nick

    def _require_free(self, nick: str, person: Person | None, account: Account | None) -> None:
        if same_name(nick) in RESERVED_NICKS:
            raise Refused("nick.reserved", f"Nobody gets the nick {nick}.", field="nick")
        owner = self._accounts.by_name(nick)
        if owner is None and network_of(nick) is not None:
            raise Refused("nick.reserved", f"The nick {nick} looks like an address.", field="nick")
        if owner is not None and owner is not account:
            message = f"The nick {nick} belongs to an account: log in to have it."
            raise Refused("nick.reserved", message, field="nick")
        holder = self._by_nick.get(same_name(nick))
        if holder is not None and holder is not person:
            raise Refused("nick.taken", f"The nick {nick} is taken by {holder.nick}.", field="nick")


def new_uid() -> str:
    """A uid that nobody has had: 56 random bits, so that a million guests do not meet."""
    return "u" + b32encode(secrets.token_bytes(7)).decode().rstrip("=").lower()
