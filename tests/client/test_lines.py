"""Events and answers as a reader sees them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client import lines
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.names import User

ME = User(uid="u1", nick="alice")
BOB = User(uid="u2", nick="bob")
TS = "2026-11-22T15:00:00.123Z"


def without_time(shown: list[str]) -> list[str]:
    """The lines without the reader's local time."""
    return [re.sub(r"^\d\d:\d\d ", "", line) for line in shown]


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (
            events.Broadcast(room="dev", seq=1, ts=TS, user=BOB, text="a\nb"),
            ["#dev <bob> a", "      b"],
        ),
        (
            events.Broadcast(room="dev", seq=1, ts=TS, user=BOB, text="/me waves"),
            ["#dev * bob waves"],
        ),
        (
            events.Whisper(room="dm:u1:u2", seq=1, ts=TS, user=BOB, to=ME, text="hi"),
            ["[from bob] hi"],
        ),
        (
            events.Whisper(room="dm:u1:u2", seq=1, ts=TS, user=ME, to=BOB, text="hi"),
            ["[to bob] hi"],
        ),
        (events.Join(room="dev", user=BOB, ts=TS), ["#dev -- bob joined"]),
        (
            events.Leave(room="dev", user=BOB, reason="lost", ts=TS),
            ["#dev -- bob lost the connection"],
        ),
        (events.Nick(user=BOB, old="rob", ts=TS), ["-- rob is now bob"]),
        (
            events.Topic(room="dev", seq=1, ts=TS, user=BOB, topic=""),
            ["#dev -- bob cleared the topic"],
        ),
        (events.Notice(code="x", message="m", ts=TS), ["-- notice: m"]),
        (events.Unknown(type="x-a/b"), []),
    ],
)
def test_an_event_is_one_line_but_for_its_text(event: events.Event, shown: list[str]) -> None:
    """Room, person, what happened; further lines of a text are indented."""
    assert without_time(lines.of_event(event, ME)) == shown


@pytest.mark.parametrize(
    ("request_", "reply", "expected"),
    [
        (
            requests.Join(room="dev"),
            replies.JoinOk(
                re="1", room="dev", epoch="e", seq=0, topic="T", members=[ME, BOB], count=7,
                history=replies.HistoryPolicy(oldest=1),
            ),
            ["-- you are in #dev with 7: alice, bob and 5 more. Topic: T"],
        ),
        (
            requests.Rooms(),
            replies.RoomsOk(
                re="1", count=9, more=True,
                rooms=[replies.RoomEntry(room="dev", topic="T", count=2)],
            ),
            ["-- 9 rooms", "   #dev (2)  T", "   … and more"],
        ),
        (
            requests.Users(room="dev"),
            replies.UsersOk(re="1", users=[ME], count=1, more=False),
            ["-- 1 in #dev: alice"],
        ),
        (
            requests.Topic(room="dev"),
            replies.TopicOk(re="1", room="dev", topic=""),
            ["-- topic of #dev: (none)"],
        ),
        (
            requests.Topic(room="dev", topic="T"),
            replies.TopicOk(re="1", room="dev", topic="T"),
            [],
        ),
    ],
)  # fmt: skip
def test_an_answer_shows_what_was_asked(
    request_: requests.Request, reply: replies.Ok, expected: list[str]
) -> None:
    """Lists and snapshots are shown; what an event has told already is not."""
    assert lines.of_reply(request_, reply, ME) == expected


def test_a_refusal_says_why_and_when_to_try_again() -> None:
    """The code stands behind for those who look it up."""
    refused = Refused("rate.x", "Slow down.", retry_after=3.2)
    assert lines.of_refusal(refused) == ["!! Slow down. Try again in 3 s. (rate.x)"]


@given(st.text(), st.sampled_from(["nick", "room", "text", "topic", "code", "message", "ts"]))
def test_no_field_of_an_event_reaches_the_terminal_unescaped(hostile: str, field: str) -> None:
    """H5: whatever a server puts into a displayed field, no control character is printed."""
    names = ["room", "text", "topic", "code", "message"]
    values: dict[str, Any] = {**dict.fromkeys(names, "x"), "ts": TS, field: hostile}
    user = {"uid": "u", "nick": values.pop("nick", "n")}
    for type_ in ("broadcast", "whisper", "topic", "join", "leave", "nick", "notice"):
        event = events.event_of(
            {"type": type_, "seq": 1, "user": user, "to": user, "old": user["nick"], **values}
        )
        for line in lines.of_event(event, ME):
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
