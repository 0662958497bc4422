"""A control for the checker: a run with a fault of every kind in it, each of them to be caught."""

from __future__ import annotations

import json
import time

from tests.chaos.checker import check
from tests.chaos.logs import Entered, Logs, Message, Seen, Store, StoredRoom
from tests.chaos.result import Result

ROOM = "dev"


def body_of(seq: int, text: str) -> bytes:
    """An event of alice's, with the cid `c-<text>`."""
    event = {"type": "broadcast", "room": ROOM, "seq": seq, "user": {"uid": "ua", "nick": "alice"}}
    return json.dumps({**event, "text": text, "cid": f"c-{text}"}).encode()


def planted() -> Result:
    """A message lost, one doubled, one changed, two reversed, and one that a receiver missed."""
    began = time.monotonic()
    said = ["lost", "second", "first", "doubled", "changed", "unseen"]
    stored = ["first", "second", "doubled", "doubled", "Changed", "unseen"]
    seqs = {"second": 2, "first": 1, "doubled": 3, "changed": 5, "unseen": 6, "lost": 7}
    messages = [Message("ua", f"c-{text}", ROOM, text, seqs[text]) for text in said]
    rows = [(seq, body_of(seq, text)) for seq, text in enumerate(stored, 1)]
    rows[4] = (5, body_of(5, "Changed").replace(b"c-Changed", b"c-changed"))
    seen = [Seen(ROOM, *row) for row in rows[:5]]
    store = Store({ROOM: StoredRoom("e", events=rows)})
    logs = Logs({"alice": messages}, {"bob": [[Entered(ROOM, "e", 0), *seen]]}, complete=True)
    found = check(logs, store)
    return Result(
        "planted faults", 5, len(said), len(said), time.monotonic() - began, found, expected=True
    )
