"""The threads for what waits: history reads, long lists, later password hashes and searches.

A ThreadPoolExecutor would do but for two things: its queue has no bound, and an exception in a
future that nobody reads is never seen. Here a full queue refuses, and every outcome is handed on.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from chat_schema.errors import Refused

GRACE = 0.5
"""Seconds that a job has to finish when the server stops: nobody waits for it any more."""

Job = Callable[[], Any]
Outcome = Callable[[Any, BaseException | None], None]


class Workers:
    """`size` threads and at most `waiting` jobs behind them; any thread may submit."""

    def __init__(self, size: int, waiting: int) -> None:
        self._queue: queue.Queue[tuple[Job, Outcome] | None] = queue.Queue(waiting)
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(size)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job, outcome: Outcome) -> None:
        """Run `job`, then `outcome(result, None)` or `outcome(None, error)`, on a worker.

        Raises Refused (`server.busy`) where too much is waiting; then neither is called.
        """
        try:
            self._queue.put_nowait((job, outcome))
        except queue.Full:
            raise Refused(
                "server.busy", "Too many slow requests are waiting; try again.", retry_after=1
            ) from None

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return self._queue.qsize()

    def stop(self) -> None:
        """Drop what waits, and give every thread a moment to finish its job."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(GRACE)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            job, outcome = item
            result, fault = None, None
            try:
                result = job()
            except BaseException as error:  # whatever it was belongs to who asked
                fault = error
            try:
                outcome(result, fault)
            except Exception:
                logging.getLogger("chat_server").exception("an outcome failed")
