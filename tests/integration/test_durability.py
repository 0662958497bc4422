"""What survives restarts, kills and signals; and folders that cannot be used, told in one line."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from chat_schema.names import conversation_of
from chat_server import ChatServer, config
from chat_server.journal.base import Stay
from tests.support.peer import PATIENCE, Frame, Peer, kinds
from tests.support.program import ServerProgram, run_program
from tests.support.traveller import Traveller

Served = Callable[..., Any]

DATA = "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / DATA


@contextmanager
def serving(folder: Path, **sections: dict[str, Any]) -> Iterator[ChatServer]:
    """A server of this process on the folder."""
    server = {"port": 0, "data": str(folder), **sections.pop("server", {})}
    settings = config.Settings.model_validate({"server": server, **sections})
    with ChatServer(settings, unlimited=True) as running:
        yield running
        assert running.telemetry.counts().get("incidents", 0) == 0


class Kept:
    """What a server should still know after whatever happened to it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.alice = Traveller(address, "alice", "Dev")
        self.bob = Traveller(address, "bob", "dev")
        self.alice.peer.ask("nick", nick="Alicia")
        self.alice.peer.ask("join", room="quiet")
        self.alice.peer.ask("topic", room="dev", topic="ship it 🚀")
        # what was asked before it is kept with it: only messages wait for the disk one by one
        self.alice.peer.ask("broadcast", room="dev", text="kept", cid="c1")
        self.whispers = conversation_of(self.alice.uid, self.bob.uid)
        self.bob.peer.ask("whisper", to="alicia", text="psst")
        self.alice.heard()
        self.bob.heard()
        self.history = self.alice.peer.ask("history", room="dev")

    def require(self, address: tuple[str, int]) -> None:
        """Come back to a server and find everything."""
        self._require_alice(address)
        with Peer.welcomed(address, "carol") as carol:
            assert carol.ask("nick", nick="BOB")["code"] == "nick.taken"
            listed = {entry["room"]: entry for entry in carol.ask("rooms")["rooms"]}
            assert listed["Dev"] == {"room": "Dev", "topic": "ship it 🚀", "count": 2}
            assert carol.ask("join", room="DEV")["epoch"] == self.history["epoch"]
            frames = self.bob.returns(address)
            assert frames[-1]["user"] == {"uid": self.bob.uid, "nick": "bob"}
            assert frames[-1]["resume"]["resumed"] is True
            assert "join" not in kinds(carol.heard())
        page = self.alice.peer.ask("history", room="dev")
        for field in ("events", "epoch", "head", "oldest"):
            assert page[field] == self.history[field]
        repeated = self.alice.peer.ask("broadcast", room="dev", text="kept", cid="c1")
        assert (repeated["seq"], repeated["duplicate"]) == (2, True)
        assert self.alice.peer.ask("broadcast", room="dev", text="next")["seq"] == 3

    def _require_alice(self, address: tuple[str, int]) -> None:
        frames = self.alice.returns(address, rooms=None)
        welcome = frames[-1]
        assert welcome["user"] == {"uid": self.alice.uid, "nick": "Alicia"}
        assert welcome["resume"]["resumed"] is True
        assert welcome["resume"]["token"] == self.alice.token
        assert sorted(welcome["resume"]["rooms"]) == ["Dev", "quiet"]
        page = self.alice.peer.ask("history", room=self.whispers)
        assert [event["text"] for event in page["events"]] == ["psst"]

    def close(self) -> None:
        """Hang up."""
        self.alice.close()
        self.bob.close()


@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("durability", ["disk", "process"])
def test_a_restart_keeps_everything(folder: Path, loops: int, durability: str) -> None:
    """Tokens, nicks, rooms, topics, history, whispers, epochs and cids."""
    settings = {"io_threads": loops, "durability": durability}
    with serving(folder, server=settings) as server:
        kept = Kept(server.address)
        kept.close()
    with serving(folder, server=settings) as server:
        kept.require(server.address)
        kept.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_server_keeps_everything_too(folder: Path, number: signal.Signals) -> None:
    """As a real command, from one process to the next."""
    with ServerProgram("--data", str(folder)) as program:
        kept = Kept(program.address)
        program.stop(number)
        kept.close()
    with ServerProgram("--data", str(folder)) as program:
        kept.require(program.address)
        kept.close()


def test_a_server_in_memory_forgets_everything() -> None:
    """It says so: its epochs are others, and tokens mean nothing."""
    with ChatServer(port=0) as server:
        alice = Traveller(server.address, "alice", "dev")
        alice.peer.ask("broadcast", room="dev", text="gone")
        alice.close()
        epoch, _ = alice.cursors["dev"] = [alice.cursors["dev"][0], 1]
    with ChatServer(port=0) as server:
        frames = alice.returns(server.address)
        alice.close()
    assert frames[-1]["resume"]["resumed"] is False
    [begin] = [frame for frame in frames if frame.get("state") == "begin" and frame["room"] != "*"]
    assert begin["epoch"] != epoch
    assert (begin["to"], begin["head"], begin["complete"]) == (0, 0, False)


