"""Pages of history and searches, on connections of their own that can only read.

Rules:
- Any thread may ask, workers do; each borrows a connection and gives it back.
- Many rows come as one, joined by newlines, which JSON text never holds: a row at a time would cost
  a release of the interpreter's lock each.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat_schema.errors import Refused
from chat_server.journal.base import Act, Acts, Found, Page, Position, Query
from chat_server.journal.catalogue import Catalogue, Shelf
from chat_server.journal.database import open_reader
from chat_server.journal.pages import cut, newest, span

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that a search may take: others wait behind it."""

STRIDE = 20_000
"""Steps of SQLite's machine between looks at the clock: about a millisecond."""

PAGE = """select group_concat(body, char(10)) from (
    select body from events where room = ? and seq >= ? and seq < ? order by seq)"""

ACTS = """select id, ts, actor, act, room, target, detail from acts
    where ? is null or id < ? order by id desc limit ?"""

HITS = """select events.body from words join events on events.id = words.rowid
    where words match ? and (? is null or events.seq < ?)
        and (? is null or lower(json_extract(events.body, '$.user.nick')) = ?)
    order by words.rowid desc limit ?"""


class Reader:
    """Reads what the catalogue's rooms hold."""

    def __init__(self, path: Path, catalogue: Catalogue) -> None:
        self._path = path
        self._catalogue = catalogue
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while not self._idle.empty():
            self._idle.get().close()

    def page(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Read a page; see Journal."""
        shelf = self._catalogue.find(room)
        if shelf is None:
            # not the position asked now: a first entry may have come meanwhile
            return Page([], False, self._catalogue.without_entries(room))
        with self._borrow() as connection:
            connection.execute("begin")
            try:
                position = self._position(connection, shelf)
                first, end = span(position, after, before, limit)
                (text,) = connection.execute(PAGE, (shelf.id, first, end)).fetchone()
            finally:
                connection.execute("commit")
        bodies = text.encode().split(b"\n") if text else []
        return cut(bodies, position, first, end, size, forward=after is not None)

    def _position(self, connection: sqlite3.Connection, shelf: Shelf) -> Position:
        """Up to what was handed on, from what this reader can still see."""
        position = self._catalogue.position(shelf.key)
        row = connection.execute("select pruned from rooms where id = ?", (shelf.id,)).fetchone()
        return position._replace(oldest=(row[0] if row is not None else position.head) + 1)

    def search(self, query: Query) -> Found:
        """Find the newest events that match."""
        found = (self._catalogue.find(room) for room in query.rooms)
        shelves = [shelf for shelf in found if shelf is not None]
        if not shelves:
            return Found([], more=False)
        sender = query.sender.lower() if query.sender is not None else None
        with self._borrow() as connection, _within(connection, PATIENCE):
            rows = connection.execute(
                HITS,
                (
                    _match(query, shelves),
                    *(query.before, query.before),
                    *(sender, sender),
                    query.limit + 1,
                ),
            ).fetchall()
        return newest((body.encode() for (body,) in rows), query.limit, query.size)

    def acts(self, before: int | None, limit: int) -> Acts:
        """The newest acts, or the last before a number."""
        with self._borrow() as connection:
            rows = connection.execute(ACTS, (before, before, limit + 1)).fetchall()
        return Acts([Act(*row) for row in rows[:limit][::-1]], len(rows) > limit)

    @contextmanager
    def _borrow(self) -> Iterator[sqlite3.Connection]:
        """A connection; raises Refused where the disk has a fault."""
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._idle.put(connection)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                raise Refused("server.busy", "This took too long: ask for longer words.") from None
            log.warning("cannot read: %s", error)
            raise Refused("server.storage", "The server cannot read at present.") from error

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return open_reader(self._path)


@contextmanager
def _within(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Have what runs on `connection` interrupted when it takes longer."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, STRIDE)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _match(query: Query, shelves: list[Shelf]) -> str:
    """The query in the language of FTS5; words are letters and digits, quoted all the same."""
    rooms = " OR ".join(f'"r{shelf.id}"' for shelf in shelves)
    words = " AND ".join(f'"{word}" *' for word in query.words)
    return f"room : ({rooms}) AND text : ({words})"
