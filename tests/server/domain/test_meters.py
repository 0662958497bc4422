"""Meters: how much a person may say, join and read; the tests bring the time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_schema.errors import Refused
from chat_schema.replies import Rate
from chat_server.domain.meters import Bucket, Meter, MeterTerms, UsedMeters, message_cost

TERMS = MeterTerms(
    messages=Rate(burst=10, per_second=5),
    joins=Rate(burst=3, per_second=0.5),
    reads=Rate(burst=2, per_second=0.25),
    flood_mute=30,
)
HOUR = 3600.0 * 24 * 30
"""A moment in the middle of a server's life, where a float has fewer digits left."""


def refusal(act: Callable[[], object]) -> Refused:
    """How it is refused; fail where it is not."""
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def spoken(meter: Meter, count: int, now: float) -> list[str]:
    """What becomes of so many messages at once: "ok", "warn" or the code of the refusal."""
    fates: list[str] = []
    for _ in range(count):
        try:
            fates.append(meter.message(1, now) or "ok")
        except Refused as refused:
            fates.append(refused.code)
    return fates


def test_the_burst_passes_then_a_warning_then_refusals() -> None:
    """The first message too many is sent with a warning; the next is not sent."""
    assert spoken(Meter(TERMS), 12, HOUR) == ["ok"] * 10 + ["warn", "rate.messages"]


def test_a_refusal_tells_when_the_message_would_pass() -> None:
    """Not before, and at that moment."""
    meter = Meter(TERMS)
    spoken(meter, 11, HOUR)
    wait = refusal(lambda: meter.message(1, HOUR)).retry_after
    assert wait is not None
    assert refusal(lambda: meter.message(1, HOUR + wait - 0.2)).code == "rate.messages"
    assert meter.message(1, HOUR + wait) is None


def test_the_warned_message_is_a_debt() -> None:
    """After a warning two units have to come in before the next message passes."""
    meter = Meter(TERMS)
    spoken(meter, 11, HOUR)
    assert spoken(meter, 1, HOUR + 0.3) == ["rate.messages"]
    assert spoken(meter, 1, HOUR + 0.5) == ["ok"]


def test_the_warning_comes_anew_once_the_bucket_was_full() -> None:
    """Not while it only fills up."""
    meter = Meter(TERMS)
    spoken(meter, 11, HOUR)
    assert spoken(meter, 11, HOUR + 2)[-1] == "rate.messages"
    assert spoken(meter, 11, HOUR + 4.5)[-1] == "warn"


def test_the_fifth_refusal_mutes() -> None:
    """It says for how long; until then everything is refused, and then all is forgotten."""
    meter = Meter(TERMS)
    assert spoken(meter, 16, HOUR)[-5:] == ["rate.messages"] * 4 + ["rate.muted"]
    assert meter.muted_until == HOUR + 30
    assert refusal(lambda: meter.message(1, HOUR + 10)).retry_after == 20
    assert spoken(meter, 1, HOUR + 29.9) == ["rate.muted"]
    assert spoken(meter, 12, HOUR + 30) == ["ok"] * 10 + ["warn", "rate.messages"]


def test_refusals_far_apart_do_not_mute() -> None:
    """Five in half an hour are no flood."""
    meter = Meter(TERMS)
    for minute in range(10):
        fates = spoken(meter, 12, HOUR + 60 * minute)
        assert fates[-1] == "rate.messages"


def test_attempts_while_muted_do_not_make_it_longer() -> None:
    """A client that tries again too early is heard when the time is over."""
    meter = Meter(TERMS)
    spoken(meter, 16, HOUR)
    spoken(meter, 100, HOUR + 29)
    assert spoken(meter, 1, HOUR + 30) == ["ok"]


def test_who_is_unmuted_speaks_again() -> None:
    """Before the time is over, once."""
    meter = Meter(TERMS)
    spoken(meter, 16, HOUR)
    assert meter.unmute(HOUR + 1)
    assert not meter.unmute(HOUR + 1)
    assert spoken(meter, 1, HOUR + 1) == ["ok"]


@given(st.integers(1, 100))
def test_an_honest_pace_is_never_touched(per_message: int) -> None:
    """Five a second for as long as one likes, and any slower pace."""
    meter = Meter(TERMS)
    pace = 0.2 * per_message
    assert {meter.message(1, HOUR + pace * turn) for turn in range(200)} == {None}


def test_a_block_larger_than_the_burst_can_be_sent() -> None:
    """It takes all there is: waiting always helps."""
    terms = MeterTerms(Rate(burst=2, per_second=1), TERMS.joins, TERMS.reads, 30)
    meter = Meter(terms)
    assert meter.message(16, HOUR) is None
    assert meter.message(16, HOUR + 2) is None
    assert meter.message(16, HOUR + 3) == "warn"
    wait = refusal(lambda: meter.message(16, HOUR + 3)).retry_after
    assert wait is not None
    assert meter.message(16, HOUR + 3 + wait) is None


