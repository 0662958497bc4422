"""The prompt of the line view: what is typed stays whole below what arrives.

Rules:
- `lines` runs on the main thread; `refresh` and `end` may be called on any.
- What is shown above the line, and in it, is asked for anew at each refresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout


class Prompt:
    """A line to type in, under the lines that `above` returns for a width."""

    def __init__(self, above: Callable[[int], list[str]], label: Callable[[], str]) -> None:
        self._above = above
        self._label = label
        self._ended = False
        self._session: PromptSession[str] = PromptSession(
            erase_when_done=True, key_bindings=_keys()
        )

    def lines(self) -> Iterator[str]:
        """Yield lines as a person types them, with what is printed above; until `end` or Ctrl-D."""
        with patch_stdout():
            while not self._ended:
                try:
                    yield self._session.prompt(self._message, pre_run=self._check_end)
                except EOFError:
                    return

    def refresh(self) -> None:
        """Show the lines above and the label as they are now."""
        if self._session.app.is_running:
            self._session.app.invalidate()

    def end(self) -> None:
        """Let `lines` end."""
        self._ended = True
        app = self._session.app
        if app.is_running and app.loop is not None:
            app.loop.call_soon_threadsafe(self._check_end)

    def _check_end(self) -> None:
        app = self._session.app
        if self._ended and app.is_running and app.future is not None and not app.future.done():
            app.exit(exception=EOFError)

    def _message(self) -> str:
        columns = self._session.app.output.get_size().columns
        return "\n".join([*self._above(columns), self._label()])


def _keys() -> KeyBindings:
    """Ctrl-C clears a line that was begun; on an empty one it ends the chat."""
    keys = KeyBindings()

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    return keys
