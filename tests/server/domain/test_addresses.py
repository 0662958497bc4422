"""Addresses: how many connections one may hold and begin; the tests bring the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema.errors import Refused
from chat_server.domain.addresses import Addresses, AddressLimits, StayLimits, Stays

LIMITS = AddressLimits(at_once=2, per_window=3, window=60, exempt_loopback=True)
HOST = "192.0.2.1"


def refusal(addresses: Addresses, address: str, now: float) -> Refused:
    """How the address is refused; fail where it is not."""
    with pytest.raises(Refused) as caught:
        addresses.admit(address, now)
    return caught.value


def visit(addresses: Addresses, address: str, now: float) -> None:
    """Come and go at once."""
    addresses.admit(address, now)
    addresses.release(address)


def test_an_address_holds_so_many_connections_and_no_more() -> None:
    """The refusal is fatal, says the limit, and when one goes another may come."""
    addresses = Addresses(LIMITS)
    for _ in range(2):
        addresses.admit(HOST, 0)
    refused = refusal(addresses, HOST, 0)
    assert (refused.code, refused.fatal, refused.limit) == ("rate.connections", True, 2)
    addresses.release(HOST)
    addresses.admit(HOST, 0)


def test_a_refused_connection_is_not_counted() -> None:
    """However often somebody knocks, the first release makes room."""
    addresses = Addresses(LIMITS)
    for _ in range(2):
        addresses.admit(HOST, 0)
    for _ in range(100):
        refusal(addresses, HOST, 0)
    addresses.release(HOST)
    addresses.admit(HOST, 0)


def test_addresses_do_not_count_for_each_other() -> None:
    """A full neighbour is no obstacle."""
    addresses = Addresses(LIMITS)
    for _ in range(2):
        addresses.admit(HOST, 0)
    addresses.admit("192.0.2.2", 0)


def test_an_address_begins_so_many_connections_in_a_window() -> None:
    """The refusal says when the oldest of them will be forgotten."""
    addresses = Addresses(LIMITS)
    for moment in (0, 10, 20):
        visit(addresses, HOST, moment)
    refused = refusal(addresses, HOST, 25)
    assert (refused.code, refused.limit, refused.retry_after) == ("rate.connections", 3, 35)
    visit(addresses, HOST, 60)
    assert refusal(addresses, HOST, 60).retry_after == 10


eighths = st.integers(0, 239).map(lambda count: count / 8)
"""Moments within thirty seconds, such that sums of them are exact."""


@given(st.lists(eighths, min_size=3, max_size=3), eighths.map(lambda moment: moment + 30))
def test_after_the_time_it_was_told_an_address_is_admitted(begun: list[float], now: float) -> None:
    """A client that waits as long as the refusal says is not refused again."""
    addresses = Addresses(LIMITS)
    for moment in sorted(begun):
        visit(addresses, HOST, moment)
    retry_after = refusal(addresses, HOST, now).retry_after
    assert retry_after is not None
    addresses.admit(HOST, now + retry_after)


def test_a_long_stay_does_not_count_as_new() -> None:
    """What began before the window is forgotten, though the connection is still open."""
    addresses = Addresses(LIMITS)
    addresses.admit(HOST, 0)
    for moment in (100, 110, 120):
        visit(addresses, HOST, moment)
    assert refusal(addresses, HOST, 130).retry_after == 30


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("2001:db8::", "2001:0db8:0000:0000:0000:0000:0000:0001", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_whose_connections_count_together(one: str, other: str, same: bool) -> None:
    """A /64 of IPv6 is one household; a mapped IPv4 address is that IPv4 address."""
    addresses = Addresses(LIMITS)
    for _ in range(2):
        addresses.admit(one, 0)
    if same:
        assert refusal(addresses, other, 0).limit == 2
        addresses.release(other)
    addresses.admit(other, 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_exempt(address: str) -> None:
    """Its connections are its owner's affair, over whichever protocol they come."""
    addresses = Addresses(LIMITS)
    for _ in range(100):
        addresses.admit(address, 0)
    for _ in range(100):
        addresses.release(address)


