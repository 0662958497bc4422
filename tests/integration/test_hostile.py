"""Hostile clients on real sockets; the numbers are those of the hostile cases we answer.

In every test an honest client was there before and is served after: nobody else is hurt.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from chat_server import ChatServer, config
from tests.support.peer import Closed, Peer, kinds

Stranger = Callable[[], Peer]

SHORT = 0.2
"""Seconds of a deadline that a test waits for."""


def short_settings(**limits: object) -> config.Settings:
    """Settings with deadlines that a test can wait for."""
    return config.Settings.model_validate(
        {"server": {"port": 0}, "limits": limits, "heartbeat": {"interval": SHORT, "timeout": 60}}
    )


@pytest.fixture
def honest(server: ChatServer) -> Iterator[Peer]:
    """Somebody who was there before, and must be served afterwards."""
    with Peer.welcomed(server.address, "honest") as peer:
        peer.ask("join", room="dev")
        yield peer
        assert peer.ask("broadcast", room="dev", text="still here")["type"] == "ok"
        assert server.telemetry.counts().get("incidents", 0) == 0


def test_keep_alives_by_the_thousand_cost_nothing(honest: Peer, stranger: Stranger) -> None:
    """Case 1: empty frames are ignored, however many come."""
    peer = stranger()
    peer.socket.sendall(bytes(4) * 50_000)
    assert peer.ask("hello")["type"] == "welcome"


def test_a_body_that_is_no_object_is_forgiven_three_times(honest: Peer, stranger: Stranger) -> None:
    """Cases 2, 20, 21, 28: the fourth broken body ends the connection with its reason."""
    peer = stranger()
    for body in (b"{}x", b"[]", b'"x"', b"\xff\xfe"):
        peer.send_body(body)
    frames = peer.rest()
    assert [frame["code"] for frame in frames] == ["frame.invalid"] * 5
    assert [frame.get("fatal") for frame in frames] == [False, False, False, True, None]
    assert frames[-1]["type"] == "bye"


@pytest.mark.parametrize("size", [16_385, 2**31, 2**32 - 1])
def test_a_header_over_the_limit_ends_it_before_the_body(
    honest: Peer, stranger: Stranger, size: int
) -> None:
    """Case 3: the answer comes although not a byte of the body was sent."""
    peer = stranger()
    peer.socket.sendall(struct.pack(">I", size))
    error, bye = peer.rest()
    assert (error["code"], error["fatal"], bye["type"]) == ("frame.too_large", True, "bye")


def test_frames_of_exactly_the_limit_are_read(honest: Peer, stranger: Stranger) -> None:
    """Case 3: 16,384 bytes before the welcome, 65,536 after it; one more is too much."""
    peer = stranger()
    hello = json.dumps({"type": "hello", "id": "h", "x": ""})
    peer.send_body(hello.replace('"x": ""', f'"x": "{"y" * (16_384 - len(hello))}"').encode())
    assert peer.receive()["type"] == "welcome"
    ping = json.dumps({"type": "ping", "id": "p", "x": ""})
    peer.send_body(ping.replace('"x": ""', f'"x": "{"y" * (65_536 - len(ping))}"').encode())
    assert peer.receive()["re"] == "p"
    peer.socket.sendall(struct.pack(">I", 65_537))
    assert kinds(peer.rest()) == ["error", "bye"]


def test_any_split_is_the_same_frame(honest: Peer, stranger: Stranger) -> None:
    """Case 5: a hello that comes byte by byte is a hello."""
    peer = stranger()
    body = b'{"type":"hello","id":"1"}'
    for octet in struct.pack(">I", len(body)) + body:
        peer.socket.sendall(bytes([octet]))
    assert peer.receive()["type"] == "welcome"


def test_a_thousand_frames_in_one_segment_are_a_thousand_requests(
    honest: Peer, stranger: Stranger
) -> None:
    """Case 6: each gets its reply, in order."""
    peer = stranger()
    peer.ask("hello")
    body = b"".join(
        struct.pack(">I", len(ping)) + ping
        for ping in (b'{"type":"ping","id":"%d"}' % number for number in range(1000))
    )
    peer.socket.sendall(body)
    assert [peer.receive()["re"] for _ in range(1000)] == [str(n) for n in range(1000)]


@pytest.mark.parametrize("tail", [b"", b"\0\0\0\x40{half"], ids=["after", "inside"])
def test_a_half_closed_client_gets_its_answers(
    honest: Peer, stranger: Stranger, tail: bytes
) -> None:
    """Case 7: what was asked before the half-close is answered, slow requests too."""
    peer = stranger()
    for type_, fields in (("hello", {}), ("join", {"room": "dev"}), ("users", {}), ("ping", {})):
        peer.send(type_, id=type_, **fields)
    peer.socket.sendall(tail)
    peer.socket.shutdown(socket.SHUT_WR)
    frames = peer.rest()
    assert [f["re"] for f in frames if "re" in f] == ["hello", "join", "users", "ping"]
    assert frames[-1]["type"] == "bye"


def test_resets_leave_nothing_behind(server: ChatServer, honest: Peer) -> None:
    """Case 8: fifty connections reset at different points; everybody's leave is told."""
    for number in range(50):
        peer = Peer(server.address)
        if number % 3:
            peer.ask("hello")
        if number % 3 == 2:
            peer.ask("join", room="dev")
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.socket.close()
    heard = kinds(honest.heard())
    while heard.count("leave") < heard.count("join"):
        heard.append(honest.receive()["type"])
    assert honest.ask("users", room="dev")["count"] == 1


