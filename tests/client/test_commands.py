"""Lines a user types, what they ask for, and what they are told when they cannot be done."""

from __future__ import annotations

import pytest

from chat_client.command import Action, Command, Help, Secret, UsageError
from chat_client.commands import (
    BY_NAME,
    COMMANDS,
    THEMES,
    interpret,
    may_be_kept,
    reveal,
    say,
)
from chat_client.place import Place
from chat_schema import replies, requests
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
        ("/logout", {"type": "logout"}),
        ("/key", {"type": "key"}),
        ("/key -", {"type": "key", "public": ""}),
        ("/ignore bob", {"type": "ignore", "target": "bob"}),
        ("/unignore bob", {"type": "unignore", "target": "bob"}),
        ("/ignores", {"type": "ignores"}),
        ("/kick bob", {"type": "kick", "room": "dev", "target": "bob"}),
        ("/kick bob a b", {"type": "kick", "room": "dev", "target": "bob", "reason": "a b"}),
        ("/kick #tea bob", {"type": "kick", "room": "tea", "target": "bob"}),
        ("/kick * bob", {"type": "kick", "room": "*", "target": "bob"}),
        ("/ban bob", {"type": "ban", "room": "dev", "target": "bob"}),
        ("/ban bob 30s", {"type": "ban", "room": "dev", "target": "bob", "seconds": 30}),
        ("/ban bob 10", {"type": "ban", "room": "dev", "target": "bob", "seconds": 600}),
        ("/ban bob 1h30m x", {
            "type": "ban", "room": "dev", "target": "bob", "seconds": 5400, "reason": "x"}),
        ("/ban bob - 3 strikes", {
            "type": "ban", "room": "dev", "target": "bob", "reason": "3 strikes"}),
        ("/ban bob 3rd time", {
            "type": "ban", "room": "dev", "target": "bob", "reason": "3rd time"}),
        ("/ban * 192.0.2.0/24 1w", {
            "type": "ban", "room": "*", "target": "192.0.2.0/24", "seconds": 604800}),
        ("/ban 2001:db8::1 2d", {
            "type": "ban", "room": "dev", "target": "2001:db8::1", "seconds": 172800}),
        ("/unban #7", {"type": "unban", "room": "dev", "target": "#7"}),
        ("/unban #tea #7", {"type": "unban", "room": "tea", "target": "#7"}),
        ("/bans", {"type": "bans", "room": "dev"}),
        ("/bans *", {"type": "bans", "room": "*"}),
        ("/mute bob", {"type": "mute", "room": "dev", "target": "bob"}),
        ("/mute bob 5m loud", {
            "type": "mute", "room": "dev", "target": "bob", "seconds": 300, "reason": "loud"}),
        ("/unmute bob", {"type": "unmute", "room": "dev", "target": "bob"}),
        ("/mutes #tea", {"type": "mutes", "room": "tea"}),
        ("/mutelist *", {"type": "mutes", "room": "*"}),
        ("/mods", {"type": "mods", "room": "dev"}),
        ("/mod bob", {"type": "promote", "room": "dev", "target": "bob"}),
        ("/promote bob owner", {
            "type": "promote", "room": "dev", "target": "bob", "role": "owner"}),
        ("/unmod bob", {"type": "demote", "room": "dev", "target": "bob"}),
        ("/invite #tea bob", {"type": "invite", "room": "tea", "target": "bob"}),
        ("/mode", {"type": "mode", "room": "dev"}),
        ("/mode #tea", {"type": "mode", "room": "tea"}),
        ("/mode +moderated -invite MEMBERS slow=10", {
            "type": "mode", "room": "dev", "moderated": True, "invite_only": False,
            "members_only": True, "slow": 10}),
        ("/mode slow=1m", {"type": "mode", "room": "dev", "slow": 60}),
        ("/mode -slow -password", {"type": "mode", "room": "dev", "slow": 0, "password": ""}),
        ("/announce tea!", {"type": "broadcast", "room": "*", "text": "tea!"}),
        ("/broadcast tea!", {"type": "broadcast", "room": "*", "text": "tea!"}),
        ("/sessions", {"type": "sessions"}),
        ("/listall 500", {"type": "sessions", "after": 500}),
        ("/forcerename bob rob", {"type": "rename", "target": "bob", "nick": "rob"}),
        ("/shutdown", {"type": "shutdown"}),
        ("/shutdown 60 new disks", {"type": "shutdown", "seconds": 60, "reason": "new disks"}),
        ("/shutdown 5m", {"type": "shutdown", "seconds": 300}),
        ("/stats", {"type": "stats"}),
        ("/lockdown", {"type": "lockdown"}),
        ("/lockdown off", {"type": "lockdown", "level": "none"}),
        ("/lockdown Accounts", {"type": "lockdown", "level": "accounts"}),
        ("/audit", {"type": "audit", "limit": 20}),
    ],
)  # fmt: skip
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
        ("/join", "Usage: /join ROOM [password]   for example: /join dev"),
        ("/join ?", "A room name has"),
        ("/kick #tea", "no name of anybody"),
        ("/ban bob 0", "For no time at all?"),
        ("/ban bob 999999d", "at most 3660 days"),
        ("/unban bob carol", "Usage: /unban"),
        ("/promote bob king", "Usage: /promote"),
        ("/mode +shiny", "no flag"),
        ("/mode slow=9999", "slow"),
        ("/forcerename bob", "Usage: /forcerename OLD NEW"),
        ("/lockdown sometimes", "Usage: /lockdown"),
        ("/audit 0", "A number from 1 to 200"),
        ("/sessions x", "A number from 1"),
        ("/login not~a~nick", "A nick has"),
        ("/key /nowhere/at/all", "cannot be read"),
        ("/limits", "not told its limits"),
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


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("line", "answers", "expected"),
    [
        ("/register", [SECRET], {"type": "register", "password": SECRET}),
        ("/login", [SECRET], {"type": "login", "nick": "alice", "password": SECRET}),
        ("/login Bob", [SECRET], {"type": "login", "nick": "Bob", "password": SECRET}),
        ("/passwd", ["old", SECRET], {"type": "passwd", "old": "old", "new": SECRET}),
        ("/unregister", [SECRET], {"type": "unregister", "password": SECRET}),
        ("/admin", [SECRET], {"type": "elevate", "password": SECRET}),
        ("/join vault password", [SECRET], {"type": "join", "room": "vault", "password": SECRET}),
        ("/mode password +invite", [SECRET], {
            "type": "mode", "room": "dev", "invite_only": True, "password": SECRET}),
    ],
)  # fmt: skip
def test_a_secret_is_asked_for(
    line: str, answers: list[str], expected: dict[str, object], place: Place
) -> None:
    """One question for each; the request is made of the answers."""
    action = interpret(line, place)
    assert isinstance(action, Secret)
    assert len(action.questions) == len(answers)
    assert reveal(action, answers).model_dump(exclude_none=True) == expected
    assert SECRET not in repr(reveal(action, answers))


