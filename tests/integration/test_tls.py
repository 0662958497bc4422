"""TLS on real sockets: OpenSSL's own client, hostile ones, many, and the certificate replaced."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chat_schema.framing import HEADER, encode_frame
from chat_server import ChatServer, config
from chat_server.certificate import Made, make
from tests.support.peer import PATIENCE, Closed, Frame, Peer, kinds
from tests.support.program import ServerProgram, run_program
from tests.support.secure import MemoryClient, OpenSsl, SecurePeer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A certificate for this machine."""
    return make(tmp_path_factory.mktemp("certificate"))


def settings_of(made: Made, **sections: dict[str, Any]) -> config.Settings:
    """Settings with this certificate."""
    server = {"port": 0, "data": config.MEMORY, **sections.pop("server", {})}
    tls = {"cert": str(made.cert), "key": str(made.key), **sections.pop("tls", {})}
    return config.Settings.model_validate({"server": server, "tls": tls, **sections})


@pytest.fixture(params=[1, 3], ids=["one loop", "three loops"])
def server(request: pytest.FixtureRequest, made: Made) -> Iterator[ChatServer]:
    """A server that offers TLS, with one loop and with several."""
    settings = settings_of(made, server={"io_threads": request.param})
    with ChatServer(settings, unlimited=True) as server:
        yield server
        assert server.telemetry.counts().get("incidents", 0) == 0


def body(type_: str, **fields: Any) -> bytes:
    """A request as a frame."""
    return encode_frame(json.dumps({"type": type_, **fields}).encode())


def frames_in(data: bytes) -> list[Frame]:
    """The frames that are whole."""
    frames = []
    while len(data) >= HEADER and len(data) >= HEADER + (size := int.from_bytes(data[:4], "big")):
        frames.append(json.loads(data[HEADER : HEADER + size]))
        data = data[HEADER + size :]
    return frames


# OpenSSL's own client


def test_openssl_speaks_frames(server: ChatServer) -> None:
    """The handshake is TLS 1.3, and what it sends and hears are whole frames."""
    with OpenSsl(server.address, "-tls1_3", "-quiet") as client:
        client.write(body("hello", id="1", nick="ossl") + body("join", id="2", room="dev"))
        client.write(body("broadcast", id="3", room="dev", text="x" * 4000))
        data = client.read_until(b'"re":"3"')
        client.write(body("quit", id="4"))
        data += client.read_until(b'"type":"bye"')
    assert [f["re"] for f in frames_in(data) if "re" in f] == ["1", "2", "3", "4"]


def test_openssl_finds_the_certificate_sound(server: ChatServer, made: Made) -> None:
    """With strict verification, for the name and with itself as the authority."""
    options = ["-CAfile", str(made.cert), "-verify_return_error", "-x509_strict"]
    with OpenSsl(server.address, *options, "-verify_hostname", "localhost") as client:
        client.write(body("quit", id="1"))
        said = client.read_until(b'"type":"bye"')
    assert b"Verify return code: 0 (ok)" in said
    assert b"TLSv1.3" in said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_1", "-tls1"])
def test_older_tls_is_refused(server: ChatServer, version: str) -> None:
    """In the handshake, and openssl says why."""
    with OpenSsl(server.address, version, "-cipher", "ALL:@SECLEVEL=0") as client:
        _, errors = client.finish()
    assert b"alert protocol version" in errors
    assert client.process.returncode == 1


def test_keys_may_be_changed_in_the_middle(server: ChatServer) -> None:
    """`K` has openssl ask for new keys both ways; the conversation goes on."""
    with OpenSsl(server.address, "-tls1_3") as client:
        client.write(body("hello", id="1"))
        client.read_until(b'"re":"1"')
        for number in range(2, 6):
            client.write(b"K\n")
            client.errors_until(b"KEYUPDATE")
            client.write(body("ping", id=str(number)))
            client.read_until(b'"re":"%d"' % number)


# The first byte


