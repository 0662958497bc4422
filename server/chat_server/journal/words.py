"""What counts as a word when somebody searches, the same for every journal.

A word is a run of letters and digits; case does not count, nor do diacritics on Latin letters. This
is what SQLite's tokenizer `unicode61` says, which makes words by itself: here it is said once more
for the journal in memory, and for queries, where each word must be one to SQLite too.

What remains: SQLite does not know the capitals of scripts that got them lately (Georgian,
Cherokee), folds some signs further (the micro sign), and takes signs that are younger than its
tables for letters.
"""

from __future__ import annotations

import re
import unicodedata

DIACRITICS = "\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331"
"""Combining characters that are part of a word, and not looked at."""

_BECAME_LETTERS = "\u19b0-\u19c0\u19c8\u19c9\u1cf2\u1cf3"
"""Letters now, but signs in the version of Unicode that SQLite knows: they separate words."""

WORD = re.compile(rf"[^\W_{_BECAME_LETTERS}](?:[^\W_{_BECAME_LETTERS}]|[{DIACRITICS}])*")

_BLOCKS = ((0x20A0, 0x20D0), (0x2300, 0x2400), (0x2B00, 0x2C00), (0x1F000, 0x1FB00))

SEPARATORS = "".join(
    chr(code) for first, end in _BLOCKS for code in range(first, end) if not chr(code).isalnum()
)
"""Signs, emoji above all, of which SQLite takes the younger ones for letters unless it is told."""

TOKENIZER = f"unicode61 remove_diacritics 2 separators ''{SEPARATORS}''"
"""How SQLite makes words, within the quotes of an SQL string."""

_FINAL_SIGMA, _SIGMA = "\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}"
_APART = re.compile(f"[{DIACRITICS}]")
_ON_LATIN = re.compile("(?<=[a-z])[\u0300-\u036f]+")


def words_of(text: str) -> list[str]:
    """The words of `text` as they are written; `fold` makes them comparable."""
    return WORD.findall(text)


def fold(text: str) -> str:
    """`text` without case, and without diacritics on Latin letters."""
    lower = text.lower()
    if lower.isascii():
        return lower
    bare = _ON_LATIN.sub("", unicodedata.normalize("NFD", _APART.sub("", lower)))
    return unicodedata.normalize("NFC", bare).replace(_FINAL_SIGMA, _SIGMA)
