"""The contract of a journal (chat_server/journal/base.py), one suite for every implementation.

A new journal is one entry in JOURNALS.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_schema.errors import Refused
from chat_schema.framing import encode_frame
from chat_server.domain.voice import Voice
from chat_server.journal.base import (
    Act,
    Answer,
    Entry,
    Failed,
    First,
    Journal,
    JournalFull,
    Kept,
    Outcome,
    Page,
    Query,
    Repeated,
    Retention,
    Stay,
)
from chat_server.journal.memory import MemoryJournal
from chat_server.journal.sqlite import SqliteJournal
from chat_server.journal.words import words_of
from chat_server.net.loop import Clock

EVERYTHING = Retention(None, None)

JOURNALS: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda folder: MemoryJournal(kept=10_000, budget=64 * 1024 * 1024),
    "disk": lambda folder: SqliteJournal(
        folder / "chat.db", "disk", lambda room: EVERYTHING, Clock().stamp
    ),
    "process": lambda folder: SqliteJournal(
        folder / "chat.db", "process", lambda room: EVERYTHING, Clock().stamp
    ),
}
"""Makes an empty journal, for itself in a folder, large enough that nothing here is retired."""

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""

NO_LIMIT = 10**9

DATE = "2026-11-22T15:00:00.123Z"


class Desk:
    """A journal at work, and everything it handed on, in the order it did."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.outcomes: list[Outcome] = []
        self._arrived = threading.Condition()
        journal.open(self._take)

    def _take(self, outcomes: Sequence[Outcome]) -> None:
        with self._arrived:
            self.outcomes.extend(outcomes)
            self._arrived.notify_all()

    @property
    def handed_on(self) -> list[Kept]:
        """What was kept."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Kept)]

    def wait_for(self, count: int) -> list[Outcome]:
        """Everything handed on, once there are as many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.outcomes) >= count, PATIENCE)
            return list(self.outcomes)

    def settle(self, *entries: Entry) -> list[Outcome]:
        """Append these entries and return their outcomes."""
        count = len(self.outcomes)
        for entry in entries:
            self.journal.append(entry)
        return self.wait_for(count + len(entries))[count:]

    def append(self, room: str, *texts: str) -> None:
        """Append these texts and wait until they are kept."""
        self.settle(*(entry_of(room, text) for text in texts))

    def read(self, room: str, **span: int | None) -> Page:
        """Read with what is not given left open."""
        after, before = span.get("after"), span.get("before")
        limit, size = span.get("limit") or NO_LIMIT, span.get("size") or NO_LIMIT
        return self.journal.read(room, after=after, before=before, limit=limit, size=size)


def entry_of(
    room: str,
    text: str,
    answer: Answer | None = None,
    *,
    author: str = "u1",
    cid: str | None = None,
    nick: str = "alice",
    topic: str | None = None,
    name: str | None = None,
    unless: Refused | None = None,
    voice: Voice | None = None,
) -> Entry:
    """An entry as a broadcast makes it."""
    head = f'{{"type":"broadcast","room":"{name or room}","seq":'
    said = f'"user":{{"nick":"{nick}"}},"text":{json.dumps(text, ensure_ascii=False)}'
    return Entry(
        room,
        head,
        f',"ts":"{DATE}",{said}}}',
        ts=DATE,
        author=author,
        cid=cid,
        origin="the origin",
        re="the request",
        answer=answer,
        people=("u1", "u2"),
        topic=topic,
        unless=unless,
        voice=voice,
    )


def body_of(entry: Entry, seq: int) -> bytes:
    """The body that an entry becomes."""
    return f"{entry.head}{seq}{entry.tail}".encode()


def texts_of(bodies: Iterable[bytes]) -> list[str]:
    """What the events in these bodies say."""
    return [json.loads(body)["text"] for body in bodies]


@pytest.fixture(params=list(JOURNALS))
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """An open journal with nothing in it."""
    desk = Desk(JOURNALS[request.param](tmp_path))
    yield desk
    desk.journal.close()


