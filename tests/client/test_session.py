"""The client's protocol without a socket: scripted conversations in reading order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client.session import Answer, Fault, ProtocolError, Session, State
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.framing import FrameDecoder, encode_frame

ALICE = {"uid": "u1", "nick": "alice"}
TS = "2026-11-22T15:00:00.123Z"


def frame(**fields: Any) -> bytes:
    """A frame from the server."""
    return encode_frame(json.dumps(fields).encode())


def said(seq: int, room: str = "dev", **more: Any) -> bytes:
    """A broadcast from the server."""
    return frame(type="broadcast", room=room, seq=seq, ts=TS, user=ALICE, text=f"m{seq}", **more)


def joined(seq: int, re: str) -> bytes:
    """The answer to a join at number `seq`."""
    return frame(
        type="ok", re=re, room="Dev", epoch="e", seq=seq, topic="", members=[], count=0,
        history={"oldest": 1},
    )  # fmt: skip


def sent(data: bytes) -> list[dict[str, Any]]:
    """The frames in what a session wants sent."""
    return [json.loads(body) for body in FrameDecoder(1 << 20).feed(data)]


def test_a_request_goes_out_with_an_id_and_without_empty_fields() -> None:
    """What is absent is left out of the bytes."""
    session = Session()
    id, data = session.ask(requests.Hello(nick="alice"))
    assert sent(data) == [{"type": "hello", "nick": "alice", "id": id}]


def test_the_answer_finds_its_request_and_has_its_type() -> None:
    """A reply is read as what its request promises."""
    session = Session()
    id, _ = session.ask(requests.Join(room="dev"))
    [answer] = session.receive(joined(7, id))
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, replies.JoinOk)
    assert (answer.id, answer.reply.seq) == (id, 7)
    assert session.waiting == 0


def test_a_refusal_is_an_answer_with_the_wire_s_code() -> None:
    """Errors carry all their fields into the exception."""
    session = Session()
    id, _ = session.ask(requests.Nick(nick="bob"))
    [answer] = session.receive(
        frame(type="error", re=id, code="rate.x", message="m", retry_after=2.5, limit=3, new=1)
    )
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Refused)
    assert (answer.reply.code, answer.reply.retry_after, answer.reply.limit) == ("rate.x", 2.5, 3)


def test_an_error_of_the_connection_is_a_fault() -> None:
    """Without `re` it belongs to no request."""
    data = frame(type="error", code="frame.too_large", message="m", fatal=True)
    [fault] = Session().receive(data)
    assert isinstance(fault, Fault)
    assert fault.refused.fatal


def test_repeats_are_dropped() -> None:
    """A number at or below the cursor was seen: by the snapshot, or as an event."""
    session = Session()
    id, _ = session.ask(requests.Join(room="dev"))
    session.receive(joined(2, id))
    items = session.receive(said(2) + said(3) + said(3) + said(4, room="DEV"))
    assert [item.seq for item in items if isinstance(item, events.Broadcast)] == [3, 4]


def test_unknown_numbered_events_move_the_cursor() -> None:
    """A later level's event counts like any other, and is handed on as Unknown."""
    session = Session()
    [unknown] = session.receive(frame(type="x-a.org/poll", room="dev", seq=1, votes=[1]))
    assert isinstance(unknown, events.Unknown)
    assert session.receive(said(1)) == []


def test_pings_are_answered_by_the_session_itself() -> None:
    """`outgoing` has the pong once."""
    session = Session()
    session.receive(frame(type="ping", ts=TS))
    assert sent(session.outgoing()) == [{"type": "pong"}]
    assert session.outgoing() == b""


def test_welcome_and_bye_move_the_state() -> None:
    """New, welcome, ended."""
    session = Session()
    states = [session.state]
    id, _ = session.ask(requests.Hello())
    session.receive(
        frame(
            type="welcome", re=id, version=1, level=9, server="s", user=ALICE, limits={"text": 100},
            heartbeat={"interval": 30, "timeout": 75}, durability="eternal", new=[],
        )
    )  # fmt: skip
    states.append(session.state)
    assert session.welcome is not None
    assert (session.welcome.limits.text, session.welcome.durability) == (100, "memory")
    session.receive(frame(type="bye", code="server.shutdown", message="m", reconnect="perhaps"))
    states.append(session.state)
    assert states == [State.NEW, State.WELCOME, State.ENDED]
    assert session.bye is not None
    assert session.bye.reconnect == "later"


def test_an_answer_nobody_waits_for_is_ignored() -> None:
    """A repeated reply harms nobody."""
    session = Session()
    id, _ = session.ask(requests.Ping())
    assert len(session.receive(frame(type="ok", re=id))) == 1
    assert session.receive(frame(type="ok", re=id)) == []


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
    session = Session()
    for _ in range(asked):
        session.ask(requests.Join(room="dev"))
    try:
        session.receive(encode_frame(data) + data)
    except ProtocolError:
        assert session.state is State.NEW


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.sampled_from([*events.EVENTS, "ok", "welcome", "error", "x-y/z"]),
    st.dictionaries(
        st.sampled_from(["re", "room", "seq", "user", "code", "members", "text", "ts"]), JSON
    ),
)
def test_no_object_raises_anything_else(type_: str, fields: dict[str, Any]) -> None:
    """Property: the same for well-formed objects of every type with fields of any kind."""
    session = Session()
    session.ask(requests.Join(room="dev"))
    try:
        items = session.receive(frame(**{"re": "1", **fields, "type": type_}))
    except ProtocolError:
        return
    assert len(items) <= 1
