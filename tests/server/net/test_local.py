"""The operator's socket: whose it is, who gets in, and what is left of it."""

from __future__ import annotations

import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat_server.net import local
from chat_server.net.local import LocalListener, connect_local, peer_uid
from chat_server.net.loop import Clock, Loop

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop with real sockets that a test lets tick."""
    loop = Loop(Clock(), lambda room: 0, lambda address: None)
    yield loop
    loop.stop()
    loop.run()


class Door:
    """A listener that is open, and the uids it let in."""

    def __init__(self, path: Path, loop: Loop) -> None:
        self.uids: list[int] = []
        self.listener = LocalListener(path, loop, self._welcome)
        self.listener.open()

    def _welcome(self, sock: socket.socket, uid: int) -> None:
        self.uids.append(uid)
        sock.sendall(b"welcome")
        sock.close()


def test_who_runs_the_server_is_let_in(tmp_path: Path, loop: Loop) -> None:
    """The kernel says who it is."""
    door = Door(tmp_path / "control.sock", loop)
    with closing(connect_local(tmp_path / "control.sock", PATIENCE)) as sock:
        loop.tick()
        assert sock.recv(100) == b"welcome"
    assert door.uids == [os.geteuid()]
    door.listener.close()


def test_anybody_else_is_turned_away(
    tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a word, even where the file let them connect; the log names them."""
    monkeypatch.setattr(local, "peer_uid", lambda sock: 54321)
    door = Door(tmp_path / "control.sock", loop)
    with (
        closing(connect_local(tmp_path / "control.sock", PATIENCE)) as sock,
        caplog.at_level(logging.WARNING),
    ):
        loop.tick()
        assert sock.recv(100) == b""
    assert door.uids == []
    assert "uid 54321" in caplog.text
    door.listener.close()


def test_root_is_let_in_whoever_runs_the_server(
    tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator need not become the server's user."""
    monkeypatch.setattr(local, "peer_uid", lambda sock: 0)
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    door = Door(tmp_path / "control.sock", loop)
    with closing(connect_local(tmp_path / "control.sock", PATIENCE)):
        loop.tick()
    assert door.uids == [0]
    door.listener.close()


def test_the_kernel_knows_whose_a_connection_is() -> None:
    """Ours is ours."""
    one, other = socket.socketpair()
    with closing(one), closing(other):
        assert peer_uid(one) == os.geteuid()


def test_only_its_owner_can_open_the_file(tmp_path: Path, loop: Loop) -> None:
    """Nobody else even gets as far as being turned away."""
    path = tmp_path / "control.sock"
    door = Door(path, loop)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    door.listener.close()


def test_what_an_earlier_run_left_is_replaced(tmp_path: Path, loop: Loop) -> None:
    """A kill leaves the file, and nobody who listens."""
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(ConnectionRefusedError):
        connect_local(path, PATIENCE)
    door = Door(path, loop)
    connect_local(path, PATIENCE).close()
    door.listener.close()


def test_nothing_is_left_of_it_in_the_end(tmp_path: Path, loop: Loop) -> None:
    """Whoever asks then is told at once that there is no server; closing twice is no fault."""
    path = tmp_path / "control.sock"
    door = Door(path, loop)
    door.listener.close()
    door.listener.open()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        connect_local(path, PATIENCE)


def test_a_folder_may_have_a_long_path(tmp_path: Path, loop: Loop) -> None:
    """Longer than the system takes for a socket: it is reached by way of its folder."""
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    door = Door(folder / "control.sock", loop)
    with closing(connect_local(folder / "control.sock", PATIENCE)):
        loop.tick()
    assert len(door.uids) == 1
    door.listener.close()


def test_where_there_can_be_no_socket_it_is_said(tmp_path: Path, loop: Loop) -> None:
    """The server goes on without one, but it has to know."""
    with pytest.raises(OSError, match="No such file"):
        LocalListener(tmp_path / "nowhere" / "control.sock", loop, lambda sock, uid: None)
