"""One run of the server as a process: its log, its signals, its descriptors, and reloading.

Rules:
- Signals only put a number into a queue whose `put` may be interrupted by itself; everything they
  cause happens on the main thread.
- SIGTERM and SIGINT stop; a second one ends the process at once. SIGHUP reads the settings again,
  unless it says that the terminal is gone: then nobody can stop the server but it itself.
- A reload that fails anywhere changes nothing.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from chat_server.app import ChatServer
from chat_server.config import ConfigError, Configuration
from chat_server.eventlog import EventLog
from chat_server.logbook import FORMATS, Logbook, outlets
from chat_server.net.tls import TlsRefused
from chat_server.settings import Log

EX_SOFTWARE = 70

WATCH = 0.5
"""Seconds between looks whether every loop is alive, and whether somebody has ordered a stop."""

log = logging.getLogger("chat_server")


class Signals:
    """What the process is told from outside, for the main thread to take."""

    def __init__(self) -> None:
        """Receive signals from now on."""
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stopping = False
        # who starts us with `nohup` wants us to go on without a terminal
        self._attended = _has_terminal() and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._arrive)

    def wait(self, seconds: float) -> int | None:
        """The next signal, None after so many seconds without one; on the main thread."""
        try:
            number = self._arrived.get(timeout=seconds)
        except queue.Empty:
            return None
        if number == signal.SIGHUP and self._attended and not _has_terminal():
            return signal.SIGTERM
        return number

    def _arrive(self, number: int, _: object) -> None:
        if number != signal.SIGHUP:
            if self._stopping:
                os._exit(128 + number)
            self._stopping = True
        self._arrived.put(number)


class Process:
    """Serves in this process; `configure` reads the settings, again at each SIGHUP."""

    def __init__(
        self, configure: Callable[[], Configuration], configuration: Configuration, signals: Signals
    ) -> None:
        """Begin to log; raise OSError where the folder for logs cannot be used."""
        self._configure = configure
        self._settings = configuration.settings
        self._signals = signals
        self._events = EventLog()
        terms = self._settings.log
        self._logbook = Logbook(outlets(terms), FORMATS[terms.format], terms.waiting)
        _log_to(self._logbook, terms)
        _raise_descriptor_limit()

    def serve(self, server: ChatServer) -> int:
        """Serve until a signal says to stop; return the exit code."""
        server.telemetry.gauge("log.lost", lambda: self._logbook.lost)
        _warn_of_readers(server.folder)
        with server:
            _calm_collector()
            self._say_where(server)
            code = self._watch(server)
        self._events.note("stopped", code=code)
        return code

    def close(self) -> None:
        """Write down what is still to be written."""
        logging.getLogger().removeHandler(self._logbook)
        self._logbook.close()

    def _watch(self, server: ChatServer) -> int:
        while (number := self._signals.wait(WATCH)) in (None, signal.SIGHUP):
            if number is not None:
                self._reload(server)
            if server.control.stop_requested.is_set():
                return 0
            if not server.alive:
                log.critical("a thread of the server has died; see above")
                return EX_SOFTWARE
        assert number is not None
        self._events.note("stopping", signal=signal.Signals(number).name)
        return 0

    def _reload(self, server: ChatServer) -> None:
        """Take up what has changed in the settings, the certificate and the log, or nothing."""
        try:
            configuration = self._configure()
            terms = configuration.settings.log
            opened = outlets(terms)
            waiting = server.reload(configuration.settings)
        except (ConfigError, TlsRefused, OSError) as error:
            log.error("nothing was reloaded, the former settings stay: %s", error)
            return
        with contextlib.suppress(queue.Full):  # the disk hangs: as it is, then
            self._logbook.change(opened, FORMATS[terms.format])
        _set_level(terms)
        self._events.note("reloaded", origins=", ".join(configuration.origins) or "defaults")
        if waiting:
            log.warning("changed, but only a restart takes it up: %s", ", ".join(waiting))

    def _say_where(self, server: ChatServer) -> None:
        """Tell people on standard error, and the log, what is served."""
        host, port = server.address
        where = str(server.folder) if server.folder is not None else None
        self._events.note(
            "started", version=version("typed-chat"), host=host, port=port, data=where
        )
        if self._settings.log.format == "text":  # else a program reads standard error
            _say(f"chat-server {version('typed-chat')} listening on {host}:{port}")
            _say(_what_is_kept(server))


def _what_is_kept(server: ChatServer) -> str:
    if server.folder is None:
        kept = server.settings.history.memory_entries
        return f"nothing is kept on disk; in memory the last {kept} entries of each room"
    return f"everything is kept in {server.folder}"


def _log_to(logbook: Logbook, terms: Log) -> None:
    """Have everything logged go to the logbook, faults of threads too."""
    logging.basicConfig(handlers=[logbook], level=logging.WARNING, force=True)
    _set_level(terms)
    threading.excepthook = lambda fault: log.critical(
        "a thread died: %s",
        fault.thread.name if fault.thread else "unknown",
        exc_info=fault.exc_value,
    )


def _set_level(terms: Log) -> None:
    log.setLevel(terms.level.upper())


def _warn_of_readers(folder: Path | None) -> None:
    """Say so where a data folder that exists is open to other users of the machine."""
    with contextlib.suppress(OSError):
        if folder is not None and folder.stat().st_mode & 0o077:
            log.warning("others on this machine can read %s; chmod 700 closes it", folder)


def _calm_collector() -> None:
    """Look for cycles seldom: a message makes none, and what exists now lives with the server."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _raise_descriptor_limit() -> None:
    """Allow as many clients as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a hard limit and refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _has_terminal() -> bool:
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")  # in one piece: lines of the log come on another thread
    sys.stderr.flush()
