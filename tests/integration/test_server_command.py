"""`chat-server run` as an operator meets it: ready line, signals, exit codes, one-line errors."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import pytest

from chat_server import ChatServer
from tests.support.peer import Peer, kinds
from tests.support.program import ServerProgram, run_program


def test_it_says_in_one_line_where_it_listens() -> None:
    """The line has the version and the port that `--port 0` took."""
    with ServerProgram() as server:
        expected = f"chat-server {version('typed-chat')} listening on 127.0.0.1:{server.address[1]}"
        assert server.ready.strip() == expected
        with Peer.welcomed(server.address) as peer:
            assert peer.nick == "guest_1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals) -> None:
    """Clients get what is theirs and a bye with advice; exit 0, no word of an error."""
    with ServerProgram("--data", ":memory:") as server, Peer.welcomed(server.address) as peer:
        peer.ask("join", room="dev")
        peer.send("broadcast", room="dev", text="last words")
        peer.ask("ping")
        code, errors = server.stop(number)
        frames = peer.rest()
    assert (code, errors.count("\n")) == (0, 1)
    assert errors.startswith("nothing is kept on disk")
    assert kinds(frames) == ["bye"]
    assert (frames[0]["code"], frames[0]["reconnect"]) == ("server.shutdown", "later")
    assert frames[0]["after"] > 0


def test_it_stops_although_a_client_never_reads() -> None:
    """A drain has an end; exit 0 all the same."""
    with ServerProgram("--no-limits") as server, Peer.welcomed(server.address) as deaf:
        deaf.ask("join", room="dev")
        with Peer.welcomed(server.address) as loud:
            loud.ask("join", room="dev")
            for _ in range(900):
                loud.ask("broadcast", room="dev", text="x" * 4000)
        assert server.stop()[0] == 0


def test_a_second_signal_ends_it_at_once() -> None:
    """Whoever cannot wait for the drain need not."""
    with ServerProgram() as server, Peer.welcomed(server.address) as peer:
        server.process.send_signal(signal.SIGTERM)
        while peer.receive()["type"] != "bye":
            pass
        assert server.stop()[0] in (0, 128 + signal.SIGTERM)


def test_a_port_in_use_is_told_in_one_line() -> None:
    """Exit 69, nothing half started."""
    with ChatServer(port=0) as server:
        port = server.address[1]
        done = run_program("chat-server", "run", "--port", str(port))
    assert done.returncode == 69
    assert done.stderr == (
        f"chat-server: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[limits]\nconections = 3\n",
            "there is no setting limits.conections; is limits.connections meant?",
        ),
        ("[server]\nport = 'x'\n", "server.port: input should be a valid integer"),
        ("[server\n", "is not TOML"),
    ],
    ids=["unknown", "ill-typed", "broken"],
)
def test_a_wrong_setting_is_told_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """Case 120: exit 78, with the place."""
    file = tmp_path / "chat.toml"
    file.write_text(text)
    done = run_program("chat-server", "run", "--config", str(file))
    assert done.returncode == 78
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_file_and_a_bad_option_are_told() -> None:
    """78 for the file, 2 for the option, as everywhere."""
    missing = run_program("chat-server", "run", "--config", "/nonexistent.toml")
    assert (missing.returncode, missing.stderr.count("\n")) == (78, 1)
    assert run_program("chat-server", "run", "--port", "99999").returncode == 2


def test_settings_come_from_the_file_and_flags_stand_above(tmp_path: Path) -> None:
    """The file's message greets; the flag's port wins."""
    file = tmp_path / "chat.toml"
    file.write_text("[server]\nport = 1\nmotd = 'Be kind.'\n")
    with ServerProgram("--config", str(file)) as server, Peer(server.address) as peer:
        assert peer.ask("hello")["motd"] == "Be kind."


def test_it_says_where_everything_is_kept(tmp_path: Path) -> None:
    """The folder given, made if need be; a clean end leaves one file of data and the lock."""
    folder = tmp_path / "deep" / "data"
    with ServerProgram("--data", str(folder)) as server:
        with Peer.welcomed(server.address) as peer:
            peer.ask("join", room="dev")
            peer.ask("broadcast", room="dev", text="kept")
        code, errors = server.stop()
    assert (code, errors) == (0, f"everything is kept in {folder}\n")
    assert sorted(path.name for path in folder.iterdir()) == ["chat.db", "lock"]


def test_without_a_folder_it_is_that_of_the_user(own_data_home: Path) -> None:
    """Where the platform has such things; the line says so."""
    with ServerProgram() as server:
        _, errors = server.stop()
    assert errors == f"everything is kept in {own_data_home / 'typed-chat'}\n"
    assert (own_data_home / "typed-chat" / "chat.db").exists()


def test_out_of_descriptors_it_refuses_and_recovers() -> None:
    """400 connections on 256 descriptors: those in are served, the others told, room is found."""
    with ServerProgram(descriptors=256) as server, ExitStack() as stack:
        first = stack.enter_context(Peer.welcomed(server.address, "first"))
        crowd = [stack.enter_context(Peer(server.address)) for _ in range(400)]
        refused = [peer for peer in crowd if _refused(peer)]
        assert 100 < len(refused) < 400
        assert first.ask("ping")["type"] == "ok"
        for peer in crowd:
            peer.socket.close()
        while first.ask("users")["count"] > 1:
            pass
        stack.enter_context(Peer.welcomed(server.address, "later"))


def _refused(peer: Peer) -> bool:
    """Whether the server turned the peer away, in its own words."""
    peer.send("hello", id="1")
    frame = peer.receive()
    return frame.get("code") == "server.full"


def test_an_ipv6_address_works_where_there_is_one() -> None:
    """`--host ::1` listens there."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        server = ServerProgram("--host", "::1")
    except AssertionError:
        pytest.skip("this machine has no IPv6 loopback")
    with server, Peer.welcomed(server.address) as peer:
        assert peer.nick == "guest_1"