def test_one_port_serves_both(server: ChatServer) -> None:
    """They meet in a room."""
    with SecurePeer.welcomed(server.address, "safe") as safe:
        with Peer.welcomed(server.address, "plain") as plain:
            safe.ask("join", room="dev")
            plain.ask("join", room="dev")
            plain.ask("broadcast", room="dev", text="to all")
            assert kinds(safe.heard()) == ["join", "broadcast"]


def test_the_first_byte_decides_however_few_come_with_it(server: ChatServer) -> None:
    """Byte by byte, plain and TLS."""
    with Peer(server.address) as plain, Peer(server.address) as secure:
        for octet in body("hello", id="1"):
            plain.socket.sendall(bytes([octet]))
        client = MemoryClient()
        carry_all(secure.socket, client, by=1)
        secure.socket.sendall(client.say(body("hello", id="1")))
        until(secure.socket, client, b'"re":"1"')
        assert plain.receive()["type"] == "welcome"
        assert frames_in(bytes(client.heard))[0]["type"] == "welcome"


@pytest.mark.parametrize(
    "opening", [b"\x16GET / HTTP/1.1\r\n\r\n", b"\x16" * 500, b"\x16\x03\x01\x00\x02\x01\x00"]
)
def test_garbage_that_begins_like_tls_is_closed_at_once(server: ChatServer, opening: bytes) -> None:
    """With nothing but an alert, long before the deadline for hello."""
    with Peer(server.address) as peer:
        peer.socket.sendall(opening)
        if opening.endswith(b"\x01\x00"):
            peer.socket.shutdown(socket.SHUT_WR)  # a record that is sound so far
        assert rest_of(peer.socket)[:1] in (b"", b"\x15")


