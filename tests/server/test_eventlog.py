"""The event log: one event is one line, harmless, without secrets, bounded, in nobody's way."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from chat_server.eventlog import ADDRESSES, LINES, MINUTE, SECRETS, EventLog
from chat_server.logbook import Files, Logbook, Outlet, outlets
from chat_server.loglines import FIELDS, LONGEST, Format, as_json, as_text, harmless
from chat_server.settings import Log

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""

NOON = 1_795_348_800.0
"""2026-11-22T12:00:00Z."""

DAY = 86_400.0


def record(event: str = "join", when: float = NOON, **fields: Any) -> logging.LogRecord:
    """An event as it comes to a handler."""
    made = logging.LogRecord("chat_server.events", logging.INFO, "", 0, event, None, None)
    made.created = when
    setattr(made, FIELDS, fields)
    return made


def fault(error: BaseException) -> logging.LogRecord:
    """An incident as it comes to a handler."""
    about = (type(error), error, error.__traceback__)
    made = logging.LogRecord("chat_server", logging.ERROR, "", 0, "incident %s", ("1f",), about)
    made.created = NOON
    return made


# Lines


def test_text_is_for_people_and_grep() -> None:
    """Quotes only where they are needed."""
    line = as_text(record(nick="alice", room="dev", topic="two words", seq=7))
    assert line == (
        '2026-11-22T12:00:00.000Z info join nick=alice room=dev topic="two words" seq=7'
    )


def test_json_is_one_object() -> None:
    """With the names that every line has first."""
    line = as_json(record(nick="alice", seq=7))
    assert json.loads(line) == {
        "ts": "2026-11-22T12:00:00.000Z",
        "level": "info",
        "event": "join",
        "nick": "alice",
        "seq": 7,
    }


HOSTILE = "a\nb\r\x1b]52;c;\x07\x9b31m\u202e\u2066\u2028\x00\ud800\U000e0001é😀"


@pytest.mark.parametrize("form", [as_text, as_json])
def test_case_40_nothing_in_a_line_moves_a_terminal(form: Format) -> None:
    """Escapes, line ends, C1, bidi controls and half characters; letters and emoji stay."""
    line = form(record(topic=HOSTILE))
    assert line.isprintable()
    assert "é😀" in line
    quoted = line if form is as_json else line.partition("topic=")[2]
    read = json.loads(quoted)
    assert (read["topic"] if form is as_json else read) == HOSTILE


@given(st.text())
def test_a_line_is_one_line_whatever_is_said(text: str) -> None:
    """And reads back as what was said."""
    line = as_json(record(text=text))
    assert line.isprintable()
    assert json.loads(line)["text"] == text
    assert as_text(record(text=text)).isprintable()


@given(st.text())
def test_what_looks_like_another_field_is_quoted(text: str) -> None:
    """Nobody adds a field to a line by what they say."""
    value = as_text(record(text=text)).partition("text=")[2]
    assert value == text if '"' not in value else json.loads(value) == text


def test_an_incident_is_one_line_with_its_traceback() -> None:
    """With what was raised, and where."""
    try:
        raise ZeroDivisionError("two\nlines")
    except ZeroDivisionError as error:
        read = json.loads(as_json(fault(error)))
    assert (read["event"], read["level"], read["message"]) == ("log", "error", "incident 1f")
    assert "two\nlines" in read["traceback"]
    assert "test_eventlog.py" in read["traceback"]


def test_a_failed_validation_does_not_repeat_what_it_was_given() -> None:
    """It may have been a password."""

    class Login(BaseModel):
        password: int

    secret = "hunter" + str(1 + 1)  # a traceback shows the lines of the program
    with pytest.raises(ValidationError) as caught:
        Login.model_validate({"password": f"{secret}, input_value='x'"})
    for form in (as_text, as_json):
        assert "hunter2" not in form(fault(caught.value))
        assert "Login" in form(fault(caught.value))


def test_a_very_long_value_is_cut_and_said_to_be() -> None:
    """A line has an end."""
    read = json.loads(as_json(record(text="x" * (LONGEST + 5))))
    assert read["text"].endswith("… (5 characters more)")
    assert len(read["text"]) < LONGEST + 50


def test_harmless_leaves_plain_text_alone() -> None:
    """Most of what there is."""
    assert harmless("Grüße, 世界") == "Grüße, 世界"
    assert harmless("a\tb") == "a\\tb"


# What is noted


@pytest.mark.parametrize("name", sorted(SECRETS | {"ts", "level", "event"}))
def test_a_secret_has_no_place_in_a_line(name: str) -> None:
    """Nor has a second date, level or event: refused by its name, whatever the value."""
    with pytest.raises(ValueError, match=name):
        EventLog().note("login", **{name: None})


@pytest.fixture
def noted(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The events that were noted."""
    with caplog.at_level(logging.INFO, "chat_server.events"):
        yield caplog


