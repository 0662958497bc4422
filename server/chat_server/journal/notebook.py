"""What the database keeps that is no message: stays, records, and acts of those with power.

Rules:
- Each is a Note: one statement that is stored with the next batch, in the order of asking.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic_core import from_json, to_json

from chat_server.journal.base import Act, Done, Stay
from chat_server.journal.writer import Note


def keeping_stay(stay: Stay, done: Done) -> Note:
    """Keep a stay, new or changed."""
    rooms = to_json(stay.rooms).decode()
    return Note(
        "insert or replace into stays (digest, uid, nick, rooms) values (?, ?, ?, ?)",
        (stay.digest, stay.uid, stay.nick, rooms),
        done,
    )


def without_stay(digest: str, done: Done) -> Note:
    """Forget a stay."""
    return Note("delete from stays where digest = ?", (digest,), done)


def keeping_record(kind: str, key: str, body: str | None, done: Done) -> Note:
    """Keep a record in the place of the one before; None removes that one."""
    if body is None:
        return Note("delete from records where kind = ? and key = ?", (kind, key), done)
    return Note("insert or replace into records values (?, ?, ?)", (kind, key, body), done)


def keeping_act(act: Act, done: Done) -> Note:
    """Keep an act; the table numbers it."""
    sql = """insert into acts (ts, actor, act, room, target, detail)
        values (?, ?, ?, ?, ?, ?)"""
    return Note(sql, act[1:], done)


def load_stays(connection: sqlite3.Connection) -> list[Stay]:
    """Every stay."""
    rows = connection.execute("select uid, nick, digest, rooms from stays").fetchall()
    return [Stay(uid, nick, digest, tuple(from_json(rooms))) for uid, nick, digest, rooms in rows]


def load_records(connection: sqlite3.Connection) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Key and body of every record, by its kind."""
    records = defaultdict(list)
    for kind, key, body in connection.execute("select kind, key, body from records"):
        records[kind].append((key, body))
    return records
