"""A room's recent messages: asked for on entering it, while its live events wait their turn."""

from __future__ import annotations

from pydantic import ValidationError

from chat_client.keeper import Event
from chat_schema import requests
from chat_schema.names import same_name

SHOWN = 50
"""Numbered events shown on entering a room: two screens of them."""


class Recent:
    """The rooms whose recent messages are on their way, with what waits behind them."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Event]] = {}

    def begin(self, room: str, head: int, oldest: int = 1) -> requests.History | None:
        """Return what to ask for so as to show the last messages up to `head`; None for none."""
        if head < oldest or head < 1:
            return None
        try:
            request = requests.History(room=room, before=head + 1, limit=SHOWN)
        except ValidationError:
            return None  # what a hostile server calls a room cannot be asked about
        self._waiting.setdefault(same_name(room), [])
        return request

    def hold(self, event: Event) -> bool:
        """Whether `event` must wait; then it is kept."""
        room = getattr(event, "room", None)
        waiting = self._waiting.get(same_name(room)) if isinstance(room, str) else None
        if waiting is None:
            return False
        waiting.append(event)
        return True

    def end(self, room: str) -> list[Event]:
        """The recent messages are shown, or cannot be had: return what has waited."""
        return self._waiting.pop(same_name(room), [])
