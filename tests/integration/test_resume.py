"""Coming back on real sockets: cut off, taken up, replayed; in memory and on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chat_schema.names import conversation_of
from chat_server import ChatServer, config
from tests.support.peer import Frame, Peer, kinds
from tests.support.traveller import RawPeer, Reader, Traveller

Start = Callable[..., ChatServer]
Travel = Callable[..., Traveller]

EVENTS = 20
"""Replayed in one conversation, here."""


@pytest.fixture(
    params=[(1, "memory"), (3, "memory"), (1, "disk"), (3, "disk")],
    ids=lambda param: f"{param[0]} {param[1]}",
)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts a server with some settings, on one loop or three, in memory or on disk."""
    loops, journal = request.param
    data = ":memory:" if journal == "memory" else str(tmp_path / "data")
    with ExitStack() as stack:

        def start_(**sections: dict[str, Any]) -> ChatServer:
            given = {"server": {"port": 0, "io_threads": loops, "data": data}, **sections}
            settings = config.Settings.model_validate(given)
            return stack.enter_context(ChatServer(settings, unlimited=True))

        yield start_


@pytest.fixture
def server(start: Start) -> Iterator[ChatServer]:
    """A server that replays a few events, and at whose end nothing was a fault of its own."""
    server = start(resume={"events": EVENTS})
    yield server
    assert server.telemetry.counts().get("incidents", 0) == 0


@pytest.fixture
def travel(server: ChatServer) -> Iterator[Travel]:
    """Makes people who can come back."""
    with ExitStack() as stack:

        def travel_(nick: str, *rooms: str) -> Traveller:
            traveller = Traveller(server.address, nick, *rooms)
            stack.callback(traveller.close)
            return traveller

        yield travel_


@pytest.fixture
def bob(server: ChatServer) -> Iterator[RawPeer]:
    """Somebody who stays, in `dev`."""
    with RawPeer(server.address) as peer:
        peer.ask("hello", nick="bob")
        peer.ask("join", room="dev")
        yield peer


def texts(frames: list[Frame]) -> list[str]:
    """What the messages among the frames say."""
    return [frame["text"] for frame in frames if "text" in frame]


def begins(frames: list[Frame]) -> dict[str, tuple[int, int, int, bool]]:
    """What each replay says of its numbers, by conversation."""
    return {
        frame["room"]: (frame["after"], frame["to"], frame["head"], frame["complete"])
        for frame in frames
        if frame.get("state") == "begin"
    }


def test_a_cut_is_seen_by_nobody(server: ChatServer, bob: RawPeer, travel: Travel) -> None:
    """No leave, no join; the missed comes in brackets, byte by byte, and then it is live."""
    alice = travel("alice", "dev")
    bob.ask("broadcast", room="dev", text="seen")
    alice.heard()
    alice.leaves_without_a_word()
    for number in range(3):
        bob.ask("broadcast", room="dev", text=f"missed {number}", cid=f"c{number}")
    bob.ask("topic", room="dev", topic="Grüße 👋")
    assert bob.ask("users", room="dev")["count"] == 2
    frames = alice.returns(server.address)
    assert kinds(frames) == [
        *("replay", "replay", "replay"),
        *("broadcast", "broadcast", "broadcast", "topic"),
        *("replay", "welcome"),
    ]
    assert begins(frames) == {"*": (0, 0, 0, True), "dev": (1, 5, 5, True)}
    welcome = frames[-1]
    assert welcome["user"] == {"uid": alice.uid, "nick": "alice"}
    assert welcome["resume"]["resumed"] is True
    assert welcome["resume"]["rooms"] == ["dev"]
    bob.ask("broadcast", room="dev", text="live")
    assert texts(alice.heard()) == ["live"]
    assert alice.peer.bodies["dev"] == bob.bodies["dev"]
    heard = bob.heard()
    assert not {"join", "leave"} & set(kinds(heard))


