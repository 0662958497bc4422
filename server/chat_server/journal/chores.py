"""What the journal's thread does when nothing waits: checkpoints, the search index, retention.

Rules:
- Each step is a transaction of some milliseconds, because messages wait meanwhile.
- A chore that is far behind is done although messages wait: the WAL must not grow for ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from chat_server.journal.base import CID_DAYS, Entry, Retention
from chat_server.journal.catalogue import Catalogue, Shelf

STEP = 500
"""Rows a step handles: about five milliseconds of indexing."""

INDEX_BEHIND = 100_000
"""Events not yet indexed from which on messages wait for it: a search would wait a second."""

WAL_IDLE = 4 * 1024 * 1024
"""Bytes of WAL that are worth a checkpoint when nothing waits."""

WAL_BUSY = 64 * 1024 * 1024
"""Bytes of WAL from which on messages wait for a checkpoint, some 20 ms."""

WAL_COMMIT, WAL_CID = 12 * 1024, 4 * 1024
"""Bytes of WAL that a commit, and a cid on a page of its own, come to: whole pages of 4 KiB."""

LOOK_AGAIN = 60.0
"""Seconds between looks for what retention no longer keeps."""

SWEEP_AGAIN = 6 * 3600.0
"""Seconds between sweeps through the cids."""

ACTS = 100_000
"""Acts that the audit keeps, the newest: some 20 MB, and more than anybody reads."""

Stamp = Callable[[timedelta], str]
"""The date so long ago, as events carry it."""


class Chores:
    """The chores of one journal; its thread alone calls them."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        catalogue: Catalogue,
        retention: Callable[[str], Retention],
        stamp: Stamp,
    ) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._retention = retention
        self._stamp = stamp
        self._to_prune: list[Shelf] = []
        self._look = 0.0
        self._trim = 0
        self._swept: tuple[str, str] | None = ("", "")
        self._sweep = SWEEP_AGAIN
        self._unindexed = self._count_unindexed()
        self._wal = 0

    def note_stored(self, entries: Sequence[Entry], notes: int) -> None:
        """Take note of what the search index and the database file lack."""
        self._unindexed += len(entries)
        cids = sum(entry.cid is not None for entry in entries)
        bodies = sum(len(entry.tail) for entry in entries)
        self._wal += WAL_COMMIT + WAL_CID * (cids + notes) + 2 * bodies

    def urgent(self, now: float) -> bool:
        """Do what cannot wait for a quiet moment, should none come; what is left can."""
        if self._unindexed >= INDEX_BEHIND:
            self.index()
        if self._wal >= WAL_BUSY:
            self._checkpoint()
        self._retire(now)
        return False

    def step(self, now: float) -> bool:
        """Do one step of what there is to do at `now`, in seconds; False where there is nothing."""
        if self._unindexed:
            self.index()
        elif self._wal >= WAL_IDLE:
            self._checkpoint()
        else:
            return self._retire(now)
        return True

    def _retire(self, now: float) -> bool:
        """Let go of the next of what is too old or too much; False where there is nothing."""
        if self._to_prune:
            self._prune(self._to_prune.pop())
        elif self._trim:
            self._trim_acts(self._trim)
        elif self._swept is not None:
            self._sweep_cids(self._swept)
        else:
            return self._look_around(now)
        return True

    def _look_around(self, now: float) -> bool:
        if now >= self._sweep:
            self._sweep, self._swept = now + SWEEP_AGAIN, ("", "")
        if now >= self._look:
            self._look, self._trim = now + LOOK_AGAIN, self._acts_too_many()
            self._to_prune = [
                shelf
                for shelf in self._catalogue.all()
                if self._retention(shelf.key) != (None, None)
            ]
        return bool(self._to_prune or self._trim) or self._swept is not None

    # The search index

    def index(self) -> bool:
        """Index the next events; True where there are more."""
        (indexed,) = self._connection.execute(
            "select value from facts where name = 'indexed'"
        ).fetchone()
        (last,) = self._connection.execute(
            "select max(id) from (select id from events where id > ? order by id limit ?)",
            (indexed, STEP),
        ).fetchone()
        if last is None:
            self._unindexed = 0
            return False
        with self._transaction():
            self._connection.execute(
                """insert into words (rowid, room, text)
                    select id, room, text from searchable where id > ? and id <= ?""",
                (indexed, last),
            )
            self._connection.execute("update facts set value = ? where name = 'indexed'", (last,))
        self._unindexed = self._count_unindexed()
        return self._unindexed > 0

    def _count_unindexed(self) -> int:
        (count,) = self._connection.execute(
            """select coalesce(max(id), 0) - (select value from facts where name = 'indexed')
                from events"""
        ).fetchone()
        return max(0, int(count))

    # The WAL

    def _checkpoint(self) -> None:
        """Bring what the WAL holds into the database file, as far as readers allow."""
        self._connection.execute("pragma wal_checkpoint(passive)").fetchone()
        self._wal = 0

    # Retention

    def _prune(self, shelf: Shelf) -> None:
        """Remove a step of what a room need not keep; come back where there may be more."""
        bound = self._bound(shelf)
        if bound <= shelf.pruned:
            return
        more = bound == shelf.pruned + STEP
        self._remove(shelf, bound)
        if more:
            self._to_prune.insert(0, shelf)  # the others first

    def _remove(self, shelf: Shelf, bound: int) -> None:
        with self._transaction():
            self._delete(shelf, bound)
            self._connection.execute("update rooms set pruned = ? where id = ?", (bound, shelf.id))
        with self._catalogue.lock:
            shelf.pruned = bound

    def _bound(self, shelf: Shelf) -> int:
        """The newest number that retention lets go of, at most a step away."""
        entries, days = self._retention(shelf.key)
        bound = shelf.head - entries if entries is not None else 0
        if days is not None:
            bound = max(bound, self._older_than(shelf, days))
        return min(bound, shelf.pruned + STEP)

    def _older_than(self, shelf: Shelf, days: float) -> int:
        # the last that is too old takes with it what stands before it under a date of the future
        (last,) = self._connection.execute(
            """select max(seq) from (
                select seq, json_extract(body, '$.ts') as ts from events
                    where room = ? order by seq limit ?)
                where ts < ?""",
            (shelf.id, STEP, self._stamp(timedelta(days=days))),
        ).fetchone()
        return int(last or 0)

    def _delete(self, shelf: Shelf, bound: int) -> None:
        """Delete a room's events up to a number, from the search index first."""
        self._connection.execute(
            """insert into words (words, rowid, room, text)
                select 'delete', id, room, text from searchable where id in (
                    select id from events where room = ? and seq <= ?
                        and id <= (select value from facts where name = 'indexed'))""",
            (shelf.id, bound),
        )
        self._connection.execute(
            "delete from events where room = ? and seq <= ?", (shelf.id, bound)
        )
        # the ids of the newest ones, were they deleted, are given again, and not indexed then
        self._connection.execute(
            """update facts set value = min(value, (select coalesce(max(id), 0) from events))
                where name = 'indexed'"""
        )

    def forget(self, key: str) -> bool:
        """Delete the next events of a room, at last the room; True where there are more."""
        shelf = self._catalogue.find(key)
        if shelf is None:
            return False
        if shelf.pruned < shelf.head:
            self._remove(shelf, min(shelf.head, shelf.pruned + STEP))
            return True
        with self._transaction():
            self._connection.execute("delete from rooms where id = ?", (shelf.id,))
            self._connection.execute("update facts set value = value + 1 where name = 'forgotten'")
        with self._catalogue.lock:
            self._catalogue.remove(key)
        return False

    # Cids

    def _sweep_cids(self, after: tuple[str, str]) -> None:
        """Delete what is too old among the next cids; the sweep ends where there are none."""
        last = self._connection.execute(
            """select author, cid from (select author, cid from cids where (author, cid) > (?, ?)
                order by author, cid limit ?) order by author desc, cid desc limit 1""",
            (*after, STEP),
        ).fetchone()
        if last is not None:
            self._connection.execute(
                """delete from cids where (author, cid) > (?, ?) and (author, cid) <= (?, ?)
                    and ts < ?""",
                (*after, *last, self._stamp(timedelta(days=CID_DAYS))),
            )
        self._swept = last

    # Acts

    def _acts_too_many(self) -> int:
        """The number up to which acts can go, 0 where there are not too many."""
        (oldest, newest) = self._connection.execute(
            "select (select min(id) from acts), (select max(id) from acts)"
        ).fetchone()
        return newest - ACTS if oldest is not None and oldest <= newest - ACTS else 0

    def _trim_acts(self, bound: int) -> None:
        """Delete the next acts up to a number; the newest stay, so none is numbered twice."""
        deleted = self._connection.execute(
            "delete from acts where id in (select id from acts where id <= ? order by id limit ?)",
            (bound, STEP),
        ).rowcount
        if deleted < STEP:
            self._trim = 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise
