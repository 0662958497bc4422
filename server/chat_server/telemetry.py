"""What the server counts about itself, and the numbers under which it logs its own faults."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable

log = logging.getLogger("chat_server")

Value = int | float | str
Gauge = Callable[[], Value]


class Telemetry:
    """Counters and gauges by name; any thread may call, none of the counted things is frequent.

    A name is words with dots between them, the general first: `refused.rate.messages`. What is
    frequent is counted where it happens, as a plain integer, and a gauge reads it.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._gauges: dict[str, Gauge] = {}
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """Add one to `name`: accepted, refused.<code>, closed.<reason>, incidents."""
        with self._lock:
            self._counts[name] += 1

    def gauge(self, name: str, value: Gauge) -> None:
        """Have `value` called, on any thread and without a lock, whenever somebody asks."""
        with self._lock:
            self._gauges[name] = value

    def counts(self) -> dict[str, int]:
        """Every counter that is not zero."""
        with self._lock:
            return dict(self._counts)

    def stats(self) -> dict[str, Value]:
        """Everything, by name: gauges as they are now, then what was counted, each sorted."""
        with self._lock:
            gauges, counts = dict(self._gauges), dict(self._counts)
        measured: dict[str, Value] = {name: gauges[name]() for name in sorted(gauges)}
        return measured | dict(sorted(counts.items()))

    def incident(self, what: str) -> str:
        """Log the exception being handled and return the number that a client may be told.

        The text of the exception stays in the log: it can hold what somebody else typed.
        """
        number = secrets.token_hex(4)
        self.count("incidents")
        log.exception("incident %s: %s", number, what)
        return number
