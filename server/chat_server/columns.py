"""Rows of facts as text: columns for people, tabs or JSON for programs; one row a line.

Rules:
- What strangers have typed is among the values: everything goes out through `harmless`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chat_server.loglines import harmless

Row = Mapping[str, Any]


def as_json(rows: Iterable[Row]) -> Iterator[str]:
    """Each row as a JSON object."""
    return (harmless(json.dumps(row, ensure_ascii=False)) for row in rows)


def with_tabs(rows: Iterable[Row], names: Sequence[str]) -> Iterator[str]:
    """These columns of each row, separated by tabs; what a row has not is empty."""
    return ("\t".join(_text(row.get(name)) for name in names) for row in rows)


def aligned(rows: Iterable[Row], names: Sequence[str]) -> Iterator[str]:
    """The columns under their names, each as wide as it has to be; the last one is not padded."""
    lines = [[name.upper() for name in names]]
    lines += [[_text(row.get(name)) or "-" for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(map(str.ljust, line, widths)).rstrip()


def _text(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, dict):  # somebody
        return harmless(str(value.get("nick", "")))
    return harmless(str(value))
