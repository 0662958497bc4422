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


@given(st.text())
def test_no_value_breaks_a_line_or_a_column(text: str) -> None:
    """Whatever somebody has managed to be called."""
    [line] = with_tabs([{"nick": text, "role": "user"}], ("nick", "role"))
    assert line.count("\t") == 1
    assert "\n" not in line
    assert "\r" not in line
    assert "\n" not in next(as_json([{"nick": text}]))
