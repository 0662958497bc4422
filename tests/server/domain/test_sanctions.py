"""Bans and mutes: whom they bind, for how long, and how they are found again."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema.errors import Refused
from chat_server.domain import sanctions
from chat_server.domain.addresses import block_of
from chat_server.domain.sanctions import Applicant, Sanction, Sanctions, covers, network_of

NOW = 1_000_000.0
HOME, OFFICE = block_of("192.0.2.1"), block_of("2001:db8:1:2::9")


def guest(uid: str = "u1", nick: str = "mallory", address: str = HOME) -> Applicant:
    """Somebody without an account."""
    return Applicant(uid, nick, None, address)


def owner_of_account(since: float, uid: str = "u2", address: str = HOME) -> Applicant:
    """Somebody whose account was made at `since`."""
    return Applicant(uid, "trent", since, address)


def against_mallory(**fields: object) -> Sanction:
    """A ban of the guest mallory at home."""
    usual = {"id": "#1", "by": "alice", "since": NOW, "nick": "Mallory", "uid": "u1"}
    return Sanction(**{**usual, "addresses": (HOME,), **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("applicant", "bound"),
    [
        (guest(), True),
        (guest(nick="other", address=OFFICE), True),
        (guest(uid="u9", nick="MALLORY", address=OFFICE), True),
        (guest(uid="u9", nick="other"), True),
        (guest(uid="u9", nick="other", address=OFFICE), False),
        (Applicant("u9", "mallory", NOW - 1, OFFICE), False),
        (owner_of_account(NOW - 1), False),
        (owner_of_account(NOW), True),
        (owner_of_account(NOW + 9), True),
        (owner_of_account(NOW + 9, address=OFFICE), False),
        (owner_of_account(NOW - 1, uid="u1", address=OFFICE), True),
    ],
)
def test_case_63_a_ban_binds_person_nick_and_address(applicant: Applicant, bound: bool) -> None:
    """The nick guests only, the address guests and accounts that are younger than the ban."""
    assert against_mallory().matches(applicant) is bound


def test_staff_are_bound_as_the_person_they_are() -> None:
    """What binds an address leaves them alone."""
    assert not against_mallory().matches(guest(uid="u9", nick="other"), by_address=False)
    assert against_mallory().matches(guest(), by_address=False)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("::/0", "::/0"),
        ("mallory", None),
        ("192.0.2.256", None),
        ("192.0.2.0/33", None),
        ("#7", None),
    ],
)
def test_a_network_has_one_form(text: str, network: str | None) -> None:
    """An address is itself, bits beyond the prefix are dropped, mapped IPv4 is IPv4."""
    assert network_of(text) == network


@pytest.mark.parametrize(
    ("network", "address", "inside"),
    [
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "::ffff:192.0.2.9", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "192.0.2.7", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::/32", "2001:db8:ffff::2", True),
        ("2001:db8:1:2::/72", "2001:db8:1:2:ffff::2", True),
        ("2001:db8:1:2::/64", "2001:db8:1:3::2", False),
    ],
)
def test_case_63_a_network_covers_blocks(network: str, address: str, inside: bool) -> None:
    """In either family; of IPv6 whoever has one address of a /64 has all."""
    assert covers(network, block_of(address)) is inside


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(0, 128))
def test_every_address_is_in_its_own_networks(address: object, prefix: int) -> None:
    """However wide they are, and written by whichever address in them."""
    parsed = ip_address(str(address))
    widest = 32 if isinstance(parsed, IPv4Address) else 128
    network = network_of(f"{parsed}/{min(prefix, widest)}")
    assert network is not None
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is None or prefix >= 96:  # a network around all mapped addresses is one of IPv6
        assert covers(network, block_of(str(parsed)))


def test_what_is_over_binds_nobody() -> None:
    """From the very second."""
    found = Sanctions([against_mallory(until=NOW + 60)])
    assert found.against(guest(), NOW + 59.9) is not None
    assert found.against(guest(), NOW + 60) is None
    assert found.in_force(NOW + 60) == []


def test_a_new_one_takes_the_place_of_the_old_and_keeps_its_addresses() -> None:
    """Who is banned again from elsewhere is not let in from where they were before."""
    found = Sanctions([against_mallory()])
    found.impose(against_mallory(id="#2", addresses=(OFFICE,), until=NOW + 60))
    assert [(one.id, one.addresses) for one in found] == [("#2", (OFFICE, HOME))]


def test_what_is_against_another_stays() -> None:
    """Guests of one nick are two people, and networks are not people."""
    found = Sanctions([against_mallory()])
    found.impose(against_mallory(id="#2", uid="u7"))
    found.impose(Sanction("#3", "alice", NOW, network="192.0.2.0/24"))
    found.impose(Sanction("#4", "alice", NOW, network="192.0.2.0/25"))
    found.impose(Sanction("#5", "alice", NOW, network="192.0.2.0/24"))
    assert [one.id for one in found] == ["#1", "#2", "#4", "#5"]


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("#2", ["#2"]),
        ("MALLORY", ["#1"]),
        ("192.0.2.9/24", ["#2"]),
        ("192.0.2.9", []),
        ("192.0.2.1", []),
        ("#9", []),
    ],
)
def test_sanctions_are_found_by_name(name: str, ids: list[str]) -> None:
    """By id, nick or network; never by the address that a person's ban binds."""
    found = Sanctions([against_mallory(), Sanction("#2", "alice", NOW, network="192.0.2.0/24")])
    assert [one.id for one in found.named(name, NOW)] == ids


def test_sanctions_are_found_by_who_they_are_against() -> None:
    """Whatever that person is called by now."""
    found = Sanctions([against_mallory()])
    assert [one.id for one in found.named("renamed", NOW, "u1")] == ["#1"]
    found.lift(["#1"])
    assert not found


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over leaves its place to another, and who has one can have it anew."""
    monkeypatch.setattr(sanctions, "SANCTIONS", 2)
    found = Sanctions([against_mallory(until=NOW + 60)])
    found.impose(against_mallory(id="#2", uid="u7"))
    with pytest.raises(Refused) as refusal:
        found.impose(against_mallory(id="#3", uid="u8"))
    assert (refusal.value.code, refusal.value.limit) == ("server.busy", 2)
    found.impose(against_mallory(id="#4", uid="u7"))
    found.impose(against_mallory(id="#5", uid="u8", since=NOW + 60))
    assert [one.id for one in found] == ["#4", "#5"]


def test_sanctions_survive_json() -> None:
    """As they were."""
    found = Sanctions(
        [against_mallory(until=NOW + 60, reason="no"), Sanction("#2", "a", NOW, network="::/0")]
    )
    again = Sanctions.from_records(json.loads(json.dumps(found.as_records())))
    assert list(again) == list(found)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (0.2, "1 s"),
        (120, "120 s"),
        (120.5, "3 minutes"),
        (7200, "120 minutes"),
        (7201, "3 hours"),
        (172_801, "3 days"),
    ],
)
def test_how_long_it_lasts_is_told_as_people_say_it(left: float, told: str) -> None:
    """Never shorter than it is."""
    assert against_mallory(until=NOW + left).words(NOW) == f" for another {told}."
