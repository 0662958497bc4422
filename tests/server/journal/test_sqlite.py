"""The journal in SQLite beyond the contract: after a restart, with a full queue, on a bad disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest

from chat_schema.errors import Refused
from chat_server.domain.voice import Voice
from chat_server.journal.base import (
    Act,
    Durability,
    Entry,
    Failed,
    JournalFull,
    Kept,
    Outcome,
    Query,
    Repeated,
    Stay,
)
from chat_server.journal.sqlite import SqliteJournal
from chat_server.journal.words import words_of
from tests.server.journal.test_contract import Desk
from tests.support.workshop import EVERYTHING, NO_LIMIT, Workshop, days_ago, said, texts_of

Open = Callable[..., Desk]

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "chat.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    """Opens the journal of the same file, again and again."""
    with ExitStack() as stack:

        def open_(durability: Durability = "disk", waiting: int = 10_000) -> Desk:
            journal = SqliteJournal(path, durability, lambda room: EVERYTHING, days_ago, waiting)
            stack.callback(journal.close)
            return Desk(journal)

        yield open_


def journal_of(desk: Desk) -> SqliteJournal:
    """Its journal, for what is not in the contract."""
    return cast(SqliteJournal, desk.journal)


def kinds(outcomes: list[Outcome]) -> list[type]:
    """What became of entries."""
    return [type(outcome) for outcome in outcomes]


# After a restart


def test_everything_is_there_when_it_is_opened_again(opened: Open) -> None:
    """Rooms with names and topics, conversations, positions, epochs, and the very bytes."""
    desk = opened()
    desk.settle(said("Dev", "one"), said("Dev", "two", topic="ship it"), said("Ops", "three"))
    desk.settle(said("dm:u1:u2", "psst"), said("*", "hear ye"))
    keys = ("dev", "ops", "dm:u1:u2", "*")
    before = {key: (desk.journal.position(key), desk.read(key, after=0).bodies) for key in keys}
    desk.journal.close()
    desk = opened()
    assert {
        key: (desk.journal.position(key), desk.read(key, after=0).bodies) for key in keys
    } == before
    assert sorted(desk.journal.rooms()) == [("Dev", "ship it"), ("Ops", "")]
    assert list(desk.journal.conversations()) == ["dm:u1:u2"]
    assert desk.journal.known("dev") == ("Dev", "ship it")


def test_numbers_go_on_where_they_were(opened: Open) -> None:
    """Nothing is numbered twice."""
    desk = opened()
    desk.settle(*(said("a", "x") for _ in range(5)))
    desk.journal.close()
    desk = opened()
    [outcome] = desk.settle(said("a", "y"))
    assert isinstance(outcome, Kept)
    assert outcome.seq == 6


def test_a_repeated_cid_is_recognised_after_a_restart(opened: Open) -> None:
    """The first outcome, or a conflict: as if nothing had happened in between."""
    desk = opened()
    desk.settle(said("a", "hello", cid="c1"))
    desk.journal.close()
    desk = opened()
    again, other = said("a", "hello", cid="c1"), said("a", "bye", cid="c1")
    first, second = desk.settle(again, other)
    assert isinstance(first, Repeated)
    assert first.first.seq == 1
    assert isinstance(second, Failed)
    assert second.refused.code == "cid.conflict"


def test_a_search_finds_what_was_said_before_and_after_a_restart(opened: Open) -> None:
    """Nothing has to be indexed first."""
    desk = opened()
    desk.settle(said("a", "word one"))
    desk.journal.close()
    desk = opened()
    desk.settle(said("a", "word two"))
    query = Query(("a",), words_of("word"), None, None, NO_LIMIT, NO_LIMIT)
    assert texts_of(desk.journal.search(query).bodies) == ["word one", "word two"]


def test_what_was_not_closed_is_there_too(opened: Open, path: Path, tmp_path: Path) -> None:
    """As the disk is while the journal runs, so a kill leaves it."""
    desk = opened()
    desk.settle(*(said("a", f"text {number}") for number in range(50)))
    position = desk.journal.position("a")
    for name in ("chat.db", "chat.db-wal"):
        (tmp_path / f"killed-{name}").write_bytes((tmp_path / name).read_bytes())
    desk.journal.close()
    killed = Desk(
        SqliteJournal(tmp_path / "killed-chat.db", "disk", lambda room: EVERYTHING, days_ago)
    )
    assert killed.journal.position("a") == position
    assert len(killed.read("a", after=0).bodies) == 50
    killed.journal.close()


def keep(desk: Desk, *stays: Stay) -> list[Refused | None]:
    """Keep stays and return what was told of each."""
    told: list[Refused | None] = []
    for stay in stays:
        desk.journal.keep_stay(stay, told.append)
    desk.journal.flush()
    return told


def test_stays_are_there_after_a_restart(opened: Open) -> None:
    """As they were kept last; those that were dropped are not."""
    desk = opened()
    assert list(desk.journal.stays()) == []
    first = Stay("u1", "alice", "digest1", ("Dev", "Ops"))
    assert (
        keep(desk, first, Stay("u2", "bob", "digest2", ()), first._replace(rooms=())) == [None] * 3
    )
    keep(desk, Stay("u2", "Bob", "digest2", ("Dev",)))
    keep(desk, Stay("u3", "carol", "digest3", ()))
    desk.journal.drop_stay("digest3")
    desk.journal.drop_stay("nobody")
    desk.journal.close()
    desk = opened()
    assert sorted(desk.journal.stays()) == [
        Stay("u1", "alice", "digest1", ()),
        Stay("u2", "Bob", "digest2", ("Dev",)),
    ]


def test_one_person_has_several_stays(opened: Open) -> None:
    """Each with a token of its own; one of them ends without the other."""
    desk = opened()
    phone, laptop = Stay("u1", "alice", "digest1", ("Dev",)), Stay("u1", "alice", "digest2", ())
    keep(desk, phone, laptop)
    desk.journal.close()
    desk = opened()
    assert sorted(desk.journal.stays()) == [phone, laptop]
    desk.journal.drop_stay("digest1")
    desk.journal.close()
    assert list(opened().journal.stays()) == [laptop]


def test_records_are_there_after_a_restart(opened: Open) -> None:
    """As they were kept last, by kind; those that were removed are not."""
    desk = opened()
    for kind, key, body in (
        ("account", "u1", '"old"'),
        ("account", "u1", '"new"'),
        ("account", "u2", '"gone"'),
        ("policy", "u1", '"other"'),
        ("account", "u2", None),
    ):
        desk.journal.keep_record(kind, key, body, lambda refused: None)
    desk.journal.close()
    desk = opened()
    assert list(desk.journal.records("account")) == [("u1", '"new"')]
    assert list(desk.journal.records("policy")) == [("u1", '"other"')]
    assert list(desk.journal.records("nothing")) == []


def test_acts_go_on_after_a_restart(opened: Open) -> None:
    """With the next number."""
    for name in ("kick", "ban"):
        desk = opened()
        act = Act(0, "2026-11-22T12:00:00.000Z", "alice", name, None, "bob", None)
        desk.journal.keep_act(act, lambda refused: None)
        desk.journal.close()
    acts = opened().journal.acts(None, 10).acts
    assert [(act.number, act.act) for act in acts] == [(1, "kick"), (2, "ban")]


def test_a_batch_of_people_who_may_speak_is_one_statement(tmp_path: Path) -> None:
    """That somebody might be muted costs no look at the cids; only one who is does."""
    workshop = Workshop(tmp_path / "other.db")
    voice = Voice()

    def entry(text: str) -> Entry:
        entry = said("a", text, cid=text)
        entry.voice = voice
        return entry

    workshop.store(said("a", "the room is there"))
    statements: list[str] = []
    workshop.connection.set_trace_callback(statements.append)
    workshop.store(entry("one"), entry("two"))
    assert not any("select cids" in sql or "begin" in sql for sql in statements)
    voice.refused = Refused("room.muted", "You are muted.")
    assert kinds(workshop.store(entry("three"))) == [Failed]
    assert any("select cids" in sql for sql in statements)
    workshop.close()


def test_forgetting_goes_on_after_a_restart(opened: Open, path: Path) -> None:
    """Begun a moment before the end, it is done when it is asked for again."""
    desk = opened()
    desk.settle(*(said("dm:u1:u2", "psst") for _ in range(1200)), said("a", "x"))
    desk.journal.forget("dm:u1:u2")
    desk.journal.close()
    desk = opened()
    desk.journal.forget("dm:u1:u2")
    for _ in range(10):  # it goes step by step, and lets each of these go first
        desk.journal.flush()
    assert list(desk.journal.conversations()) == []
    connection = sqlite3.connect(path)
    assert connection.execute("select count(*) from events").fetchone() == (1,)
    connection.close()


# Order


def test_outcomes_come_in_the_order_of_the_entries(opened: Open) -> None:
    """Of new ones, repetitions and conflicts alike: a client is answered in its order."""
    desk = opened()
    desk.settle(said("a", "first", cid="c0"))
    entries = [
        said("a", "new"),
        said("a", "first", cid="c0"),
        said("b", "new", cid="c1"),
        said("b", "new", cid="c1"),
        said("a", "other", cid="c0"),
        said("a", "last"),
    ]
    with held_up(desk):
        for entry in entries:
            desk.journal.append(entry)
    outcomes = desk.wait_for(1 + len(entries))[1:]
    assert [outcome.entry for outcome in outcomes] == entries
    assert kinds(outcomes) == [Kept, Repeated, Kept, Repeated, Failed, Kept]


# A full queue


@contextmanager
def held_up(desk: Desk) -> Iterator[None]:
    """Meanwhile the journal's thread is busy: what is appended waits."""
    busy, over = threading.Event(), threading.Event()

    def hold(_: Refused | None) -> None:
        busy.set()
        over.wait(PATIENCE)

    desk.journal.keep_stay(Stay("busy", "busy", "busy", ()), hold)
    assert busy.wait(PATIENCE)
    yield
    over.set()


