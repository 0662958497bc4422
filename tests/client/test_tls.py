"""The client over TLS: whom it trusts, what it says when it does not, and both ways at once."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chat_client.client import Client
from chat_client.keeper import Event
from chat_client.link import Back, Backoff, Link, Lost
from chat_client.tls import SecureSocket, Tls, secure
from chat_client.transport import Disconnected
from chat_schema import events, requests
from chat_schema.framing import encode_frame
from chat_server import ChatServer, config
from chat_server.certificate import Made, make
from tests.support.client_proxy import Wire
from tests.support.peer import PATIENCE
from tests.support.program import run_program
from tests.support.secure import context_of
from tests.support.terminal import Terminal

MANY = 1500
"""Messages that each of two clients says at once."""


def serving(made: Made | None, *, port: int = 0, **tls: Any) -> ChatServer:
    """A server with this certificate, not started."""
    if made is not None:
        tls |= {"cert": str(made.cert), "key": str(made.key)}
    values = {"server": {"port": port, "data": config.MEMORY}, "tls": tls}
    return ChatServer(config.Settings.model_validate(values), unlimited=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A certificate for this machine."""
    return make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(made: Made) -> Iterator[ChatServer]:
    """A server that offers TLS."""
    with serving(made) as server:
        yield server


@pytest.fixture
def verified(made: Made) -> Tls:
    """How to trust that server."""
    return Tls(ca=made.cert)


@pytest.fixture
def pinned(tmp_path: Path) -> Tls:
    """Trust on first use, with a file of the test's own."""
    return Tls("pin", pins=tmp_path / "pins")


def refusal(port: int, tls: Tls | None, host: str = "127.0.0.1") -> Disconnected:
    """Why no conversation begins there."""
    with pytest.raises(Disconnected) as refused:
        Client(host, port, tls=tls)
    return refused.value


# Whom it trusts


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_an_authority_vouches_for_is_spoken_to(
    server: ChatServer, verified: Tls, host: str
) -> None:
    """By its name or its address; what is said is encrypted."""
    with Wire(server.address) as wire, Client(host, wire.address[1], tls=verified) as client:
        client.join("dev")
        assert client.say("dev", "safe").seq > 0


def test_a_certificate_nobody_vouches_for_is_refused_with_two_ways_out(server: ChatServer) -> None:
    """The system's authorities do not know it."""
    refused = refusal(server.address[1], Tls())
    assert refused.code == "connection.untrusted"
    assert "--tls-ca" in refused.message
    assert "--tls-pin" in refused.message


def test_the_certificate_of_another_authority_is_refused(
    server: ChatServer, tmp_path: Path
) -> None:
    """A file of authorities is instead of the system's, and means these alone."""
    refused = refusal(server.address[1], Tls(ca=make(tmp_path).cert))
    assert (refused.code, "--tls-pin" in refused.message) == ("connection.untrusted", True)


