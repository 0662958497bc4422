"""The power is cut: what a disk then holds must have everything that was acknowledged or seen.

One run of the server's journal is recorded below SQLite. Then, for hundreds of moments in it, the
files are made as a power cut would have left them, the journal is opened on them, the authors send
again what they had no answer to, and the checker compares. The control replays the same record for
a disk that ignores syncs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

from chat_server.journal import chores
from chat_server.journal.base import (
    Durability,
    Failed,
    Kept,
    Outcome,
    Query,
    Repeated,
    Retention,
    Stay,
)  # fmt: skip
from chat_server.journal.database import DatabaseRefused
from chat_server.journal.sqlite import SqliteJournal
from tests.chaos.author import AUTHORS, compose, entry_of
from tests.chaos.checker import Violation, check
from tests.chaos.disk import Disk
from tests.chaos.logs import Logs, Message, Seen
from tests.chaos.recorder import Operation, Recorder
from tests.chaos.result import Result
from tests.chaos.store import DATABASE, Damaged, read_store

MESSAGES_A_CUT = 4
"""Messages in the record for each cut, within the bounds that follow."""
FEWEST, MOST = 400, 3000
AGAIN = 0.2
"""The share of power cuts that are followed by another while the server recovers."""
BURST = 40
"""Messages at most that wait for a commit together."""


def power(cuts: int, random: Random, durability: Durability = "disk") -> list[Result]:
    """The scenario and its control."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name) / "recorded"
        folder.mkdir()
        number = min(MOST, max(FEWEST, cuts * MESSAGES_A_CUT))
        record = make_record(folder, number, random, durability)
        scratch = Path(name)
        kept = _judge("power cut", record, cuts, Random(random.random()), scratch, syncs=True)
        kept.seconds = time.monotonic() - began
        few = max(5, cuts // 10)
        lost = _judge("  syncs ignored", record, few, Random(random.random()), scratch, syncs=False)
    return [kept, lost]


# The record


def make_record(
    folder: Path, number: int, random: Random, durability: Durability = "disk"
) -> list[Operation]:
    """Have a journal keep `number` messages and note what it writes, and what it tells whom when.

    The marks are `Message` when one is sent, `Kept` and `Stay` when that is told.
    """
    with Recorder(folder) as recorder, _busy_with_chores():
        journal = open_journal(folder, durability)
        journal.open(lambda outcomes: _note(recorder, outcomes))
        for author in AUTHORS:
            _keep_stay(journal, recorder, author)
        said: list[Message] = []
        while len(said) < number:
            for _ in range(random.choice((1, 1, 2, 5, random.randrange(1, BURST)))):
                said.append(compose(random, len(said)))
                recorder.mark(said[-1])
                journal.append(entry_of(said[-1]))
            if random.random() < 0.3:
                journal.append(entry_of(random.choice(said)))  # sent twice
            if random.random() < 0.5:
                journal.flush()
        journal.flush()
        record = list(recorder.record)
        journal.close()
    return record


def open_journal(folder: Path, durability: Durability = "disk") -> SqliteJournal:
    """The server's journal, keeping everything."""
    return SqliteJournal(folder / DATABASE, durability, _keep_all, _stamp)


@contextmanager
def _busy_with_chores() -> Iterator[None]:
    """Checkpoints and indexing as a busy week has them, within seconds."""
    with (
        mock.patch.object(chores, "WAL_BUSY", 1024 * 1024),
        mock.patch.object(chores, "INDEX_BEHIND", 60),
    ):
        yield


def _note(recorder: Recorder, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if type(outcome) is Kept:
            recorder.mark(outcome)


def _keep_stay(journal: SqliteJournal, recorder: Recorder, author: str) -> None:
    stay = Stay(author, author, f"digest-{author}", ("dev",))
    journal.keep_stay(stay, lambda refused: recorder.mark(stay))


def _keep_all(room: str) -> Retention:
    return Retention(None, None)


def _stamp(ago: timedelta) -> str:
    return "2026-01-01T00:00:00.000Z"


# The cuts


class Told:
    """What had been said, acknowledged and seen at some moment of the record."""

    def __init__(self) -> None:
        self.said: dict[str, Message] = {}
        self.seen: list[Seen] = []
        self.stays: set[str] = set()

    def advance(self, operations: Sequence[Operation]) -> None:
        """Take note of the marks among them."""
        for mark in (operation.data for operation in operations if operation.kind == "mark"):
            if isinstance(mark, Message):
                self.said[mark.cid] = Message(mark.author, mark.cid, mark.room, mark.text)
            elif isinstance(mark, Kept):
                assert mark.entry.cid is not None
                self.said[mark.entry.cid].seq = mark.seq
                self.seen.append(Seen(mark.entry.room, mark.seq, mark.frame[4:]))
            elif isinstance(mark, Stay):
                self.stays.add(mark.uid)

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged."""
        return len(self.seen)

    def logs(self) -> Logs:
        """The same, for the checker."""
        senders: dict[str, list[Message]] = {author: [] for author in AUTHORS}
        for message in self.said.values():
            senders[message.author].append(message)
        return Logs(senders, {"everybody": [self.seen]})


def _judge(
    name: str, record: list[Operation], cuts: int, random: Random, scratch: Path, *, syncs: bool
) -> Result:
    began = time.monotonic()
    disk, told, at = Disk(syncs=syncs), Told(), 0
    violations: list[Violation] = []
    for number, end in enumerate(sorted(random.randrange(len(record)) for _ in range(cuts))):
        disk.advance(record[at:end])
        told.advance(record[at:end])
        at = end
        with TemporaryDirectory(dir=scratch) as first, TemporaryDirectory(dir=scratch) as second:
            disk.cut(Path(first), random)
            words = f" (cut {number}, after {end} operations of {len(record)})"
            folder = Path(first)
            if syncs and random.random() < AGAIN:
                _cut_again(folder, Path(second), random)
                folder, words = Path(second), f"{words}, and again"
            found = _after_cut(folder, told, random)
            violations += [Violation(v.kind, v.words + words) for v in found]
    syncs_done = sum(operation.kind == "sync" for operation in record)
    notes = [f"{len(record):,} operations recorded, {syncs_done:,} of them syncs"] if syncs else []
    return Result(
        name,
        cuts,
        len(told.said),
        told.acknowledged,
        time.monotonic() - began,
        violations,
        notes,
        expected=not syncs,
    )


def _cut_again(folder: Path, second: Path, random: Random) -> None:
    """Let a server start and stop on the folder, and cut the power again meanwhile."""
    disk = Disk(folder)
    with Recorder(folder) as recorder:
        journal = open_journal(folder)
        journal.open(lambda outcomes: None)
        journal.search(Query(["dev"], ["x"], None, None, 1, 1000))  # which makes it index
        journal.close()
    operations, recorder.record = recorder.record, []
    disk.advance(operations[: random.randrange(len(operations) + 1)])
    disk.cut(second, random)


def _after_cut(folder: Path, told: Told, random: Random) -> list[Violation]:
    """Open the folder as the server would, send again what had no answer, and compare."""
    try:
        found = _start_again(folder, told, random)
        return [*found, *check(told.logs(), read_store(folder))]
    except (Damaged, DatabaseRefused, sqlite3.Error, UnicodeDecodeError) as error:
        return [Violation("damaged", str(error))]


def _start_again(folder: Path, told: Told, random: Random) -> list[Violation]:
    outcomes: list[Outcome] = []
    journal = open_journal(folder)
    journal.open(outcomes.extend)
    try:
        forgotten = told.stays - {stay.uid for stay in journal.stays()}
        known = [message for message in told.said.values() if message.seq is not None]
        for message in random.sample(known, min(5, len(known))):
            journal.append(entry_of(message))
        for message in told.said.values():
            if message.seq is None:
                journal.append(entry_of(message))
        journal.flush()
    finally:
        journal.close()
    return [
        *(Violation("lost", f"the stay of {uid} is forgotten") for uid in forgotten),
        *_wrong_answers(outcomes, told),
    ]


def _wrong_answers(outcomes: Sequence[Outcome], told: Told) -> Iterator[Violation]:
    for outcome in outcomes:
        cid = outcome.entry.cid or ""
        seq = told.said[cid].seq
        if isinstance(outcome, Failed):
            yield Violation("refused", f"{cid} was refused afterwards: {outcome.refused}")
        elif seq is not None and not (isinstance(outcome, Repeated) and _number(outcome) == seq):
            words = f"{cid}, acknowledged as {seq}, was answered with {_number(outcome)} repeated"
            yield Violation("doubled", words)


def _number(outcome: Kept | Repeated) -> int:
    """What the author is told: a repetition has it from the first outcome."""
    return outcome.first.seq if isinstance(outcome, Repeated) else outcome.seq
