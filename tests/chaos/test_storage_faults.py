"""A disk that fails under a real server: nothing is promised that is not kept, and nobody is lost.

The server runs in this process on a real folder; the recorder below SQLite makes its writes fail.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from chat_server import ChatServer
from chat_server.journal.database import DatabaseRefused
from tests.chaos import sqlite_abi as abi
from tests.chaos.checker import check
from tests.chaos.logs import Logs, Message, Store
from tests.chaos.recorder import Kind, Recorder
from tests.chaos.store import read_store
from tests.support.peer import Frame, Peer

PASSING = [
    pytest.param("write", abi.FULL, id="disk full"),
    pytest.param("write", abi.IOERR_WRITE, id="write error"),
    pytest.param("write", abi.READONLY, id="read-only"),
]
"""Faults after which the server stores again by itself."""


class Scene(NamedTuple):
    """A server whose disk can fail, and two members of the room `dev`: alice speaks."""

    server: ChatServer
    disk: Recorder
    alice: Peer
    bob: Peer
    folder: Path

    def say(self, text: str, cid: str | None = None) -> Frame:
        """Have alice say something; return the answer."""
        return self.alice.ask("broadcast", room="dev", text=text, cid=cid or secrets.token_hex(4))

    def heard(self) -> list[str]:
        """What bob has been told of alice until now."""
        return [event["text"] for event in self.bob.heard() if event["type"] == "broadcast"]

    def end(self) -> Store:
        """Have everybody leave and the server stop; return what it kept."""
        self.alice.socket.close()
        self.bob.socket.close()
        self.server.stop()
        return read_store(self.folder)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Everybody is in the room, one message was said, and the disk is well."""
    folder = tmp_path / "data"
    with Recorder(tmp_path) as disk, ChatServer(port=0, data=str(folder)) as server:
        with Peer.welcomed(server.address) as alice, Peer.welcomed(server.address) as bob:
            for peer in (alice, bob):
                peer.ask("join", room="dev")
            scene = Scene(server, disk, alice, bob, folder)
            assert scene.say("before")["seq"] == 1
            assert scene.heard() == ["before"]
            yield scene


@pytest.mark.parametrize(("kind", "code"), PASSING)
def test_what_cannot_be_stored_is_refused_and_shown_to_nobody(
    scene: Scene, kind: Kind, code: int
) -> None:
    """The author learns it, nobody sees the message, and all sessions stay."""
    scene.disk.fail(kind, code=code)
    answer = scene.say("during")
    assert (answer["type"], answer["code"], answer["retryable"]) == (
        "error",
        "server.storage",
        True,
    )
    assert scene.heard() == []
    assert scene.alice.ask("ping")["type"] == "ok"


@pytest.mark.parametrize(("kind", "code"), PASSING)
def test_the_service_comes_back_by_itself(scene: Scene, kind: Kind, code: int) -> None:
    """When the fault is over the same message is kept, once, under the next number."""
    scene.disk.fail(kind, code=code)
    assert scene.say("again", "c1")["type"] == "error"
    assert scene.say("again", "c1")["type"] == "error"
    scene.disk.heal()
    answer = scene.say("again", "c1")
    assert (answer["seq"], answer.get("duplicate")) == (2, None)
    assert scene.say("again", "c1")["duplicate"] is True
    assert scene.heard() == ["again"]
    assert check(Logs({}, {}), scene.end()) == []


@pytest.mark.parametrize(("kind", "code"), PASSING)
def test_a_window_of_messages_is_told_apart_exactly(scene: Scene, kind: Kind, code: int) -> None:
    """Of many in flight while the disk fails and heals, those that were seen are those kept."""
    messages = []
    for number in range(60):
        if number % 20 == 10:
            scene.disk.fail(kind, code=code)
        if number % 20 == 0:
            scene.disk.heal()
        uid = f"m{number}"
        scene.alice.send("broadcast", id=uid, room="dev", text=uid, cid=uid)
        messages.append(Message("", uid, "dev", uid))
        if number % 5 == 4:
            scene.alice.ask("ping")
    scene.disk.heal()
    seen = scene.heard()
    page = scene.bob.ask("history", room="dev", after=1, limit=100)
    assert [event["text"] for event in page["events"]] == seen
    assert 0 < len(seen) < len(messages)
    assert check(Logs({}, {}), scene.end()) == []


def test_acknowledgements_under_a_failing_disk_are_true(scene: Scene) -> None:
    """Every ok names a number under which the message is found after a restart."""
    messages = []
    for number in range(60):
        if number % 6 == 2:
            scene.disk.fail("write", code=abi.FULL)
        if number % 6 == 0:
            scene.disk.heal()
        answer = scene.say(f"text {number}", f"c{number}")
        seq = answer.get("seq")
        messages.append(Message("", f"c{number}", "dev", f"text {number}", seq, seq is None))
    store = scene.end()
    acknowledged = [message for message in messages if message.seq is not None]
    assert len(acknowledged) < len(messages)
    assert check(Logs({"alice": messages}, {}), store) == []
    assert len(store.rooms["dev"].events) == 1 + len(acknowledged)


