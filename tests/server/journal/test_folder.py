"""The data folder: made where it is missing, and one server's alone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from chat_server.journal.folder import Folder, FolderRefused, others_write


def refusal(path: Path) -> str:
    """The one line with which a folder is refused."""
    with pytest.raises(FolderRefused) as caught:
        Folder(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """With those above it."""
    path = tmp_path / "deep" / "data"
    folder = Folder(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "lock").stat().st_mode) == 0o600
    assert folder.database == path / "chat.db"
    folder.close()


def test_a_second_server_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    """However often it tries, and the first goes on having it."""
    folder = Folder(tmp_path)
    for _ in range(3):
        assert refusal(tmp_path).endswith(f"in use by another server (process {os.getpid()})")
    folder.close()


def test_after_a_clean_end_another_may_have_it(tmp_path: Path) -> None:
    """The lock's file stays and means nothing by itself."""
    Folder(tmp_path).close()
    assert (tmp_path / "lock").exists()
    Folder(tmp_path).close()


def test_the_lock_of_a_dead_process_is_none(tmp_path: Path) -> None:
    """What an end by force leaves behind does not keep the next one out, and is overwritten."""
    (tmp_path / "lock").write_text("99999999999\n")
    folder = Folder(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    folder.close()


def test_the_lock_does_not_live_on_in_children(tmp_path: Path) -> None:
    """A program that the server starts does not inherit it."""
    folder = Folder(tmp_path)
    held = [
        descriptor
        for descriptor in map(int, os.listdir("/proc/self/fd"))
        if os.path.exists(f"/proc/self/fd/{descriptor}")
        and os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path / "lock")
    ]
    assert held
    assert not any(os.get_inheritable(descriptor) for descriptor in held)
    folder.close()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """In one line."""
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    assert "File exists" in refusal(path)
    assert path.read_text() == "mine"


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "notes.txt").write_text("mine")
    refusal(tmp_path / "notes.txt" / "data")


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with the reason; root, who can write everywhere, is told so by a mount."""

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied" in refusal(tmp_path)


def test_a_read_only_file_system_is_refused() -> None:
    """Also for root: nothing can be made there."""
    refusal(Path("/proc/typed-chat"))


@pytest.mark.parametrize("mode", [0o702, 0o720, 0o777, 0o1777, 0o2770])
def test_a_folder_in_which_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    """With what to do about it; nothing is made there."""
    tmp_path.chmod(mode)
    assert refusal(tmp_path).endswith(f"chmod 700 {tmp_path}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o2750])
def test_a_folder_that_others_can_only_read_is_taken(tmp_path: Path, mode: int) -> None:
    """The process warns of it."""
    tmp_path.chmod(mode)
    Folder(tmp_path).close()


@pytest.mark.parametrize(
    ("owner", "caller", "mode", "refused"),
    [
        (0, 10001, 0o2770, False),
        (0, 10001, 0o2777, True),
        (0, 0, 0o2770, True),
        (10002, 10001, 0o2770, True),
    ],
)
def test_a_group_may_write_only_where_root_gave_it_the_folder(
    monkeypatch: pytest.MonkeyPatch, owner: int, caller: int, mode: int, refused: bool
) -> None:
    """As container platforms do with volumes; never everybody."""
    monkeypatch.setattr(os, "geteuid", lambda: caller)
    found = os.stat_result((stat.S_IFDIR | mode, 1, 1, 2, owner, 10001, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda _: found)
    assert others_write(Path("/data")) is refused


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_that_is_a_symlink_is_refused(tmp_path: Path, there: bool) -> None:
    """What it leads to is neither written nor made."""
    elsewhere = tmp_path / "elsewhere"
    if there:
        elsewhere.write_text("precious")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "lock").symlink_to(elsewhere)
    assert "cannot use the folder" in refusal(folder)
    assert elsewhere.exists() is there
    assert not there or elsewhere.read_text() == "precious"
