"""A connection: frames in order, pauses, deadlines on a clock that waits, and the ways to end."""

from __future__ import annotations

import errno
import gc
import selectors
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import pytest

from chat_schema import limits
from chat_schema.framing import encode_frame
from chat_server.net.connection import BATCH, FLUSH, LINGER, Connection, State, Terms
from chat_server.net.handler import Fault
from tests.support.clock import ManualTime
from tests.support.hand_loop import HandLoop, hand_loop
from tests.support.scripted_handler import ScriptedHandler
from tests.support.sockets import UNLIMITED, FakeSocket
from tests.support.terms import SMALL_TERMS as TERMS

ADDRESS = "192.0.2.1"


class Line:
    """A connection with its fake socket, its scripted handler and its loop."""

    def __init__(self, loop: HandLoop, terms: Terms = TERMS) -> None:
        self.loop = loop
        self.sock = loop.selector.introduce(FakeSocket())
        self.connection = Connection(self.sock.as_socket, ADDRESS, loop, terms, ScriptedHandler)
        self.handler = cast(ScriptedHandler, self.connection.handler)
        loop.adopt(self.connection)

    def arrive(self, *chunks: bytes | OSError) -> None:
        """Let each chunk arrive in a tick of its own."""
        for chunk in chunks:
            self.sock.incoming.append(chunk)
            self.loop.tick()

    def say(self, *bodies: str) -> None:
        """Let these bodies arrive as frames in one segment."""
        self.arrive(frames(*bodies))

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.pass_time(seconds)

    def fill(self, size: int) -> None:
        """Queue so much for a client that does not read."""
        self.sock.room = 0
        self.connection.send(b"x" * size)
        self.loop.tick()

    @property
    def heard(self) -> list[str]:
        """What the handler heard."""
        return self.handler.heard

    @property
    def faults(self) -> list[Fault]:
        """What the connection was at fault for."""
        return [fault for fault, _, _ in self.handler.faults]

    @property
    def state(self) -> State:
        """How far the connection has got."""
        return self.connection.state

    @property
    def reads(self) -> bool:
        """Whether the loop watches for input."""
        return bool(self.loop.selector.interest(self.sock) & selectors.EVENT_READ)


def frames(*bodies: str) -> bytes:
    """These bodies as frames in a row."""
    return b"".join(encode_frame(body.encode()) for body in bodies)


@pytest.fixture
def stranger() -> Iterator[Line]:
    """A connection that has just begun."""
    with hand_loop(ManualTime()) as loop:
        yield Line(loop)


@pytest.fixture
def client(stranger: Line) -> Line:
    """A connection that was welcomed."""
    stranger.connection.welcomed()
    return stranger


def on(client: Line, body: str, action: Callable[[], None]) -> None:
    """Have the handler do something when it hears `body`."""

    def act(heard: bytes) -> None:
        if heard == body.encode():
            action()

    client.handler.on_frame = act


# Reading


def test_frames_reach_the_handler_in_order(client: Line) -> None:
    """However the segments cut them."""
    data = frames("one", "two", "three")
    client.arrive(data[:3], data[3:9], data[9:])
    assert client.heard == ["one", "two", "three"]


def test_case_2_a_frame_of_length_2_is_a_frame(client: Line) -> None:
    """The smallest object there is."""
    client.say("{}")
    assert client.heard == ["{}"]


def test_case_3_a_frame_over_the_limit_is_a_fault_before_its_body(stranger: Line) -> None:
    """What came before it is done, what comes after it is not."""
    size = limits.FRAME_BEFORE_WELCOME + 1
    stranger.arrive(frames("one") + size.to_bytes(4, "big") + frames("two"))
    assert stranger.heard == ["one"]
    assert stranger.handler.faults == [(Fault.TOO_LARGE, size, size - 1)]
    assert stranger.sock.sent == b"too large"


def test_case_10_other_protocols_are_closed_at_once(stranger: Line) -> None:
    """Their first four bytes are a length beyond every limit."""
    stranger.arrive(b"GET / HTTP/1.1\r\n\r\n")
    assert stranger.faults == [Fault.TOO_LARGE]
    assert stranger.sock.half_closed


