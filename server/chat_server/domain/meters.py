"""How much a person may say, join and read: buckets of units that fill up again; time is passed in.

Rules:
- A person has one Meter, whichever session they speak through; a return does not fill it.
- The first message over the limit passes with a warning and is a debt; the ones after it are
  refused until it is paid. The warning is given anew once the bucket was full again.
- Nothing here is locked. Sessions of one account on different loops may count at the same instant,
  and then a unit is counted once instead of twice: less than a lock would cost everybody.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from chat_schema.errors import Refused
from chat_schema.replies import Rate

UNIT = 1024
"""Bytes of UTF-8 that one unit pays for: all that anybody types in one go, a short listing."""

PATIENCE = 5
"""Refusals, each within the wait of the one before, that mute: a script that does not listen."""

LATELY = 30.0
"""Seconds in which those refusals count; who is refused now and then is no flood."""

USED = 10_000
"""Meters of those who have gone that are remembered; the oldest go first."""

Warned = Literal["warn"]

Metered = Literal["messages", "joins", "reads"]
"""The bucket that pays for a request."""


@dataclass(frozen=True)
class MeterTerms:
    """What everybody is granted; `flood_mute` in seconds. The reasons stand in config.py."""

    messages: Rate
    joins: Rate
    reads: Rate
    flood_mute: float


class Bucket:
    """Holds `burst` units, full at first, and gets `per_second` more until it is full again."""

    __slots__ = ("_at", "_burst", "_level", "_per_second", "full_at")

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._level = self._burst
        self._at = -math.inf
        self.full_at = -math.inf
        """When it was last seen full."""

    def spend(self, cost: int, now: float) -> bool:
        """Take `cost` units, at most the burst, if they are there; whether they were."""
        level = self._level + (now - self._at) * self._per_second
        if level >= self._burst:
            level = self._burst
            self.full_at = now
        if cost > level and level < self._burst:
            return False
        self._level = level - cost if cost < level else 0.0
        self._at = now
        return True

    def owe(self, cost: int, now: float) -> None:
        """Take `cost` units, at most the burst, that are not there: they have to come in first."""
        self._level = self._level_at(now) - min(cost, self._burst)
        self._at = now

    def wait(self, cost: int, now: float) -> float:
        """Seconds until `spend` succeeds, in tenths, rounded so that it is never too early."""
        lacking = min(cost, self._burst) - self._level_at(now)
        return math.floor(10 * lacking / self._per_second + 1.001) / 10

    @property
    def fills_at(self) -> float:
        """When it is full again if nothing more is taken."""
        return self._at + (self._burst - self._level) / self._per_second

    def _level_at(self, now: float) -> float:
        return min(self._burst, self._level + (now - self._at) * self._per_second)


class Meter:
    """What one person has used; muted from `muted_since` to `muted_until`, on the clock of `now`.

    Both are long ago where nobody is muted. The loops of a person's sessions call, each with its
    own time.
    """

    __slots__ = (
        "_again_at", "_joins", "_messages", "_reads", "_refusals", "_terms", "_warned_at",
        "muted_since", "muted_until",
    )  # fmt: skip

    def __init__(self, terms: MeterTerms) -> None:
        self._terms = terms
        self._messages = Bucket(terms.messages.burst, terms.messages.per_second)
        self._joins = Bucket(terms.joins.burst, terms.joins.per_second)
        self._reads = Bucket(terms.reads.burst, terms.reads.per_second)
        self._refusals: deque[float] = deque(maxlen=PATIENCE)
        self._warned_at = -math.inf
        self._again_at = -math.inf
        self.muted_since = self.muted_until = -math.inf

    def message(self, cost: int, now: float) -> Warned | None:
        """Charge a message of `cost` units; "warn" where it is the first one too many.

        Raises Refused, `rate.messages` or `rate.muted`, with `retry_after`.
        """
        if now < self.muted_until:
            raise self._muted(cost, now)
        if self._messages.spend(cost, now):
            return None
        if self._warned_at < self._messages.full_at:
            self._warned_at = now
            self._messages.owe(cost, now)
            return "warn"
        raise self._too_many(cost, now)

    def join(self, now: float) -> None:
        """Charge an entry into a room, or a change of nick; raise Refused, `rate.joins`."""
        if not self._joins.spend(1, now):
            words = "You join and change your nick too often; wait a little."
            raise Refused("rate.joins", words, retry_after=self._joins.wait(1, now))

    def come_home(self, rooms: int, now: float) -> None:
        """Charge the rooms that a hello enters anew: where one may be entered, all may, as a debt.

        Raises Refused, `rate.joins`.
        """
        self.join(now)
        self._joins.owe(rooms - 1, now)

    @property
    def fills_at(self) -> float:
        """When nothing of what was used counts any more."""
        buckets = (self._messages, self._joins, self._reads)
        return max(self.muted_until, *(bucket.fills_at for bucket in buckets))

    def read(self, now: float) -> None:
        """Charge a list, a page of history or a search; raise Refused, `rate.reads`."""
        if not self._reads.spend(1, now):
            words = "You ask for too many lists, pages and searches; wait a little."
            raise Refused("rate.reads", words, retry_after=self._reads.wait(1, now))

    def unmute(self, now: float) -> bool:
        """Let somebody speak again; False where they were not muted."""
        muted = now < self.muted_until
        self.muted_until = -math.inf
        return muted

    def _too_many(self, cost: int, now: float) -> Refused:
        """Refuse a message; those who do not wait as they are told are muted for a while."""
        if now >= self._again_at:
            self._refusals.clear()  # they have waited since the last one
        self._refusals.append(now)
        if len(self._refusals) == PATIENCE and now - self._refusals[0] <= LATELY:
            self._refusals.clear()
            self.muted_since, self.muted_until = now, now + self._terms.flood_mute
            return self._muted(cost, now)
        wait = self._messages.wait(cost, now)
        self._again_at = now + wait
        words = "You send too many messages; this one was not sent. Wait a little."
        return Refused("rate.messages", words, retry_after=wait)

    def _muted(self, cost: int, now: float) -> Refused:
        left = math.ceil(10 * (self.muted_until - now)) / 10
        words = f"You are muted for {left:g} seconds for sending too many messages."
        return Refused("rate.muted", words, retry_after=max(left, self._messages.wait(cost, now)))


class UsedMeters:
    """Meters of people who have gone, until they are full: to come back does not fill them.

    By whatever outlives the person: the account, or the address. Any thread may call.
    """

    def __init__(self, most: int = USED) -> None:
        self._most = most
        self._meters: dict[str, Meter] = {}

    def __len__(self) -> int:
        return len(self._meters)

    def put(self, name: str, meter: Meter) -> None:
        """Keep the meter of somebody who has gone, if none is kept that takes longer to fill."""
        other = self._meters.pop(name, meter)
        self._meters[name] = max(other, meter, key=lambda one: one.fills_at)
        if len(self._meters) > self._most:
            self._meters.pop(next(iter(self._meters)), None)

    def take(self, name: str, now: float) -> Meter | None:
        """The meter of somebody who is back; None where it is full by now."""
        meter = self._meters.pop(name, None)
        return meter if meter is not None and meter.fills_at > now else None


def message_cost(text: str) -> int:
    """Units of a message: one for each KiB begun, so that a pasted block is not counted by line."""
    length = len(text)
    if length <= UNIT // 4:
        return 1  # no character has more than four bytes
    size = length if text.isascii() else len(text.encode())
    return -(-size // UNIT)
