"""`chat-client` with accounts, rooms with owners, and secrets, on a terminal and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_client.client import Client
from chat_client.keys import make
from chat_schema.errors import Refused
from chat_server import ChatServer
from tests.support.program import run_program
from tests.support.terminal import Terminal

PASSWORD = "a-long-secret"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clients leave for the next ones is not put where the tester's own is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server on a free port, where alice has an account."""
    with ChatServer(port=0) as server:
        with Client(port=server.address[1], nick="alice") as alice:
            alice.account.register(PASSWORD)
        yield server


@pytest.fixture
def port(server: ChatServer) -> str:
    """Its port, as an option wants it."""
    return str(server.address[1])


def test_the_library_does_what_its_methods_say(server: ChatServer) -> None:
    """Accounts, care for a room, and what only administrators may."""
    with (
        Client(port=server.address[1], nick="alice", password=PASSWORD) as alice,
        Client(port=server.address[1], nick="bob") as bob,
    ):
        assert alice.user.registered
        alice.join("dev")
        bob.join("dev")
        alice.account.ignore("bob")
        assert [user.nick for user in alice.account.ignores()] == ["bob"]
        assert alice.account.unignore("bob") == []
        assert [each.role for each in alice.care.mods("dev")] == ["owner"]
        assert alice.care.mode("dev", slow=5, moderated=True).slow == 5
        alice.care.mute("dev", "bob", seconds=60, reason="x")
        assert [each.reason for each in alice.care.mutes("dev")] == ["x"]
        alice.care.unmute("dev", "bob")
        alice.care.promote("dev", "bob")
        alice.care.demote("dev", "bob")
        alice.care.kick("dev", "bob")
        bob.join("dev")
        alice.care.ban("dev", "bob", seconds=60)
        [ban] = alice.care.bans("dev")
        alice.care.invite("dev", "bob")
        alice.care.unban("dev", ban.id)
        with pytest.raises(Refused, match="administrator"):
            alice.admin.stats()
        alice.account.passwd(PASSWORD, PASSWORD + "2")
        assert alice.account.logout().user.nick != "alice"
        assert alice.account.login("alice", PASSWORD + "2").user.nick == "alice"
        assert not alice.account.unregister(PASSWORD + "2").registered
        bob.ping()
        heard = [event.type for event in bob.events(timeout=0)]
    assert heard[:2] == ["join", "mode"]
    assert heard.index("kick") < heard.index("leave") < heard.index("ban")


