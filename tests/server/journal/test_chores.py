"""What is done in quiet moments, step by step: retention, the search index, cids, checkpoints."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat_server.journal import chores
from chat_server.journal.base import CID_DAYS, Act, Kept, Repeated, Retention, ignore
from chat_server.journal.chores import (
    INDEX_BEHIND,
    LOOK_AGAIN,
    STEP,
    SWEEP_AGAIN,
)
from chat_server.journal.notebook import keeping_act
from tests.support.workshop import DAY, NOW, TODAY, Workshop, said, texts_of

Open = Callable[..., Workshop]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "chat.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    """Opens the same database, again and again, with rules for rooms by name."""
    with ExitStack() as stack:

        def open_(**rules: Retention) -> Workshop:
            workshop = Workshop(path, lambda room: rules.get(room, Retention(None, None)))
            stack.callback(workshop.close)
            return workshop

        yield open_


def numbers(workshop: Workshop, room: str) -> list[int]:
    """The numbers that can be read of a room."""
    return [json.loads(body)["seq"] for body in workshop.page(room, after=0).bodies]


# Acts


def keep_acts(workshop: Workshop, count: int) -> None:
    """Keep so many acts."""
    act = Act(0, DAY.format(TODAY), "alice@192.0.2.1", "kick", "a", "bob", None)
    workshop.store(notes=[keeping_act(act, ignore) for _ in range(count)])


def test_the_audit_keeps_the_newest_acts(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps, none of them long; their numbers go on."""
    monkeypatch.setattr(chores, "ACTS", 100)
    workshop = opened()
    keep_acts(workshop, 100)
    workshop.rest()
    assert workshop.value("select count(*) from acts") == 100
    keep_acts(workshop, 2 * STEP + 50)
    left = [workshop.value("select count(*) from acts")]
    while workshop.chores.step(NOW + LOOK_AGAIN):
        left.append(workshop.value("select count(*) from acts"))
    assert max(before - after for before, after in itertools.pairwise(left)) == STEP
    assert left[-1] == 100
    assert workshop.value("select min(id) from acts") == 2 * STEP + 51
    keep_acts(workshop, 1)
    assert workshop.value("select max(id) from acts") == 2 * STEP + 151


# Retention


def test_a_room_keeps_its_newest_entries(opened: Open) -> None:
    """Rows go, `oldest` says so, the epoch stays."""
    workshop = opened(a=Retention(100, None))
    workshop.fill("a", 1234)
    epoch = workshop.catalogue.position("a").epoch
    workshop.rest()
    assert workshop.value("select count(*) from events") == 100
    assert workshop.catalogue.position("a") == (epoch, 1234, 1135)
    assert numbers(workshop, "a") == list(range(1135, 1235))


def test_a_room_loses_what_is_too_old(opened: Open) -> None:
    """By the dates in the events."""
    workshop = opened(a=Retention(None, 3))
    for day in (17, 18, 19, 20):
        workshop.fill("a", 300, day=day)
    workshop.rest()
    assert workshop.catalogue.position("a")[1:] == (1200, 601)
    assert numbers(workshop, "a") == list(range(601, 1201))


@pytest.mark.parametrize(("entries", "oldest"), [(450, 751), (900, 601)])
def test_the_stricter_of_two_rules_holds(opened: Open, entries: int, oldest: int) -> None:
    """Whichever it is."""
    workshop = opened(a=Retention(entries, 3))
    for day in (17, 18, 19, 20):
        workshop.fill("a", 300, day=day)
    workshop.rest()
    assert workshop.catalogue.position("a").oldest == oldest


def test_rooms_have_rules_of_their_own(opened: Open) -> None:
    """And one without any keeps everything."""
    workshop = opened(a=Retention(10, None), b=Retention(20, None))
    for room in "abc":
        workshop.fill(room, 100)
    workshop.rest()
    assert [len(numbers(workshop, room)) for room in "abc"] == [10, 20, 100]


def test_pruning_goes_in_steps_between_which_everything_is_right(opened: Open) -> None:
    """After each step `oldest` is the first number that is there; no step is long."""
    workshop = opened(a=Retention(100, None))
    workshop.fill("a", 5 * STEP)
    seen = [0]
    while workshop.chores.step(NOW):
        page = workshop.page("a", after=0)
        oldest = page.position.oldest
        assert [json.loads(body)["seq"] for body in page.bodies] == list(
            range(oldest, 5 * STEP + 1)
        )
        assert workshop.catalogue.position("a").oldest == oldest
        assert oldest - seen[-1] <= STEP + 1
        seen.append(oldest)
    assert seen[-1] == 5 * STEP - 99
    assert len(set(seen)) > 4


