"""`chat-client` when the connection breaks, the server restarts, or it is killed itself."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_client.client import Client
from chat_client.ui import plain
from chat_client.ui.entrance import Wish
from chat_server import ChatServer
from tests.support.client_proxy import Wire
from tests.support.client_script import Frame, event, frame
from tests.support.program import BIN, PATIENCE, ServerProgram, run_program
from tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the clients of a test leave what the next ones find."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "typed-chat"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server on a free port."""
    with ChatServer(port=0, unlimited=True) as server:
        yield server


@pytest.fixture
def bob(server: ChatServer) -> Iterator[Client]:
    """Somebody in the lobby, whose connection nobody cuts."""
    with Client(port=server.address[1], nick="bob") as bob:
        bob.join("lobby")
        yield bob


def terminal(port: int, nick: str = "alice") -> Terminal:
    """A person at a terminal."""
    return Terminal("chat-client", "--port", str(port), "--nick", nick)


def without_time(screen: list[str]) -> list[str]:
    """The lines without the time before them."""
    return [line[6:] if line[2:3] == ":" else line for line in screen]


def test_a_cut_wire_is_told_in_two_lines_and_nothing_is_missed(
    server: ChatServer, bob: Client
) -> None:
    """What others said meanwhile stands under the second, once."""
    with Wire(server.address) as wire, terminal(wire.address[1]) as alice:
        alice.wait_for_text("[alice #lobby]")
        wire.cut(down=True)
        alice.wait_for_text("[alice #lobby (offline)]")
        for text in ("one", "two"):
            bob.say("lobby", text)
        wire.down = False
        alice.wait_for_text("[alice #lobby]")
        bob.say("lobby", "three")
        screen = without_time(alice.wait_for(lambda lines: "three" in lines[-2]))
        start = next(n for n, line in enumerate(screen) if line.startswith("-- connection lost ("))
        assert screen[start + 1].startswith("-- back after ")
        assert screen[start + 1].endswith(" s: 2 messages while you were away")
        said = [f"#lobby <bob> {text}" for text in ("one", "two", "three")]
        assert screen[start + 2 : -1] == said
        alice.type("/quit\r")
        assert alice.exit_code() == 0


def test_a_killed_server_costs_nothing_that_was_typed(tmp_path: Path) -> None:
    """It waits above the prompt, is said once when the server is there again, and is ticked."""
    data = ("--data", str(tmp_path / "data"))
    with ServerProgram(*data) as first, terminal(first.address[1]) as alice:
        port = first.address[1]
        alice.wait_for_text("[alice #lobby]")
        alice.type("before\r")
        alice.wait_for_text("<alice> before ✓")
        first.stop(signal.SIGKILL)
        alice.wait_for_text("(offline)")
        alice.type("meanwhile\r")
        alice.type("half a li")
        screen = alice.wait_for(lambda lines: lines[-1].endswith("half a li"))
        assert screen[-2] == "… meanwhile"
        with ServerProgram(*data, "--port", str(port)):
            alice.wait_for_text("<alice> meanwhile ✓")
            screen = alice.wait_for(lambda lines: lines[-1] == "[alice #lobby] half a li")
            assert not any(line.startswith("…") for line in screen)
            with Client(port=port) as guest:
                guest.join("lobby")
                kept = [event["text"] for event in guest.history("lobby").events]
            assert kept == ["before", "meanwhile"]


def test_a_killed_client_gets_its_name_and_rooms_back(server: ChatServer, bob: Client) -> None:
    """Nobody saw it leave; it says so in a line and shows what is recent."""
    port = server.address[1]
    with terminal(port) as alice:
        alice.wait_for_text("[alice #lobby]")
        alice.type("/join dev\r")
        alice.wait_for_text("you are in #dev")
    bob.say("lobby", "while you were away")
    with terminal(port) as alice:
        screen = without_time(alice.wait_for_text("[alice #dev]"))
        screen = without_time(alice.wait_for_text("-- #lobby (now)"))
        assert "-- your stay was kept: the same name, the same rooms" in screen
        now = screen.index("-- #lobby (now)")
        assert screen[now - 1] == "#lobby <bob> while you were away"
        alice.type("/quit\r")
        assert alice.exit_code() == 0
    bob.ping()
    assert [event.type for event in bob.events(timeout=0)].count("leave") == 1  # the quit


def test_a_second_program_does_not_take_the_first_one_s_stay(
    server: ChatServer, state: Path
) -> None:
    """It meets a nick that is taken, as ever; a file is left by neither."""
    port = server.address[1]
    with terminal(port) as alice:
        alice.wait_for_text("you are in #lobby")
        assert len(list(state.glob("*.json"))) == 1
        done = run_program("chat-client", "--port", str(port), "--nick", "Alice")
        assert (done.returncode, "nick.taken" in done.stderr) == (77, True)
        alice.type("still here\r")
        alice.wait_for_text("still here ✓")
        alice.type("/nick ally\r")
        alice.type("/users\r")
        alice.wait_for_text("1 in #lobby: ally")
        assert [file.name.split("-")[0] for file in state.glob("*.json")] == ["ally"]
        alice.type("/quit\r")
        assert alice.exit_code() == 0
    assert list(state.iterdir()) == []


def test_a_guest_leaves_no_file(server: ChatServer, state: Path) -> None:
    """Nobody could come back as that guest."""
    run_program("chat-client", "--port", str(server.address[1]), text="hello\n")
    assert not state.exists()


