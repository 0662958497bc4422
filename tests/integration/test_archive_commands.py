"""`chat-server backup`, `restore` and `export` as an operator types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat_server import ChatServer
from tests.support.peer import Peer
from tests.support.program import BIN, ServerProgram, run_program


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A data folder with three messages in the room dev."""
    folder = tmp_path / "data"
    with (
        ChatServer(port=0, unlimited=True, data=str(folder)) as server,
        Peer.welcomed(server.address) as alice,
    ):
        say(alice, "one", "two", "three")
        alice.socket.close()  # so that the server need not wait for it
    return folder


def say(peer: Peer, *texts: str) -> None:
    """Join dev and say these."""
    peer.ask("join", room="dev")
    for text in texts:
        peer.ask("broadcast", room="dev", text=text)


def test_a_backup_made_while_the_server_runs_is_put_back(kept: Path, tmp_path: Path) -> None:
    """What was said after it is gone, and the former database is named."""
    copy, data = str(tmp_path / "copy"), ("--data", str(kept))
    with ServerProgram(*data) as server, Peer.welcomed(server.address) as alice:
        assert run_program("chat-server", "backup", copy, *data).returncode == 0
        say(alice, "four")
        alice.socket.close()
        refused = run_program("chat-server", "restore", copy, *data)
        assert refused.returncode == 73
        assert "in use" in refused.stderr
        server.stop()
    restored = run_program("chat-server", "restore", copy, *data)
    assert restored.returncode == 0
    assert "before-restore-1" in restored.stderr
    with ServerProgram(*data) as server, Peer.welcomed(server.address) as bob:
        assert bob.ask("join", room="dev")["seq"] == 3
        bob.socket.close()


def test_an_export_is_one_event_a_line(kept: Path) -> None:
    """On standard output, for programs in a pipe."""
    done = run_program("chat-server", "export", "--room", "#Dev", "--jsonl", "--data", str(kept))
    assert done.returncode == 0
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["seq"], event["text"]) for event in events] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["backup", "{tmp}/nowhere/copy"], 66, "cannot write"),
        (["restore", "{tmp}/nothing"], 66, "there is no database"),
        (["restore", __file__], 65, "not a database"),
        (["export", "--room", "nowhere"], 66, "no room nowhere"),
        (["export", "--room", "dev", "--data", ":memory:"], 78, "nothing is kept"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    kept: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    """With an exit code of its kind, and no traceback."""
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    done = run_program("chat-server", given[0], "--data", str(kept), *given[1:])
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_cannot_be_written_is_said_in_one_line(kept: Path) -> None:
    """With an exit code: a script must not take the file for the whole room."""
    command = '"$0" export --room dev --data "$1" > /dev/full'
    done = run_program("sh", "-c", command, str(BIN / "chat-server"), str(kept))
    assert done.returncode == 74
    assert "cannot write" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_who_reads_only_the_first_lines_sees_no_error(kept: Path) -> None:
    """As in `| head -1`."""
    command = '"$0" export --room dev --data "$1" | head -1'
    done = run_program("sh", "-c", command, str(BIN / "chat-server"), str(kept))
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
