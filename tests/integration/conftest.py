"""A server of its own for each test that asks for one, and peers that close themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat_server import ChatServer
from tests.support.peer import Peer

Connect = Callable[..., Peer]


@pytest.fixture(autouse=True)
def own_data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where servers started without a folder keep their data: nobody's real one."""
    home = tmp_path / "data-home"
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    return home


@pytest.fixture(params=[1, 3], ids=["one loop", "three loops"])
def server(request: pytest.FixtureRequest) -> Iterator[ChatServer]:
    """A server with default settings on a free port, with one loop and with several."""
    with ChatServer(port=0, unlimited=True, io_threads=request.param) as server:
        yield server


@pytest.fixture
def connect(server: ChatServer) -> Iterator[Connect]:
    """Makes peers that have said hello."""
    with ExitStack() as stack:
        yield lambda nick=None: stack.enter_context(Peer.welcomed(server.address, nick))


@pytest.fixture
def stranger(server: ChatServer) -> Iterator[Callable[[], Peer]]:
    """Makes peers that have said nothing yet."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Peer(server.address))