@pytest.mark.parametrize(
    "opening", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n", b"NICK a\r\n"]
)
def test_case_10_http_tls_ssh_and_irc_cannot_be_frames(client: Line, opening: bytes) -> None:
    """Not even after welcome."""
    client.arrive(opening)
    assert client.faults == [Fault.TOO_LARGE]


def test_welcome_raises_the_limits(client: Line) -> None:
    """A larger frame, and a larger outbox."""
    client.say("x" * (limits.FRAME_BEFORE_WELCOME + 1))
    assert len(client.heard[0]) == limits.FRAME_BEFORE_WELCOME + 1
    assert client.connection.outbox.hard_limit == TERMS.outbox_hard


def test_a_read_that_would_block_is_nothing(client: Line) -> None:
    """The selector may err."""
    client.arrive(BlockingIOError(), InterruptedError())
    client.say("one")
    assert client.heard == ["one"]
    assert client.state is State.OPEN


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), OSError(errno.EHOSTUNREACH, "no route")]
)
def test_case_8_a_reset_ends_it_at_once(client: Line, error: OSError) -> None:
    """Nothing is said, the descriptor is closed, the loop has let go."""
    client.arrive(error)
    assert client.handler.reasons == ["reset"]
    assert client.state is State.CLOSED
    assert client.sock.closed
    assert client.sock.sent == b""
    assert client.loop.gone == [ADDRESS]
    assert client.loop.connections == set()


def test_case_8_a_reset_while_writing_ends_it_at_once(client: Line) -> None:
    """The same, wherever it is noticed, and once."""
    client.sock.broken = ConnectionResetError()
    client.connection.send(b"x")
    client.loop.tick()
    client.pass_time(100)
    assert client.handler.reasons == ["reset"]
    assert client.sock.closed
    assert client.loop.gone == [ADDRESS]


def test_the_dead_go_without_a_collector(stranger: Line) -> None:
    """What a connection stood for is freed when it ends, cycles and a calm collector or not."""
    stranger.arrive(b"\0\0\x0f\0begun and never finished")
    handler = weakref.ref(stranger.handler)
    connection = stranger.connection
    gc.disable()
    try:
        connection.abort("reset")
        stranger.handler = cast(ScriptedHandler, None)
        assert handler() is None
        assert not hasattr(connection, "_decoder")
    finally:
        gc.enable()


def test_sending_to_a_connection_that_is_gone_is_nothing(client: Line) -> None:
    """It stays gone, and is not let go a second time."""
    client.arrive(ConnectionResetError())
    client.connection.send(b"late")
    client.loop.tick()
    assert client.loop.gone == [ADDRESS]
    assert client.handler.reasons == ["reset"]


# Half-close


def test_case_7_a_half_close_after_a_frame_is_answered_and_closed(client: Line) -> None:
    """The frame is done first; the farewell leaves, and both sides are closed."""
    client.arrive(frames("one"), b"")
    assert client.heard == ["one", "(over)"]
    assert client.sock.sent == b"goodbye"
    assert client.state is State.CLOSED
    assert client.sock.closed


def test_case_7_a_half_close_inside_a_frame_is_closed_too(client: Line) -> None:
    """The frame that never ended is forgotten."""
    client.arrive(frames("one", "two")[:-1], b"")
    assert client.heard == ["one", "(over)"]
    assert client.state is State.CLOSED


def test_a_half_close_during_a_pause_waits_for_what_is_being_done(client: Line) -> None:
    """Its answer may still come, and frames that are here are still done."""
    on(client, "slow", client.connection.pause)
    client.say("slow", "next")
    client.arrive(b"")
    client.connection.send(b"answer ")
    client.connection.resume()
    assert client.heard == ["slow", "(resumed)", "next"]
    client.loop.tick()
    assert client.heard[-1] == "(over)"
    assert client.sock.sent == b"answer goodbye"


# Pause and resume


def test_while_paused_nothing_is_handed_over_and_nothing_read(client: Line) -> None:
    """Frames of the same segment wait too."""
    on(client, "slow", client.connection.pause)
    client.say("one", "slow", "two", "three")
    assert client.heard == ["one", "slow"]
    assert not client.reads


def test_after_a_pause_everything_comes_in_order(client: Line) -> None:
    """First what was held, then what was here, then what arrives."""
    on(client, "slow", client.connection.pause)
    client.say("slow", "two", "three")
    client.sock.incoming.append(frames("four"))
    client.connection.resume()
    assert client.reads
    client.loop.tick()
    assert client.heard == ["slow", "(resumed)", "two", "three", "four"]


