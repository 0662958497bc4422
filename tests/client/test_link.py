"""Pauses between connections, and signs of life, with a clock and chance of the test's own."""

from __future__ import annotations

import math

import pytest

from chat_client.link import FIRST, LONGEST, STEADY, USUAL_INTERVAL, Backoff, Pulse
from chat_schema.events import Bye


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now


@pytest.fixture
def time() -> Time:
    """Seconds that pass when the test says so."""
    return Time()


def bye(reconnect: str, after: float | None = None) -> Bye:
    """A server's last word."""
    return Bye(code="c", message="m", reconnect=reconnect, after=after)  # type: ignore[arg-type]


def pauses(backoff: Backoff, count: int, word: Bye | None = None) -> list[float | None]:
    """The pauses before this many vain tries."""
    return [backoff.pause(word) for _ in range(count)]


def test_pauses_double_up_to_the_longest(time: Time) -> None:
    """With the worst of chances."""
    backoff = Backoff(1e6, time, lambda: 1.0)
    assert pauses(backoff, 8) == [FIRST, 1, 2, 4, 8, 16, LONGEST, LONGEST]
    assert pauses(backoff, 2000)[-1] == LONGEST


def test_pauses_are_jittered_in_full(time: Time) -> None:
    """Anything from nothing on: those who were cut off together do not come back together."""
    chances = iter([0.0, 0.5])
    assert pauses(Backoff(1e6, time, lambda: next(chances)), 2) == [0.0, 0.5]


def test_a_connection_that_held_starts_over(time: Time) -> None:
    """One that was welcomed and thrown out again does not."""
    backoff = Backoff(1e6, time, lambda: 1.0)
    pauses(backoff, 3)
    backoff.welcome()
    assert backoff.pause(None) == 4
    backoff.welcome()
    time.now += STEADY
    assert backoff.pause(None) == FIRST


def test_it_gives_up_in_time_and_tries_once_at_the_end(time: Time) -> None:
    """The last pause is cut so that the end is met."""
    backoff = Backoff(10, time, lambda: 1.0)
    backoff.pause(None)
    time.now += 9.9
    assert backoff.pause(None) == pytest.approx(0.1)
    time.now += 0.1
    assert backoff.pause(None) is None


def test_the_time_to_give_up_counts_from_the_last_welcome_lost(time: Time) -> None:
    """And `welcome` tells how long one was away."""
    backoff = Backoff(10, time, lambda: 1.0)
    backoff.pause(None)
    time.now += 8
    assert backoff.welcome() == 8
    time.now += 100
    assert backoff.pause(None) is not None


def test_nought_means_never(time: Time) -> None:
    """Such a program wants to hear of the end at once."""
    backoff = Backoff(0, time)
    assert not backoff.patient
    assert backoff.pause(None) is None


def test_never_is_obeyed(time: Time) -> None:
    """The server knows why."""
    assert Backoff(1e6, time).pause(bye("never")) is None


def test_now_is_obeyed_once(time: Time) -> None:
    """If it repeats, it backs off like anything else."""
    backoff = Backoff(1e6, time, lambda: 1.0)
    assert backoff.pause(bye("now")) == 0
    backoff.welcome()
    assert backoff.pause(bye("now")) == 1


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 5.0), (1.0, 7.5)])
def test_later_is_not_sooner_than_asked(time: Time, chance: float, expected: float) -> None:
    """And jittered above that."""
    assert Backoff(1e6, time, lambda: chance).pause(bye("later", 5)) == expected


@pytest.mark.parametrize("after", [None, 0.0, -1.0, math.nan, math.inf])
def test_later_without_a_sensible_time_is_the_usual_pause(time: Time, after: float | None) -> None:
    """Whatever a server writes there."""
    assert Backoff(1e6, time, lambda: 1.0).pause(bye("later", after)) == FIRST


def test_a_server_cannot_send_us_away_beyond_our_patience(time: Time) -> None:
    """A pause never goes beyond the time to give up."""
    assert Backoff(60, time, lambda: 1.0).pause(bye("later", 1e9)) == 60


def test_silence_is_asked_about_once_and_then_is_the_end(time: Time) -> None:
    """At one and a half intervals, and at the timeout."""
    pulse = Pulse(5, time)
    pulse.welcome(30, 75)
    assert pulse.pause() == 45
    time.now += 44
    assert pulse.due() == []
    time.now += 1
    assert pulse.due() == ["ping"]
    assert pulse.pause() == 30
    time.now += 30
    assert pulse.due() == ["silent"]


def test_any_byte_is_life(time: Time) -> None:
    """Also the answer to what was asked."""
    pulse = Pulse(5, time)
    pulse.welcome(30, 75)
    time.now += 45
    pulse.due()
    pulse.heard()
    assert pulse.pause() == 45


def test_until_the_welcome_patience_counts_whatever_is_said(time: Time) -> None:
    """A server that talks and does not let us in is not waited for longer."""
    pulse = Pulse(5, time)
    time.now += 4
    pulse.heard()
    time.now += 1
    assert pulse.due() == ["silent"]


def test_what_is_to_be_tried_later_is_due_then(time: Time) -> None:
    """Once; the sooner of two."""
    pulse = Pulse(50, time)
    pulse.later("pages", 1)
    pulse.later("pages", 9)
    time.now += 1
    assert pulse.due() == ["pages"]
    assert pulse.due() == []


@pytest.mark.parametrize("interval", [0.0, -1.0, math.nan, math.inf])
def test_a_heartbeat_without_sense_is_the_usual_one(time: Time, interval: float) -> None:
    """A server cannot make us spin, or wait for ever."""
    pulse = Pulse(5, time)
    pulse.welcome(interval, interval)
    assert pulse.pause() == 1.5 * USUAL_INTERVAL
