"""Saying something: to a room, to everyone, to one person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from chat_schema.names import conversation_of
from tests.support import strategies
from tests.support.playbook import Actor, Playbook

TS = "2026-11-22T15:00:00.123Z"


def test_a_message_reaches_everyone_in_the_room_alike(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """The author too, in the very same bytes; nobody outside."""
    carol = book.person("carol", "elsewhere")
    starts = [len(actor.sock.sent) for actor in (alice, bob)]
    alice.says("broadcast", room="GENERAL", text="hi", cid="c1")
    sent = [
        bytes(actor.sock.sent[start:]) for actor, start in zip((alice, bob), starts, strict=True)
    ]
    assert sent[0] == sent[1]
    assert bob.hears("broadcast") == {
        "type": "broadcast",
        "room": "general",
        "seq": 1,
        "ts": TS,
        "user": {"uid": alice.uid, "nick": "alice"},
        "text": "hi",
        "cid": "c1",
    }
    carol.hears_nothing()


def test_the_reply_has_the_number_and_the_time_of_the_message(alice: Actor) -> None:
    """And nothing else."""
    assert alice.asks("broadcast", room="General", text="hi") == {
        "type": "ok", "re": "asked-3", "room": "general", "seq": 1, "ts": TS,
    }  # fmt: skip


def test_messages_of_a_room_are_numbered_without_gap(alice: Actor, bob: Actor) -> None:
    """Whoever says them; refused ones take no number."""
    for actor in (alice, bob, alice):
        actor.says("broadcast", room="general", text="x")
        actor.says("broadcast", room="general", text="")
    numbers = [frame["seq"] for frame in bob.listens() if frame["type"] == "broadcast"]
    assert numbers == [1, 2, 3]


def test_every_room_counts_for_itself(alice: Actor) -> None:
    """The first message of a second room is number 1."""
    alice.asks("broadcast", room="general", text="x")
    alice.asks("join", room="other")
    assert alice.asks("broadcast", room="other", text="x")["seq"] == 1


def test_nobody_speaks_to_everyone(alice: Actor, bob: Actor) -> None:
    """It takes a right that nobody has here."""
    reply = alice.asks("broadcast", room="*", text="hear me")
    assert (reply["code"], reply["field"]) == ("permission.denied", "room")
    bob.hears_nothing()


@settings(max_examples=50)
@given(strategies.texts, strategies.maybe_cids)
def test_case_43_any_text_arrives_as_it_was_sent(text: str, cid: str | None) -> None:
    """Whatever it holds; and it can be read again as it was."""
    with Playbook() as book:
        alice = book.person("alice", "general")
        alice.says("broadcast", room="general", text=text, cid=cid)
        event = alice.hears("broadcast", text=text, cid=cid)
        assert alice.asks("history", room="general")["events"] == [event]


def test_a_whisper_reaches_the_two_and_nobody_else(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """In a conversation that has the same name for both, with its own numbers."""
    carol = book.person("carol", "general")
    book.forget()
    room = conversation_of(alice.uid, bob.uid)
    reply = alice.asks("whisper", to="BOB", text="psst", cid="c1")
    assert (reply["room"], reply["seq"]) == (room, 1)
    event = bob.hears("whisper", room=room, seq=1, text="psst", cid="c1", ts=TS)
    assert event["user"] == {"uid": alice.uid, "nick": "alice"}
    assert event["to"] == {"uid": bob.uid, "nick": "bob"}
    assert alice.hears("whisper") == event
    assert bob.asks("whisper", to="alice", text="yes?")["seq"] == 2
    carol.hears_nothing()


def test_a_whisper_needs_no_room_in_common(book: Playbook) -> None:
    """Being online is enough."""
    alice, bob = book.person("alice"), book.person("bob", "elsewhere")
    alice.says("whisper", to="bob", text="hi")
    bob.hears("whisper", text="hi")


@pytest.mark.parametrize(
    ("to", "code"), [("alice", "user.self"), ("ALICE", "user.self"), ("nobody", "user.offline")]
)
def test_case_67_a_whisper_needs_somebody_else_who_is_online(
    alice: Actor, to: str, code: str
) -> None:
    """Oneself, in any case, and nobody are refused."""
    reply = alice.asks("whisper", to=to, text="hi")
    assert (reply["code"], reply["field"]) == (code, "to")


def test_case_67_who_left_cannot_be_whispered_to(alice: Actor, bob: Actor) -> None:
    """Nor somebody who takes the nick be taken for them."""
    bob.says("quit")
    alice.listens()
    assert alice.asks("whisper", to="bob", text="hi")["code"] == "user.offline"
    bob2 = alice.book.person("bob")
    assert alice.asks("whisper", to="bob", text="hi")["seq"] == 1
    assert bob2.hears("whisper")["to"]["uid"] == bob2.uid


def test_a_conversation_of_two_who_are_gone_leaves_nothing(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """While one is there it can be read; then nobody can any more."""
    room = conversation_of(alice.uid, bob.uid)
    alice.says("whisper", to="bob", text="hi")
    bob.says("quit")
    alice.listens()
    assert len(alice.asks("history", room=room)["events"]) == 1
    alice.says("quit")
    assert list(book.journal.conversations()) == []


@pytest.mark.parametrize("room", ["general", "GENERAL"])
def test_unknown_fields_of_a_message_go_nowhere(alice: Actor, bob: Actor, room: str) -> None:
    """The author is told, the others get what the server composed."""
    fields: dict[str, Any] = {"seq": 99, "user": {"nick": "bob"}, "ts": "now"}
    reply = alice.asks("broadcast", room=room, text="hi", **fields)
    assert reply["ignored"] == ["seq", "user", "ts"]
    bob.hears("broadcast", seq=1, ts=TS, user={"uid": alice.uid, "nick": "alice"})
