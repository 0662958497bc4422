"""What outlives the program: the token of a stay and its rooms, in a file that one program holds.

Rules:
- One file for each server and nick, readable by its owner alone from the first byte: whoever has
  the token is that person. It is replaced as a whole, never changed.
- The lock beside it is held while the chat lasts, so that a second program under the same nick
  does not take the stay away from the first.
- A file that cannot be understood counts as none; `trouble` says so in one line.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from hashlib import sha256
from pathlib import Path

from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, ValidationError

from chat_schema.names import Nick, RoomName, Token, same_name

LONGEST = 64 * 1024
"""Bytes of a file that is read: fifty rooms take four thousand."""


class Record(BaseModel):
    """What a file says: where, who, in which rooms (the one looked at last), and the secret."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    host: str
    port: int
    nick: Nick
    rooms: list[RoomName]
    token: Token


class StayTaken(Exception):
    """Another program holds this stay."""


class Stay:
    """The file of one stay, held until `release` or `remove`.

    `nick` is whose it is. `record` is what the last program left there, None where there is nothing
    usable. Raises StayTaken where another program holds it, OSError where the folder is unusable.
    """

    def __init__(self, host: str, port: int, nick: str, folder: Path | None = None) -> None:
        folder = folder or user_state_path("typed-chat", appauthor=False)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        place = sha256(f"{host}:{port}".encode()).hexdigest()[:12]
        self.nick = nick
        self._address = (host, port)
        self._file = folder / f"{same_name(nick)}-{place}.json"
        self._lock_file = self._file.with_suffix(".lock")
        self._lock = _lock(self._lock_file)
        self.trouble: str | None = None
        self.record = self._read()

    def keep(self, token: str, nick: str, rooms: list[str]) -> None:
        """Write down where we are; raises OSError where that cannot be done."""
        host, port = self._address
        record = Record.model_construct(
            host=host, port=port, nick=nick, rooms=rooms, token=token
        )  # a server that names things wrongly is found out when they are read
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(_create(new), "w", encoding="utf-8") as stream:
            stream.write(record.model_dump_json())
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._file)

    def remove(self) -> None:
        """The stay is over: leave nothing behind."""
        with contextlib.suppress(OSError):  # somebody else may have tidied up
            self._file.unlink(missing_ok=True)
            self._lock_file.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave the file to the next program; may be called more than once."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _read(self) -> Record | None:
        try:
            with open(os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
                record = Record.model_validate_json(stream.read(LONGEST))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            self.trouble = f"The file of the last stay cannot be used and is ignored: {self._file}"
            return None
        if (record.host, record.port) != self._address:
            self.trouble = f"The file of the last stay is of another server: {self._file}"
            return None
        return record


def _create(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _lock(file: Path) -> int:
    """Lock the file and return its descriptor; raise StayTaken where somebody else has it."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(file, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise StayTaken from None
        os.close(descriptor)  # it was removed while we opened it: take the new one


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False
