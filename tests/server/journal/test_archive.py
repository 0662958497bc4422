"""Copies for an operator: complete, checked, never over anything, and an epoch of their own."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from chat_server.journal import archive
from chat_server.journal.archive import ArchiveRefused
from chat_server.journal.base import Retention, Stay
from chat_server.journal.database import DatabaseRefused, check
from chat_server.journal.folder import Folder, FolderRefused
from chat_server.journal.sqlite import SqliteJournal
from chat_server.net.loop import Clock
from tests.server.journal.test_contract import PATIENCE, Desk, entry_of, texts_of


def open_desk(folder: Path) -> Desk:
    """A journal in the folder, at work."""
    folder.mkdir(exist_ok=True)
    path = folder / "chat.db"
    return Desk(SqliteJournal(path, "disk", lambda room: Retention(None, None), Clock().stamp))


def texts_in(folder: Path) -> list[str]:
    """What the room `dev` holds in this folder."""
    desk = open_desk(folder)
    try:
        return texts_of(desk.read("dev", after=0).bodies)
    finally:
        desk.journal.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two messages in the room Dev, and a stay."""
    desk = open_desk(tmp_path / "source")
    desk.settle(*(entry_of("dev", text, name="Dev", cid=text) for text in ("one", "two")))
    desk.journal.keep_stay(Stay("u1", "alice", "digest", ("Dev",)), lambda refused: None)
    desk.journal.close()
    return tmp_path / "source"


def test_a_backup_of_a_journal_at_work_holds_all_that_was_kept(tmp_path: Path) -> None:
    """And nothing that was kept later; the journal does not notice."""
    desk = open_desk(tmp_path / "live")
    desk.append("dev", "before")
    archive.backup(tmp_path / "live" / "chat.db", tmp_path / "copy")
    desk.append("dev", "after")
    desk.journal.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "copy").rename(tmp_path / "other" / "chat.db")
    assert texts_in(tmp_path / "other") == ["before"]
    assert texts_in(tmp_path / "live") == ["before", "after"]


