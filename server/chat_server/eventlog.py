"""What happens on the server, one line an event, for its operator."""

from __future__ import annotations

import logging

log = logging.getLogger("chat_server.events")


class EventLog:
    """Writes events down; any thread may call."""

    def __init__(self, messages: bool = False) -> None:
        """With `messages`, what is said in rooms is written down too."""
        self.messages = messages

    def note(self, event: str, **fields: str | int | float | None) -> None:
        """Write down that `event` happened; None is left out."""
        log.info("%s %s", event, {key: value for key, value in fields.items() if value is not None})
