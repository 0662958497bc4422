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
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._lock = os.open(path / "lock", flags, 0o600)
        except OSError as error:
            raise _refused(path, error) from None
        try:
            self._take()
        except BlockingIOError:
            holder = os.read(self._lock, 32).decode(errors="replace").strip()
            os.close(self._lock)
            raise FolderRefused(
                f"the folder {path} is in use by another server (process {holder or 'unknown'})"
            ) from None
        except OSError as error:
            os.close(self._lock)
            raise _refused(path, error) from None

    def _take(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let another server have it."""
        os.close(self._lock)


def _refused(path: Path, error: OSError) -> FolderRefused:
    return FolderRefused(f"cannot use the folder {path}: {error.strerror}")
