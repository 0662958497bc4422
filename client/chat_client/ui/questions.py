"""Secrets that are asked of the user, at a prompt that shows nothing or as the next line of a pipe.

Rules:
- `answer` runs on the main thread, `wait_for` on any.
- A new password is asked for twice where a person types it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

from chat_client.command import Question, Secret, UsageError
from chat_client.commands import reveal
from chat_schema import requests


class Questions:
    """What waits to be asked; `hidden` asks one question and returns None where it is given up."""

    def __init__(self, hidden: Callable[[str], str | None], *, interactive: bool) -> None:
        self._hidden = hidden
        self._interactive = interactive
        self._waiting: queue.SimpleQueue[Secret] = queue.SimpleQueue()

    def wait_for(self, secret: Secret) -> None:
        """Let something be asked for before the next line."""
        self._waiting.put(secret)

    def waits(self) -> bool:
        """Whether something is to be asked for."""
        return not self._waiting.empty()

    def taken(self) -> Iterator[Secret]:
        """Take out what waits, in order."""
        while self.waits():
            yield self._waiting.get()

    def answer(self, secret: Secret) -> requests.Request:
        """Ask, and make the request of the answers; raise UsageError where there is none."""
        return reveal(secret, [self._one(question) for question in secret.questions])

    def _one(self, question: Question) -> str:
        answer = self._hidden(question.text)
        if not answer:
            raise UsageError("No password was given; nothing was sent.")
        if question.new and self._interactive and self._hidden("The same again: ") != answer:
            raise UsageError("These were not the same twice; nothing was sent.")
        return answer