def test_a_backup_is_one_file_for_its_owner_alone(source: Path, tmp_path: Path) -> None:
    """Nothing beside it, nothing unfinished, and nobody else can read what was whispered."""
    archive.backup(source / "chat.db", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_nothing_is_overwritten_by_a_backup(source: Path, tmp_path: Path) -> None:
    """A file of the name that is there already stays as it is."""
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(ArchiveRefused, match="there already"):
        archive.backup(source / "chat.db", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


@pytest.mark.parametrize("name", ["copy", "loop"])
def test_a_link_that_leads_nowhere_is_there_already(
    source: Path, tmp_path: Path, name: str
) -> None:
    """It stays as it is, and nothing is made where it leads."""
    target = tmp_path / "copy"
    target.symlink_to(tmp_path / ("elsewhere" if name == "copy" else "copy"))
    before = os.readlink(target)
    with pytest.raises(ArchiveRefused, match="there already"):
        archive.backup(source / "chat.db", target)
    assert os.readlink(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_of_two_backups_to_one_name_one_is_made(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found the name free; the other is refused, and the file is sound."""
    target, both, place = tmp_path / "copy", threading.Barrier(2), archive._place

    def place_together(copy: Path, target: Path) -> None:
        both.wait(PATIENCE)
        place(copy, target)

    monkeypatch.setattr(archive, "_place", place_together)
    told: list[str] = []

    def back_up() -> None:
        try:
            archive.backup(source / "chat.db", target)
        except ArchiveRefused as refused:
            told.append(str(refused))
        else:
            told.append("made")

    threads = [threading.Thread(target=back_up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(told) == [f"{target} is there already; nothing is overwritten", "made"]
    check(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


@pytest.mark.parametrize("name", ["copy.unfinished", "chat-.unfinished", ".unfinished"])
def test_nobody_s_files_are_taken_for_unfinished_copies(
    source: Path, tmp_path: Path, name: str
) -> None:
    """Whatever they are called, in the folder of a backup and in that of a restore."""
    mine = [tmp_path / name, source / name, source / "chat.db.unfinished"]
    for path in mine:
        path.write_text("precious")
    archive.backup(source / "chat.db", tmp_path / "copy")
    folder = Folder(source)
    archive.restore(folder, tmp_path / "copy")
    folder.close()
    assert [path.read_text() for path in mine] == ["precious"] * 3


def test_a_backup_of_nothing_or_to_nowhere_is_refused(source: Path, tmp_path: Path) -> None:
    """Each in one line."""
    with pytest.raises(ArchiveRefused, match="there is no database"):
        archive.backup(tmp_path / "nothing", tmp_path / "copy")
    with pytest.raises(ArchiveRefused, match="cannot write"):
        archive.backup(source / "chat.db", tmp_path / "nowhere" / "copy")


def test_restore_puts_back_and_keeps_what_was_there(source: Path, tmp_path: Path) -> None:
    """Each restore keeps another former database, under a name of its own."""
    archive.backup(source / "chat.db", tmp_path / "copy")
    folder = Folder(tmp_path / "target")
    assert archive.restore(folder, tmp_path / "copy") is None
    first = archive.restore(folder, tmp_path / "copy")
    second = archive.restore(folder, tmp_path / "copy")
    folder.close()
    assert first is not None
    assert second is not None
    assert first != second
    assert first.exists()
    assert texts_in(tmp_path / "target") == ["one", "two"]


def test_a_restored_history_has_other_epochs_and_knows_its_cids(
    source: Path, tmp_path: Path
) -> None:
    """Clients may have seen more than it holds; messages of the time before are recognised."""
    desk = open_desk(source)
    epoch = desk.journal.position("dev").epoch
    desk.journal.close()
    archive.backup(source / "chat.db", tmp_path / "copy")
    folder = Folder(source)
    archive.restore(folder, tmp_path / "copy")
    folder.close()
    desk = open_desk(source)
    desk.settle(entry_of("dev", "one", name="Dev", cid="one"))
    position = desk.journal.position("dev")
    desk.journal.close()
    assert (position.head, position.epoch != epoch) == (2, True)


def killed(folder: Path, *texts: str) -> Path:
    """A folder as a server leaves it that is killed: part of it all only in the WAL."""
    desk = open_desk(folder.with_name("live"))
    desk.append("dev", *texts)
    folder.mkdir()
    for name in ("chat.db", "chat.db-wal"):
        (folder / name).write_bytes((folder.with_name("live") / name).read_bytes())
    desk.journal.close()
    assert (folder / "chat.db-wal").stat().st_size > 0
    return folder


def test_a_restore_that_is_cut_short_leaves_the_database_that_was_there(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything, also what only the WAL of a killed server held; nothing unfinished."""
    target = killed(tmp_path / "killed", "a", "b", "c")
    folder = Folder(target)

    def fail(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(KeyboardInterrupt):
            archive.restore(folder, source / "chat.db")
    names = {path.name for path in target.iterdir()}
    assert names == {"chat.db", "chat.db.before-restore-1", "lock"}
    check(folder.database)
    assert texts_in(target) == ["a", "b", "c"]
    former = archive.restore(folder, source / "chat.db")
    folder.close()
    assert former == target / "chat.db.before-restore-2"
    assert texts_in(target) == ["one", "two"]


def test_what_a_killed_server_had_goes_aside_as_a_whole(source: Path, tmp_path: Path) -> None:
    """The former database holds what only its WAL did."""
    target = killed(tmp_path / "killed", "a", "b", "c")
    folder = Folder(target)
    former = archive.restore(folder, source / "chat.db")
    folder.close()
    assert former is not None
    assert texts_in(target) == ["one", "two"]
    (tmp_path / "former").mkdir()
    former.rename(tmp_path / "former" / "chat.db")
    assert texts_in(tmp_path / "former") == ["a", "b", "c"]


def test_a_damaged_database_goes_aside_as_it_is(source: Path, tmp_path: Path) -> None:
    """It is the reason to restore, and somebody may want to look at it."""
    archive.backup(source / "chat.db", tmp_path / "copy")
    (source / "chat.db").write_bytes(b"damaged" * 1000)
    folder = Folder(source)
    former = archive.restore(folder, tmp_path / "copy")
    folder.close()
    assert former == source / "chat.db.before-restore-1"
    assert former.read_bytes() == b"damaged" * 1000
    assert texts_in(source) == ["one", "two"]


def test_restore_needs_the_folder_for_itself(source: Path, tmp_path: Path) -> None:
    """A server that runs has it."""
    running = Folder(source)
    with pytest.raises(FolderRefused, match="in use"):
        Folder(source)
    running.close()
    Folder(source).close()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_restore_refuses_what_is_no_backup(source: Path, tmp_path: Path, content: bytes) -> None:
    """And leaves what is there as it is."""
    (tmp_path / "bad").write_bytes(content)
    before = (source / "chat.db").read_bytes()
    folder = Folder(source)
    with pytest.raises(DatabaseRefused):
        archive.restore(folder, tmp_path / "bad")
    folder.close()
    assert (source / "chat.db").read_bytes() == before
    assert sorted(path.name for path in source.iterdir()) == ["chat.db", "lock"]


def test_restore_refuses_a_damaged_copy(source: Path, tmp_path: Path) -> None:
    """Bytes that were changed in the middle are found before anything is replaced."""
    desk = open_desk(source)
    desk.append("dev", *("x" * 300 for _ in range(200)))
    desk.journal.close()
    archive.backup(source / "chat.db", tmp_path / "copy")
    data = bytearray((tmp_path / "copy").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xff" * 4096
    (tmp_path / "copy").write_bytes(data)
    folder = Folder(source)
    with pytest.raises(DatabaseRefused):
        archive.restore(folder, tmp_path / "copy")
    folder.close()
    assert len(texts_in(source)) == 202


def test_an_export_is_every_event_of_the_room_in_order(source: Path, tmp_path: Path) -> None:
    """More than one read at a time brings, while the journal is at work."""
    desk = open_desk(source)
    desk.append("dev", *(str(number) for number in range(archive.PAGE + 10)))
    lines = list(archive.export(source / "chat.db", "DEV"))
    desk.journal.close()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, archive.PAGE + 13))
    assert all("\n" not in line for line in lines)


def test_an_export_of_a_room_without_messages_is_refused(source: Path) -> None:
    """It would look like an empty one."""
    with pytest.raises(ArchiveRefused, match="no room nowhere"):
        list(archive.export(source / "chat.db", "nowhere"))