@pytest.mark.parametrize(
    "opening",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"NICK alice\r\nUSER a 0 * :a\r\n",
    ],
    ids=["HTTP", "TLS", "SSH", "IRC"],
)
def test_other_protocols_are_told_and_closed_at_once(
    honest: Peer, stranger: Stranger, opening: bytes
) -> None:
    """Case 10: no byte of them looks like a frame of legal size."""
    peer = stranger()
    peer.socket.sendall(opening)
    assert [frame["code"] for frame in peer.rest()] == ["frame.too_large"] * 2


def test_who_says_nothing_is_closed_at_the_deadline() -> None:
    """Case 9: no hello in time."""
    with ChatServer(short_settings(hello_timeout=SHORT)) as server, Peer(server.address) as peer:
        assert [frame["code"] for frame in peer.rest()] == ["protocol.hello_timeout"] * 2


def test_a_frame_begun_must_be_finished_in_time() -> None:
    """Cases 4, 12: half a body and silence; the deadline counts from the frame's first byte."""
    with ChatServer(short_settings(frame_timeout=SHORT)) as server:
        with Peer.welcomed(server.address) as peer:
            peer.socket.sendall(b"\0\0\0\x40{half")
            codes = [frame["code"] for frame in peer.rest() if frame["type"] != "ping"]
        assert codes == ["frame.timeout"] * 2


def test_the_silent_are_asked_and_then_closed() -> None:
    """Case 13: a ping after the interval; without any byte, the end at the timeout."""
    settings = config.Settings.model_validate(
        {"server": {"port": 0}, "heartbeat": {"interval": SHORT, "timeout": 3 * SHORT}}
    )
    with ChatServer(settings) as server, Peer.welcomed(server.address) as peer:
        frames = peer.rest()
    assert kinds(frames)[0] == "ping"
    assert frames[-1]["type"] == "bye"
    assert frames[-1]["code"] == "client.timeout"
    assert frames[-1]["reconnect"] == "now"


def test_a_pong_keeps_a_silent_client_alive() -> None:
    """Who answers stays, past any number of timeouts."""
    settings = config.Settings.model_validate(
        {"server": {"port": 0}, "heartbeat": {"interval": 0.1, "timeout": 0.3}}
    )
    with ChatServer(settings) as server, Peer.welcomed(server.address) as peer:
        for _ in range(6):
            assert peer.receive()["type"] == "ping"
            peer.send("pong")
        assert peer.ask("ping")["type"] == "ok"