def test_a_page_begun_before_a_step_is_whole(opened: Open) -> None:
    """A reader that saw the old state reads on in it, and tells of what it sees."""
    workshop = opened(a=Retention(10, None))
    workshop.fill("a", 100)
    with workshop.reader._borrow() as connection:
        connection.execute("begin")
        connection.execute("select count(*) from events").fetchone()
        workshop.rest()
        shelf = workshop.catalogue.find("a")
        assert shelf is not None
        assert workshop.reader._position(connection, shelf).oldest == 1
        connection.execute("commit")
    assert workshop.page("a", after=0).position.oldest == 91


def test_what_is_gone_is_not_found_any_more(opened: Open) -> None:
    """What is kept is, in the same room and others."""
    workshop = opened(a=Retention(10, None))
    for room in "ab":
        workshop.fill(room, 20)
    workshop.rest()
    assert workshop.search("a", "a", "b") == [f"a {number}" for number in range(11, 21)]
    assert len(workshop.search("b", "a", "b")) == 20
    assert workshop.search("a 3", "a") == []


def test_what_is_gone_before_it_was_indexed_leaves_nothing(opened: Open) -> None:
    """The index is told only to forget what it knows."""
    workshop = opened(a=Retention(10, None))
    workshop.fill("a", 20)
    shelf = workshop.catalogue.find("a")
    assert shelf is not None
    workshop.chores._prune(shelf)
    workshop.rest()
    assert workshop.search("a", "a") == [f"a {number}" for number in range(11, 21)]
    workshop.connection.execute("insert into words (words) values ('integrity-check')")


def test_numbers_go_on_after_everything_is_gone(opened: Open) -> None:
    """Also when the journal was opened again in between; the epoch is the same."""
    workshop = opened(a=Retention(None, 3))
    workshop.fill("a", 700, day=1)
    workshop.rest()
    before = workshop.catalogue.position("a")
    assert before[1:] == (700, 701)
    assert numbers(workshop, "a") == []
    workshop.close()
    workshop = opened()
    assert workshop.catalogue.position("a") == before
    [outcome] = workshop.store(said("a", "back"))
    assert isinstance(outcome, Kept)
    assert outcome.seq == 701
    assert numbers(workshop, "a") == [701]


def test_retention_is_looked_at_now_and_then(opened: Open) -> None:
    """Not with every step, and also for rooms that have come since."""
    workshop = opened(a=Retention(10, None), b=Retention(10, None))
    workshop.fill("a", 20)
    workshop.rest()
    workshop.fill("a", 20)
    workshop.fill("b", 20)
    workshop.rest(NOW + LOOK_AGAIN - 1)
    assert len(numbers(workshop, "a")) == 30
    workshop.rest(NOW + LOOK_AGAIN)
    assert [len(numbers(workshop, room)) for room in "ab"] == [10, 10]


def test_a_date_of_the_future_does_not_stop_retention(opened: Open) -> None:
    """A clock was wrong for a moment: that message goes with the old ones behind it."""
    workshop = opened(a=Retention(None, 3))
    workshop.fill("a", 1, day=TODAY + 7)
    workshop.fill("a", STEP + 100, day=17)
    workshop.fill("a", 10)
    workshop.rest()
    assert numbers(workshop, "a") == list(range(STEP + 102, STEP + 112))


def test_a_date_of_the_future_is_kept_among_what_is_kept(opened: Open) -> None:
    """Only what is too old takes anything with it, and nothing behind it."""
    workshop = opened(a=Retention(None, 3))
    workshop.fill("a", 10, day=17)
    workshop.fill("a", 1, day=TODAY + 7)
    workshop.fill("a", 10)
    workshop.rest()
    assert numbers(workshop, "a") == list(range(11, 22))


# The search index


def test_the_index_catches_up_in_steps(opened: Open) -> None:
    """Everything is in it in the end, and a step takes only so much."""
    workshop = opened()
    workshop.fill("a", 3 * STEP)
    workshop.chores.step(NOW)
    assert len(workshop.search("a", "a")) == STEP
    workshop.rest()
    assert len(workshop.search("a", "a")) == 3 * STEP


