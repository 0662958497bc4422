"""The parts of the journal in SQLite, put together by hand: no thread, no queue, no clock.

    workshop = Workshop(path)
    workshop.store(said("a", "hello"))
    workshop.rest()

What the journal's thread does happens here when a test says so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from chat_server.journal.base import Entry, Kept, Outcome, Page, Query, Retention
from chat_server.journal.catalogue import Catalogue
from chat_server.journal.chores import Chores
from chat_server.journal.database import open_writer
from chat_server.journal.reader import Reader
from chat_server.journal.words import words_of
from chat_server.journal.writer import Note, Writer

NO_LIMIT = 10**9

NOW = 1000.0
"""The time of chores, in seconds."""

DAY = "2026-11-{:02}T12:00:00.000Z"
"""Noon of a day in November."""

TODAY = 22
"""The day in November on which everything here happens."""

EVERYTHING = Retention(None, None)


def days_ago(ago: timedelta) -> str:
    """The date so long before noon of today."""
    return DAY.format(TODAY - ago.days)


def said(
    room: str,
    text: str,
    *,
    author: str = "u1",
    cid: str | None = None,
    day: int = TODAY,
    topic: str | None = None,
) -> Entry:
    """An entry as a message makes it, said on a day in November."""
    ts = DAY.format(day)
    tail = f',"ts":"{ts}","user":{{"uid":"{author}","nick":"Alice"}},"text":{json.dumps(text)}}}'
    return Entry(
        room.lower(),
        f'{{"type":"broadcast","room":"{room}","seq":',
        tail,
        ts=ts,
        author=author,
        cid=cid,
        origin=None,
        re=None,
        answer=None,
        topic=topic,
    )


def texts_of(bodies: Iterable[bytes]) -> list[str]:
    """What the events in these bodies say."""
    return [json.loads(body)["text"] for body in bodies]


class Workshop:
    """A database being written, with its catalogue, its chores and its reader."""

    def __init__(
        self, path: Path, retention: Callable[[str], Retention] = lambda room: EVERYTHING
    ) -> None:
        self.connection = open_writer(path, "disk")
        self.catalogue = Catalogue(self.connection)
        self.writer = Writer(self.connection, self.catalogue)
        self.chores = Chores(self.connection, self.catalogue, retention, days_ago)
        self.reader = Reader(path, self.catalogue)

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()
        self.connection.close()

    def store(self, *entries: Entry, notes: Sequence[Note] = ()) -> list[Outcome]:
        """Store a batch and publish it, as the journal does."""
        outcomes = self.writer.write(entries, notes)
        self.chores.note_stored(entries, len(notes))
        for outcome in outcomes:
            if isinstance(outcome, Kept):
                shelf = self.catalogue.find(outcome.entry.room)
                assert shelf is not None
                shelf.head = outcome.seq
        return outcomes

    def fill(self, room: str, count: int, **fields: Any) -> None:
        """Store so many messages, `room 1`, `room 2` …, in batches of a hundred."""
        texts = [f"{room} {number}" for number in range(1, count + 1)]
        for start in range(0, count, 100):
            self.store(*(said(room, text, **fields) for text in texts[start : start + 100]))

    def rest(self, now: float = NOW) -> int:
        """Do chores until there are none; return how many steps it took."""
        steps = 0
        while self.chores.step(now):
            steps += 1
            assert steps < 1000, "the chores do not come to an end"
        return steps

    def forget(self, room: str) -> None:
        """Forget a conversation, step by step."""
        while self.chores.forget(room):
            pass

    def page(self, room: str, **span: int | None) -> Page:
        """Read with what is not given left open."""
        after, before = span.get("after"), span.get("before")
        limit = span.get("limit") or NO_LIMIT
        return self.reader.page(room, after=after, before=before, limit=limit, size=NO_LIMIT)

    def search(self, text: str, *rooms: str) -> list[str]:
        """What is found where the index is by now."""
        query = Query(rooms, words_of(text), None, None, NO_LIMIT, NO_LIMIT)
        return texts_of(self.reader.search(query).bodies)

    def value(self, sql: str, *parameters: object) -> Any:
        """The first column of the first row."""
        return self.connection.execute(sql, parameters).fetchone()[0]

    def plans(self, statements: Iterable[str]) -> list[str]:
        """How SQLite would do these statements, a line for each part."""
        lines: list[str] = []
        for statement in statements:
            try:
                rows = self.connection.execute(f"explain query plan {statement}").fetchall()
            except sqlite3.Error as error:
                raise AssertionError(f"{statement}: {error}") from None
            lines.extend(f"{row[3]}: {statement}" for row in rows)
        return lines