def test_a_broken_file_is_told_and_ignored(server: ChatServer, state: Path) -> None:
    """In a line; and a folder that cannot be used in another one."""
    port = str(server.address[1])
    with terminal(server.address[1]) as alice:
        alice.wait_for_text("you are in #lobby")
    [file] = state.glob("*.json")
    file.write_text("{")
    with Client(port=int(port), nick="bob") as bob:
        bob.join("lobby")
        done = run_program("chat-client", "--port", port, "--nick", "carol", text="hi\n")
        assert (done.returncode, done.stderr) == (0, "")
    done = run_program("chat-client", "--port", port, "--nick", "alice", text="hi\n")
    assert done.stderr.splitlines()[0] == (
        f"-- The file of the last stay cannot be used and is ignored: {file}"
    )
    for leftover in state.iterdir():
        leftover.unlink()
    state.rmdir()
    state.write_text("not a folder")
    done = run_program("chat-client", "--port", port, "--nick", "dave", text="hi\n")
    assert done.returncode == 0
    assert done.stderr == "-- your stay cannot be noted on disk (file exists)\n"


def test_recent_messages_are_shown_once_on_entering(server: ChatServer, bob: Client) -> None:
    """Above a line that says so; not when one looks at the room again, and never in a pipe."""
    for text in ("m1", "m2"):
        bob.say("lobby", text)
    with terminal(server.address[1]) as alice:
        screen = without_time(alice.wait_for_text("-- #lobby (now)"))
        now = screen.index("-- #lobby (now)")
        assert screen[now - 2 : now] == ["#lobby <bob> m1", "#lobby <bob> m2"]
        alice.type("/join lobby\r")
        alice.type("hello\r")
        screen = alice.wait_for_text("hello ✓")
        assert sum("(now)" in line for line in screen) == 1
    port = str(server.address[1])
    done = run_program("chat-client", "--port", port, text="hello\n")
    assert "m1" not in done.stdout


def test_what_is_said_meanwhile_stands_under_the_recent_messages() -> None:
    """Although it came first."""
    user = {"uid": "u1", "nick": "alice"}
    terms = {"version": 1, "level": 2, "server": "s", "limits": {}, "durability": "disk"}
    heartbeat = {"interval": 30, "timeout": 75}
    snapshot = {"room": "lobby", "epoch": "e", "seq": 1, "topic": "", "members": [], "count": 1}
    page = {"room": "lobby", "epoch": "e", "events": [event(1, "lobby")], "more": False}
    answers = [
        [{"type": "welcome", "re": "1", **terms, "user": user, "heartbeat": heartbeat}],
        [{"type": "ok", "re": "2", **snapshot, "history": {"oldest": 1}}],
        [event(2, "lobby"), {"type": "ok", "re": "3", **page, "oldest": 1, "head": 1}],
    ]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer, args=(listener, answers)).start()
        with terminal(listener.getsockname()[1]) as alice:
            screen = without_time(alice.wait_for_text("m2"))
            first = screen.index("#lobby <bob> m1")
            assert screen[first + 1 : first + 3] == ["-- #lobby (now)", "#lobby <bob> m2"]


def _answer(listener: socket.socket, answers: list[list[Frame]]) -> None:
    """Answer one client's requests with these frames each, then wait until it is gone."""
    connection, _ = listener.accept()
    with connection:
        for frames in answers:
            connection.recv(65536)
            connection.sendall(b"".join(frame(**each) for each in frames))
        while connection.recv(65536):
            pass


def test_a_refused_message_is_given_back(server: ChatServer) -> None:
    """With the reason, so that it can be typed again."""
    with terminal(server.address[1]) as alice:
        alice.wait_for_text("[alice #lobby]")
        alice.type("/whisper nobody a long thought\r")
        screen = alice.wait_for_text("user.offline")
        screen = alice.wait_for_text("   /whisper nobody a long thought")
        assert "!! this was not sent:" in screen


def test_a_pipe_waits_and_goes_on(server: ChatServer, bob: Client) -> None:
    """Each line is said once; the link is told of on stderr, the exit code is 0."""
    with Wire(server.address) as wire:
        port = str(wire.address[1])
        command = [str(BIN / "chat-client"), "--port", port, "--nick", "alice"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write("one\n")
            while "<alice> one" not in process.stdout.readline():
                pass
            wire.cut(down=True)
            assert process.stderr.readline().startswith("-- connection lost (")
            process.stdin.write("two\nthree\n")
            wire.down = False
            rest, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert [line[6:] for line in rest.splitlines()] == [
        "#lobby <alice> two",
        "#lobby <alice> three",
    ]
    assert [line.partition(" after ")[0] for line in errors.splitlines()] == ["-- back"]
    bob.ping()
    said = [getattr(event, "text", None) for event in bob.events(timeout=0)]
    assert [text for text in said if text] == ["one", "two", "three"]


def test_a_pipe_gives_up_after_a_while_with_69(
    server: ChatServer,
    bob: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What may not have been said is given back on stderr."""

    def typed() -> Iterator[str]:
        yield "one\n"
        for heard in bob.events(timeout=PATIENCE):
            if getattr(heard, "text", "") == "one":
                break
        wire.cut(down=True)
        yield "two\n"

    with Wire(server.address) as wire:
        monkeypatch.setattr(plain, "PIPE_GIVES_UP", 0.3)
        monkeypatch.setattr(sys, "stdin", typed())
        view = plain.Plain(Wish(*wire.address, "alice"), interactive=False, commands=False)
        assert view.run() == 69
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("-- connection lost (")
    assert errors[-1].startswith("chat-client: ")
    assert "!! this may not have been sent:" in errors
