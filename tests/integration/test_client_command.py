"""`chat-client` as people and scripts use it: in a pipe and on a terminal."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_client.client import Client
from chat_schema import events
from chat_schema.framing import encode_frame
from chat_server import ChatServer
from tests.support.document import Document, blocks
from tests.support.program import BIN, ServerProgram, run_program
from tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clients leave for the next ones is not put where the tester's own is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server on a free port."""
    with ChatServer(port=0) as server:
        yield server


@pytest.fixture
def port(server: ChatServer) -> str:
    """Its port, as an option wants it."""
    return str(server.address[1])


def _said(client: Client) -> list[str]:
    """The texts that have arrived."""
    return [event.text for event in client.events(timeout=0) if isinstance(event, events.Broadcast)]


def test_a_pipe_is_said_line_by_line(server: ChatServer, port: str) -> None:
    """Each line that is not empty is said as it stands, but for colours; exit 0 at the end."""
    text = "one\n\n/usr/bin/gcc\r\n\x1b[31mred\x1b[0m \x07alert\n"
    with Client(port=server.address[1], nick="alice") as alice:
        alice.join("lobby")
        done = run_program("chat-client", "--port", port, "--nick", "bob", text=text)
        alice.ping()
        said = _said(alice)
    assert (done.returncode, done.stderr) == (0, "")
    assert said == ["one", "/usr/bin/gcc", "red alert"]
    assert [line[6:] for line in done.stdout.splitlines()[-3:]] == [
        f"#lobby <bob> {text}" for text in said
    ]


def test_the_seed_s_commands_hold_a_conversation(server: ChatServer, port: str) -> None:
    """/nick /join /leave /rooms /users /whisper /help and the rest, through a pipe."""
    script = """\
/nick bobby
/join den
/topic plans
/join Dev
hello dev
/me waves
/users
/rooms
/whisper alice psst
/history 2
/leave
/leave
/leave
/help whisper
/quit
never said
"""
    with Client(port=server.address[1], nick="alice") as alice:
        alice.join("dev")
        done = run_program(
            "chat-client", "--port", port, "--nick", "bob", "--commands", text=script
        )
        alice.ping()
        heard = [event.type for event in alice.events(timeout=0)]
    shown = re.sub(r"^\d\d:\d\d ", "", done.stdout, flags=re.MULTILINE)
    for line in (
        "-- bob is now bobby",
        "-- you are in #dev with 2: @alice, bobby.",
        "#den -- bobby set the topic: plans",
        "#dev <bobby> hello dev",
        "#dev * bobby waves",
        "-- 2 in #dev: @alice, bobby",
        "   #lobby (1)",
        "[to alice] psst",
        "-- history of #dev: last 2 of 2 events",
        "#dev -- bobby left",
    ):
        assert line in shown.splitlines()
    assert "never said" not in shown
    assert "The lobby is the last room" in done.stderr
    assert done.returncode == 1
    assert heard == ["join", "join", "broadcast", "broadcast", "whisper", "leave"]


def test_what_was_refused_makes_the_exit_code_one(port: str) -> None:
    """The reasons stand on stderr, apart from the data."""
    text = "/whisper nobody x\n/jion x\nfine\n"
    done = run_program("chat-client", "--port", port, "--commands", text=text)
    assert done.returncode == 1
    assert "user.offline" in done.stderr
    assert "Did you mean /join?" in done.stderr
    assert "fine" in done.stdout


def test_a_taken_nick_is_told_with_exit_77(server: ChatServer, port: str) -> None:
    """A script is not asked for another one."""
    with Client(port=server.address[1], nick="alice"):
        done = run_program("chat-client", "--port", port, "--nick", "Alice")
    assert (done.returncode, done.stdout) == (77, "")
    assert "nick.taken" in done.stderr


