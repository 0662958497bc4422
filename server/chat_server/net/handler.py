"""What a connection tells whoever understands its frames, and what it can find fault with.

Everything here is called on the connection's loop thread.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Fault(Enum):
    """What a connection can be at fault for; the handler words it."""

    TOO_LARGE = "too large"
    FRAME_LATE = "frame late"
    HELLO_LATE = "hello late"
    SILENT = "silent"
    SLOW = "slow"
    PLAIN = "plain"


class Handler(Protocol):
    """Who understands the frames; called on the connection's loop thread only."""

    def frame(self, body: bytes) -> None:
        """Take one body. May pause or close the connection."""

    def fault(self, fault: Fault, *, size: int | None = None, limit: int | None = None) -> None:
        """Take note of a fault, with what was exceeded where it was a size; must close."""

    def silent(self) -> None:
        """Ask the client for a sign of life."""

    def slow(self) -> None:
        """Warn the client that it is falling behind."""

    def resumed(self) -> None:
        """Go on with what was held when the connection was paused; may pause it again."""

    def input_over(self) -> None:
        """Close: the client sends no more, and all it asked was answered."""

    def ended(self, reason: str) -> None:
        """Let go of whatever the connection stood for."""