def test_a_certificate_for_another_name_is_refused(made: Made, verified: Tls) -> None:
    """An address of this machine that is not in it."""
    values = {
        "server": {"host": "0.0.0.0", "port": 0, "data": config.MEMORY},
        "tls": {"cert": str(made.cert), "key": str(made.key)},
    }
    with ChatServer(config.Settings.model_validate(values)) as server:
        refused = refusal(server.address[1], verified, "127.0.0.2")
    assert refused.code == "connection.untrusted"
    assert "for another name" in refused.message


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """Its operator has to act; no option is offered for it."""
    made = make(tmp_path, days=-0.02)
    with serving(made) as server:
        refused = refusal(server.address[1], Tls(ca=made.cert))
    assert refused.code == "connection.untrusted"
    assert "has expired" in refused.message
    assert "--tls" not in refused.message


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_told(
    server: ChatServer, tmp_path: Path, text: str | None
) -> None:
    """By its name, not as a fault of the server."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    refused = refusal(server.address[1], Tls(ca=file))
    assert refused.code == "connection.untrusted"
    assert str(file) in refused.message


# Pins


def test_the_first_key_is_told_and_the_same_is_trusted(
    server: ChatServer, made: Made, pinned: Tls
) -> None:
    """Once; without asking any authority."""
    told: list[str] = []
    pinned = replace(pinned, on_first=told.append)
    for _ in range(2):
        with Client(port=server.address[1], tls=pinned) as client:
            client.ping()
    [line] = told
    assert made.fingerprint in line
    assert f"127.0.0.1:{server.address[1]}" in line


def test_a_changed_key_ends_it_before_a_word_was_said(
    server: ChatServer, made: Made, pinned: Tls, tmp_path: Path
) -> None:
    """Both keys and the file are in the message; the first stays the one that is trusted."""
    other = make(tmp_path / "other")
    with Wire(server.address) as wire, serving(other) as stranger:
        Client(port=wire.address[1], tls=pinned).close()
        wire.behind = stranger.address
        refused = refusal(wire.address[1], pinned)
        assert refused.code == "connection.untrusted"
        for part in (made.fingerprint, other.fingerprint, str(pinned.pins)):
            assert part in refused.message
        wire.behind = server.address
        Client(port=wire.address[1], tls=pinned).close()


def test_a_file_of_pins_that_cannot_be_used_ends_it(server: ChatServer, tmp_path: Path) -> None:
    """A disk that is full or locked is no reason to trust anybody."""
    refused = refusal(server.address[1], Tls("pin", pins=tmp_path))
    assert refused.code == "connection.untrusted"
    assert str(tmp_path) in refused.message


# Where there is no TLS, and where it is required


def test_a_server_without_tls_is_told_as_that(verified: Tls) -> None:
    """Not as somebody who cannot be trusted: it can be tried again."""
    with serving(None) as server:
        refused = refusal(server.address[1], verified)
    assert refused.code == "connection.refused"
    assert "offers no TLS: leave --tls out" in refused.message


def answered_with(answer: bytes, tls: Tls) -> Disconnected:
    """Why no conversation begins where this is the answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        refused = refusal(listener.getsockname()[1], tls)
        thread.join()
    return refused


def test_what_a_server_says_without_tls_is_passed_on(verified: Tls) -> None:
    """A full one turns people away before it knows what they speak."""
    error = b'{"type":"error","code":"server.full","message":"There is no room."}'
    refused = answered_with(encode_frame(error), verified)
    assert refused.code == "connection.refused"
    assert refused.message.endswith("answered without TLS: There is no room.")


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"\0\0\0\x02{}", b"\0\0", b""])
def test_whatever_answers_instead_ends_in_a_message(answer: bytes, verified: Tls) -> None:
    """Also where it makes no sense at all."""
    refused = answered_with(answer, verified)
    assert refused.code == "connection.refused"
    assert "127.0.0.1" in refused.message


def test_a_server_that_says_nothing_is_not_waited_for_longer_than_asked(verified: Tls) -> None:
    """The handshake is part of the connection's patience."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(Disconnected) as refused:
            Client(port=listener.getsockname()[1], tls=verified, patience=0.1)
    assert refused.value.code == "connection.refused"
    assert "timed out" in refused.value.message


def test_a_plain_client_hears_that_tls_is_required(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the words that help."""
    monkeypatch.setattr("chat_server.net.tls._is_loopback", lambda address: False)
    with serving(made, required=True) as server:
        refused = refusal(server.address[1], None)
    assert refused.code == "tls.required"
    assert "--tls" in refused.message


# Both ways at once, and again


