"""Dates and spans of time as people read them: here and now, and no longer than they need to be.

Rules:
- The day is shown only where it is not today, seconds only where it is about less than two minutes.
- What is no date on the wire is shown as none; nothing here raises.
"""

from __future__ import annotations

import datetime
import re

BRIEF = 120.0
"""Seconds: what lasts less is told to the second."""

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
"""Seconds of each unit that a span is told in."""

SPAN = re.compile(r"\b(\d+(?:\.\d+)?) ?(s|second|minute|hour|day)s?\b")
"""A span of time in a sentence of a server."""


def today() -> datetime.date:
    """The day it is here."""
    return datetime.date.today()


def moment(ts: str) -> datetime.datetime | None:
    """A date on the wire as one here, None where it is none."""
    try:
        return datetime.datetime.fromisoformat(ts).astimezone()
    except (ValueError, OverflowError):
        return None


def clock(ts: str) -> str:
    """Hour and minute of a date; dashes where it is none."""
    found = moment(ts)
    return f"{found:%H:%M}" if found is not None else "--:--"


def date(ts: str) -> str:
    """When something was; dashes where that is no date."""
    found = moment(ts)
    return _told(found) if found is not None else "--:--"


def term(until: str | None, since: str) -> str:
    """Until when something holds that began at `since`."""
    if until is None:
        return "for good"
    end, begin = moment(until), moment(since)
    if end is None:
        return "for a while"
    brief = begin is not None and (end - begin).total_seconds() < BRIEF
    return f"until {_told(end, seconds=brief)}"


def apart(one: str, other: str) -> float | None:
    """The seconds between two dates; None where one is none."""
    first, second = moment(one), moment(other)
    if first is None or second is None:
        return None
    return abs((second - first).total_seconds())


def span(seconds: float) -> str:
    """How long something takes: in seconds, or in the largest unit of which it is two or more."""
    if seconds < BRIEF:
        return f"{seconds:.0f} s" if seconds >= 1 else "a second"
    name = max((name for name in UNITS if seconds >= 2 * UNITS[name]), key=UNITS.__getitem__)
    return f"{seconds / UNITS[name]:.0f} {name}s"


def says(sentence: str, seconds: float) -> bool:
    """Whether a sentence names this span already, as exactly as its unit allows."""
    for number, unit in SPAN.findall(sentence):
        size = UNITS.get(unit, 1)
        if abs(float(number) * size - seconds) <= size:
            return True
    return False


def whole(sentence: str) -> str:
    """A sentence without tenths of seconds: nobody waits so exactly."""
    return re.sub(r"\b(\d+)\.\d+(?= ?(?:s|seconds)\b)", _up, sentence)


def _up(found: re.Match[str]) -> str:
    return str(int(found[1]) + 1)


def _told(found: datetime.datetime, *, seconds: bool = False) -> str:
    day = "" if found.date() == today() else f"{found:%Y-%m-%d} "
    return f"{day}{found:%H:%M:%S}" if seconds else f"{day}{found:%H:%M}"
