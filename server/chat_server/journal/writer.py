"""Numbers entries and stores them, a batch at a time, in one transaction.

Rules:
- One thread calls this: the journal's.
- A plain batch is one statement. Each statement releases the interpreter's lock and may wait a
  switch interval to get it back, so a row at a time would cost a hundred times as much.
- That no cid repeats is taken for granted and left to the index of cids: only when the statement
  fails is it found out which entries repeat.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import to_json

from chat_schema.framing import HEADER, encode_frame
from chat_server.journal.base import Done, Entry, Failed, First, Kept, Outcome, Repeated
from chat_server.journal.catalogue import Catalogue, Shelf
from chat_server.journal.content import conflict, name_in, same_content

log = logging.getLogger(__name__)

INSERT = """insert into incoming (room, seq, author, cid, ts, body)
    select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
    from json_each(?)"""

FIRST_OUTCOMES = """select cids.author, cids.cid, rooms.name, cids.seq, cids.ts, events.body
    from json_each(?) as pair
    join cids on cids.author = json_extract(pair.value, '$[0]')
        and cids.cid = json_extract(pair.value, '$[1]')
    left join rooms on rooms.id = cids.room
    left join events on events.room = cids.room and events.seq = cids.seq"""


class Note(NamedTuple):
    """Something to store with the next batch that is no entry; `done` is told when it is."""

    sql: str
    parameters: tuple[str | None, ...]
    done: Done


Found = tuple[First, str | None]
"""The outcome of the first entry with a cid, and its body where it is still kept."""


class Writer:
    """Stores batches through the only connection that writes."""

    def __init__(self, connection: sqlite3.Connection, catalogue: Catalogue) -> None:
        self._connection = connection
        self._catalogue = catalogue

    def write(self, entries: Sequence[Entry], notes: Sequence[Note]) -> list[Outcome]:
        """Store everything, or raise sqlite3.Error and store nothing.

        The caller publishes the outcomes; until then nobody sees the new numbers.
        """
        if not any(map(_hindered, entries)):
            try:
                return list(_Batch(self._catalogue, entries).store(self._connection, notes))
            except sqlite3.IntegrityError:
                log.debug("a batch holds a repeated cid")
        return self._write_without_repeated(entries, notes)

    def _write_without_repeated(
        self, entries: Sequence[Entry], notes: Sequence[Note]
    ) -> list[Outcome]:
        firsts = self._firsts(entries)
        fresh: dict[object, Entry] = {}
        again: list[Entry] = []
        outcomes: dict[Entry, Outcome] = {}
        for entry in entries:
            name = _name(entry)
            if name in firsts:
                outcomes[entry] = _repetition(entry, firsts[name])
            elif name in fresh:
                again.append(entry)  # twice in this batch: the first has no number yet
            elif (refusal := entry.refusal) is not None:
                outcomes[entry] = Failed(entry, refusal)
            else:
                fresh[name] = entry
        batch = _Batch(self._catalogue, list(fresh.values()))
        for kept in batch.store(self._connection, notes):
            outcomes[kept.entry] = kept
            firsts[_name(kept.entry)] = self._found(kept)
        outcomes.update((entry, _repetition(entry, firsts[_name(entry)])) for entry in again)
        return [outcomes[entry] for entry in entries]  # who asked is answered in that order

    def _found(self, kept: Kept) -> Found:
        """What is found of an entry by the next one with its cid, without asking the disk."""
        shelf = self._catalogue.find(kept.entry.room)
        assert shelf is not None
        return First(shelf.name, kept.seq, kept.entry.ts), kept.frame[HEADER:].decode()

    def _firsts(self, entries: Sequence[Entry]) -> dict[object, Found]:
        pairs = [(entry.author, entry.cid) for entry in entries if entry.cid is not None]
        rows = self._connection.execute(FIRST_OUTCOMES, (to_json(pairs).decode(),))
        return {
            (author, cid): (First(room or "", seq, ts), body)
            for author, cid, room, seq, ts, body in rows
        }


class _Batch:
    """Entries with their numbers; abandoned numbers are given again."""

    def __init__(self, catalogue: Catalogue, entries: Sequence[Entry]) -> None:
        self._catalogue = catalogue
        self._drafts: dict[str, Shelf] = {}
        self._touched: dict[str, Shelf] = {}
        self._topics: dict[str, str] = {}
        self._rows: list[tuple[int, int, str, str | None, str, str]] = []
        self._kept = [self._number(entry) for entry in entries]

    def _number(self, entry: Entry) -> Kept:
        key = entry.room
        shelf = self._touched.get(key)
        if shelf is None:
            shelf = self._touched[key] = self._catalogue.find(key) or self._draft(entry)
        seq = shelf.next = shelf.next + 1
        body = f"{entry.head}{seq}{entry.tail}"
        self._rows.append((shelf.id, seq, entry.author, entry.cid, entry.ts, body))
        if entry.topic is not None:
            self._topics[key] = entry.topic
        return Kept(entry, seq, encode_frame(body.encode()))

    def _draft(self, entry: Entry) -> Shelf:
        name = name_in(f"{entry.head}0{entry.tail}")
        shelf = self._drafts[entry.room] = self._catalogue.draft(entry.room, name)
        return shelf

    def store(self, connection: sqlite3.Connection, notes: Sequence[Note]) -> list[Kept]:
        """Commit; where that fails, leave the numbers as they were."""
        try:
            if self._drafts or self._topics or notes:
                self._commit_all(connection, notes)
            elif self._rows:
                connection.execute(INSERT, (to_json(self._rows).decode(),))
        except BaseException:
            for shelf in self._touched.values():
                shelf.next = shelf.head
            raise
        for shelf in self._drafts.values():
            self._catalogue.add(shelf)
        return self._kept

    def _commit_all(self, connection: sqlite3.Connection, notes: Sequence[Note]) -> None:
        connection.execute("begin immediate")
        try:
            for shelf in self._drafts.values():
                connection.execute(
                    "insert into rooms (id, key, name, topic, epoch) values (?, ?, ?, ?, ?)",
                    (shelf.id, shelf.key, shelf.name, shelf.topic, shelf.epoch),
                )
            for key, topic in self._topics.items():
                connection.execute("update rooms set topic = ? where key = ?", (topic, key))
            for note in notes:
                connection.execute(note.sql, note.parameters)
            connection.execute(INSERT, (to_json(self._rows).decode(),))
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise


def _hindered(entry: Entry) -> bool:
    """Whether it has a refusal; not asked through the property, which costs twice as much."""
    voice = entry.voice
    return entry.unless is not None or (voice is not None and voice.refused is not None)


def _name(entry: Entry) -> object:
    """What two entries have in common of which the second repeats the first."""
    return (entry.author, entry.cid) if entry.cid is not None else entry


def _repetition(entry: Entry, found: Found) -> Outcome:
    first, body = found
    if body is not None and not same_content(body, entry):
        return Failed(entry, conflict())
    return Repeated(entry, first)
