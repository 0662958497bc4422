"""What was typed and is not acknowledged yet, in the order in which it was typed."""

from __future__ import annotations

from chat_client.escape import escape, escape_lines
from chat_schema import events, requests

SHOWN = 5
"""Messages shown as waiting: more would push what is read off a small screen."""

Message = requests.Broadcast | requests.Whisper


class Pending:
    """The messages on their way, by `cid`."""

    def __init__(self) -> None:
        self._all: dict[str, Message] = {}

    def add(self, request: requests.Request) -> None:
        """Note a message that is being sent; anything else is none."""
        if isinstance(request, Message) and request.cid is not None:
            self._all[request.cid] = request

    def settle(self, request: requests.Request) -> None:
        """Note that its answer has arrived."""
        self._all.pop(getattr(request, "cid", None) or "", None)

    def arrived(self, event: events.Event) -> bool:
        """Whether `event` is one of these messages; it is pending no longer."""
        if not isinstance(event, events.Broadcast | events.Whisper):
            return False
        return self._all.pop(event.cid or "", None) is not None

    def lines(self, columns: int) -> list[str]:
        """One line for each of the oldest, cut to the width, and one for the others."""
        waiting = list(self._all.values())
        shown = [_cut(f"… {_first_line(request)}", columns) for request in waiting[:SHOWN]]
        more = len(waiting) - SHOWN
        return [*shown, *([f"… and {more} more"] if more > 0 else [])]


def text_of(request: requests.Request) -> list[str]:
    """The lines of a message that was not sent, so that it can be typed again; none if it is none.

    A whisper is given back with its command.
    """
    if not isinstance(request, Message):
        return []
    first, *others = escape_lines(request.text)
    to = f"/whisper {escape(request.to)} " if isinstance(request, requests.Whisper) else ""
    return [f"   {to}{first}", *(f"   {line}" for line in others)]


def _first_line(request: Message) -> str:
    first, *others = escape_lines(request.text)
    to = f"[to {escape(request.to)}] " if isinstance(request, requests.Whisper) else ""
    return f"{to}{first}{' …' if others else ''}"


def _cut(text: str, columns: int) -> str:
    return text if len(text) < columns else f"{text[: max(columns - 2, 1)]}…"
