"""Coming back: what is held, who is who, and what is replayed; on one loop and on two."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat_schema import limits
from chat_schema.errors import Refused
from chat_schema.framing import HEADER, encode_frame
from chat_schema.names import conversation_of
from chat_server.commands import resume
from chat_server.commands.history import readable_to
from chat_server.dispatch import Session
from chat_server.domain.rooms import Room
from chat_server.eventlog import LINES
from chat_server.journal.base import Done, Position, Stay
from chat_server.journal.memory import MemoryJournal
from chat_server.journal.sqlite import SqliteJournal
from chat_server.loglines import FIELDS
from chat_server.net.audience import Audience
from chat_server.net.connection import Connection
from chat_server.services import Resume
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Frame, Playbook
from tests.support.workshop import EVERYTHING, days_ago

SECONDS = 120
"""How long a stay is held here."""

FEW = Resume(seconds=SECONDS, events=10, bytes=4000)
"""A replay that is soon too long."""


@pytest.fixture(params=[0, 1], ids=["same loop", "other loop"])
def back(request: pytest.FixtureRequest) -> int:
    """The loop on which people come back; they were on the first."""
    loop: int = request.param
    return loop


@pytest.fixture
def book() -> Iterator[Playbook]:
    """A server with two loops that replays a few events."""
    with Playbook(loops=2, resume=FEW) as book:
        yield book


@pytest.fixture
def bob(book: Playbook) -> Actor:
    """Somebody who stays, in `dev`."""
    return book.person("bob", "dev", loop=1)


class Guest:
    """Somebody with a token, through several connections; `now` is the latest."""

    def __init__(self, book: Playbook, nick: str, *rooms: str, loop: int = 0) -> None:
        self.book = book
        self.nick = nick
        self.now = book.stranger(loop)
        welcome = self.now.asks("hello", nick=nick, resume=True)
        self.uid = welcome["user"]["uid"]
        self.resume = welcome["resume"]
        self.cursors: dict[str, list[Any]] = {"*": self.resume["everyone"]}
        for room in rooms:
            reply = self.now.asks("join", room=room)
            self.cursors[reply["room"]] = [reply["epoch"], reply["seq"]]
        book.forget()

    def loses(self) -> None:
        """The connection breaks."""
        self.now.sends(ConnectionResetError())
        self.book.settle()

    def returns(self, loop: int = 0, **fields: Any) -> list[Frame]:
        """Come back with the cursors, or with `rooms`; return everything up to the welcome."""
        self.now = self.book.stranger(loop)
        wish = {"token": self.resume["token"], "rooms": self.cursors, **fields}
        self.now.says("hello", id="back", nick=self.nick, resume=wish)
        heard = self.now.listens()
        at = next((n for n, frame in enumerate(heard) if frame.get("re") == "back"), None)
        assert at is not None, heard
        self.now._unheard.extend(heard[at + 1 :])
        return heard[: at + 1]


@pytest.fixture
def alice(book: Playbook, bob: Actor) -> Guest:
    """Somebody who can come back, in `dev` with bob."""
    return Guest(book, "alice", "dev")


def texts(frames: list[Frame]) -> list[str]:
    """What the messages among the frames say."""
    return [frame["text"] for frame in frames if frame["type"] in ("broadcast", "whisper")]


def begins(frames: list[Frame]) -> dict[str, Frame]:
    """How each replay began, by conversation."""
    return {frame["room"]: frame for frame in frames if frame.get("state") == "begin"}


def span(frame: Frame) -> tuple[int, int, int, bool]:
    """What a replay says of its numbers."""
    return frame["after"], frame["to"], frame["head"], frame["complete"]


# Asking for a token


@pytest.mark.parametrize("wish", [True, {}, {"later": 1}])
def test_who_asks_gets_a_token(book: Playbook, wish: object) -> None:
    """With all that a client has to know, and nobody else gets the same."""
    replies = [book.stranger().asks("hello", resume=wish)["resume"] for _ in range(2)]
    assert replies[0]["token"] != replies[1]["token"]
    assert 0 < len(replies[0]["token"]) <= limits.TOKEN_CHARACTERS
    del replies[0]["token"]
    everyone = book.journal.position("*")
    assert replies[0] == {
        "seconds": SECONDS,
        "resumed": False,
        "rooms": [],
        "everyone": [everyone.epoch, everyone.head],
    }


@pytest.mark.parametrize("fields", [{}, {"resume": None}, {"resume": False}])
def test_who_does_not_ask_gets_none(book: Playbook, bob: Actor, fields: Frame) -> None:
    """And is gone at once when the connection breaks."""
    carol = book.stranger()
    assert "resume" not in carol.asks("hello", nick="carol", **fields)
    carol.asks("join", room="dev")
    book.forget()
    carol.sends(ConnectionResetError())
    bob.hears("leave", reason="lost")


def test_without_an_id_there_is_no_token(book: Playbook) -> None:
    """No reply could carry it: the hello is refused, and can be said again."""
    carol = book.stranger()
    carol.says("hello", nick="carol", resume=True)
    carol.hears("error", code="field.missing", field="id")
    assert carol.asks("hello", nick="carol", resume=True)["resume"]["token"]


def test_what_is_kept_of_a_token_does_not_open_anything(book: Playbook, alice: Guest) -> None:
    """Its digest: who reads the database cannot come back as somebody else."""
    digest = alice.now.session.digest
    assert digest
    assert alice.resume["token"] not in digest
    alice.loses()
    alice.nick = "mallory"
    welcome = alice.returns(token=digest[:64])[-1]
    assert welcome["resume"]["resumed"] is False


def test_a_refused_nick_is_no_end_of_a_hello_with_a_wish(book: Playbook, bob: Actor) -> None:
    """It can be said again."""
    carol = book.stranger()
    assert carol.asks("hello", nick="bob", resume=True)["code"] == "nick.taken"
    assert carol.asks("hello", nick="carol", resume=True)["type"] == "welcome"
    carol.asks("ping")


# Holding


def test_nobody_sees_that_a_stay_is_held(book: Playbook, alice: Guest, bob: Actor) -> None:
    """No leave; listed as before; the nick is taken."""
    alice.loses()
    bob.hears_nothing()
    for fields in ({}, {"room": "dev"}):
        listed = bob.asks("users", **fields)["users"]
        assert [user["nick"] for user in listed] == ["alice", "bob"]
    assert bob.asks("nick", nick="ALICE")["code"] == "nick.taken"
    assert bob.asks("rooms")["rooms"][0]["count"] == 2


def test_when_the_time_is_over_the_stay_is(book: Playbook, alice: Guest, bob: Actor) -> None:
    """Others see a leave, and the nick is free."""
    alice.loses()
    for _ in range(SECONDS - 1):
        book.pass_time(1)
        bob.says("pong")
    assert [frame["type"] for frame in bob.listens() if frame["type"] != "ping"] == []
    book.pass_time(1)
    bob.hears("leave", room="dev", reason="lost", user={"uid": alice.uid, "nick": "alice"})
    bob.hears_nothing()
    assert bob.asks("nick", nick="alice")["type"] == "ok"


def test_who_quits_is_gone_at_once(book: Playbook, alice: Guest, bob: Actor) -> None:
    """Nothing is held, and the token means nothing any more."""
    alice.now.says("quit", id="q")
    bob.hears("leave", reason="quit")
    assert bob.asks("users")["count"] == 1
    assert alice.returns()[-1]["resume"]["resumed"] is False


@pytest.mark.parametrize("ending", ["half-close", "reset", "timeout"])
def test_every_other_end_is_no_quit(book: Playbook, alice: Guest, bob: Actor, ending: str) -> None:
    """Whoever closed the connection, and why."""
    if ending == "half-close":
        alice.now.sends(b"")
    elif ending == "reset":
        alice.now.connection.abort("reset")
        book.settle()
    else:
        for _ in range(80):
            book.pass_time(1)
            bob.says("pong")
        alice.now.hears("ping")
    kinds = [frame["type"] for frame in bob.listens()]
    assert "leave" not in kinds
    assert alice.returns()[-1]["resume"]["resumed"] is True


def test_who_comes_back_again_and_again_has_the_whole_time_each_time(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """The time of an earlier break does not end a later one."""
    for _ in range(3):
        alice.loses()
        for _ in range(SECONDS - 1):
            book.pass_time(1)
            bob.says("pong")
        assert alice.returns(back)[-1]["resume"]["resumed"] is True
    assert "leave" not in [frame["type"] for frame in bob.listens()]


def test_somebody_held_can_be_whispered_to(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """They find it when they come back, from the beginning, without having named it."""
    alice.loses()
    assert bob.asks("whisper", to="alice", text="psst")["seq"] == 1
    frames = alice.returns(back)
    room = conversation_of(alice.uid, bob.uid)
    assert texts(frames) == ["psst"]
    assert span(begins(frames)[room]) == (0, 1, 1, True)
    bob.says("whisper", to="alice", text="again")
    alice.now.hears("whisper", seq=2, text="again")


# Taking up


def test_who_comes_back_is_who_they_were(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """The same uid, nick and token, in the same rooms; and nobody hears of it."""
    alice.loses()
    *_, welcome = alice.returns(back)
    assert welcome["user"] == {"uid": alice.uid, "nick": "alice"}
    resumed = welcome["resume"]
    assert (resumed["token"], resumed["resumed"]) == (alice.resume["token"], True)
    assert resumed["rooms"] == ["dev"]
    bob.hears_nothing()
    assert bob.asks("users", room="dev")["count"] == 2
    alice.now.says("broadcast", room="dev", text="back")
    bob.hears("broadcast", text="back", user={"uid": alice.uid, "nick": "alice"})


def test_a_nick_taken_since_the_hello_stays(book: Playbook, alice: Guest, back: int) -> None:
    """The hello's nick is only for a stay that is over."""
    alice.now.asks("nick", nick="Alicia")
    alice.loses()
    assert alice.returns(back)[-1]["user"]["nick"] == "Alicia"


