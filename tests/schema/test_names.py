"""Names: which are the same, and what a user object holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from chat_schema import limits, names
from chat_schema.names import User, conversation_of, same_name
from tests.support import strategies

nick = TypeAdapter[str](names.Nick)
room = TypeAdapter[str](names.RoomName)


@given(strategies.nicks)
def test_case_41_names_are_the_same_in_any_case(name: str) -> None:
    """Upper, lower and mixed are one name."""
    assert same_name(name.upper()) == same_name(name.lower()) == same_name(name)


@given(strategies.rooms, strategies.rooms)
def test_names_that_differ_otherwise_are_two(one: str, other: str) -> None:
    """Only case is forgiven."""
    assert (same_name(one) == same_name(other)) == (one.upper() == other.upper())


@pytest.mark.parametrize("other", ["a.", "a..", "a-", "a_", "aa"])
def test_case_41_dots_and_signs_at_the_end_count(other: str) -> None:
    """`a` and `a.` are two names."""
    assert same_name("a") != same_name(other)


@given(strategies.nicks)
def test_every_nick_is_also_a_room_name(name: str) -> None:
    """The rules differ in length alone."""
    assert nick.validate_python(name) == room.validate_python(name) == name


@given(strategies.uids, strategies.uids)
def test_a_conversation_has_the_same_name_from_both_sides(one: str, other: str) -> None:
    """And it is a name that `history` takes."""
    name = conversation_of(one, other)
    assert name == conversation_of(other, one)
    assert set(name.split(":")) == {"dm", one, other}
    assert TypeAdapter[str](names.Conversation).validate_python(name) == name


def test_reserved_nicks_are_compared_without_case() -> None:
    """They stand in the form in which names are compared."""
    assert {same_name(nick) for nick in names.RESERVED_NICKS} == names.RESERVED_NICKS


@given(strategies.users)
def test_a_user_survives_the_way(user: User) -> None:
    """Written and read again it is the same, with or without what is left out."""
    assert User.model_validate_json(user.model_dump_json(exclude_none=True)) == user
    assert User.model_validate_json(user.model_dump_json()) == user


def test_a_user_of_a_later_level_is_read() -> None:
    """Unknown fields are dropped, and missing optional ones are None."""
    user = User.model_validate_json('{"uid":"u1","nick":"alice","away":true}')
    assert user == User(uid="u1", nick="alice", registered=None, bot=None)


@pytest.mark.parametrize("body", ['{"uid":"u1"}', '{"uid":7,"nick":"a"}', "[]", "null"])
def test_a_user_needs_uid_and_nick(body: str) -> None:
    """Both are strings, and both are there."""
    with pytest.raises(ValidationError):
        User.model_validate_json(body)


@pytest.mark.parametrize("pattern", [names.NICK_PATTERN, names.ROOM_PATTERN])
def test_the_patterns_bound_the_whole_name(pattern: str) -> None:
    """Nothing may stand before or behind: the pattern is anchored at both ends."""
    assert not re.search(pattern, "a b")
    assert re.search(pattern, "a-b")


def test_the_longest_text_is_as_long_as_promised() -> None:
    """4,000 characters of at most four bytes are at most 16 KiB."""
    assert limits.TEXT_CHARACTERS * 4 <= 16 * 1024
