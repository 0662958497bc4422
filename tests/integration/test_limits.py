"""Rates and sizes on real sockets, with a clock that the tests move: what floods is stopped."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType

import pytest

from chat_client import keeper
from chat_client.client import Client
from chat_client.link import Back, Backoff, Link
from chat_schema import events
from chat_schema.framing import encode_frame
from chat_server import ChatServer, config
from tests.support.client_proxy import Wire
from tests.support.clock import ManualTime
from tests.support.peer import PATIENCE, Frame, Peer, kinds

PASSWORD = "correct horse"
PAUSE = 0.05
"""Seconds for which nothing is read from whom a rate refused."""

CHALLENGE: dict[str, object] = {"text": 100, "messages_burst": 5, "messages_per_second": 5.0}
"""At most 100 characters, and 5 messages a second."""

USUAL: Mapping[str, object] = MappingProxyType({})
"""The server's own limits."""


class Hall:
    """A server with limits and a clock of its own; everybody is in `general`."""

    def __init__(self, server: ChatServer, clock: ManualTime, stack: ExitStack) -> None:
        self.server = server
        self._time = clock
        self._stack = stack
        self._watch = self.stranger()
        self._watch.ask("hello", nick="watch")

    def stranger(self) -> Peer:
        """Somebody who has connected."""
        return self._stack.enter_context(Peer(self.server.address))

    def person(self, nick: str | None = None) -> Peer:
        """Somebody in `general`."""
        peer = self._stack.enter_context(Peer.welcomed(self.server.address, nick))
        peer.ask("join", room="general")
        return peer

    def pass_time(self, seconds: float) -> None:
        """Let time pass on the server, and what was to happen by then happen."""
        self._time.advance(seconds)
        self._watch.ask("ping")

    def say(self, peer: Peer, text: str = "hi") -> Frame:
        """Say something once the pause after an earlier refusal is over; return the reply."""
        self.pass_time(PAUSE)
        return peer.ask("broadcast", room="general", text=text)


@contextmanager
def hall(limits: Mapping[str, object] = USUAL, *, unlimited: bool = False) -> Iterator[Hall]:
    """Open a hall with these settings of `[limits]`."""
    clock = ManualTime()
    settings = config.Settings.model_validate(
        {
            "server": {"port": 0, "data": config.MEMORY},
            "limits": dict(limits),
            "admin": {"password": PASSWORD},
            "auth": {"hash_kib": 8, "hash_passes": 1},
        }
    )
    with (
        ChatServer(settings, unlimited=unlimited, clock=clock.clock) as server,
        ExitStack() as stack,
    ):
        yield Hall(server, clock, stack)
        assert server.telemetry.counts().get("incidents", 0) == 0


def messages(count: int, text: str = "hi") -> bytes:
    """So many messages with ids from m0, to be sent at once."""
    usual = {"type": "broadcast", "room": "general", "text": text}
    bodies = [json.dumps({**usual, "id": f"m{number}"}) for number in range(count)]
    return b"".join(encode_frame(body.encode()) for body in bodies)


def heard_until(peer: Peer, id: str) -> list[Frame]:
    """Everything up to the answer with this id."""
    frames = [peer.receive()]
    while frames[-1].get("re") != id:
        frames.append(peer.receive())
    return frames


def flood(peer: Peer, count: int) -> list[Frame]:
    """Send so many messages at once, the last of which is the first that is refused."""
    peer.socket.sendall(messages(count))
    return heard_until(peer, f"m{count - 1}")


def texts(frames: list[Frame]) -> list[str]:
    """What was said."""
    return [frame["text"] for frame in frames if frame["type"] == "broadcast"]


# The seed's challenge