def test_a_second_pause_keeps_the_order(client: Line) -> None:
    """Each pause holds back everything behind it."""
    client.handler.on_frame = lambda body: (
        client.connection.pause() if body.startswith(b"slow") else None
    )
    client.say("slow1", "a", "slow2", "b", "slow3", "c")
    seen = []
    for _ in range(3):
        seen.append(client.heard[-1])
        client.connection.resume()
    assert seen == ["slow1", "slow2", "slow3"]
    assert [body for body in client.heard if body[0] != "("] == [
        "slow1", "a", "slow2", "b", "slow3", "c",
    ]  # fmt: skip


def test_a_handler_may_pause_again_when_it_is_resumed(client: Line) -> None:
    """Nothing is handed over then."""
    on(client, "slow", client.connection.pause)
    client.handler.on_resumed = client.connection.pause
    client.say("slow", "two")
    client.connection.resume()
    assert client.heard == ["slow", "(resumed)"]
    assert not client.reads


def test_a_frame_over_the_limit_waits_behind_a_pause(client: Line) -> None:
    """It is a fault when its turn comes, not earlier."""
    on(client, "slow", client.connection.pause)
    client.arrive(frames("slow", "two") + b"\xff\xff\xff\xff")
    assert client.faults == []
    client.connection.resume()
    assert client.heard == ["slow", "(resumed)", "two"]
    assert client.faults == [Fault.TOO_LARGE]


def test_a_connection_that_ended_while_paused_is_not_resumed(client: Line) -> None:
    """The outcome of the slow work comes too late, and that is no fault."""
    on(client, "slow", client.connection.pause)
    client.say("slow", "two")
    client.connection.close(b"bye", "shutdown")
    client.connection.resume()
    client.loop.tick()
    assert client.heard == ["slow"]


def test_frames_after_a_close_are_not_handed_over(client: Line) -> None:
    """What was in the same segment is discarded."""
    on(client, "quit", lambda: client.connection.close(b"bye", "quit"))
    client.say("quit", "two")
    client.say("three")
    assert client.heard == ["quit"]


# Deadlines


def test_case_9_who_says_nothing_is_closed_at_the_hello_deadline(stranger: Line) -> None:
    """Not before it."""
    stranger.pass_time(9.5)
    assert stranger.faults == []
    stranger.pass_time(0.5)
    assert stranger.faults == [Fault.HELLO_LATE]
    assert stranger.sock.sent == b"hello late"


def test_frames_that_are_no_hello_do_not_move_the_hello_deadline(stranger: Line) -> None:
    """It is absolute."""
    for _ in range(18):
        stranger.say("{}")
        stranger.pass_time(0.5)
    assert stranger.faults == []
    stranger.pass_time(1)
    assert stranger.faults == [Fault.HELLO_LATE]


def test_the_hello_deadline_waits_while_the_server_does(stranger: Line) -> None:
    """Exactly as long: what was left is left afterwards."""
    on(stranger, "hello", stranger.connection.pause)
    stranger.pass_time(6)
    stranger.say("hello")
    stranger.pass_time(58)
    stranger.connection.resume()
    stranger.pass_time(3.5)
    assert stranger.faults == []
    stranger.pass_time(0.5)
    assert stranger.faults == [Fault.HELLO_LATE]


def test_a_hello_that_is_refused_again_and_again_moves_no_deadline(stranger: Line) -> None:
    """What the client takes between its attempts adds up."""
    on(stranger, "hello", stranger.connection.pause)
    for _ in range(4):
        stranger.pass_time(2)
        stranger.say("hello")
        stranger.pass_time(1)
        stranger.connection.resume()
    stranger.pass_time(1.5)
    assert stranger.faults == []
    stranger.pass_time(0.5)
    assert stranger.faults == [Fault.HELLO_LATE]


def test_after_welcome_the_hello_deadline_is_over(client: Line) -> None:
    """It passes without a word."""
    client.pass_time(29)
    assert client.faults == []
    assert client.heard == []


def test_case_4_a_frame_begun_has_an_absolute_deadline(client: Line) -> None:
    """A byte now and then does not move it."""
    client.arrive((1000).to_bytes(4, "big"))
    for _ in range(29):
        client.pass_time(1)
        client.arrive(b"x")
    assert client.faults == []
    client.pass_time(1)
    assert client.faults == [Fault.FRAME_LATE]