def test_everything_that_is_numbered_is_refused_alike(scene: Scene) -> None:
    """Whispers and topics, too; what is not stored goes on."""
    scene.disk.fail("write", code=abi.FULL)
    whisper = scene.alice.ask("whisper", to=scene.bob.nick, text="psst")
    topic = scene.alice.ask("topic", room="dev", topic="full")
    assert [whisper["code"], topic["code"]] == ["server.storage"] * 2
    assert scene.alice.ask("topic", room="dev")["topic"] == ""
    assert scene.alice.ask("join", room="other")["type"] == "ok"
    assert scene.bob.ask("history", room="dev")["head"] == 1


def test_one_can_come_in_while_the_disk_is_full(scene: Scene) -> None:
    """A newcomer is welcome, with a token that holds while this server runs."""
    scene.disk.fail("write", code=abi.FULL)
    with Peer(scene.server.address) as peer:
        welcome = peer.ask("hello", resume=True)
        assert welcome["type"] == "welcome"
    with Peer(scene.server.address) as peer:
        again = peer.ask("hello", resume={"token": welcome["resume"]["token"]})
        assert again["resume"]["resumed"] is True
        assert again["user"]["uid"] == welcome["user"]["uid"]


def test_after_a_failed_sync_nothing_is_stored_until_a_restart(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The next sync may lie, so none is believed; the server says so and the sessions stay."""
    scene.disk.fail("sync", code=abi.IOERR_FSYNC)
    with caplog.at_level(logging.CRITICAL):
        assert scene.say("during", "c1")["code"] == "server.storage"
    assert "restart" in caplog.text
    scene.disk.heal()
    answer = scene.say("during", "c1")
    assert (answer["code"], "restart" in answer["message"]) == ("server.storage", True)
    assert scene.heard() == []
    assert scene.bob.ask("history", room="dev")["head"] == 1


def test_a_restart_after_a_failed_sync_stores_again(scene: Scene) -> None:
    """What was refused may have been kept or not; sent again it is there exactly once."""
    scene.disk.fail("sync", code=abi.IOERR_FSYNC)
    with Peer(scene.server.address) as carol:
        carol.ask("hello", nick="carol")
        carol.ask("join", room="dev")
        assert carol.ask("broadcast", room="dev", text="x", cid="c1")["code"] == "server.storage"
    scene.disk.heal()
    scene.end()
    with ChatServer(port=0, data=str(scene.folder)) as server:
        with Peer.welcomed(server.address) as dave:
            assert dave.ask("join", room="dev")["seq"] in (1, 2)
            first = dave.ask("broadcast", room="dev", text="y", cid="c2")
            assert dave.ask("broadcast", room="dev", text="y", cid="c2")["seq"] == first["seq"]
    assert check(Logs({}, {}), read_store(scene.folder)) == []


@pytest.mark.parametrize("kind", ["open", "write", "sync"])
def test_a_server_does_not_start_on_a_disk_that_fails(tmp_path: Path, kind: Kind) -> None:
    """It says so in one line, and leaves nothing half started."""
    with Recorder(tmp_path) as disk:
        disk.fail(kind, code={"open": abi.READONLY, "sync": abi.IOERR_FSYNC}.get(kind, abi.FULL))
        with pytest.raises(DatabaseRefused, match=r"chat\.db"):
            ChatServer(port=0, data=str(tmp_path / "data"))
        disk.heal()
        with ChatServer(port=0, data=str(tmp_path / "data")) as server:
            with Peer.welcomed(server.address) as alice:
                assert alice.ask("join", room="dev")["type"] == "ok"


def _wreck_pages(data: bytearray) -> None:
    """Leave nothing but a sound header and schema page."""
    data[4096:] = b"\x5a" * (len(data) - 4096)


def _wreck_schema(data: bytearray) -> None:
    """Write bytes that are no text over a name, which SQLite quotes when it complains."""
    at = data.lower().index(b"create table facts")
    data[at - 11 : at + 3] = b"\xff\xfe" * 7


@pytest.mark.parametrize("wreck", [_wreck_pages, _wreck_schema])
def test_a_damaged_database_is_refused_in_one_line(
    scene: Scene, wreck: Callable[[bytearray], None]
) -> None:
    """Behind a sound header is nonsense: DatabaseRefused, and not some error of SQLite's."""
    scene.end()
    path = scene.folder / "chat.db"
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=delete")
    connection.close()
    data = bytearray(path.read_bytes())
    wreck(data)
    path.write_bytes(data)
    with pytest.raises(DatabaseRefused):
        ChatServer(port=0, data=str(scene.folder))
