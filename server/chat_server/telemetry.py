"""What the server counts about itself, and the numbers under which it logs its own faults."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter

log = logging.getLogger("chat_server")


class Telemetry:
    """Counters by name; any thread may count, none of the counted things is frequent."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """Add one to `name`: accepted, refused, closed.<reason>, incidents."""
        with self._lock:
            self._counts[name] += 1

    def counts(self) -> dict[str, int]:
        """Every counter that is not zero."""
        with self._lock:
            return dict(self._counts)

    def incident(self, what: str) -> str:
        """Log the exception being handled and return the number that a client may be told.

        The text of the exception stays in the log: it can hold what somebody else typed.
        """
        number = secrets.token_hex(4)
        self.count("incidents")
        log.exception("incident %s: %s", number, what)
        return number
