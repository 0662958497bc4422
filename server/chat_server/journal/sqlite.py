"""A journal in SQLite: nothing is handed on before it is on disk.

One thread does everything that writes. What arrives while it commits one batch is its next batch,
so under load a commit carries hundreds of entries, and when it is quiet one leaves at once.

Rules:
- Outcomes are published under the catalogue's lock, positions first: whoever sees a number finds
  it handed on.
- Where a batch cannot be stored, nobody is told that it was: its entries fail, and the next batch
  is tried. After a failed sync nothing is: the system may have dropped what it could not write
  and call the next sync a success (PostgreSQL's "fsyncgate").
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from chat_schema.errors import Refused
from chat_server.journal.base import (
    Act,
    Acts,
    Done,
    Durability,
    Entry,
    Failed,
    Found,
    HandOn,
    JournalFull,
    Kept,
    Known,
    Outcome,
    Page,
    Position,
    Query,
    Retention,
    Stay,
    ignore,
)  # fmt: skip
from chat_server.journal.catalogue import Catalogue
from chat_server.journal.chores import Chores, Stamp
from chat_server.journal.content import is_conversation
from chat_server.journal.database import DatabaseRefused, open_writer
from chat_server.journal.epochs import renew_after_power_cut, settle
from chat_server.journal.notebook import (
    keeping_act,
    keeping_record,
    keeping_stay,
    load_records,
    load_stays,
    without_stay,
)
from chat_server.journal.reader import Reader
from chat_server.journal.writer import Note, Writer

log = logging.getLogger(__name__)

WAITING = 20_000
"""Entries that may wait: about a second's worth."""

BATCH = 1000
"""Entries in one transaction: some 15 ms, and while it lasts the next batch gathers."""

QUIET = 0.2
"""Seconds without anything to store after which there is time for chores."""

COMPLAIN = 60.0
"""Seconds between lines in the log about chores that cannot be done."""

LOOK = 5.0
"""Seconds between looks for chores when nothing was stored since the last."""

NO_SYNC = frozenset({"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"})
"""Faults after which nothing that the system says about earlier writes can be believed."""


STOPPED = Refused(
    "server.storage", "The server has stopped storing messages until it is restarted."
)

WRONG = (sqlite3.Error, TypeError, KeyError)
"""What the first look at a database raises that is ours by its header but not by what is in it."""


class Errand(NamedTuple):
    """Something to do between batches, a step at a time for as long as `step` returns True.

    `done` is set when it was done, or could not be.
    """

    step: Callable[[], bool]
    done: threading.Event


class _Closing:
    """The last item of the queue."""


Item = Entry | Note | Errand | _Closing


