"""Nothing a remote sends acts on the reader's terminal (cases 40 and 43)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client.escape import MARKS, escape, escape_lines

BIDI = {"\u061c", *map(chr, range(0x200E, 0x2010)), *map(chr, range(0x202A, 0x202F))} | set(
    map(chr, range(0x2066, 0x206A))
)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("over\rwritten\b", "over\\x0dwritten\\x08"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("line\u2028break", "line\\u2028break"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("Grüße 👋 日本 👩‍💻", "Grüße 👋 日本 👩‍💻"),
    ],
)
def test_what_acts_is_shown_instead(hostile: str, shown: str) -> None:
    """Escape sequences, overwriting, reading direction: visible; ordinary text: untouched."""
    assert escape(hostile) == shown


def test_combining_marks_do_not_spill_over_lines() -> None:
    """Case 43: four thousand marks on one letter become four."""
    assert escape("a" + "\u0301" * 4000) == "a" + "\u0301" * MARKS


def test_a_message_of_several_lines_stays_several_lines() -> None:
    """Newlines part lines, tabs become spaces, the rest is escaped."""
    assert escape_lines("one\n\ttwo\x1b\n") == ["one", "    two\\x1b", ""]


@given(st.text())
def test_no_text_keeps_anything_that_acts(text: str) -> None:
    """Property: no control, no direction, no line separator, no surrogate gets through."""
    shown = escape(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in shown)
    assert not BIDI.intersection(shown)
    assert not {"\u2028", "\u2029"}.intersection(shown)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])))
def test_plain_text_is_left_alone(text: str) -> None:
    """Property: what is printable ASCII is shown as it is."""
    assert escape(text) == text
