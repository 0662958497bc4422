"""Reads everything of conversations from a server's database; the server must have ended.

Opening it is part of the judgement: SQLite recovers here as it would for the server.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.chaos.logs import Store, StoredCid, StoredRoom

DATABASE = "chat.db"


class Damaged(Exception):
    """The database cannot be read, or is not sound."""


def read_store(folder: Path) -> Store:
    """Return what `folder` holds, nothing where there is no table yet; raise Damaged."""
    try:
        with closing(sqlite3.connect(folder / DATABASE)) as connection:
            (verdict,) = connection.execute("pragma integrity_check(1)").fetchone()
            if verdict != "ok":
                raise Damaged(f"{DATABASE} is damaged: {verdict}")
            (tables,) = connection.execute(
                "select count(*) from sqlite_master where name = 'events'"
            ).fetchone()
            return _read(connection) if tables else Store()
    except sqlite3.Error as error:
        raise Damaged(f"{DATABASE} cannot be read: {error}") from None


def _read(connection: sqlite3.Connection) -> Store:
    store = Store()
    keys: dict[int, str] = {}
    for id, key, epoch, pruned in connection.execute("select id, key, epoch, pruned from rooms"):
        keys[id] = key
        store.rooms[key] = StoredRoom(epoch, pruned + 1)
    for room, seq, body in connection.execute("select room, seq, body from events"):
        if room not in keys:
            raise Damaged(f"an event of a room that there is not: {room}")
        store.rooms[keys[room]].events.append((seq, body.encode()))
    for author, cid, room, seq in connection.execute("select author, cid, room, seq from cids"):
        store.cids.append(StoredCid(author, cid, keys.get(room, ""), seq))
    return store
