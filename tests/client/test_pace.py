"""How fast a pipe talks: never faster than a server's bucket allows."""

from __future__ import annotations

import pytest

from chat_client.pace import Pace, units
from chat_schema.replies import Rate


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.mark.parametrize("rate", [Rate(burst=10, per_second=5), Rate(burst=1, per_second=0.5)])
def test_a_server_s_bucket_never_runs_dry(rate: Rate) -> None:
    """However much is said, and long messages cost more."""
    time = Time()
    pace = Pace(rate, time.clock, time.sleep)
    left, at = float(rate.burst), time.now
    for number in range(100):
        text = "x" * (1500 if number % 7 == 0 and rate.burst > 1 else 10)
        pace.wait(text)
        left = min(rate.burst, left + (time.now - at) * rate.per_second) - units(text)
        at = time.now
        assert left >= 0
    assert time.now < 100 + 130 / rate.per_second / 0.8


def test_a_few_lines_need_not_wait() -> None:
    """And none where the server sets no bounds."""
    time = Time()
    for pace, count in (
        (Pace(Rate(burst=10, per_second=5), time.clock, time.sleep), 8),
        (Pace(None, time.clock, time.sleep), 1000),
    ):
        for _ in range(count):
            pace.wait("x")
    assert time.now == 100


@pytest.mark.parametrize(("size", "cost"), [(0, 1), (1024, 1), (1025, 2), (2049, 3)])
def test_a_message_costs_one_and_one_for_each_further_kib(size: int, cost: int) -> None:
    """Of its bytes, as the server counts them."""
    assert units("x" * size) == cost
    assert units("é" * 1000) == 2
