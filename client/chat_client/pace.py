"""How fast a pipe may talk: as the server allows, so that no line of it is refused.

Rules:
- A person is told when they are too fast; a program is slowed down instead, and loses nothing.
- A little is left of what is allowed: on the way, messages come closer together or farther apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chat_schema.replies import Rate

RESERVE = 2
"""Messages of the burst that are left: warnings come with the first one too many."""

SHARE = 0.9
"""Of the rate after that, for clocks and networks that are not even."""

KIB = 1024
"""Bytes that a message may have for one unit; each further KiB that has begun costs another."""


class Pace:
    """A bucket of units that fills up again, as the server has one."""

    def __init__(
        self,
        rate: Rate | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Without a rate nothing ever waits."""
        self._rate = rate if rate is not None and rate.per_second > 0 else None
        self._clock = clock
        self._sleep = sleep
        self._burst = max(1.0, self._rate.burst - RESERVE) if self._rate is not None else 0.0
        self._left = self._burst
        self._at = clock()

    def wait(self, text: str) -> None:
        """Return when a message of this text may be sent."""
        if self._rate is None:
            return
        speed = self._rate.per_second * SHARE
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * speed)
        self._at = now
        self._left -= units(text)
        if self._left < 0:  # the time slept is counted with the next message
            self._sleep(-self._left / speed)


def units(text: str) -> int:
    """What a message costs."""
    return 1 + max(0, len(text.encode(errors="replace")) - 1) // KIB
