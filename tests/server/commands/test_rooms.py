"""Entering, leaving and listing rooms, and their topics."""

from __future__ import annotations

import pytest

from chat_schema import limits
from chat_schema.replies import Limits
from chat_server.journal.memory import MemoryJournal
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Playbook


def test_a_join_is_told_to_everyone_in_the_room(book: Playbook, alice: Actor) -> None:
    """The newcomer included, before the reply."""
    carol = book.person("carol")
    carol.says("join", id="7", room="General")
    user = {"uid": carol.uid, "nick": "carol"}
    alice.hears("join", room="general", user=user, ts="2026-11-22T15:00:00.123Z")
    carol.hears("join", room="general", user=user)
    carol.hears("ok", re="7", room="general")


def test_the_reply_is_a_snapshot_of_the_room(book: Playbook, alice: Actor) -> None:
    """Name as first spelt, topic, members, number and how far back one can read."""
    alice.says("broadcast", room="general", text="hi")
    alice.says("topic", room="general", topic="news")
    carol = book.person("carol")
    reply = carol.asks("join", room="GENERAL")
    assert reply["room"] == "general"
    assert reply["topic"] == "news"
    assert reply["members"] == [
        {"uid": alice.uid, "nick": "alice"},
        {"uid": carol.uid, "nick": "carol"},
    ]
    assert (reply["count"], reply["seq"]) == (2, 2)
    assert reply["history"] == {"oldest": 1, "kept": 1000}
    assert reply["epoch"] == book.journal.position("general").epoch


def test_every_numbered_event_after_the_snapshot_follows(book: Playbook, alice: Actor) -> None:
    """From the next number on, none twice."""
    alice.says("broadcast", room="general", text="before")
    carol = book.person("carol")
    carol.says("join", id="7", room="general")
    alice.says("broadcast", room="general", text="after")
    carol.hears("join")
    carol.hears("ok", re="7", seq=1)
    carol.hears("broadcast", seq=2, text="after")
    carol.hears_nothing()


def test_case_61_joining_twice_brings_a_new_snapshot_and_no_news(alice: Actor, bob: Actor) -> None:
    """Nobody is told again, nobody is counted twice."""
    alice.says("broadcast", room="general", text="hi")
    bob.listens()
    reply = alice.asks("join", room="general")
    assert (reply["seq"], reply["count"]) == (1, 2)
    bob.hears_nothing()
    bob.says("broadcast", room="general", text="once")
    assert [frame.get("text") for frame in alice.listens()] == ["hi", "once"]


