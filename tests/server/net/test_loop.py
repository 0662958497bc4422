"""The loop: order of what is posted, wake-ups from other threads, timers, audiences, faults."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.net.connection import Connection, State
from chat_server.net.loop import Clock, Loop
from tests.support.clock import START, ManualTime
from tests.support.hand_loop import HandLoop, hand_loop, nothing_said
from tests.support.scripted_handler import ScriptedHandler
from tests.support.sockets import FakeSocket
from tests.support.terms import SMALL_TERMS as TERMS

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""


@pytest.fixture
def loop() -> Iterator[HandLoop]:
    """A loop driven by hand."""
    with hand_loop(ManualTime()) as loop:
        yield loop


def connect(loop: HandLoop) -> tuple[Connection, FakeSocket]:
    """A welcomed connection on the loop."""
    sock = loop.selector.introduce(FakeSocket())
    connection = Connection(sock.as_socket, "192.0.2.1", loop, TERMS, ScriptedHandler)
    connection.welcomed()
    loop.adopt(connection)
    return connection, sock


@contextmanager
def running_loop() -> Iterator[Loop]:
    """A real loop on a thread of its own."""
    loop = Loop(Clock(), nothing_said, lambda address: None)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def note(_: Loop, item: tuple[Any, list[Any], Any]) -> None:
    """A posted action that appends to the list in its item."""
    item[1].append(item[2])


def handler_of(connection: Connection) -> ScriptedHandler:
    """Its handler, which is scripted."""
    handler = connection.handler
    assert isinstance(handler, ScriptedHandler)
    return handler


# Posting


def test_what_is_posted_is_done_in_order_in_the_next_tick(loop: HandLoop) -> None:
    """Not at once, and each with its own item."""
    done: list[int] = []
    for number in range(100):
        loop.post((note, done, number))
    assert done == []
    loop.tick()
    assert done == list(range(100))


def test_what_a_posted_action_posts_is_done_in_the_same_tick(loop: HandLoop) -> None:
    """Behind everything that was there already."""
    done: list[str] = []
    loop.post((lambda loop, _: loop.post((note, done, "second")),))
    loop.post((note, done, "first"))
    loop.tick()
    assert done == ["first", "second"]


def test_an_action_gets_its_loop(loop: HandLoop) -> None:
    """One item serves several loops, so it does not know which."""
    seen: list[Loop] = []
    loop.post((lambda loop, item: seen.append(loop),))
    loop.tick()
    assert seen == [loop]


def test_draining_takes_what_was_posted_at_once(loop: HandLoop) -> None:
    """A handler needs it before it answers."""
    done: list[int] = []
    loop.post((note, done, 1))
    loop.drain()
    assert done == [1]
    loop.tick()
    assert done == [1]


def test_a_loop_with_work_does_not_wait(loop: HandLoop) -> None:
    """And one without waits for as long as it takes."""
    loop.tick()
    loop.post((note, [], 1))
    loop.tick()
    assert loop.selector.waits == [None, 0]


def test_a_post_from_another_thread_wakes_the_loop() -> None:
    """Though it waits without end."""
    done = threading.Semaphore(0)
    with running_loop() as loop:
        for _ in range(200):
            loop.post((lambda loop, item: done.release(),))
            assert done.acquire(timeout=PATIENCE)


def test_a_post_between_looking_and_sleeping_wakes_the_loop() -> None:
    """The narrowest moment: the loop has seen an empty inbox and works out how long to sleep."""
    moments = [START]
    done: list[int] = []

    def now() -> float:
        if len(moments) == 1 and loop_is_made:
            moments.append(START)
            loop.post((note, done, 1))
        return START

    loop_is_made = False
    loop = Loop(Clock(monotonic=now), nothing_said, lambda address: None)
    loop.call_at(START + PATIENCE, lambda when: None)
    loop_is_made = True
    waker = threading.Timer(PATIENCE / 4, loop.post, ((note, done, 2),))
    waker.start()
    loop.tick()
    waker.cancel()
    loop.stop()
    loop.run()
    assert done == [1]


def at_once(threads: int, work: Callable[[int], None]) -> None:
    """Call `work` with each number on a thread of its own, all beginning at the same moment."""
    barrier = threading.Barrier(threads)

    def begin(number: int) -> None:
        barrier.wait(PATIENCE)
        work(number)

    workers = [threading.Thread(target=begin, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert not any(worker.is_alive() for worker in workers)


def test_no_wake_up_is_lost_when_many_post_at_once() -> None:
    """Eight threads wait for each item before they post the next: the loop sleeps on none."""
    done = [threading.Semaphore(0) for _ in range(8)]
    taken: list[int] = []

    with running_loop() as loop:

        def work(number: int) -> None:
            for _ in range(200):
                loop.post((lambda loop, item: done[item[1]].release(), number))
                if not done[number].acquire(timeout=PATIENCE):
                    return
                taken.append(number)

        at_once(8, work)
    assert len(taken) == 8 * 200


def test_posts_of_one_thread_keep_their_order_among_those_of_others() -> None:
    """Four threads post a thousand items each; all arrive, each thread's in order."""
    done: list[tuple[int, int]] = []

    with running_loop() as loop:

        def work(number: int) -> None:
            for count in range(1000):
                loop.post((note, done, (number, count)))

        at_once(4, work)
        finished = threading.Event()
        loop.post((lambda loop, item: finished.set(),))
        assert finished.wait(PATIENCE)
    for number in range(4):
        assert [count for who, count in done if who == number] == list(range(1000))


