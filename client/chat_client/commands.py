"""The commands a user types: one registry that reads lines, makes requests, and writes /help.

A line that begins with `/` is a command, in any case; `//` begins a text with one slash; anything
else is said in the current room. An unknown command is never sent as text. What those commands
are that are not about talking is in account_commands.py, room_commands.py and server_commands.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from textwrap import wrap

from pydantic import ValidationError

from chat_client import account_commands, room_commands, server_commands
from chat_client.client import new_cid
from chat_client.command import Action, Command, Help, Secret, UsageError, here, room_name
from chat_client.lines import ACTION
from chat_client.place import LOBBY, Place
from chat_schema import limits, requests
from chat_schema.names import EVERYONE

SHOWN_HISTORY = 20
"""Messages that /search shows, and /history unless told: a screen of them."""

THEMES = {
    "account": "a name that is yours",
    "room": "looking after a room",
    "server": "looking after the server",
}
"""The parts of /help that are shown when they are asked for."""


def interpret(line: str, place: Place) -> Action | None:
    """Turn a line into what it asks for, None where it is empty; raise UsageError."""
    if line.strip() == "/":
        return _help(place, "")
    if line.startswith("/") and not line.startswith("//"):
        name, *rest = line[1:].split(maxsplit=1)
        return _make(_find(name), place, "".join(rest).strip())
    if line[:1].isspace() and line.lstrip().startswith("/"):
        raise UsageError("A command begins in the first column; nothing was sent.")
    if line.startswith("/" + ACTION):
        raise UsageError("A text cannot begin with /me: everybody would be shown an action.")
    return say(line.removeprefix("/"), place)


def say(text: str, place: Place) -> Action | None:
    """Turn a text, whatever it begins with, into a message to the room one is in."""
    if not text.strip():
        return None
    return _checked(lambda: _say(place, text), "Type a message, or /help")


def reveal(secret: Secret, answers: Sequence[str]) -> requests.Request:
    """Make the request of a secret that was asked for; raise UsageError."""
    action = _checked(lambda: secret.make(*answers), "Nothing was sent.")
    assert isinstance(action, requests.Request)
    return action


def may_be_kept(line: str) -> bool:
    """Whether a line may be offered again: not where a password seems to be typed in it."""
    words = line.strip().removeprefix("/").split()
    if not line.strip().startswith("/") or not words:
        return True
    name = words[0].lower()
    close = [name] if name in BY_NAME else get_close_matches(name, BY_NAME, 3, cutoff=0.6)
    return not any(
        reveals(words[1:]) for each in close if (reveals := BY_NAME[each].reveals) is not None
    )


def _make(command: Command, place: Place, rest: str) -> Action:
    if not rest and command.needs_words:
        raise UsageError(f"Usage: {command.usage}   for example: {command.example}")
    return _checked(lambda: command.make(place, rest), f"Usage: {command.usage}")


def _checked(make: Callable[[], Action], usage: str) -> Action:
    """Say what the models refuse before it is sent."""
    try:
        return make()
    except ValidationError as error:
        refused = requests.refusal_of(error)
        size = f" ({refused.size} of {refused.limit} characters)" if refused.limit else ""
        message = "That is no name of anybody." if refused.field == "target" else refused.message
        raise UsageError(f"{message}{size} {usage}") from None


def _find(name: str) -> Command:
    command = BY_NAME.get(name.lower())
    if command is None:
        close = get_close_matches(name.lower(), BY_NAME, 1, cutoff=0.7)
        hint = f"Did you mean /{close[0]}?" if close else "/help lists them all."
        raise UsageError(f"There is no command /{name}. {hint}")
    return command


def _say(place: Place, text: str) -> Action:
    return requests.Broadcast(room=here(place), text=text, cid=new_cid())


def _me(place: Place, rest: str) -> Action:
    return _say(place, ACTION + rest)


def _nick(place: Place, rest: str) -> Action:
    return requests.Nick(nick=rest)


def _leave(place: Place, rest: str) -> Action:
    room = room_name(rest) or here(place)
    if room.lower() == LOBBY and len(place.rooms) == 1:
        raise UsageError("The lobby is the last room you are in. Join another first, or /quit.")
    return requests.Leave(room=room)


def _rooms(place: Place, rest: str) -> Action:
    return requests.Rooms()


def _users(place: Place, rest: str) -> Action:
    if rest == EVERYONE or (not rest and place.room is None):
        return requests.Users()
    return requests.Users(room=room_name(rest) or place.room)


def _whisper(place: Place, rest: str) -> Action:
    nick, *text = rest.split(maxsplit=1)
    if not text:
        raise UsageError("Whisper what? Usage: /whisper NICK TEXT")
    return requests.Whisper(to=nick, text=text[0], cid=new_cid())


def _reply(place: Place, rest: str) -> Action:
    if place.last_whisperer is None:
        raise UsageError("Nobody has whispered to you yet.")
    return requests.Whisper(to=place.last_whisperer, text=rest, cid=new_cid())


def _topic(place: Place, rest: str) -> Action:
    if rest == "-":
        return requests.Topic(room=here(place), topic="")
    return requests.Topic(room=here(place), topic=rest or None)


def _history(place: Place, rest: str) -> Action:
    count = rest or str(SHOWN_HISTORY)
    if not re.fullmatch(r"[0-9]{1,3}", count) or not 1 <= int(count) <= limits.HISTORY_PAGE:
        raise UsageError(f"COUNT is 1 to {limits.HISTORY_PAGE}. Usage: {BY_NAME['history'].usage}")
    return requests.History(room=here(place), limit=int(count))


def _search(place: Place, rest: str) -> Action:
    return requests.Search(text=rest, limit=SHOWN_HISTORY)


def _quit(place: Place, rest: str) -> Action:
    return requests.Quit()


def _help(place: Place, rest: str) -> Action:
    word = rest.removeprefix("/").lower()
    if word in THEMES:
        return Help([f"-- commands: {THEMES[word]}", *_listed(word)])
    if rest:
        return Help(_about(_find(word)))
    others = [line for theme in THEMES for line in _summary(theme)]
    return Help(["-- commands (anything else is said in the room you are in)", *_chat(), *others])


def _chat() -> list[str]:
    width = _width("chat")
    aliases = " ".join(f"/{alias}" for each in _of("chat") for alias in each.aliases)
    slash = f"   {'//TEXT':{width}}  Say a text that begins with a slash."
    return [*_listed("chat"), slash, f"   Also: {aliases}"]


def _about(command: Command) -> list[str]:
    lines = [f"-- {command.usage}", f"   {command.help}", f"   For example: {command.example}"]
    also = "".join(f" /{alias}" for alias in command.aliases)
    more = [f"   {line}" for line in command.more]
    return lines + more + ([f"   Also:{also}"] if also else [])


def _listed(theme: str) -> list[str]:
    width = _width(theme)
    return [f"   {command.usage:{width}}  {command.help}" for command in _of(theme)]


def _summary(theme: str) -> list[str]:
    """The names of a theme's commands, on lines that any terminal has room for."""
    names = " ".join(f"/{command.name}" for command in _of(theme))
    head = f"   /help {theme:<8} {THEMES[theme]}:"
    return [head, *wrap(names, 76, initial_indent="      ", subsequent_indent="      ")]


