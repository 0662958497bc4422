"""What a command is, and how the words behind its name are read: rooms, durations, secrets.

Rules:
- A secret is never among the words: Secret asks for it where nobody sees it.
- A message for the user never repeats a word that may have been a secret.
- A first word `#ROOM` acts in that room instead of the one the user looks at; `*` acts on the
  whole server.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chat_client.place import Place
from chat_schema import limits, requests
from chat_schema.names import EVERYONE

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
"""Seconds of each unit of a duration."""

DURATION = re.compile(r"(?:[0-9]{1,9}[smhdw])+|[0-9]{1,9}")
"""`90s`, `1h30m`, or a plain number, which is in the unit that is usual for the command."""

FOR_EVER = "-"
"""Stands for no duration, so that a reason may begin with a number."""

DURATIONS = (
    "DURATION: 30s, 10m, 2h, 7d, 1w, or a number of minutes; left out, for ever.",
    "A reason that begins with a number needs a `-` before it: /ban bob - 3 strikes",
)
SCOPE = "A first word #ROOM acts in that room, * on the whole server."


class UsageError(Exception):
    """A line that cannot be done as it was typed; the message says what would be right."""


@dataclass(frozen=True)
class Help:
    """Lines to show instead of something to ask."""

    lines: list[str]


class Question(NamedTuple):
    """What a secret is asked for with; `new` ones are asked for twice where a person types."""

    text: str
    new: bool = False


@dataclass(frozen=True)
class Secret:
    """A request that needs secrets: `make` makes it of the answers to the questions."""

    questions: tuple[Question, ...]
    make: Callable[..., requests.Request]


Action = requests.Request | Help | Secret
Make = Callable[[Place, str], Action]


@dataclass(frozen=True)
class Command:
    """One command: `make` turns where the user is and what follows the name into an action.

    `theme` is the part of /help it stands in; `more` are further lines about it alone.
    `reveals` tells whether words after the name may hold a secret; then the line is not kept.
    """

    name: str
    arguments: str
    help: str
    example: str
    make: Make
    aliases: tuple[str, ...] = ()
    theme: str = "chat"
    more: tuple[str, ...] = ()
    reveals: Callable[[list[str]], bool] | None = None

    @property
    def usage(self) -> str:
        """How it is typed."""
        return f"/{self.name} {self.arguments}".rstrip()

    @property
    def needs_words(self) -> bool:
        """Whether it can do nothing without a word behind its name."""
        return bool(self.arguments) and not self.arguments.startswith("[")


def here(place: Place) -> str:
    """The room the user looks at; raises UsageError where that is none."""
    if place.room is None:
        raise UsageError("You are in no room. Enter one: /join ROOM")
    return place.room


def room_name(word: str) -> str:
    """A room as it is called on the wire, which has no `#`."""
    return word.removeprefix("#")


def scoped(place: Place, rest: str) -> tuple[str, str]:
    """Where to act, and the words behind that; `#7` alone is no room but the number of a ban."""
    first, *others = rest.split(maxsplit=1)
    if first == EVERYONE or (first.startswith("#") and others):
        return room_name(first), "".join(others)
    return here(place), rest


def only_scope(place: Place, rest: str) -> str:
    """The room that the words name, or the one the user looks at."""
    return room_name(rest) or here(place)


def first_word(rest: str, usage: str) -> tuple[str, str]:
    """The word that must be there, and what follows it."""
    word, *others = rest.split(maxsplit=1) or [""]
    if not word:
        raise UsageError(f"Usage: {usage}")
    return word, "".join(others).strip()


def only_word(rest: str, usage: str) -> str:
    """The one word that there must be."""
    word, others = first_word(rest, usage)
    if others:
        raise UsageError(f"Usage: {usage}")
    return word


def duration(rest: str, unit: int, longest: int) -> tuple[int | None, str | None]:
    """The seconds with which the words begin, None for ever, and the reason behind them.

    `unit` is the number of seconds that a plain number counts in.
    """
    first, *others = rest.split(maxsplit=1) or [""]
    if first == FOR_EVER:
        return None, "".join(others) or None
    if not DURATION.fullmatch(first):
        return None, rest or None
    seconds = seconds_of(first, unit)
    if not 0 <= seconds <= longest:
        raise UsageError(f"That is too long: at most {longest // UNITS['d'] or 1} days.")
    return seconds, "".join(others) or None


def seconds_of(word: str, unit: int) -> int:
    """The seconds that a duration says."""
    if word.isdigit():
        return int(word) * unit
    return sum(int(count) * UNITS[name] for count, name in re.findall(r"(\d+)([smhdw])", word))


def sanction(rest: str) -> dict[str, object]:
    """The fields `seconds` and `reason` of a ban or a mute."""
    seconds, reason = duration(rest, UNITS["m"], limits.SANCTION_SECONDS)
    if seconds == 0:
        raise UsageError("For no time at all? Leave the duration out for ever.")
    return {"seconds": seconds, "reason": reason}


def reason_of(rest: str) -> str | None:
    """The reason that the words are."""
    return rest or None


def unless_alone(words: int) -> Callable[[list[str]], bool]:
    """Tell of a command with so many words at most that one more may be a secret."""
    return lambda found: len(found) > words


def refuse_secret(rest: str, words: int, name: str) -> None:
    """Refuse a line with one word too many: it is likely to be a password."""
    if len(rest.split()) > words:
        raise UsageError(
            f"A password is never typed in the line, where it is seen. Type /{name} without it: "
            "it is asked for. Nothing was sent, but choose another one if others saw it."
        )
