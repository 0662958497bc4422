"""The operator's commands in a shell beside a running server, as an operator types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.peer import Peer
from tests.support.program import BIN, PATIENCE, ServerProgram, run_program

Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of the server."""
    return tmp_path / "data"


@pytest.fixture
def server(folder: Path) -> Iterator[ServerProgram]:
    """A server that keeps everything in the folder."""
    with ServerProgram("--data", str(folder)) as server:
        yield server


@pytest.fixture
def run(server: ServerProgram, folder: Path) -> Run:
    """Runs a command that succeeds, and returns what it wrote."""

    def run(*words: str, text: str = "") -> str:
        done = run_program("chat-server", *words, "--data", str(folder), text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def refused(folder: Path, *words: str, code: int = 1, text: str = "") -> str:
    """The one line with which a command ends that fails with this exit code."""
    done = run_program("chat-server", *words, "--data", str(folder), text=text)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("chat-server: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def acts(run: Run) -> list[tuple[str, str | None, str | None]]:
    """What the audit has: act, room, target."""
    entries = [json.loads(line) for line in run("audit", "--json").splitlines()]
    assert {entry["actor"] for entry in entries} <= {f"operator (uid {os.geteuid()})"}
    return [(entry["act"], entry.get("room"), entry.get("target")) for entry in entries]


def test_the_first_administrator_is_made_in_a_shell(run: Run, server: ServerProgram) -> None:
    """Then logs in from anywhere, with all rights; the role can be taken again."""
    run("user", "add", "anna", "--role", "admin", text="correct horse\n")
    with Peer(server.address) as anna:
        welcome = anna.ask("hello", login={"nick": "anna", "password": "correct horse"})
        assert (welcome["user"]["nick"], welcome["role"]) == ("anna", "admin")
        assert anna.ask("stats")["type"] == "ok"
        run("user", "role", "anna", "user")
        assert anna.ask("stats")["code"] == "permission.denied"
    assert acts(run) == [("account-add", None, "anna"), ("account-role", None, "anna")]


def test_accounts_are_listed_shown_and_removed(run: Run, folder: Path) -> None:
    """In a pipe with tabs, or as JSON, a line each."""
    for nick in ("bob", "anna"):
        run("user", "add", nick, text="correct horse\n")
    lines = [line.split("\t") for line in run("user", "list").splitlines()]
    assert [line[:2] for line in lines] == [["anna", "user"], ["bob", "user"]]
    shown = json.loads(run("user", "show", "BOB", "--json"))
    assert (shown["nick"], shown["online"], shown["key"]) == ("bob", False, False)
    run("user", "remove", "bob")
    assert "no account bob" in refused(folder, "user", "show", "bob")
    assert [line.split("\t")[0] for line in run("user", "list").splitlines()] == ["anna"]


def test_a_new_password_ends_what_was_begun_with_the_old_one(
    run: Run, server: ServerProgram
) -> None:
    """The sessions end, the old password is wrong, the new one is right."""
    run("user", "add", "anna", text="correct horse\n")
    with Peer(server.address) as anna:
        anna.ask("hello", login={"nick": "anna", "password": "correct horse"})
        run("user", "passwd", "anna", text="another horse\n")
        assert "session.revoked" in [frame.get("code") for frame in anna.rest()]
    with Peer(server.address) as anna:
        login = {"nick": "anna", "password": "correct horse"}
        assert anna.ask("hello", login=login)["code"] == "auth.failed"
        login["password"] = "another horse"
        assert anna.ask("hello", login=login)["type"] == "welcome"


def test_a_password_comes_from_standard_input_and_from_nowhere_else(
    server: ServerProgram, folder: Path
) -> None:
    """There is no option for it, and an empty line is none."""
    assert "no password" in refused(folder, "user", "add", "anna", text="")
    assert "8 characters" in refused(folder, "user", "add", "anna", text="short\n")
    done = run_program("chat-server", "user", "add", "anna", "secret", "--data", str(folder))
    assert done.returncode == 2


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    run: Run, server: ServerProgram, folder: Path
) -> None:
    """And two that differ are asked for again."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [BIN / "chat-server", "user", "add", "anna", "--data", folder],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    for prompt, typed in (
        (b"New password: ", b"correct horse\n"),
        (b"Repeat for confirmation: ", b"battery staple\n"),
        (b"New password: ", b"correct horse\n"),
        (b"Repeat for confirmation: ", b"correct horse\n"),
    ):
        seen = read_until(leader, prompt)
        assert b"horse" not in seen
        os.write(leader, typed)
    assert b"there is an account anna now" in read_until(leader, b"anna now")
    assert process.wait(PATIENCE) == 0
    os.close(leader)
    assert run("user", "list").startswith("anna\t")


def read_until(descriptor: int, end: bytes) -> bytes:
    """What a terminal shows up to and including `end`."""
    seen = b""
    while end not in seen:
        seen += os.read(descriptor, 4096)
    return seen


def test_at_a_terminal_lists_have_columns_with_names(run: Run, folder: Path) -> None:
    """For people; aligned, whatever their width."""
    for nick in ("al", "a-much-longer-nick"):
        run("user", "add", nick, text="correct horse\n")
    leader, follower = pty.openpty()
    subprocess.run(
        [BIN / "chat-server", "user", "list", "--data", folder],
        stdout=follower,
        check=True,
        timeout=PATIENCE,
    )
    os.close(follower)
    lines = read_until(leader, b"al  ").decode().splitlines()
    os.close(leader)
    assert lines[0].split()[:3] == ["NICK", "ROLE", "CREATED"]
    assert lines[1].startswith("a-much-longer-nick  user  ")


def test_who_is_connected_is_listed(run: Run, server: ServerProgram) -> None:
    """With the address; the operator's own connection is not among them."""
    with Peer.welcomed(server.address, "alice") as alice:
        alice.ask("join", room="Dev")
        [entry] = [json.loads(line) for line in run("sessions", "--json").splitlines()]
        assert (entry["user"]["nick"], entry["address"]) == ("alice", "127.0.0.1")
        assert entry["rooms"] == ["Dev"]
        assert run("room", "list").splitlines() == ["Dev\t1\t"]
    assert "people\t" in run("stats")
    assert json.loads(run("stats", "--json"))["version"]


def test_everybody_hears_an_announcement(run: Run, server: ServerProgram) -> None:
    """From the server itself: a name that nobody else gets."""
    with Peer.welcomed(server.address, "alice") as alice:
        run("announce", "back at five")
        [event] = alice.heard()
    assert (event["room"], event["text"]) == ("*", "back at five")
    assert event["user"]["nick"] == "server"
    assert acts(run) == [("announce", "*", None)]


def test_somebody_is_renamed_and_put_off(run: Run, server: ServerProgram, folder: Path) -> None:
    """They may come back after a kick."""
    with Peer.welcomed(server.address, "alice") as alice:
        run("user", "rename", "alice", "carol")
        assert alice.heard()[0]["user"]["nick"] == "carol"
        run("user", "kick", "carol", "--reason", "enough")
        assert "server.kicked" in [frame.get("code") for frame in alice.rest()]
    assert "nobody" in refused(folder, "user", "kick", "nobody").lower()
    with Peer.welcomed(server.address, "carol") as carol:
        assert carol.nick == "carol"
    assert [act[0] for act in acts(run)] == ["rename", "kick"]


def test_bans_keep_out_until_they_are_lifted(run: Run, server: ServerProgram) -> None:
    """On the whole server or in a room; a network is named as it was typed."""
    run("ban", "add", "203.0.113.0/24", "--for", "2h", "--reason", "spam")
    with (
        Peer.welcomed(server.address, "bob") as bob,
        Peer.welcomed(server.address, "alice") as alice,
    ):
        bob.ask("join", room="Dev")  # who stays: an empty room of guests forgets its bans
        alice.ask("join", room="Dev")
        run("ban", "add", "alice", "--room", "dev")
        assert alice.ask("join", room="dev")["code"] == "room.banned"
        assert run("room", "bans", "dev").split("\t")[1] == "alice"
        run("ban", "remove", "alice", "--room", "dev")
        assert alice.ask("join", room="dev")["type"] == "ok"
    [line] = run("ban", "list").splitlines()
    assert "203.0.113.0/24" in line.split("\t")
    assert "spam" in line.split("\t")
    run("ban", "remove", "203.0.113.0/24")
    assert run("ban", "list") == ""


def test_offices_of_a_room_are_given_and_taken(run: Run, server: ServerProgram) -> None:
    """By the operator, who is in no room."""
    with (
        Peer.welcomed(server.address, "alice") as alice,
        Peer.welcomed(server.address, "bob") as bob,
    ):
        alice.ask("join", room="Dev")
        bob.ask("join", room="Dev")
        run("room", "promote", "dev", "bob")
        assert run("room", "mods", "dev").splitlines() == ["alice\towner", "bob\tmoderator"]
        run("room", "demote", "dev", "bob")
        run("room", "kick", "dev", "bob")
        assert [frame["type"] for frame in bob.heard()][-2:] == ["kick", "leave"]
        run("mute", "add", "bob", "--room", "dev", "--for", "1m")
        assert run("room", "mutes", "dev").split("\t")[1] == "bob"
        run("mute", "remove", "bob", "--room", "dev")
        assert run("mute", "list", "--room", "dev") == ""
        assert run("room", "bans", "dev") == ""


def test_the_doors_are_closed_and_opened(run: Run, server: ServerProgram) -> None:
    """And whoever asks is told how they are."""
    assert run("lockdown", "accounts") == "accounts\n"
    assert run("lockdown") == "accounts\n"
    with Peer(server.address) as stranger:
        assert stranger.ask("hello")["code"] == "server.locked"
        assert run("lockdown", "none") == "none\n"
        assert stranger.ask("hello")["type"] == "welcome"


def test_a_shutdown_from_the_shell_is_a_stop_like_any_other(
    run: Run, server: ServerProgram, folder: Path
) -> None:
    """Everybody is told, the process ends well, and the socket is gone."""
    with Peer.welcomed(server.address, "alice") as alice:
        run("shutdown", "1s", "--reason", "new disks")
        frames = alice.rest()
    assert frames[0]["message"] == "The server stops in 1 s: new disks"
    assert frames[-1]["code"] == "server.shutdown"
    assert server.process.wait(PATIENCE) == 0
    assert not (folder / "control.sock").exists()
    assert refused(folder, "stats", code=69) == f"chat-server: no server runs on {folder}\n"


def test_the_audit_ends_with_the_newest_and_may_be_cut(run: Run, server: ServerProgram) -> None:
    """As many as were asked for, over several pages too."""
    for level in ("accounts", "moderators", "none"):
        run("lockdown", level)
    assert [line.split("\t")[-1] for line in run("audit", "-n", "2").splitlines()] == [
        "moderators",
        "none",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_socket_that_others_put_there_gets_no_password(
    server: ServerProgram, folder: Path
) -> None:
    """Exit 77, and one line that says whose it is."""
    os.chown(folder / "control.sock", 65534, 65534)
    told = refused(folder, "user", "passwd", "bob", code=77, text="TOPsecret99\n")
    assert f"{folder / 'control.sock'} is uid 65534's" in told


def test_what_strangers_typed_is_escaped(run: Run, server: ServerProgram) -> None:
    """In tables, and in what a command says of its own."""
    with Peer(server.address) as evil:
        evil.ask("hello", nick="evil", client="a\u202etxt\u2028x\u200e")
        assert "a\\u202etxt\\u2028x\\u200e" in run("sessions")
        assert "a\\u202etxt\\u2028x\\u200e" in run("sessions", "--json")


def test_without_a_server_there_is_nobody_to_ask(tmp_path: Path) -> None:
    """One line, exit 69; nothing is made."""
    assert "no server runs on" in refused(tmp_path / "data", "user", "list", code=69)
    assert not (tmp_path / "data").exists()


def test_after_a_kill_nobody_answers_and_the_next_server_takes_the_place(folder: Path) -> None:
    """The file that was left is no obstacle."""
    with ServerProgram("--data", str(folder)) as server:
        server.process.kill()
        server.process.wait(PATIENCE)
        assert (folder / "control.sock").exists()
        assert "no server runs on" in refused(folder, "stats", code=69)
    with ServerProgram("--data", str(folder)):
        done = run_program("chat-server", "stats", "--data", str(folder))
        assert done.returncode == 0


@pytest.mark.parametrize("words", [["ban", "add", "x", "--for", "soon"], ["shutdown", "-5"]])
def test_what_is_no_time_is_a_usage_error(folder: Path, words: list[str]) -> None:
    """Before any server is asked."""
    assert run_program("chat-server", *words, "--data", str(folder)).returncode == 2
