"""The contract of a journal (chat_server/journal/base.py), one suite for every implementation.

A new journal is one entry in JOURNALS.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema.framing import encode_frame
from chat_server.journal.base import Entry, Journal, JournalFull, Page
from chat_server.journal.memory import MemoryJournal

JOURNALS: dict[str, Callable[[], Journal]] = {
    "memory": lambda: MemoryJournal(kept=10_000, budget=64 * 1024 * 1024),
}
"""Makes an empty journal large enough that nothing here is retired."""

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""

NO_LIMIT = 10**9


class HandedOn(NamedTuple):
    """What reached `hand_on`."""

    entry: Entry
    seq: int
    frame: bytes


class Desk:
    """A journal at work, and everything it handed on, in the order it did."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.handed_on: list[HandedOn] = []
        self._arrived = threading.Condition()
        journal.open(self._take)

    def _take(self, entry: Entry, seq: int, frame: bytes) -> None:
        with self._arrived:
            self.handed_on.append(HandedOn(entry, seq, frame))
            self._arrived.notify_all()

    def wait_for(self, count: int) -> list[HandedOn]:
        """Everything handed on, once there are as many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.handed_on) >= count, PATIENCE)
            return list(self.handed_on)

    def append(self, room: str, *texts: str) -> None:
        """Append these texts and wait until they are kept."""
        count = len(self.handed_on) + len(texts)
        for text in texts:
            self.journal.append(entry_of(room, text))
        self.wait_for(count)

    def read(self, room: str, **span: int | None) -> Page:
        """Read with what is not given left open."""
        after, before = span.get("after"), span.get("before")
        limit, size = span.get("limit") or NO_LIMIT, span.get("size") or NO_LIMIT
        return self.journal.read(room, after=after, before=before, limit=limit, size=size)


def entry_of(room: str, text: str, answer: Callable[[int], bytes] | None = None) -> Entry:
    """An entry whose body is `text`, its number and a sign."""
    return Entry(room, f"{text}#", "!", "the origin", answer, ("u1", "u2"))


def body_of(text: str, seq: int) -> bytes:
    """The body that an entry becomes."""
    return f"{text}#{seq}!".encode()


@pytest.fixture(params=list(JOURNALS))
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """An open journal with nothing in it."""
    desk = Desk(JOURNALS[request.param]())
    yield desk
    desk.journal.close()


@pytest.fixture(params=list(JOURNALS), scope="module")
def library(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A journal with forty entries of various sizes in the room `shelf`."""
    desk = Desk(JOURNALS[request.param]())
    desk.append("shelf", *("x" * (number % 7 * 10) for number in range(1, 41)))
    yield desk
    desk.journal.close()


def test_it_says_what_it_promises(desk: Desk) -> None:
    """How durable, and how many entries are kept, are known before anything is appended."""
    assert desk.journal.durability in ("memory", "process", "disk")
    assert desk.journal.kept is None or desk.journal.kept > 0


def test_entries_get_numbers_from_one_without_gap(desk: Desk) -> None:
    """In the order of appending."""
    desk.append("a", "one", "two", "three")
    assert [(item.entry.head, item.seq) for item in desk.handed_on] == [
        ("one#", 1),
        ("two#", 2),
        ("three#", 3),
    ]


def test_every_room_has_numbers_of_its_own(desk: Desk) -> None:
    """What happens in one does not move the other."""
    for room in ("a", "b", "a", "*", "dm:u1:u2", "b"):
        desk.append(room, "x")
    assert [(item.entry.room, item.seq) for item in desk.handed_on] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("*", 1),
        ("dm:u1:u2", 1),
        ("b", 2),
    ]


def test_an_entry_is_handed_on_as_a_frame_with_its_number(desk: Desk) -> None:
    """Head, number, tail, UTF-8, with the length before it."""
    desk.append("a", "héllo 👩")
    assert desk.handed_on[0].frame == encode_frame("héllo 👩#1!".encode())


def test_what_an_entry_carries_comes_through_untouched(desk: Desk) -> None:
    """The journal hands on the entry itself, and does not call the answer."""

    def answer(seq: int) -> bytes:
        raise AssertionError("only who hands out the answer makes it")

    entry = entry_of("a", "x", answer)
    desk.journal.append(entry)
    handed = desk.wait_for(1)[0].entry
    assert handed is entry
    assert (handed.origin, handed.answer, handed.people) == ("the origin", answer, ("u1", "u2"))


