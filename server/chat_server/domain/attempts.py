"""How long an attempt to log in has to wait, by address and by account; time is passed in.

Rules:
- Nobody is ever locked out. An address gets so many attempts a minute, and more of them wait; who
  would have to wait too long is told when to come again, and that does not count.
- So does an account, over all addresses together, but for at most ACCOUNT_PATIENCE: guessing is
  slowed down, and its owner too waits no longer.
- An address that was right for an account is trusted with it, and the two have attempts of their
  own: they wait neither for others behind the address nor for others who want the account.
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
        self._trusted: dict[tuple[str, str], float | None] = {}  # None: not counted yet
        self._sweep = SWEEP

    def __len__(self) -> int:
        return len(self._by_address) + len(self._by_account)

    def delay(self, block: str, name: str, now: float) -> float:
        """Count an attempt, and return the seconds it has to wait.

        `name` is that of the account, as compared; "" where it is for none. Raises Refused
        (`rate.logins`) where its address has too many waiting, or, where that is trusted with the
        account, the two of them have; then it was not counted.
        """
        if not self._interval:
            return 0.0
        if self.trusts(block, name):
            pair = (block, name)
            wait = self._bearable(self._trusted[pair], now)
            self._trusted[pair] = self._later(self._trusted[pair], now)
            return wait
        self._tidy(now)
        wait = self._bearable(self._by_address.get(block), now)
        self._by_address[block] = self._later(self._by_address.get(block), now)
        if not name:
            return wait
        due = self._by_account.get(name)
        self._by_account[name] = min(self._later(due, now), now + self._grace + ACCOUNT_PATIENCE)
        return max(wait, min(self._wait(due, now), ACCOUNT_PATIENCE))

    def right(self, block: str, name: str) -> None:
        """Take back what the last attempt cost: it was right, and the address is trusted now."""
        due = self._trusted.get((block, name))
        if due is not None:
            self._trusted[block, name] = due - self._interval
        else:  # it was made before the address was trusted
            self._give_back(self._by_address, block)
            self._give_back(self._by_account, name)
        self.trust(block, name)

    def trust(self, block: str, name: str) -> None:
        """Remember that the address is its owner's; whoever was trusted longest ago is not now."""
        self._trusted[block, name] = self._trusted.pop((block, name), None)
        if len(self._trusted) > TRUSTED:
            del self._trusted[next(iter(self._trusted))]

    def trusts(self, block: str, name: str) -> bool:
        """Whether the address was right for the account."""
        return (block, name) in self._trusted

    def distrust(self, name: str, but: str | None = None) -> None:
        """Forget which addresses were right: the account is somebody else's, or its password.

        `but` is the address of whoever has changed it.
        """
        for pair in [pair for pair in list(self._trusted) if pair[1] == name and pair[0] != but]:
            del self._trusted[pair]

    # Each bucket is the moment at which it would be full again, None while it is: that says all.

    def _bearable(self, due: float | None, now: float) -> float:
        """Seconds until there is one more attempt; Refused where they are too many."""
        wait = self._wait(due, now)
        if wait > ADDRESS_PATIENCE:
            after = math.ceil(10 * (wait - ADDRESS_PATIENCE)) / 10
            raise Refused("rate.logins", "Too many attempts from your address.", retry_after=after)
        return wait

    def _wait(self, due: float | None, now: float) -> float:
        due = now if due is None else due
        return max(0.0, due + self._interval - now - self._grace)

    def _later(self, due: float | None, now: float) -> float:
        """The bucket after one more attempt."""
        return max(now if due is None else due, now) + self._interval

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
