"""When to connect again, when to ask whether the server still lives, and what a view is told of it.

Rules:
- Pauses grow from FIRST to LONGEST and are jittered in full, so that a thousand clients of a server
  that restarts do not come back in the same moment. They start over when a connection has held
  for STEADY seconds: a server that welcomes and throws out again is not hammered.
- `bye` decides: never ends it, now skips the first pause, later sets a lower bound.
- Clocks and chance are passed in; nothing here sleeps.
"""

from __future__ import annotations

import math
import random as chance
import time
from collections.abc import Callable
from dataclasses import dataclass

from chat_schema import events
from chat_schema.names import User

FIRST = 0.5
"""Seconds of the first pause at most: a hiccup of the network is over by then."""

LONGEST = 30.0
"""Seconds of any pause at most: nobody waits longer for a server that is there again."""

STEADY = 30.0
"""Seconds after which a connection counts as one that holds."""

NICK_TRIES = 3
"""Times a nick is asked for on coming back: the old stay may be about to end."""

USUAL_INTERVAL = 30.0
"""Seconds of a heartbeat where the server names none that makes sense."""

GIVE_UP = 300.0
"""Seconds without a connection after which a program is told: longer than any restart."""


@dataclass(frozen=True)
class Lost:
    """The connection is gone, for `reason`; the next try is in `retry` seconds."""

    code: str
    reason: str
    retry: float


@dataclass(frozen=True)
class Back:
    """The connection is there again after `away` seconds.

    `missed`: numbered events of others in between. `resumed`: nobody noticed; otherwise we were
    seen to leave and have another uid. `renamed`: our nick is another one. `user`: who we are.
    """

    away: float
    missed: int
    resumed: bool
    renamed: bool
    user: User


Link = Lost | Back


class Backoff:
    """Says how long to wait before the next connection; None where there shall be none."""

    def __init__(
        self,
        give_up: float = GIVE_UP,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Give up after `give_up` seconds without a welcome; 0 means at once."""
        self._give_up = give_up
        self._clock = clock
        self._random = random
        self._tries = 0
        self._lost_at: float | None = None
        self._welcome_at = clock()

    @property
    def patient(self) -> bool:
        """Whether there are second connections at all."""
        return self._give_up > 0

    def welcome(self) -> float:
        """Note a connection that was welcomed; return the seconds since the last one was lost."""
        self._welcome_at = self._clock()
        away = self._welcome_at - (self._lost_at or self._welcome_at)
        self._lost_at = None
        return away

    def pause(self, bye: events.Bye | None) -> float | None:
        """Note a connection that was lost, or could not be made; return the seconds to wait."""
        now = self._clock()
        if self._lost_at is None:
            self._lost_at = now
            if now - self._welcome_at >= STEADY:
                self._tries = 0
        left = self._lost_at + self._give_up - now
        if left <= 0 or (bye is not None and bye.reconnect == "never"):
            return None
        seconds = self._advised(bye)
        self._tries += 1
        return min(seconds, left)

    def jitter(self, tries: int) -> float:
        """A random pause before the next of `tries` tries."""
        return self._random() * min(LONGEST, FIRST * 2.0 ** min(tries, 10))

    def _advised(self, bye: events.Bye | None) -> float:
        usual = self.jitter(self._tries)
        if bye is None:
            return usual
        if bye.reconnect == "now":
            return usual if self._tries else 0.0
        after = bye.after or 0.0
        known = math.isfinite(after) and after > 0
        return max(usual, after * (1 + self._random() / 2)) if known else usual


class Pulse:
    """What a connection must do when nothing arrives: ask, end, or try something again.

    `pause` is how long to wait for bytes; `due` is what is to be done then: `ping`, `silent`, or
    what `later` was told.
    """

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Until the welcome, `patience` seconds of silence are the end."""
        self._clock = clock
        self._interval = math.inf
        self._timeout = patience
        self._alarms = {"silent": clock() + patience}

    def welcome(self, interval: float, timeout: float) -> None:
        """Use the seconds that the server named: ask after 1.5 intervals, end at timeout."""
        self._interval = 1.5 * (interval if 0 < interval < math.inf else USUAL_INTERVAL)
        self._timeout = timeout if self._interval < timeout < math.inf else 2 * self._interval
        self.heard()

    def heard(self) -> None:
        """Note that bytes have arrived."""
        if self._interval == math.inf:
            return  # a server that talks without saying welcome is not waited for longer
        self._alarms.pop("silent", None)
        self._alarms["ping"] = self._clock() + self._interval

    def later(self, what: str, seconds: float) -> None:
        """Let `what` be due, unless it is to be sooner."""
        self._alarms.setdefault(what, self._clock() + seconds)

    def pause(self) -> float:
        """Seconds until something is due."""
        return max(0.0, min(self._alarms.values()) - self._clock())

    def due(self) -> list[str]:
        """What is to be done now; each once."""
        now = self._clock()
        found = [what for what, when in self._alarms.items() if when <= now]
        for what in found:
            del self._alarms[what]
        if "ping" in found:
            self._alarms["silent"] = now + self._timeout - self._interval
        return found
