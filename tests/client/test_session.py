"""The client's protocol without a socket: scripted conversations in reading order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client.incoming import Fault
from chat_client.reading import ProtocolError
from chat_client.session import Session, State
from chat_client.unanswered import Answer
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.framing import encode_frame
from tests.support.client_script import TS, Script, event, frame, numbers


@pytest.fixture
def script() -> Script:
    """Alice is welcome."""
    script = Script()
    script.welcomes()
    return script


def test_hello_is_the_first_word_and_asks_for_a_stay() -> None:
    """What is absent is left out of the bytes; what is asked meanwhile waits for the welcome."""
    script = Script(Session("alice", client="c/1"))
    script.session.ask(requests.Ping())
    hello = script.connects()
    assert hello == {
        "type": "hello", "id": hello["id"], "version": 1, "nick": "alice", "client": "c/1",
        "resume": {},
    }  # fmt: skip
    assert script.listens() == []
    script.greets()
    script.hears("ping")


def test_a_token_of_an_earlier_program_is_shown_without_cursors() -> None:
    """So asks who was started anew: nothing is replayed."""
    assert Script(Session("alice", token="t-0")).connects()["resume"] == {"token": "t-0"}


def test_who_was_started_anew_reads_the_whispers_of_the_stay_back() -> None:
    """From the beginning: the program that had seen them is gone."""
    script = Script(Session("alice", token="t-0"))
    script.connects()
    script.greets(resumed=True, conversations=["dm:u1:u2"])
    shown = script.pages(event(1, "dm:u1:u2"))
    assert numbers(shown, "dm:u1:u2") == [1]


def test_without_resume_nothing_of_it_is_asked() -> None:
    """The end of such a client's connection is the end of its stay."""
    assert "resume" not in Script(Session("alice", resume=False)).connects()


def test_the_answer_finds_its_request_and_has_its_type(script: Script) -> None:
    """A reply is read as what its request promises."""
    id = script.session.ask(requests.Join(room="dev"))
    [answer] = script.lets_in(id, "dev", 7)
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, replies.JoinOk)
    assert (answer.id, answer.reply.seq) == (id, 7)
    assert script.session.waiting == 0


def test_a_refusal_is_an_answer_with_the_wire_s_code(script: Script) -> None:
    """Errors carry all their fields into the exception."""
    id = script.session.ask(requests.Nick(nick="bob"))
    [answer] = script.says(
        "error", re=id, code="rate.x", message="m", retry_after=2.5, limit=3, new=1
    )
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Refused)
    assert (answer.reply.code, answer.reply.retry_after, answer.reply.limit) == ("rate.x", 2.5, 3)


def test_an_error_of_the_connection_is_a_fault() -> None:
    """Without `re` it belongs to no request."""
    script = Script()
    script.connects()
    [fault] = script.says("error", code="frame.too_large", message="m", fatal=True)
    assert isinstance(fault, Fault)
    assert fault.refused.fatal


def test_repeats_are_dropped(script: Script) -> None:
    """A number at or below the cursor was seen: by the snapshot, or as an event."""
    script.joins("Dev", 2)
    items = script.tells(event(2), event(3), event(3), event(4, room="DEV"))
    assert [item.seq for item in items if isinstance(item, events.Broadcast)] == [3, 4]


def test_unknown_numbered_events_move_the_cursor(script: Script) -> None:
    """A later level's event counts like any other, and is handed on as Unknown."""
    script.joins("dev", 0)
    [unknown] = script.says("x-a.org/poll", room="dev", seq=1, votes=[1])
    assert isinstance(unknown, events.Unknown)
    assert script.tells(event(1)) == []


def test_pings_are_answered_by_the_session_itself(script: Script) -> None:
    """With one pong."""
    script.says("ping", ts=TS)
    assert script.listens() == [{"type": "pong"}]


def test_welcome_and_bye_move_the_state() -> None:
    """Away, new, welcome, ended, away."""
    script = Script()
    states = [script.session.state]
    script.connects()
    states.append(script.session.state)
    script.says(
        "welcome", re=script.hello["id"], version=1, level=9, server="s",
        user={"uid": "u1", "nick": "alice"}, limits={"text": 100},
        heartbeat={"interval": 30, "timeout": 75}, durability="eternal", new=[],
    )  # fmt: skip
    states.append(script.session.state)
    welcome = script.session.welcome
    assert welcome is not None
    assert (welcome.limits.text, welcome.durability) == (100, "memory")
    script.says("bye", code="server.shutdown", message="m", reconnect="perhaps")
    states.append(script.session.state)
    assert script.session.bye is not None
    assert script.session.bye.reconnect == "later"
    script.session.lose()
    states.append(script.session.state)
    assert states == [State.AWAY, State.NEW, State.WELCOME, State.ENDED, State.AWAY]