def test_a_stopped_loop_has_done_what_was_posted_before() -> None:
    """Stopping is one more item in the queue."""
    done: list[int] = []
    with running_loop() as loop:
        for number in range(1000):
            loop.post((note, done, number))
    assert done == list(range(1000))


def test_stopping_closes_every_connection() -> None:
    """None is left open, and each handler hears of it."""
    with hand_loop(ManualTime()) as loop:
        connection, sock = connect(loop)
    assert sock.closed
    assert connection.state is State.CLOSED
    assert loop.gone == ["192.0.2.1"]


# Time


def test_timers_fire_in_the_order_of_their_times(loop: HandLoop) -> None:
    """Not in that of setting, each once, with the time it was set for."""
    fired: list[float] = []
    for delay in (3, 1, 2):
        loop.call_at(START + delay, fired.append)
    loop.pass_time(0.5)
    assert fired == []
    loop.pass_time(10)
    assert fired == [START + 1, START + 2, START + 3]


def note_number(fired: list[int], number: int, when: float) -> None:
    """A timer that notes which it is."""
    fired.append(number)


def test_timers_of_one_moment_fire_in_the_order_of_setting(loop: HandLoop) -> None:
    """Actions need not be comparable."""
    fired: list[int] = []
    for number in range(10):
        loop.call_at(START + 1, partial(note_number, fired, number))
    loop.pass_time(1)
    assert fired == list(range(10))


def test_a_loop_waits_until_its_next_timer(loop: HandLoop) -> None:
    """Exactly as long, and not at all when it is due."""
    loop.call_at(START + 5, lambda when: None)
    loop.tick()
    loop.time.advance(3)
    loop.tick()
    loop.time.advance(3)
    loop.tick()
    assert loop.selector.waits == [5, 2, 0]


@given(st.lists(st.integers(0, 40), max_size=20))
def test_every_timer_fires_in_the_first_tick_after_its_time(delays: list[int]) -> None:
    """Whatever other timers there are."""
    with hand_loop(ManualTime()) as loop:
        fired: list[tuple[float, float]] = []
        for delay in delays:
            loop.call_at(START + delay / 4, lambda when: fired.append((when, loop.now)))
        loop.pass_time(10.5, step=0.5)
        assert sorted(when for when, _ in fired) == sorted(START + delay / 4 for delay in delays)
        assert all(when <= now < when + 0.5 or now == START + 0.5 for when, now in fired)


def test_a_tick_has_one_time_and_one_date(loop: HandLoop) -> None:
    """Taken at its beginning, as events carry it."""
    loop.tick()
    assert loop.now == START
    assert loop.stamp == "2026-11-22T15:00:00.123Z"
    loop.time.advance(1.5)
    assert loop.now == START
    loop.tick()
    assert loop.now == START + 1.5
    assert loop.stamp == "2026-11-22T15:00:01.623Z"


