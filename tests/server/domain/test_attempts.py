"""Attempts: how long a login has to wait; the tests bring the time."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema.errors import Refused
from chat_server.domain.attempts import (
    ACCOUNT_PATIENCE,
    ADDRESS_PATIENCE,
    SWEEP,
    TRUSTED,
    Attempts,
)

NOW = 3600.0 * 24 * 30
"""A moment in the middle of a server's life."""

HERE, THERE = "192.0.2.1", "198.51.100.7"


def waits(attempts: Attempts, count: int, block: str = HERE, name: str = "alice") -> list[float]:
    """How long so many attempts have to wait, all made now."""
    return [attempts.delay(block, name, NOW) for _ in range(count)]


def test_the_first_attempts_of_a_minute_do_not_wait() -> None:
    """Who mistypes a password twice notices nothing."""
    assert waits(Attempts(5), 5) == [0] * 5


def test_further_attempts_of_an_address_wait_longer_and_longer() -> None:
    """So that there are five in every minute, whatever is tried."""
    attempts = Attempts(5)
    names = [f"name{number}" for number in range(10)]
    assert [attempts.delay(HERE, name, NOW) for name in names] == [0] * 5 + [12, 24, 36, 48, 60]


def test_too_many_attempts_of_an_address_are_told_when_to_come_again() -> None:
    """They are not counted: whoever waits as told is served, and nobody is locked out."""
    attempts = Attempts(5)
    waits(attempts, 10)
    for _ in range(1000):
        with pytest.raises(Refused) as caught:
            attempts.delay(HERE, "alice", NOW)
    assert (caught.value.code, caught.value.retry_after) == ("rate.logins", 12)
    assert caught.value.retryable
    assert attempts.delay(HERE, "alice", NOW + 12) == ADDRESS_PATIENCE


def test_an_account_is_slowed_down_over_all_addresses() -> None:
    """Many addresses do not make many guesses at once, but its owner is never locked out."""
    attempts = Attempts(5)
    found = [attempts.delay(f"10.0.{number}.1", "alice", NOW) for number in range(200)]
    assert found == [0] * 5 + [ACCOUNT_PATIENCE] * 195
    assert attempts.delay(THERE, "alice", NOW + 60 + ACCOUNT_PATIENCE) == 0


def test_an_address_that_was_right_does_not_wait_for_strangers() -> None:
    """Whoever is under attack logs in as ever from where they have been."""
    attempts = Attempts(5)
    attempts.delay(HERE, "alice", NOW)
    attempts.right(HERE, "alice")
    for number in range(200):
        attempts.delay(f"10.0.{number}.1", "alice", NOW)
    assert attempts.delay(HERE, "alice", NOW) == 0
    assert attempts.delay(THERE, "alice", NOW) == ACCOUNT_PATIENCE


def test_an_address_is_trusted_with_one_account_only() -> None:
    """Having an account of one's own does not help against another's."""
    attempts = Attempts(5)
    attempts.delay(HERE, "mallory", NOW)
    attempts.right(HERE, "mallory")
    assert waits(attempts, 6, HERE, "alice")[5] == 12
    assert attempts.delay(THERE, "alice", NOW) == ACCOUNT_PATIENCE


def test_an_address_that_was_right_does_not_wait_for_others_behind_it() -> None:
    """Whatever strangers there try, up to what is refused: it has attempts of its own."""
    attempts = Attempts(5)
    attempts.delay(HERE, "alice", NOW)
    attempts.right(HERE, "alice")
    for number in range(10):
        attempts.delay(HERE, f"name{number}", NOW)
    with pytest.raises(Refused):
        attempts.delay(HERE, "bob", NOW)
    assert attempts.delay(HERE, "alice", NOW) == 0


def test_trust_gives_no_more_guesses_than_others_have() -> None:
    """A housemate guesses at the same rate, wherever else they are right."""
    attempts = Attempts(5)
    attempts.delay(HERE, "alice", NOW)
    attempts.right(HERE, "alice")
    assert waits(attempts, 10) == [0] * 5 + [12, 24, 36, 48, 60]
    with pytest.raises(Refused) as caught:
        attempts.delay(HERE, "alice", NOW)
    assert (caught.value.code, caught.value.retry_after) == ("rate.logins", 12)
    assert waits(attempts, 5, name="bob") == [0] * 5