def test_a_large_room_names_only_some_of_its_members(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count has the true number."""
    monkeypatch.setattr("chat_server.hub._CAP", 3)
    for number in range(5):
        book.person(f"p{number}", "big")
    reply = book.person("carol").asks("join", room="big")
    assert [user["nick"] for user in reply["members"]] == ["p0", "p1", "p2"]
    assert reply["count"] == 6


def test_nobody_is_in_more_rooms_than_allowed() -> None:
    """The refusal says how many; a room one is in may be joined again, and leaving helps."""
    with Playbook(limits=Limits(rooms=2)) as book:
        carol = book.person("carol", "a", "b")
        reply = carol.asks("join", room="c")
        assert (reply["code"], reply["limit"]) == ("room.limit", 2)
        assert carol.asks("join", room="A")["type"] == "ok"
        carol.asks("leave", room="a")
        assert carol.asks("join", room="c")["type"] == "ok"


def test_leaving_is_told_to_everyone_and_is_the_last_one_hears(alice: Actor, bob: Actor) -> None:
    """The one who leaves hears of it before the reply, and of the room no more."""
    bob.says("leave", id="7", room="GENERAL")
    alice.hears("leave", room="general", user={"uid": bob.uid, "nick": "bob"}, reason="left")
    bob.hears("leave", room="general", reason="left")
    bob.hears("ok", re="7", room="general")
    alice.says("broadcast", room="general", text="bob is gone")
    bob.hears_nothing()


@pytest.mark.parametrize("room", ["general", "nowhere"])
@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("leave", {}),
        ("topic", {}),
        ("topic", {"topic": "x"}),
        ("users", {}),
        ("history", {}),
        ("broadcast", {"text": "x"}),
    ],
)
def test_case_61_in_a_room_one_is_not_in_nothing_can_be_done(
    book: Playbook, alice: Actor, type_: str, fields: dict[str, str], room: str
) -> None:
    """A room that is there and one that is not are refused in the same words."""
    carol = book.person("carol", "elsewhere")
    reply = carol.asks(type_, room=room, **fields)
    assert (reply["code"], reply["field"]) == ("room.not_member", "room")
    assert reply["message"].replace(room, "?") == "You are not in a room called ?."
    alice.hears_nothing()


def test_a_room_without_members_and_history_is_no_more(book: Playbook) -> None:
    """One that has history stays, with its topic."""
    alice = book.person("alice", "void", "spoken")
    alice.says("topic", room="spoken", topic="kept")
    alice.asks("leave", room="void")
    alice.asks("leave", room="spoken")
    assert alice.asks("rooms")["rooms"] == [{"room": "spoken", "topic": "kept", "count": 0}]
    assert alice.asks("join", room="Void")["room"] == "Void"
    assert alice.asks("join", room="SPOKEN")["topic"] == "kept"


def test_rooms_lists_every_room_by_name(book: Playbook, alice: Actor, bob: Actor) -> None:
    """With topic and number of members."""
    book.person("carol", "Alpha", "zulu")
    alice.asks("topic", room="general", topic="news")
    reply = bob.asks("rooms")
    assert reply["rooms"] == [
        {"room": "Alpha", "topic": "", "count": 1},
        {"room": "general", "topic": "news", "count": 2},
        {"room": "zulu", "topic": "", "count": 1},
    ]
    assert (reply["count"], reply["more"]) == (3, False)


def test_rooms_come_in_pages(book: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    """`after` the last name of a page follows the next; in the end each was named once."""
    monkeypatch.setattr(limits, "LIST_PAGE", 2)
    alice = book.person("alice", "a", "B", "c", "D", "e")
    seen: list[str] = []
    while True:
        page = alice.asks("rooms", after=seen[-1] if seen else None)
        assert len(page["rooms"]) <= 2
        assert page["count"] == 5
        seen += [room["room"] for room in page["rooms"]]
        if not page["more"]:
            break
    assert seen == ["a", "B", "c", "D", "e"]


def test_a_topic_is_a_numbered_event_for_the_room(alice: Actor, bob: Actor) -> None:
    """Who set it, and what it is."""
    assert alice.asks("topic", room="GENERAL", topic="news")["topic"] == "news"
    bob.hears(
        "topic", room="general", seq=1, topic="news", user={"uid": alice.uid, "nick": "alice"}
    )
    assert bob.asks("topic", room="general") == {
        "type": "ok", "re": "asked-3", "room": "general", "topic": "news",
    }  # fmt: skip


def test_reading_the_topic_is_no_event(alice: Actor, bob: Actor) -> None:
    """Left out or null: nothing is set."""
    assert alice.asks("topic", room="general")["topic"] == ""
    assert alice.asks("topic", room="general", topic=None)["topic"] == ""
    bob.hears_nothing()


def test_an_empty_topic_clears_it(alice: Actor, bob: Actor) -> None:
    """And is told like any other."""
    alice.asks("topic", room="general", topic="news")
    assert alice.asks("topic", room="general", topic="")["topic"] == ""
    bob.hears("topic", topic="news")
    bob.hears("topic", topic="", seq=2)
    assert bob.asks("topic", room="general")["topic"] == ""


def test_a_topic_that_could_not_be_kept_was_not_set() -> None:
    """Refused is refused."""
    journal = LateJournal()
    with Playbook(journal=journal) as book:
        alice = book.person("alice", "general")
        journal.full = True
        assert alice.asks("topic", room="general", topic="news")["code"] == "server.busy"
        book.time.advance(0.1)  # until then nothing is read from this client
        assert alice.asks("topic", room="general")["topic"] == ""


def test_case_80_at_the_limit_a_room_that_is_empty_gives_way() -> None:
    """With its history: the next of this name begins anew."""
    with Playbook(rooms=2) as book:
        alice = book.person("alice", "old")
        alice.says("broadcast", room="old", text="hi")
        epoch = alice.asks("join", room="old")["epoch"]
        alice.says("leave", room="old")
        for room in ("a", "b"):
            assert alice.asks("join", room=room)["type"] == "ok"
        assert [room["room"] for room in alice.asks("rooms")["rooms"]] == ["a", "b"]
        alice.says("leave", room="b")
        reply = alice.asks("join", room="old")
        assert reply["seq"] == 0
        assert reply["epoch"] != epoch


def test_case_80_rooms_that_cannot_be_had_cost_nothing() -> None:
    """A hundred refused joins leave no trace, in the journal neither."""
    journal = MemoryJournal(kept=1000, budget=2**24)
    with Playbook(rooms=1, journal=journal) as book:
        alice, bob = book.person("alice", "only"), book.person("bob")
        before = set(journal._rooms)
        for number in range(100):
            assert bob.asks("join", room=f"r{number}")["code"] == "server.busy"
        assert set(journal._rooms) == before
        assert [room["room"] for room in bob.asks("rooms")["rooms"]] == ["only"]
        assert bob.session.rooms == {}
        assert set(book.loops[0].audiences) == {"*", "only"}
        alice.says("leave", room="only")
        assert bob.asks("join", room="r1")["type"] == "ok"