@pytest.mark.parametrize(
    ("wall", "stamp"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (0.9999, "1970-01-01T00:00:00.999Z"),
        (1_000_000_000.005, "2001-09-09T01:46:40.005Z"),
    ],
)
def test_dates_have_three_digits_behind_the_second(wall: float, stamp: str) -> None:
    """Cut, not rounded, so that none is in the future."""
    assert Clock(wall=lambda: wall).stamp() == stamp


# What comes of a tick


def test_a_tick_sends_once_to_each_client(loop: HandLoop) -> None:
    """However many frames it gets from however many rooms."""
    connection, sock = connect(loop)
    first, second = loop.enter(connection, "a"), loop.enter(connection, "b")
    for audience in (first, second, first):
        audience.publish(b"x")
    connection.send(b"!")
    loop.tick()
    assert sock.sends == [4]


def test_rooms_are_spread_before_anything_is_sent(loop: HandLoop) -> None:
    """What is published in the last moment of a tick leaves with it."""
    connection, sock = connect(loop)
    audience = loop.enter(connection, "a")
    loop.post((lambda loop, item: audience.publish(b"x"),))
    loop.tick()
    assert sock.sent == b"x"


def test_a_first_member_begins_at_the_rooms_position() -> None:
    """Numbered frames up to it are dropped, and a second member finds the same audience."""
    with hand_loop(ManualTime(), {"a": 7, "b": 9}.__getitem__) as loop:
        one, other = connect(loop)[0], connect(loop)[0]
        audience = loop.enter(one, "a")
        assert audience.delivered == 7
        assert loop.enter(other, "a") is audience
        assert loop.enter(one, "b").delivered == 9


def test_entering_takes_first_what_was_posted(loop: HandLoop) -> None:
    """So that the newcomer does not get what the snapshot has."""
    old, old_sock = connect(loop)
    new, new_sock = connect(loop)
    audience = loop.enter(old, "a")
    loop.post((lambda loop, item: audience.publish(b"x"),))
    loop.enter(new, "a")
    loop.tick()
    assert old_sock.sent == b"x"
    assert new_sock.sent == b""


def test_leaving_takes_first_what_was_posted(loop: HandLoop) -> None:
    """So that who leaves gets everything until then, and the room is let go with the last."""
    connection, sock = connect(loop)
    audience = loop.enter(connection, "a")
    loop.post((lambda loop, item: audience.publish(b"x"),))
    loop.leave(connection, "a")
    loop.tick()
    assert sock.sent == b"x"
    assert loop.audiences == {}


def test_who_stops_a_loop_that_ends_at_this_moment_does_no_harm() -> None:
    """It may have woken by itself and taken the word to stop before it is woken for it."""
    with hand_loop(ManualTime()) as loop:
        loop.stop()
        loop.run()
        loop._sleeping = True
        loop.stop()
        loop._stopped = False  # so that it is closed once more, in the end


def test_leaving_what_is_left_in_the_inbox_first_is_no_fault(loop: HandLoop) -> None:
    """Somebody is put out by another loop while their own request fails."""
    connection, _ = connect(loop)
    loop.enter(connection, "a")
    loop.post((lambda loop, item: loop.leave(connection, "a"),))
    loop.leave(connection, "a")
    assert connection.audiences == {}
    assert loop.audiences == {}


def test_a_resumed_connection_goes_on_in_the_next_step_not_at_once(loop: HandLoop) -> None:
    """Whoever resumes it is in the middle of something."""
    connection, _ = connect(loop)
    handler = handler_of(connection)
    connection.pause()
    loop.resume(connection)
    assert handler.heard == []
    loop.tick()
    assert handler.heard == ["(resumed)"]
    assert loop.selector.waits == [0]


def test_what_is_published_during_sending_does_not_wait_for_the_next_event(
    loop: HandLoop,
) -> None:
    """Clients given up at the end of a tick cause events; the loop does not sleep on them.

    The first that ends posts an event, the second takes what was posted before its farewell.
    """
    listener, sock = connect(loop)
    audience = loop.enter(listener, "a")
    first, second = GivenUp(connect(loop)), GivenUp(connect(loop))
    first.handler.ended = lambda reason: loop.post(  # type: ignore[method-assign]
        (lambda loop, item: audience.publish(b"first left"),)
    )
    second.handler.fault = lambda fault, **size: loop.drain()  # type: ignore[method-assign]
    loop.tick()
    loop.tick()
    assert loop.selector.waits[-1] == 0
    assert sock.sent == b"first left"


