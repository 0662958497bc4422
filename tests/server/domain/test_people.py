"""People: who gets which nick."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema.errors import Refused
from chat_schema.names import RESERVED_NICKS, same_name
from chat_server.domain.accounts import Account, Accounts
from chat_server.domain.people import People, Person
from tests.support import strategies


@pytest.fixture
def people() -> People:
    """Nobody yet."""
    return People(Accounts())


@pytest.mark.parametrize("again", ["alice", "Alice", "ALICE"])
def test_case_41_a_nick_is_held_by_one_in_any_case(people: People, again: str) -> None:
    """The second is told who has it, and nothing has changed."""
    alice = people.arrive("u1", "Alice")
    with pytest.raises(Refused, match="Alice") as caught:
        people.arrive("u2", again)
    assert (caught.value.code, caught.value.field) == ("nick.taken", "nick")
    assert people.all() == [alice]


@pytest.mark.parametrize("reserved", sorted(RESERVED_NICKS))
def test_case_41_nobody_gets_a_reserved_nick(people: People, reserved: str) -> None:
    """In no case, neither on arrival nor later."""
    alice = people.arrive("u1", "alice")
    for nick in (reserved, reserved.upper(), reserved.title()):
        with pytest.raises(Refused) as caught:
            people.arrive("u2", nick)
        assert caught.value.code == "nick.reserved"
        with pytest.raises(Refused) as caught:
            people.rename(alice, nick)
        assert caught.value.code == "nick.reserved"
    assert alice.nick == "alice"


def test_nobody_is_called_like_an_address(people: People) -> None:
    """A ban of it would mean another; but whose account has the name keeps it."""
    alice = people.arrive("u1", "alice")
    with pytest.raises(Refused, match="looks like an address") as caught:
        people.arrive("u2", "127.0.0.66")
    assert (caught.value.code, caught.value.field) == ("nick.reserved", "nick")
    with pytest.raises(Refused, match="looks like an address"):
        people.rename(alice, "10.0.0.1")
    assert people.rename(alice, "127.0.0") == "alice"
    accounts = Accounts()
    accounts.add(old := Account("u3", "192.0.2.7", 0.0, ""))
    assert People(accounts).arrive("u3", "192.0.2.7", old).registered


def test_guests_are_counted(people: People) -> None:
    """Whoever brings no nick gets the next number."""
    assert [people.arrive(f"u{n}", None).nick for n in (1, 2, 3)] == [
        "guest_1",
        "guest_2",
        "guest_3",
    ]


def test_a_guest_gets_no_number_that_somebody_took(people: People) -> None:
    """Not even one taken in capitals."""
    people.arrive("u1", "guest_1")
    people.arrive("u2", "GUEST_2")
    assert people.arrive("u3", None).nick == "guest_3"


def test_people_are_found_in_any_case(people: People) -> None:
    """And nobody is found under a nick that nobody has."""
    alice = people.arrive("u1", "Alice")
    assert people.find("aLICE") is alice
    assert people.find("bob") is None


def test_a_rename_gives_the_old_nick_free(people: People) -> None:
    """At once, for anybody."""
    alice = people.arrive("u1", "alice")
    assert people.rename(alice, "alicia") == "alice"
    assert (alice.nick, alice.uid) == ("alicia", "u1")
    assert people.find("alice") is None
    assert people.arrive("u2", "alice").uid == "u2"


def test_a_rename_may_change_the_case_alone(people: People) -> None:
    """One's own nick is no obstacle."""
    alice = people.arrive("u1", "alice")
    assert people.rename(alice, "ALICE") == "alice"
    assert people.find("alice") is alice
    assert alice.user.nick == "ALICE"
    assert len(people) == 1


def test_a_refused_rename_changes_nothing(people: People) -> None:
    """Both keep what they had."""
    alice, bob = people.arrive("u1", "alice"), people.arrive("u2", "bob")
    with pytest.raises(Refused) as caught:
        people.rename(alice, "BOB")
    assert caught.value.code == "nick.taken"
    assert people.find("alice") is alice
    assert people.find("bob") is bob


def test_who_departs_leaves_a_free_nick(people: People) -> None:
    """Nobody is left, and the nick can be had."""
    people.depart(people.arrive("u1", "alice"))
    assert len(people) == 0
    assert people.arrive("u2", "ALICE").nick == "ALICE"


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | strategies.nicks), max_size=30))
def test_however_people_come_rename_and_go_nicks_stay_unique(
    steps: list[tuple[int, str | None]],
) -> None:
    """After any steps, refused ones too, everyone is found under their own nick."""
    people = People(Accounts())
    here: list[Person] = []
    for number, (what, nick) in enumerate(steps):
        try:
            if what < 2 or not here:
                here.append(people.arrive(f"u{number}", nick))
            elif what == 2 and nick is not None:
                people.rename(here[number % len(here)], nick)
            else:
                people.depart(here.pop(number % len(here)))
        except Refused:
            pass
        assert all(people.find(person.nick) is person for person in here)
        assert len({same_name(person.nick) for person in here}) == len(here) == len(people)
