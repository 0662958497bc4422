"""What a session hands on, and what of it is kept back until a later connection is welcome."""

from __future__ import annotations

from typing import NamedTuple

from chat_client.unanswered import Answer
from chat_schema import events, requests
from chat_schema.errors import Refused

EARLY = 10_000
"""Items kept until a welcome: a hundred conversations with much missed in each."""


class Fault(NamedTuple):
    """An error that answers no request: the connection itself is at fault."""

    refused: Refused


Incoming = events.AnyEvent | events.Unknown | Answer | Fault


class Early:
    """What has come before the welcome; on the first connection nothing is kept back."""

    def __init__(self) -> None:
        self._kept: list[Incoming] | None = None

    def begin(self) -> None:
        """Keep back what comes now."""
        self._kept = []

    def pass_on(self, items: list[Incoming], *, welcome: bool | None) -> list[Incoming]:
        """Return what may be handed on: little before the welcome, everything kept after it.

        `welcome`: whether it has come, and then it is the first item; None where it never will.
        """
        if self._kept is None:
            return items
        if welcome is False and len(self._kept) < EARLY:
            self._kept += [item for item in items if not _urgent(item)]
            return [item for item in items if _urgent(item)]
        early = self.end()
        first = 1 if welcome else 0
        return [*items[:first], *early, *items[first:]]

    def end(self) -> list[Incoming]:
        """Take what was kept, and keep nothing any more."""
        kept, self._kept = self._kept or [], None
        return kept


def _urgent(item: Incoming) -> bool:
    """What concerns the connection itself, and is not kept until it is welcome."""
    if isinstance(item, Answer):
        return isinstance(item.request, requests.Hello)
    return isinstance(item, Fault | events.Bye)