def test_what_is_unknown_is_left_out(noted: pytest.LogCaptureFixture) -> None:
    """No field says nothing."""
    EventLog().note("ended", nick=None, reason="quit")
    assert getattr(noted.records[0], FIELDS) == {"reason": "quit"}


def test_case_86_a_flood_from_one_address_is_counted_not_written(
    noted: pytest.LogCaptureFixture,
) -> None:
    """LINES of a minute, then a count; other addresses and events are not concerned."""
    now = 0.0
    log = EventLog(monotonic=lambda: now)
    for _ in range(LINES + 30):
        log.note("rejected", address="192.0.2.1")
        log.note("nick", nick="alice")
    log.note("rejected", address="192.0.2.2")
    assert [line.msg for line in noted.records].count("rejected") == LINES + 1
    assert [line.msg for line in noted.records].count("nick") == LINES + 30
    log.tidy()
    assert "suppressed" not in [line.msg for line in noted.records]
    now = MINUTE
    log.tidy()
    [told] = [line for line in noted.records if line.msg == "suppressed"]
    assert getattr(told, FIELDS) == {"of": "rejected", "address": "192.0.2.1", "lines": 30}
    log.note("rejected", address="192.0.2.1")
    assert noted.records[-1].msg == "rejected"


def test_case_86_a_flood_from_many_addresses_is_bounded_too(
    noted: pytest.LogCaptureFixture,
) -> None:
    """Those who come late in the minute share one bound."""
    log = EventLog(monotonic=lambda: 0.0)
    for number in range(10 * ADDRESSES):
        log.note("rejected", address=f"2001:db8::{number:x}")
    assert len(noted.records) == ADDRESSES + LINES


# Where lines go


class Slate:
    """An outlet that keeps what is written, fails with `error`, and waits while `gate` is shut."""

    def __init__(self) -> None:
        self.data = b""
        self.error: OSError | None = None
        self.room = 10**9
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def write(self, day: date, data: bytes) -> int:
        """Take what there is room for."""
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        taken = data[: self.room]
        self.room -= len(taken)
        if self.error is not None and not taken:
            raise self.error
        self.data += taken
        return len(taken)

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def lines(self) -> list[str]:
        """What was written, without the dates of our own reports."""
        return [line.split(" ", 1)[1] for line in self.data.decode().splitlines() if line]


def book(*slates: Outlet, waiting: int = 100) -> Logbook:
    """A logbook for these outlets."""
    return Logbook(slates, as_text, waiting)


def test_every_outlet_gets_every_line() -> None:
    """In the order in which they were logged."""
    one, other = Slate(), Slate()
    logbook = book(one, other)
    for number in range(50):
        logbook.handle(record(seq=number))
    logbook.close()
    assert one.lines == other.lines == [f"info join seq={number}" for number in range(50)]
    assert logbook.lost == 0


def test_case_124_a_disk_that_hangs_stalls_nobody() -> None:
    """Lines are dropped and counted, and the count is told when the disk goes on."""
    slate = Slate()
    logbook = book(slate, waiting=10)
    slate.gate.clear()
    logbook.handle(record(seq=0))
    assert slate.entered.wait(PATIENCE)  # the writer hangs
    for number in range(1, 101):
        logbook.handle(record(seq=number))
    assert logbook.dropped == 90
    slate.gate.set()
    logbook.close()
    kept = [f"info join seq={number}" for number in range(11)]
    assert slate.lines == [kept[0], "warning dropped lines=90", *kept[1:]]


def test_case_124_a_full_disk_is_told_to_the_others_once_and_counted() -> None:
    """And the file says what it lacks when there is room again, on a line of its own."""
    full, screen = Slate(), Slate()
    full.error, full.room = OSError(28, "No space left on device"), 20
    beacon = Beacon()
    logbook = book(screen, full, beacon)
    beacon.flush(logbook, 0)
    beacon.flush(logbook, 1)
    assert logbook.lost == 2
    full.room = 10**9
    beacon.flush(logbook, 2)
    assert logbook.lost == 0
    logbook.close()
    assert screen.lines.count('warning log_failed error="No space left on device"') == 1
    assert [line for line in screen.lines if "join" in line] == [
        f"info join seq={number}" for number in range(3)
    ]
    torn, *whole = full.data.decode().splitlines()
    assert len(torn) == 20
    assert [line.split(" ", 1)[1] for line in whole] == [
        "warning dropped lines=2",
        "info join seq=2",
    ]


