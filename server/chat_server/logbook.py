"""Where log lines go: a bounded queue, one thread, standard error and a file a day.

Rules:
- Who logs never waits: a full queue drops the line and counts it. Only the writer's thread touches
  a disk or a pipe, and it may hang there for as long as it likes.
- An outlet that failed is tried again with the next lines; when it works, the first thing it gets
  is how many it has missed.
- Descriptors, not Python's files: their buffers have locks that a stuck thread would hold at exit.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import re
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from chat_server.loglines import FIELDS, Format, as_json, as_text
from chat_server.settings import Log

FORMATS: dict[str, Format] = {"text": as_text, "json": as_json}

BATCH = 500
"""Lines of one write: what gathers while the disk takes the last one."""

STAY = 1.0
"""Seconds that a stop waits for the lines that are still to be written."""

_NAME = re.compile(r"chat-(\d{4}-\d{2}-\d{2})\.log")


class Line(NamedTuple):
    """A line with its end, and the day in UTC that it belongs to."""

    day: date
    text: bytes


class Outlet(Protocol):
    """Something that takes lines; only the writer's thread calls."""

    def write(self, day: date, data: bytes) -> int:
        """Write some of the lines of a day and return how many bytes; raise OSError."""

    def close(self) -> None:
        """Let go."""


class Stream:
    """A descriptor that is open anyway, such as standard error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, day: date, data: bytes) -> int:
        """Write to the descriptor, whatever the day."""
        return os.write(self._descriptor, data)

    def close(self) -> None:
        """It belongs to somebody else."""


class Files:
    """`chat-YYYY-MM-DD.log` in a folder, one for each day, those older than `keep_days` deleted."""

    def __init__(self, folder: Path, keep_days: int) -> None:
        """Make the folder where it is missing; raise OSError where nothing can be written there."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        self._folder = folder
        self._keep = timedelta(days=keep_days)
        self._open: tuple[date, int] | None = None

    def write(self, day: date, data: bytes) -> int:
        """Write to the file of the day."""
        if self._open is None or self._open[0] != day:
            self._turn_to(day)
        assert self._open is not None
        return os.write(self._open[1], data)

    def close(self) -> None:
        """Close the file; the next line opens it anew."""
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _turn_to(self, day: date) -> None:
        self.close()
        self._open = (day, _opened(self._folder / f"chat-{day}.log"))
        self._delete(day - self._keep)

    def _delete(self, before: date) -> None:
        for path in self._folder.iterdir():
            found = _NAME.fullmatch(path.name)
            if found and found[1] < before.isoformat():
                with contextlib.suppress(OSError):  # tomorrow it is tried again
                    path.unlink()


def _opened(path: Path) -> int:
    """A descriptor that appends to a file; a link is refused, since it leads anywhere."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)  # what people say can be in it
    except OSError as error:
        if path.is_symlink():
            raise OSError(error.errno, f"{path} is a symbolic link") from None
        raise


class _Tap:
    """An outlet, what it has missed, and why."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.missed = 0
        self.fault: str | None = None
        self._torn = False

    def write(self, day: date, lines: list[bytes], report: Callable[[int], bytes]) -> None:
        """Write the lines, after a report of those that were missed; never raise."""
        if self.missed:
            if self._put(day, b"\n" * self._torn + report(self.missed)):
                self.missed += len(lines)
                return
            self.missed = 0
        self.missed = self._put(day, b"".join(lines))

    def _put(self, day: date, data: bytes) -> int:
        """Write everything, or say how many lines were not written whole."""
        try:
            while data:
                count = self.outlet.write(day, data)
                self._torn = not data[:count].endswith(b"\n")
                data = data[count:]
        except OSError as error:
            self.fault = error.strerror or "unknown"
            return data.count(b"\n")
        self.fault = None
        return 0


class Logbook(logging.Handler):
    """A handler of `logging` that hands lines to a thread; any thread may log."""

    def __init__(self, outlets: Iterable[Outlet], form: Format, waiting: int) -> None:
        """Write lines in this format to all the outlets; at most `waiting` may wait."""
        super().__init__()
        self.dropped = 0
        self._form = form
        self._told = 0
        self._taps = [_Tap(outlet) for outlet in outlets]
        self._queue: queue.Queue[Line | list[_Tap] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that at least one outlet has not got until now, and those that none has."""
        return self.dropped + max((tap.missed for tap in self._taps), default=0)

    def emit(self, record: logging.LogRecord) -> None:
        """Make the line and queue it, or count it."""
        if self._queue.full():
            self.dropped += 1  # under the handler's lock
            return
        try:
            self._queue.put_nowait(self._line(record))
        except queue.Full:
            self.dropped += 1
        except Exception:  # a record that cannot be shown must not hurt who logs it
            self.handleError(record)

    def change(self, outlets: Iterable[Outlet], form: Format) -> None:
        """Write to these outlets from here on, in this format; raise `queue.Full`."""
        self._queue.put([_Tap(outlet) for outlet in outlets], timeout=STAY)
        self._form = form

    def close(self) -> None:
        """Write what waits, unless that takes too long."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=STAY)
            self._thread.join(STAY)
        super().close()

    def _line(self, record: logging.LogRecord) -> Line:
        text = self._form(record).encode(errors="backslashreplace")
        return Line(datetime.fromtimestamp(record.created, UTC).date(), text + b"\n")

    # The writer's thread

    def _run(self) -> None:
        while True:
            items = self._collect()
            last = items.pop() if not isinstance(items[-1], Line) else self
            self._write([item for item in items if isinstance(item, Line)])
            if last is not self:
                self._close()
            if last is None:
                return
            if isinstance(last, list):
                self._taps = last

    def _collect(self) -> list[Line | list[_Tap] | None]:
        """What waits, at most a batch; nothing after what is not a line."""
        items = [self._queue.get()]
        while len(items) < BATCH and isinstance(items[-1], Line):
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return items

    def _write(self, lines: list[Line]) -> None:
        dropped = self.dropped
        for tap in self._taps:
            tap.missed += dropped - self._told
        self._told = dropped
        for day, group in groupby(lines, lambda line: line.day):
            texts = [line.text for line in group]
            for tap in self._taps:
                before = tap.fault
                tap.write(day, texts, self._report)
                if tap.fault is not None and before is None:
                    self._complain(day, tap)

    def _complain(self, day: date, failed: _Tap) -> None:
        """Tell the others, once, that an outlet does not work."""
        line = self._own("log_failed", {"error": failed.fault})
        for tap in self._taps:
            if tap is not failed:
                tap.write(day, [line], self._report)

    def _report(self, missed: int) -> bytes:
        return self._own("dropped", {"lines": missed})

    def _own(self, event: str, fields: dict[str, Any]) -> bytes:
        record = logging.LogRecord("chat_server", logging.WARNING, "", 0, event, None, None)
        setattr(record, FIELDS, fields)
        return self._line(record).text

    def _close(self) -> None:
        for tap in self._taps:
            tap.outlet.close()


def outlets(settings: Log, stream: int = 2) -> list[Outlet]:
    """The outlets that the settings name; raise OSError where the folder cannot be used."""
    files = [Files(Path(settings.dir), settings.keep_days)] if settings.dir is not None else []
    return [Stream(stream), *files]