def test_when_too_many_wait_the_next_is_refused(opened: Open) -> None:
    """Nothing of it is kept, what waited is, and then there is room again."""
    desk = opened(waiting=10)
    with held_up(desk):
        for number in range(10):
            desk.journal.append(said("a", str(number)))
        for _ in range(3):
            with pytest.raises(JournalFull):
                desk.journal.append(said("a", "too much"))
        assert desk.outcomes == []
    desk.wait_for(10)
    desk.settle(said("a", "10"))
    assert texts_of(desk.read("a", after=0).bodies) == [str(number) for number in range(11)]
    assert [item.seq for item in desk.handed_on] == list(range(1, 12))


def test_positions_can_be_asked_while_it_is_busy(opened: Open) -> None:
    """And history read: what was handed on, no more."""
    desk = opened()
    desk.settle(said("a", "one"))
    with held_up(desk):
        desk.journal.append(said("a", "two"))
        assert desk.journal.position("a").head == 1
        assert texts_of(desk.read("a", after=0).bodies) == ["one"]


def test_nothing_is_readable_before_it_is_handed_on(path: Path) -> None:
    """Whoever is told of a number can read up to it; nobody reads further."""
    journal = SqliteJournal(path, "disk", lambda room: EVERYTHING, days_ago)
    seen: list[tuple[int, int]] = []
    reached, over = threading.Event(), threading.Event()

    def hand_on(outcomes: object) -> None:
        reached.set()
        over.wait(PATIENCE)

    def look() -> None:
        page = journal.read("a", after=0, before=None, limit=10, size=NO_LIMIT)
        seen.append((page.position.head, len(page.bodies)))

    journal.open(hand_on)
    journal.append(said("a", "one"))
    assert reached.wait(PATIENCE)
    reader = threading.Thread(target=look)
    reader.start()
    over.set()
    reader.join(PATIENCE)
    journal.close()
    assert seen in ([(0, 0)], [(1, 1)])