def test_the_index_catches_up_after_a_restart(opened: Open) -> None:
    """What was stored and not indexed when the server ended is not forgotten."""
    workshop = opened()
    workshop.fill("a", 100)
    workshop.rest()
    workshop.fill("a", 100)
    workshop.close()
    workshop = opened()
    assert len(workshop.search("a", "a")) == 100
    workshop.rest()
    assert len(workshop.search("a", "a")) == 200


def test_an_index_far_behind_is_brought_up_although_messages_wait(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step with each batch, from some thousands on."""
    assert INDEX_BEHIND >= STEP
    monkeypatch.setattr("chat_server.journal.chores.INDEX_BEHIND", 1000)
    workshop = opened()
    workshop.fill("a", 999)
    workshop.chores.urgent(NOW)
    assert workshop.search("a", "a") == []
    workshop.fill("a", 1)
    workshop.chores.urgent(NOW)
    assert len(workshop.search("a", "a")) == STEP


def test_what_takes_the_place_of_what_was_deleted_is_indexed_too(opened: Open) -> None:
    """The ids of the newest rows are given again after these were deleted."""
    workshop = opened()
    workshop.fill("a", 10)
    workshop.fill("dm:u1:u2", 20)
    workshop.rest()
    workshop.forget("dm:u1:u2")
    workshop.fill("b", 30)
    workshop.rest()
    assert workshop.search("b", "b") == [f"b {number}" for number in range(1, 31)]
    assert len(workshop.search("a", "a")) == 10
    workshop.connection.execute("insert into words (words) values ('integrity-check')")


# Cids


def test_cids_are_remembered_for_a_week_and_no_longer(opened: Open) -> None:
    """Whose is how old is told by the message's own date."""
    workshop = opened()
    days = {f"day{day}": day for day in range(TODAY - CID_DAYS - 3, TODAY + 1)}
    workshop.store(*(said("a", cid, cid=cid, day=day) for cid, day in days.items()))
    workshop.rest()
    kept = {row[0] for row in workshop.connection.execute("select cid from cids")}
    assert kept == {cid for cid, day in days.items() if day >= TODAY - CID_DAYS}


def test_a_swept_cid_may_be_used_again(opened: Open) -> None:
    """After a week the repetition is a new message; before that it is not."""
    workshop = opened()
    workshop.store(said("a", "x", cid="old", day=1), said("a", "x", cid="new", day=TODAY - 1))
    workshop.rest()
    outcomes = workshop.store(said("a", "x", cid="old"), said("a", "x", cid="new"))
    kinds = {outcome.entry.cid: type(outcome) for outcome in outcomes}
    assert kinds == {"old": Kept, "new": Repeated}


def test_a_sweep_goes_through_all_of_them_in_steps(opened: Open) -> None:
    """Whoever has them, and however many one has."""
    workshop = opened()
    for author in ("u1", "u2", "u3"):
        workshop.store(
            *(
                said("a", "x", author=author, cid=f"c{number}", day=1 if number % 2 else TODAY)
                for number in range(STEP)
            )
        )
    workshop.rest()
    assert workshop.value("select count(*) from cids") == 3 * STEP // 2


def test_cids_are_swept_again_after_some_hours(opened: Open) -> None:
    """A server that runs for months does not gather them."""
    workshop = opened()
    workshop.rest()
    workshop.store(said("a", "x", cid="c1", day=1))
    workshop.rest(NOW)
    assert workshop.value("select count(*) from cids") == 1
    workshop.rest(NOW + SWEEP_AGAIN)
    assert workshop.value("select count(*) from cids") == 0


def test_the_sweep_of_cids_needs_no_quiet_moment(opened: Open) -> None:
    """A step with each batch, and again after some hours."""
    workshop = opened()
    for now in (NOW, NOW + SWEEP_AGAIN):
        workshop.store(*(said("a", "x", cid=f"{now} {n}", day=1) for n in range(2 * STEP)))
        workshop.store(said("a", "x", cid=f"{now} new"))
        for _ in range(5):
            workshop.fill("a", 1)
            workshop.chores.urgent(now)
        kept = [row[0] for row in workshop.connection.execute("select cid from cids")]
        assert [cid for cid in kept if str(now) in cid] == [f"{now} new"]


def test_a_message_outlives_its_cid_and_the_other_way_round(opened: Open) -> None:
    """Retention takes the event, the sweep takes the cid: neither takes both."""
    workshop = opened(a=Retention(1, None))
    workshop.store(said("a", "first", cid="c1"), said("b", "old", cid="c2", day=1))
    workshop.store(said("a", "second"))
    workshop.rest()
    assert texts_of(workshop.page("a", after=0).bodies) == ["second"]
    assert texts_of(workshop.page("b", after=0).bodies) == ["old"]
    [outcome] = workshop.store(said("a", "first", cid="c1"))
    assert isinstance(outcome, Repeated)
    assert outcome.first.seq == 1


# Forgetting


@pytest.mark.parametrize("count", [1, STEP, 2 * STEP + 7])
def test_a_forgotten_conversation_leaves_no_row(opened: Open, count: int) -> None:
    """Neither of its events nor in the index; others keep theirs."""
    workshop = opened()
    workshop.fill("a", 10)
    workshop.fill("dm:u1:u2", count)
    workshop.rest()
    workshop.forget("dm:u1:u2")
    assert workshop.value("select count(*) from events") == 10
    assert workshop.value("select count(*) from words where words match 'dm'") == 0
    assert workshop.value("select group_concat(key) from rooms") == "a"
    assert workshop.catalogue.find("dm:u1:u2") is None
    workshop.connection.execute("insert into words (words) values ('integrity-check')")


def test_what_was_pruned_can_be_forgotten(opened: Open) -> None:
    """What is left of it goes."""
    workshop = opened(**{"dm:u1:u2": Retention(None, 3)})
    workshop.fill("dm:u1:u2", 700, day=1)
    workshop.fill("dm:u1:u2", 10)
    workshop.rest()
    workshop.forget("dm:u1:u2")
    assert workshop.value("select count(*) from events") == 0
    workshop.rest(NOW + LOOK_AGAIN)


def test_a_forgotten_room_is_not_pruned_any_more(opened: Open) -> None:
    """A step that was still due for it does no harm."""
    workshop = opened(**{"dm:u1:u2": Retention(1, None)})
    workshop.fill("dm:u1:u2", 3 * STEP)
    workshop.fill("a", 10)
    while workshop.value("select count(*) from events") > 2 * STEP + 10:
        assert workshop.chores.step(NOW)
    workshop.forget("dm:u1:u2")
    workshop.rest()
    assert workshop.value("select count(*) from events") == 10
    assert workshop.value("select count(*) from rooms") == 1


# The WAL


def wal(path: Path) -> int:
    """Bytes of the WAL."""
    return path.with_name("chat.db-wal").stat().st_size


def test_the_wal_does_not_grow_for_ever_under_load(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is stored without a quiet moment."""
    monkeypatch.setattr(chores, "WAL_BUSY", 1024 * 1024)
    workshop = opened()
    for _ in range(30):
        workshop.store(*(said("a", "x" * 100, cid=None) for _ in range(1000)))
        workshop.chores.urgent(0.0)
    assert wal(path) < 2 * 1024 * 1024
    assert path.stat().st_size > 4 * 1024 * 1024


def test_in_a_quiet_moment_the_wal_is_brought_home(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes then overwrites it from the start."""
    monkeypatch.setattr(chores, "WAL_IDLE", 64 * 1024)
    workshop = opened()
    workshop.fill("a", 1000)
    workshop.rest()
    before = wal(path)
    workshop.fill("b", 100)
    assert wal(path) == before
    assert path.stat().st_size > 100 * 1000


def test_retention_needs_no_quiet_moment(opened: Open) -> None:
    """A room where somebody always talks is pruned too, a step with each batch."""
    workshop = opened(a=Retention(50, None))
    for number in range(8):
        workshop.fill("a", 400)
        for _ in range(4):
            workshop.chores.urgent(NOW + number)
    workshop.fill("a", 100)
    for _ in range(12):
        workshop.chores.urgent(NOW + LOOK_AGAIN)
    assert workshop.catalogue.position("a").oldest == 8 * 400 + 100 - 49


def test_a_little_is_not_worth_a_checkpoint(opened: Open, path: Path) -> None:
    """Each costs syncs."""
    workshop = opened()
    before = path.stat().st_size
    workshop.fill("a", 10)
    workshop.rest()
    assert path.stat().st_size == before