def test_one_s_own_words_are_replayed_and_recognised(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """Cut off before the answer: the repetition has the first outcome, nobody hears it twice."""
    alice = travel("alice", "dev")
    alice.peer.send("broadcast", id="lost", room="dev", text="once", cid="c1")
    while "once" not in texts([bob.receive()]):
        pass
    alice.is_cut_off()
    assert texts(alice.returns(server.address)) == ["once"]
    reply = alice.peer.ask("broadcast", room="dev", text="once", cid="c1")
    assert (reply["seq"], reply["duplicate"]) == (1, True)
    assert alice.heard() == []
    assert bob.heard() == []


def test_more_than_is_replayed_is_read_as_history(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """The replay says that it is not complete; the page after it is."""
    alice = travel("alice", "dev")
    alice.leaves_without_a_word()
    for number in range(EVENTS + 15):
        bob.send("broadcast", room="dev", text=f"m{number}")
    bob.ask("ping")
    frames = alice.returns(server.address)
    assert begins(frames)["dev"] == (0, EVENTS, EVENTS + 15, False)
    assert texts(frames) == [f"m{number}" for number in range(EVENTS)]
    page = alice.peer.ask("history", room="dev", after=EVENTS)
    assert texts(page["events"]) == [f"m{number}" for number in range(EVENTS, EVENTS + 15)]
    bob.ask("broadcast", room="dev", text="live")
    assert [event["seq"] for event in alice.heard()] == [EVENTS + 16]


def test_more_bytes_than_are_replayed_are_read_as_history(start: Start) -> None:
    """As many as fit below the limit at which one would be called slow."""
    server = start(limits={"outbox_soft": 16 * 1024})
    with RawPeer(server.address) as bob:
        bob.ask("hello", nick="bob")
        bob.ask("join", room="dev")
        alice = Traveller(server.address, "alice", "dev")
        alice.leaves_without_a_word()
        for _ in range(10):
            bob.ask("broadcast", room="dev", text="x" * 4000)
        frames = alice.returns(server.address)
        (after, to, head, complete) = begins(frames)["dev"]
        assert (after, head, complete) == (0, 10, False)
        assert 1 <= to <= 4
        assert len(texts(frames)) == to
        page = alice.peer.ask("history", room="dev", after=to)
        assert [event["seq"] for event in page["events"]] == list(range(to + 1, 11))
        alice.close()


@pytest.mark.parametrize(
    "cursor", [["another", 2], [None, 99]], ids=["another epoch", "ahead of the head"]
)
def test_a_cursor_of_another_history_starts_over(
    server: ChatServer, bob: RawPeer, travel: Travel, cursor: list[Any]
) -> None:
    """Nothing is replayed, and the client is told where it stands."""
    alice = travel("alice", "dev")
    for number in range(3):
        bob.ask("broadcast", room="dev", text=f"m{number}")
    alice.leaves_without_a_word()
    alice.cursors["dev"] = [cursor[0] or alice.cursors["dev"][0], cursor[1]]
    frames = alice.returns(server.address)
    assert begins(frames)["dev"] == (3, 3, 3, False)
    assert texts(frames) == []
    bob.ask("broadcast", room="dev", text="live")
    assert texts(alice.heard()) == ["live"]


def test_an_unknown_token_is_a_new_stay(server: ChatServer, bob: RawPeer, travel: Travel) -> None:
    """With the rooms and their replay all the same, and a token that works."""
    alice = travel("alice", "dev")
    bob.ask("broadcast", room="dev", text="missed")
    alice.peer.ask("quit")
    alice.close()
    bob.heard()
    frames = alice.returns(server.address)
    welcome = frames[-1]["resume"]
    assert welcome["resumed"] is False
    assert welcome["token"] != alice.token
    assert frames[-1]["user"]["uid"] != alice.uid
    assert texts(frames) == ["missed"]
    assert kinds(bob.heard()) == ["join"]
    alice.token = welcome["token"]
    alice.leaves_without_a_word()
    assert alice.returns(server.address)[-1]["resume"]["resumed"] is True


def test_whispers_to_who_is_away_are_there_on_return(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """A conversation that was not named from its beginning, a named one from its cursor."""
    alice = travel("alice", "dev")
    carol = travel("carol")
    carol.peer.ask("whisper", to="alice", text="old")
    with_bob, with_carol = (conversation_of(alice.uid, uid) for uid in (uid_of(bob), carol.uid))
    [event] = [frame for frame in alice.heard() if frame["type"] == "whisper"]
    epoch = alice.peer.ask("history", room=with_carol)["epoch"]
    alice.cursors[with_carol] = [epoch, event["seq"]]
    alice.leaves_without_a_word()
    assert bob.ask("whisper", to="alice", text="new")["seq"] == 1
    carol.peer.ask("whisper", to="ALICE", text="newer")
    frames = alice.returns(server.address)
    assert begins(frames) == {
        "*": (0, 0, 0, True),
        "dev": (0, 0, 0, True),
        with_carol: (1, 2, 2, True),
        with_bob: (0, 1, 1, True),
    }
    assert texts(frames) == ["newer", "new"]
    bob.ask("whisper", to="alice", text="live")
    assert texts(alice.heard()) == ["live"]


def uid_of(peer: Peer) -> str:
    """The uid of a peer's person."""
    listed = peer.ask("users")["users"]
    uid: str = next(user["uid"] for user in listed if user["nick"] == "bob")
    return uid


def test_the_rooms_of_the_hello_are_the_truth(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """Others see who entered and who left by it."""
    bob.ask("join", room="ops")
    bob.ask("broadcast", room="ops", text="before")
    alice = travel("alice", "dev")
    alice.leaves_without_a_word()
    bob.heard()
    alice.cursors = {"ops": ["", 0]}
    frames = alice.returns(server.address)
    assert frames[-1]["resume"]["rooms"] == ["ops"]
    assert texts(frames) == ["before"]
    assert {(event["type"], event["room"]) for event in bob.heard()} == {
        ("join", "ops"),
        ("leave", "dev"),
    }


def test_without_rooms_one_joins_for_snapshots(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """A program that was started anew: in its rooms, with nothing replayed, seen by nobody."""
    alice = travel("alice", "dev")
    alice.leaves_without_a_word()
    bob.ask("broadcast", room="dev", text="missed")
    [welcome] = alice.returns(server.address, rooms=None)
    assert welcome["resume"]["rooms"] == ["dev"]
    assert alice.joins("dev")["seq"] == 1
    assert kinds(bob.heard()) == []


def test_a_stay_is_taken_over_from_a_connection_that_still_lives(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """That one is told and closed; messages come to the new one alone."""
    alice = travel("alice", "dev")
    old = alice.peer
    frames = alice.returns(server.address)
    assert frames[-1]["resume"]["resumed"] is True
    bye = old.rest()[-1]
    assert (bye["type"], bye["code"], bye["reconnect"]) == ("bye", "session.replaced", "never")
    old.socket.close()
    bob.ask("broadcast", room="dev", text="once")
    assert texts(alice.heard()) == ["once"]
    assert kinds(bob.heard()) == []
    assert bob.ask("users", room="dev")["count"] == 2


def test_when_its_time_is_over_a_stay_ends(start: Start) -> None:
    """Others see the leave, the nick is free, the token means nothing."""
    server = start(resume={"seconds": 0.2})
    with Peer.welcomed(server.address, "bob") as bob:
        bob.ask("join", room="dev")
        alice = Traveller(server.address, "alice", "dev")
        bob.heard()
        alice.leaves_without_a_word()
        leave = bob.receive()
        assert (leave["type"], leave["reason"]) == ("leave", "lost")
        assert leave["user"] == {"uid": alice.uid, "nick": "alice"}
        with Peer.welcomed(server.address, "alice"):
            alice.nick = "alice2"
            assert alice.returns(server.address)[-1]["resume"]["resumed"] is False
        alice.close()


def test_a_hello_without_an_id_cannot_ask_for_a_token(server: ChatServer) -> None:
    """No reply could carry it: it is refused, and can be said again."""
    with Peer(server.address) as peer:
        peer.send("hello", nick="quiet", resume=True)
        refused = peer.receive()
        assert (refused["code"], refused["field"]) == ("field.missing", "id")
        assert refused["fatal"] is False
        assert "token" in peer.ask("hello", nick="quiet", resume=True)["resume"]


def test_who_is_gone_before_the_replay_leaves_nothing_behind(
    server: ChatServer, bob: RawPeer, travel: Travel
) -> None:
    """Fifty hellos that nobody waits for; the fifty-first has everything.

    Some of the fifty are read after that one, on other loops, and take nothing from it.
    """
    alice = travel("alice", "dev")
    alice.leaves_without_a_word()
    for number in range(EVENTS):
        bob.send("broadcast", room="dev", text=f"m{number}")
    bob.ask("ping")
    for _ in range(50):
        alice.peer = RawPeer(server.address)
        alice.peer.send("hello", id="gone", nick="alice", resume=alice.wish())
        alice.is_cut_off()
    frames = alice.returns(server.address)
    assert texts(frames) == [f"m{number}" for number in range(EVENTS)]
    assert not {"join", "leave"} & set(kinds(bob.heard()))
    assert bob.ask("users")["count"] == 2


def test_in_a_busy_room_whoever_is_cut_off_misses_nothing(start: Start) -> None:
    """A writer talks flat out, three readers are cut off and return again and again."""
    server = start(resume={"events": 100})
    readers = [Reader(server.address, f"reader{number}", "busy") for number in range(3)]
    over = threading.Event()
    with Peer.welcomed(server.address, "writer") as writer:
        writer.ask("join", room="busy")
        talking = threading.Thread(target=talk, args=(writer, over))
        talking.start()
        travelling = [threading.Thread(target=travel_much, args=(each,)) for each in readers]
        for thread in travelling:
            thread.start()
        for thread in travelling:
            thread.join()
        over.set()
        talking.join()
        head = writer.ask("history", room="busy", limit=1)["head"]
        for reader in readers:
            reader.hears_up_to(head)
            assert reader.numbers == list(range(reader.first + 1, head + 1))
            reader.peer.socket.close()
    assert server.telemetry.counts().get("incidents", 0) == 0


def talk(writer: Peer, over: threading.Event) -> None:
    """Say as much as the server takes, some dozens at a time."""
    while not over.is_set():
        for number in range(40):
            writer.send("broadcast", room="busy", text=f"{number}")
        writer.heard()


def travel_much(reader: Reader) -> None:
    """Be cut off at different points of the stream."""
    for count in range(25):
        reader.hears(count % 7 * 10)
        reader.cuts_and_returns()
