"""Reading what was said before, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from chat_schema import limits
from chat_schema.names import conversation_of
from chat_server.commands.history import PAGE_BYTES
from tests.support.playbook import Actor, Frame, Playbook


@pytest.fixture
def spoken(alice: Actor) -> list[Frame]:
    """Ten messages in `general`, as they were heard."""
    for number in range(1, 11):
        alice.says("broadcast", room="general", text=f"m{number}")
    return alice.listens()


def test_history_is_what_was_heard(alice: Actor, spoken: list[Frame]) -> None:
    """The same events, with where the room stands."""
    reply = alice.asks("history", room="GENERAL")
    assert reply["events"] == spoken
    assert (reply["room"], reply["oldest"], reply["head"]) == ("general", 1, 10)
    assert reply["more"] is False
    assert reply["epoch"] == alice.asks("join", room="general")["epoch"]


@pytest.mark.parametrize(
    ("fields", "numbers", "more"),
    [
        ({"limit": 3}, [8, 9, 10], True),
        ({"before": 8, "limit": 3}, [5, 6, 7], True),
        ({"before": 3}, [1, 2], False),
        ({"before": 1}, [], False),
        ({"before": 0}, [], False),
        ({"after": 0, "limit": 3}, [1, 2, 3], True),
        ({"after": 7}, [8, 9, 10], False),
        ({"after": 10}, [], False),
        ({"after": limits.SAFE_INTEGER}, [], False),
        ({"before": limits.SAFE_INTEGER, "limit": 200}, list(range(1, 11)), False),
        ({"after": None, "before": None, "limit": None}, list(range(1, 11)), False),
    ],
)
def test_case_82_pages(
    alice: Actor, spoken: list[Frame], fields: dict[str, Any], numbers: list[int], more: bool
) -> None:
    """Always ascending; `more` is in the direction that was asked."""
    reply = alice.asks("history", room="general", **fields)
    assert [event["seq"] for event in reply["events"]] == numbers
    assert reply["more"] is more


def test_after_and_before_exclude_each_other(alice: Actor) -> None:
    """There is no page between two numbers."""
    reply = alice.asks("history", room="general", after=1, before=5)
    assert (reply["code"], reply["fatal"]) == ("history.range", False)


def test_a_page_has_at_most_so_many_events(alice: Actor) -> None:
    """Without a limit asked for, too."""
    for number in range(limits.HISTORY_PAGE + 5):
        alice.says("broadcast", room="general", text=str(number))
    reply = alice.asks("history", room="general", after=0)
    assert len(reply["events"]) == limits.HISTORY_PAGE
    assert reply["more"] is True


def test_a_page_of_the_longest_messages_fits_into_a_frame(alice: Actor) -> None:
    """It is cut by size, and nothing is lost between pages."""
    count = 60
    for number in range(count):
        alice.says("broadcast", room="general", text='"😀' * 2000, cid=f"{number:02}" + "😀" * 62)
    seen: list[int] = []
    more = True
    while more:
        alice.listens()
        before = len(alice.sock.sent)
        reply = alice.asks("history", room="general", after=seen[-1] if seen else 0)
        assert len(alice.sock.sent) - before <= PAGE_BYTES + 1024
        seen += [event["seq"] for event in reply["events"]]
        more = reply["more"]
    assert seen == list(range(1, count + 1))


def test_every_numbered_event_is_in_the_history_and_no_other(alice: Actor, bob: Actor) -> None:
    """Messages and topics; not comings, goings and names."""
    alice.says("broadcast", room="general", text="one")
    bob.says("leave", room="general")
    alice.says("nick", nick="alicia")
    alice.says("topic", room="general", topic="t")
    events = alice.asks("history", room="general")["events"]
    assert [(event["type"], event["seq"]) for event in events] == [("broadcast", 1), ("topic", 2)]


def test_a_newcomer_may_read_what_was_said_before(book: Playbook, spoken: list[Frame]) -> None:
    """Members read all of their room."""
    carol = book.person("carol", "general")
    assert carol.asks("history", room="general")["events"] == spoken


def test_who_left_may_not_read_on(alice: Actor, bob: Actor) -> None:
    """Only members may."""
    bob.asks("leave", room="general")
    assert bob.asks("history", room="general")["code"] == "room.not_member"


def test_a_conversation_is_read_by_its_two_and_nobody_else(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """A third is refused in the words for a conversation that never was."""
    carol = book.person("carol", "general")
    room = conversation_of(alice.uid, bob.uid)
    alice.says("whisper", to="bob", text="psst")
    for actor in (alice, bob):
        assert [event["text"] for event in actor.asks("history", room=room)["events"]] == ["psst"]
    refused = [carol.asks("history", room=name) for name in (room, "dm:u1:u2")]
    assert [reply["code"] for reply in refused] == ["room.not_member"] * 2
    assert refused[0]["message"] == refused[1]["message"]


def test_a_conversation_has_one_name(alice: Actor, bob: Actor) -> None:
    """The two uids the other way round are no conversation."""
    one, other = sorted((alice.uid, bob.uid))
    assert alice.asks("history", room=f"dm:{one}:{other}")["events"] == []
    assert alice.asks("history", room=f"dm:{other}:{one}")["code"] == "room.not_member"


def test_what_was_said_to_everyone_may_be_read_by_everyone(book: Playbook) -> None:
    """By one in no room, too."""
    reply = book.person("alice").asks("history", room="*")
    assert (reply["room"], reply["events"], reply["head"]) == ("*", [], 0)
