"""A program on a pseudo-terminal, and what its user sees, by a terminal emulator."""

from __future__ import annotations

import os
import pty
import selectors
import subprocess
import time
from collections.abc import Callable
from typing import Self

import pyte

from tests.support.program import BIN, PATIENCE

COLUMNS, LINES = 80, 24


class Terminal:
    """`program` with a terminal of 80 by 24; `screen` is what stands there."""

    def __init__(self, program: str, *options: str) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [BIN / program, *options],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": str(LINES)},
        )
        os.close(theirs)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self._selector.close()
        os.close(self._ours)

    @property
    def screen(self) -> list[str]:
        """The lines that are not empty."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._ours, keys.encode())

    def wait_for(self, seen: Callable[[list[str]], bool]) -> list[str]:
        """Read until the screen is as wanted, and return it."""
        end = time.monotonic() + PATIENCE
        while not seen(self.screen):
            assert time.monotonic() < end, "never seen; the screen:\n" + "\n".join(self.screen)
            self._read()
        return self.screen

    def wait_for_text(self, text: str) -> list[str]:
        """Read until a line holds `text`."""
        return self.wait_for(lambda screen: any(text in line for line in screen))

    def exit_code(self) -> int:
        """Read to the end of the program."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        if not self._selector.select(0.1):
            return self.process.poll() is None
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # how Linux reports that nobody has the other side open
            return False
        self._stream.feed(data)
        if b"\x1b[6n" in data:  # the program asks where the cursor is, as terminals answer
            cursor = self._screen.cursor
            os.write(self._ours, f"\x1b[{cursor.y + 1};{cursor.x + 1}R".encode())
        return bool(data)
