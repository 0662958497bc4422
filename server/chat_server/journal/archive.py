"""Copies of a database for an operator: backup while a server runs, restore, export of a room.

Rules:
- Backup and export only read, so a running server does not notice them.
- Restore takes the folder's lock: it refuses while a server runs.
- A copy is complete and checked before it gets its name, and nothing is overwritten.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chat_schema.names import same_name
from chat_server.journal import database
from chat_server.journal.database import DatabaseRefused
from chat_server.journal.epochs import renew
from chat_server.journal.folder import Folder

PAGE = 1000
"""Events read at a time: an export of any length takes little memory."""


class ArchiveRefused(Exception):
    """What was asked cannot be done; the message is one line that says why."""


def backup(path: Path, target: Path) -> None:
    """Copy the database `path`, as it is at this moment, to the new file `target`."""
    _require(path)
    if os.path.lexists(target):
        raise ArchiveRefused(f"{target} is there already; nothing is overwritten")
    with _copied(path, target.parent) as copy:
        _place(copy, target)


def restore(folder: Folder, source: Path) -> Path | None:
    """Put a copy of `source` into the folder; return where the database went that was there.

    Every room begins a new epoch: clients have seen what the restored history does not hold.
    At no moment is there no database: a server that starts in between finds the one or the other.
    """
    _require(source)
    database.check(source)
    with _copied(source, folder.path) as copy:
        _renew(copy)
        former = _set_aside(folder.database)
        copy.replace(folder.database)
        _sync(folder.path)
    return former


def export(path: Path, room: str) -> Iterator[str]:
    """Yield the events of a room as JSON, oldest first, up to those that are there by now.

    Each page is read by itself: whoever takes the lines slowly does not hold up checkpoints.
    """
    _require(path)
    connection = database.open_reader(path)
    try:
        row = connection.execute(
            "select id from rooms where key = ?", (same_name(room),)
        ).fetchone()
        if row is None:
            raise ArchiveRefused(f"there is no room {room} with messages")
        yield from _events(connection, row[0])
    except sqlite3.Error as error:
        raise DatabaseRefused(f"{path} cannot be read: {error}") from None
    finally:
        connection.close()


def _events(connection: sqlite3.Connection, room: int) -> Iterator[str]:
    seq = 0
    while rows := connection.execute(
        "select seq, body from events where room = ? and seq > ? order by seq limit ?",
        (room, seq, PAGE),
    ).fetchall():
        yield from (body for _, body in rows)
        seq = rows[-1][0]


def _require(path: Path) -> None:
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ArchiveRefused(f"cannot read {path}: {error.strerror}") from None
    raise ArchiveRefused(f"there is no database {path}")


@contextmanager
def _copied(path: Path, folder: Path) -> Iterator[Path]:
    """A checked copy in `folder`, on disk, that only its owner can read; gone afterwards."""
    copy = _new_file(folder)
    try:
        source = database.open_reader(path)
        try:
            database.copy(source, copy)
        finally:
            source.close()
        database.check(copy)
        _sync(copy)
        yield copy
    except sqlite3.Error as error:
        raise DatabaseRefused(f"{path} cannot be copied: {error}") from None
    finally:
        copy.unlink(missing_ok=True)


def _new_file(folder: Path) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(".unfinished", "chat-", folder)
    except OSError as error:
        raise ArchiveRefused(f"cannot write in {folder}: {error.strerror}") from None
    os.close(descriptor)
    return Path(name)


def _renew(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        renew(connection)
    finally:
        connection.close()
    _sync(path)


def _set_aside(path: Path) -> Path | None:
    """Give the database a second name that is free; what a crash has left beside it goes along."""
    if not path.exists():
        return None
    _bring_home(path)
    number = 1
    while (aside := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    os.link(path, aside)
    for suffix in ("-wal", "-shm"):
        part = path.with_name(f"{path.name}{suffix}")
        if part.exists():
            part.rename(aside.with_name(f"{aside.name}{suffix}"))
    return aside


def _bring_home(path: Path) -> None:
    """Have everything in the one file, as far as that can be had from one that may be damaged."""
    busy = 0
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(path, isolation_level=None, timeout=1)
        try:
            (busy, *_) = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        finally:
            connection.close()
    if busy:
        raise ArchiveRefused(f"{path} is being read by another program; try again")


def _place(copy: Path, target: Path) -> None:
    """Give the finished copy its name, unless somebody else has it by now."""
    try:
        os.link(copy, target)
    except FileExistsError:
        raise ArchiveRefused(f"{target} is there already; nothing is overwritten") from None
    except OSError as error:
        raise ArchiveRefused(f"cannot write {target}: {error.strerror}") from None
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