def test_an_answer_nobody_waits_for_is_ignored(script: Script) -> None:
    """A repeated reply harms nobody."""
    id = script.session.ask(requests.Ping())
    assert len(script.says("ok", re=id)) == 1
    assert script.says("ok", re=id) == []


def test_who_one_is_follows_renames(script: Script) -> None:
    """One's own, by answer or by event; the next hello asks for that nick."""
    script.says("nick", user={"uid": "u1", "nick": "ally"}, old="alice", ts=TS)
    script.says("nick", user={"uid": "u2", "nick": "rob"}, old="bob", ts=TS)
    assert script.session.user is not None
    assert script.session.user.nick == "ally"
    script.session.lose()
    assert script.connects()["nick"] == "ally"


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"type":"broadcast"}', b'{"type":5}', b'{"no":"type"}']
)
def test_what_no_server_sends_is_a_protocol_error(body: bytes) -> None:
    """Broken frames end the session with a word, never with a traceback of another kind."""
    with pytest.raises(ProtocolError):
        Session().receive(encode_frame(body))


def test_a_frame_over_the_limit_is_refused_at_its_header() -> None:
    """Nothing of it is waited for."""
    with pytest.raises(ProtocolError, match="2000000"):
        Session().receive((2_000_000).to_bytes(4, "big"))


@given(st.binary(max_size=200), st.integers(0, 3))
def test_no_bytes_raise_anything_else(data: bytes, asked: int) -> None:
    """Property: whatever a server sends, a session returns items or raises ProtocolError."""
    script = Script()
    script.welcomes()
    for _ in range(asked):
        script.session.ask(requests.Join(room="dev"))
    try:
        script.session.receive(encode_frame(data) + data)
    except ProtocolError:
        assert script.session.state is State.WELCOME


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)

FRAMES = st.builds(
    lambda type_, fields: {**fields, "type": type_},
    st.sampled_from([*events.EVENTS, "ok", "welcome", "error", "x-y/z"]),
    st.dictionaries(
        st.sampled_from(
            ["re", "room", "seq", "user", "code", "members", "text", "ts", "state", "epoch", "head"]
        ),
        JSON
        | st.sampled_from(
            ["1", "2", "3", "4", "dev", "dm:u1:u2", "dm:a b", "begin", "e", "a b", 2**53 - 1, 7]
        ),
    ),
)


@given(st.lists(FRAMES, max_size=5), st.lists(st.sampled_from(["lose", "wake", ""]), max_size=5))
def test_no_objects_raise_anything_else(frames: list[dict[str, Any]], then: list[str]) -> None:
    """Property: the same for well-formed objects of every type, also on later connections."""
    script = Script()
    script.welcomes("dev")
    script.session.ask(requests.Join(room="tea"))
    try:
        for each, what in itertools.zip_longest(frames, then, fillvalue=None):
            if what == "lose":
                script.session.lose()
                script.connects()
                script.greets(resumed=True)
            elif what == "wake":
                script.session.wake()
            script.session.receive(frame(**each) if isinstance(each, dict) else b"")
    except ProtocolError:
        return
    assert script.session.waiting <= 1


@pytest.mark.parametrize(
    "given",
    [
        {"type": "ok", "re": "2", "room": "a b", "epoch": "e", "seq": 0},
        {"type": "ok", "re": "2", "room": "dev", "epoch": "a b", "seq": 0},
        {"type": "nick", "user": {"uid": "u1", "nick": "a b"}, "old": "alice", "ts": TS},
        event(2, "dm:a b"),
    ],
)
def test_names_that_cannot_be_named_back_end_it(given: dict[str, Any]) -> None:
    """At the latest with the next hello: as what no server sends, not as a fault of ours."""
    script = Script()
    script.welcomes()
    script.session.ask(requests.Join(room="dev"))
    snapshot = {"topic": "", "members": [], "count": 0, "history": {"oldest": 1}}
    told = {**snapshot, **given} if given["type"] == "ok" else given

    def come_back() -> None:
        script.tells(told)
        script.session.lose()
        script.connects()

    with pytest.raises(ProtocolError, match="named"):
        come_back()


def test_the_numbers_of_an_unread_conversation_have_no_gaps(script: Script) -> None:
    """Of a room that was never entered nothing can be read back: what comes is shown."""
    assert numbers(script.tells(event(5), event(9), event(9))) == [5, 9]
    assert script.listens() == []