def test_what_a_server_allows_is_told_in_welcome() -> None:
    """And no rates where they are lifted."""
    with hall({**CHALLENGE, "rooms_per_client": 7, "joins_per_minute": 30.0}) as open_hall:
        limits = open_hall.stranger().ask("hello")["limits"]
        assert (limits["text"], limits["rooms"]) == (100, 7)
        assert limits["messages"] == {"burst": 5, "per_second": 5.0}
        assert limits["joins"] == {"burst": 20, "per_second": 0.5}
        assert limits["reads"] == {"burst": 20, "per_second": 0.4}
    with hall(unlimited=True) as open_hall:
        limits = open_hall.stranger().ask("hello")["limits"]
        assert not {"messages", "joins", "reads"} & limits.keys()


def test_a_character_too_many_is_refused_with_the_numbers() -> None:
    """A hundred pass; of what is refused nothing is sent."""
    with hall(CHALLENGE) as open_hall:
        alice, bob = open_hall.person("alice"), open_hall.person("bob")
        assert open_hall.say(alice, "é" * 100)["type"] == "ok"
        refused = open_hall.say(alice, "é" * 101)
        assert (refused["code"], refused["limit"], refused["size"]) == (
            "message.too_long",
            100,
            101,
        )
        assert texts(bob.heard()) == ["é" * 100]


def test_the_sixth_at_once_is_warned_of_and_the_seventh_is_refused() -> None:
    """It passes when one has waited as told."""
    with hall(CHALLENGE) as open_hall:
        bob, alice = open_hall.person("bob"), open_hall.person("alice")
        frames = flood(alice, 7)
        assert kinds(frames) == [
            *["broadcast", "ok"] * 5, "notice", "broadcast", "ok", "error",
        ]  # fmt: skip
        warning, refused = frames[10], frames[-1]
        assert (warning["code"], refused["code"]) == ("rate.messages", "rate.messages")
        assert len(texts(bob.heard())) == 6
        open_hall.pass_time(refused["retry_after"])
        assert open_hall.say(alice)["type"] == "ok"


def test_who_goes_on_is_muted_for_half_a_minute_and_listed() -> None:
    """The administrator sees who, and can end it; the time ends it too."""
    with hall(CHALLENGE) as open_hall:
        alice, root = open_hall.person("alice"), open_hall.person("root_")
        assert root.ask("elevate", password=PASSWORD)["type"] == "ok"
        flood(alice, 7)
        codes = [open_hall.say(alice)["code"] for _ in range(5)]
        assert codes == ["rate.messages"] * 3 + ["rate.muted"] * 2
        [mute] = root.ask("mutes", room="*")["mutes"]
        assert (mute["nick"], mute["by"], mute["reason"]) == ("alice", "server", "flooding")
        refused = open_hall.say(alice)
        assert 29 < refused["retry_after"] <= 30
        open_hall.pass_time(refused["retry_after"])
        assert root.ask("mutes", room="*")["mutes"] == []
        assert open_hall.say(alice)["type"] == "ok"
        flood(alice, 6)
        while open_hall.say(alice)["code"] != "rate.muted":
            pass
        assert root.ask("unmute", room="*", target="alice")["type"] == "ok"
        open_hall.pass_time(1)
        assert open_hall.say(alice)["type"] == "ok"


def test_an_honest_pace_is_never_touched() -> None:
    """Five a second for twenty seconds, without a word of warning."""
    with hall(CHALLENGE) as open_hall:
        alice = open_hall.person("alice")
        heard: list[Frame] = []
        for number in range(100):
            open_hall.pass_time(0.2)
            heard += alice.ask_all("broadcast", room="general", text=f"{number}")
        assert set(kinds(heard)) - {"ping"} == {"broadcast", "ok"}
        assert texts(heard) == [str(number) for number in range(100)]


def test_a_pasted_block_is_one_message_of_its_size() -> None:
    """With the usual limits: four KiB in eight hundred lines are four units of ten."""
    block = "line\n" * 800
    with hall() as open_hall:
        alice = open_hall.person("alice")
        for _ in range(2):
            assert open_hall.say(alice, block)["type"] == "ok"
        alice.socket.sendall(messages(4))
        assert kinds(heard_until(alice, "m2"))[-3:] == ["notice", "broadcast", "ok"]


