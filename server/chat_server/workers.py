"""The threads for what waits: history reads, long lists, later password hashes and searches.

A ThreadPoolExecutor would do but for two things: its queue has no bound, and an exception in a
future that nobody reads is never seen. Here a full queue refuses, and every outcome is handed on.

Rules:
- Jobs wait in two lanes, each bounded. Those of the first lane go before others, so that a flood of
  the others cannot hold them up; after IN_A_ROW of them one of the others has its turn.
- Both lanes are worked off by the same threads: never more of them at once than there are threads.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from chat_schema.errors import Refused

GRACE = 0.5
"""Seconds that a job has to finish when the server stops: nobody waits for it any more."""

IN_A_ROW = 4
"""Jobs of the first lane that go before one of the others which waits: nobody waits for ever."""

Job = Callable[[], Any]
Outcome = Callable[[Any, BaseException | None], None]


class Workers:
    """`size` threads and at most `waiting` jobs behind them in each lane; any thread may submit."""

    def __init__(self, size: int, waiting: int) -> None:
        self._most = waiting
        self._first: deque[tuple[Job, Outcome]] = deque()
        self._others: deque[tuple[Job, Outcome]] = deque()
        self._in_a_row = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(size)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job, outcome: Outcome, *, first: bool = False) -> None:
        """Run `job`, then `outcome(result, None)` or `outcome(None, error)`, on a worker.

        `first` has it go before others; where too many of those wait already, it is one of the
        others. Raises Refused (`server.busy`) where too much is waiting; then neither is called.
        """
        with self._changed:
            lane = self._first if first and len(self._first) < self._most else self._others
            if len(lane) >= self._most:
                message = "Too many slow requests are waiting; try again."
                raise Refused("server.busy", message, retry_after=1)
            lane.append((job, outcome))
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return len(self._first) + len(self._others)

    def stop(self) -> None:
        """Drop what waits, and give every thread a moment to finish its job."""
        with self._changed:
            self._stopped = True
            self._first.clear()
            self._others.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(GRACE)

    def _work(self) -> None:
        while (item := self._await()) is not None:
            self._do(*item)

    def _await(self) -> tuple[Job, Outcome] | None:
        """The next job, once there is one; None when all is over."""
        with self._changed:
            while (item := self._next()) is None and not self._stopped:
                self._changed.wait()
            return item

    def _next(self) -> tuple[Job, Outcome] | None:
        """The job whose turn it is, None where none waits."""
        if self._first and not (self._others and self._in_a_row >= IN_A_ROW):
            self._in_a_row += 1
            return self._first.popleft()
        self._in_a_row = 0
        return self._others.popleft() if self._others else None

    @staticmethod
    def _do(job: Job, outcome: Outcome) -> None:
        result, fault = None, None
        try:
            result = job()
        except BaseException as error:  # whatever it was belongs to who asked
            fault = error
        try:
            outcome(result, fault)
        except Exception:
            logging.getLogger("chat_server").exception("an outcome failed")