def test_a_password_that_cannot_be_one_is_explained_without_it(place: Place) -> None:
    """H8: not even a part of it is repeated."""
    action = interpret("/register", place)
    assert isinstance(action, Secret)
    with pytest.raises(UsageError, match="200 of 128") as error:
        reveal(action, ["x" * 200])
    assert "xx" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "/register SECRET", "/login alice SECRET", "/LOGIN alice SECRET", "/passwd old SECRET",
        "/unregister SECRET", "/admin SECRET", "/elevate SECRET", "/join vault SECRET",
        "/j #vault SECRET", "/mode password SECRET", "/mode password=SECRET", "/mode SECRET",
        " /login alice SECRET", "/lgoin alice SECRET", "/regsiter SECRET",
    ],
)  # fmt: skip
def test_a_secret_in_the_line_is_refused_and_forgotten(line: str, place: Place) -> None:
    """H8: nothing is sent, the explanation does not repeat it, and it is not offered again."""
    with pytest.raises(UsageError) as error:
        interpret(line.replace("SECRET", SECRET), place)
    assert SECRET not in str(error.value)
    assert not may_be_kept(line.replace("SECRET", SECRET))


@pytest.mark.parametrize(
    "line",
    ["hello", "", "/", "/me waves", "/login alice", "/join vault password", "/mod bob",
     "/mode +invite slow=10 password", "/register", "/xyzzy a b"],
)  # fmt: skip
def test_other_lines_are_kept(line: str) -> None:
    """They are what the arrow keys bring back."""
    assert may_be_kept(line)


def test_the_limits_are_those_of_the_welcome(place: Place) -> None:
    """They need not be asked for."""
    place.limits = replies.Limits(messages=replies.Rate(burst=10, per_second=5))
    action = interpret("/limits", place)
    assert isinstance(action, Help)
    assert "   messages  10 at once, then 5 a second" in action.lines


def test_help_lists_every_command(place: Place) -> None:
    """Those for talking at once, the others by their theme, from the registry."""
    first = interpret("/help", place)
    assert isinstance(first, Help)
    for command in COMMANDS:
        shown = first if command.theme == "chat" else interpret(f"/help {command.theme}", place)
        assert isinstance(shown, Help)
        assert any(command.usage in line for line in shown.lines)
        assert any(f"/{command.name}" in line for line in first.lines)
    assert {command.theme for command in COMMANDS} == {"chat", *THEMES}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_for_one_command_has_an_example_that_works(command: Command, place: Place) -> None:
    """Each example is a line that the client understands."""
    place.last_whisperer = "bob"
    place.limits = replies.Limits()
    action = interpret(f"/help {command.name}", place)
    assert isinstance(action, Help)
    assert command.example in action.lines[2]
    assert all(any(f"/{alias}" in line for line in action.lines) for alias in command.aliases)
    assert interpret(command.example, place) is not None


def test_no_two_commands_share_a_name() -> None:
    """Names and aliases are unique."""
    assert len(BY_NAME) == sum(1 + len(command.aliases) for command in COMMANDS)