# Others


def test_a_flood_does_not_keep_an_honest_client_waiting() -> None:
    """Of a thousand messages six are before what somebody else says a moment later."""
    with hall(CHALLENGE) as open_hall:
        alice, bob = open_hall.person("alice"), open_hall.person("bob")
        alice.socket.sendall(messages(1000, "buy"))
        heard_until(alice, "m6")
        frames = bob.ask_all("broadcast", room="general", text="hello")
        assert texts(frames) == ["buy"] * 6 + ["hello"]
        assert frames[-1]["type"] == "ok"


def test_joins_and_reads_are_limited_too() -> None:
    """Each with a bucket and a code of its own; chat goes on."""
    with hall({"joins_burst": 3, "reads_burst": 2}) as open_hall:
        alice = open_hall.person("alice")
        assert alice.ask("join", room="tea")["type"] == "ok"
        assert alice.ask("nick", nick="al")["type"] == "ok"
        assert alice.ask("join", room="ops")["code"] == "rate.joins"
        open_hall.pass_time(PAUSE)
        assert alice.ask("history", room="general")["type"] == "ok"
        assert alice.ask("rooms")["type"] == "ok"
        refused = alice.ask("search", text="hi")
        assert (refused["code"], refused["retryable"]) == ("rate.reads", True)
        assert open_hall.say(alice)["type"] == "ok"
        open_hall.pass_time(refused["retry_after"])
        assert alice.ask("search", text="hi")["type"] == "ok"


def test_the_sessions_of_an_account_share_one_bucket() -> None:
    """What one has used the other has not."""
    with hall(CHALLENGE) as open_hall:
        first = open_hall.person("alice")
        assert first.ask("register", password=PASSWORD)["type"] == "ok"
        second = open_hall.person()
        assert second.ask("login", nick="alice", password=PASSWORD)["type"] == "ok"
        flood(first, 7)
        assert open_hall.say(second)["code"] == "rate.messages"


def test_another_name_does_not_fill_the_bucket() -> None:
    """Whoever logs out, and in again, has used what they have used."""
    with hall(CHALLENGE) as open_hall:
        alice = open_hall.person("alice")
        assert alice.ask("register", password=PASSWORD)["type"] == "ok"
        flood(alice, 7)
        open_hall.pass_time(PAUSE)
        assert alice.ask("logout")["type"] == "ok"
        assert alice.ask("broadcast", room="general", text="hi")["code"] == "rate.messages"
        open_hall.pass_time(PAUSE)
        assert alice.ask("login", nick="alice", password=PASSWORD)["type"] == "ok"
        assert alice.ask("broadcast", room="general", text="hi")["code"] == "rate.messages"


def test_coming_back_does_not_fill_the_bucket() -> None:
    """A stay that is taken up goes on where it was."""
    with hall(CHALLENGE) as open_hall:
        alice = open_hall.stranger()
        token = alice.ask("hello", nick="alice", resume={})["resume"]["token"]
        alice.ask("join", room="general")
        flood(alice, 7)
        alice.socket.close()
        back = open_hall.stranger()
        assert back.ask("hello", resume={"token": token})["resume"]["resumed"]
        assert open_hall.say(back)["code"] == "rate.messages"


def test_connecting_anew_brings_a_burst_and_connections_are_limited() -> None:
    """Three guests of one address say six things each; there is no fourth."""
    bounds = {"exempt_loopback": False, "new_connections": 5}
    with hall({**CHALLENGE, **bounds}) as open_hall:
        bob = open_hall.person("bob")
        for _ in range(3):
            guest = open_hall.person()
            flood(guest, 7)
            open_hall.pass_time(PAUSE)
            guest.ask("quit")
        with Peer(open_hall.server.address) as fourth:
            assert fourth.rest()[0]["code"] == "rate.connections"
        assert len(texts(bob.heard())) == 18


