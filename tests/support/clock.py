"""Time that passes only when a test says so."""

from __future__ import annotations

from chat_server.net.loop import Clock

START = 1000.0
"""The first moment on the monotonic clock; unlike zero, it cannot be mistaken for nothing."""

DATE = 1_795_359_600.123
"""The first moment on the wall clock: 2026-11-22T15:00:00.123Z."""


class ManualTime:
    """A monotonic and a wall clock that advance together, by hand."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.clock = Clock(monotonic=lambda: START + self.passed, wall=lambda: DATE + self.passed)

    def advance(self, seconds: float) -> None:
        """Let this much time pass."""
        self.passed += seconds
