"""The bounds of the journal in memory: entries a room, and bytes in all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_server.journal.base import Act, Entry, Page
from chat_server.journal.memory import ACTS, MemoryJournal


def journal_of(kept: int = 1000, budget: int = 2**30) -> MemoryJournal:
    """An open journal with these bounds."""
    journal = MemoryJournal(kept, budget)
    journal.open(lambda outcomes: None)
    return journal


def append(journal: MemoryJournal, room: str, size: int = 10) -> None:
    """Append an entry of about `size` bytes."""
    entry = Entry(
        room, "x" * size, "", ts="", author="u1", cid=None, origin=None, re=None, answer=None
    )
    journal.append(entry)


def whole(journal: MemoryJournal, room: str) -> Page:
    """Everything there is of a room."""
    return journal.read(room, after=0, before=None, limit=10**9, size=10**9)


def numbers(page: Page) -> list[int]:
    """The numbers of the entries on a page."""
    return [int(body.lstrip(b"x")) for body in page.bodies]


def test_a_room_keeps_its_newest_entries() -> None:
    """The oldest that can be read is told, the numbers go on."""
    journal = journal_of(kept=5)
    for _ in range(12):
        append(journal, "a")
    page = whole(journal, "a")
    assert numbers(page) == [8, 9, 10, 11, 12]
    assert (page.position.head, page.position.oldest) == (12, 8)
    assert journal.position("a") == page.position


def test_the_oldest_acts_are_forgotten() -> None:
    """Numbers go on; what is remembered is bounded."""
    journal = journal_of()
    act = Act(0, "", "alice", "kick", None, None, None)
    for _ in range(ACTS + 3):
        journal.keep_act(act, lambda refused: None)
    oldest = journal.acts(6, 100)
    assert ([act.number for act in oldest.acts], oldest.more) == ([4, 5], False)
    assert journal.acts(None, 1).acts[0].number == ACTS + 3


def test_retention_is_no_loss_of_history() -> None:
    """The epoch stays: what is left is still what it was."""
    journal = journal_of(kept=5)
    epoch = journal.position("a").epoch
    for _ in range(12):
        append(journal, "a")
    assert journal.position("a").epoch == epoch


@pytest.mark.parametrize(
    ("span", "expected", "more"),
    [
        ({"after": 0, "before": None, "limit": 2}, [8, 9], True),
        ({"after": 3, "before": None, "limit": 2}, [8, 9], True),
        ({"after": 10, "before": None, "limit": 2}, [11, 12], False),
        ({"after": None, "before": 9, "limit": 9}, [8], False),
        ({"after": None, "before": 8, "limit": 9}, [], False),
        ({"after": None, "before": 3, "limit": 9}, [], False),
        ({"after": None, "before": None, "limit": 2}, [11, 12], True),
    ],
)
def test_pages_end_where_retention_does(
    span: dict[str, int], expected: list[int], more: bool
) -> None:
    """Asking for what is gone brings the oldest there is, or nothing."""
    journal = journal_of(kept=5)
    for _ in range(12):
        append(journal, "a")
    page = journal.read("a", size=10**9, **span)
    assert (numbers(page), page.more) == (expected, more)


def test_the_largest_histories_give_up_their_oldest_first() -> None:
    """A small room is not made to pay for a large one."""
    journal = journal_of(budget=10_000)
    for _ in range(5):
        append(journal, "small", 100)
    for _ in range(500):
        append(journal, "large", 100)
    assert numbers(whole(journal, "small")) == [1, 2, 3, 4, 5]
    large = whole(journal, "large")
    assert large.position.oldest > 1
    assert numbers(large) == list(range(large.position.oldest, 501))


BUDGET = 12_000
small_enough = st.integers(1, BUDGET // 10 - 10)
"""No entry is larger than a tenth of the smallest budget that can be set."""


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), small_enough), min_size=5, max_size=60))
def test_never_more_bytes_than_the_budget(entries: list[tuple[str, int]]) -> None:
    """Whatever the rooms and sizes, the bodies stay within it after every single entry."""
    journal = journal_of(budget=BUDGET)
    for room, size in entries:
        append(journal, room, size)
        pages = [whole(journal, name) for name in "abc"]
        assert sum(len(body) for page in pages for body in page.bodies) <= BUDGET
        assert numbers(whole(journal, room))[-1] == journal.position(room).head


def test_a_forgotten_room_leaves_nothing_behind() -> None:
    """Ten thousand conversations that end are no ten thousand rooms."""
    journal = journal_of()
    for number in range(10_000):
        append(journal, f"dm:u{number}:v")
        journal.forget(f"dm:u{number}:v")
    assert not journal._rooms


def test_reading_a_room_that_is_not_there_makes_none() -> None:
    """Whoever asks for conversations that never were costs no memory."""
    journal = journal_of()
    for number in range(100):
        assert whole(journal, f"dm:u{number}:v").bodies == []
    assert not journal._rooms
