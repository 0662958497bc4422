"""The data folder of a server: made where it is missing, and locked while one server uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

DATABASE = "chat.db"


class FolderRefused(Exception):
    """The folder cannot be used; the message is one line that says why."""


class Folder:
    """A folder that this process alone may write; `close` lets go of it, and so does its end."""

    def __init__(self, path: Path) -> None:
        """Lock the folder; raise FolderRefused where it cannot be made, written, or had."""
        self.path = path
        self.database = path / DATABASE
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderRefused(f"cannot use the folder {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._lock, 32).decode(errors="replace").strip()
            os.close(self._lock)
            raise FolderRefused(
                f"the folder {path} is in use by another server (process {holder or 'unknown'})"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let another server have it."""
        os.close(self._lock)
