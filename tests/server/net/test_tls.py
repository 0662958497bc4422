"""TLS below a connection: the first byte, every cut of the bytes, slow clients, and the ends."""

from __future__ import annotations

import errno
import gc
import selectors
import ssl
import weakref
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema.framing import encode_frame
from chat_server.certificate import Made, make
from chat_server.net.connection import Connection, State
from chat_server.net.handler import Fault
from chat_server.net.tls import TlsContext, TlsRefused, TlsSocket
from tests.support.clock import ManualTime
from tests.support.hand_loop import HandLoop, hand_loop
from tests.support.scripted_handler import ScriptedHandler
from tests.support.secure import MemoryClient, client_context, context_of
from tests.support.sockets import UNLIMITED, FakeSocket
from tests.support.terms import SMALL_TERMS as TERMS

ELSEWHERE = "192.0.2.1"


class Line:
    """A connection on a fake socket that is offered TLS, and the client at its other end."""

    def __init__(
        self, loop: HandLoop, tls: TlsContext, *, address: str = ELSEWHERE, room: int = UNLIMITED
    ) -> None:
        self.loop = loop
        self.sock = loop.selector.introduce(FakeSocket())
        self.sock.room = room
        self.connection = Connection(
            self.sock.as_socket, address, loop, TERMS, ScriptedHandler, tls
        )
        self.handler = cast(ScriptedHandler, self.connection.handler)
        loop.adopt(self.connection)
        self.client = MemoryClient()
        self._carried = 0

    def arrive(self, *chunks: bytes | OSError) -> None:
        """Let each chunk arrive in a tick of its own."""
        for chunk in chunks:
            self.sock.incoming.append(chunk)
            self.loop.tick()

    def carry(self) -> None:
        """Take what the server has sent to the client."""
        sent = bytes(self.sock.sent[self._carried :])
        self._carried += len(sent)
        if sent:
            self.client.take(sent)

    def shake_hands(self) -> None:
        """Do the whole handshake, and be welcome."""
        self.arrive(self.client.out())
        self.carry()
        self.arrive(self.client.out())
        self.connection.welcomed()

    @property
    def interest(self) -> int:
        """What the loop watches for."""
        return self.loop.selector.interest(self.sock)


@pytest.fixture
def loop() -> Iterator[HandLoop]:
    """A loop that is ticked by hand."""
    with hand_loop(ManualTime()) as loop:
        yield loop


@pytest.fixture
def fresh(loop: HandLoop, made: Made) -> Line:
    """A connection of which nothing is known yet."""
    return Line(loop, context_of(made))


@pytest.fixture
def secure(fresh: Line) -> Line:
    """A connection with the handshake behind it."""
    fresh.shake_hands()
    return fresh


def frames(*bodies: str) -> bytes:
    """These bodies as frames in a row."""
    return b"".join(encode_frame(body.encode()) for body in bodies)


# The first byte


def test_a_frame_is_a_frame_also_where_tls_is_offered(fresh: Line) -> None:
    """Byte by byte, and afterwards nothing stands between the connection and its socket."""
    fresh.arrive(*(bytes([octet]) for octet in frames("{}", '{"a":1}')))
    assert fresh.handler.heard == ["{}", '{"a":1}']
    assert not fresh.connection.secure
    assert fresh.connection._recv == fresh.sock.recv
    assert fresh.connection.outbox._send == fresh.sock.send


def test_tls_that_comes_byte_by_byte_is_tls(fresh: Line) -> None:
    """The handshake, then a frame; before it nothing is called secure."""
    fresh.arrive(*(bytes([octet]) for octet in fresh.client.out()))
    assert not fresh.connection.secure
    fresh.carry()
    data = fresh.client.out() + fresh.client.say(frames("{}"))
    fresh.arrive(*(bytes([octet]) for octet in data))
    assert fresh.handler.heard == ["{}"]
    assert fresh.connection.secure


def test_without_a_certificate_tls_is_a_frame_that_is_too_large(loop: HandLoop) -> None:
    """As any other protocol."""
    line = Line(loop, TlsContext(None))
    line.arrive(line.client.out())
    assert [fault for fault, _, _ in line.handler.faults] == [Fault.TOO_LARGE]


