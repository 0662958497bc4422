"""Growing without breaking: our clients talk to a server of a later level and do not notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from chat_client.client import Client
from chat_schema import events
from chat_server import ChatServer
from tests.support.future import FutureServer
from tests.support.program import run_program


@pytest.fixture
def future() -> Iterator[FutureServer]:
    """A server that speaks in words of tomorrow."""
    with ChatServer(port=0, unlimited=True) as server, FutureServer(server.address) as future:
        yield future


def test_the_library_holds_a_conversation_with_the_future(future: FutureServer) -> None:
    """Unknown fields, types and choices change nothing that is known."""
    port = future.address[1]
    with Client(port=port, nick="alice") as alice, Client(port=port, nick="bob") as bob:
        bob.join("dev")
        alice.join("dev")
        assert alice.say("dev", "hello").seq == 1
        alice.whisper("bob", "psst")
        assert alice.nick("Alicia").nick == "Alicia"
        alice.leave("dev")
        assert alice.welcome.durability == "memory"
        assert [event["text"] for event in bob.history("dev").events] == ["hello"]
        bob.ping()
        heard = [event for event in bob.events(timeout=0) if not isinstance(event, events.Unknown)]
    kinds = ["join", "join", "broadcast", "whisper", "nick", "leave"]
    assert [event.type for event in heard] == kinds
    leave = heard[-1]
    assert isinstance(leave, events.Leave)
    assert leave.reason == "left"


def test_the_line_client_does_not_notice_the_future(future: FutureServer) -> None:
    """The same lines as with the server of today."""
    script = "hello\n/users\n/join dev\n/topic T\n/rooms\n/history\n/leave\n/leave\n"
    port = str(future.address[1])
    done = run_program("chat-client", "--port", port, "--commands", "--nick", "bob", text=script)
    shown = re.sub(r"^\d\d:\d\d ", "", done.stdout, flags=re.MULTILINE).splitlines()
    assert shown[1:] == [
        "#lobby -- bob joined",
        "-- you are in #lobby with 1: bob.",
        "#lobby <bob> hello",
        "-- 1 in #lobby: bob",
        "#dev -- bob joined",
        "-- you are in #dev with 1: @bob.",
        "#dev -- bob set the topic: T",
        "-- 2 rooms",
        "   #dev (1)  T",
        "   #lobby (1)",
        "-- history of #dev: last 1 of 1 events",
        "#dev -- bob set the topic: T",
        "#dev -- bob left",
    ]
    assert "last room" in done.stderr
