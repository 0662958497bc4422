"""Answering a request when what it changed is stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from chat_server.commands.results import Answer, Awaited, Finish, Then

if TYPE_CHECKING:
    from chat_schema.errors import Refused
    from chat_server.dispatch import Session
    from chat_server.net.loop import Loop

Keep = Callable[[Callable[["Refused | None"], None]], None]
"""Has something stored, and tells when it is, or why it is not; on any thread."""


def stored(
    session: Session,
    keep: Keep,
    proceed: Callable[[], Answer | Then],
    undo: Callable[[], None] | None = None,
) -> Awaited:
    """Have `keep` store, then `proceed` on the loop, whether the session is still there or not.

    Where it could not be stored, `undo` is called on the loop, and the request is refused.
    """
    return Awaited(partial(_start, session.connection.loop, keep, proceed, undo))


def _start(
    loop: Loop,
    keep: Keep,
    proceed: Callable[[], Answer | Then],
    undo: Callable[[], None] | None,
    finish: Finish,
) -> None:
    keep(lambda refused: loop.post((_settle, proceed, undo, finish, refused)))


def _settle(_: Any, item: tuple[Any, ...]) -> None:
    _, proceed, undo, finish, refused = item
    if refused is not None:
        if undo is not None:
            undo()
        finish(None, refused)
        return
    try:
        answer = proceed()
    except Exception as error:  # whoever asked is told, not whoever drained the inbox
        finish(None, error)
    else:
        finish(answer, None)