def test_an_address_has_so_many_stays_without_a_connection() -> None:
    """Of three who are cut off one is gone at once; who comes back makes room for another."""
    with hall({"exempt_loopback": False, "stays": 2}) as open_hall:
        bob = open_hall.person("bob")
        tokens = [_cut_off(open_hall, f"p{number}") for number in range(3)]
        frames = [bob.receive()]
        while frames[-1]["type"] != "leave":
            frames.append(bob.receive())
        back = [open_hall.stranger() for _ in tokens]
        welcomes = [
            peer.ask("hello", resume={"token": token})["resume"]
            for peer, token in zip(back, tokens, strict=True)
        ]
        assert [welcome["resumed"] for welcome in welcomes].count(True) == 2
        again = [_cut_off(open_hall, f"q{number}") for number in range(2)]
        open_hall.pass_time(0)
        for token in again:
            assert open_hall.stranger().ask("hello", resume={"token": token})["resume"]["resumed"]


def _cut_off(open_hall: Hall, nick: str) -> str:
    """Somebody comes, and their connection is lost; return how they can come back."""
    peer = open_hall.stranger()
    token: str = peer.ask("hello", nick=nick, resume={})["resume"]["token"]
    peer.ask("join", room="general")
    peer.socket.close()
    return token


def test_without_limits_nobody_is_stopped() -> None:
    """Three hundred messages at once, and as many lists."""
    with hall(CHALLENGE, unlimited=True) as open_hall:
        alice = open_hall.person("alice")
        assert set(kinds(flood(alice, 300))) == {"broadcast", "ok"}
        assert {alice.ask("users")["type"] for _ in range(50)} == {"ok"}


# Our own client


@pytest.fixture
def words() -> queue.Queue[Link]:
    """What a client tells of its link."""
    return queue.Queue()


def test_our_client_fills_its_gaps_under_the_limit(
    words: queue.Queue[Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits as told between pages, and nothing is given up."""
    monkeypatch.setattr(keeper, "AGAIN", 0.01)
    settings = config.Settings.model_validate(
        {
            "server": {"port": 0, "data": config.MEMORY},
            "resume": {"events": 1},
            "limits": {"reads_burst": 1, "reads_per_minute": 600.0, "messages_burst": 1000},
        }
    )
    rooms = ["one", "two", "three", "four", "five", "six"]
    with (
        ChatServer(settings) as server,
        Client(port=server.address[1], nick="bob") as bob,
        Wire(server.address) as wire,
        Client(
            port=wire.address[1], nick="alice", on_link=words.put,
            backoff=Backoff(60, random=lambda: 0.01),
        ) as alice,
    ):  # fmt: skip
        for room in rooms:
            bob.join(room)
            alice.join(room)
        wire.cut(down=True)
        for number in range(5):
            for room in rooms:
                bob.say(room, f"{room} {number}")
        wire.down = False
        while not isinstance(words.get(timeout=PATIENCE), Back):
            pass
        heard = _heard(alice, 5 * len(rooms))
        counts = server.telemetry.counts()
    for room in rooms:
        assert [text for text in heard if text.startswith(f"{room} ")] == [
            f"{room} {number}" for number in range(5)
        ]
    assert counts["limited.rate.reads"] > 0


def _heard(client: Client, count: int) -> list[str]:
    """So many texts, whenever they come; fail where something was given up."""
    heard: list[str] = []
    end = time.monotonic() + PATIENCE
    while len(heard) < count and time.monotonic() < end:
        for event in client.events(timeout=0.1):
            assert not (isinstance(event, events.Notice) and event.code == "history.gap")
            if isinstance(event, events.Broadcast):
                heard.append(event.text)
    return heard