def test_this_machine_is_exempt_only_where_the_settings_say_so() -> None:
    """Behind a proxy everybody comes from here."""
    limits = AddressLimits(at_once=1, per_window=3, window=60, exempt_loopback=False)
    addresses = Addresses(limits)
    addresses.admit("127.0.0.1", 0)
    assert refusal(addresses, "127.0.0.1", 0).limit == 1


def test_without_limits_everybody_is_admitted() -> None:
    """And releasing and tidying are no faults then."""
    addresses = Addresses(None)
    for _ in range(100):
        addresses.admit(HOST, 0)
    addresses.release(HOST)
    addresses.tidy(0)


def test_releasing_more_than_was_admitted_gives_no_credit() -> None:
    """The count never goes below nothing."""
    addresses = Addresses(LIMITS)
    for _ in range(5):
        addresses.release(HOST)
    for _ in range(2):
        addresses.admit(HOST, 0)
    assert refusal(addresses, HOST, 0).limit == 2


def test_tidying_forgets_nothing_that_counts() -> None:
    """Neither open connections nor those begun within the window."""
    addresses = Addresses(LIMITS)
    for moment in (0, 30, 30):
        visit(addresses, HOST, moment)
    addresses.tidy(59)
    assert refusal(addresses, HOST, 59).retry_after == 1
    for _ in range(2):
        addresses.admit("192.0.2.2", 0)
    addresses.tidy(1000)
    assert refusal(addresses, "192.0.2.2", 1000).limit == 2


def test_tidying_leaves_nothing_of_quiet_addresses() -> None:
    """A scan from ten thousand addresses is forgotten after a window."""
    addresses = Addresses(LIMITS)
    for number in range(10_000):
        visit(addresses, f"198.51.{number // 256}.{number % 256}", 0)
    addresses.tidy(60)
    assert not addresses._begun
    assert not addresses._open


def held(stays: Stays, count: int, address: str) -> int:
    """How many of so many new stays of this address are held."""
    return sum(stays.hold(f"{address} {number}", address) for number in range(count))


def test_an_address_has_so_many_held_stays_and_no_more() -> None:
    """Another address is not concerned, and a whole IPv6 /64 is one."""
    stays = Stays(StayLimits(at_once=3, exempt_loopback=True))
    assert held(stays, 5, HOST) == 3
    assert held(stays, 1, "192.0.2.2") == 1
    assert held(stays, 3, "2001:db8::1") == 3
    assert held(stays, 1, "2001:db8::2:1") == 0


def test_a_stay_that_is_taken_up_makes_room() -> None:
    """Whoever takes it up, and from wherever; one that was not counted changes nothing."""
    stays = Stays(StayLimits(at_once=2, exempt_loopback=True))
    assert held(stays, 2, HOST) == 2
    stays.release("nobody's")
    assert not stays.hold("third", HOST)
    stays.release("third")
    assert not stays.hold("third", HOST)
    stays.release(f"{HOST} 0")
    assert stays.hold("third", HOST)
    assert not stays.hold("fourth", HOST)


def test_a_stay_counts_once_however_often_it_is_held() -> None:
    """A connection that is lost again and again does not fill its own address."""
    stays = Stays(StayLimits(at_once=1, exempt_loopback=True))
    assert all(stays.hold("mine", HOST) for _ in range(3))
    assert stays.hold("mine", "192.0.2.2")
    assert stays.hold("another", HOST)


def test_stays_of_this_machine_are_not_counted_unless_they_are() -> None:
    """Its owner is not limited, where the setting says so; nor is anybody without limits."""
    assert held(Stays(StayLimits(at_once=1, exempt_loopback=True)), 9, "127.0.0.1") == 9
    assert held(Stays(StayLimits(at_once=1, exempt_loopback=False)), 9, "127.0.0.1") == 1
    assert held(Stays(None), 9, HOST) == 9