def test_case_12_half_a_header_is_a_frame_begun(client: Line) -> None:
    """One byte and then nothing."""
    client.pass_time(7)
    client.arrive(b"\0")
    client.pass_time(29.5)
    assert client.faults == []
    client.pass_time(0.5)
    assert client.faults == [Fault.FRAME_LATE]


def test_a_frames_deadline_may_be_shorter_than_every_other() -> None:
    """It is kept though the connection was looked at when no frame had begun."""
    with hand_loop(ManualTime()) as loop:
        client = Line(loop, replace(TERMS, frame=5))
        client.connection.welcomed()
        client.pass_time(1)
        client.arrive(b"\0")
        client.pass_time(4.5)
        assert client.faults == []
        client.pass_time(0.5)
        assert client.faults == [Fault.FRAME_LATE]


def test_each_frame_has_a_deadline_of_its_own(client: Line) -> None:
    """Slow but steady: every frame ends in time, though a next one has always begun."""
    head, tail = frames("one")[:5], frames("one")[5:]
    client.arrive(head)
    for _ in range(10):
        client.pass_time(20)
        client.arrive(tail + head)
    assert client.faults == []
    assert client.heard.count("one") == 10


def test_a_complete_frame_ends_its_deadline(client: Line) -> None:
    """Later frames come when they come."""
    client.arrive(frames("one")[:5])
    client.pass_time(29)
    client.arrive(frames("one")[5:])
    client.pass_time(29)
    assert client.faults == []


def test_a_frame_held_up_by_a_pause_is_not_late(client: Line) -> None:
    """Who is not read cannot finish."""
    on(client, "slow", client.connection.pause)
    client.arrive(frames("slow") + b"\0")
    client.pass_time(31)
    client.connection.resume()
    client.arrive(frames("two")[1:])
    assert client.faults == []
    assert client.heard[-1] == "two"


def test_after_a_silence_the_client_is_asked_once_an_interval(client: Line) -> None:
    """At thirty seconds and again at sixty."""
    client.pass_time(29.5)
    assert client.heard == []
    client.pass_time(0.5)
    assert client.heard == ["(silent)"]
    client.pass_time(29.5)
    assert client.heard == ["(silent)"]
    client.pass_time(0.5)
    assert client.heard == ["(silent)", "(silent)"]


def test_case_13_who_stays_silent_is_closed(client: Line) -> None:
    """At seventy-five seconds, not before, whatever was sent to it meanwhile."""
    for _ in range(149):
        client.pass_time(0.5)
        client.connection.send(b"news")
    assert client.faults == []
    client.pass_time(0.5)
    assert client.faults == [Fault.SILENT]


@pytest.mark.parametrize("sign", [b"\0\0\0\0", frames("pong"), b"\0\0"], ids=str)
def test_any_byte_is_a_sign_of_life(client: Line, sign: bytes) -> None:
    """Keep-alive, frame or a piece of one: the silence begins anew."""
    client.pass_time(29)
    client.arrive(sign)
    client.pass_time(29)
    assert "(silent)" not in client.heard


def test_a_slow_reader_is_asked_no_more_often_than_others(client: Line) -> None:
    """Though its outbox is looked at every second."""
    client.fill(1000)
    for _ in range(59):
        client.pass_time(1)
        client.sock.room = 1
    assert client.faults == []
    assert client.heard.count("(silent)") == 1


def test_a_long_pause_is_not_the_clients_silence(client: Line) -> None:
    """Nobody listened, so nothing could be heard; afterwards it counts again."""
    on(client, "slow", client.connection.pause)
    client.say("slow")
    client.pass_time(80)
    client.connection.resume()
    client.pass_time(5)
    assert client.faults == []
    client.pass_time(75)
    assert client.faults == [Fault.SILENT]


def test_a_long_pause_does_not_keep_the_loop_awake(client: Line) -> None:
    """The loop waits about as long as without it."""
    on(client, "slow", client.connection.pause)
    client.say("slow")
    client.pass_time(80)
    client.loop.tick()
    wait = client.loop.selector.waits[-1]
    assert wait is None or wait > 0.1


# Slow clients