@pytest.mark.parametrize(
    ("data", "durability", "told"),
    [("", "disk", "disk"), ("", "process", "process"), (":memory:", "disk", "memory")],
)
def test_a_server_says_how_durable_it_is(
    folder: Path, data: str, durability: str, told: str
) -> None:
    """In the welcome, and it is the truth about its settings."""
    server = {"data": data or str(folder), "durability": durability}
    with serving(folder, server=server) as running, Peer(running.address) as peer:
        assert peer.ask("hello")["durability"] == told


def test_who_does_not_return_after_a_restart_leaves(folder: Path) -> None:
    """The time counts from the start; others see it, and the nick is free."""
    with serving(folder) as server:
        alice = Traveller(server.address, "alice", "dev")
        alice.peer.ask("broadcast", room="dev", text="bye")
        alice.close()
    with serving(folder, resume={"seconds": 0.3}) as server:
        with Peer.welcomed(server.address, "bob") as bob:
            bob.ask("join", room="dev")
            while (leave := bob.receive())["type"] != "leave":
                pass
            assert (leave["user"]["nick"], leave["reason"]) == ("alice", "lost")
            assert bob.ask("nick", nick="alice")["type"] == "ok"
    with serving(folder) as server:
        assert alice.returns(server.address)[-1]["resume"]["resumed"] is False
        alice.close()


def test_what_was_missed_over_a_restart_is_replayed(folder: Path) -> None:
    """From the cursor on, in the same epoch, and then it is live."""
    with serving(folder) as server:
        alice = Traveller(server.address, "alice", "dev")
        with Peer.welcomed(server.address, "bob") as bob:
            bob.ask("join", room="dev")
            alice.leaves_without_a_word()
            for number in range(3):
                bob.ask("broadcast", room="dev", text=f"m{number}")
    with serving(folder) as server, Peer.welcomed(server.address, "bob") as bob:
        frames = alice.returns(server.address)
        assert [frame["text"] for frame in frames if "text" in frame] == ["m0", "m1", "m2"]
        bob.ask("join", room="dev")
        bob.ask("broadcast", room="dev", text="live")
        assert [frame["text"] for frame in alice.heard() if "text" in frame] == ["live"]
        alice.close()


def test_what_was_acknowledged_before_a_signal_is_there_after_it(folder: Path) -> None:
    """Many talk while it ends: every `ok` is a message in the history, in its place."""
    acknowledged: list[tuple[int, str]] = []
    going = threading.Barrier(5)
    with ServerProgram("--data", str(folder), "--no-limits") as program:
        talkers = [
            threading.Thread(target=_talk, args=(program, going, acknowledged)) for _ in range(4)
        ]
        for thread in talkers:
            thread.start()
        going.wait(PATIENCE)
        code, _ = program.stop()
        for thread in talkers:
            thread.join()
    assert code == 0
    with serving(folder) as server, Peer.welcomed(server.address) as peer:
        peer.ask("join", room="dev")
        kept = {event["seq"]: event["text"] for event in _everything(peer, "dev")}
    assert sorted(kept) == list(range(1, len(kept) + 1))
    assert {seq: kept.get(seq) for seq, _ in acknowledged} == dict(acknowledged)


def _talk(
    program: ServerProgram, going: threading.Barrier, acknowledged: list[tuple[int, str]]
) -> None:
    """Say one thing after another until the server says bye; note what was acknowledged."""
    with Peer.welcomed(program.address) as peer:
        peer.ask("join", room="dev")
        for number in range(1_000_000):
            text = f"{peer.nick} {number}"
            peer.send("broadcast", id=str(number), room="dev", text=text)
            frame = peer.receive()
            while frame.get("re") != str(number):
                if frame["type"] == "bye":
                    assert (frame["code"], frame["reconnect"]) == ("server.shutdown", "later")
                    assert frame["after"] > 0
                    return
                frame = peer.receive()
            acknowledged.append((frame["seq"], text))
            if number == 50:
                going.wait(PATIENCE)


def _everything(peer: Peer, room: str) -> list[Frame]:
    """The whole history of a room."""
    events: list[Frame] = []
    more = True
    while more:
        page = peer.ask("history", room=room, after=events[-1]["seq"] if events else 0)
        events += page["events"]
        more = page["more"]
    return events


def test_who_has_asked_when_the_server_stops_gets_the_answer(folder: Path) -> None:
    """What waits for the disk is stored, and its author told so, before the bye."""
    busy, over = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        busy.set()
        over.wait(PATIENCE)

    with serving(folder) as server, Peer.welcomed(server.address) as peer:
        peer.ask("join", room="dev")
        server._journal.keep_stay(Stay("u0", "nobody", "digest", ()), hold)
        assert busy.wait(PATIENCE)
        peer.send("broadcast", id="last", room="dev", text="last words")
        with Peer.welcomed(server.address) as other:
            other.ask("users")  # read after what the first has sent, on the same loop
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with suppress(ConnectionError):
            while True:
                Peer(server.address).socket.close()
        over.set()
        frames = peer.rest()
        stopping.join()
    assert kinds(frames) == ["broadcast", "ok", "bye"]


