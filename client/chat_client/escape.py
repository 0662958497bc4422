"""Makes remote text harmless and readable before it reaches a terminal.

Whatever could move the cursor, ring, colour, write the clipboard, or turn the reading direction is
shown as an escape such as `\\x1b`. Every string of a remote goes through here: text, nicks, topics,
error messages, names of files.
"""

from __future__ import annotations

import re
import unicodedata

HARMFUL = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters: C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029"  # separators that some terminals take for line ends
    "\ud800-\udfff\ufeff\ufff9-\ufffb"  # surrogates, byte order mark, annotation controls
    "\U000e0000-\U000e007f"  # tags: invisible text
    "]"
)

MARKS = 4
"""Combining marks left on one letter: more than any language needs, less than spills over lines."""


def escape(text: str) -> str:
    """Return `text` on one line with nothing in it that acts."""
    if text.isascii() and text.isprintable():
        return text
    return HARMFUL.sub(_visible, _limit_marks(text))


def escape_lines(text: str) -> list[str]:
    """Return the lines of a message, each escaped; tabs become spaces."""
    return [escape(line.replace("\t", "    ")) for line in text.split("\n")]


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _limit_marks(text: str) -> str:
    """Leave at most MARKS combining marks in a row; count the others instead of stacking them."""
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MARKS:
            kept.append(character)
    return "".join(kept)