class Beacon(Slate):
    """The last outlet: what it has got, those before it have got, or missed."""

    def __init__(self) -> None:
        super().__init__()
        self.news = threading.Condition()

    def write(self, day: date, data: bytes) -> int:
        """Take everything, and say so."""
        with self.news:
            self.news.notify_all()
            return super().write(day, data)

    def flush(self, logbook: Logbook, number: int) -> None:
        """Log a line and return when it has come here."""
        with self.news:
            logbook.handle(record(seq=number))
            line = f"seq={number}\n".encode()
            assert self.news.wait_for(lambda: self.data.endswith(line), PATIENCE)


def test_outlets_can_be_changed_while_it_runs() -> None:
    """What was logged before goes to the old ones."""
    one, other = Slate(), Slate()
    logbook = book(one)
    logbook.handle(record(seq=0))
    logbook.change([other], as_json)
    logbook.handle(record(seq=1))
    logbook.close()
    assert one.lines == ["info join seq=0"]
    assert json.loads(other.data)["seq"] == 1


def test_a_record_that_cannot_be_shown_hurts_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Who logs goes on."""
    slate = Slate()
    logbook = book(slate)
    bad = logging.LogRecord("chat_server", logging.INFO, "", 0, "%d", ("x",), None)
    logbook.handle(bad)
    logbook.handle(record())
    logbook.close()
    assert slate.lines == ["info join"]
    assert "Logging error" in capsys.readouterr().err


def test_a_change_is_refused_while_the_disk_hangs_with_a_full_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for it for long."""
    monkeypatch.setattr("chat_server.logbook.STAY", 0.01)
    slate = Slate()
    logbook = book(slate, waiting=1)
    slate.gate.clear()
    logbook.handle(record())
    assert slate.entered.wait(PATIENCE)
    logbook.handle(record())
    with pytest.raises(queue.Full):
        logbook.change([Slate()], as_json)
    slate.gate.set()
    logbook.close()


# Files


def names(folder: Path) -> list[str]:
    """The files of a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_there_is_a_file_for_each_day_in_utc(tmp_path: Path) -> None:
    """By the date of the line, for its owner only."""
    logbook = book(Files(tmp_path / "log", keep_days=30))
    for days in (0, 0, 1):
        logbook.handle(record(when=NOON + days * DAY))
    logbook.close()
    assert names(tmp_path / "log") == ["chat-2026-11-22.log", "chat-2026-11-23.log"]
    first = tmp_path / "log" / "chat-2026-11-22.log"
    assert first.read_text().count("\n") == 2
    assert first.stat().st_mode & 0o777 == 0o600


def test_a_file_is_deleted_when_it_is_too_old_and_nothing_else_is(tmp_path: Path) -> None:
    """At the first line of a day."""
    old = ["chat-2026-11-18.log", "chat-2026-11-19.log"]
    others = ["chat-2026-11-20.log", "chat-2025-01-01.log.gz", "notes.log", "chat-.log"]
    for name in old + others:
        (tmp_path / name).touch()
    (tmp_path / "chat-2025-01-01.log").mkdir()
    logbook = book(Files(tmp_path, keep_days=2))
    logbook.handle(record())
    logbook.close()
    assert names(tmp_path) == sorted([*others, "chat-2025-01-01.log", "chat-2026-11-22.log"])


def test_a_file_goes_on_where_it_ended(tmp_path: Path) -> None:
    """A restart loses nothing."""
    for _ in range(2):
        logbook = book(Files(tmp_path, keep_days=2))
        logbook.handle(record())
        logbook.close()
    assert (tmp_path / "chat-2026-11-22.log").read_text().count("join") == 2


def test_case_37_a_link_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """Told once to the others; what it leads to is neither written nor made."""
    precious = tmp_path / "precious"
    precious.write_text("mine\n")
    folder = tmp_path / "log"
    folder.mkdir()
    links = [folder / f"chat-2026-11-{day}.log" for day in (22, 23)]
    links[0].symlink_to(precious)
    links[1].symlink_to(tmp_path / "missing")
    screen, beacon = Slate(), Beacon()
    logbook = book(screen, Files(folder, keep_days=30), beacon)
    beacon.flush(logbook, 0)
    beacon.flush(logbook, 1)
    logbook.handle(record(when=NOON + DAY))
    logbook.close()
    assert precious.read_text() == "mine\n"
    assert not (tmp_path / "missing").exists()
    told = [line for line in screen.lines if "log_failed" in line]
    assert told == [f'warning log_failed error="{links[0]} is a symbolic link"']


def test_case_120_a_folder_that_cannot_be_had_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is logged."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="File exists"):
        outlets(Log(dir=str(tmp_path / "file")))


def test_outlets_are_standard_error_and_the_folder(tmp_path: Path) -> None:
    """The descriptor is written to as it is."""
    reading, writing = os.pipe()
    logbook = Logbook(outlets(Log(dir=str(tmp_path)), writing), as_text, 10)
    logbook.handle(record())
    logbook.close()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == (tmp_path / "chat-2026-11-22.log").read_text() != ""