def test_a_room_with_limits_keeps_what_they_say(folder: Path) -> None:
    """The join says the rules; what they do not keep goes, in a quiet moment."""
    history = {"rooms": {"Ops": {"entries": 10, "days": 3.5}}}
    with serving(folder, history=history) as server, Peer.welcomed(server.address) as peer:
        assert peer.ask("join", room="dev")["history"] == {"oldest": 1}
        assert peer.ask("join", room="ops")["history"] == {"oldest": 1, "kept": 10, "days": 3.5}
        for room in ("dev", "ops"):
            for number in range(30):
                peer.send("broadcast", room=room, text=f"word {number}")
        peer.ask("ping")
    # it looks when it starts, and now and then
    with serving(folder, history=history) as server, Peer.welcomed(server.address) as peer:
        peer.ask("join", room="ops")
        deadline = time.monotonic() + PATIENCE
        while peer.ask("history", room="ops", limit=1)["oldest"] == 1:
            assert time.monotonic() < deadline
        assert [event["seq"] for event in _everything(peer, "ops")] == list(range(21, 31))
        assert len(peer.ask("search", text="word", room="ops")["hits"]) == 10
        assert peer.ask("join", room="dev")["seq"] == 30
        assert len(_everything(peer, "dev")) == 30


def test_a_search_goes_back_before_the_restart(folder: Path) -> None:
    """In the rooms one is in, whatever the language."""
    with serving(folder) as server, Peer.welcomed(server.address, "alice") as peer:
        for room, text in (("dev", "Зелёный дом"), ("dev", "한국어 검색"), ("secret", "дом")):
            peer.ask("join", room=room)
            peer.ask("broadcast", room=room, text=text)
    with serving(folder) as server, Peer.welcomed(server.address, "bob") as peer:
        peer.ask("join", room="dev")
        for text, found in (("дом", ["Зелёный дом"]), ("한국", ["한국어 검색"]), ("nothing", [])):
            assert [hit["text"] for hit in peer.ask("search", text=text)["hits"]] == found
        assert peer.ask("search", text="дом", room="secret")["code"] == "room.not_member"


# Folders


def refused(*options: str) -> subprocess.CompletedProcess[str]:
    """The command that cannot start, with one line that says why."""
    done = run_program("chat-server", "run", "--port", "0", *options)
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("chat-server: ")
    return done


def test_a_second_server_on_a_folder_is_refused(folder: Path) -> None:
    """With the process that has it, and exit code 73; the first goes on."""
    with ServerProgram("--data", str(folder)) as program:
        done = refused("--data", str(folder))
        assert done.returncode == 73
        assert f"in use by another server (process {program.process.pid})" in done.stderr
        with Peer.welcomed(program.address) as peer:
            peer.ask("join", room="dev")
            assert peer.ask("broadcast", room="dev", text="still here")["seq"] == 1
    with ServerProgram("--data", str(folder)):
        pass


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """73; the file is as it was."""
    (tmp_path / "notes").write_text("mine")
    done = refused("--data", str(tmp_path / "notes"))
    assert done.returncode == 73
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    """73, for root too."""
    assert refused("--data", "/proc/typed-chat").returncode == 73


@pytest.mark.parametrize("damage", ["garbage", "foreign", "newer"])
def test_a_database_that_cannot_be_used_is_refused(folder: Path, damage: str) -> None:
    """65, with the reason, and it is as it was: the operator decides."""
    folder.mkdir()
    path = folder / "chat.db"
    if damage == "garbage":
        path.write_bytes(b"\xa5" * 10_000)
    elif damage == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("create table recipes (name text)")
        connection.close()
    else:
        with serving(folder):
            pass
        connection = sqlite3.connect(path)
        connection.execute("pragma user_version = 99")
        connection.close()
    before = path.read_bytes()
    done = refused("--data", str(folder))
    assert done.returncode == 65
    assert str(path) in done.stderr
    assert path.read_bytes() == before
    assert re.search("not a database|newer version", done.stderr)


def test_a_port_in_use_lets_go_of_the_folder(folder: Path) -> None:
    """69, and another server can have it."""
    with ChatServer(port=0) as other:
        done = refused("--data", str(folder), "--port", str(other.address[1]))
    assert done.returncode == 69
    with serving(folder):
        pass


def test_many_servers_can_be_started_and_stopped_on_one_folder(folder: Path) -> None:
    """Nothing is left open: no thread, no descriptor."""
    with serving(folder):
        pass
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for number in range(5):
        with ExitStack() as stack:
            server = stack.enter_context(serving(folder))
            peer = stack.enter_context(Peer.welcomed(server.address))
            peer.ask("join", room="dev")
            assert peer.ask("broadcast", room="dev", text="x")["seq"] == number + 1
            peer.ask("search", text="x")
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
