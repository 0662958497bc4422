"""What counts as a word when somebody searches, the same for every journal.

A word is a run of letters and digits; case and diacritics do not count. This is what SQLite's
tokenizer `unicode61 remove_diacritics 2` does, so that a search means the same wherever it is made.
"""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of `text` in the form in which they are compared."""
    return WORD.findall(fold(text))


def fold(text: str) -> str:
    """`text` without case and diacritics."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part)).lower()
