"""Lines a user types, what they ask for, and what they are told when they cannot be done."""

from __future__ import annotations

import pytest

from chat_client.commands import BY_NAME, COMMANDS, Action, Help, UsageError, interpret, say
from chat_client.place import Place
from chat_schema import requests
from chat_schema.names import User


@pytest.fixture
def place() -> Place:
    """Alice in two rooms, looking at dev."""
    place = Place(User(uid="u1", nick="alice"))
    place.rooms = {"lobby": "lobby", "dev": "dev"}
    place.room = "dev"
    return place


def asked(line: str, place: Place) -> dict[str, object]:
    """The fields of the request a line makes, without the random `cid`."""
    action = interpret(line, place)
    assert isinstance(action, requests.Request)
    return action.model_dump(exclude_none=True, exclude={"cid"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello all", {"type": "broadcast", "room": "dev", "text": "hello all"}),
        ("//etc is a path", {"type": "broadcast", "room": "dev", "text": "/etc is a path"}),
        ("  indented", {"type": "broadcast", "room": "dev", "text": "  indented"}),
        ("/me waves", {"type": "broadcast", "room": "dev", "text": "/me waves"}),
        ("/NICK bob", {"type": "nick", "nick": "bob"}),
        ("/join #general", {"type": "join", "room": "general"}),
        ("/leave", {"type": "leave", "room": "dev"}),
        ("/part #dev", {"type": "leave", "room": "dev"}),
        ("/rooms", {"type": "rooms"}),
        ("/users", {"type": "users", "room": "dev"}),
        ("/users *", {"type": "users"}),
        ("/names lobby", {"type": "users", "room": "lobby"}),
        ("/whisper bob  hi there ", {"type": "whisper", "to": "bob", "text": "hi there"}),
        ("/w bob x", {"type": "whisper", "to": "bob", "text": "x"}),
        ("/topic", {"type": "topic", "room": "dev"}),
        ("/topic new one", {"type": "topic", "room": "dev", "topic": "new one"}),
        ("/topic -", {"type": "topic", "room": "dev", "topic": ""}),
        ("/history", {"type": "history", "room": "dev", "limit": 20}),
        ("/history 5", {"type": "history", "room": "dev", "limit": 5}),
        ("/search build green", {"type": "search", "text": "build green", "limit": 20}),
        ("/exit", {"type": "quit"}),
        ("/j dev", {"type": "join", "room": "dev"}),
        ("/whisper\tbob  x y", {"type": "whisper", "to": "bob", "text": "x y"}),
    ],
)
def test_a_line_becomes_a_request(line: str, expected: dict[str, object], place: Place) -> None:
    """Commands in any case, aliases, a `#` that the wire does not have, and plain text."""
    assert asked(line, place) == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/jion dev", "Did you mean /join?"),
        ("/xyzzy", "/help lists them all"),
        (" /whisper bob secret", "first column"),
        ("//me waves", "cannot begin with /me"),
        ("/join", "Usage: /join ROOM   for example: /join dev"),
        ("/join a b", "A room name has"),
        ("/nick " + "x" * 33, "A nick has"),
        ("/whisper bob", "Whisper what?"),
        ("/r hi", "Nobody has whispered"),
        ("/search", "Usage: /search TEXT   for example: /search build"),
        ("/history many", "COUNT is 1 to 200"),
        ("/history 201", "COUNT is 1 to 200"),
        ("/history " + "9" * 5000, "COUNT is 1 to 200"),
        ("x" * 4001, "(4001 of 4000 characters)"),
        ("bell \x07", "control character"),
    ],
)
def test_a_line_that_cannot_be_done_is_explained(line: str, told: str, place: Place) -> None:
    """Never sent as text; the message says what would be right."""
    with pytest.raises(UsageError) as error:
        interpret(line, place)
    assert told in str(error.value)


def test_each_message_has_an_id_of_its_own(place: Place) -> None:
    """The client always sends a `cid`, never the same twice."""

    def cid(action: Action | None) -> str | None:
        assert isinstance(action, requests.Broadcast)
        return action.cid

    assert cid(interpret("a", place)) != cid(interpret("a", place))


def test_a_slash_alone_asks_for_help(place: Place) -> None:
    """Whoever types it wants to see what there is."""
    assert interpret("/", place) == interpret("/help", place)


def test_a_line_of_a_pipe_is_said_as_it_stands(place: Place) -> None:
    """Slashes and all; an empty one is nothing."""
    action = say("/usr/bin/gcc", place)
    assert isinstance(action, requests.Broadcast)
    assert action.text == "/usr/bin/gcc"
    assert say(" ", place) is None


def test_an_empty_line_asks_for_nothing(place: Place) -> None:
    """Enter alone is no message."""
    assert interpret("   ", place) is None


def test_talking_in_no_room_is_explained() -> None:
    """Somebody who is nowhere is told how to get somewhere."""
    with pytest.raises(UsageError, match="/join ROOM"):
        interpret("hello", Place(User(uid="u1", nick="alice")))


def test_the_last_room_is_left_for_the_lobby_only(place: Place) -> None:
    """In the lobby alone there is nothing to leave to."""
    place.rooms, place.room = {"lobby": "lobby"}, "lobby"
    with pytest.raises(UsageError, match="last room"):
        interpret("/leave", place)


def test_an_answer_goes_to_the_last_whisperer(place: Place) -> None:
    """/r needs no name."""
    place.last_whisperer = "bob"
    assert asked("/r yes", place) == {"type": "whisper", "to": "bob", "text": "yes"}


def test_help_lists_every_command(place: Place) -> None:
    """One line each, from the registry."""
    action = interpret("/help", place)
    assert isinstance(action, Help)
    aliases = {alias for command in COMMANDS for alias in command.aliases}
    assert set(action.lines[-1].split()[1:]) == {f"/{alias}" for alias in aliases}
    assert all(any(command.usage in line for line in action.lines) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_for_one_command_has_an_example_that_works(command: object, place: Place) -> None:
    """Each example is a line that the client understands."""
    place.last_whisperer = "bob"
    found = next(item for item in COMMANDS if item is command)
    action = interpret(f"/help {found.name}", place)
    assert isinstance(action, Help)
    assert found.example in action.lines[2]
    assert interpret(found.example, place) is not None


def test_no_two_commands_share_a_name() -> None:
    """Names and aliases are unique."""
    assert len(BY_NAME) == sum(1 + len(command.aliases) for command in COMMANDS)
