"""The database file: made, refused, brought up to date, checked and copied."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from chat_server.journal import database
from chat_server.journal.base import Durability, Stay
from chat_server.journal.database import MIGRATIONS, DatabaseRefused, check, copy, open_writer
from chat_server.journal.notebook import load_stays

SECOND = ("alter table rooms add column colour text", "update rooms set colour = 'red'")
"""What a second version might do."""

BROKEN = ("alter table rooms add column colour text", "update nowhere set colour = 'red'")
"""A second version with a fault after its first statement."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for a database."""
    return tmp_path / "chat.db"


@pytest.fixture
def made(path: Path) -> Path:
    """A database of this version with a room and some events in it, closed."""
    connection = open_writer(path, "disk")
    connection.execute("insert into rooms values (1, 'a', 'A', 'topic', 'epoch', 0)")
    bodies = [(seq, f'{{"room":"A","seq":{seq},"text":"{"x" * 500}"}}') for seq in range(1, 101)]
    connection.executemany("insert into events (room, seq, body) values (1, ?, ?)", bodies)
    connection.close()
    return path


def value(path: Path, sql: str) -> object:
    """What the first row of a question to the file is."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


def refusal(path: Path, open_: Callable[[Path], object]) -> str:
    """The one line with which `open_` refuses a file, of which nothing changed by it.

    What SQLite leaves beside a file in WAL that it has read holds nothing.
    """
    before = path.read_bytes()
    with pytest.raises(DatabaseRefused) as caught:
        open_(path)
    assert path.read_bytes() == before
    beside = {file.name: file for file in path.parent.iterdir()}
    assert beside.keys() <= {"chat.db", "chat.db-wal", "chat.db-shm"}
    assert "chat.db-wal" not in beside or beside["chat.db-wal"].read_bytes() == b""
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def for_writing(path: Path) -> object:
    """Open as a server does."""
    return open_writer(path, "disk")


both = pytest.mark.parametrize("open_", [for_writing, check], ids=["opened", "checked"])


def test_a_new_database_is_its_owner_s_alone(path: Path) -> None:
    """It is marked as ours, in WAL, and nobody else can read what people whisper."""
    connection = open_writer(path, "disk")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert value(path, "pragma application_id") == database.APPLICATION_ID
    assert value(path, "pragma user_version") == len(MIGRATIONS)
    assert value(path, "pragma journal_mode") == "wal"
    for beside in path.parent.iterdir():
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    connection.close()


@pytest.mark.parametrize(("durability", "level"), [("disk", 2), ("process", 1)])
def test_how_durable_it_is_was_asked_for(path: Path, durability: Durability, level: int) -> None:
    """FULL syncs every commit, NORMAL only checkpoints; SQLite never checkpoints by itself."""
    connection = open_writer(path, durability)
    assert connection.execute("pragma synchronous").fetchone() == (level,)
    assert connection.execute("pragma wal_autocheckpoint").fetchone() == (0,)
    connection.close()


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    """A start that was cut short at the very first moment left one."""
    path.touch()
    open_writer(path, "disk").close()
    check(path)


def test_a_database_without_a_table_is_a_new_one(path: Path) -> None:
    """A start that was cut short a moment later left the header of one."""
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.execute("vacuum")
    connection.close()
    assert path.stat().st_size > 0
    open_writer(path, "disk").close()
    check(path)


MAGIC = bytes.fromhex("d9d505f920a163d7")
"""How a rollback journal begins that is to be played back."""


def leave_a_hot_journal(path: Path, workplace: Path) -> None:
    """Let the making of a database be cut short in the middle of a transaction of many pages."""
    workplace.mkdir()
    connection = sqlite3.connect(workplace / "chat.db", isolation_level=None)
    connection.execute("pragma journal_mode = delete")
    connection.execute("pragma cache_size = 1")  # so that it is written before the commit
    connection.execute("begin")
    connection.execute("create table rooms (key text)")
    connection.executemany("insert into rooms values (?)", [("x" * 1000,)] * 100)
    for name in ("chat.db", "chat.db-journal"):
        path.with_name(name).write_bytes((workplace / name).read_bytes())
    connection.close()
    assert path.stat().st_size > 0
    assert path.with_name("chat.db-journal").read_bytes().startswith(MAGIC)


def test_a_making_that_was_cut_short_is_no_obstacle(path: Path, tmp_path: Path) -> None:
    """What a rollback journal beside it takes back is not there any more."""
    leave_a_hot_journal(path, tmp_path / "workplace")
    open_writer(path, "disk").close()
    check(path)
    assert value(path, "select count(*) from rooms") == 0
    assert not path.with_name("chat.db-journal").exists()


def test_what_was_made_is_opened_again_as_it_was(made: Path) -> None:
    """Twice is as once."""
    before = value(made, "select group_concat(sql) from sqlite_master")
    open_writer(made, "disk").close()
    assert value(made, "select group_concat(sql) from sqlite_master") == before
    assert value(made, "select count(*) from events") == 100
    check(made)


@both
def test_a_newer_one_is_refused(made: Path, open_: Callable[[Path], object]) -> None:
    """With both versions, so that one knows what to install."""
    connection = sqlite3.connect(made)
    connection.execute("pragma user_version = 99")
    connection.close()
    assert f"its format is 99, this program's {len(MIGRATIONS)}" in refusal(made, open_)


@both
def test_a_database_of_another_program_is_refused(
    path: Path, open_: Callable[[Path], object]
) -> None:
    """Whatever it is, it is somebody's."""
    connection = sqlite3.connect(path)
    connection.execute("create table recipes (name text)")
    connection.commit()
    connection.close()
    assert "is not a database of typed-chat" in refusal(path, open_)