def test_two_who_talk_at_full_speed_both_ways_lose_nothing(
    server: ChatServer, verified: Tls
) -> None:
    """Each writes on one thread while it reads on another: nothing is lost, doubled or garbled."""
    heard: dict[str, list[str]] = {"ann": [], "bob": []}
    clients = {}
    for nick, mine in heard.items():

        def take(event: Event, mine: list[str] = mine) -> None:
            if isinstance(event, events.Broadcast):
                mine.append(event.text)

        clients[nick] = Client(port=server.address[1], nick=nick, on_event=take, tls=verified)
        clients[nick].join("dev")

    def talk(nick: str) -> list[Future[Any]]:
        return [
            clients[nick].submit(requests.Broadcast(room="dev", text=f"{nick} {n} {'x' * 1500}"))
            for n in range(MANY)
        ]

    answers: dict[str, list[Future[Any]]] = {}
    threads = [
        threading.Thread(target=lambda nick=nick: answers.update({nick: talk(nick)}))
        for nick in heard
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for nick in heard:
        seqs = [future.result(PATIENCE).seq for future in answers[nick]]
        assert seqs == sorted(set(seqs))
    for nick, client in clients.items():
        client.ping()
        client.close()
        for author in heard:
            said = [text for text in heard[nick] if text.startswith(author)]
            assert said == [f"{author} {n} {'x' * 1500}" for n in range(MANY)]
    assert heard["ann"] == heard["bob"]


def test_a_connection_that_was_cut_is_made_again_over_tls(
    server: ChatServer, verified: Tls
) -> None:
    """The same way, and what was said meanwhile is not missed."""
    links: queue.Queue[Link] = queue.Queue()
    quick = Backoff(60, random=lambda: 0.0)
    with Wire(server.address) as wire, Client(port=server.address[1], tls=verified) as bob:
        bob.join("dev")
        with Client(port=wire.address[1], on_link=links.put, backoff=quick, tls=verified) as ann:
            ann.join("dev")
            for number in range(3):
                wire.cut()
                assert isinstance(links.get(timeout=PATIENCE), Lost)
                bob.say("dev", str(number))
                assert isinstance(links.get(timeout=PATIENCE), Back)
            ann.ping()
            texts = [e.text for e in ann.events(0) if isinstance(e, events.Broadcast)]
            assert texts == ["0", "1", "2"]
        assert wire.connections == 4


def test_a_server_that_shows_another_key_on_coming_back_is_not_tried_again(
    server: ChatServer, pinned: Tls, tmp_path: Path
) -> None:
    """The conversation ends; the token of the stay was not told to the stranger."""
    ended: queue.Queue[Disconnected] = queue.Queue()
    with Wire(server.address) as wire, serving(make(tmp_path / "other")) as stranger:
        client = Client(
            port=wire.address[1],
            on_end=ended.put,
            backoff=Backoff(60, random=lambda: 0.0),
            tls=pinned,
        )
        wire.behind = stranger.address
        wire.cut()
        assert ended.get(timeout=PATIENCE).code == "connection.untrusted"
        assert wire.connections == 2
        client.close()


# The socket that two threads use


class End:
    """The two ends of a pair: our SecureSocket, and a server's TLS in memory."""

    def __init__(self, made: Made) -> None:
        ours, self.theirs = socket.socketpair()
        context = context_of(made)._context
        assert context is not None
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.machine = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        thread = threading.Thread(target=self._shake_hands)
        thread.start()
        self.line = secure(ours, ("localhost", 1), PATIENCE, Tls(ca=made.cert))
        thread.join()

    def _shake_hands(self) -> None:
        while True:
            self.incoming.write(self.theirs.recv(65536))
            try:
                self.machine.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.theirs.sendall(self.outgoing.read())

    def encrypted(self, data: bytes) -> bytes:
        """What the server would send."""
        self.machine.write(data)
        return self.outgoing.read()

    def close(self) -> None:
        """Be gone."""
        self.line.close()
        self.theirs.close()


@pytest.fixture
def end(made: Made) -> Iterator[End]:
    """Two ends that have shaken hands."""
    end = End(made)
    yield end
    end.close()


def read_once(line: SecureSocket) -> bytes | None:
    """One read; None where it brings nothing yet."""
    try:
        return line.recv(65536)
    except BlockingIOError:
        return None


def test_a_part_of_a_record_brings_nothing_and_is_no_end(end: End) -> None:
    """Who reads goes on waiting, for something else too."""
    data = end.encrypted(b"hello")
    end.theirs.sendall(data[:7])
    assert read_once(end.line) is None
    assert not end.line.ready
    end.theirs.sendall(data[7:])
    assert read_once(end.line) == b"hello"


def test_many_records_in_one_read_are_all_returned(end: End) -> None:
    """Nothing stays inside of which poll would not tell."""
    end.theirs.sendall(b"".join(end.encrypted(b"%03d" % n) for n in range(100)))
    assert read_once(end.line) == b"".join(b"%03d" % n for n in range(100))
    assert not end.line.ready


def test_an_end_behind_data_is_ready_at_once(end: End) -> None:
    """Although the socket below stays open and says nothing."""
    data = end.encrypted(b"bye")
    with pytest.raises(ssl.SSLError):
        end.machine.unwrap()
    end.theirs.sendall(data + end.outgoing.read())
    assert read_once(end.line) == b"bye"
    assert end.line.ready
    assert read_once(end.line) == b""


def test_what_was_tampered_with_is_an_error_after_what_was_sound(end: End) -> None:
    """As a broken connection, not as an end."""
    bad = bytearray(end.encrypted(b"good") + end.encrypted(b"bad"))
    bad[-1] ^= 1
    end.theirs.sendall(bad)
    assert read_once(end.line) == b"good"
    with pytest.raises(OSError, match="not sound"):
        read_once(end.line)


class Guarded:
    """A TLS machine that notes when it is used without its lock."""

    def __init__(self, line: SecureSocket) -> None:
        self._machine, self._lock = line._machine, line._lock
        self.used: list[str] = []
        self.unguarded: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.used.append(name)
        if not self._lock.locked():
            self.unguarded.append(name)
        return getattr(self._machine, name)


def test_no_two_threads_are_in_the_machine_at_once(end: End) -> None:
    """Whatever is done with it is done under its lock."""
    guarded = Guarded(end.line)
    end.line._machine = guarded  # type: ignore[assignment]
    end.theirs.sendall(end.encrypted(b"hello"))
    assert read_once(end.line) == b"hello"
    end.line.sendall(b"hello")
    end.line.shutdown(socket.SHUT_RDWR)
    assert {"read", "pending", "write", "unwrap"} == set(guarded.used)
    assert guarded.unguarded == []


def test_reading_does_not_wait_for_a_writer_that_is_stuck(end: End) -> None:
    """A server that has stopped reading us can still tell us why."""
    started = threading.Event()

    def write() -> None:
        started.set()
        with contextlib.suppress(OSError):  # it comes loose at the end
            end.line.sendall(b"x" * 64 * 2**20)

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(PATIENCE)
    for number in range(50):
        end.theirs.sendall(end.encrypted(b"%d" % number))
        assert read_once(end.line) == b"%d" % number
    end.line.shutdown(socket.SHUT_RDWR)
    writer.join(PATIENCE)
    assert not writer.is_alive()


def test_who_closes_says_goodbye_in_tls(end: End) -> None:
    """The server can tell it from a cut."""
    end.line.shutdown(socket.SHUT_RDWR)
    end.incoming.write(end.theirs.recv(65536))
    assert end.machine.read(100) == b""


# The command


def test_the_command_verifies_pins_and_says_77(
    server: ChatServer, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the three options, and a key that changed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Wire(server.address) as wire, serving(make(tmp_path / "other")) as stranger:
        port = ["--port", str(wire.address[1])]
        untrusted = run_program("chat-client", *port, "--tls", text="x\n")
        assert (untrusted.returncode, "--tls-pin" in untrusted.stderr) == (77, True)
        sound = run_program("chat-client", *port, "--tls-ca", str(made.cert), text="x\n")
        assert (sound.returncode, sound.stderr) == (0, "")
        first = run_program("chat-client", *port, "--tls-pin", text="x\n")
        assert (first.returncode, made.fingerprint in first.stderr) == (0, True)
        again = run_program("chat-client", *port, "--tls-pin", text="x\n")
        assert (again.returncode, again.stderr) == (0, "")
        wire.behind = stranger.address
        changed = run_program("chat-client", *port, "--tls-pin", text="x\n")
        assert changed.returncode == 77
        assert made.fingerprint in changed.stderr
        assert str(tmp_path / "typed-chat" / "pins") in changed.stderr


def test_two_ways_to_trust_are_one_too_many(server: ChatServer) -> None:
    """A usage error, before anything is connected."""
    done = run_program("chat-client", "--tls", "--tls-pin")
    assert (done.returncode, "use it alone" in done.stderr) == (2, True)


def test_at_a_terminal_a_cut_connection_comes_back_over_tls(server: ChatServer, made: Made) -> None:
    """As over a plain one."""
    with Wire(server.address) as wire:
        options = ("--port", str(wire.address[1]), "--nick", "alice", "--tls-ca", str(made.cert))
        with Terminal("chat-client", *options) as alice:
            alice.wait_for_text("[alice #lobby]")
            wire.cut()
            alice.wait_for_text("-- back after")
            alice.type("here\r")
            alice.wait_for_text("<alice> here ✓")