def test_a_plain_client_from_elsewhere_is_told_what_is_required(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error and a bye, before its hello is read; TLS is welcome, and this machine."""
    with ChatServer(settings_of(made, tls={"required": True})) as server:
        with Peer.welcomed(server.address):
            pass
        monkeypatch.setattr("chat_server.net.tls._is_loopback", lambda address: False)
        with Peer(server.address) as plain:
            plain.send("hello", id="1")
            error, bye = plain.rest()
        assert (error["type"], error["code"], error["fatal"]) == ("error", "tls.required", True)
        assert (bye["type"], bye["code"], bye["reconnect"]) == ("bye", "tls.required", "never")
        with SecurePeer.welcomed(server.address, "safe") as safe:
            assert safe.ask("ping")["type"] == "ok"


# The conversation


def test_a_big_page_of_history_comes_whole(server: ChatServer) -> None:
    """Half a mebibyte and more in one frame: some forty records, read as they come."""
    with SecurePeer.welcomed(server.address) as peer:
        peer.ask("join", room="dev")
        for number in range(200):
            peer.ask("broadcast", room="dev", text=f"{number:03}" * 1333)
        page = peer.ask("history", room="dev", limit=200)
        last = int(page["events"][-1]["text"][:3])
        numbers = [int(event["text"][:3]) for event in page["events"]]
        assert numbers == list(range(last - len(numbers) + 1, 200))
        assert sum(len(event["text"]) for event in page["events"]) > 400_000


def test_a_flood_both_ways_loses_nothing(server: ChatServer) -> None:
    """A thousand requests without reading, then a thousand answers, in order."""
    with SecurePeer.welcomed(server.address) as peer:
        pings = [body("ping", id=str(number)) for number in range(1000)]
        peer.socket.sendall(b"".join(pings))
        assert [peer.receive()["re"] for _ in pings] == [str(n) for n in range(1000)]


def test_a_client_that_never_reads_over_tls_is_given_up(made: Made) -> None:
    """Over the hard limit, as a plain one; the room goes on."""
    limits = {"outbox_soft": 16 * 1024, "outbox_hard": 64 * 1024}
    with ChatServer(settings_of(made, limits=limits), unlimited=True) as server:
        with SecurePeer.welcomed(server.address, "deaf") as deaf:
            with Peer.welcomed(server.address) as loud:
                talk_until_gone(loud, deaf)
                assert server.telemetry.counts()["closed.client.slow"] == 1
                assert loud.ask("users", room="dev")["count"] == 1


def test_a_client_that_stalls_with_little_waiting_is_closed(made: Made) -> None:
    """Without a byte taken in the time allowed, even where the soft limit is far away."""
    limits = {"outbox_soft": 32 * 2**20, "outbox_hard": 64 * 2**20, "outbox_stall": 0.3}
    with ChatServer(settings_of(made, limits=limits), unlimited=True) as server:
        with SecurePeer.welcomed(server.address, "deaf") as deaf:
            with Peer.welcomed(server.address) as loud:
                talk_until_gone(loud, deaf)
                assert server.telemetry.counts()["closed.client.slow"] == 1


def test_two_hundred_talk_over_tls(server: ChatServer) -> None:
    """Each hears everybody, in one order."""
    with ExitStack() as stack:
        peers = [
            stack.enter_context(SecurePeer.welcomed(server.address, f"p{number}"))
            for number in range(200)
        ]
        for peer in peers:
            peer.ask("join", room="dev")
        for number, peer in enumerate(peers[:10]):
            peer.ask("broadcast", room="dev", text=str(number))
        texts = [f["text"] for f in peers[150].heard() if f["type"] == "broadcast"]
        assert texts == [str(number) for number in range(10)]
        heard = [[f for f in p.heard() if f["type"] == "broadcast"] for p in peers[151:]]
        assert all([f["text"] for f in frames] == texts for frames in heard)


# The ends


def test_a_half_closed_client_gets_its_answers_and_a_goodbye(server: ChatServer) -> None:
    """What was asked in the last segment, before `close_notify`, is answered; nothing is cut."""
    with Peer(server.address) as peer:
        client = MemoryClient()
        carry_all(peer.socket, client)
        asked = body("hello", id="1") + body("join", id="2", room="dev") + body("ping", id="3")
        peer.socket.sendall(client.say(asked) + client.goodbye())
        client.take(rest_of(peer.socket))
        frames = frames_in(bytes(client.heard))
    assert [frame["re"] for frame in frames if "re" in frame] == ["1", "2", "3"]
    assert (frames[-1]["type"], frames[-1]["code"]) == ("bye", "client.quit")
    assert client.told


def test_a_stop_tells_who_is_there_and_waits_for_no_handshake(made: Made) -> None:
    """The welcomed get their bye and a goodbye in TLS; who is half-way is cut off."""
    server = ChatServer(settings_of(made))
    server.start()
    with SecurePeer.welcomed(server.address) as peer, Peer(server.address) as half:
        half.socket.sendall(MemoryClient().out())
        assert half.socket.recv(1) == b"\x16"
        server.stop(PATIENCE)
        assert [frame["code"] for frame in peer.rest()] == ["server.shutdown"]
        assert b"server.shutdown" not in rest_of(half.socket)


def test_resets_at_every_point_of_the_handshake_leave_nothing(server: ChatServer) -> None:
    """Every connection is let go, and with its descriptor."""
    opening = MemoryClient().out()
    for size in [*range(0, len(opening), 40), len(opening)]:
        with socket.create_connection(server.address, PATIENCE) as sock:
            sock.sendall(opening[:size])
            if size == len(opening):
                assert sock.recv(1) == b"\x16"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server._door.wait_empty(PATIENCE)
    assert all(not loop.connections for loop in server._loops)


def test_a_handshake_that_stands_still_ends_at_the_deadline(made: Made) -> None:
    """And meanwhile others come in: nobody waits for it."""
    with ChatServer(settings_of(made, limits={"hello_timeout": 0.3})) as server:
        with Peer(server.address) as half:
            half.socket.sendall(MemoryClient().out()[:100])
            with SecurePeer.welcomed(server.address) as peer:
                assert peer.ask("ping")["type"] == "ok"
            assert rest_of(half.socket) == b""


# The certificate


def test_a_certificate_is_replaced_without_dropping_anybody(tmp_path: Path) -> None:
    """At SIGHUP: who is there stays, who comes sees the new one; a bad one changes nothing."""
    made = make(tmp_path / "one")
    other = make(tmp_path / "two")
    options = ["--data", ":memory:", "--tls-cert", str(made.cert), "--tls-key", str(made.key)]
    with ServerProgram(*options) as server, SecurePeer.welcomed(server.address) as peer:
        assert shown(server.address) == der(made)
        old = der(made)
        other.cert.replace(made.cert)  # and not yet its key
        hang_up(server, "nothing was reloaded")
        assert shown(server.address) == old
        other.key.replace(made.key)
        hang_up(server, "reloaded")
        assert shown(server.address) == der(made) != old
        assert peer.ask("ping")["type"] == "ok"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--tls-cert", "{folder}/none.pem"], "cannot read {folder}/none.pem: No such file"),
        (["--tls-cert", "{folder}/cert.pem"], "no certificate with its key, in PEM, is in"),
        (["--config", "{folder}/required.toml"], "tls.required needs a certificate"),
    ],
)
def test_a_server_whose_certificate_cannot_be_used_does_not_start(
    tmp_path: Path, option: list[str], words: str
) -> None:
    """One line that says which and why, and 78."""
    make(tmp_path)
    (tmp_path / "required.toml").write_text("[tls]\nrequired = true\n")
    given = [part.format(folder=tmp_path) for part in option]
    done = run_program("chat-server", "run", "--port", "0", "--data", ":memory:", *given)
    assert done.returncode == 78
    assert done.stderr.startswith("chat-server: " + words.format(folder=tmp_path))
    assert done.stderr.count("\n") == 1


def test_cert_dev_prints_the_commands_that_use_it(tmp_path: Path) -> None:
    """They work as they are printed; the key is its owner's alone; nothing is ever replaced."""
    done = run_program("chat-server", "cert", "dev", "--dir", str(tmp_path / "new"))
    fingerprint, serve, chat = done.stdout.splitlines()
    assert fingerprint.startswith("key SHA256:")
    assert (tmp_path / "new" / "key.pem").stat().st_mode & 0o777 == 0o600
    with ServerProgram("--data", ":memory:", *serve.split()[2:]) as server:
        options = [*chat.split()[1:], "--port", str(server.address[1])]
        said = run_program("chat-client", *options, text="safe\n")
    assert (said.returncode, said.stderr) == (0, "")
    again = run_program("chat-server", "cert", "dev", "--dir", str(tmp_path / "new"))
    assert again.returncode == 73
    assert "is there already" in again.stderr


# What the tests do again and again


def carry_all(sock: socket.socket, client: MemoryClient, by: int = 65536) -> None:
    """Do the handshake on a socket, sending so many bytes at a time."""
    while not client.shaken:
        data = client.out()
        for start in range(0, len(data), by):
            sock.sendall(data[start : start + by])
        client.take(sock.recv(65536))
    sock.sendall(client.out())


def until(sock: socket.socket, client: MemoryClient, mark: bytes) -> None:
    """Read until this was heard."""
    while mark not in client.heard:
        client.take(sock.recv(65536))


def rest_of(sock: socket.socket) -> bytes:
    """Everything up to the end of the stream, also an end by reset."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def talk_until_gone(loud: Peer, deaf: Peer) -> None:
    """Talk in a room until the one who does not read is gone from it."""
    for peer in (deaf, loud):
        peer.ask("join", room="dev")
    for _ in range(10_000):
        if "leave" in kinds(loud.ask_all("broadcast", room="dev", text="x" * 4000)):
            return
    raise Closed


def shown(address: tuple[str, int]) -> bytes:
    """The certificate a newcomer is shown, as DER."""
    with SecurePeer.welcomed(address) as peer:
        assert isinstance(peer.socket, ssl.SSLSocket)
        return peer.socket.getpeercert(binary_form=True) or b""


def der(made: Made) -> bytes:
    """The certificate in the file."""
    return ssl.PEM_cert_to_DER_cert(made.cert.read_text())


def hang_up(server: ServerProgram, mark: str) -> None:
    """Have it read its settings again, and wait until it says this."""
    server.process.send_signal(signal.SIGHUP)
    while mark not in (line := server.errors.readline()):
        assert line, "it ended"