def test_the_missed_is_replayed_and_then_it_is_live(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """Each number once, in order, in brackets, before the welcome."""
    bob.says("broadcast", room="dev", text="seen")
    assert texts(alice.now.listens()) == ["seen"]
    alice.cursors["dev"][1] = 1
    alice.loses()
    for text in ("one", "two"):
        bob.says("broadcast", room="dev", text=text)
    frames = alice.returns(back)
    shape = [(frame["type"], frame.get("room"), frame.get("state")) for frame in frames]
    assert shape == [
        ("replay", "*", "begin"),
        ("replay", "*", "end"),
        ("replay", "dev", "begin"),
        ("broadcast", "dev", None),
        ("broadcast", "dev", None),
        ("replay", "dev", "end"),
        ("welcome", None, None),
    ]
    assert span(begins(frames)["dev"]) == (1, 3, 3, True)
    assert begins(frames)["dev"]["epoch"] == alice.cursors["dev"][0]
    bob.says("broadcast", room="dev", text="live")
    alice.now.hears("broadcast", seq=4, text="live")
    alice.now.hears_nothing()


def test_what_is_replayed_are_the_bytes_that_were_sent(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """Messages, with their ids, and topics alike."""
    alice.loses()
    start = len(bob.sock.sent)
    bob.says("broadcast", room="dev", text='Grüße "👋"', cid="c1")
    bob.says("topic", room="dev", topic="news")
    sent = bytes(bob.sock.sent[start:])
    alice.returns(back)
    assert sent in bytes(alice.now.sock.sent)


def test_nothing_missed_is_told_too(book: Playbook, alice: Guest, back: int) -> None:
    """An empty bracket for each conversation that was named and may be read."""
    alice.loses()
    frames = alice.returns(back)
    assert {room: span(frame) for room, frame in begins(frames).items()} == {
        "*": (0, 0, 0, True),
        "dev": (0, 0, 0, True),
    }


def test_names_are_as_the_room_has_them(book: Playbook, bob: Actor, back: int) -> None:
    """In whatever case they are asked for."""
    alice = Guest(book, "alice", "Mixed")
    alice.loses()
    alice.cursors["mIXED"] = alice.cursors.pop("Mixed")
    frames = alice.returns(back)
    assert set(begins(frames)) == {"*", "Mixed"}
    assert frames[-1]["resume"]["rooms"] == ["Mixed"]


def test_rooms_are_the_truth_about_membership(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """What is named is entered, what is not named is left, and others see that."""
    bob.asks("join", room="ops")
    bob.says("broadcast", room="ops", text="said before")
    bob.listens()
    alice.loses()
    alice.cursors = {"ops": ["", 0]}
    frames = alice.returns(back)
    assert frames[-1]["resume"]["rooms"] == ["ops"]
    assert texts(frames) == ["said before"]
    seen = {(frame["type"], frame["room"]) for frame in bob.listens()}
    assert seen == {("join", "ops"), ("leave", "dev")}
    assert bob.asks("users", room="dev")["count"] == 1
    assert alice.now.asks("users", room="dev")["code"] == "room.not_member"
    bob.says("broadcast", room="dev", text="unheard")
    bob.says("broadcast", room="ops", text="heard")
    assert texts(alice.now.listens()) == ["heard"]


def test_without_rooms_one_is_where_one_was(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """A program started anew: nothing is replayed, live events come."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")
    [welcome] = alice.returns(back, rooms=None)
    assert welcome["resume"]["rooms"] == ["dev"]
    bob.listens()
    reply = alice.now.asks("join", room="dev")
    assert (reply["seq"], reply["count"]) == (1, 2)
    bob.hears_nothing()
    bob.says("broadcast", room="dev", text="live")
    assert texts(alice.now.listens()) == ["live"]


def test_a_room_that_cannot_be_entered_is_not_among_those_entered(bob: Actor) -> None:
    """The client sees it, and everything else goes on."""
    with Playbook(loops=2, rooms=2) as book:
        alice = Guest(book, "alice", "dev")
        book.person("bob", "other")
        alice.loses()
        alice.cursors["third"] = ["", 0]
        *_, welcome = alice.returns()
        assert welcome["resume"]["rooms"] == ["dev"]


def test_case_86_rooms_that_cannot_be_entered_are_one_line_of_the_log(
    bob: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    """However many somebody names: from where, how many and why; bounded for an address."""
    with caplog.at_level(logging.INFO), Playbook(loops=2, rooms=2) as book:
        alice = Guest(book, "alice", "dev")
        book.person("bob", "other")
        for _ in range(LINES + 5):
            alice.loses()
            alice.cursors |= {f"third{number}": ["", 0] for number in range(30)}
            alice.returns()
    lines = [line for line in caplog.records if line.levelno == logging.INFO]
    told = [getattr(line, FIELDS) for line in lines if line.msg == "rooms_refused"]
    assert len(told) == LINES
    assert told[0]["rooms"] == 30
    assert told[0]["codes"] == "server.busy"
    assert told[0]["address"]
    assert not [line for line in lines if line.name == "chat_server"]


def test_nobody_comes_back_into_more_rooms_than_allowed(book: Playbook, alice: Guest) -> None:
    """The first ones are entered."""
    alice.loses()
    alice.cursors = {f"r{number}": ["", 0] for number in range(limits.ROOMS_PER_CLIENT + 5)}
    *_, welcome = alice.returns()
    assert welcome["resume"]["rooms"] == [f"r{n}" for n in range(limits.ROOMS_PER_CLIENT)]


# Replays that are not complete


def test_more_than_is_replayed_at_once_is_told(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """The first ones come; the rest can be read as history."""
    alice.loses()
    for number in range(1, 26):
        bob.says("broadcast", room="dev", text=str(number))
    frames = alice.returns(back)
    assert texts(frames) == [str(number) for number in range(1, 11)]
    assert span(begins(frames)["dev"]) == (0, 10, 25, False)
    page = alice.now.asks("history", room="dev", after=10)
    assert texts(page["events"]) == [str(number) for number in range(11, 26)]
    bob.says("broadcast", room="dev", text="live")
    alice.now.hears("broadcast", seq=26)


def test_more_bytes_than_are_replayed_at_once_are_told(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """In all conversations together; each says for itself what it lacks."""
    alice.now.asks("join", room="ops")
    bob.asks("join", room="ops")
    alice.cursors["ops"] = [book.journal.position("ops").epoch, 0]
    alice.loses()
    for room in ("dev", "ops"):
        for _ in range(3):
            bob.says("broadcast", room=room, text="x" * 1500)
    frames = alice.returns(back)
    begun = begins(frames)
    assert span(begun["dev"]) == (0, 2, 3, False)
    assert span(begun["ops"])[2:] == (3, False)
    assert begun["ops"]["to"] == 1


def test_what_is_gone_is_told(bob: Actor) -> None:
    """The replay begins with the oldest there is, and says so."""
    with Playbook(loops=2, journal=MemoryJournal(kept=5, budget=2**24)) as book:
        alice = Guest(book, "alice", "dev")
        bob = book.person("bob", "dev")
        alice.loses()
        for number in range(1, 13):
            bob.says("broadcast", room="dev", text=str(number))
        frames = alice.returns()
        assert texts(frames) == ["8", "9", "10", "11", "12"]
        assert span(begins(frames)["dev"]) == (7, 12, 12, False)


@pytest.mark.parametrize(
    ("last", "spans", "seqs"),
    [
        (3, (0, 3, 3, True), range(1, 4)),
        (7, (2, 3, 3, False), range(3, 8)),
        (8, (0, 0, 3, False), range(4, 9)),
        (9, (0, 0, 3, False), range(4, 10)),
        (12, (0, 0, 3, False), range(4, 13)),
    ],
)
def test_what_goes_while_the_replay_waits_does_not_make_it_longer(
    bob: Actor, last: int, spans: tuple[int, int, int, bool], seqs: range
) -> None:
    """It ends where the room was entered, however far `oldest` has moved: the rest comes live."""
    with Playbook(journal=MemoryJournal(kept=5, budget=2**24)) as book:
        alice, bob = Guest(book, "alice", "dev"), book.person("bob", "dev")
        alice.loses()
        for _ in range(3):
            bob.says("broadcast", room="dev", text="missed")
        book.workers.held = True
        alice.now = book.stranger()
        wish = {"token": alice.resume["token"], "rooms": alice.cursors}
        alice.now.says("hello", id="back", resume=wish)
        for _ in range(last - 3):
            bob.says("broadcast", room="dev", text="meanwhile")
        book.workers.held = False
        book.workers.work()
        book.settle()
        frames = alice.now.listens()
        assert span(begins(frames)["dev"]) == spans
        heard = [frame["seq"] for frame in frames if frame["type"] == "broadcast"]
        assert heard == list(seqs)


@pytest.mark.parametrize(("epoch", "seq"), [("another", 3), ("", 1), (None, 99)])
def test_a_cursor_that_means_nothing_here_replays_nothing(
    book: Playbook, alice: Guest, bob: Actor, epoch: str | None, seq: int
) -> None:
    """Another epoch, or a number that was never given: start over from the head."""
    alice.loses()
    for _ in range(5):
        bob.says("broadcast", room="dev", text="x")
    alice.cursors["dev"] = [epoch if epoch is not None else alice.cursors["dev"][0], seq]
    frames = alice.returns()
    assert texts(frames) == []
    assert span(begins(frames)["dev"]) == (5, 5, 5, False)
    bob.says("broadcast", room="dev", text="live")
    alice.now.hears("broadcast", seq=6)


def test_a_cursor_of_zero_holds_in_every_epoch(book: Playbook, alice: Guest, bob: Actor) -> None:
    """It asks for everything."""
    alice.loses()
    bob.says("broadcast", room="dev", text="x")
    alice.cursors["dev"] = ["whatever", 0]
    frames = alice.returns()
    assert span(begins(frames)["dev"]) == (0, 1, 1, True)


def test_when_all_workers_are_busy_one_waits_for_a_turn(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """After a restart everybody comes back at once; nobody is refused, and nothing is left out."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")
    book.workers.held = True
    crowd = [book.person(f"p{number}", "dev") for number in range(8)]
    for person in crowd:
        person.says("history", id="1", room="dev")
    alice.now = book.stranger(back)
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    alice.now.says("hello", id="back", nick="alice", resume=wish)
    book.pass_time(5)
    alice.now.hears_nothing()
    book.workers.work()
    book.workers.held = False
    book.pass_time(1)
    frames = alice.now.listens()
    assert texts(frames) == ["missed"]
    assert span(begins(frames)["dev"]) == (0, 1, 1, True)
    assert frames[-1]["re"] == "back"


def test_a_history_that_cannot_be_read_is_an_incomplete_replay(
    book: Playbook, alice: Guest, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has a fault: one comes back all the same."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")

    def fail(*_: object, **__: object) -> None:
        raise Refused("server.storage", "The server cannot read at present.")

    monkeypatch.setattr(book.journal, "read", fail)
    frames = alice.returns()
    assert span(begins(frames)["dev"]) == (0, 0, 1, False)


# Whispers


def test_a_conversation_that_is_named_is_replayed_from_its_cursor(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """And only once."""
    alice.now.says("whisper", to="bob", text="one")
    room = conversation_of(alice.uid, bob.uid)
    alice.cursors[room] = [book.journal.position(room).epoch, 1]
    alice.loses()
    bob.says("whisper", to="alice", text="two")
    frames = alice.returns(back)
    assert texts(frames) == ["two"]
    assert span(begins(frames)[room]) == (1, 2, 2, True)
    assert len([frame for frame in frames if frame.get("room") == room]) == 3


def test_without_rooms_no_conversation_is_replayed(
    book: Playbook, alice: Guest, bob: Actor
) -> None:
    """A program started anew asks for history itself."""
    bob.says("whisper", to="alice", text="psst")
    alice.loses()
    assert texts(alice.returns(rooms=None)) == []


def test_the_whispers_of_others_are_nobody_s(book: Playbook, alice: Guest, bob: Actor) -> None:
    """Naming them brings nothing, not even a bracket."""
    carol = book.person("carol")
    bob.says("whisper", to="carol", text="secret")
    alice.loses()
    alice.cursors[conversation_of(bob.uid, carol.uid)] = ["", 0]
    frames = alice.returns()
    assert set(begins(frames)) == {"*", "dev"}
    assert texts(frames) == []


@pytest.mark.parametrize("journal", ["memory", "disk"])
def test_conversations_that_never_were_cost_nothing(tmp_path: Path, journal: str) -> None:
    """Whoever names a hundred of them each time leaves no trace of them."""
    disk = SqliteJournal(tmp_path / "chat.db", "disk", lambda room: EVERYTHING, days_ago)
    memory = MemoryJournal(kept=1000, budget=2**24)
    with Playbook(journal=memory if journal == "memory" else disk) as book:
        alice = book.stranger()
        alice.says("hello", id="1", nick="alice", resume=True)
        book.journal.flush()
        book.settle()
        token, uid = alice.hears("welcome")["resume"]["token"], alice.uid
        before = set(memory._rooms), set(disk._catalogue._looked_at)
        rooms = {f"dm:{uid}:z{number}": ["", 0] for number in range(100)}
        again = book.stranger()
        again.says("hello", id="2", resume={"token": token, "rooms": rooms})
        book.journal.flush()
        book.settle()
        again.hears("welcome", re="2")
        again.hears_nothing()
        assert (set(memory._rooms), set(disk._catalogue._looked_at)) == before
    disk.close()


def test_whispers_of_guests_hide_no_friend_s(book: Playbook, alice: Guest) -> None:
    """Those with accounts are listed, replayed and searched first, however many there are."""
    friend = book.person("friend", address="127.0.0.1")
    assert friend.asks("register", password="correct horse")["type"] == "ok"
    room = conversation_of(alice.uid, friend.uid)
    friend.asks("whisper", to="alice", text="from a friend")
    crowd = {conversation_of(alice.uid, f"a{number:03}") for number in range(600)}
    session = alice.now.session
    session.known.conversations.update(crowd)
    assert readable_to(book.hub, session)[1 + len(session.rooms)] == room
    alice.loses()
    frames = alice.returns()
    assert frames[-1]["resume"]["conversations"][0] == room
    assert len(frames[-1]["resume"]["conversations"]) == limits.RESUMED
    assert "from a friend" in texts(frames)


# A stay that is over


@pytest.mark.parametrize("token", ["unknown", "x" * 64])
def test_an_unknown_token_is_no_error(book: Playbook, bob: Actor, token: str) -> None:
    """Another uid and another token; the rooms named are entered and replayed all the same."""
    bob.says("broadcast", room="dev", text="missed")
    bob.listens()
    stranger = book.stranger()
    epoch = book.journal.position("dev").epoch
    stranger.says(
        "hello", id="1", nick="zoe", resume={"token": token, "rooms": {"dev": [epoch, 0]}}
    )
    frames = stranger.listens()
    welcome = frames[-1]
    assert welcome["user"]["nick"] == "zoe"
    assert welcome["resume"]["resumed"] is False
    assert welcome["resume"]["token"] != token
    assert welcome["resume"]["rooms"] == ["dev"]
    assert texts(frames) == ["missed"]
    assert span(begins(frames)["dev"]) == (0, 1, 1, True)
    bob.hears("join", room="dev")


def test_a_stay_that_is_over_leaves_its_whispers(book: Playbook, alice: Guest, bob: Actor) -> None:
    """They belonged to another uid."""
    bob.says("whisper", to="alice", text="psst")
    room = conversation_of(alice.uid, bob.uid)
    alice.loses()
    for _ in range(SECONDS):
        book.pass_time(1)
        bob.says("pong")
    alice.cursors[room] = ["", 0]
    frames = alice.returns()
    assert frames[-1]["resume"]["resumed"] is False
    assert frames[-1]["user"]["uid"] != alice.uid
    assert texts(frames) == []
    assert room not in begins(frames)


def test_a_taken_nick_is_refused_and_the_hello_said_again(
    book: Playbook, alice: Guest, bob: Actor
) -> None:
    """With the same wish."""
    stranger = book.stranger()
    wish = {"token": "unknown", "rooms": {"dev": ["", 0]}}
    assert stranger.asks("hello", nick="bob", resume=wish)["code"] == "nick.taken"
    assert stranger.asks("hello", nick="zoe", resume=wish)["resume"]["rooms"] == ["dev"]


# Taken over


def test_a_stay_that_still_has_a_connection_changes_over(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """The old one is told and closed, and nobody hears of it."""
    old = alice.now
    frames = alice.returns(back)
    assert frames[-1]["resume"]["resumed"] is True
    old.hears("bye", code="session.replaced", reconnect="never")
    old.hears_nothing()
    assert old.sock.half_closed
    bob.hears_nothing()
    bob.says("broadcast", room="dev", text="once")
    assert texts(alice.now.listens()) == ["once"]
    assert bob.asks("users", room="dev")["count"] == 2


def test_the_end_of_a_replaced_connection_ends_nothing(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """However long ago that was."""
    old = alice.now
    alice.returns(back)
    old.sends(b"")
    for _ in range(SECONDS + 10):
        book.pass_time(1)
        bob.says("pong")
        alice.now.says("pong")
    assert "leave" not in [frame["type"] for frame in bob.listens()]
    assert alice.now.asks("users", room="dev")["count"] == 2


LATE: dict[str, Frame] = {
    "join": {"room": "late"},
    "leave": {"room": "dev"},
    "nick": {"nick": "late"},
}


@pytest.mark.parametrize("type_", LATE)
def test_what_a_replaced_connection_still_asks_is_refused(
    book: Playbook, alice: Guest, bob: Actor, type_: str
) -> None:
    """Between the moment that it is replaced and the one at which it hears of it."""
    old = alice.now
    new = book.stranger(1)
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    hello = encode({"type": "hello", "id": "1", "nick": "alice", "resume": wish})
    new.session.frame(hello)  # on the other loop; the first has not ticked yet
    book.forget()
    old.connection.loop.drain = lambda: None  # type: ignore[method-assign]
    old.session.frame(encode({"type": type_, "id": "9", **LATE[type_]}))
    del old.connection.loop.drain
    book.settle()
    refused = [frame for frame in old.listens() if frame["type"] == "error"]
    assert [frame["code"] for frame in refused] == ["session.replaced"]
    assert {user["nick"] for user in bob.asks("users", room="dev")["users"]} == {"alice", "bob"}
    assert [room["room"] for room in bob.asks("rooms")["rooms"]] == ["dev"]


MIDDLE: dict[str, Frame] = {
    "join": {"room": "late"},
    "leave": {"room": "dev"},
    "hello": {"nick": "alice"},
}


@pytest.mark.parametrize("type_", MIDDLE)
def test_who_is_replaced_in_the_middle_of_a_request_leaves_nothing_behind(
    book: Playbook, alice: Guest, bob: Actor, type_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other loop takes the stay over while this one looks into its inbox."""
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    hello = {"type": "hello", "id": "1", "nick": "alice", "resume": wish}
    fields = MIDDLE[type_]
    if type_ == "hello":
        alice.loses()
        alice.now, fields = book.stranger(), hello
    loop, new = alice.now.connection.loop, book.stranger(1)
    drain = loop.drain

    def take_over_then_drain() -> None:
        if "enter" in callers() or "leave" in callers():
            monkeypatch.undo()
            new.session.frame(encode(hello))
        drain()

    monkeypatch.setattr(loop, "drain", take_over_then_drain)
    alice.now.session.frame(encode({"type": type_, "id": "9", **fields}))
    book.settle()
    assert alice.now.listens()[-1]["code"] == "session.replaced"
    assert book.telemetry.counts().get("incidents", 0) == 0
    for each in book.loops:
        there = {connection.outbox for connection in each.connections}
        assert {outbox for audience in each.audiences.values() for outbox in audience} <= there
    [user] = [user for user in bob.asks("users")["users"] if user["nick"] == "alice"]
    assert user["uid"] == alice.uid
    assert new.listens()[-1]["resume"]["resumed"] is True
    rooms = {entry["room"]: entry["count"] for entry in bob.asks("rooms")["rooms"]}
    assert rooms == {"dev": 2}


def callers() -> set[str]:
    """The names of the functions that have led here."""
    names, frame = set(), sys._getframe(1)
    while frame.f_back is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def encode(frame: Frame) -> bytes:
    """The body of a request."""
    return json.dumps(frame).encode()


def test_a_hello_that_comes_late_takes_nothing_from_a_later_connection(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """Given up and still on its way, it is read after the hello of the connection that followed."""
    alice.loses()
    given_up = book.stranger(back)
    alice.returns()
    given_up.session.number, alice.now.session.number = 1, 2
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    given_up.says("hello", id="1", nick="alice", resume=wish)
    given_up.hears("error", re="1", code="session.replaced", fatal=True)
    given_up.hears("bye", code="session.replaced")
    given_up.hears_nothing()
    bob.says("broadcast", room="dev", text="live")
    assert texts(alice.now.listens()) == ["live"]
    assert bob.asks("users", room="dev")["count"] == 2
    assert all(given_up.connection.outbox not in loop.audiences["*"] for loop in book.loops)


def test_a_room_named_twice_is_replayed_once(book: Playbook, alice: Guest, bob: Actor) -> None:
    """In other letters it is the same room."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")
    alice.cursors["DEV"] = alice.cursors["dev"]
    frames = alice.returns()
    assert texts(frames) == ["missed"]
    assert frames[-1]["resume"]["rooms"] == ["dev"]


# While it is being read


def test_what_comes_while_the_replay_is_read_comes_after_it(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """Live events, also of other rooms, wait; nothing is lost, nothing comes twice."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")
    book.workers.held = True
    alice.now = book.stranger(back)
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    alice.now.says("hello", id="back", nick="alice", resume=wish)
    bob.says("broadcast", room="dev", text="meanwhile")
    bob.says("nick", nick="Bobby")
    alice.now.hears_nothing()
    book.workers.held = False
    book.workers.work()
    book.settle()
    frames = alice.now.listens()
    assert texts(frames) == ["missed", "meanwhile"]
    assert span(begins(frames)["dev"]) == (0, 1, 1, True)
    seqs = [frame["seq"] for frame in frames if frame["type"] == "broadcast"]
    assert seqs == [1, 2]
    assert "nick" in [frame["type"] for frame in frames]


def test_what_is_asked_meanwhile_is_answered_after_the_welcome(
    book: Playbook, alice: Guest, bob: Actor
) -> None:
    """In order, like everything."""
    alice.loses()
    book.workers.held = True
    alice.now = book.stranger()
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    alice.now.says_at_once(
        {"type": "hello", "id": "1", "nick": "alice", "resume": wish},
        {"type": "broadcast", "id": "2", "room": "dev", "text": "hi"},
        {"type": "ping", "id": "3"},
    )
    alice.now.hears_nothing()
    book.workers.held = False
    book.workers.work()
    book.settle()
    frames = alice.now.listens()
    assert [frame["re"] for frame in frames if "re" in frame] == ["1", "2", "3"]


def test_who_is_gone_before_the_replay_is_read_leaves_nothing_behind(
    book: Playbook, alice: Guest, bob: Actor, back: int
) -> None:
    """The stay is held again, and can be taken up again."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")
    book.workers.held = True
    gone = book.stranger(back)
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    gone.says("hello", id="1", nick="alice", resume=wish)
    gone.connection.abort("reset")
    book.workers.held = False
    book.workers.work()
    book.settle()
    gone.hears_nothing()
    assert book.telemetry.counts() == {}
    assert all(gone.connection not in loop.connections for loop in book.loops)
    assert texts(alice.returns(back)) == ["missed"]
    assert "leave" not in [frame["type"] for frame in bob.listens()]


def test_who_is_replaced_before_the_replay_is_read_hears_only_that(
    book: Playbook, alice: Guest, bob: Actor
) -> None:
    """The newest connection gets everything."""
    alice.loses()
    bob.says("broadcast", room="dev", text="missed")
    book.workers.held = True
    first = book.stranger(0)
    wish = {"token": alice.resume["token"], "rooms": alice.cursors}
    first.says("hello", id="1", nick="alice", resume=wish)
    second = book.stranger(1)
    second.says("hello", id="2", nick="alice", resume=wish)
    book.workers.held = False
    book.workers.work()
    book.settle()
    first.hears("bye", code="session.replaced")
    first.hears_nothing()
    assert texts(second.listens()) == ["missed"]
    bob.says("broadcast", room="dev", text="live")
    assert texts(second.listens()) == ["live"]


# With a journal that keeps later


class LateStays(LateJournal):
    """A late journal whose stays wait as well."""

    def __init__(self) -> None:
        super().__init__()
        self.dones: list[Done] = []

    def keep_stay(self, stay: Stay, done: Done) -> None:
        """Let it wait."""
        self.dones.append(done)

    def settle(self, refused: Refused | None = None) -> None:
        """Keep all of them, or none."""
        dones, self.dones = self.dones, []
        for done in dones:
            done(refused)


def test_the_token_is_told_when_it_is_kept() -> None:
    """A server killed a moment later knows it again."""
    journal = LateStays()
    with Playbook(journal=journal) as book:
        alice = book.stranger()
        alice.says("hello", id="1", nick="alice", resume=True)
        alice.hears_nothing()
        journal.settle()
        book.settle()
        assert alice.hears("welcome", re="1")["resume"]["resumed"] is False


@pytest.mark.parametrize("gone", [False, True], ids=["told", "told and closed"])
@pytest.mark.parametrize("rooms", [None, {}, {"dev": ["", 0]}], ids=["anew", "none", "dev"])
def test_of_two_hellos_with_one_token_that_wait_for_the_journal_the_later_wins(
    rooms: Frame | None, gone: bool
) -> None:
    """The other hears only that; and what it has lost meanwhile is no fault on either thread."""
    journal = LateStays()
    with Playbook(loops=2, journal=journal) as book:
        alice = book.stranger()
        alice.says("hello", id="1", nick="alice", resume=True)
        journal.settle()
        book.settle()
        token = alice.hears("welcome")["resume"]["token"]
        alice.asks("join", room="dev")
        alice.connection.abort("reset")
        first, second = book.stranger(0), book.stranger(1)
        for number, each in enumerate((first, second)):
            each.says("hello", id=f"{number}", resume={"token": token, "rooms": rooms})
        first.hears("bye", code="session.replaced")
        if gone:
            first.sends(b"")
        journal.settle()
        book.settle()
        first.hears_nothing()
        welcome = second.listens()[-1]
        assert (welcome["type"], welcome["re"]) == ("welcome", "1")
        assert welcome["resume"]["resumed"] is True
        assert book.telemetry.counts().get("incidents", 0) == 0


def test_who_is_replaced_when_half_of_its_rooms_are_entered_takes_none_along(
    book: Playbook, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memberships are the stay's: the one who replaces it has all of them."""
    alice = Guest(book, "alice", "dev", "ops")
    alice.loses()
    hello = {"type": "hello", "id": "1", "resume": {"token": alice.resume["token"]}}
    half, whole = book.stranger(0), book.stranger(1)
    enter = book.hub.enter

    def enter_later(session: Session, name: str) -> tuple[Room, Audience]:
        if name == "ops":
            monkeypatch.undo()
            whole.session.frame(encode(hello))
        return enter(session, name)

    monkeypatch.setattr(book.hub, "enter", enter_later)
    half.session.frame(encode(hello))
    book.settle()
    assert half.listens()[-1]["code"] == "session.replaced"
    assert whole.listens()[-1]["resume"]["rooms"] == ["dev", "ops"]
    assert {room["room"]: room["count"] for room in bob.asks("rooms")["rooms"]} == {
        "dev": 2,
        "ops": 1,
    }


def test_what_is_still_on_its_way_is_no_part_of_the_replay() -> None:
    """It comes live, after the welcome: not twice, and not missing."""
    journal = LateJournal()
    with Playbook(loops=2, journal=journal) as book:
        alice = Guest(book, "alice", "dev")
        bob = book.person("bob", "dev", loop=1)
        alice.loses()
        bob.says("broadcast", room="dev", text="slow")
        frames = alice.returns()
        assert span(begins(frames)["dev"]) == (0, 0, 0, True)
        journal.keep()
        book.settle()
        assert texts(alice.now.listens()) == ["slow"]


class Overtaking(LateJournal):
    """A late journal that keeps what waits just when somebody asks where `dev` stands."""

    armed = False

    def position(self, room: str) -> Position:
        """Where the room stands, a moment after it was asked."""
        if self.armed and room == "dev":
            self.armed = False
            self.keep()
        return super().position(room)


def test_a_replay_ends_where_the_loop_stands_not_the_journal() -> None:
    """What was kept a moment ago, and is on its way to this loop, comes live and only so."""
    journal = Overtaking()
    with Playbook(journal=journal) as book:
        alice, bob = Guest(book, "alice", "dev"), book.person("bob", "dev")
        alice.loses()
        bob.says("broadcast", room="dev", text="on its way")
        journal.armed = True
        frames = alice.returns()
        assert not journal.armed
        assert span(begins(frames)["dev"]) == (0, 0, 0, True)
        assert texts([*frames, *alice.now.listens()]) == ["on its way"]


def test_what_comes_while_the_next_room_is_entered_comes_once() -> None:
    """Live: the replay of the first room ends where that one was entered."""
    journal = LateJournal()
    with Playbook(journal=journal) as book:
        alice, bob = Guest(book, "alice", "dev", "ops"), book.person("bob", "dev", "ops")
        alice.loses()
        bob.says("broadcast", room="dev", text="between")
        loop = book.loops[0]
        enter = loop.enter

        def enter_later(connection: Connection, key: str) -> Audience:
            if key == "ops":
                journal.keep()
            return enter(connection, key)

        loop.enter = enter_later  # type: ignore[method-assign]
        frames = alice.returns()
        del loop.enter
        assert journal.waiting == []
        assert span(begins(frames)["dev"]) == (0, 0, 0, True)
        assert texts([*frames, *alice.now.listens()]) == ["between"]


def test_who_was_ahead_on_another_loop_has_lost_nothing() -> None:
    """A loop that is behind tells nobody that their cursor means nothing."""
    journal = LateJournal()
    with Playbook(loops=2, journal=journal) as book:
        alice = Guest(book, "alice", "dev", loop=0)
        bob = book.person("bob", "dev", loop=1)
        bob.says("broadcast", room="dev", text="one")
        book.loops[1].post = lambda item: None  # type: ignore[method-assign]
        journal.keep()
        for _ in range(3):
            book.loops[0].tick()
        assert texts(alice.now.listens()) == ["one"]
        alice.cursors["dev"][1] = 1
        del book.loops[1].post
        alice.now.connection.abort("reset")
        frames = alice.returns(1)
        assert span(begins(frames)["dev"]) == (1, 1, 1, True)


def test_what_one_said_before_the_break_is_replayed_with_its_number() -> None:
    """Kept while one was away: one's own message is there, and a repetition has its outcome."""
    journal = LateJournal()
    with Playbook(loops=2, journal=journal) as book:
        alice = Guest(book, "alice", "dev")
        alice.now.says("broadcast", id="1", room="dev", text="did it arrive?", cid="c1")
        alice.loses()
        journal.keep()
        book.settle()
        frames = alice.returns(1)
        assert texts(frames) == ["did it arrive?"]
        alice.now.says("broadcast", id="2", room="dev", text="did it arrive?", cid="c1")
        journal.keep()
        book.settle()
        alice.now.hears("ok", re="2", seq=1, duplicate=True)
        alice.now.hears_nothing()


# The bytes of a replay


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_bracket_is_frames(count: int) -> None:
    """Begin, the bodies as they are, end."""
    journal = MemoryJournal(kept=100, budget=2**20)
    journal.open(_ignore)
    position = journal.position("dev")._replace(head=7)
    missed = resume.Missed("Dev", "dev", (position.epoch, 7 - count), position)
    bodies = [b'{"seq":%d}' % number for number in range(8 - count, 8)]
    data = resume._bracketed(missed, bodies, 7 - count)
    inner = b"".join(encode_frame(body) for body in bodies)
    assert inner in data
    assert data[HEADER:].startswith(b'{"type":"replay","room":"Dev","state":"begin"')
    assert data.endswith(encode_frame(b'{"type":"replay","room":"Dev","state":"end"}'))


def _ignore(outcomes: object) -> None:
    pass


def test_the_later_connection_keeps_the_stay_in_whatever_order_hellos_are_read(
    book: Playbook, back: int
) -> None:
    """An older one, given up before its hello was read, takes it from nobody."""
    alice = Guest(book, "alice", "dev")
    given_up, later = book.stranger(1 - back), book.stranger(back)
    alice.now.connection.abort("reset")
    assert later.asks("hello", resume={"token": alice.resume["token"]})["resume"]["resumed"]
    given_up.says("hello", id="1", resume={"token": alice.resume["token"]})
    given_up.hears("error", code="session.replaced")
    assert later.asks("users", room="dev")["count"] == 1
