"""Rooms: how they begin, who is in them, and which has to go."""

from __future__ import annotations

import pytest

from chat_schema.errors import Refused
from chat_server.domain.people import Person
from chat_server.domain.rooms import Rooms

ALICE, BOB = Person("u1", "alice"), Person("u2", "bob")


def names_of(rooms: Rooms) -> set[str]:
    """The names of all rooms there are."""
    return {room.name for room in rooms.all()}


def test_a_room_keeps_its_first_spelling() -> None:
    """Whoever joins later, in whatever case, is in the same room."""
    rooms = Rooms(10)
    room, _ = rooms.open("General")
    assert rooms.open("gENERAL") == (room, None)
    assert rooms.find("GENERAL") is room
    assert (room.name, room.key) == ("General", "general")


def test_a_new_room_is_empty_and_without_topic() -> None:
    """It is there from the moment it is opened."""
    rooms = Rooms(10)
    room, evicted = rooms.open("a")
    assert (room.topic, room.members, evicted) == ("", {}, None)
    assert rooms.all() == [room]


def test_entering_twice_is_once() -> None:
    """The second time says so."""
    rooms = Rooms(10)
    room, _ = rooms.open("a")
    assert rooms.enter(room, ALICE)
    assert not rooms.enter(room, ALICE)
    assert list(room.members.values()) == [ALICE]


def test_members_are_in_the_order_of_entering() -> None:
    """Who left and came back is last."""
    rooms = Rooms(10)
    room, _ = rooms.open("a")
    for person in (ALICE, BOB):
        rooms.enter(room, person)
    rooms.leave(room, ALICE)
    rooms.enter(room, ALICE)
    assert list(room.members.values()) == [BOB, ALICE]


def test_a_room_outlives_its_members() -> None:
    """It stays, empty, until it is dropped or has to give way."""
    rooms = Rooms(10)
    room, _ = rooms.open("a")
    rooms.enter(room, ALICE)
    rooms.leave(room, ALICE)
    assert rooms.find("a") is room


def test_a_dropped_room_is_no_more() -> None:
    """The next of this name is another room, and nothing has to go for it."""
    rooms = Rooms(1)
    room, _ = rooms.open("a")
    rooms.drop(room)
    assert rooms.find("a") is None
    other, evicted = rooms.open("a")
    assert other is not room
    assert evicted is None


def test_at_the_limit_the_room_empty_longest_gives_way() -> None:
    """Not the oldest room, and not one with somebody in it."""
    rooms = Rooms(3)
    for name in ("A", "B", "C"):
        rooms.enter(rooms.open(name)[0], ALICE)
    for name in ("B", "A"):
        found = rooms.find(name)
        assert found is not None
        rooms.leave(found, ALICE)
    assert rooms.open("D")[1] == "b"
    assert names_of(rooms) == {"A", "C", "D"}


def test_a_room_entered_again_is_not_empty_any_more() -> None:
    """How long it was empty before does not count."""
    rooms = Rooms(2)
    first, second = rooms.open("a")[0], rooms.open("b")[0]
    rooms.enter(first, ALICE)
    assert rooms.open("c")[1] == second.key
    assert rooms.find("a") is first


def test_with_every_room_in_use_there_is_no_new_one() -> None:
    """The refusal can be tried again, and no room has gone."""
    rooms = Rooms(2)
    for name in ("a", "b"):
        rooms.enter(rooms.open(name)[0], ALICE)
    with pytest.raises(Refused) as caught:
        rooms.open("c")
    assert (caught.value.code, caught.value.retryable) == ("server.busy", True)
    assert names_of(rooms) == {"a", "b"}
    assert rooms.open("A")[1] is None


def test_case_80_however_many_rooms_are_asked_for_there_are_never_more() -> None:
    """A thousand names leave as many rooms as allowed, the latest ones."""
    rooms = Rooms(10)
    evicted = [rooms.open(f"r{number}")[1] for number in range(1000)]
    assert evicted == [None] * 10 + [f"r{number}" for number in range(990)]
    assert names_of(rooms) == {f"r{number}" for number in range(990, 1000)}