def _width(theme: str) -> int:
    return max(len(command.usage) for command in _of(theme))


def _of(theme: str) -> list[Command]:
    return [command for command in COMMANDS if command.theme == theme]


COMMANDS = (
    Command("nick", "NAME", "Take another nick.", "/nick alice", _nick),
    Command(
        "join", "ROOM [password]", "Enter a room; it becomes the one you talk in.", "/join dev",
        room_commands.join, ("j",), reveals=room_commands.reveals_join,
        more=("Its password is asked for where nobody sees it: type only the word `password`.",),
    ),
    Command(
        "leave", "[ROOM]", "Leave a room; the last one for the lobby.", "/leave dev", _leave,
        ("part",),
    ),
    Command("rooms", "", "List the rooms.", "/rooms", _rooms, ("list",)),
    Command(
        "users", "[ROOM|*]", "List who is in the room, or everyone online.", "/users *", _users,
        ("names", "who"),
    ),
    Command(
        "whisper", "NICK TEXT", "Say something to one person.", "/whisper bob psst", _whisper,
        ("w", "m", "msg"),
    ),
    Command("r", "TEXT", "Answer whoever whispered to you last.", "/r yes", _reply, ("reply",)),
    Command("me", "TEXT", "Say what you do.", "/me waves", _me),
    Command("topic", "[TEXT|-]", "Show, set or clear the topic.", "/topic release day", _topic),
    Command("history", "[COUNT]", "Show what was said before.", "/history 50", _history),
    Command("search", "TEXT", "Find what was said, by its words.", "/search build", _search),
    Command("help", "[COMMAND]", "Show this, or more about one command.", "/help join", _help),
    Command("quit", "", "Leave the chat.", "/quit", _quit, ("exit",)),
    *account_commands.COMMANDS,
    *room_commands.COMMANDS,
    *server_commands.COMMANDS,
)  # fmt: skip
"""Every command, in the order of /help."""

BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
"""Every command by each of its names."""
