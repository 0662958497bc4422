"""A log record as one line of text or JSON that is harmless to whoever reads it.

Rules:
- One record is one line: control characters, line ends and bidi controls are escaped as in JSON.
- Text is `date level event name=value …`, a value in quotes where it has more than plain
  characters; JSON has the same names. What is not an event of ours is the event `log`.
- The values that a failed validation repeats are left out: one may be a password.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable
from typing import Any

from chat_server.net.loop import stamp_of

FIELDS = "chat_server_fields"
"""The attribute of a record that carries the fields of an event."""

RESERVED = frozenset({"ts", "level", "event"})
"""Names that every line has, so that no field may."""

LONGEST = 16_000
"""Characters of one value: a long traceback; more is cut, and said to be."""

_PLAIN = re.compile(r"[^\s\"'=\\]+")
_INPUT = re.compile(r"input_value=.*?, input_type=", re.DOTALL)

Format = Callable[[logging.LogRecord], str]


def as_text(record: logging.LogRecord) -> str:
    """The line of a record for people and grep, without its end."""
    event, fields = _parts(record)
    values = [f"{name}={_quoted(value)}" for name, value in fields.items()]
    return " ".join([stamp_of(record.created), record.levelname.lower(), event, *values])


def as_json(record: logging.LogRecord) -> str:
    """The line of a record for programs: one JSON object, without the end of the line."""
    event, fields = _parts(record)
    first = {"ts": stamp_of(record.created), "level": record.levelname.lower(), "event": event}
    return harmless(json.dumps(first | fields, ensure_ascii=False))


def harmless(text: str) -> str:
    """The text with everything escaped that is neither printable nor a space."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """The name of the event and its fields; a record of the standard kind is a `log`."""
    fields = getattr(record, FIELDS, None)
    if fields is not None:
        return record.msg, {name: _cut(value) for name, value in fields.items()}
    found = {"logger": record.name, "message": _cut(record.getMessage())}
    if record.exc_info and record.exc_info[1] is not None:
        found["traceback"] = _cut(_traceback(record.exc_info[1]))
    return "log", found


def _traceback(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error)).rstrip()
    return _INPUT.sub("input_value=…, input_type=", text)


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}… ({len(value) - LONGEST} characters more)"
    return value


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    return harmless(json.dumps(text, ensure_ascii=False))