def test_no_server_is_told_with_exit_69() -> None:
    """One clear line and what to do, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = str(unused.getsockname()[1])
    done = run_program("chat-client", "--port", port)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.splitlines() == [
        f"chat-client: Cannot reach 127.0.0.1:{port}: connection refused.",
        "Is a server running there? `chat-server run` starts one.",
    ]


def test_a_person_may_leave_while_the_server_is_away() -> None:
    """The input stays usable, and /quit needs nobody to hear it."""
    with ServerProgram() as server, Terminal("chat-client", "--port", str(server.address[1])) as t:
        t.wait_for_text("[guest_1 #lobby]")
        server.stop()
        t.wait_for_text("-- connection lost (the server is stopping")
        t.wait_for_text("[guest_1 #lobby (offline)]")
        t.type("/quit\r")
        assert t.exit_code() == 0


def test_what_arrives_does_not_destroy_what_is_typed(server: ChatServer, port: str) -> None:
    """The line stays below, whole, and is sent whole."""
    with Client(port=server.address[1], nick="bob") as bob:
        bob.join("lobby")
        with Terminal("chat-client", "--port", port, "--nick", "alice") as terminal:
            terminal.wait_for_text("[alice #lobby]")
            terminal.type("half a li")
            terminal.wait_for_text("half a li")
            for number in range(3):
                bob.say("lobby", f"interruption {number}")
            screen = terminal.wait_for_text("interruption 2")
            screen = terminal.wait_for(lambda lines: lines[-1] == "[alice #lobby] half a li")
            assert [line[6:] for line in screen[-4:-1]] == [
                f"#lobby <bob> interruption {number}" for number in range(3)
            ]
            terminal.type("ne\r")
            terminal.wait_for_text("#lobby <alice> half a line")
            terminal.type("/quit\r")
            assert terminal.exit_code() == 0


def test_on_a_terminal_a_taken_nick_is_asked_for_again(server: ChatServer, port: str) -> None:
    """A person gets another try."""
    with Client(port=server.address[1], nick="alice"):
        with Terminal("chat-client", "--port", port, "--nick", "alice") as terminal:
            terminal.wait_for_text("Another nick")
            terminal.type("alice2\r")
            terminal.wait_for_text("[alice2 #lobby]")
            terminal.type("\x04")
            assert terminal.exit_code() == 0


def test_giving_up_on_a_taken_nick_is_no_error_of_ours(server: ChatServer, port: str) -> None:
    """/quit or the end of input at that question: exit 77, no traceback."""
    with Client(port=server.address[1], nick="alice"):
        for keys in ("/quit\r", "\x04"):
            with Terminal("chat-client", "--port", port, "--nick", "alice") as terminal:
                terminal.wait_for_text("Another nick")
                terminal.type(keys)
                assert terminal.exit_code() == 77


def test_an_interrupt_clears_the_line_and_then_ends_it_with_130(port: str) -> None:
    """Ctrl-C on a line that was begun loses only the line."""
    with Terminal("chat-client", "--port", port) as terminal:
        terminal.wait_for_text("[guest_1 #lobby]")
        terminal.type("half a line")
        terminal.wait_for_text("half a line")
        terminal.type("\x03")
        terminal.wait_for(lambda lines: lines[-1] == "[guest_1 #lobby]")
        terminal.type("\x03")
        assert terminal.exit_code() == 128 + signal.SIGINT


def test_nothing_remote_acts_on_the_terminal(server: ChatServer, port: str) -> None:
    """Direction marks, which text may hold on the wire, are shown and not obeyed."""
    with Client(port=server.address[1], nick="bob") as bob:
        bob.join("lobby")
        with Terminal("chat-client", "--port", port) as terminal:
            terminal.wait_for_text("[guest_1 #lobby]")
            bob.say("lobby", "a\u202egnp.exe")
            terminal.wait_for_text("<bob> a\\u202egnp.exe")


def test_a_closed_output_ends_it_quietly(port: str) -> None:
    """`chat-client | head -1`: no traceback, no error."""
    done = run_program(
        "sh", "-c", f"yes hello | head -n 2000 | {BIN}/chat-client --port {port} | head -n 1"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_bytes_that_are_no_text_are_replaced(server: ChatServer, port: str) -> None:
    """A binary line is said with replacement characters instead of ending in a traceback."""
    done = run_program("sh", "-c", f"printf 'a\\377b\\n' | {BIN}/chat-client --port {port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "<guest_1> a\ufffdb" in done.stdout


def test_a_hostile_server_s_names_are_escaped_in_the_prompt_and_the_greeting() -> None:
    """Even one's own nick and room come from a remote."""
    evil = "\x1b]0;owned\x07"
    user = {"uid": "u1", "nick": f"al{evil}ice"}
    welcome = {
        "type": "welcome", "re": "1", "version": 1, "level": 1, "server": evil, "user": user,
        "limits": {}, "heartbeat": {"interval": 30, "timeout": 75}, "durability": "memory",
    }  # fmt: skip
    joined = {
        "type": "ok", "re": "2", "room": f"lob{evil}by", "epoch": "e", "seq": 0, "topic": evil,
        "members": [user], "count": 1, "history": {"oldest": 1},
    }  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, welcome, joined)).start()
        with Terminal("chat-client", "--port", str(listener.getsockname()[1])) as terminal:
            shown = "\\x1b]0;owned\\x07"
            screen = terminal.wait_for_text(f"[al{shown}ice #lob{shown}by]")
            assert any(f"knows you as al{shown}ice" in line for line in screen)


def _serve(listener: socket.socket, *answers: dict[str, object]) -> None:
    """Answer one client's requests with these frames, then wait until it is gone."""
    connection, _ = listener.accept()
    with connection:
        for answer in answers:
            connection.recv(4096)
            connection.sendall(encode_frame(json.dumps(answer).encode()))
        while connection.recv(4096):
            pass


@pytest.mark.parametrize("program", ["chat-server", "chat-client"])
def test_help_needs_nothing_heavy(program: str) -> None:
    """`--help` answers without pydantic or a prompt being imported."""
    package = program.replace("-", "_")
    code = (
        f"import sys; sys.argv = [{program!r}, '--help']\n"
        f"from {package}.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'pydantic', 'prompt_toolkit'} & set(sys.modules), sorted(sys.modules)"
    )
    done = run_program("python", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout


def test_the_client_printed_in_the_protocol_works(server: ChatServer, port: str) -> None:
    """The document's program runs as printed, with nothing but the standard library."""
    [source] = blocks(Document("PROTOCOL.md").section("A client in ten minutes"), "python")
    assert len(source.splitlines()) <= 50
    with Client(port=server.address[1], nick="alice") as alice:
        alice.join("lobby")
        done = run_program("python", "-I", "-S", "-c", source, port, text="hello\n\nbye \x1b\n")
        alice.ping()
        said = _said(alice)
    assert said == ["hello", " "]
    assert done.stdout.splitlines() == ["lobby <guest_1> 'hello'", "lobby <guest_1> ' '"]
    assert "control character" in done.stderr
