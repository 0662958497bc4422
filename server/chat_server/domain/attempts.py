"""How long an attempt to log in has to wait, by address and by account; time is passed in.

Rules:
- Nobody is ever locked out. An address gets so many attempts a minute, and more of them wait; who
  would have to wait too long is told when to come again, and that does not count.
- So does an account, over all addresses together, but for at most ACCOUNT_PATIENCE: guessing is
  slowed down, and its owner too waits no longer. From an address that was right before, nobody
  waits on account of others.
- A name that nobody has is treated like any other: waiting tells nothing.
- Being right costs nothing, so a hundred people behind one address can come back at once.
- Nothing here is locked. Two loops may count at the same instant, and then one attempt is free.
"""

from __future__ import annotations

import math

from chat_schema.errors import Refused

ADDRESS_PATIENCE = 60.0
"""Seconds that an attempt may wait for its address: longer than anybody looks at a prompt."""

ACCOUNT_PATIENCE = 10.0
"""Seconds that an attempt may wait for its account: an owner who is under attack bears it."""

TRUSTED = 10_000
"""Pairs of address and account that are remembered as having been right; the oldest go first."""

SWEEP = 1024
"""Buckets from which on those that are full again are let go, each time the number has doubled."""


class Attempts:
    """Counts attempts; an address is a `block`, see domain/addresses.py.

    `per_minute` are granted, at once or evenly; None grants any number.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._grace = max(60.0, self._interval)  # seconds' worth of attempts that nobody waits for
        self._by_address: dict[str, float] = {}
        self._by_account: dict[str, float] = {}
        self._trusted: dict[tuple[str, str], None] = {}
        self._sweep = SWEEP

    def __len__(self) -> int:
        return len(self._by_address) + len(self._by_account)

    def delay(self, block: str, name: str, now: float) -> float:
        """Count an attempt, and return the seconds it has to wait.

        `name` is that of the account, as compared; "" where it is for none. Raises Refused
        (`rate.logins`) where its address has too many waiting; then it was not counted.
        """
        if not self._interval:
            return 0.0
        self._tidy(now)
        wait = self._wait(self._by_address, block, now)
        if wait > ADDRESS_PATIENCE:
            after = math.ceil(10 * (wait - ADDRESS_PATIENCE)) / 10
            raise Refused("rate.logins", "Too many attempts from your address.", retry_after=after)
        self._count(self._by_address, block, now)
        if not name or (block, name) in self._trusted:
            return wait
        hold = min(self._wait(self._by_account, name, now), ACCOUNT_PATIENCE)
        self._count(self._by_account, name, now, ACCOUNT_PATIENCE)
        return max(wait, hold)

    def right(self, block: str, name: str) -> None:
        """Take back what the last attempt cost: it was right, and the address is trusted now."""
        self._give_back(self._by_address, block)
        if (block, name) not in self._trusted:
            self._give_back(self._by_account, name)
        self._trusted.pop((block, name), None)
        self._trusted[block, name] = None  # the last to be forgotten
        if len(self._trusted) > TRUSTED:
            del self._trusted[next(iter(self._trusted))]

    def distrust(self, name: str) -> None:
        """Forget which addresses were right: the account is somebody else's, or its password."""
        for pair in [pair for pair in list(self._trusted) if pair[1] == name]:
            del self._trusted[pair]

    # Each bucket is the moment at which it would be full again: one number says all.

    def _wait(self, dues: dict[str, float], key: str, now: float) -> float:
        """Seconds until there is one more attempt."""
        return max(0.0, dues.get(key, now) + self._interval - now - self._grace)

    def _count(
        self, dues: dict[str, float], key: str, now: float, patience: float = math.inf
    ) -> None:
        due = max(dues.get(key, now), now) + self._interval
        dues[key] = min(due, now + self._grace + patience)

    def _give_back(self, dues: dict[str, float], key: str) -> None:
        if key in dues:
            dues[key] -= self._interval

    def _tidy(self, now: float) -> None:
        """Let full buckets go, now and then: a bucket is full two minutes after its last use."""
        if len(self) < self._sweep:
            return
        for dues in (self._by_address, self._by_account):
            for key in [key for key, due in list(dues.items()) if due <= now]:
                del dues[key]
        self._sweep = max(SWEEP, 2 * len(self))
