"""A journal that keeps entries when a test says so, as one on a slow disk would."""

from __future__ import annotations

from chat_server.journal.base import Entry, JournalFull
from chat_server.journal.memory import MemoryJournal


class LateJournal(MemoryJournal):
    """Holds entries in `waiting` until `keep`; refuses them while `full`."""

    def __init__(self) -> None:
        super().__init__(kept=1000, budget=2**24)
        self.waiting: list[Entry] = []
        self.full = False

    def append(self, entry: Entry) -> None:
        """Hold the entry, or refuse it."""
        if self.full:
            raise JournalFull
        self.waiting.append(entry)

    def keep(self, count: int = 10**9) -> None:
        """Keep the oldest `count` of those that wait."""
        kept, self.waiting = self.waiting[:count], self.waiting[count:]
        for entry in kept:
            super().append(entry)