class GivenUp:
    """A client that reads nothing and is sent more than the hard limit."""

    def __init__(self, line: tuple[Connection, FakeSocket]) -> None:
        connection, sock = line
        sock.room = 0
        connection.send(b"x" * (TERMS.outbox_hard + 1))
        self.handler = handler_of(connection)


# Faults


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Holds what is logged."""
    caplog.set_level(logging.ERROR)
    return caplog


def fail(*_: object) -> None:
    """An action with a fault."""
    raise ZeroDivisionError("a fault of the test's")


def run_once(loop: HandLoop) -> None:
    """Let the loop run until what is posted is done; faults and all."""
    loop.post((lambda loop, item: loop.stop(),))
    loop.run()


@pytest.mark.parametrize("kind", ["posted", "timer"])
def test_an_action_that_fails_does_not_end_the_loop(
    kind: str, quiet: pytest.LogCaptureFixture
) -> None:
    """It is logged, and what comes after it is done."""
    loop = HandLoop(ManualTime(), nothing_said)
    done: list[int] = []
    if kind == "posted":
        loop.post((fail,))
    else:
        loop.call_at(START, fail)
    loop.call_at(START, lambda when: done.append(1))
    loop.post((note, done, 2))
    run_once(loop)
    assert sorted(done) == [1, 2]
    assert [record.exc_info is not None for record in quiet.records] == [True]


def test_a_frame_that_fails_does_not_cost_others_theirs(quiet: pytest.LogCaptureFixture) -> None:
    """The other connections of the same tick are read in the next."""
    loop = HandLoop(ManualTime(), nothing_said)
    handlers = []
    for number in range(3):
        connection, sock = connect(loop)
        handler = handler_of(connection)
        handler.on_frame = fail if number == 1 else handler.on_frame
        sock.incoming.append(b"\0\0\0\1x")
        handlers.append(handler)
    loop.post((lambda loop, item: loop.call_at(START, lambda when: loop.stop()),))
    loop.run()
    assert [handler.heard for handler in handlers] == [["x"]] * 3
    assert len(quiet.records) == 1


def test_a_resume_that_fails_does_not_strand_the_others(quiet: pytest.LogCaptureFixture) -> None:
    """Every connection that was to go on goes on."""
    loop = HandLoop(ManualTime(), nothing_said)
    handlers = []
    for number in range(3):
        connection, _ = connect(loop)
        handler = handler_of(connection)
        handler.on_resumed = fail if number == 0 else handler.on_resumed
        handlers.append(handler)
        connection.pause()
        loop.resume(connection)
    loop.call_at(START, lambda when: run_later(loop, 3))
    loop.run()
    assert [handler.heard for handler in handlers] == [["(resumed)"]] * 3


def run_later(loop: HandLoop, ticks: int) -> None:
    """Stop the loop after so many more ticks."""
    if ticks:
        loop.call_at(loop.now, lambda when: loop.post((again, ticks - 1)))
    else:
        loop.stop()


def again(loop: HandLoop, item: tuple[Callable[..., None], int]) -> None:
    """Count down."""
    run_later(loop, item[1])


def test_a_flush_that_fails_does_not_hold_up_the_others(quiet: pytest.LogCaptureFixture) -> None:
    """Everybody else gets what is theirs, in this tick or the next."""
    loop = HandLoop(ManualTime(), nothing_said)
    lines = [connect(loop) for _ in range(3)]
    first, first_sock = lines[0]
    handler_of(first).fault = fail  # type: ignore[method-assign, assignment]
    first_sock.room = 0
    for connection, _ in lines:
        connection.send(b"x" * (TERMS.outbox_hard + 1))
    loop.call_at(START, lambda when: run_later(loop, 3))
    loop.run()
    assert [len(sock.sent) for _, sock in lines[1:]] == [TERMS.outbox_hard + 1] * 2