def test_a_client_that_never_reads_hurts_only_itself() -> None:
    """Case 11: it is given up over the hard limit and counted; the room goes on."""
    settings = short_settings(outbox_soft=16 * 1024, outbox_hard=64 * 1024)
    with ChatServer(settings, unlimited=True) as server:
        with Peer.welcomed(server.address, "deaf") as deaf, Peer.welcomed(server.address) as loud:
            _talk_until_gone(loud, deaf)
            assert server.telemetry.counts()["closed.client.slow"] == 1
            assert loud.ask("users", room="dev")["count"] == 1


def test_a_client_that_stalls_is_warned_then_closed() -> None:
    """Case 11: over the soft limit for the grace: told by a notice, closed with the reason."""
    settings = short_settings(
        outbox_soft=16 * 1024, outbox_hard=64 * 1024 * 1024, outbox_soft_grace=SHORT
    )
    with ChatServer(settings, unlimited=True) as server:
        with Peer.welcomed(server.address, "deaf") as deaf, Peer.welcomed(server.address) as loud:
            _talk_until_gone(loud, deaf)
            assert server.telemetry.counts()["closed.client.slow"] == 1


def test_its_own_flood_does_not_grow_a_client_s_outbox() -> None:
    """Who asks without reading is not read any more, and is not closed for having asked."""
    with ChatServer(short_settings(outbox_soft=16 * 1024), unlimited=True) as server:
        with Peer.welcomed(server.address) as peer:
            peer.ask("join", room="dev")
            for number in range(60):
                peer.send("broadcast", room="dev", id=str(number), text="x" * 4000)
            replies = 0
            while replies < 60:
                replies += "re" in peer.receive()
            assert peer.ask("ping")["type"] == "ok"


def test_who_reads_may_ask_a_thousand_things_at_once(honest: Peer, stranger: Stranger) -> None:
    """Many small replies at once are no slowness: before the welcome and after it."""
    peer = stranger()
    for _ in range(2):
        flood = b"".join(
            struct.pack(">I", len(body)) + body
            for body in (b'{"type":"topic","id":"%d","room":"dev"}' % n for n in range(700))
        )
        peer.socket.sendall(flood)
        assert [peer.receive()["re"] for _ in range(700)] == [str(n) for n in range(700)]
        peer.ask("hello")


def test_large_answers_wait_for_who_asked_too_many(server: ChatServer) -> None:
    """Forty pages of history asked at once, and read only then: all come, in order."""
    with Peer.welcomed(server.address) as peer:
        peer.ask("join", room="dev")
        for _ in range(50):
            peer.ask("broadcast", room="dev", text="x" * 4000)
        for number in range(40):
            peer.send("history", id=f"h{number}", room="dev")
        assert [peer.receive()["re"] for _ in range(40)] == [f"h{n}" for n in range(40)]
        assert server.telemetry.counts().get("closed.client.slow", 0) == 0


def test_a_stranger_who_reads_nothing_costs_little() -> None:
    """Case 11, before welcome: a few kilobytes of refusals wait at the most."""
    with ChatServer(short_settings(outbox_before_welcome=1024)) as server:
        with Peer(server.address) as peer, pytest.raises((BrokenPipeError, ConnectionResetError)):
            _flood(peer)
        assert server.telemetry.counts()["closed.client.slow"] == 1


def _talk_until_gone(loud: Peer, deaf: Peer) -> None:
    """Fill the room with messages until the one who does not read them is out of it."""
    deaf.ask("join", room="dev")
    loud.ask("join", room="dev")
    heard: list[str] = []
    while "leave" not in heard:
        heard += kinds(loud.ask_all("broadcast", room="dev", text="x" * 4000))


def _flood(peer: Peer) -> None:
    while True:
        peer.send("join", room="dev", id="x" * 60)


