"""What another program says, as messages: without what it does to a terminal."""

from __future__ import annotations

import re

from chat_schema.names import CONTROL

ESCAPE_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
"""What programs write to colour and move: CSI, OSC, and the short ones (ECMA-48)."""

CONTROLS = re.compile(rf"[{CONTROL}\n]")
"""Everything else that a message may not hold."""


def plain_text(line: str) -> str:
    """A line of another program's output as a message: without colours and line ends."""
    return CONTROLS.sub("", ESCAPE_SEQUENCES.sub("", line))