def test_case_11_without_progress_a_client_is_given_up(client: Line) -> None:
    """After the stall time, however little is waiting."""
    client.fill(10)
    client.pass_time(14)
    assert client.faults == []
    client.pass_time(2)
    assert client.faults == [Fault.SLOW]


def test_with_progress_a_client_within_the_soft_limit_is_not_given_up(client: Line) -> None:
    """A byte a second is slow, but it is reading."""
    client.fill(1000)
    for _ in range(60):
        client.pass_time(1)
        client.sock.room = 1
        client.say("here")
    assert client.faults == []
    assert "(slow)" not in client.heard


def test_over_the_soft_limit_a_client_is_warned_once_and_then_given_up(client: Line) -> None:
    """After its grace, though it makes progress."""
    client.fill(3000)
    client.pass_time(1)
    for _ in range(9):
        assert client.heard == ["(slow)"]
        client.pass_time(1)
        client.sock.room = 10
    assert client.faults == []
    client.pass_time(2)
    assert client.faults == [Fault.SLOW]


def test_who_comes_below_the_soft_limit_again_has_all_the_grace_again(client: Line) -> None:
    """And is warned again the next time."""
    for _ in range(3):
        client.fill(3000)
        client.pass_time(9)
        client.sock.room = UNLIMITED
        client.pass_time(1)
    assert client.faults == []
    assert client.heard.count("(slow)") == 3


def test_over_the_soft_limit_a_client_is_not_read(client: Line) -> None:
    """So it cannot make its own flood; it is read again when all has left."""
    client.say("one")
    client.fill(3000)
    client.say("two")
    client.say("three")
    assert client.heard == ["one"]
    client.sock.room = UNLIMITED
    for _ in range(3):
        client.loop.tick()
    assert client.heard == ["one", "two", "three"]


def test_that_a_client_has_read_ends_no_pause_of_its_handlers(client: Line) -> None:
    """What is being done for it is done first, however fast it reads meanwhile."""

    def pause() -> None:
        client.sock.room = 0
        client.connection.send(b"x" * 3000)
        client.connection.pause()

    on(client, "slow", pause)
    client.say("slow", *["next"] * (2 * BATCH))
    client.sock.room = UNLIMITED
    for _ in range(3):
        client.loop.tick()
    assert client.heard == ["slow"]
    assert not client.reads
    client.connection.resume()
    assert client.heard == ["slow", "(resumed)"] + ["next"] * (2 * BATCH)


def test_a_client_that_goes_on_early_owes_no_reading_any_more(client: Line) -> None:
    """Below the soft limit it may ask on; that all has left then ends no later pause."""
    on(client, "slow", client.connection.pause)
    on_slow = client.handler.on_frame

    def fill(body: bytes) -> None:
        on_slow(body)
        if body == b"fill":
            client.sock.room = 0
            client.connection.send(b"x" * 3000)

    client.handler.on_frame = fill
    client.say("fill", *["next"] * (BATCH - 1), "slow", "last")
    assert client.heard[-1] == "next"
    client.sock.room = 2000
    client.loop.tick()
    client.connection.resume()
    assert client.heard[-1] == "slow"
    client.sock.room = UNLIMITED
    for _ in range(3):
        client.loop.tick()
    assert client.heard[-1] == "slow"


def test_a_resumed_client_still_has_to_read_first(client: Line) -> None:
    """What was done for it may have been much."""
    on(client, "slow", client.connection.pause)
    client.say("slow", "next")
    client.fill(3000)
    client.connection.resume()
    assert client.heard == ["slow"]
    client.sock.room = UNLIMITED
    for _ in range(2):
        client.loop.tick()
    assert client.heard == ["slow", "(resumed)", "next"]


def test_over_the_hard_limit_a_client_is_given_up_at_the_end_of_the_tick(client: Line) -> None:
    """What was queued is dropped for the farewell."""
    client.fill(10)
    client.connection.send(b"x" * 5000)
    assert client.faults == []
    client.loop.tick()
    assert client.handler.faults == [(Fault.SLOW, None, None)]
    client.sock.room = UNLIMITED
    client.loop.tick()
    assert client.sock.sent == b"slow"


def test_before_welcome_the_hard_limit_is_small(stranger: Line) -> None:
    """A stranger who reads nothing costs next to nothing."""
    stranger.fill(10)
    stranger.connection.send(b"x" * 991)
    stranger.loop.tick()
    assert stranger.faults == [Fault.SLOW]


