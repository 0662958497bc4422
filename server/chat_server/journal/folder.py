"""The data folder of a server: made where it is missing, and locked while one server uses it.

Rules:
- Who may write in it may put another database or operator's socket there: such a folder is refused.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

DATABASE = "chat.db"


class FolderRefused(Exception):
    """The folder cannot be used; the message is one line that says why."""


class Folder:
    """A folder that this process alone may write; `close` lets go of it, and so does its end."""

    def __init__(self, path: Path) -> None:
        """Lock the folder; raise FolderRefused where it cannot be made, written, or had alone."""
        self.path = path
        self.database = path / DATABASE
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if others_write(path):
                raise FolderRefused(
                    f"others on this machine can write in the folder {path}: chmod 700 {path}"
                )
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


def others_write(folder: Path) -> bool:
    """Whether users beside its owner may write in a folder; raise OSError where it is not there.

    A group may, where the folder is root's and we are not: then root has given it to the group so
    that we may write at all, as container platforms do with volumes.
    """
    found = folder.stat()
    if found.st_mode & stat.S_IWOTH:
        return True
    given = found.st_uid == 0 != os.geteuid()
    return bool(found.st_mode & stat.S_IWGRP) and not given


def _refused(path: Path, error: OSError) -> FolderRefused:
    return FolderRefused(f"cannot use the folder {path}: {error.strerror}")
