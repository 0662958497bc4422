"""What happens on the server, one line an event, for its operator.

An event is a record of the standard `logging`, so that a program that runs a server gets it where
it wants, and `chat-server run` writes it as logbook.py does. structlog would be a dependency more
and save nothing: what is long here are the bounds, and it has none.

Rules:
- A secret has no place in a field; the names that would carry one are refused.
- What a stranger can cause at will (BOUNDED) gets LINES lines a minute for one address; the rest is
  counted and told once, as `suppressed`. What members cause is bounded by their limits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from chat_server.loglines import FIELDS, RESERVED

log = logging.getLogger("chat_server.events")

Field = str | int | float | None

SECRETS = frozenset({"password", "token", "signature", "key", "secret", "nonce"})
"""Names of fields that are refused."""

BOUNDED = frozenset(
    {"connected", "ended", "rejected", "login_failed", "elevate_failed", "rooms_refused"}
)
"""Events that anybody who can reach the port can cause as often as they like."""

LINES = 20
"""Lines a minute for one event and address: a busy household's, and nobody's flood."""

ADDRESSES = 200
"""Events and addresses of a minute that have lines of their own; the others share one bound."""

MINUTE = 60.0


class EventLog:
    """Writes events down; any thread may call. `messages` is whether to note what is said too."""

    def __init__(
        self, messages: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """With `messages`, what is said in rooms is written down too."""
        self.messages = messages
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._written: Counter[tuple[str, Field]] = Counter()
        self._minute = monotonic()

    def note(self, event: str, /, **fields: Field) -> None:
        """Write down that `event` happened; None is left out.

        Raises ValueError for a field whose name says that it is a secret, or is that of another.
        """
        if wrong := (SECRETS | RESERVED) & fields.keys():
            raise ValueError(f"a line of the log has no field {min(wrong)}")
        if not log.isEnabledFor(logging.INFO):
            return
        if event not in BOUNDED or self._may(event, fields.get("address")):
            _write(event, {name: value for name, value in fields.items() if value is not None})

    def tidy(self) -> None:
        """Tell what a minute has left out, when it is over; called now and then."""
        with self._lock:
            over = self._monotonic() >= self._minute + MINUTE
            written = self._written if over else Counter()
            if over:
                self._minute, self._written = self._monotonic(), Counter()
        for (event, address), lines in written.items():
            if lines > LINES:
                _write("suppressed", {"of": event, "address": address, "lines": lines - LINES})

    def _may(self, event: str, address: Field) -> bool:
        """Count a line, and tell whether it is one of the first."""
        self.tidy()
        one = (event, address)
        with self._lock:
            if one not in self._written and len(self._written) >= ADDRESSES:
                one = (event, "others")
            self._written[one] += 1
            return self._written[one] <= LINES


def _write(event: str, fields: dict[str, Field]) -> None:
    log.info(event, extra={FIELDS: fields})
