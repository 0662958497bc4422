"""How many rooms an account owns for good: so many, however it came to them.

Rules:
- Whoever calls holds the hub's lock.
- What was owned for good stays so: the bound holds for what comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat_server.domain.moderation import Policy


class Ownership:
    """Counts the rooms that accounts own for good; `most` for each, None for any number."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._rooms: dict[str, set[str]] = {}
        self._owners: dict[str, frozenset[str]] = {}

    def settle(self, key: str, policy: Policy) -> None:
        """Have who owns enough own this room as a guest does, while there; count the others."""
        for uid in policy.lasting_owners - self._owners.get(key, frozenset()):
            if self._most is not None and len(self._rooms.get(uid, ())) >= self._most:
                policy.registered.discard(uid)
        self.count(key, policy)

    def count(self, key: str, policy: Policy) -> None:
        """Take note of who owns this room for good, as it is."""
        before, now = self._owners.pop(key, frozenset()), policy.lasting_owners
        for uid in before - now:
            self._rooms[uid].discard(key)
            if not self._rooms[uid]:
                del self._rooms[uid]
        for uid in now - before:
            self._rooms.setdefault(uid, set()).add(key)
        if now:
            self._owners[key] = now
