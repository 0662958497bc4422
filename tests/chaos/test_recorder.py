"""The recorder and the disk after a power cut, by themselves: with a plain SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.chaos import sqlite_abi as abi
from tests.chaos.disk import SECTOR, Disk
from tests.chaos.recorder import Operation, Recorder

ROWS = 120


def open_database(folder: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    """A database in WAL mode that checkpoints often."""
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute(f"pragma synchronous={synchronous}")
    connection.execute("pragma wal_autocheckpoint=20")
    connection.execute("create table if not exists rows(number integer primary key, text)")
    return connection


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """A recorder of a folder of its own."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    with Recorder(folder) as recorder:
        yield recorder


def write_rows(folder: Path, recorder: Recorder, synchronous: str) -> list[Operation]:
    """Commit rows one by one and mark each when it is committed."""
    with closing(open_database(folder, synchronous)) as connection:
        for number in range(1, ROWS + 1):
            connection.execute("insert into rows values (?, ?)", (number, "x" * number))
            recorder.mark(number)
    return recorder.record


def rows_after_cut(folder: Path) -> int:
    """How many rows there are, 1 to n; -1 where the database is not even sound."""
    try:
        with closing(sqlite3.connect(folder / "plain.db")) as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            numbers = [number for (number,) in connection.execute("select number from rows")]
    except (sqlite3.DatabaseError, AssertionError):
        return -1
    return len(numbers) if numbers == list(range(1, len(numbers) + 1)) else -1


def losses(record: list[Operation], tmp_path: Path, *, syncs: bool, cuts: int = 60) -> int:
    """After how many of the cuts a row that was marked before is missing."""
    random = Random(5)
    marks = [number for number, one in enumerate(record) if one.kind == "mark"]
    lost = 0
    for number in range(cuts):
        end = random.randrange(marks[0] + 1, len(record))
        folder = tmp_path / f"{syncs}-{number}"
        folder.mkdir()
        disk = Disk(syncs=syncs)
        disk.advance(record[:end])
        disk.cut(folder, random)
        committed = max(one.data for one in record[:end] if one.kind == "mark")
        lost += rows_after_cut(folder) < committed
    return lost


def test_what_was_recorded_replays_to_the_very_files(recorder: Recorder, tmp_path: Path) -> None:
    """The record is complete: replayed without a cut it makes the same bytes."""
    folder = tmp_path / "recorded"
    with closing(open_database(folder)) as connection:
        connection.execute("insert into rows values (1, 'one')")
        disk = Disk()
        disk.advance([*recorder.record, Operation("sync", "plain.db-wal")])
        disk.cut(tmp_path, Random(1))
        for name in ("plain.db", "plain.db-wal"):
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_synced_commit_survives_every_cut(recorder: Recorder, tmp_path: Path) -> None:
    """synchronous=FULL keeps its word on this disk."""
    record = write_rows(tmp_path / "recorded", recorder, "FULL")
    assert losses(record, tmp_path, syncs=True) == 0


def test_a_disk_that_ignores_syncs_is_caught(recorder: Recorder, tmp_path: Path) -> None:
    """The same record, the same judge."""
    record = write_rows(tmp_path / "recorded", recorder, "FULL")
    assert losses(record, tmp_path, syncs=False) > 20


def test_commits_that_do_not_wait_for_the_disk_are_caught(
    recorder: Recorder, tmp_path: Path
) -> None:
    """synchronous=NORMAL promises less than `disk`, and the judge sees it."""
    record = write_rows(tmp_path / "recorded", recorder, "NORMAL")
    assert losses(record, tmp_path, syncs=True) > 5


def test_other_folders_are_left_alone(recorder: Recorder, tmp_path: Path) -> None:
    """Neither recorded nor made to fail."""
    recorder.fail("write", code=abi.FULL)
    with closing(open_database(tmp_path)) as connection:
        connection.execute("insert into rows values (1, 'one')")
    assert recorder.record == []


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("write", abi.FULL, "database or disk is full"),
        ("write", abi.IOERR_WRITE, "disk I/O error"),
        ("sync", abi.IOERR_FSYNC, "disk I/O error"),
        ("write", abi.READONLY, "attempt to write a readonly database"),
    ],
)
def test_faults_come_and_go(
    recorder: Recorder, tmp_path: Path, kind: str, code: int, words: str
) -> None:
    """A commit fails in SQLite's own words while the fault lasts, and succeeds again afterwards."""
    with closing(open_database(tmp_path / "recorded")) as connection:
        recorder.fail(kind, code=code)  # type: ignore[arg-type]
        with pytest.raises(sqlite3.OperationalError, match=words):
            connection.execute("insert into rows values (1, 'one')")
        recorder.heal()
        connection.execute("insert into rows values (1, 'one')")
        assert connection.execute("select count(*) from rows").fetchone() == (1,)


def test_a_file_that_cannot_be_opened(recorder: Recorder, tmp_path: Path) -> None:
    """Opening fails as it does on a folder without permission."""
    recorder.fail("open", code=abi.READONLY)
    with closing(sqlite3.connect(":memory:")):
        pass
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        open_database(tmp_path / "recorded")


def test_the_recorder_leaves_as_it_came(tmp_path: Path) -> None:
    """Afterwards SQLite writes without us."""
    with Recorder(tmp_path) as recorder:
        pass
    with closing(open_database(tmp_path)):
        assert recorder.record == []


def test_unsynced_sectors_survive_one_by_one(tmp_path: Path) -> None:
    """A write may be torn, but only between sectors."""
    old, new = b"o" * SECTOR * 8, b"n" * SECTOR * 8
    record = [
        Operation("open", "f-wal"),
        Operation("write", "f-wal", 0, old),
        Operation("sync", "f-wal"),
        Operation("write", "f-wal", 0, new),
    ]
    seen = set()
    for seed in range(200):
        disk = Disk()
        disk.advance(record)
        disk.cut(tmp_path, Random(seed))
        content = (tmp_path / "f-wal").read_bytes()
        sectors = {content[at : at + SECTOR] for at in range(0, len(content), SECTOR)}
        assert sectors <= {old[:SECTOR], new[:SECTOR]}
        seen.add(content)
    assert {old, new} < seen


def test_an_unsynced_directory_may_forget_a_file(tmp_path: Path) -> None:
    """A file whose bytes were synced is there in some of the cuts; its name was not safe."""
    record = [Operation("open", "f"), Operation("write", "f", 0, b"x"), Operation("sync", "f")]
    there = set()
    for seed in range(50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        disk = Disk()
        disk.advance(record)
        disk.cut(folder, Random(seed))
        there.add((folder / "f").exists())
    assert there == {True, False}
