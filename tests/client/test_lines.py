"""Events and answers as a reader sees them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client import lines
from chat_client.cursors import Missing, Restarted
from chat_client.link import Back, Link, Lost
from chat_client.place import Place
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.moderation_events import Settings
from chat_schema.moderation_replies import Officer
from chat_schema.names import User

ME = User(uid="u1", nick="alice")
BOB = User(uid="u2", nick="bob")
HERE = Place(ME)
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
        (
            events.Leave(room="dev", user=BOB, reason="switched", ts=TS),
            ["#dev -- bob logged in"],
        ),
        (
            events.Leave(room="dev", user=BOB, reason="kicked", ts=TS),
            ["#dev -- bob was put off the server"],
        ),
        (events.Leave(room="dev", user=ME, reason="lost", ts=TS), ["#dev -- you are out"]),
        (events.Leave(room="dev", user=ME, reason="kicked", ts=TS), ["#dev -- you are out"]),
        (events.Nick(user=BOB, old="rob", ts=TS), ["-- rob is now bob"]),
        (events.Nick(user=BOB, old="bob", ts=TS), ["-- bob is registered now"]),
        (events.Nick(user=ME, old="alice", ts=TS), []),
        (events.Broadcast(room="*", seq=1, ts=TS, user=BOB, text="x"), ["everyone <bob> x"]),
        (
            events.Topic(room="dev", seq=1, ts=TS, user=BOB, topic=""),
            ["#dev -- bob cleared the topic"],
        ),
        (events.Notice(code="x", message="m", ts=TS), ["-- notice: m"]),
        (
            Missing(room="dev", count=2, message="2 messages are gone for good."),
            ["#dev -- 2 messages are gone for good. (history.gap)"],
        ),
        (Missing(room="dm:u1:u2", count=1, message="m"), ["whispers -- m (history.gap)"]),
        (Restarted(room="*", head=1, message="m"), ["everyone -- m (history.epoch)"]),
        (events.Unknown(type="x-a/b"), []),
    ],
)
def test_an_event_is_one_line_but_for_its_text(event: events.Event, shown: list[str]) -> None:
    """Room, person, what happened; further lines of a text are indented."""
    assert without_time(lines.of_event(event, HERE)) == shown


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
        (
            requests.Search(text="x"),
            replies.SearchOk(re="1", hits=[], more=False),
            ["-- found nothing"],
        ),
        (
            requests.Search(text="x"),
            replies.SearchOk(re="1", hits=[{"type": "notice"}, {"type": "x-a/b"}], more=True),
            ["-- found 2 and older ones", "   (something that cannot be read)"],
        ),
    ],
)  # fmt: skip
def test_an_answer_shows_what_was_asked(
    request_: requests.Request, reply: replies.Ok, expected: list[str]
) -> None:
    """Lists and snapshots are shown; what an event has told already is not."""
    assert lines.of_reply(request_, reply, HERE) == expected


def history(*texts: str) -> replies.HistoryOk:
    """A page of what bob said."""
    said = [
        {
            "type": "broadcast",
            "room": "dev",
            "seq": seq,
            "ts": TS,
            "user": BOB.model_dump(),
            "text": text,
        }
        for seq, text in enumerate(texts, 1)
    ]
    return replies.HistoryOk(
        re="1", room="dev", events=said, more=False, oldest=1, head=len(said), epoch="e"
    )


def test_recent_messages_end_in_a_line_that_says_so() -> None:
    """Above it is what was, below it is what is; none where there are none."""
    shown = without_time(lines.of_recent(history("a", "b"), HERE))
    assert shown == ["#dev <bob> a", "#dev <bob> b", "-- #dev (now)"]
    assert lines.of_recent(history(), HERE) == []


def test_entering_a_room_tells_of_history_only_where_not_all_is_shown() -> None:
    """What stands on the screen need not be asked for."""
    reply = replies.JoinOk(
        re="1", room="dev", epoch="e", seq=50, topic="", members=[ME], count=1,
        history=replies.HistoryPolicy(oldest=1),
    )  # fmt: skip
    [all_shown] = lines.of_reply(requests.Join(room="dev"), reply, HERE, recent=50)
    [some_shown] = lines.of_reply(requests.Join(room="dev"), reply, HERE, recent=49)
    assert ("/history" in all_shown, "/history" in some_shown) == (False, True)


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        (
            Lost("c", "The server\x1b went away.", 2.6),
            "-- connection lost (the server\\x1b went away); trying again in 3 s",
        ),
        (Lost("c", "Gone.", 0.4), "-- connection lost (gone); trying again at once"),
        (
            Back(11.6, 4, True, False, ME),
            "-- back after 12 s: 4 messages while you were away",
        ),
        (
            Back(1, 1, False, True, User(uid="u9", nick="guest_9")),
            "-- back after 1 s: 1 message while you were away; the others saw you leave; "
            "you are guest_9 now",
        ),
        (Back(1, 0, True, False, ME), "-- back after 1 s: no messages while you were away"),
    ],
)
def test_the_state_of_the_link_is_a_line(link: Link, shown: str) -> None:
    """One when it is lost, one when it is back."""
    assert lines.of_link(link) == [shown]


@pytest.mark.parametrize(
    ("refused", "shown"),
    [
        (
            Refused("rate.x", "Slow down.", retry_after=3.2),
            "!! Slow down. Try again in 3 s. (rate.x)",
        ),
        (Refused("rate.x", "Slow.", retry_after=0.2), "!! Slow. Try again in a second. (rate.x)"),
        (Refused("room.slow", "Wait 4 s.", retry_after=3.6), "!! Wait 4 s. (room.slow)"),
        (
            Refused("rate.x", "Too many; this was not sent. Wait a little.", retry_after=1.6),
            "!! Too many; this was not sent. Try again in 2 s. (rate.x)",
        ),
        (
            Refused("rate.x", "Busy; try again.", retry_after=1),
            "!! Busy. Try again in 1 s. (rate.x)",
        ),
        (
            Refused("rate.muted", "You are muted for 28.9 seconds.", retry_after=28.9),
            "!! You are muted for 29 seconds. (rate.muted)",
        ),
        (
            Refused("nick.reserved", "An account's."),
            "!! An account's. If it is yours: /login. (nick.reserved)",
        ),
    ],
)
def test_a_refusal_says_why_and_what_to_do(refused: Refused, shown: str) -> None:
    """When to try again, unless the server has said it; the code for those who look it up."""
    assert lines.of_refusal(refused) == [shown]


def test_a_refusal_before_a_question_gives_no_other_advice() -> None:
    """Who is asked for a password cannot type a command."""
    refused = Refused("nick.reserved", "An account's.")
    assert lines.of_refusal(refused, asking=True) == ["!! An account's. (nick.reserved)"]


@pytest.mark.parametrize(("type", "reason"), [("kick", "kicked"), ("ban", "banned")])
def test_who_was_put_out_by_the_room_is_told_by_its_act_alone(type: str, reason: str) -> None:
    """The leaving that follows is no news; a later one, or another room's, is."""
    place = Place(ME)
    act = {"type": type, "room": "dev", "seq": 1, "ts": TS, "user": {"uid": "u1", "nick": "alice"}}
    place.note_event(events.event_of({**act, "target": {"uid": "u2", "nick": "bob"}}))
    left = {"type": "leave", "user": {"uid": "u2", "nick": "bob"}, "reason": reason, "ts": TS}
    here, there = (events.event_of({**left, "room": room}) for room in ("Dev", "tea"))
    later = events.event_of({**left, "room": "dev", "ts": "2026-11-22T15:09:00.000Z"})
    told = ["bob was put off the server"]
    assert [line.split(" -- ")[1] for line in lines.of_event(there, place)] == told
    assert [line.split(" -- ")[1] for line in lines.of_event(later, place)] == told
    assert lines.of_event(here, place) == []
    place.note_event(here)
    assert lines.of_event(here, place) != []