def test_whoever_is_right_several_times_at_once_pays_nothing() -> None:
    """The first makes the address trusted, and the others take back what they have paid too."""
    attempts = Attempts(5)
    waits(attempts, 4)
    for _ in range(4):
        attempts.right(HERE, "alice")
    assert waits(attempts, 5, name="bob") == [0] * 5
    assert waits(attempts, 5, THERE, "alice") == [0] * 5


def test_being_right_where_one_is_trusted_does_not_pay_for_guesses() -> None:
    """It cost the address nothing, so the address gets nothing back."""
    attempts = Attempts(5)
    for name in ("mallory",) * 3:
        attempts.delay(HERE, name, NOW)
        attempts.right(HERE, name)
    guesses = waits(attempts, 5)
    attempts.delay(HERE, "mallory", NOW)
    attempts.right(HERE, "mallory")
    attempts.distrust("mallory", but=HERE)
    assert attempts.trusts(HERE, "mallory")
    assert guesses + waits(attempts, 1) == [0] * 5 + [12]


def test_a_changed_password_ends_the_trust() -> None:
    """Who knew the old one is a stranger now."""
    attempts = Attempts(5)
    attempts.right(HERE, "alice")
    attempts.right(HERE, "bob")
    attempts.distrust("alice")
    for number in range(10):
        attempts.delay(f"10.0.{number}.1", "alice", NOW)
        attempts.delay(f"10.0.{number}.1", "bob", NOW)
    assert attempts.delay(HERE, "alice", NOW) == ACCOUNT_PATIENCE
    assert attempts.delay(HERE, "bob", NOW) == 0


def test_being_right_costs_nothing() -> None:
    """A hundred people behind one address come back after a restart without waiting."""
    attempts = Attempts(5)
    for number in range(100):
        assert attempts.delay(HERE, f"name{number}", NOW) == 0
        attempts.right(HERE, f"name{number}")


def test_being_right_does_not_pay_for_guesses() -> None:
    """Between guesses, whoever logs in to an account of their own waits for those all the same."""
    attempts = Attempts(5)
    guesses = []
    for _ in range(6):
        guesses.append(attempts.delay(HERE, "alice", NOW))
        attempts.delay(HERE, "mallory", NOW)
        attempts.right(HERE, "mallory")
    assert guesses == [0] * 5 + [12]


def test_an_attempt_for_no_account_counts_for_its_address() -> None:
    """So accounts are not made by the hundred either."""
    assert waits(Attempts(5), 6, name="") == [0] * 5 + [12]


def test_without_limits_nobody_waits() -> None:
    """For tests and measurements."""
    assert waits(Attempts(None), 10_000) == [0] * 10_000


@pytest.mark.parametrize("per_minute", [0.1, 0.5, 1])
def test_there_is_always_a_first_attempt(per_minute: float) -> None:
    """However few the operator grants."""
    assert Attempts(per_minute).delay(HERE, "alice", NOW) == 0


def test_full_buckets_are_let_go() -> None:
    """Case 86: a million addresses in a day need the memory of those of two minutes."""
    attempts = Attempts(5)
    most = 0
    for number in range(20 * SWEEP):
        attempts.delay(f"10.{number}", f"name{number}", NOW + number)
        most = max(most, len(attempts))
    assert most <= SWEEP


def test_trust_is_bounded() -> None:
    """The oldest go first."""
    attempts = Attempts(1)
    for number in range(TRUSTED + 1):
        attempts.right(HERE, f"name{number}")
    attempts.delay(THERE, "name0", NOW)
    attempts.delay(THERE, "name1", NOW + 3600)
    attempts.delay("10.0.0.1", "name1", NOW + 3600)
    assert attempts.delay(HERE, "name0", NOW) == ACCOUNT_PATIENCE
    assert attempts.delay(HERE, "name1", NOW + 3600) == 0


@given(
    st.lists(st.floats(0, 5), min_size=2, max_size=60),
    st.sampled_from([0.5, 1.0, 5.0, 30.0]),
)
def test_never_more_than_were_granted_in_a_minute(pauses: list[float], per_minute: float) -> None:
    """Whatever the rhythm, over any span: the burst, and as many as fit into it."""
    attempts, now, done = Attempts(per_minute), NOW, []
    for pause in pauses:
        now += pause
        with suppress(Refused):
            done.append(now + attempts.delay(HERE, "", now))
    burst, interval = max(1, int(per_minute)), 60 / per_minute
    for more in range(burst, len(done)):
        for first, last in zip(done, done[more:], strict=False):
            assert last - first >= (more - burst + 1) * interval - 1e-6
