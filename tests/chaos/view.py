"""What one receiver saw: cursors, the log of each connection, and gaps filled from history.

It is strict where the protocol is: in rooms nothing is dropped as a repeat, because none may come.
Repeats are dropped in `dm:` conversations, where a replay and live events may overlap, and while a
gap is filled, because a page of history may reach further than the gap.
"""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.logs import Entered, Seen

NUMBERED = ("broadcast", "whisper", "topic", "promote")
"""What is numbered of what happens here: nobody does more than talk, but rooms change hands."""

Bodies = dict[bytes, bytes]
"""Every body once, however many receivers saw it."""


class View:
    """The conversations of one receiver; `runs` is its log, `cursors` what it resumes with.

    `wants` are requests that it has to send: pages of history, and the epochs of new `dm:`s.
    """

    def __init__(self, bodies: Bodies) -> None:
        self.runs: list[list[Entered | Seen]] = []
        self.cursors: dict[str, tuple[str, int]] = {}
        self.wants: list[dict[str, Any]] = []
        self._bodies = bodies
        self._heads: dict[str, int] = {}
        self._held: dict[str, list[tuple[int, bytes]]] = {}

    def connected(self) -> None:
        """A new connection: what was being filled will be replayed."""
        self.runs.append([])
        self.wants.clear()
        self._held.clear()
        self._heads.clear()

    @property
    def filling(self) -> bool:
        """Whether history is being read to fill a gap."""
        return bool(self._held)

    def enter(self, room: str, epoch: str, seq: int) -> None:
        """The server says where the room stands: now nothing before `seq` is expected."""
        self.runs[-1].append(Entered(room, epoch, seq))
        self.cursors[room] = (epoch, seq)

    def resume(self) -> dict[str, tuple[str, int]]:
        """The cursors for `hello`; a conversation of unknown epoch is left out."""
        return {room: cursor for room, cursor in self.cursors.items() if cursor[0]}

    def event(self, frame: dict[str, Any], body: bytes) -> None:
        """Take an event that may be numbered or begin a replay."""
        if frame["type"] == "replay":
            if frame["state"] == "begin":
                self._replay(frame)
        elif frame["type"] in NUMBERED:
            room, seq = frame["room"].lower(), frame["seq"]
            if room in self._held and seq > self._heads[room]:
                self._held[room].append((seq, body))
            else:
                self._see(room, seq, body)

    def history(self, frame: dict[str, Any], body: bytes) -> None:
        """Take a page of history, asked for with `wants`."""
        room = frame["room"].lower()
        if not self.cursors.get(room, ("", 0))[0]:
            self.cursors[room] = (frame["epoch"], self.cursors[room][1])
        if room not in self._held:
            return
        for event, piece in zip(frame["events"], pieces(body), strict=True):
            self._see(room, event["seq"], piece)
        if self.cursors[room][1] < self._heads[room] and frame["events"]:
            self._ask(room)
        else:
            for seq, held in self._held.pop(room):
                if seq > self.cursors[room][1]:  # else the page had it, too
                    self._see(room, seq, held)

    def _replay(self, frame: dict[str, Any]) -> None:
        room = frame["room"].lower()
        epoch, _ = self.cursors.setdefault(room, (frame["epoch"], 0))
        if epoch and epoch != frame["epoch"]:
            self.enter(room, frame["epoch"], frame["head"])
        elif frame["to"] < frame["head"]:
            self._held[room] = []
            self._heads[room] = frame["head"]
            self._ask(room, frame["to"])

    def _ask(self, room: str, after: int | None = None) -> None:
        cursor = self.cursors[room][1] if after is None else after
        self.wants.append({"type": "history", "id": f"h {room}", "room": room, "after": cursor})

    def _see(self, room: str, seq: int, body: bytes) -> None:
        epoch, cursor = self.cursors.get(room, ("", 0))
        if room.startswith("dm:"):
            if seq <= cursor:
                return
            if not epoch and not cursor:
                ask = {"type": "history", "id": f"h {room}", "room": room, "limit": 1}
                self.wants.append(ask)
        self.cursors[room] = (epoch, max(seq, cursor))
        self.runs[-1].append(Seen(room, seq, self._bodies.setdefault(body, body)))


_decoder = json.JSONDecoder()


def pieces(body: bytes) -> list[bytes]:
    """The events of a page of history, as the very bytes they have there."""
    text = body.decode()
    at = text.index("[", text.index('"events"')) + 1
    found = []
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + 1 if text[end] == "," else end
    return found
