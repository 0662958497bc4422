"""How the server is stopped at somebody's word: told to everybody first, and after some seconds.

Rules:
- It only asks: whoever runs the server waits for `stop_requested`, and stops it then.
- Any thread may call.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chat_schema.events import Notice
from chat_schema.framing import encode_frame
from chat_schema.names import EVERYONE

if TYPE_CHECKING:
    from chat_server.net.loop import Loop


class Control:
    """Sets `stop_requested` when it is time; the latest order counts."""

    def __init__(self, stop_requested: threading.Event | None = None) -> None:
        self.stop_requested = stop_requested or threading.Event()
        self._loops: tuple[Loop, ...] = ()
        self._orders = 0

    def open(self, loops: Sequence[Loop]) -> None:
        """Begin, with the loops on which people are told; the first keeps the time."""
        self._loops = tuple(loops)

    def shutdown(self, seconds: int, reason: str | None) -> None:
        """Tell everybody, and stop so many seconds later; an order given before is void."""
        message = _words(seconds, reason)
        for loop in self._loops:
            loop.post((_tell, message))
        self._loops[0].post((self._arrange, seconds))

    # On the first loop

    def _arrange(self, loop: Loop, item: tuple[Any, int]) -> None:
        self._orders += 1
        order = self._orders

        def end(_: float) -> None:
            if order == self._orders:
                self.stop_requested.set()

        loop.call_at(loop.now + item[1], end)


def _words(seconds: int, reason: str | None) -> str:
    when = f"in {seconds} s" if seconds else "now"
    return f"The server stops {when}" + (f": {reason}" if reason is not None else ".")


def _tell(loop: Loop, item: tuple[Any, str]) -> None:
    audience = loop.audiences.get(EVERYONE)
    if audience is not None:
        notice = Notice(code="server.shutdown", message=item[1], ts=loop.stamp)
        audience.publish(encode_frame(notice.model_dump_json().encode()))
