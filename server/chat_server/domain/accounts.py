"""Names that belong to people: accounts, by uid and by name.

Rules:
- Two names that differ only in case are one.
- What an account knows of itself is here; who it is at the moment is in people.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chat_schema.errors import Refused
from chat_schema.limits import PASSWORD_SHORTEST
from chat_schema.moderation_replies import ServerRole
from chat_schema.names import same_name

NOBODY: Mapping[str, str] = MappingProxyType({})


class Account:
    """A name that is somebody's for good; `uid` stays, whoever logs in.

    `created` is in seconds since 1970. `hash` is that of the password in the PHC string format, and
    `key` a public key in base64url; either is "" where there is none. `role` is "user", "moderator"
    or "admin". `ignored` are those from whom it takes nothing: their nicks, by uid. `block` is
    from where it was last logged in to, as `addresses.block_of` gives it, None where unknown.

    Three things are not in the record: `conversations`, its whispers, which the journal knows;
    `revision`, which counts the passwords: one that was shown before another came is void; and
    `barred`, the numbers of sessions that were begun before a change and are about to end.
    """

    __slots__ = (
        "barred", "block", "conversations", "created", "hash", "ignored", "key", "name", "revision",
        "role", "uid",
    )  # fmt: skip

    def __init__(
        self,
        uid: str,
        name: str,
        created: float,
        hash: str,
        role: ServerRole = "user",
        key: str = "",
        ignored: Mapping[str, str] = NOBODY,
    ) -> None:
        self.uid = uid
        self.name = name
        self.created = created
        self.hash = hash
        self.role = role
        self.key = key
        self.ignored = dict(ignored)
        self.block: str | None = None
        self.conversations: set[str] = set()
        self.revision = 0
        self.barred: frozenset[int] = frozenset()

    def renew(self, *, hash: str | None = None, key: str | None = None) -> None:
        """Take another password or key; whoever is about to log in by the old one is refused.

        Another key voids no password that was shown: else whoever goes on changing it could keep
        its owner from logging in, and from changing the password.
        """
        self.key = self.key if key is None else key
        if hash is not None:
            self.hash = hash
            self.revision += 1

    def as_record(self) -> dict[str, Any]:
        """What is kept of it, as JSON can hold it."""
        return {
            "uid": self.uid,
            "name": self.name,
            "created": self.created,
            "hash": self.hash,
            "role": self.role,
            "key": self.key,
            "ignored": dict(self.ignored),
            "block": self.block,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Account:
        """The account of which `record` was kept."""
        given = dict(record)
        block = given.pop("block", None)
        account = cls(**given)
        account.block = block
        return account


class Accounts:
    """Every account. The caller makes sure that a name and a uid are free before adding."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Account] = {}
        self._by_name: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def add(self, account: Account) -> None:
        """Have the account exist."""
        self._by_uid[account.uid] = account
        self._by_name[same_name(account.name)] = account

    def remove(self, account: Account) -> None:
        """Have the account exist no more, if it does; its name is free at once."""
        if self._by_uid.get(account.uid) is account:
            del self._by_uid[account.uid]
            del self._by_name[same_name(account.name)]

    def by_uid(self, uid: str) -> Account | None:
        """The account with this uid."""
        return self._by_uid.get(uid)

    def by_name(self, name: str) -> Account | None:
        """The account of this name in any case."""
        return self._by_name.get(same_name(name))

    def all(self) -> list[Account]:
        """Every account, in no order."""
        return list(self._by_uid.values())


def require_strong(password: str, nick: str) -> None:
    """Refuse (`auth.weak`) a new password that is too short, or the nick."""
    if len(password) < PASSWORD_SHORTEST:
        message = f"A password has at least {PASSWORD_SHORTEST} characters."
    elif password.casefold() == nick.casefold():
        message = "The nick is no password: everybody knows it."
    else:
        return
    raise Refused("auth.weak", message, limit=PASSWORD_SHORTEST)
