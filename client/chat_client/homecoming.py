"""Rooms to enter again that a server has put off: one at a time, after as long as it said."""

from __future__ import annotations

from collections import deque

from chat_schema.errors import Refused

PUT_OFF = frozenset({"rate.joins", "server.busy"})
"""Refusals after which a room is asked for again, instead of taken for lost."""


class Homecoming:
    """The rooms that wait; `wait` are the seconds after which the server wants the next."""

    def __init__(self) -> None:
        self.wait = 0.0
        self._rooms: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._rooms)

    def put_off(self, room: str, refused: Refused) -> bool:
        """Let a room wait whose join was refused; False where that will not help."""
        if refused.code not in PUT_OFF:
            return False
        self._rooms.append(room)
        self.wait = refused.retry_after or 0.0
        return True

    def next(self) -> str | None:
        """Take the room to ask for now."""
        return self._rooms.popleft() if self._rooms else None

    def forget(self) -> None:
        """Begin anew, on another connection."""
        self._rooms.clear()
        self.wait = 0.0
