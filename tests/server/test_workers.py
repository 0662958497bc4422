"""Workers: every job has one outcome, the queue is bounded, nothing kills a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any

import pytest

from chat_schema.errors import Refused
from chat_server.workers import IN_A_ROW, Workers

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""

Result = tuple[Any, BaseException | None]


class Basket:
    """Collects outcomes."""

    def __init__(self) -> None:
        self._outcomes: SimpleQueue[Result] = SimpleQueue()

    def put(self, result: Any, error: BaseException | None) -> None:
        """Take an outcome in."""
        self._outcomes.put((result, error))

    def take(self) -> Result:
        """The next outcome."""
        return self._outcomes.get(timeout=PATIENCE)

    def take_now(self) -> list[Result]:
        """Every outcome there is."""
        return [self._outcomes.get_nowait() for _ in range(self._outcomes.qsize())]


@contextmanager
def working(size: int = 2, waiting: int = 100) -> Iterator[Workers]:
    """Workers at work, stopped in the end."""
    workers = Workers(size, waiting)
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()


def test_a_job_runs_on_a_worker_and_its_result_is_handed_on() -> None:
    """Not on the thread that submits it."""
    basket = Basket()
    with working() as workers:
        workers.submit(threading.get_ident, basket.put)
        result, error = basket.take()
    assert error is None
    assert result != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("bad"), Refused("user.self", "no"), SystemExit(1)])
def test_whatever_a_job_raises_is_handed_on(error: BaseException) -> None:
    """And the worker goes on."""
    basket = Basket()

    def job() -> None:
        raise error

    with working(size=1) as workers:
        workers.submit(job, basket.put)
        assert basket.take() == (None, error)
        workers.submit(lambda: "next", basket.put)
        assert basket.take() == ("next", None)


def test_jobs_of_one_worker_are_done_in_order() -> None:
    """First come, first served."""
    basket = Basket()
    with working(size=1) as workers:
        for number in range(50):
            workers.submit(partial(int, number), basket.put)
        assert [basket.take()[0] for _ in range(50)] == list(range(50))


def test_workers_work_at_the_same_time() -> None:
    """Two jobs that need each other both end."""
    basket = Basket()
    meeting = threading.Barrier(2)
    with working(size=2) as workers:
        for _ in range(2):
            workers.submit(lambda: meeting.wait(PATIENCE), basket.put)
        assert sorted(basket.take()[0] for _ in range(2)) == [0, 1]


def test_a_full_queue_refuses_and_nothing_happens() -> None:
    """Neither job nor outcome is called; with room again, jobs are taken again."""
    basket = Basket()
    begun, go_on = threading.Event(), threading.Event()

    def block() -> str:
        begun.set()
        assert go_on.wait(PATIENCE)
        return "blocked"

    with working(size=1, waiting=2) as workers:
        workers.submit(block, basket.put)
        assert begun.wait(PATIENCE)
        for _ in range(2):
            workers.submit(lambda: "waited", basket.put)
        with pytest.raises(Refused) as caught:
            workers.submit(lambda: "refused", basket.put)
        go_on.set()
        assert [basket.take()[0] for _ in range(3)] == ["blocked", "waited", "waited"]
        workers.submit(lambda: "later", basket.put)
        assert basket.take()[0] == "later"
    refused = caught.value
    assert (refused.code, refused.retryable) == ("server.busy", True)
    assert refused.retry_after is not None
    assert basket.take_now() == []


@contextmanager
def held(workers: Workers, size: int) -> Iterator[None]:
    """Every thread is at work until the end of the block."""
    basket, begun, go_on = Basket(), threading.Semaphore(0), threading.Event()

    def block() -> None:
        begun.release()
        assert go_on.wait(PATIENCE)

    for _ in range(size):
        workers.submit(block, basket.put)
    for _ in range(size):
        assert begun.acquire(timeout=PATIENCE)
    yield
    go_on.set()
    assert [basket.take() for _ in range(size)] == [(None, None)] * size


def test_the_first_lane_goes_before_what_waited_longer() -> None:
    """A flood of others holds nobody up who is in it."""
    basket = Basket()
    with working(size=1) as workers:
        with held(workers, 1):
            for number in range(3):
                workers.submit(partial(str, f"other {number}"), basket.put)
            workers.submit(partial(str, "first"), basket.put, first=True)
        found = [basket.take()[0] for _ in range(4)]
    assert found == ["first", "other 0", "other 1", "other 2"]


def test_a_flood_in_the_first_lane_starves_nobody() -> None:
    """Now and then it is the turn of one of the others."""
    basket = Basket()
    with working(size=1) as workers:
        with held(workers, 1):
            for _ in range(2):
                workers.submit(partial(str, "other"), basket.put)
            for _ in range(3 * IN_A_ROW):
                workers.submit(partial(str, "first"), basket.put, first=True)
        found = [basket.take()[0] for _ in range(2 + 3 * IN_A_ROW)]
    firsts = ["first"] * IN_A_ROW
    assert found == [*firsts, "other", *firsts, "other", *firsts]


def test_both_lanes_have_the_same_threads() -> None:
    """So never more hashes are in memory than there are threads."""
    basket = Basket()
    with working(size=2) as workers, held(workers, 2):
        for first in (True, False):
            workers.submit(lambda: "free", basket.put, first=first)
        assert workers.waiting == 2
        assert len(workers._threads) == 2


def test_a_full_queue_of_others_does_not_refuse_the_first() -> None:
    """Nor does a full first lane, while there is room among the others."""
    basket = Basket()
    with working(size=1, waiting=2) as workers:
        with held(workers, 1):
            for _ in range(2):
                workers.submit(partial(str, "other"), basket.put)
            for _ in range(2):
                workers.submit(partial(str, "first"), basket.put, first=True)
            for first in (True, False):
                with pytest.raises(Refused):
                    workers.submit(partial(str, "too many"), basket.put, first=first)
        assert [basket.take()[0] for _ in range(4)] == ["first"] * 2 + ["other"] * 2
        with held(workers, 1):
            for number in range(4):
                workers.submit(partial(int, number), basket.put, first=True)
        assert [basket.take()[0] for _ in range(4)] == [0, 1, 2, 3]


def test_stopping_drops_what_waits_and_waits_for_nothing_long() -> None:
    """Nobody is there any more to be answered; what was begun may end, and its thread with it."""
    basket = Basket()
    begun, go_on = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def begin() -> str:
        begun.set()
        go_on.wait(PATIENCE)
        return "begun"

    with working(size=1, waiting=50) as workers:
        workers.submit(begin, basket.put)
        assert begun.wait(PATIENCE)
        for number in range(40):
            workers.submit(partial(int, number), basket.put)
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
    assert basket.take_now() == [("begun", None)]
    assert set(threading.enumerate()) <= before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_outcome_that_fails_does_not_end_the_worker() -> None:
    """One fault must not cost every later job its worker."""
    basket = Basket()

    def fail(result: Any, error: BaseException | None) -> None:
        raise ZeroDivisionError

    workers = Workers(1, 100)
    workers.start()
    workers.submit(lambda: None, fail)
    workers.submit(lambda: "next", basket.put)
    assert basket.take() == ("next", None)
    workers.stop()