# Farewell


def test_a_close_says_farewell_and_lingers_until_the_client_closes(client: Line) -> None:
    """Closing at once could take the farewell with it."""
    client.connection.close(b"bye", "quit")
    assert client.sock.sent == b"bye"
    assert client.sock.half_closed
    assert client.state is State.LINGERING
    assert not client.sock.closed
    client.arrive(b"")
    assert client.sock.closed
    assert client.state is State.CLOSED


def test_the_farewell_comes_after_everything_that_was_sent(client: Line) -> None:
    """What the client's rooms had pending included."""
    audience = client.loop.enter(client.connection, "a")
    client.connection.send(b"1")
    audience.publish(b"2")
    client.connection.close(b"3", "quit")
    audience.publish(b"4")
    client.loop.tick()
    assert client.sock.sent == b"123"


def test_a_handler_hears_once_that_it_ended(client: Line) -> None:
    """Whatever comes after the first close."""
    client.connection.close(b"bye", "quit")
    client.connection.close(b"again", "shutdown")
    client.arrive(ConnectionResetError())
    client.connection.abort("late")
    assert client.handler.reasons == ["quit"]
    assert client.sock.sent == b"bye"


def test_input_during_the_linger_is_discarded(client: Line) -> None:
    """It is read, so that the farewell is not lost, and dropped."""
    client.connection.close(b"bye", "quit")
    client.say("one")
    client.say("two")
    assert client.heard == []
    assert not client.sock.incoming
    assert client.state is State.LINGERING


def test_a_client_that_does_not_close_is_closed_after_the_linger(client: Line) -> None:
    """A second is enough for an honest one."""
    client.connection.close(b"bye", "quit")
    client.pass_time(LINGER - 0.5)
    assert not client.sock.closed
    client.pass_time(0.5)
    assert client.sock.closed


def test_a_client_that_does_not_take_its_farewell_is_closed_without(client: Line) -> None:
    """After the time for flushing."""
    client.sock.room = 0
    client.connection.close(b"bye", "quit")
    assert client.state is State.FLUSHING
    client.pass_time(FLUSH - 0.5)
    assert not client.sock.closed
    client.pass_time(0.5)
    assert client.sock.closed
    assert client.loop.gone == [ADDRESS]


def test_a_farewell_that_waited_leaves_when_there_is_room(client: Line) -> None:
    """Then the linger begins."""
    client.sock.room = 0
    client.connection.close(b"bye", "quit")
    client.pass_time(2)
    client.sock.room = UNLIMITED
    client.loop.tick()
    assert client.sock.sent == b"bye"
    assert client.state is State.LINGERING
    client.pass_time(LINGER)
    assert client.sock.closed


def test_a_client_far_behind_gets_its_farewell_at_a_frames_edge(client: Line) -> None:
    """The rest of the chunk it was reading, then the farewell; what was between is dropped."""
    client.sock.room = 3
    client.connection.send(b"12345")
    client.connection.send(b"x" * 3000)
    client.loop.tick()
    client.connection.close(b"bye", "slow")
    client.sock.room = UNLIMITED
    client.loop.tick()
    assert client.sock.sent == b"12345bye"


def test_an_abort_says_nothing(client: Line) -> None:
    """Closed now, once, and the handler knows."""
    client.connection.send(b"never sent")
    client.connection.abort("server stopped")
    client.loop.tick()
    assert client.sock.sent == b""
    assert client.sock.closed
    assert client.handler.reasons == ["server stopped"]
    assert client.loop.gone == [ADDRESS]


def test_case_14_a_descriptor_is_forgotten_before_it_is_closed(client: Line) -> None:
    """The next client with the same descriptor hears nothing of this one."""
    client.connection.abort("gone")
    assert client.loop.selector.interest(client.sock) == 0
    assert client.connection.fileno() == -1
    client.pass_time(100)
    assert client.heard == []


def test_who_ended_is_in_no_audience(client: Line) -> None:
    """And a room that nobody here is in is let go."""
    client.loop.enter(client.connection, "a")
    client.loop.enter(client.connection, "b")
    client.connection.close(b"bye", "quit")
    assert client.loop.audiences == {}
    assert client.connection.audiences == {}