@both
@pytest.mark.parametrize("content", [b"Dear diary, today", b"x" * 5000], ids=["short", "long"])
def test_a_file_that_is_no_database_is_refused(
    path: Path, open_: Callable[[Path], object], content: bytes
) -> None:
    """Somebody's notes, for instance."""
    path.write_bytes(content)
    assert "file is not a database" in refusal(path, open_)


@both
def test_a_damaged_header_is_refused(made: Path, open_: Callable[[Path], object]) -> None:
    """Its first bytes say what it is."""
    overwrite(made, 0, b"\xa5" * 64)
    refusal(made, open_)


@both
def test_a_damaged_schema_is_refused(made: Path, open_: Callable[[Path], object]) -> None:
    """The header is sound, the first page after it is not."""
    overwrite(made, 100, b"\xa5" * 3000)
    refusal(made, open_)


def test_damage_in_the_middle_is_found_by_a_check(made: Path) -> None:
    """Opening reads little; a check reads everything."""
    pages = made.stat().st_size // 4096
    overwrite(made, (pages - 3) * 4096, b"\xa5" * 4096)
    refusal(made, check)


def test_a_file_cut_short_is_found_by_a_check(made: Path) -> None:
    """As a copy that was interrupted is."""
    with made.open("r+b") as file:
        file.truncate(made.stat().st_size // 2)
    refusal(made, check)


def test_what_is_not_there_cannot_be_checked(path: Path) -> None:
    """Told like everything else, and not made."""
    with pytest.raises(DatabaseRefused, match=str(path)):
        check(path)
    assert not path.exists()


def test_an_empty_file_is_no_backup(path: Path) -> None:
    """To a server it is a new database; whoever checks one expects something in it."""
    path.touch()
    assert "is not a database of typed-chat" in refusal(path, check)


PARTS = [
    *("table facts", "table rooms", "table events", "table cids", "table stays", "table words"),
    *("table records", "table acts"),
    *("index events_by_number", "trigger incoming_insert", "view searchable"),
]
"""What a database of ours cannot be without."""


@both
@pytest.mark.parametrize("part", PARTS)
def test_a_database_of_ours_that_lacks_a_part_is_refused(
    made: Path, open_: Callable[[Path], object], part: str
) -> None:
    """Before a server finds out at the first message."""
    connection = sqlite3.connect(made)
    connection.execute(f"drop {part}")
    connection.close()
    assert "is damaged: there is no " in refusal(made, open_)


def overwrite(path: Path, start: int, data: bytes) -> None:
    """Put these bytes into the file at `start`."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    """In one line, like everything else."""
    path.mkdir()
    with pytest.raises(DatabaseRefused, match=str(path)):
        open_writer(path, "disk")


# Migrations


def test_a_migration_brings_what_was_there_with_it(made: Path) -> None:
    """Rows stay, and the version is that of the program."""
    open_writer(made, "disk", (*MIGRATIONS, SECOND)).close()
    assert value(made, "select colour from rooms") == "red"
    assert value(made, "select count(*) from events") == 100
    assert value(made, "pragma user_version") == len(MIGRATIONS) + 1


def test_stays_of_the_first_format_are_brought_along(path: Path) -> None:
    """Found by the digest of the token now: a person may have several."""
    connection = open_writer(path, "disk", MIGRATIONS[:1])
    stays = [("u1", "alice", "digest1", '["Dev"]'), ("u2", "bob", "digest2", "[]")]
    connection.executemany("insert into stays values (?, ?, ?, ?)", stays)
    connection.close()
    connection = open_writer(path, "disk")
    assert sorted(load_stays(connection)) == [
        Stay("u1", "alice", "digest1", ("Dev",)),
        Stay("u2", "bob", "digest2", ()),
    ]
    connection.close()
    check(path)
    assert value(path, "select digest from stays where uid = 'u2'") == "digest2"
    assert value(path.with_name("chat.db.format-1"), "select count(*) from stays") == 2


def test_a_database_of_the_first_format_becomes_as_a_new_one(path: Path, tmp_path: Path) -> None:
    """The same tables, whichever way they came about."""
    open_writer(path, "disk", MIGRATIONS[:1]).close()
    open_writer(path, "disk").close()
    new = tmp_path / "new.db"
    open_writer(new, "disk").close()
    schema = "select group_concat(sql) from (select sql from sqlite_master order by name)"
    assert value(path, schema) == value(new, schema)


def test_before_a_migration_a_copy_is_made(made: Path) -> None:
    """Of the old version, sound, for whoever has to go back."""
    open_writer(made, "disk", (*MIGRATIONS, SECOND)).close()
    kept = made.with_name(f"chat.db.format-{len(MIGRATIONS)}")
    check(kept)
    assert value(kept, "pragma user_version") == len(MIGRATIONS)
    assert value(kept, "select count(*) from events") == 100


def test_the_copy_is_its_owner_s_alone(made: Path) -> None:
    """It holds the same whispers."""
    open_writer(made, "disk", (*MIGRATIONS, SECOND)).close()
    kept = made.with_name(f"chat.db.format-{len(MIGRATIONS)}")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_without_a_migration_no_copy_is_made(made: Path) -> None:
    """Neither for a new one nor for one of this version."""
    open_writer(made, "disk").close()
    assert [file.name for file in made.parent.iterdir()] == ["chat.db"]


def test_a_migration_that_fails_leaves_the_old_version(made: Path) -> None:
    """Nothing of it is there; the old program goes on, and so does a mended one."""
    with pytest.raises(DatabaseRefused, match="nowhere"):
        open_writer(made, "disk", (*MIGRATIONS, BROKEN))
    assert value(made, "pragma user_version") == len(MIGRATIONS)
    columns = value(made, "select group_concat(name) from pragma_table_info('rooms')")
    assert "colour" not in str(columns)
    open_writer(made, "disk").close()
    open_writer(made, "disk", (*MIGRATIONS, SECOND)).close()
    assert value(made, "select colour from rooms") == "red"


def test_the_first_version_fails_as_a_whole_too(path: Path) -> None:
    """What is left is as good as new."""
    with pytest.raises(DatabaseRefused):
        open_writer(path, "disk", (MIGRATIONS[0] + ("create nonsense",),))
    open_writer(path, "disk").close()
    check(path)


# Copies


def test_a_copy_of_a_database_in_use_is_sound_and_one_file(made: Path, tmp_path: Path) -> None:
    """Whoever opens it finds nothing to be beside it, and nobody else can."""
    writer = open_writer(made, "disk")
    writer.execute("insert into events (room, seq, body) values (1, 101, '{}')")
    target = tmp_path / "copies" / "backup.db"
    target.parent.mkdir()
    copy(writer, target)
    writer.execute("insert into events (room, seq, body) values (1, 102, '{}')")
    check(target)
    assert value(target, "select max(seq) from events") == 101
    assert list(target.parent.iterdir()) == [target]
    writer.close()
