"""Copies of a database for an operator: backup while a server runs, restore, export of a room.

Rules:
- Backup and export only read, so a running server does not notice them.
- Restore takes the folder's lock: it refuses while a server runs.
- A copy is complete and checked before it gets its name, and nothing is overwritten.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
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
    _require_free(target)
    unfinished = _new_file(target.with_name(f"{target.name}.unfinished"))
    try:
        source = database.open_reader(path)
        try:
            database.copy(source, unfinished)
        finally:
            source.close()
        database.check(unfinished)
        _put_in_place(unfinished, target)
    except sqlite3.Error as error:
        raise DatabaseRefused(f"{path} cannot be copied: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def restore(folder: Folder, source: Path) -> Path | None:
    """Put a copy of `source` into the folder; return where the database went that was there.

    Every room begins a new epoch: clients have seen what the restored history does not hold.
    """
    _require(source)
    database.check(source)
    unfinished = _new_file(folder.database.with_name(f"{folder.database.name}.unfinished"))
    try:
        reader = database.open_reader(source)
        try:
            database.copy(reader, unfinished)
        finally:
            reader.close()
        _renew(unfinished)
        former = _set_aside(folder.database)
        _put_in_place(unfinished, folder.database)
    except sqlite3.Error as error:
        raise DatabaseRefused(f"{source} cannot be copied: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return former


def export(path: Path, room: str) -> Iterator[str]:
    """Yield the events of a room as JSON, oldest first, up to those that are there by now."""
    _require(path)
    connection = database.open_reader(path)
    try:
        connection.execute("begin")
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
    if not path.is_file():
        raise ArchiveRefused(f"there is no database {path}")


def _require_free(path: Path) -> None:
    if path.exists():
        raise ArchiveRefused(f"{path} is there already; nothing is overwritten")


def _new_file(path: Path) -> Path:
    """An empty file that only its owner can read."""
    try:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise ArchiveRefused(f"cannot write {path}: {error.strerror}") from None
    return path


def _renew(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        renew(connection)
    finally:
        connection.close()


def _set_aside(path: Path) -> Path | None:
    """Rename the database, with what a crash has left beside it, to a name that is free."""
    if not path.exists():
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    # the database first: should this be cut short, SQLite drops a WAL that has none
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(f"{path.name}{suffix}")
        if part.exists():
            part.rename(aside.with_name(f"{aside.name}{suffix}"))
    return aside


def _put_in_place(unfinished: Path, target: Path) -> None:
    """Give the finished copy its name, once it is on disk."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
