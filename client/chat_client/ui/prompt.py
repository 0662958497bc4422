"""The prompt of the line view: what is typed stays whole below what arrives.

Rules:
- `lines` and `hidden` run on the main thread; `refresh`, `look` and `end` may be called on any.
- What is shown above the line, and in it, is asked for anew at each refresh.
- A secret is asked for on a line that shows nothing and is remembered nowhere; a line that seems
  to hold one is not offered again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.history import DummyHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout


class Interrupted(Exception):
    """The line that is being typed has to wait for something else."""


class Kept(InMemoryHistory):
    """The lines that are offered again: those that may be."""

    def __init__(self, may_be_kept: Callable[[str], bool]) -> None:
        super().__init__()
        self._may_be_kept = may_be_kept

    def append_string(self, string: str) -> None:
        """Remember a line, unless it seems to hold a secret."""
        if self._may_be_kept(string):
            super().append_string(string)


class Prompt:
    """A line to type in, under the lines that `above` returns for a width.

    `waits` says whether there is something to be asked in between; `look` has it looked at.
    """

    def __init__(
        self,
        above: Callable[[int], list[str]],
        label: Callable[[], str],
        may_be_kept: Callable[[str], bool],
        waits: Callable[[], bool],
    ) -> None:
        self._above = above
        self._label = label
        self._waits = waits
        self._ended = False
        self._begun = ""
        self._line: PromptSession[str] = PromptSession(
            erase_when_done=True, key_bindings=_keys(), history=Kept(may_be_kept)
        )
        self._hidden: PromptSession[str] = PromptSession(
            erase_when_done=True, key_bindings=_keys(), history=DummyHistory(), is_password=True
        )
        self._current = self._line

    def lines(self) -> Iterator[str]:
        """Yield lines as a person types them, with what is printed above; until `end` or Ctrl-D.

        An empty line comes also where something waits to be asked; what was begun stays.
        """
        with patch_stdout():
            while not self._ended:
                try:
                    yield self._read_line()
                except EOFError:
                    return

    def hidden(self, label: str) -> str | None:
        """Ask for a secret; None where the user gives up. Only while `lines` is at a line."""
        self._current = self._hidden
        try:
            return self._hidden.prompt(label, pre_run=self._check)
        except (EOFError, KeyboardInterrupt):
            return None
        finally:
            self._current = self._line

    def refresh(self) -> None:
        """Show the lines above and the label as they are now."""
        app = self._current.app
        with suppress(RuntimeError):  # it ends at this moment; the next one shows them
            if app.is_running:
                app.invalidate()

    def look(self) -> None:
        """Let `lines` yield if something waits."""
        app = self._current.app
        with suppress(RuntimeError):  # it ends at this moment; the next one begins with the check
            if app.is_running and app.loop is not None:
                app.loop.call_soon_threadsafe(self._check)

    def end(self) -> None:
        """Let `lines` end."""
        self._ended = True
        self.look()

    def _read_line(self) -> str:
        begun, self._begun = self._begun, ""
        try:
            return self._line.prompt(self._message, pre_run=self._check, default=begun)
        except Interrupted:
            return ""

    def _check(self) -> None:
        app = self._current.app
        if not app.is_running or app.future is None or app.future.done():
            return
        if self._ended:
            app.exit(exception=EOFError)
        elif self._current is self._line and self._waits():
            self._begun = app.current_buffer.text
            app.exit(exception=Interrupted)

    def _message(self) -> str:
        columns = self._line.app.output.get_size().columns
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
