"""The server under test as a child process that can be killed and started again on its folder."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

BIN = Path(sys.executable).parent
PATIENCE = 20.0
"""Seconds after which a server that should have ended is ended by force."""


class Child:
    """`chat-server run` on `folder` and always the same port; its stderr goes to a file."""

    def __init__(self, folder: Path) -> None:
        self.address = ("127.0.0.1", _free_port())
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)

    @property
    def data(self) -> Path:
        """The folder of the database."""
        return self._data

    @property
    def log(self) -> str:
        """What the servers said."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start a server; returns before it listens."""
        assert not self.running
        host, port = self.address
        options = ["--host", host, "--port", str(port), "--data", str(self._data), "--no-limits"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [BIN / "chat-server", "run", *options], stderr=log, stdout=log
            )

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal and wait; return the exit code and the seconds it took."""
        if self._process is None:
            return 0, 0.0
        began = time.monotonic()
        self._process.send_signal(number)
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = None
        return code, time.monotonic() - began


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