def test_everything_before_hello_is_refused(honest: Peer, stranger: Stranger) -> None:
    """Case 60: and hello still works afterwards; a second one is refused."""
    peer = stranger()
    for type_, fields in (
        ("join", {"room": "dev"}),
        ("broadcast", {"room": "dev", "text": "x"}),
        ("whisper", {"to": "honest", "text": "x"}),
        ("users", {}),
        ("history", {"room": "dev"}),
    ):
        assert peer.ask(type_, **fields)["code"] == "protocol.hello_required"
    assert peer.ask("hello")["type"] == "welcome"
    assert peer.ask("hello", nick="again")["code"] == "protocol.already_welcome"
    assert peer.ask("nick", nick="again")["type"] == "ok"


def test_rooms_one_is_not_in_are_closed(honest: Peer, stranger: Stranger) -> None:
    """Case 61: joining twice is no fault; leaving or speaking where one is not is refused."""
    peer = stranger()
    peer.ask("hello")
    assert peer.ask("leave", room="dev")["code"] == "room.not_member"
    assert peer.ask("broadcast", room="dev", text="x")["code"] == "room.not_member"
    assert peer.ask("topic", room="dev")["code"] == "room.not_member"
    peer.ask("join", room="dev")
    honest.heard()
    assert peer.ask("join", room="dev")["count"] == 2
    assert honest.heard() == []


def test_a_client_is_in_fifty_rooms_at_most(honest: Peer, stranger: Stranger) -> None:
    """The fifty-first is refused with the limit; leaving one makes room."""
    peer = stranger()
    peer.ask("hello")
    for number in range(50):
        assert peer.ask("join", room=f"r{number}")["type"] == "ok"
    refused = peer.ask("join", room="one-more")
    assert (refused["code"], refused["limit"]) == ("room.limit", 50)
    peer.ask("leave", room="r0")
    assert peer.ask("join", room="one-more")["type"] == "ok"


def test_an_address_has_its_limits() -> None:
    """The next connection over the limit is told why and closed; leaving makes room."""
    settings = short_settings(connections=2, exempt_loopback=False)
    with ChatServer(settings) as server:
        first, second = Peer.welcomed(server.address), Peer.welcomed(server.address)
        with Peer(server.address) as third:
            error, bye = third.rest()
        assert (error["code"], error["limit"]) == ("rate.connections", 2)
        assert bye["reconnect"] == "later"
        first.ask("quit")
        assert first.rest()[-1]["type"] == "bye"
        first.socket.close()
        with Peer.welcomed(server.address):
            second.socket.close()


def test_without_limits_addresses_have_none() -> None:
    """`unlimited` lifts what is per address."""
    settings = short_settings(connections=1, exempt_loopback=False)
    with ChatServer(settings, unlimited=True) as server:
        with Peer.welcomed(server.address) as one, Peer.welcomed(server.address) as two:
            assert one.nick != two.nick


def test_a_version_of_another_major_is_refused_for_good(honest: Peer, stranger: Stranger) -> None:
    """The refusal says what is spoken here, and bye says never."""
    peer = stranger()
    peer.send("hello", id="1", version=2)
    error, bye = peer.rest()
    assert (error["code"], error["versions"], bye["reconnect"]) == (
        "protocol.version",
        [1, 1],
        "never",
    )


def test_the_end_of_a_connection_is_final(honest: Peer, stranger: Stranger) -> None:
    """After bye nothing that was still on its way is done."""
    peer = stranger()
    peer.ask("hello")
    peer.ask("join", room="dev")
    honest.heard()
    body = b'{"type":"broadcast","room":"dev","text":"too late"}'
    quit_ = b'{"type":"quit","id":"q"}'
    peer.socket.sendall(struct.pack(">I", len(quit_)) + quit_ + struct.pack(">I", len(body)) + body)
    assert kinds(peer.rest()) == ["ok", "bye"]
    with pytest.raises((Closed, ConnectionResetError)):
        peer.receive()
    assert kinds(honest.heard()) == ["leave"]