@pytest.fixture(params=list(JOURNALS), scope="module")
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A journal with forty entries of various sizes in the room `shelf`."""
    desk = Desk(JOURNALS[request.param](tmp_path_factory.mktemp("library")))
    desk.append("shelf", *("x" * (number % 7 * 10) for number in range(1, 41)))
    yield desk
    desk.journal.close()


def test_it_says_what_it_promises(desk: Desk) -> None:
    """How durable, and how much is kept, are known before anything is appended."""
    assert desk.journal.durability in ("memory", "process", "disk")
    entries, days = desk.journal.retention("a")
    assert entries is None or entries > 0
    assert days is None or days > 0


def test_entries_get_numbers_from_one_without_gap(desk: Desk) -> None:
    """In the order of appending."""
    desk.append("a", "one", "two", "three")
    assert [item.seq for item in desk.handed_on] == [1, 2, 3]
    assert texts_of(item.frame[4:] for item in desk.handed_on) == ["one", "two", "three"]


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
    entry = entry_of("a", "héllo 👩")
    desk.settle(entry)
    assert desk.handed_on[0].frame == encode_frame(body_of(entry, 1))


def test_what_an_entry_carries_comes_through_untouched(desk: Desk) -> None:
    """The journal hands on the entry itself, and does not call the answer."""

    def answer(seq: int, first: First | None) -> bytes:
        raise AssertionError("only who hands out the answer makes it")

    entry = entry_of("a", "x", answer)
    assert desk.settle(entry)[0].entry is entry
    assert (entry.origin, entry.re, entry.answer) == ("the origin", "the request", answer)
    assert entry.people == ("u1", "u2")


def test_what_was_handed_on_can_be_read(desk: Desk) -> None:
    """The very bytes, for as long as they are kept."""
    desk.append("a", "one", "two")
    page = desk.read("a")
    assert page.bodies == [item.frame[4:] for item in desk.handed_on]
    assert texts_of(page.bodies) == ["one", "two"]


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
    desk.journal.flush()
    assert desk.journal.position("b") == before
    assert texts_of(desk.read("b").bodies) == ["one"]


def test_a_forgotten_room_begins_anew_in_another_epoch(desk: Desk) -> None:
    """Its numbers start again, and the epoch says that they are other ones."""
    desk.append("a", "one", "two")
    epoch = desk.journal.position("a").epoch
    desk.journal.forget("a")
    desk.journal.flush()
    assert desk.read("a", after=0).bodies == []
    desk.append("a", "new")
    assert desk.handed_on[-1].seq == 1
    position = desk.journal.position("a")
    assert (position.head, position.oldest) == (1, 1)
    assert position.epoch != epoch


def test_forgetting_a_room_that_is_not_there_is_no_fault(desk: Desk) -> None:
    """Nothing happens."""
    desk.journal.forget("nowhere")
    desk.journal.flush()
    assert desk.outcomes == []


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
        said = texts_of(item.frame[4:] for item in desk.handed_on)
        own = [text for text in said if text[0] == str(number)]
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
        numbers = [json.loads(body)["seq"] for body in page.bodies]
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


@given(ends, limits, st.integers(1, 4000), st.booleans())
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


@given(limits, st.integers(1, 4000), st.booleans())
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
    assert len(desk.outcomes) == 1


def test_a_repeated_cid_gets_the_first_outcome(desk: Desk) -> None:
    """Its number and date; nobody is told anything new, and no number is used up."""
    first, again = (entry_of("a", "hello", cid="c1") for _ in range(2))
    outcomes = desk.settle(first, entry_of("a", "other", cid="c2"), again, entry_of("a", "last"))
    repeated = [outcome for outcome in outcomes if isinstance(outcome, Repeated)]
    assert repeated == [Repeated(again, First("a", 1, DATE))]
    assert [item.seq for item in desk.handed_on] == [1, 2, 3]
    assert texts_of(desk.read("a", after=0).bodies) == ["hello", "other", "last"]


def test_a_repeated_cid_is_recognised_later_too(desk: Desk) -> None:
    """Not only among what is settled together."""
    desk.settle(entry_of("a", "hello", cid="c1"))
    again = entry_of("a", "hello", cid="c1")
    assert desk.settle(again) == [Repeated(again, First("a", 1, DATE))]


@pytest.mark.parametrize("other", [("a", "another text"), ("b", "hello")])
def test_a_cid_that_says_something_else_is_a_conflict(desk: Desk, other: tuple[str, str]) -> None:
    """Other words, or another room: nothing is kept."""
    desk.settle(entry_of("a", "hello", cid="c1"))
    (outcome,) = desk.settle(entry_of(*other, cid="c1"))
    assert isinstance(outcome, Failed)
    assert outcome.refused.code == "cid.conflict"
    assert len(desk.handed_on) == 1


def test_cids_belong_to_their_author(desk: Desk) -> None:
    """Two people may use the same one; so may nobody at all."""
    desk.settle(
        entry_of("a", "x", cid="c1", author="u1"),
        entry_of("a", "y", cid="c1", author="u2"),
        entry_of("a", "x"),
        entry_of("a", "x"),
    )
    assert [item.seq for item in desk.handed_on] == [1, 2, 3, 4]


def test_what_cannot_be_sent_any_more_is_answered_if_it_was_sent_before(desk: Desk) -> None:
    """A repetition has the first outcome, whoever has left meanwhile; a new one is refused."""
    gone = Refused("user.offline", "Nobody called bob is online.")
    desk.settle(entry_of("a", "hello", cid="c1"))
    again = entry_of("a", "hello", cid="c1", unless=gone)
    new = entry_of("a", "hello", cid="c2", unless=gone)
    outcomes = desk.settle(again, new, entry_of("a", "last"))
    assert Repeated(again, First("a", 1, DATE)) in outcomes
    assert Failed(new, gone) in outcomes
    assert [item.seq for item in desk.handed_on] == [1, 2]


def test_whoever_lost_their_voice_is_not_kept_any_more(desk: Desk) -> None:
    """But answered where they repeat what was kept; others, and what has no voice, go on."""
    muted = Refused("room.muted", "You are muted.")
    voice, other = Voice(), Voice()
    desk.settle(entry_of("a", "hello", cid="c1", voice=voice))
    voice.refused = muted
    again = entry_of("a", "hello", cid="c1", voice=voice)
    new = entry_of("a", "and another thing", cid="c2", voice=voice)
    bare = entry_of("a", "no cid", voice=voice)
    outcomes = desk.settle(again, new, bare, entry_of("a", "me", voice=other), entry_of("a", "x"))
    assert Repeated(again, First("a", 1, DATE)) in outcomes
    assert Failed(new, muted) in outcomes
    assert Failed(bare, muted) in outcomes
    assert [item.seq for item in desk.handed_on] == [1, 2, 3]


def test_nothing_by_the_banned_has_a_higher_number_than_the_ban(desk: Desk) -> None:
    """However many threads say something while the voice is withdrawn."""
    voice = Voice()

    def talk() -> None:
        for _ in range(99):
            desk.journal.append(entry_of("a", "x", voice=voice))

    threads = [threading.Thread(target=talk) for _ in range(4)]
    with hurried_threads():
        for thread in threads:
            thread.start()
        desk.wait_for(20)
        voice.refused = Refused("room.banned", "You are banned.")
        desk.journal.append(entry_of("a", "the ban"))
        for thread in threads:
            thread.join(PATIENCE)
    outcomes = desk.wait_for(397)
    kept = [outcome for outcome in outcomes if isinstance(outcome, Kept)]
    assert texts_of([kept[-1].frame[4:]]) == ["the ban"]
    assert len(outcomes) == 397


def test_a_voice_that_is_lost_before_a_refusal_that_was_given_says_the_latter(desk: Desk) -> None:
    """What was found out when it was asked is told, not what came later."""
    gone, muted = Refused("user.offline", "Nobody."), Refused("room.muted", "You are muted.")
    voice = Voice()
    voice.refused = muted
    entry = entry_of("a", "x", unless=gone, voice=voice)
    assert desk.settle(entry) == [Failed(entry, gone)]


def test_a_room_keeps_the_epoch_that_was_told_before_its_first_entry(desk: Desk) -> None:
    """Whatever is forgotten in between."""
    desk.settle(entry_of("dm:u1:u2", "x"))
    told = desk.journal.position("a").epoch
    desk.journal.forget("dm:u1:u2")
    desk.journal.flush()
    desk.append("a", "first")
    assert desk.journal.position("a").epoch == told


@given(said=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4)), max_size=30))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_cid_is_kept_once_whatever_is_repeated(
    desk: Desk, said: list[tuple[str, int]]
) -> None:
    """Any mixture of new ones and repetitions: the first is kept, the others have its number."""
    author = f"u{len(desk.outcomes)}x{len(said)}"
    entries = [entry_of(room, room, author=author, cid=f"{room}{cid}") for room, cid in said]
    outcomes = desk.settle(*entries)
    assert {id(outcome.entry) for outcome in outcomes} == {id(entry) for entry in entries}
    numbers: dict[str | None, set[int]] = {}
    for outcome in outcomes:
        assert not isinstance(outcome, Failed)
        seq = outcome.seq if isinstance(outcome, Kept) else outcome.first.seq
        numbers.setdefault(outcome.entry.cid, set()).add(seq)
    assert all(len(found) == 1 for found in numbers.values())
    assert sum(isinstance(outcome, Kept) for outcome in outcomes) == len(numbers)


def test_a_room_is_known_by_the_name_of_its_first_entry(desk: Desk) -> None:
    """With the topic that the last entry with one gave it."""
    desk.settle(entry_of("dev", "x", name="Dev"), entry_of("dev", "y", name="Dev", topic="ship it"))
    desk.settle(entry_of("dm:u1:u2", "x"), entry_of("*", "x"))
    assert desk.journal.known("dev") == ("Dev", "ship it")
    assert desk.journal.known("nowhere") is None
    assert list(desk.journal.rooms()) == [("Dev", "ship it")]
    assert list(desk.journal.conversations()) == ["dm:u1:u2"]


def search(desk: Desk, text: str, **fields: Any) -> list[str]:
    """What a search finds, as texts; in the rooms a and b unless told otherwise."""
    query = Query(("a", "b"), words_of(text), None, None, NO_LIMIT, NO_LIMIT)
    return texts_of(desk.journal.search(query._replace(**fields)).bodies)


def test_a_search_finds_every_word_in_any_case(desk: Desk) -> None:
    """A word also finds longer ones that begin with it; diacritics do not count."""
    desk.append("a", "The Build is green", "build broken", "über Ärger", "nothing")
    assert search(desk, "BUILD") == ["The Build is green", "build broken"]
    assert search(desk, "gre build") == ["The Build is green"]
    assert search(desk, "uber") == ["über Ärger"]
    assert search(desk, "ÄRG") == ["über Ärger"]
    assert search(desk, "uild") == []


@pytest.mark.parametrize("text", ['"', "a OR b", "NEAR(a b)", "text:a", "a*", "^a", "-b", "(", "'"])
def test_case_83_nothing_in_a_search_is_an_operator(desk: Desk, text: str) -> None:
    """Signs separate words and mean nothing; the words are looked for as they are."""
    desk.append("a", "a b near or text")
    words = words_of(text)
    found = ["a b near or text"] if words else []
    assert (search(desk, text) if words else []) == found


def test_a_search_stays_in_its_rooms(desk: Desk) -> None:
    """What stands elsewhere is not found, nor counted."""
    desk.append("a", "word one")
    desk.append("b", "word two")
    desk.append("c", "word three")
    assert search(desk, "word") == ["word one", "word two"]
    assert search(desk, "word", rooms=("b",)) == ["word two"]
    assert search(desk, "word", rooms=("nowhere",)) == []
    assert search(desk, "word", rooms=()) == []


def test_a_search_can_ask_for_a_sender_and_go_on_before_a_number(desk: Desk) -> None:
    """The newest come first to be counted, and are returned in ascending order."""
    desk.settle(*(entry_of("a", f"word {n}", nick="Alice") for n in range(5)))
    desk.settle(entry_of("a", "word of bob", nick="alice2"))
    assert search(desk, "word", sender="ALICE") == [f"word {n}" for n in range(5)]
    query = Query(("a",), ["word"], "alice", 5, 2, NO_LIMIT)
    found = desk.journal.search(query)
    assert (texts_of(found.bodies), found.more) == (["word 2", "word 3"], True)
    found = desk.journal.search(query._replace(before=3))
    assert (texts_of(found.bodies), found.more) == (["word 0", "word 1"], False)


def test_a_stay_is_kept_or_not_but_always_answered(desk: Desk) -> None:
    """Whoever waits for it hears."""
    told = threading.Event()
    desk.journal.keep_stay(Stay("u1", "alice", "digest", ("a",)), lambda refused: told.set())
    assert told.wait(PATIENCE)
    desk.journal.drop_stay("digest")


def test_a_record_is_kept_or_removed_and_always_answered(desk: Desk) -> None:
    """Whoever waits for it hears, even that what was not there is removed."""
    told: list[Refused | None] = []
    desk.journal.keep_record("account", "u1", "{}", told.append)
    desk.journal.keep_record("account", "u1", '{"nick":"alice"}', told.append)
    desk.journal.keep_record("account", "u1", None, told.append)
    desk.journal.keep_record("account", "nobody", None, told.append)
    desk.journal.flush()
    assert told == [None] * 4
    assert list(desk.journal.records("account")) == []


def act_of(name: str) -> Act:
    """An act as the audit makes it."""
    return Act(0, DATE, "alice@127.0.0.1", name, "dev", None, "a reason")


def keep_acts(desk: Desk, *names: str) -> None:
    """Keep these acts and see that each was answered."""
    told: list[Refused | None] = []
    for name in names:
        desk.journal.keep_act(act_of(name), told.append)
    desk.journal.flush()
    assert told == [None] * len(names)


def test_acts_have_numbers_and_are_read_back_as_they_were(desk: Desk) -> None:
    """What is not known is None."""
    assert desk.journal.acts(None, 10) == ([], False)
    keep_acts(desk, "kick")
    bare = Act(0, DATE, "operator (uid 0)", "stop", None, None, None)
    desk.journal.keep_act(bare, lambda refused: None)
    assert desk.journal.acts(None, 10) == (
        [act_of("kick")._replace(number=1), bare._replace(number=2)],
        False,
    )


def test_acts_are_read_a_page_at_a_time_from_the_newest(desk: Desk) -> None:
    """Ascending within a page; `more` tells of older ones."""
    keep_acts(desk, *"abcde")

    def page(before: int | None, limit: int) -> tuple[list[int], bool]:
        found = desk.journal.acts(before, limit)
        return [act.number for act in found.acts], found.more

    assert page(None, 2) == ([4, 5], True)
    assert page(4, 2) == ([2, 3], True)
    assert page(2, 2) == ([1], False)
    assert page(1, 2) == ([], False)
    assert page(3, 2) == ([1, 2], False)
    assert page(2**53 - 1, 5) == ([1, 2, 3, 4, 5], False)


def test_an_act_is_found_as_soon_as_it_was_asked_for(desk: Desk) -> None:
    """Whoever looks after acting sees their act."""
    for number in range(20):
        desk.journal.keep_act(act_of(f"act {number}"), lambda refused: None)
        [act] = desk.journal.acts(None, 1).acts
        assert act.act == f"act {number}"


def test_a_flush_waits_for_everything_before_it(desk: Desk) -> None:
    """Afterwards it is handed on."""
    for number in range(500):
        desk.journal.append(entry_of("a", str(number)))
    desk.journal.flush()
    assert len(desk.outcomes) == 500


text_characters = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n")


@given(text=st.text(text_characters, min_size=1))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_back_byte_by_byte(desk: Desk, text: str) -> None:
    """Quotes, backslashes, separators, every plane of Unicode."""
    (outcome,) = desk.settle(entry_of("a", text))
    assert isinstance(outcome, Kept)
    assert desk.read("a", before=outcome.seq + 1, limit=1).bodies == [outcome.frame[4:]]
