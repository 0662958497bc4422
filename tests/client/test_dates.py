"""Dates and spans as a reader sees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client import dates
from tests.client.days import greenwich

TODAY = "2026-11-22T15:00:00.123Z"
YESTERDAY = "2026-11-21T22:00:12.000Z"


@pytest.fixture(autouse=True)
def _day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is one day, in Greenwich."""
    with greenwich(monkeypatch, TODAY):
        yield


def test_the_day_is_shown_where_it_is_another_one() -> None:
    """Of today, hour and minute say when; what is no date is none."""
    assert dates.date(TODAY) == dates.clock(TODAY) == "15:00"
    assert (dates.date(YESTERDAY), dates.clock(YESTERDAY)) == ("2026-11-21 22:00", "22:00")
    assert dates.date("x") == dates.clock("") == "--:--"


@pytest.mark.parametrize(
    ("until", "since", "told"),
    [
        (None, TODAY, "for good"),
        ("soon", TODAY, "for a while"),
        ("2026-11-22T15:01:59.000Z", TODAY, "until 15:01:59"),
        ("2026-11-22T15:02:00.123Z", TODAY, "until 15:02"),
        ("2026-11-23T15:00:00.000Z", TODAY, "until 2026-11-23 15:00"),
        ("2026-11-22T00:00:10.000Z", "2026-11-21T23:59:50.000Z", "until 00:00:10"),
        (YESTERDAY, YESTERDAY, "until 2026-11-21 22:00:12"),
        ("2026-11-22T15:00:09.000Z", "?", "until 15:00"),
    ],
)
def test_a_term_ends_as_exactly_as_it_is_short(until: str | None, since: str, told: str) -> None:
    """Under two minutes the minute alone would say nothing."""
    assert dates.term(until, since) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.3, "a second"), (28.9, "29 s"), (119.4, "119 s"), (120, "2 minutes"),
        (3600, "60 minutes"), (7200, "2 hours"), (86400 * 7, "7 days"),
    ],
)  # fmt: skip
def test_a_span_is_a_number_and_a_unit(seconds: float, told: str) -> None:
    """No fractions, and no thousands of seconds."""
    assert dates.span(seconds) == told


@pytest.mark.parametrize(
    ("sentence", "seconds", "said"),
    [
        ("Muted for 29 seconds.", 28.9, True),
        ("Wait 4 s.", 3.6, True),
        ("Banned for another 12 minutes.", 700, True),
        ("One message in 60 s from each.", 43, False),
        ("Slow down.", 3, False),
        ("Room 4 is full.", 4, False),
    ],
)
def test_a_sentence_that_has_the_span_needs_it_no_more(
    sentence: str, seconds: float, said: bool
) -> None:
    """As exactly as it tells it; another span in it does not count."""
    assert dates.says(sentence, seconds) == said


def test_tenths_of_seconds_are_left_out() -> None:
    """Upwards, so that nobody comes too early; numbers of anything else stay."""
    assert dates.whole("For 29.3 seconds, 1.5 s.") == "For 30 seconds, 2 s."
    assert dates.whole("Version 1.5 since 3 s") == "Version 1.5 since 3 s"


@given(st.text(), st.text())
def test_no_text_of_a_server_is_too_odd_for_a_date(one: str, other: str) -> None:
    """Property: whatever stands where a date should, something is shown."""
    assert dates.date(one)
    assert dates.term(one, other).startswith(("until", "for a while"))
    assert dates.apart(one, other) is None or dates.moment(one) is not None
