"""The file of a stay: who may read it, who holds it, and what is made of one that is broken."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chat_client.stay import Stay, StayTaken

SERVER = ("127.0.0.1", 5555)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are; not there yet."""
    return tmp_path / "state" / "typed-chat"


def left_behind(folder: Path) -> Path:
    """The one file that a program left which was killed."""
    stay = Stay(*SERVER, "alice", folder)
    stay.keep("t-1", "alice", ["lobby", "dev"])
    stay.release()
    [file] = folder.glob("*.json")
    return file


def test_what_one_program_left_the_next_one_finds(folder: Path) -> None:
    """In any case of the nick, and only for this server and nick."""
    left_behind(folder)
    record = Stay(*SERVER, "ALICE", folder).record
    assert record is not None
    assert (record.token, record.rooms) == ("t-1", ["lobby", "dev"])
    assert Stay(*SERVER, "bob", folder).record is None
    assert Stay("127.0.0.1", 5556, "alice", folder).record is None


def test_only_the_owner_can_read_it(folder: Path) -> None:
    """Whatever the usual permissions are; also where the folder was open."""
    folder.mkdir(parents=True, mode=0o755)
    before = os.umask(0)
    try:
        file = left_behind(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    assert file.exists()


def test_it_is_private_from_the_first_byte_and_replaced_as_a_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that dies while it writes leaves the old one."""
    file = left_behind(folder)
    before = file.read_bytes()
    modes: list[int] = []

    def die(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        raise OSError("no space")

    stay = Stay(*SERVER, "alice", folder)
    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(OSError, match="no space"):
        stay.keep("t-2", "alice", [])
    monkeypatch.undo()
    assert (modes, file.read_bytes()) == ([0o600], before)
    stay.keep("t-2", "alice", [])
    assert b"t-2" in file.read_bytes()


def test_a_second_program_does_not_get_it(folder: Path) -> None:
    """While the first one lives; then it does."""
    first = Stay(*SERVER, "alice", folder)
    with pytest.raises(StayTaken):
        Stay(*SERVER, "Alice", folder)
    first.release()
    first.release()
    Stay(*SERVER, "alice", folder).release()


def test_a_stay_that_is_over_leaves_nothing(folder: Path) -> None:
    """Neither the file nor its lock."""
    left_behind(folder)
    Stay(*SERVER, "alice", folder).remove()
    assert list(folder.iterdir()) == []


def test_a_lock_that_was_removed_while_it_was_opened_counts_for_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two programs would each hold a file of that name."""
    first = Stay(*SERVER, "alice", folder)
    plain_open = os.open

    def slow_open(path: Path, *rest: int) -> int:
        descriptor = plain_open(path, *rest)
        if path.suffix == ".lock":
            monkeypatch.undo()
            first.remove()
        return descriptor

    monkeypatch.setattr(os, "open", slow_open)
    second = Stay(*SERVER, "alice", folder)
    with pytest.raises(StayTaken):
        Stay(*SERVER, "alice", folder)
    second.release()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\x00", b"[]", b'{"token":"t"}', b"x" * 100_000,
        b'{"host":"127.0.0.1","port":5555,"nick":"a b","rooms":[],"token":"t"}',
        b'{"host":"127.0.0.1","port":5555,"nick":"alice","rooms":[],"token":"\\u001b"}',
    ],
)  # fmt: skip
def test_a_broken_file_counts_as_none_and_is_told_of(folder: Path, content: bytes) -> None:
    """In a line; the next `keep` makes it whole."""
    file = left_behind(folder)
    file.write_bytes(content)
    stay = Stay(*SERVER, "alice", folder)
    assert stay.record is None
    assert str(file) in str(stay.trouble)
    stay.keep("t-2", "alice", [])
    stay.release()
    assert Stay(*SERVER, "alice", folder).record is not None


def test_a_file_of_another_server_counts_as_none(folder: Path) -> None:
    """A token is shown to nobody but the server that gave it."""
    file = left_behind(folder)
    file.write_text(file.read_text().replace("5555", "5556"))
    stay = Stay(*SERVER, "alice", folder)
    assert stay.record is None
    assert "another server" in str(stay.trouble)


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """Neither to read nor to write nor to lock."""
    file = left_behind(folder)
    target = tmp_path / "elsewhere"
    target.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(target)
    file.with_suffix(".new").symlink_to(target)
    stay = Stay(*SERVER, "alice", folder)
    assert stay.record is None
    stay.keep("t-2", "alice", [])
    stay.release()
    assert b"t-1" in target.read_bytes()
    assert not file.is_symlink()
    file.with_suffix(".lock").unlink()
    file.with_suffix(".lock").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        Stay(*SERVER, "alice", folder)
