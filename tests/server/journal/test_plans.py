"""What SQLite does for each statement: a page costs the same in a room of any length."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat_server.journal.base import Query, Retention
from chat_server.journal.catalogue import Catalogue
from chat_server.journal.chores import STEP
from tests.support.workshop import NO_LIMIT, Workshop, said


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """Some rooms, one of them with rules."""
    rules = {"a": Retention(100, 7)}
    workshop = Workshop(tmp_path / "chat.db", lambda room: rules.get(room, Retention(None, None)))
    for room in ("a", "b", "dm:u1:u2"):
        workshop.fill(room, STEP + 10)
    yield workshop
    workshop.close()


@contextmanager
def watched(connection: sqlite3.Connection) -> Iterator[list[str]]:
    """Notes what is asked on this connection: `select`, `insert`, `update` and `delete`."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if statement.lstrip().split()[0].lower() in ("select", "insert", "update", "delete"):
            seen.append(statement)

    connection.set_trace_callback(note)
    yield seen
    connection.set_trace_callback(None)


def require_searches(workshop: Workshop, statements: list[str]) -> None:
    """No statement goes through all events or all cids."""
    assert statements
    for line in workshop.plans(statements):
        assert not line.startswith(("SCAN events", "SCAN cids")), line


def test_a_page_is_found_by_number(workshop: Workshop) -> None:
    """In both directions."""
    connection = workshop.reader._take()
    workshop.reader._idle.put(connection)
    with watched(connection) as seen:
        workshop.page("a", after=3, limit=10)
        workshop.page("a", before=30, limit=10)
        workshop.page("a", limit=10)
    require_searches(workshop, seen)


def test_a_page_touches_only_its_own_rows(workshop: Workshop) -> None:
    """The steps that SQLite takes for a page do not grow with the room."""

    def steps() -> int:
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1

        connection = workshop.reader._take()
        connection.set_progress_handler(tick, 1)
        workshop.reader._idle.put(connection)
        workshop.page("b", before=400, limit=50)
        workshop.page("b", after=400, limit=50)
        connection.set_progress_handler(None, 0)
        return count

    before = steps()
    workshop.fill("b", 5000)
    assert steps() <= 1.1 * before


def test_opening_looks_up_the_newest_of_each_room(workshop: Workshop) -> None:
    """A million events are not read for it."""
    with watched(workshop.connection) as seen:
        Catalogue(workshop.connection)
    require_searches(workshop, seen)


def test_repetitions_are_looked_up(workshop: Workshop) -> None:
    """By author and cid, and the event by its number."""
    workshop.store(said("a", "x", cid="c1"))
    with watched(workshop.connection) as seen:
        workshop.store(said("a", "x", cid="c1"), said("a", "y", cid="c2"))
    require_searches(workshop, seen)


def test_every_chore_touches_only_what_it_must(workshop: Workshop) -> None:
    """Indexing, retention by count and age, sweeping, forgetting: each step of each."""
    workshop.store(*(said("a", "x", cid=f"c{number}", day=1) for number in range(STEP)))
    with watched(workshop.connection) as seen:
        workshop.rest()
        workshop.forget("dm:u1:u2")
    require_searches(workshop, seen)


def test_a_search_goes_by_the_index(workshop: Workshop) -> None:
    """And looks at events that it found there."""
    workshop.rest()
    connection = workshop.reader._take()
    workshop.reader._idle.put(connection)
    query = Query(["a", "b"], ["a"], "alice", 5, 10, NO_LIMIT)
    with watched(connection) as seen:
        workshop.reader.search(query)
    require_searches(workshop, seen)