@pytest.mark.parametrize("address", [ELSEWHERE, "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_where_tls_is_required_plain_clients_elsewhere_are_turned_away(
    loop: HandLoop, made: Made, address: str
) -> None:
    """With the fault that says so, before anything they ask is heard."""
    line = Line(loop, context_of(made, required=True), address=address)
    line.arrive(frames("{}"))
    assert [fault for fault, _, _ in line.handler.faults] == [Fault.PLAIN]
    assert line.handler.heard == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_where_tls_is_required_this_machine_may_do_without(
    loop: HandLoop, made: Made, address: str
) -> None:
    """Nobody can read along there."""
    line = Line(loop, context_of(made, required=True), address=address)
    line.arrive(frames("{}"))
    assert line.handler.heard == ["{}"]


def test_tls_is_welcome_where_it_is_required(loop: HandLoop, made: Made) -> None:
    """From anywhere."""
    line = Line(loop, context_of(made, required=True))
    line.shake_hands()
    line.arrive(line.client.say(frames("{}")))
    assert line.handler.heard == ["{}"]


# The handshake


@pytest.mark.parametrize("room", [1, 7, 300])
def test_a_handshake_that_the_kernel_takes_by_pieces_comes_through(
    loop: HandLoop, made: Made, room: int
) -> None:
    """Writing while reading waits for room, and for no longer than that."""
    line = Line(loop, context_of(made), room=0)
    line.arrive(line.client.out())
    assert line.interest & selectors.EVENT_WRITE
    while line.interest & selectors.EVENT_WRITE:
        line.sock.room = room
        line.loop.tick()
    line.sock.room = UNLIMITED
    line.carry()
    line.arrive(line.client.out(), line.client.say(frames("{}")))
    assert line.handler.heard == ["{}"]
    assert line.interest == selectors.EVENT_READ


@pytest.mark.parametrize(
    "opening",
    [b"\x16GET / HTTP/1.1\r\n\r\n", b"\x16" * 100, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"],
)
def test_garbage_after_the_first_byte_ends_it_at_once(fresh: Line, opening: bytes) -> None:
    """With an alert, if anything, and nothing left behind."""
    fresh.arrive(opening)
    assert fresh.handler.reasons == ["tls"]
    assert fresh.sock.closed
    assert bytes(fresh.sock.sent[:1]) in (b"", b"\x15")
    assert fresh.loop.gone == [ELSEWHERE]


def test_tls_1_2_is_refused_in_its_own_words(fresh: Line) -> None:
    """An alert that names the version."""
    fresh.client = MemoryClient(client_context(ssl.TLSVersion.TLSv1_2))
    fresh.arrive(fresh.client.out())
    fresh.carry()
    assert fresh.client.error is not None
    assert "PROTOCOL_VERSION" in str(fresh.client.error.reason)
    assert fresh.sock.closed


def test_a_handshake_that_does_not_end_is_closed_at_the_deadline_of_hello(fresh: Line) -> None:
    """At once, because nobody could be told anything."""
    fresh.arrive(fresh.client.out())
    fresh.loop.pass_time(TERMS.hello)
    assert [fault for fault, _, _ in fresh.handler.faults] == [Fault.HELLO_LATE]
    assert fresh.sock.closed
    assert fresh.loop.gone == [ELSEWHERE]


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("step", range(8))
def test_a_client_that_goes_in_the_middle_of_the_handshake_leaves_nothing(
    fresh: Line, step: int, reset: bool
) -> None:
    """Wherever it goes: in the first message, after it, in the second, after it."""
    first = fresh.client.out()
    fresh.arrive(first[: len(first) * min(step + 1, 4) // 4])
    if step >= 4:
        fresh.carry()
        second = fresh.client.out()
        fresh.arrive(second[: len(second) * (step - 3) // 4])
    line = fresh.connection._socket
    assert isinstance(line, TlsSocket)
    machine = weakref.ref(line._machine)
    del line
    fresh.sock.incoming.append(OSError(errno.ECONNRESET, "reset") if reset else b"")
    fresh.loop.pass_time(10)
    assert fresh.sock.closed
    assert fresh.loop.gone == [ELSEWHERE]
    assert fresh.handler.reasons != []
    gc.disable()
    try:
        del fresh.connection, fresh.handler
        assert machine() is None
    finally:
        gc.enable()


# Reading


def test_everything_that_was_decrypted_is_heard_at_once(secure: Line) -> None:
    """Many records in one read: what stays inside no selector would tell of."""
    bodies = [f'{{"n":{number}}}' for number in range(40)]
    secure.arrive(b"".join(secure.client.say(frames(body)) for body in bodies))
    assert secure.handler.heard == bodies


def test_a_record_in_two_parts_is_waited_for(secure: Line) -> None:
    """Without asking again and again for what is not here."""
    data = secure.client.say(frames("{}"))
    secure.arrive(data[:10])
    assert (secure.handler.heard, secure.interest) == ([], selectors.EVENT_READ)
    assert secure.loop.idle
    secure.arrive(data[10:])
    assert secure.handler.heard == ["{}"]


@given(cuts=st.lists(st.integers(0, 20_000), max_size=8), sizes=st.lists(st.integers(2, 3_000)))
def test_however_it_is_cut_what_was_said_is_heard(
    made: Made, cuts: list[int], sizes: list[int]
) -> None:
    """Segments know nothing of records, and records nothing of frames."""
    with hand_loop(ManualTime()) as loop:
        line = Line(loop, context_of(made))
        line.shake_hands()
        bodies = [f'"{"x" * (size - 2)}"' for size in sizes]
        data = line.client.say(frames(*bodies))
        places = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
        pieces = [data[a:b] for a, b in pairwise(places)]
        line.arrive(*pieces)
        assert line.handler.heard == bodies


def test_the_end_behind_the_last_frame_is_seen_in_the_same_tick(secure: Line) -> None:
    """`close_notify` in the same segment: the socket itself has nothing more to tell."""
    secure.arrive(secure.client.say(frames("{}")) + secure.client.goodbye())
    assert secure.handler.heard == ["{}", "(over)"]


def test_a_record_that_was_tampered_with_ends_it_after_what_was_sound(secure: Line) -> None:
    """The sound one before it, in the same segment, is heard."""
    bad = bytearray(secure.client.say(frames('{"bad":1}')))
    bad[-1] ^= 1
    good = MemoryClient()  # only to show that another's bytes are no better
    secure.arrive(bytes(bad), good.out())
    assert secure.handler.heard == []
    assert secure.handler.reasons == ["tls"]


def test_a_sound_record_before_a_broken_one_is_heard(secure: Line) -> None:
    """The fault is noticed in the same tick."""
    sound = secure.client.say(frames("{}"))
    secure.arrive(sound + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert secure.handler.heard == ["{}"]
    assert secure.handler.reasons == ["tls"]
    assert secure.sock.closed


# Writing


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 65_536, 65_537, 300_000])
def test_whatever_is_sent_arrives(secure: Line, size: int) -> None:
    """Of every size around that of a record and of a portion; a large one in a few sends."""
    secure.connection.outbox.hard_limit = 10**9
    data = bytes(number % 251 for number in range(size))
    before = len(secure.sock.sends)
    secure.connection.send(data)
    secure.loop.tick()
    secure.carry()
    assert secure.client.heard == data
    assert len(secure.sock.sends) - before <= size // 65_536 + 1


@given(
    sizes=st.lists(st.integers(1, 90_000), min_size=1, max_size=6),
    rooms=st.lists(st.integers(0, 60_000), max_size=12),
)
def test_however_the_kernel_takes_it_the_client_hears_it_in_order(
    made: Made, sizes: list[int], rooms: list[int]
) -> None:
    """And the loop watches for room exactly while something waits."""
    with hand_loop(ManualTime()) as loop:
        line = Line(loop, context_of(made))
        line.shake_hands()
        line.connection.outbox.hard_limit = 10**9
        said = bytearray()
        for number, size in enumerate(sizes):
            line.sock.room = rooms[number] if number < len(rooms) else 0
            piece = bytes([number]) * size
            said += piece
            line.connection.send(piece)
            loop.tick()
        for room in [*rooms[len(sizes) :], UNLIMITED]:
            line.sock.room = room
            for _ in range(3):
                loop.tick()
        line.carry()
        assert line.client.heard == said
        assert line.interest & selectors.EVENT_WRITE == 0
        assert not line.connection.outbox.stuck


def test_who_reads_nothing_over_tls_is_noticed(secure: Line) -> None:
    """Also when all that waits was encrypted already: nothing is left in the outbox."""
    secure.sock.room = 10
    secure.connection.send(b"x" * 100)
    secure.loop.tick()
    assert secure.connection.outbox.stuck
    assert secure.interest & selectors.EVENT_WRITE
    secure.sock.room = 0
    secure.loop.pass_time(TERMS.stall + 2)
    assert [fault for fault, _, _ in secure.handler.faults] == [Fault.SLOW]


def test_who_reads_slowly_over_tls_makes_progress(secure: Line) -> None:
    """A byte now and then is enough: it is a slow line, not a dead one."""
    secure.sock.room = 0
    secure.connection.send(b"x" * 100)
    for _ in range(4):
        secure.sock.room = 3
        secure.loop.pass_time(TERMS.stall - 3)
    assert secure.handler.faults == []


def test_a_farewell_comes_whole_after_what_was_encrypted(secure: Line) -> None:
    """What is dropped for it was not encrypted yet; no byte is sent twice or left out."""
    secure.sock.room = 50
    secure.connection.send(b"a" * 1000)
    secure.loop.tick()
    secure.connection.send(b"b" * 3000)
    secure.loop.tick()
    secure.connection.close(b"farewell", "over")
    secure.sock.room = UNLIMITED
    secure.loop.tick()
    secure.carry()
    assert secure.client.heard == b"a" * 1000 + b"farewell"
    assert secure.client.told


# The end


def test_a_close_says_goodbye_in_tls_and_waits_for_the_client(secure: Line) -> None:
    """The client hears the farewell and the end; what it says meanwhile is nobody's affair."""
    secure.connection.close(b"farewell", "over")
    secure.carry()
    assert (bytes(secure.client.heard), secure.client.told) == (b"farewell", True)
    assert secure.connection.state is State.LINGERING
    assert secure.sock.half_closed
    secure.arrive(secure.client.say(frames("{}")), b"")
    assert secure.handler.heard == []
    assert secure.sock.closed


def test_who_said_goodbye_first_is_told_goodbye_too(secure: Line) -> None:
    """Nobody can cut off the end unnoticed."""
    secure.arrive(secure.client.goodbye())
    secure.carry()
    assert secure.handler.heard == ["(over)"]
    assert (bytes(secure.client.heard), secure.client.told) == (b"goodbye", True)


def test_a_client_that_goes_without_goodbye_has_ended(secure: Line) -> None:
    """As over a plain connection: the frames say where they end."""
    secure.arrive(secure.client.say(frames("{}")), b"")
    assert secure.handler.heard == ["{}", "(over)"]


def test_a_paused_connection_hears_of_the_end_when_it_goes_on(secure: Line) -> None:
    """The end came with the frame that paused it."""
    secure.handler.on_frame = lambda _: secure.connection.pause()
    secure.arrive(secure.client.say(frames("{}")) + secure.client.goodbye())
    assert secure.handler.heard == ["{}"]
    secure.loop.resume(secure.connection)
    secure.loop.tick()
    assert secure.handler.heard == ["{}", "(resumed)", "(over)"]


# The certificate


def test_a_reload_is_for_new_connections(loop: HandLoop, made: Made, tmp_path: Path) -> None:
    """Who is connected goes on; who comes sees the new certificate."""
    other = make(tmp_path)
    tls = context_of(made)
    before, waiting = Line(loop, tls), Line(loop, tls)
    before.shake_hands()
    tls.reload(str(other.cert), str(other.key), False)
    before.arrive(before.client.say(frames("{}")))
    waiting.shake_hands()
    assert before.handler.heard == ["{}"]
    assert _seen(before) == ssl.PEM_cert_to_DER_cert(made.cert.read_text())
    assert _seen(waiting) == ssl.PEM_cert_to_DER_cert(other.cert.read_text())


def test_a_reload_that_fails_changes_nothing(loop: HandLoop, made: Made, tmp_path: Path) -> None:
    """The old certificate stays, and what is required too."""
    tls = context_of(made)
    with pytest.raises(TlsRefused):
        tls.reload(str(tmp_path / "none.pem"), None, True)
    line = Line(loop, tls)
    line.shake_hands()
    assert _seen(line) == ssl.PEM_cert_to_DER_cert(made.cert.read_text())
    assert not tls.refuses(ELSEWHERE)


def test_tls_can_be_taken_back_before_the_first_byte(loop: HandLoop, made: Made) -> None:
    """A connection that was offered it and then speaks it is told as any other protocol."""
    tls = context_of(made)
    line = Line(loop, tls)
    tls.reload(None, None, False)
    line.arrive(line.client.out())
    assert [fault for fault, _, _ in line.handler.faults] == [Fault.TOO_LARGE]


@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("none.pem", None, "cannot read {folder}/none.pem: No such file or directory"),
        ("cert.pem", "none.pem", "cannot read {folder}/none.pem: No such file or directory"),
        ("cert.pem", None, "no certificate with its key, in PEM, is in {folder}/cert.pem"),
        ("text", None, "no certificate with its key, in PEM, is in {folder}/text"),
        ("cert.pem", "other.pem", "the key in {folder}/other.pem is not that of the certificate"),
        (".", None, "cannot use {folder}/. for TLS: is a directory"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, cert: str, key: str | None, words: str
) -> None:
    """Which file, and why."""
    make(tmp_path)
    make(tmp_path / "other").key.rename(tmp_path / "other.pem")
    (tmp_path / "text").write_text("no certificate")
    files = [f"{tmp_path}/{name}" if name is not None else None for name in (cert, key)]
    with pytest.raises(TlsRefused) as refused:
        TlsContext(cast(str, files[0]), files[1])
    assert str(refused.value).startswith(words.format(folder=tmp_path))
    assert "\n" not in str(refused.value)


def test_required_needs_a_certificate() -> None:
    """Otherwise nobody could come in."""
    with pytest.raises(TlsRefused, match=r"set tls\.cert"):
        TlsContext(None, None, True)


def _seen(line: Line) -> bytes | None:
    """The certificate that the client was shown."""
    return line.client._machine.getpeercert(binary_form=True)


def test_a_secure_socket_is_named_by_its_descriptor(secure: Line) -> None:
    """The selector knows it by that of the socket below."""
    assert isinstance(secure.connection._socket, TlsSocket)
    assert secure.connection.fileno() == secure.sock.fileno()
