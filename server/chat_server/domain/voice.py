"""The right to speak that a message was begun with: withdrawn, the message is not kept any more.

A message is allowed on its author's loop and numbered later, perhaps by another thread. A ban or a
mute in between withdraws the voice before its own event is given to the journal, so that nothing
of the banned gets a higher number than the ban.
"""

from __future__ import annotations

from chat_schema.errors import Refused


class Voice:
    """One person's right to speak in one room, or at all; `refused` says why it is withdrawn.

    It is never given back: whoever may speak again gets another.
    """

    __slots__ = ("refused",)

    def __init__(self) -> None:
        self.refused: Refused | None = None
