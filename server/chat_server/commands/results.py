"""What a handler can return."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from chat_schema.replies import Ok, Welcome


class Answer(Protocol):
    """Makes the reply once the dispatcher says what it answers: a `partial` of a reply model."""

    def __call__(self, *, re: str, ignored: list[str] | None) -> Ok | Welcome | bytes:
        """The reply, or its composed body."""


class Later(NamedTuple):
    """The rest of the work, which waits: a worker calls `job`; for a `search` there are others."""

    job: Callable[[], Answer | Then]
    search: bool = False


Finish = Callable[["Answer | Then | None", BaseException | None], None]
"""Takes the answer, or the error in its place; on any thread."""


class Awaited(NamedTuple):
    """The rest of the work, which waits for something else than a worker.

    `start` is called on the loop and must not wait; it has `finish` called once, sooner or later.
    """

    start: Callable[[Finish], None]


class Then(NamedTuple):
    """What a job found, where the rest has to be done on the loop: `proceed` is like a handler."""

    proceed: Callable[[], Answer | Later | Awaited | Farewell | None]


class Farewell(NamedTuple):
    """The answer after which the connection closes."""

    answer: Answer
