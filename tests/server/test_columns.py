"""Rows as text: what people and programs get of the same facts."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from chat_server.columns import aligned, as_json, with_tabs

ROWS = [
    {"nick": "alice", "online": True, "rooms": ["Dev", "Ops"], "user": {"uid": "u1", "nick": "al"}},
    {"nick": "a-longer-nick", "online": False, "rooms": []},
]
NAMES = ("nick", "online", "rooms", "user")


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    """Under their names; what is not there is a dash, and no line ends in spaces."""
    assert list(aligned(ROWS, NAMES)) == [
        "NICK           ONLINE  ROOMS    USER",
        "alice          yes     Dev,Ops  al",
        "a-longer-nick  no      -        -",
    ]


def test_without_rows_there_are_only_names() -> None:
    """So one sees what there would be."""
    assert list(aligned([], NAMES)) == ["NICK  ONLINE  ROOMS  USER"]


def test_tabs_separate_for_programs() -> None:
    """No names, and what is not there is empty."""
    assert list(with_tabs(ROWS, NAMES)) == ["alice\tyes\tDev,Ops\tal", "a-longer-nick\tno\t\t"]


def test_json_has_everything_as_it_is() -> None:
    """Whatever columns others see."""
    assert [json.loads(line) for line in as_json(ROWS)] == ROWS


HOSTILE = "a\tb\nc\r\x00\x1b]0;\x07\x7f\x9b31m\u202e\u2066\u200e\u2028\u2029\U000e0001é😀"


def test_case_40_nothing_that_strangers_typed_moves_a_terminal() -> None:
    """C0, C1, bidi controls and separators are escaped, in lists and names too; letters are not."""
    row = {"reason": HOSTILE, "rooms": [HOSTILE], "user": {"nick": HOSTILE}}
    for line in (*aligned([row], tuple(row)), *as_json([row])):
        assert line.isprintable()
    [line] = with_tabs([row], tuple(row))
    assert all(text.isprintable() and "\\u202e" in text for text in line.split("\t"))
    assert line.count("é😀") == line.count("\t") + 1 == 3
    assert json.loads(next(as_json([row]))) == row


@given(st.text())
def test_no_value_breaks_a_line_or_a_column(text: str) -> None:
    """Whatever somebody has managed to be called."""
    [line] = with_tabs([{"nick": text, "role": "user"}], ("nick", "role"))
    assert line.count("\t") == 1
    assert "\n" not in line
    assert "\r" not in line
    assert "\n" not in next(as_json([{"nick": text}]))
