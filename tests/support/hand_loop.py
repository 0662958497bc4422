"""A loop whose ticks a test drives by hand, on fake sockets and a clock that waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from chat_server.net.loop import Loop
from tests.support.clock import ManualTime
from tests.support.sockets import FakeSelector


class HandLoop(Loop):
    """A loop that never waits; `gone` are the addresses of connections it let go."""

    def __init__(self, time: ManualTime, room_position: Callable[[str], int]) -> None:
        self.gone: list[str] = []
        super().__init__(time.clock, room_position, self.gone.append)
        self._selector.close()
        self.selector = FakeSelector()
        self._selector = cast(Any, self.selector)
        self.time = time

    @property
    def idle(self) -> bool:
        """Whether a tick would find nothing to do."""
        due = self._timers and self._timers[0][0] <= self.now
        return not (self._inbox or self._resumed or self.selector.readable or due)

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass in steps, with a tick after each."""
        for _ in range(round(seconds / step)):
            self.time.advance(step)
            self.tick()


def nothing_said(room: str) -> int:
    """The newest number of any room where nothing was said."""
    return 0


@contextmanager
def hand_loop(
    time: ManualTime, room_position: Callable[[str], int] = nothing_said
) -> Iterator[HandLoop]:
    """A loop that is closed properly in the end."""
    loop = HandLoop(time, room_position)
    try:
        yield loop
    finally:
        loop.stop()
        loop.run()