def test_a_key_logs_in(server: ChatServer, port: str, tmp_path: Path) -> None:
    """In a program and on the command line, after it was set."""
    public = make(tmp_path / "key")
    with Client(port=server.address[1], nick="alice", password=PASSWORD) as alice:
        assert alice.account.key(public) == public
    with Client(port=server.address[1], nick="alice", key=tmp_path / "key") as alice:
        assert (alice.user.nick, alice.user.registered) == ("alice", True)
    key = str(tmp_path / "key")
    done = run_program("chat-client", "--port", port, "--nick", "alice", "--key", key, text="hi\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "#lobby <alice> hi" in done.stdout


def test_a_script_logs_in_with_a_file(port: str, tmp_path: Path) -> None:
    """A wrong password is exit 77, a file that is not there 66; the password is shown nowhere."""
    file = tmp_path / "password"
    results = []
    for password in (PASSWORD, "wrong-" + PASSWORD):
        file.write_text(password + "\n")
        file.chmod(0o600)
        options = ("--port", port, "--nick", "alice", "--password-file", str(file))
        done = run_program("chat-client", *options, text="hi\n")
        results.append((done.returncode, "<alice> hi" in done.stdout, "auth.failed" in done.stderr))
        assert PASSWORD not in done.stdout + done.stderr
    assert results == [(0, True, False), (77, False, True)]
    file.unlink()
    assert run_program("chat-client", *options).returncode == 66


def test_in_a_pipe_the_next_line_is_the_password(port: str) -> None:
    """And nothing else: it is never said, also where the end of the input comes first."""
    text = f"/login alice\n{PASSWORD}\nhello\n/login bob secret-word\n/passwd\nold-secret\n"
    done = run_program("chat-client", "--port", port, "--commands", text=text)
    assert "#lobby <alice> hello" in done.stdout
    assert "A password is never typed in the line" in done.stderr
    assert "No password was given" in done.stderr
    assert not re.search(f"{PASSWORD}|secret", done.stdout + done.stderr)
    assert done.returncode == 1


def test_on_a_terminal_a_reserved_nick_asks_for_its_password(port: str) -> None:
    """Wrong, then right; nothing of it is shown."""
    with Terminal("chat-client", "--port", port, "--nick", "alice") as terminal:
        terminal.wait_for_text("Password for alice (empty for another nick):")
        terminal.type("wrong-secret\r")
        terminal.wait_for_text("auth.failed")
        terminal.wait_for(lambda screen: screen[-1].startswith("Password for alice"))
        terminal.type(PASSWORD + "\r")
        screen = terminal.wait_for_text("[alice #lobby]")
        assert "secret" not in "\n".join(screen)
        terminal.type("/quit\r")
        assert terminal.exit_code() == 0


def test_a_password_at_the_prompt_is_neither_seen_nor_kept(server: ChatServer, port: str) -> None:
    """Asked for twice where it is new; the arrow key brings back the command and no secret."""
    with Terminal("chat-client", "--port", port, "--nick", "bob") as terminal:
        terminal.wait_for_text("[bob #lobby]")
        for answers, told in (
            (("secret-1", "secret-2"), "not the same twice"),
            (("bobs-secret", "bobs-secret"), "bob is yours now"),
        ):
            terminal.type("/register\r")
            terminal.wait_for_text("New password for bob:")
            terminal.type(answers[0] + "\r")
            terminal.wait_for_text("The same again:")
            terminal.type(answers[1] + "\r")
            terminal.wait_for_text(told)
        terminal.wait_for(lambda screen: screen[-1] == "[bob #lobby]")
        terminal.type("/register visible-secret\r")
        terminal.wait_for_text("never typed in the line")
        terminal.wait_for(lambda screen: screen[-1] == "[bob #lobby]")
        terminal.type("\x1b[A")
        screen = terminal.wait_for(lambda screen: screen[-1] == "[bob #lobby] /register")
        assert "secret" not in "\n".join(screen)
    with Client(port=server.address[1], nick="bob", password="bobs-secret") as bob:
        assert bob.user.registered


def test_a_room_s_password_is_asked_for_and_what_was_typed_stays(
    server: ChatServer, port: str
) -> None:
    """The question comes in between; a wrong answer is asked for again, an empty one is the end."""
    with Client(port=server.address[1], nick="carol") as carol:
        carol.join("vault")
        carol.care.mode("vault", password="sesame")
        with Terminal("chat-client", "--port", port, "--nick", "bob") as terminal:
            terminal.wait_for_text("[bob #lobby]")
            terminal.type("/join vault\r")
            terminal.wait_for_text("Password of #vault:")
            terminal.type("wrong-word\r")
            terminal.wait_for(lambda screen: sum("room.password" in line for line in screen) == 2)
            terminal.wait_for_text("Password of #vault:")
            terminal.type("sesame\r")
            screen = terminal.wait_for_text("[bob #vault]")
            assert not re.search("sesame|wrong-word", "\n".join(screen))


def test_who_is_put_out_is_told_and_is_somewhere_else(server: ChatServer, port: str) -> None:
    """By whom, why, until when; the prompt is that of the room before."""
    with Client(port=server.address[1], nick="carol") as carol:
        carol.join("dev")
        with Terminal("chat-client", "--port", port, "--nick", "bob") as terminal:
            terminal.wait_for_text("[bob #lobby]")
            terminal.type("/join dev\r")
            terminal.wait_for_text("[bob #dev]")
            carol.care.ban("dev", "bob", reason="spam")
            terminal.wait_for_text("#dev -- carol banned you for good: spam")
            terminal.wait_for(lambda screen: screen[-1] == "[bob #lobby]")
            terminal.type("/join dev\r")
            terminal.wait_for_text("(room.banned)")