class SqliteJournal:
    """Keeps everything in one database file, as long as `retention` says of each room.

    `stamp` tells the date so long ago. Raises DatabaseRefused where the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        durability: Durability,
        retention: Callable[[str], Retention],
        stamp: Stamp,
        waiting: int = WAITING,
    ) -> None:
        self.durability = durability
        self.retention = retention
        self._connection = open_writer(path, durability)
        try:
            renew_after_power_cut(self._connection, durability)
            self._catalogue = Catalogue(self._connection)
            self._stays = load_stays(self._connection)
            self._records = load_records(self._connection)
            self._chores = Chores(self._connection, self._catalogue, retention, stamp)
        except WRONG as error:
            self._connection.close()
            raise DatabaseRefused(f"{path} cannot be used: {error}") from None
        self._writer = Writer(self._connection, self._catalogue)
        self._reader = Reader(path, self._catalogue)
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._waiting = waiting
        self._hand_on: HandOn = _nobody
        self._fault: Refused | None = None
        self._untidy = True
        self._failing = False
        self._complain_at = 0.0
        self._path = path
        self._file = os.stat(path)
        self._watch_at = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    # For every thread

    def open(self, hand_on: HandOn) -> None:
        """Begin; `hand_on` is called on the journal's thread."""
        self._hand_on = hand_on
        self._thread.start()

    def append(self, entry: Entry) -> None:
        """Queue the entry; raise JournalFull where too many wait or the journal is closed."""
        if self._closed or self._queue.qsize() >= self._waiting:
            raise JournalFull
        self._queue.put(entry)

    def position(self, room: str) -> Position:
        """Where `room` stands."""
        return self._catalogue.position(room)

    def known(self, room: str) -> Known | None:
        """Name and topic of a room that has entries."""
        return self._catalogue.known(room)

    def rooms(self) -> Iterable[Known]:
        """Every room that has entries."""
        shelves = [shelf for shelf in self._catalogue.all() if not is_conversation(shelf.key)]
        return [Known(shelf.name, shelf.topic) for shelf in shelves]

    def conversations(self) -> Iterable[str]:
        """Every whisper conversation that has entries."""
        return [shelf.key for shelf in self._catalogue.all() if shelf.key.startswith("dm:")]

    def read(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Read a page; waits for the disk."""
        return self._reader.page(room, after=after, before=before, limit=limit, size=size)

    def search(self, query: Query) -> Found:
        """Find the newest events that match, everything kept until now among them."""
        self._do(self._chores.index)
        return self._reader.search(query)

    def evict(self, room: str) -> None:
        """Forget only where a room without entries stood: the others outlive the server."""
        self._catalogue.look_away(room)

    def forget(self, room: str) -> None:
        """Delete a conversation in a quiet moment."""
        self._queue.put(Errand(partial(self._chores.forget, room), threading.Event()))

    def keep_stay(self, stay: Stay, done: Done) -> None:
        """Keep a stay with the next batch."""
        self._queue.put(keeping_stay(stay, done))

    def drop_stay(self, digest: str) -> None:
        """Forget a stay with the next batch."""
        self._queue.put(without_stay(digest, ignore))

    def stays(self) -> Iterable[Stay]:
        """The stays that were kept when the journal was opened."""
        return self._stays

    def keep_record(self, kind: str, key: str, body: str | None, done: Done) -> None:
        """Keep or remove a record with the next batch."""
        self._queue.put(keeping_record(kind, key, body, done))

    def records(self, kind: str) -> Iterable[tuple[str, str]]:
        """The records that were kept when the journal was opened."""
        return self._records.get(kind, ())

    def keep_act(self, act: Act, done: Done) -> None:
        """Keep an act with the next batch."""
        self._queue.put(keeping_act(act, done))

    def acts(self, before: int | None, limit: int) -> Acts:
        """Read acts, those that wait to be kept among them; waits for the disk."""
        self.flush()
        return self._reader.acts(before, limit)

    def flush(self) -> None:
        """Return when everything appended until now is settled."""
        self._do(lambda: False)

    def close(self) -> None:
        """Settle what waits, then let go of the file; may be called without `open`."""
        if self._closed:
            return
        self._closed = True
        if self._thread.is_alive():
            self._queue.put(_Closing())
            self._thread.join()
        self._reader.close()
        self._try(lambda: settle(self._connection))
        self._connection.close()

    @property
    def alive(self) -> bool:
        """Whether the journal's thread runs; whether it can store is another matter."""
        return self._thread.is_alive()

    @property
    def storing(self) -> bool:
        """Whether the last batch could be stored, and the next may be."""
        return self.alive and self._fault is None and not self._failing

    @property
    def backlog(self) -> int:
        """What waits for the journal's thread."""
        return self._queue.qsize()

    def _do(self, step: Callable[[], bool]) -> None:
        """Have the journal's thread do something after what waits, and wait for it."""
        done = threading.Event()
        self._queue.put(Errand(step, done))
        while not done.wait(1.0):
            if not self._thread.is_alive():
                return

    # The journal's thread

    def _run(self) -> None:
        while True:
            items = self._collect()
            self._settle(items)
            if items and type(items[-1]) is Errand:
                self._run_errand(items[-1])
            if items and type(items[-1]) is _Closing:
                return

    def _run_errand(self, errand: Errand) -> None:
        if self._try(errand.step):
            self._queue.put(errand)  # what has come meanwhile goes first
        else:
            errand.done.set()

    def _collect(self) -> list[Item]:
        """Everything that waits, at most a batch; nothing after a quiet moment, and its chores."""
        try:
            items = [self._queue.get(timeout=QUIET if self._untidy else LOOK)]
        except queue.Empty:
            self._tidy_up()
            return []
        self._untidy = True
        while len(items) < BATCH and type(items[-1]) not in (Errand, _Closing):
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return items

    def _tidy_up(self) -> None:
        """Do chores until there are none, or something waits."""
        while self._queue.empty():
            if not self._try(lambda: self._chores.step(time.monotonic())):
                self._untidy = False
                return

    def _settle(self, items: Sequence[Item]) -> None:
        """Store a batch, and let everybody know."""
        entries = [item for item in items if type(item) is Entry]
        notes = [item for item in items if type(item) is Note]
        if not entries and not notes:
            return
        refused = self._fault
        if refused is None:
            refused = self._store(entries, notes)
        if refused is not None:
            self._hand_on([Failed(entry, refused) for entry in entries])
        for note in notes:
            try:
                note.done(refused)
            except Exception:  # a fault of who waited for it, not of the journal
                log.exception("a note's outcome failed")
        now = time.monotonic()
        if now >= self._watch_at:
            self._watch_at = now + LOOK
            self._watch()
        if refused is None:
            self._try(lambda: self._chores.urgent(now))

    def _watch(self) -> None:
        """Stop where the file is gone, or another one: what is stored in it would be lost."""
        if self._fault is None and not self._is_there():
            log.critical("%s was moved, deleted or replaced: nothing is stored", self._path)
            self._fault = STOPPED

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), self._file)
        except OSError:
            return False

    def _store(self, entries: Sequence[Entry], notes: Sequence[Note]) -> Refused | None:
        try:
            outcomes = self._writer.write(entries, notes)
        except sqlite3.Error as error:
            return self._failed(error)
        self._chores.note_stored(entries, len(notes))
        self._publish(outcomes)
        if self._failing:
            self._failing = False
            log.warning("storing works again")
        return None

    def _publish(self, outcomes: Sequence[Outcome]) -> None:
        with self._catalogue.lock:
            for outcome in outcomes:
                if type(outcome) is Kept:
                    shelf = self._catalogue.find(outcome.entry.room)
                    assert shelf is not None
                    shelf.head = outcome.seq
                    if outcome.entry.topic is not None:
                        shelf.topic = outcome.entry.topic
            self._hand_on(outcomes)

    def _failed(self, error: sqlite3.Error) -> Refused:
        """Note a fault of the disk, and say what authors are told."""
        name = getattr(error, "sqlite_errorname", "unknown")
        refused = Refused(
            "server.storage", "The server cannot store messages at present.", retry_after=1
        )
        if name in NO_SYNC:
            refused = self._fault = STOPPED
            log.critical("a sync failed (%s): nothing is stored until a restart", name)
        elif not self._failing:  # once, however many messages fail
            self._failing = True
            log.error("cannot store: %s (%s)", error, name)
        return refused

    def _try(self, step: Callable[[], bool]) -> bool:
        """Do something that is not owed to anybody; a fault of the disk is noted."""
        if self._fault is not None:
            return False
        try:
            return step()
        except sqlite3.Error as error:
            now = time.monotonic()
            if getattr(error, "sqlite_errorname", "") in NO_SYNC:
                self._failed(error)
            elif now >= self._complain_at:
                self._complain_at = now + COMPLAIN
                log.error("cannot tidy up the database: %s", error)
            return False


def _nobody(outcomes: Sequence[Outcome]) -> None:
    raise RuntimeError("the journal is not open")
