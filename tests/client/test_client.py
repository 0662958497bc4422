"""The blocking client against a real server: typed answers, events in order, clear ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from chat_client.client import Client
from chat_client.keeper import Event
from chat_client.transport import Disconnected
from chat_schema import requests
from chat_schema.errors import Refused
from chat_schema.framing import encode_frame
from chat_server import ChatServer

Connect = Callable[..., Client]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server on a free port."""
    with ChatServer(port=0, unlimited=True) as server:
        yield server


@pytest.fixture
def connect(server: ChatServer) -> Iterator[Connect]:
    """Makes clients that close themselves."""
    with ExitStack() as stack:
        yield lambda nick=None, **more: stack.enter_context(
            Client(port=server.address[1], nick=nick, **more)
        )


def test_a_conversation(connect: Connect) -> None:
    """Every method does what its name says, and the other side hears of it."""
    alice, bob = connect("alice"), connect("bob")
    bob.join("dev")
    assert alice.join("dev").count == 2
    sent = alice.say("dev", "hello")
    alice.whisper("bob", "psst")
    assert bob.topic("dev", "T") == alice.topic("dev") == "T"
    assert alice.nick("Alicia").nick == alice.user.nick == "Alicia"
    assert [entry.room for entry in alice.rooms().rooms] == ["dev"]
    assert alice.users("dev").count == alice.users().count == 2
    assert [event["seq"] for event in alice.history("dev", after=0).events] == [sent.seq, 2]
    assert alice.leave("dev").room == "dev"
    bob.ping()
    assert [event.type for event in bob.events(timeout=0)] == [
        "join", "join", "broadcast", "whisper", "topic", "nick", "leave",
    ]  # fmt: skip


def test_refusals_carry_the_code(connect: Connect) -> None:
    """Whether the server refuses or the models do."""
    connect("alice")
    with pytest.raises(Refused) as taken:
        connect("ALICE")
    with pytest.raises(Refused) as invalid:
        connect("not a nick")
    with pytest.raises(Refused) as outside:
        connect().say("dev", "x")
    codes = [error.value.code for error in (taken, invalid, outside)]
    assert codes == ["nick.taken", "nick.invalid", "room.not_member"]


def test_no_server_is_told_at_once() -> None:
    """A port where nobody listens: Disconnected, with the address in the message."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Disconnected, match=str(port)) as error:
        Client(port=port)
    assert error.value.code == "connection.refused"


def test_the_end_of_the_server_reaches_everybody_who_waits(server: ChatServer) -> None:
    """Those who wait for events or answers, and those who ask later."""
    ended: list[Disconnected] = []
    client = Client(port=server.address[1], on_end=ended.append, give_up=0)
    threading.Thread(target=server.stop).start()
    with pytest.raises(Disconnected) as error:
        list(client.events())
    assert error.value.code == "server.shutdown"
    with pytest.raises(Disconnected):
        client.ping()
    client.close()
    assert [reason.code for reason in ended] == ["server.shutdown"]


def test_events_end_quietly_after_close(connect: Connect) -> None:
    """Whoever says goodbye themselves is not surprised by it."""
    client = connect("alice")
    client.close()
    assert [event.type for event in client.events()] == ["bye"]
    assert list(client.events()) == []


def test_callbacks_come_in_the_order_of_the_stream(connect: Connect) -> None:
    """An event that a request causes is handed over before its answer."""
    order: list[str] = []
    done = threading.Event()

    def note(event: Event) -> None:
        order.append(event.type)

    client = connect("alice", on_event=note)
    client.submit(requests.Join(room="dev"), lambda _: order.append("joined"))
    client.submit(requests.Leave(room="dev"), lambda _: order.append("left"))
    client.submit(requests.Ping(), lambda _: done.set())
    assert done.wait(20)
    assert order == ["join", "joined", "leave", "left"]


def test_many_threads_may_ask_at_once(connect: Connect) -> None:
    """Each gets its own answer."""
    client = connect("alice")
    client.join("dev")
    numbers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: numbers.extend(client.say("dev", "x").seq for _ in range(50))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 201))


def test_a_server_that_babbles_is_left() -> None:
    """What no server of this protocol sends ends the connection with a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(encode_frame(b"[1, 2]"))
                connection.recv(1000)

        threading.Thread(target=babble).start()
        with pytest.raises(Disconnected) as error:
            Client(port=listener.getsockname()[1])
    assert error.value.code == "connection.garbled"
