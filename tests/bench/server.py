"""A server process: started on a free port of loopback, ready when it says so, always stopped."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TO_START = 20.0
_TO_STOP = 6.0
"""Our own server promises five; a peer with thousands of clients may take longer, and is killed."""


class ServerError(Exception):
    """A server cannot be started."""


@dataclass(frozen=True)
class Contender:
    """A server that can be measured.

    `command(folder, port)` writes what configuration it needs into the folder and returns the
    arguments. `ready` is a pattern of what the server prints when clients may come; its group, if
    it has one, is the port. `at_once` is how many logins at a time suit the server best. What it
    says later is shown, unless it is as `usual`: it may have a fault to tell of.
    """

    name: str
    dialect: str
    command: Callable[[Path, int], list[str]]
    ready: str
    at_once: int
    peer: bool = True
    usual: str = ""


class Server:
    """A running contender; use it with `with`."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        self.contender = contender
        self.port = _free_port()
        self._lines: deque[str] = deque(maxlen=20)
        self._ready = threading.Event()
        command = contender.command(folder, self.port)
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self._reader = threading.Thread(target=self._read, daemon=True)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def __enter__(self) -> Self:
        self._reader.start()
        if not self._ready.wait(_TO_START) or self._process.poll() is not None:
            self._stop()
            raise ServerError(f"{self.contender.name} did not start: {self.last_words()}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def last_words(self) -> str:
        """The end of what it printed."""
        return " / ".join(list(self._lines)[-3:]) or "it said nothing"

    def _stop(self) -> None:
        died = self._process.poll()
        self._process.terminate()
        try:
            self._process.wait(_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            if not self.contender.peer:
                print(f"{self.contender.name} had to be killed", file=sys.stderr)
        self._reader.join(_TO_STOP)
        if self._process.stdout is not None:
            self._process.stdout.close()
        if died is not None and self._ready.is_set():
            print(f"{self.contender.name} ended by itself with {died}", file=sys.stderr)

    def _read(self) -> None:
        """Collect what it prints, so that it never waits for a reader, and watch for `ready`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line.strip())
            if not self._ready.is_set() and (found := re.search(self.contender.ready, line)):
                if found.groups():
                    self.port = int(found[1])
                self._ready.set()
            elif self._ready.is_set() and not re.search(self.contender.usual, line):
                print(f"{self.contender.name} says: {line.rstrip()}", file=sys.stderr)
        self._ready.set()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder on a disk, gone in the end.

    /tmp may be in memory, where a sync costs nothing and a journal would look faster than it is.
    """
    place = os.environ.get("TMPDIR") or ("/var/tmp" if Path("/var/tmp").is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as name:
        folder = Path(name)
        folder.chmod(0o755)  # ngircd, started by root, reads its configuration as nobody
        yield folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
