"""Fills a data folder with messages, through the journal itself, in a process of its own.

What is left is what a server leaves after its day: every room in the catalogue, every message with
its `cid` and in the search index. Every fourth message is said in the lobby, the others are spread
over 99 rooms, so a page of the lobby lies as scattered on the disk whatever the number kept.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

from chat_server import composition
from chat_server.domain.people import Person
from chat_server.journal.base import Entry, Query, Retention
from chat_server.journal.folder import Folder
from chat_server.journal.sqlite import SqliteJournal
from chat_server.net.loop import Clock
from tests.bench.course import say
from tests.bench.server import ServerError

LOBBY = "lobby"
SHARE_OF_LOBBY = 4

NOT_CHECKPOINTED = 9999
"""Messages that stay in the WAL: it is brought home at 64 MiB."""

_OTHER_ROOMS = 99
_PEOPLE = 50
_VOCABULARY = 5000
_WORDS = 9
_STEP = 10_000
"""Messages between two looks back: fewer than may wait for the journal."""


def fill(folder: Path, messages: int) -> None:
    """Keep so many messages and end as a server does."""
    _run(folder, messages, killed=False)


def fill_and_be_killed(folder: Path) -> None:
    """Keep NOT_CHECKPOINTED messages more and be killed: they are in the WAL alone."""
    _run(folder, NOT_CHECKPOINTED, killed=True)


def _run(folder: Path, messages: int, *, killed: bool) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_fill, args=(folder, messages, killed), daemon=True)
    process.start()
    try:
        process.join()
    finally:  # should we be told to stop, the folder is about to go
        process.kill()
        process.join()
    if process.exitcode != (-signal.SIGKILL if killed else 0):
        raise ServerError(f"{folder} could not be filled: exit code {process.exitcode}")


def _fill(folder: Path, messages: int, killed: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the benchmark, which ends us
    held = Folder(folder)
    clock = Clock()
    journal = SqliteJournal(held.database, "disk", lambda _: Retention(None, None), clock.stamp)
    journal.open(lambda _: None)
    for number, entry in enumerate(_entries(messages, clock), 1):
        journal.append(entry)
        if number % _STEP == 0:
            journal.flush()
            say(f"kept {number:,} of {messages:,} messages")
    journal.flush()
    if killed:
        os.kill(os.getpid(), signal.SIGKILL)
    # a search has the index brought up to date, which a server does in quiet moments
    journal.search(Query([LOBBY], ["nothing"], sender=None, before=None, limit=1, size=1))
    journal.close()
    held.close()


def _entries(messages: int, clock: Clock) -> Iterator[Entry]:
    """The same messages each time, but for who says them, when, and under which cid."""
    chance = random.Random(messages)
    words = [f"{chance.getrandbits(chance.choice((10, 20, 30))):x}" for _ in range(_VOCABULARY)]
    people = [Person(f"u{secrets.token_hex(6)}", f"n{number}") for number in range(_PEOPLE)]
    for number in range(messages):
        in_lobby = number % SHARE_OF_LOBBY == 0
        room = LOBBY if in_lobby else f"room{number % _OTHER_ROOMS}"
        text = " ".join(chance.choices(words, k=_WORDS))
        yield _entry(room, clock.stamp(), chance.choice(people), text)


def _entry(room: str, ts: str, person: Person, text: str) -> Entry:
    cid = secrets.token_hex(8)
    head, tail = composition.broadcast(room, ts, person, text, cid)
    return Entry(
        room, head, tail, ts=ts, author=person.uid, cid=cid, origin=None, re=None, answer=None
    )