def test_what_was_handed_on_can_be_read(desk: Desk) -> None:
    """The very bytes, for as long as they are kept."""
    desk.append("a", "one", "two")
    page = desk.read("a")
    assert page.bodies == [item.frame[4:] for item in desk.handed_on]
    assert page.bodies == [body_of("one", 1), body_of("two", 2)]


def test_a_room_without_entries_stands_at_nothing(desk: Desk) -> None:
    """Number 0, the oldest would be 1, and there is nothing to read."""
    position = desk.journal.position("a")
    assert (position.head, position.oldest) == (0, 1)
    assert position.epoch
    for span in ({}, {"after": 0}, {"after": 5}, {"before": 0}, {"before": 5}):
        page = desk.read("a", **span)
        assert (page.bodies, page.more) == ([], False)
        assert (page.position.head, page.position.oldest) == (0, 1)


def test_the_position_is_that_of_the_newest_entry(desk: Desk) -> None:
    """Asked by itself and with a page alike."""
    desk.append("a", "one", "two", "three")
    position = desk.journal.position("a")
    assert (position.head, position.oldest) == (3, 1)
    assert desk.read("a", after=0).position == position


def test_the_epoch_stays_while_history_does(desk: Desk) -> None:
    """Asking first, appending and reading do not change it."""
    epoch = desk.journal.position("a").epoch
    desk.append("a", "one")
    assert desk.journal.position("a").epoch == epoch
    assert desk.read("a", after=0).position.epoch == epoch


def test_rooms_have_epochs_of_their_own(desk: Desk) -> None:
    """Losing one room says nothing of another."""
    desk.append("a", "one")
    desk.append("b", "one")
    before = desk.journal.position("b")
    desk.journal.forget("a")
    assert desk.journal.position("b") == before
    assert desk.read("b").bodies == [body_of("one", 1)]


def test_a_forgotten_room_begins_anew_in_another_epoch(desk: Desk) -> None:
    """Its numbers start again, and the epoch says that they are other ones."""
    desk.append("a", "one", "two")
    epoch = desk.journal.position("a").epoch
    desk.journal.forget("a")
    assert desk.read("a", after=0).bodies == []
    desk.append("a", "new")
    assert desk.handed_on[-1].seq == 1
    position = desk.journal.position("a")
    assert (position.head, position.oldest) == (1, 1)
    assert position.epoch != epoch


def test_forgetting_a_room_that_is_not_there_is_no_fault(desk: Desk) -> None:
    """Nothing happens."""
    desk.journal.forget("nowhere")
    assert desk.handed_on == []


