"""The database file: its tables, how it is made, checked, brought up to date, and opened.

Rules:
- One connection writes, and it alone checkpoints: SQLite before 3.51.3 can lose a reset of the WAL
  when two do (sqlite.org/wal.html), and a lock on the folder keeps other servers out.
- A database that is not ours, newer than this program, or damaged is refused and not changed.
- A migration is one transaction, after a copy of the file was made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from chat_server.journal.base import Durability
from chat_server.journal.words import TOKENIZER

APPLICATION_ID = 0x74636861
"""Marks the file as ours in its header: "tcha"."""

SYNCHRONOUS = {"disk": "full", "process": "normal"}
"""When SQLite syncs: at every commit, or only at checkpoints."""

WAL_KEPT = 64 * 1024 * 1024
"""Bytes of WAL file that stay after a checkpoint, to be written again; a longer one is cut."""

FIRST = (
    "create table facts (name text primary key, value) without rowid",
    """create table rooms (
        id integer primary key, key text not null unique, name text not null, topic text not null,
        epoch text not null, pruned integer not null default 0)""",
    # appended to by rowid, with one narrow index: the fewer pages a commit touches, the faster
    """create table events (
        id integer primary key, room integer not null, seq integer not null, body text not null)""",
    "create unique index events_by_number on events (room, seq)",
    # apart from the events, so that what is only needed for a week can go after it
    """create table cids (
        author text not null, cid text not null, room integer not null, seq integer not null,
        ts text not null, primary key (author, cid)) without rowid""",
    # one statement for both tables: a batch costs one release of the interpreter's lock
    """create view incoming as
        select room, seq, '' as author, '' as cid, '' as ts, body from events""",
    """create trigger incoming_insert instead of insert on incoming begin
        insert into events (room, seq, body) values (new.room, new.seq, new.body);
        insert into cids select new.author, new.cid, new.room, new.seq, new.ts
            where new.cid is not null;
    end""",
    """create table stays (
        uid text primary key, nick text not null, digest text not null, rooms text not null)
        without rowid""",
    """create view searchable as
        select id, 'r' || room as room,
            coalesce(json_extract(body, '$.text'), json_extract(body, '$.topic')) as text
        from events""",
    f"""create virtual table words using fts5 (
        room, text, content='searchable', content_rowid='id', columnsize=0, detail=column,
        tokenize='{TOKENIZER}')""",
    """insert into facts values
        ('indexed', 0), ('epoch', lower(hex(randomblob(4)))), ('forgotten', 0)""",
)
SECOND = (
    "create table records (kind text, key text, body text not null, primary key (kind, key))"
    " without rowid",
    """create table acts (
        id integer primary key, ts text not null, actor text not null, act text not null,
        room text, target text, detail text)""",
    # one person may have several stays now, each with a token of its own
    "alter table stays rename to stays_by_uid",
    """create table stays (
        digest text primary key, uid text not null, nick text not null, rooms text not null)
        without rowid""",
    "insert or ignore into stays select digest, uid, nick, rooms from stays_by_uid",
    "drop table stays_by_uid",
)
MIGRATIONS: tuple[tuple[str, ...], ...] = (FIRST, SECOND)
"""The statements that lead from each version to the next; the version is the count of them."""

UNUSABLE = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What opening a file can raise; the last where SQLite's own message quotes damaged text."""


class DatabaseRefused(Exception):
    """The database cannot be used; the message is one line that says why. It was not changed."""


def open_writer(
    path: Path, durability: Durability, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> sqlite3.Connection:
    """Open the database for its only writer, made or brought up to date where need be.

    Raises DatabaseRefused, also where the file cannot be written.
    """
    try:
        version = _version_of(path, len(migrations), ours=True) if path.exists() else 0
        path.touch(mode=0o600)  # what people whisper is in it
        connection = _connect(path, "rw")
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute(f"pragma synchronous = {SYNCHRONOUS[durability]}")
            connection.execute("pragma wal_autocheckpoint = 0")
            connection.execute(f"pragma journal_size_limit = {WAL_KEPT}")
            connection.execute("pragma temp_store = memory")
            _migrate(connection, path, version, migrations)
        except BaseException:
            connection.close()
            raise
        return connection
    except UNUSABLE as error:
        raise DatabaseRefused(f"{path} cannot be used: {error}") from None


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading; any number may, also in other processes."""
    return _connect(path, "ro")


def check(
    path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS, *, quick: bool = False
) -> None:
    """Look through the whole file; raise DatabaseRefused where it is not a sound one of ours.

    `quick` leaves out whether the indexes agree with the tables, which takes longest.
    """
    try:
        if _version_of(path, len(migrations), ours=False) == 0:
            raise DatabaseRefused(f"{path} is not a database of typed-chat")
        connection = open_reader(path)
        try:
            (verdict,) = connection.execute(
                f"pragma {'quick' if quick else 'integrity'}_check(1)"
            ).fetchone()
        finally:
            connection.close()
    except UNUSABLE as error:
        raise DatabaseRefused(f"{path} cannot be used: {error}") from None
    if verdict != "ok":
        raise DatabaseRefused(f"{path} is damaged: {verdict.splitlines()[-1]}")


def copy(source: sqlite3.Connection, target: Path) -> None:
    """Write a consistent copy of what `source` sees at this moment; it may be in use."""
    target.touch(mode=0o600)  # what people whisper is in it
    connection = sqlite3.connect(target, isolation_level=None)
    try:
        source.backup(connection)  # in one step: steps would begin anew with every commit
        # a copy is one file: nothing beside it, whoever opens it
        connection.execute("pragma journal_mode = delete")
    finally:
        connection.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # any thread may close it; that one thread at a time uses it is for its owner to see to
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10,
    )


def _version_of(path: Path, newest: int, *, ours: bool) -> int:
    """The version of an existing database, 0 for an empty file; read only.

    `ours`: it stands in a data folder, where nobody else's does.
    """
    if path.stat().st_size == 0:
        return 0
    # a rollback journal is there only where the making was cut short: what is there is no history
    unmade = ours and path.with_name(f"{path.name}-journal").exists()
    connection = _connect(path, "rw" if unmade else "ro")
    try:
        (application,) = connection.execute("pragma application_id").fetchone()
        (version,) = connection.execute("pragma user_version").fetchone()
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
    finally:
        connection.close()
    if not tables and not version:
        return 0  # its making was cut short
    if application != APPLICATION_ID:
        raise DatabaseRefused(f"{path} is not a database of typed-chat")
    if version > newest:
        raise DatabaseRefused(
            f"{path} was made by a newer version (its format is {version}, this program's {newest})"
        )
    if version == len(MIGRATIONS) and (missing := _tables() - tables):
        raise DatabaseRefused(f"{path} is damaged: there is no {min(missing)}")
    return int(version)


def _tables() -> set[str]:
    """The names of everything that the newest version has."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for statement in (statement for statements in MIGRATIONS for statement in statements):
            connection.execute(statement)
        return {name for (name,) in connection.execute("select name from sqlite_master")}
    finally:
        connection.close()


def _migrate(
    connection: sqlite3.Connection, path: Path, version: int, migrations: Sequence[Sequence[str]]
) -> None:
    if version == len(migrations):
        return
    if version:
        copy(connection, path.with_name(f"{path.name}.format-{version}"))
    connection.execute("begin immediate")
    try:
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {len(migrations)}")
        connection.execute("commit")
    except sqlite3.Error:
        connection.execute("rollback")
        raise