def test_joins_and_reads_have_buckets_of_their_own() -> None:
    """Each is refused under its code, with its own wait; none mutes."""
    meter = Meter(TERMS)
    for _ in range(3):
        meter.join(HOUR)
    for _ in range(2):
        meter.read(HOUR)
    joins = [refusal(lambda: meter.join(HOUR)) for _ in range(9)]
    reads = [refusal(lambda: meter.read(HOUR)) for _ in range(9)]
    assert {(each.code, each.retry_after) for each in joins} == {("rate.joins", 2.1)}
    assert {(each.code, each.retry_after) for each in reads} == {("rate.reads", 4.1)}
    meter.join(HOUR + 2.1)
    meter.read(HOUR + 4.1)
    assert spoken(meter, 1, HOUR) == ["ok"]


def test_a_loop_that_is_behind_takes_nothing_away() -> None:
    """Two loops may see their own times; what came in is neither lost nor counted twice."""
    bucket = Bucket(10, 5)
    assert bucket.spend(1, HOUR)
    assert bucket.spend(1, HOUR - 0.5)
    assert bucket.spend(8, HOUR)
    assert not bucket.spend(1, HOUR)
    assert not bucket.spend(1, HOUR - 5)
    assert bucket.spend(5, HOUR + 1)
    assert not bucket.spend(1, HOUR + 1)


SCHEDULES = st.lists(st.tuples(st.floats(0, 4), st.integers(1, 16)), max_size=80)


@given(SCHEDULES, st.integers(1, 12), st.floats(0.1, 20))
@example([(0.0, 1)] * 40, 5, 5.0)
@example([(0.0, 16), (0.0, 16), (3.0, 16), (0.0, 16)], 5, 5.0)
def test_no_schedule_gets_more_through(
    schedule: list[tuple[float, int]], burst: int, rate: float
) -> None:
    """In any window: the burst, what comes in meanwhile, and one message that was warned of."""
    terms = MeterTerms(Rate(burst=burst, per_second=rate), TERMS.joins, TERMS.reads, 1)
    passed = _passed(Meter(terms), schedule, burst)
    for first, (begin, _) in enumerate(passed):
        units = 0
        for when, cost in passed[first:]:
            units += cost
            assert units <= 2 * burst + rate * (when - begin) + 1e-6
            largest = max(cost for _, cost in passed)
            assert units <= burst + largest + rate * (when - begin) + 1e-6


def _passed(meter: Meter, schedule: list[tuple[float, int]], burst: int) -> list[tuple[float, int]]:
    """When which units passed, where each is sent so many seconds after the one before."""
    now, passed = HOUR, []
    for pause, cost in schedule:
        now += pause
        try:
            meter.message(cost, now)
        except Refused:
            continue
        passed.append((now, min(cost, burst)))
    return passed


@given(SCHEDULES, st.integers(1, 12), st.floats(0.1, 20))
def test_who_waits_as_told_is_heard(
    schedule: list[tuple[float, int]], burst: int, rate: float
) -> None:
    """Whatever went before, the message passes after `retry_after`."""
    terms = MeterTerms(Rate(burst=burst, per_second=rate), TERMS.joins, TERMS.reads, 1)
    meter = Meter(terms)
    now = HOUR
    for pause, cost in schedule:
        now += pause
        try:
            meter.message(cost, now)
        except Refused as refused:
            now += refused.retry_after or 0
            meter.message(cost, now)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("a", 1),
        ("a" * 256, 1),
        ("a" * 1024, 1),
        ("a" * 1025, 2),
        ("line\n" * 800, 4),
        ("é" * 512, 1),
        ("é" * 513, 2),
        ("\N{GRINNING FACE}" * 4000, 16),
    ],
)
def test_a_message_costs_a_unit_for_each_kib_begun(text: str, cost: int) -> None:
    """Bytes count, not characters and not lines: a pasted block of 4 KiB costs 4."""
    assert message_cost(text) == cost


def test_who_waits_as_told_is_never_muted() -> None:
    """However long it goes on: a refusal after the wait begins the count anew."""
    meter, now, codes = Meter(TERMS), HOUR, []
    for _ in range(60):
        try:
            meter.message(1, now)
        except Refused as refusal:
            codes.append(refusal.code)
            now += refusal.retry_after or 0
    assert codes == ["rate.messages"] * len(codes)
    assert len(codes) > 20


def test_what_somebody_used_is_remembered_until_it_is_full_again() -> None:
    """The one that takes longest of a name; the oldest names go first."""
    used, fresh, spent = UsedMeters(most=2), Meter(TERMS), Meter(TERMS)
    fresh.message(1, HOUR)
    for _ in range(5):
        spent.message(1, HOUR)
    used.put("a", spent)
    used.put("a", fresh)
    assert used.take("a", HOUR) is spent
    used.put("a", spent)
    assert used.take("a", spent.fills_at) is None
    for name in ("x", "y", "z"):
        used.put(name, spent)
    assert len(used) == 2
    assert used.take("x", HOUR) is None
