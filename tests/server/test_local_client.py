"""What the operator's commands ask through: only a server that may be told passwords."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_server import local_client
from chat_server.local_client import Distrusted, LocalClient, Unreachable
from chat_server.net.local import CONTROL

STRANGER = 65534


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Somebody who listens in the folder."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / CONTROL))
        sock.listen()
        yield sock


def refusal(folder: Path, listener: socket.socket) -> str:
    """The one line with which a listener is refused, who has heard nothing."""
    with pytest.raises(Distrusted) as caught:
        LocalClient(folder)
    sock, _ = listener.accept()
    with sock:
        assert sock.recv(1) == b""
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_listener_who_is_a_stranger_hears_nothing(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever the file belongs to."""
    monkeypatch.setattr(local_client, "peer_uid", lambda _: STRANGER)
    assert f"uid {STRANGER}'s" in refusal(tmp_path, listener)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_is_a_stranger_s_is_not_believed(
    tmp_path: Path, listener: socket.socket
) -> None:
    """Whoever listens."""
    os.chown(tmp_path / CONTROL, STRANGER, STRANGER)
    assert f"uid {STRANGER}'s" in refusal(tmp_path, listener)


def test_the_owner_of_the_folder_is_believed(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And root, and who asks: root looks after the servers of others."""
    found = os.stat_result((*tmp_path.stat()[:4], STRANGER, *tmp_path.stat()[5:10]))
    with monkeypatch.context() as changed:
        changed.setattr(local_client, "peer_uid", lambda _: STRANGER)
        changed.setattr(Path, "stat", lambda _, **options: found)
        LocalClient(tmp_path).__exit__()
    for uid in (0, os.geteuid()):
        monkeypatch.setattr(local_client, "peer_uid", lambda _, uid=uid: uid)
        LocalClient(tmp_path).__exit__()


def test_where_nobody_listens_there_is_no_server(tmp_path: Path) -> None:
    """Also where there is no folder."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(Unreachable, match="no server runs on"):
            LocalClient(folder)
