"""One row per request type: who handles it and what must hold first.

A handler runs on the session's loop and never waits. It returns an Answer for the dispatcher to
send, Later or Awaited for what has to wait, Farewell to end the stay, or None where the answer
follows when the journal has kept an entry. It raises Refused to refuse; then nothing may have
happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chat_server.commands import history, messages, presence, rooms
from chat_server.commands.results import Answer, Awaited, Farewell, Later

Handle = Callable[..., Answer | Later | Awaited | Farewell | None]


@dataclass(frozen=True, slots=True)
class Row:
    """`appends`: the handler appends to the journal, so it may follow others without waiting."""

    handle: Handle
    appends: bool = False
    before_welcome: bool = False


ROWS: dict[str, Row] = {
    "hello": Row(presence.hello, before_welcome=True),
    "ping": Row(presence.ping, before_welcome=True),
    "pong": Row(presence.pong, before_welcome=True),
    "quit": Row(presence.quit_, before_welcome=True),
    "nick": Row(presence.nick),
    "users": Row(presence.users),
    "join": Row(rooms.join),
    "leave": Row(rooms.leave),
    "rooms": Row(rooms.list_rooms),
    "topic": Row(rooms.topic),
    "broadcast": Row(messages.broadcast, appends=True),
    "whisper": Row(messages.whisper, appends=True),
    "history": Row(history.history),
    "search": Row(history.search),
}
"""Every request the server knows."""
