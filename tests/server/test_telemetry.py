"""Telemetry: counters that any thread may use, and incidents with numbers."""

from __future__ import annotations

import logging
import re
import threading

import pytest

from chat_server import ChatServer
from chat_server.telemetry import Telemetry

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""


def test_nothing_was_counted_yet() -> None:
    """Only what happened is there."""
    assert Telemetry().counts() == {}


def test_counters_count() -> None:
    """Each by its name."""
    telemetry = Telemetry()
    for name in ("a", "b", "a"):
        telemetry.count(name)
    assert telemetry.counts() == {"a": 2, "b": 1}


def test_the_counts_are_a_copy() -> None:
    """Whoever asks cannot change them."""
    telemetry = Telemetry()
    telemetry.counts()["a"] = 7
    assert telemetry.counts() == {}


def test_no_count_is_lost_between_threads() -> None:
    """Four threads, a thousand each."""
    telemetry = Telemetry()
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(PATIENCE)
        for _ in range(1000):
            telemetry.count("a")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert telemetry.counts() == {"a": 4000}


def incident(telemetry: Telemetry) -> str:
    """Handle an exception as an incident."""
    try:
        raise ZeroDivisionError("what somebody typed")
    except ZeroDivisionError:
        return telemetry.incident("request join")


def test_an_incident_is_counted_and_logged_under_its_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With what was going on, and the exception."""
    telemetry = Telemetry()
    with caplog.at_level(logging.ERROR, "chat_server"):
        number = incident(telemetry)
    [record] = caplog.records
    assert record.getMessage() == f"incident {number}: request join"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)
    assert telemetry.counts() == {"incidents": 1}


def test_an_incidents_number_says_nothing_but_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Another each time."""
    with caplog.at_level(logging.CRITICAL, "chat_server"):
        numbers = {incident(Telemetry()) for _ in range(100)}
    assert len(numbers) == 100
    assert all(re.fullmatch("[0-9a-f]{8}", number) for number in numbers)


def test_stats_are_gauges_and_then_counts() -> None:
    """Each sorted; a gauge is read whenever somebody asks."""
    telemetry = Telemetry()
    readings = iter([1, 2])
    telemetry.gauge("people", lambda: next(readings))
    telemetry.gauge("host", lambda: "here")
    telemetry.count("refused.b")
    telemetry.count("refused.a")
    assert list(telemetry.stats().items()) == [
        ("host", "here"),
        ("people", 1),
        ("refused.a", 1),
        ("refused.b", 1),
    ]
    assert telemetry.stats()["people"] == 2


def test_a_server_measures_itself() -> None:
    """Everything an operator asks for is there from the start."""
    with ChatServer(port=0) as server:
        stats = server.telemetry.stats()
    measured = {"version", "python", "uptime", "connections", "people", "accounts", "rooms"}
    waiting = {"journal.waiting", "workers.waiting", "searches.waiting", "hashes.waiting"}
    assert stats.keys() >= measured | waiting | {"messages", "journal.storing"}
    assert (stats["people"], stats["connections"], stats["journal.storing"]) == (0, 0, 1)
