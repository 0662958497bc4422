"""Entries for a journal without a server around it: authors, rooms, sizes, repetitions.

Nothing here decides whether a run was sound; it makes work that reaches every part of the journal.
"""

from __future__ import annotations

import json
from random import Random

from chat_server.journal.base import Entry
from tests.chaos.logs import Message

ROOMS = ("dev", "ops", "*", "dm:ua:ub")
AUTHORS = ("ua", "ub", "uc", "ud")
STAMP = "2026-11-22T15:00:00.123Z"


def compose(random: Random, number: int) -> Message:
    """A new message of some author; a new room appears now and then."""
    author = random.choice(AUTHORS)
    room = f"room-{number}" if random.random() < 0.01 else random.choice(ROOMS)
    text = random.choice("xyz") * random.choice((1, 40, 200, 3000 if random.random() < 0.1 else 9))
    return Message(author, f"{author}-{number}", room, f"{number} {text}")


def entry_of(message: Message) -> Entry:
    """The entry that says it, the same each time."""
    user = {"uid": message.author, "nick": message.author}
    rest = {"ts": STAMP, "user": user, "text": message.text, "cid": message.cid}
    return Entry(
        message.room,
        f'{{"type":"broadcast","room":{json.dumps(message.room)},"seq":',
        f",{json.dumps(rest)[1:]}",
        ts=STAMP,
        author=message.author,
        cid=message.cid,
        origin=None,
        re=None,
        answer=None,
    )
