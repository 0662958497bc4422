"""Reads a Markdown document: its sections, tables and fenced blocks, for tests that execute it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Document:
    """One Markdown file of the project."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / name).read_text(encoding="utf-8")

    def section(self, heading: str) -> str:
        """The text below `heading` up to the next one of the same or a higher rank."""
        found = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert found, f"no heading {heading!r}"
        rest = self.text[found.end() :]
        following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
        return rest[: following.start()] if following else rest

    def headings(self) -> list[str]:
        """Every heading, outside of fenced blocks."""
        outside = re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)
        return re.findall(r"^#+ (.+)$", outside, re.MULTILINE)

    def anchors(self) -> set[str]:
        """What links within the document can point to."""
        return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in self.headings()}


def blocks(text: str, info: str) -> list[str]:
    """The contents of every fenced block whose info string begins with `info`."""
    return re.findall(rf"^```{re.escape(info)}[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, without its head."""
    found = re.findall(r"(?:^\|.*\n)+", text + "\n", re.MULTILINE)
    return [[_cells(line) for line in table.splitlines()[2:]] for table in found]


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
    return [cell.strip().replace("\\|", "|") for cell in cells]
