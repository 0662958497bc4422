"""The owner of an outbox, which only notes what it is told."""

from __future__ import annotations


class NotingOwner:
    """Notes what the outbox tells it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def blocked(self) -> None:
        """Note it."""
        self.told.append("blocked")

    def overfull(self) -> None:
        """Note it."""
        self.told.append("overfull")

    def emptied(self) -> None:
        """Note it."""
        self.told.append("emptied")

    def broken(self) -> None:
        """Note it."""
        self.told.append("broken")