def test_nothing_is_heard_of_the_ignored() -> None:
    """By uid, so that another nick does not help; neither now nor of before."""
    place = Place(ME)
    place.ignored = frozenset({"u2"})
    said = events.Broadcast(room="dev", seq=1, ts=TS, user=User(uid="u2", nick="other"), text="x")
    assert lines.of_event(said, place) == []
    assert lines.of_recent(history("a"), place) == []
    assert lines.of_event(events.Join(room="dev", user=BOB, ts=TS), place) != []


def test_who_looks_after_a_room_has_a_sign() -> None:
    """In the list on entering, and in later ones."""
    owner = Officer(user=BOB, role="owner")
    entered = replies.JoinOk(
        re="1", room="dev", epoch="e", seq=0, topic="", members=[ME, BOB], count=2,
        history=replies.HistoryPolicy(oldest=1), mods=[owner],
        mode=Settings(invite_only=True, slow=10),
    )  # fmt: skip
    place = Place(ME)
    place.note_reply(entered)
    assert lines.of_reply(requests.Join(room="dev"), entered, place) == [
        "-- you are in #dev with 2: alice, @bob. Here only the invited enter, slow mode of 10 s."
    ]
    listed = replies.UsersOk(re="1", users=[ME, BOB], count=2, more=False)
    assert lines.of_reply(requests.Users(room="Dev"), listed, place) == [
        "-- 2 in #Dev: alice, @bob"
    ]
    assert lines.of_reply(requests.Users(), listed, place) == ["-- 2 online: alice, bob"]


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
        for line in lines.of_event(event, HERE):
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