@contextmanager
def hurried_threads() -> Iterator[None]:
    """Let threads take turns as often as they can, so that each gets into the others' way."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def append_at_once(desk: Desk, threads: int, each: int, room: Callable[[int], str]) -> None:
    """Append from several threads, all beginning at the same moment."""
    barrier = threading.Barrier(threads)

    def work(number: int) -> None:
        barrier.wait(PATIENCE)
        for count in range(each):
            desk.journal.append(entry_of(room(number), f"{number}.{count:03}"))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    with hurried_threads():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE)
    desk.wait_for(threads * each)


def test_numbers_are_dense_when_many_append_at_once(desk: Desk) -> None:
    """Eight threads, one room: no gap, no repeat, handed on in the order of the numbers."""
    append_at_once(desk, 8, 250, lambda number: "a")
    assert [item.seq for item in desk.handed_on] == list(range(1, 2001))


def test_what_one_thread_appends_keeps_its_order(desk: Desk) -> None:
    """Others may come between, but nothing overtakes what its own thread appended before."""
    append_at_once(desk, 4, 250, lambda number: "a")
    for number in range(4):
        own = [item.entry.head for item in desk.handed_on if item.entry.head[0] == str(number)]
        assert own == sorted(own)
        assert len(own) == 250


def test_rooms_are_dense_when_many_append_at_once(desk: Desk) -> None:
    """Eight threads, two rooms: each room has its own dense numbers in order."""
    append_at_once(desk, 8, 250, lambda number: "ab"[number % 2])
    for room in "ab":
        numbers = [item.seq for item in desk.handed_on if item.entry.room == room]
        assert numbers == list(range(1, 1001))


def test_what_is_read_equals_what_was_handed_on_at_once(desk: Desk) -> None:
    """After a thousand entries from four threads."""
    append_at_once(desk, 4, 250, lambda number: "a")
    assert desk.read("a", after=0).bodies == [item.frame[4:] for item in desk.handed_on]


def test_reading_during_appending_sees_no_gap(desk: Desk) -> None:
    """Every page is a run of numbers up to the head that it tells of."""
    pages: list[Page] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            pages.append(desk.read("a", after=0))

    reader = threading.Thread(target=look)
    reader.start()
    append_at_once(desk, 2, 200, lambda number: "a")
    done.set()
    reader.join(PATIENCE)
    pages.append(desk.read("a", after=0))
    for page in pages:
        numbers = [int(body.split(b"#")[1][:-1]) for body in page.bodies]
        assert numbers == list(range(1, page.position.head + 1))


ends = st.integers(0, 50)
limits = st.integers(1, 50)


@given(ends, limits)
def test_a_page_after_a_number_is_what_follows_it(library: Desk, after: int, limit: int) -> None:
    """At most `limit`, ascending, and `more` tells of what follows the page."""
    page = library.read("shelf", after=after, limit=limit)
    whole = library.read("shelf").bodies
    assert page.bodies == whole[after : after + limit]
    assert page.more == bool(whole[after + limit :])


@given(st.none() | ends, limits)
def test_a_page_before_a_number_is_what_leads_to_it(
    library: Desk, before: int | None, limit: int
) -> None:
    """The last ones before it, ascending, and `more` tells of what is older than the page."""
    page = library.read("shelf", before=before, limit=limit)
    whole = library.read("shelf").bodies
    older = whole if before is None else whole[: max(0, before - 1)]
    assert page.bodies == older[-limit:]
    assert page.more == bool(older[:-limit])


@given(ends, limits, st.integers(1, 400), st.booleans())
def test_a_page_is_cut_to_a_size_but_never_to_nothing(
    library: Desk, end: int, limit: int, size: int, forward: bool
) -> None:
    """It is the near part of the page without the cut, and `more` says what was cut."""
    span = {"after": end} if forward else {"before": end}
    uncut = library.read("shelf", **span, limit=limit)
    page = library.read("shelf", **span, limit=limit, size=size)
    count = len(page.bodies)
    assert page.bodies == (uncut.bodies[:count] if forward else uncut.bodies[-count:] * bool(count))
    assert bool(page.bodies) == bool(uncut.bodies)
    assert sum(map(len, page.bodies)) <= size or count == 1
    assert page.more == (uncut.more or count < len(uncut.bodies))


@given(limits, st.integers(1, 400), st.booleans())
def test_paging_from_one_end_to_the_other_finds_everything_once(
    library: Desk, limit: int, size: int, forward: bool
) -> None:
    """Following `more` with the last, or first, number of each page."""
    found: list[bytes] = []
    cursor, more = (0, True) if forward else (41, True)
    while more:
        if forward:
            page = library.read("shelf", after=cursor, limit=limit, size=size)
            found, cursor = found + page.bodies, cursor + len(page.bodies)
        else:
            page = library.read("shelf", before=cursor, limit=limit, size=size)
            found, cursor = page.bodies + found, cursor - len(page.bodies)
        more = page.more
    assert found == library.read("shelf").bodies
    assert len(found) == 40


@pytest.mark.parametrize("span", [{"after": 2**53 - 1}, {"before": 2**53 - 1, "limit": 10**9}])
def test_case_82_numbers_far_away_are_no_fault(library: Desk, span: dict[str, int]) -> None:
    """After the far future there is nothing; before it there is everything."""
    page = library.read("shelf", **span)
    assert page.bodies == ([] if "after" in span else library.read("shelf").bodies)
    assert not page.more


def test_a_closed_journal_refuses_and_keeps_nothing_more(desk: Desk) -> None:
    """What comes too late is not handed on, and is not there to be read either."""
    desk.append("a", "one")
    desk.journal.close()
    with pytest.raises((RuntimeError, JournalFull)):
        desk.journal.append(entry_of("a", "two"))
    assert len(desk.handed_on) == 1
    assert desk.read("a").bodies == [body_of("one", 1)]