# Faults of the disk


def limit_pages(desk: Desk, spare: int) -> None:
    """Let the disk be full but for so many pages."""
    connection = journal_of(desk)._connection

    def limit() -> bool:
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages + spare}").fetchone()
        return False

    journal_of(desk)._do(limit)


def test_a_full_disk_fails_the_batch_and_uses_up_no_number(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is told that it was kept; with room again everything works as before."""
    desk = opened()
    desk.settle(said("a", "one"))
    limit_pages(desk, 0)
    outcomes = desk.settle(*(said("a", "x" * 3000, cid=f"c{number}") for number in range(20)))
    refused = [outcome.refused for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(refused) > 0
    assert {(each.code, each.retryable) for each in refused} == {("server.storage", True)}
    head = desk.journal.position("a").head
    assert head == len(desk.handed_on)
    assert desk.journal.alive
    assert "SQLITE_FULL" in caplog.text
    limit_pages(desk, 10_000)
    again = desk.settle(*(said("a", "x" * 3000, cid=f"c{number}") for number in range(20)))
    assert Failed not in kinds(again)
    assert [item.seq for item in desk.handed_on] == list(range(1, 22))
    assert desk.journal.position("a").head == 21
    assert len(desk.read("a", after=0).bodies) == 21


def test_a_room_whose_first_message_could_not_be_kept_is_none(opened: Open) -> None:
    """Its topic neither; the next first message is number 1."""
    desk = opened()
    limit_pages(desk, 0)
    text = "x" * 100_000
    assert kinds(desk.settle(said("New", text, topic="t"))) == [Failed]
    assert desk.journal.known("new") is None
    assert desk.journal.position("new").head == 0
    limit_pages(desk, 10_000)
    [outcome] = desk.settle(said("New", "small"))
    assert isinstance(outcome, Kept)
    assert outcome.seq == 1
    assert desk.journal.known("new") == ("New", "")


def test_a_stay_that_cannot_be_kept_is_told(opened: Open) -> None:
    """With the reason."""
    desk = opened()
    limit_pages(desk, 0)
    [refused] = keep(desk, Stay("u1", "alice", "x" * 100_000, ()))
    assert refused is not None
    assert refused.code == "server.storage"
    desk.journal.close()
    assert list(opened().journal.stays()) == []


def test_a_locked_database_fails_the_batch(opened: Open, path: Path) -> None:
    """Somebody else writes in it: it is told, and is over when they have finished."""
    desk = opened()
    desk.settle(said("a", "one"))
    connection = journal_of(desk)._connection

    def be_impatient() -> bool:
        connection.execute("pragma busy_timeout = 0")
        return False

    journal_of(desk)._do(be_impatient)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    [outcome] = desk.settle(said("a", "two"))
    assert isinstance(outcome, Failed)
    assert outcome.refused.code == "server.storage"
    other.execute("rollback")
    other.close()
    [outcome] = desk.settle(said("a", "two"))
    assert isinstance(outcome, Kept)
    assert outcome.seq == 2


class FailedSync(sqlite3.OperationalError):
    """What SQLite says when a sync has failed."""

    sqlite_errorname = "SQLITE_IOERR_FSYNC"


def test_after_a_failed_sync_nothing_is_kept_until_a_restart(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may call the next one a success although it has lost what came before."""
    desk = opened()
    desk.settle(said("a", "one"))
    writer = journal_of(desk)._writer

    def fail(entries: object, notes: object) -> list[Outcome]:
        raise FailedSync("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write", fail)
        assert kinds(desk.settle(said("a", "two"))) == [Failed]
    assert kinds(desk.settle(said("a", "three"))) == [Failed]
    assert texts_of(desk.read("a", after=0).bodies) == ["one"]
    assert keep(desk, Stay("u1", "alice", "digest", ()))[0] is not None
    desk.journal.close()
    desk = opened()
    assert kinds(desk.settle(said("a", "two"))) == [Kept]
    assert texts_of(desk.read("a", after=0).bodies) == ["one", "two"]


def test_a_fault_in_a_chore_is_no_end(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages go on; the fault is in the log."""
    desk = opened()

    def fail(now: float) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(journal_of(desk)._chores, "urgent", fail)
    assert kinds(desk.settle(said("a", "one"))) == [Kept]
    desk.journal.flush()
    assert kinds(desk.settle(said("a", "two"))) == [Kept]
    assert caplog.text.count("cannot tidy up") == 1


def test_what_cannot_be_read_is_told(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a page and of a search; then it works again."""
    desk = opened()
    desk.settle(said("a", "one"))

    def fail() -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    query = Query(("a",), ["one"], None, None, NO_LIMIT, NO_LIMIT)
    with monkeypatch.context() as patch:
        patch.setattr(journal_of(desk)._reader, "_take", fail)
        for read in (lambda: desk.read("a", after=0), lambda: desk.journal.search(query)):
            with pytest.raises(Refused) as caught:
                read()
            assert caught.value.code == "server.storage"
    assert texts_of(desk.read("a", after=0).bodies) == ["one"]


def lines(caplog: pytest.LogCaptureFixture, words: str) -> int:
    """How often the log says this."""
    return sum(words in record.getMessage() for record in caplog.records)


def test_a_full_disk_is_told_once_and_once_when_it_is_over(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """However many messages fail; and the next time it is told again."""
    desk = opened()
    desk.settle(said("a", "one"))
    for times in (1, 2):
        limit_pages(desk, 0)
        for _ in range(5):
            assert kinds(desk.settle(said("a", "x" * 100_000))) == [Failed]
        assert lines(caplog, "cannot store") == times
        assert lines(caplog, "works again") == times - 1
        limit_pages(desk, 10_000)
        for _ in range(5):
            assert kinds(desk.settle(said("a", "small"))) == [Kept]
        desk.journal.flush()
        assert lines(caplog, "cannot store") == lines(caplog, "works again") == times


def test_a_fault_of_who_waited_for_a_stay_is_not_the_journal_s(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log; the stay is kept, others are told, and messages go on."""
    desk = opened()

    def fail(_: Refused | None) -> None:
        raise RuntimeError("who waited has a fault")

    told: list[Refused | None] = []
    with held_up(desk):
        desk.journal.keep_stay(Stay("u1", "alice", "digest", ()), fail)
        desk.journal.keep_stay(Stay("u2", "bob", "digest2", ()), told.append)
    desk.journal.flush()
    assert told == [None]
    assert kinds(desk.settle(said("a", "one"))) == [Kept]
    assert desk.journal.alive
    assert "who waited has a fault" in caplog.text
    desk.journal.close()
    assert {stay.uid for stay in opened().journal.stays()} == {"busy", "u1", "u2"}


def delete(path: Path) -> None:
    """Let the database be gone."""
    path.unlink()


def move(path: Path) -> None:
    """Let the database have another name."""
    path.rename(path.with_name("moved.db"))


def replace(path: Path) -> None:
    """Let another file, though with the same content, have its name."""
    path.with_name("other.db").write_bytes(path.read_bytes())
    path.with_name("other.db").replace(path)


@pytest.mark.parametrize("harm", [delete, move, replace])
def test_nothing_is_kept_in_a_file_that_is_not_there_any_more(
    opened: Open,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
) -> None:
    """Authors are told so soon after, and the log says once why."""
    monkeypatch.setattr("chat_server.journal.sqlite.LOOK", 0.0)
    desk = opened()
    assert kinds(desk.settle(said("a", "one"), said("a", "two"))) == [Kept, Kept]
    harm(path)
    desk.settle(said("a", "it is looked after this one"))
    for _ in range(3):
        [outcome] = desk.settle(said("a", "lost"))
        assert isinstance(outcome, Failed)
        assert outcome.refused.code == "server.storage"
    assert keep(desk, Stay("u1", "alice", "digest", ()))[0] is not None
    assert lines(caplog, f"{path} was moved, deleted or replaced") == 1
    assert desk.journal.alive


def test_a_file_that_is_there_is_no_fault(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is looked for, and also when it grows."""
    monkeypatch.setattr("chat_server.journal.sqlite.LOOK", 0.0)
    desk = opened()
    for _ in range(20):
        assert kinds(desk.settle(said("a", "x" * 10_000))) == [Kept]


# The end


def test_close_settles_what_waits(opened: Open) -> None:
    """Everybody hears of it, and it is there afterwards."""
    desk = opened()
    entries: list[Entry] = [said("a", str(number)) for number in range(500)]
    for entry in entries:
        desk.journal.append(entry)
    desk.journal.close()
    assert len(desk.handed_on) == 500
    assert len(opened().read("a", after=0).bodies) == 500


def test_after_a_clean_end_there_is_one_file(opened: Open, tmp_path: Path) -> None:
    """Whoever copies it has everything."""
    desk = opened()
    desk.settle(said("a", "one"))
    desk.journal.search(Query(("a",), ["one"], None, None, NO_LIMIT, NO_LIMIT))
    desk.read("a", after=0)
    desk.journal.close()
    assert [file.name for file in tmp_path.iterdir()] == ["chat.db"]


def test_closing_twice_and_without_opening_is_no_fault(path: Path) -> None:
    """As a server does whose address cannot be had."""
    journal = SqliteJournal(path, "disk", lambda room: EVERYTHING, days_ago)
    journal.close()
    journal.close()
    with pytest.raises(JournalFull):
        journal.append(said("a", "late"))
    assert not journal.alive


def test_nothing_is_asked_of_the_disk_once_a_batch_is_stored(path: Path) -> None:
    """What is stored is handed on: no fault may come between the two."""
    workshop = Workshop(path)
    statements: list[str] = []
    workshop.store(said("a", "first"))
    workshop.connection.set_trace_callback(statements.append)
    kinds_ = kinds(workshop.store(*(said("a", "x", cid="c1") for _ in range(2))))
    workshop.connection.set_trace_callback(None)
    workshop.close()
    assert kinds_ == [Kept, Repeated]
    assert statements[-1].lstrip().startswith(("--", "insert into"))
