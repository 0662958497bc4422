"""The two commands as child processes, as a user starts them; ended whatever happens."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

BIN = Path(sys.executable).parent
PATIENCE = 20.0
"""Seconds after which a program that should have ended is a failure."""

READY = re.compile(r'(?:listening on |"host": ")(?P<host>[^\s"]+)(?::|", "port": )(?P<port>\d+)')
"""The first line of a server that listens, for people or in JSON."""


HAPPENED = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z info .*\n")
"""A line of the log about what happens anyway."""


class ServerProgram:
    """`chat-server run --port 0 …`, ready when constructed; `log` is all of stderr in the end."""

    def __init__(self, *options: str, descriptors: int | None = None) -> None:
        limit = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
        self.process = subprocess.Popen(
            [*limit, BIN / "chat-server", "run", "--port", "0", *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stderr is not None
        self.errors = self.process.stderr
        self.log = self.ready = self.errors.readline()
        while not (found := READY.search(self.ready.strip())):
            assert self.ready, self.log
            self.ready = self.errors.readline()
            self.log += self.ready
        self.address = (found["host"], int(found["port"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self.errors.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit code and stderr after the ready line, but not HAPPENED."""
        self.process.send_signal(number)
        errors = self.errors.read()
        self.log += errors
        return self.process.wait(PATIENCE), HAPPENED.sub("", errors)

    def await_line(self, pattern: str) -> str:
        """The next line of stderr that matches; fails where the program ends without one."""
        while line := self.errors.readline():
            self.log += line
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no line {pattern!r} in:\n{self.log}")


def run_program(program: str, *options: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of ours, or any other, to its end with `text` as its input."""
    ours = BIN / program
    return subprocess.run(
        [ours if ours.exists() else program, *options],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
