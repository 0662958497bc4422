"""Builds the parts of a server, starts and stops them; it decides nothing itself.

    with ChatServer(port=0) as server:
        host, port = server.address

Any thread may start and stop a server; it needs no signals and no main thread.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from functools import partial
from itertools import count, cycle
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, Self

from chat_schema.errors import Refused
from chat_server import config, gauges, terms
from chat_server.audit import Audit
from chat_server.auth import Auth
from chat_server.control import Control
from chat_server.dispatch import Session
from chat_server.domain.addresses import Stays
from chat_server.domain.attempts import Attempts
from chat_server.domain.ownership import Ownership
from chat_server.domain.rooms import Rooms
from chat_server.door import Door, dismiss, last_words, turn_away
from chat_server.eventlog import EventLog
from chat_server.hub import Hub
from chat_server.journal.base import Journal
from chat_server.journal.database import DatabaseRefused
from chat_server.journal.folder import Folder
from chat_server.journal.memory import MemoryJournal
from chat_server.journal.sqlite import SqliteJournal
from chat_server.net.connection import Connection
from chat_server.net.listener import Listener, listen
from chat_server.net.local import CONTROL, LocalListener
from chat_server.net.loop import Clock, Loop
from chat_server.net.tls import TlsContext
from chat_server.reloading import restart_needed
from chat_server.seats import Held
from chat_server.services import Resume, Services
from chat_server.telemetry import Telemetry
from chat_server.workers import Workers

if TYPE_CHECKING:
    from chat_server.metrics import Metrics

log = logging.getLogger("chat_server")

DRAIN = 4.0
"""Seconds that clients have to take their `bye` at a shutdown; the promise is five in all."""

TIDY = 60.0
"""Seconds between clearings of forgotten addresses."""

LOCAL = "127.0.0.0"
"""The address of an operator: of this machine, and nobody else's."""


class ChatServer:
    """A server in this process; options not given have the defaults of `config.Settings`.

    `settings` is used as it is; otherwise keyword arguments are settings of `[server]`, such as
    `port=0` for a free port, and nothing is kept unless `data` names a folder. `unlimited` lifts
    rates and per-address limits. Raises, before anything has started, OSError where the address
    cannot be had, TlsRefused where the certificate cannot, FolderRefused where the folder cannot,
    DatabaseRefused where the database in it cannot.
    """

    def __init__(
        self,
        settings: config.Settings | None = None,
        *,
        unlimited: bool = False,
        clock: Clock | None = None,
        **server: Any,
    ) -> None:
        self.settings = settings or config.load(None, {"data": config.MEMORY, **server})
        secrets = self.settings.tls
        self.tls = TlsContext(secrets.cert, secrets.key, secrets.required)
        self.telemetry = Telemetry()
        self._clock = clock or Clock()
        self._door = Door(None if unlimited else terms.address_limits(self.settings))
        self._numbers = count()
        self._stopping = False
        self._folder = _folder(self.settings)
        self._journal = _journal(self.settings, self._folder, self._clock)
        self._log = EventLog(self.settings.log.messages)
        self._unlimited = unlimited
        self._hub = self._make_hub()
        self._workers = Workers(self.settings.server.workers, self.settings.limits.waiting_jobs)
        # apart, so that no search keeps anybody from history, or from coming back
        self._searchers = Workers(1, self.settings.limits.waiting_jobs)
        auth = self.settings.auth
        self._hashers = Workers(auth.hashes_at_once, auth.hashes_waiting)
        self.control = Control()
        self._terms = terms.connection_terms(self.settings)
        self._measure()
        try:
            self._services = self._make_services()
            self._socket = listen(self.settings.server.host, self.settings.server.port)
            self.metrics = self._open_metrics()
        except (config.ConfigError, OSError):
            self._let_go()
            raise
        self._loops = [
            Loop(self._clock, self._head_of, self._door.leave)
            for _ in range(self.settings.server.io_threads)
        ]
        self._turn = cycle(self._loops)
        self._listener = Listener(self._socket, self._loops[0], self._admit)
        self._local = self._open_local()
        self._threads = [
            threading.Thread(target=loop.run, name=f"loop-{number}", daemon=True)
            for number, loop in enumerate(self._loops)
        ]
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve; returns when clients can connect."""
        held = self._hub.open(self._loops)
        self.control.open(self._loops)
        self._workers.start()
        self._searchers.start()
        self._hashers.start()
        for thread in self._threads:
            thread.start()
        self._loops[0].post((lambda loop, _: self._listener.open(),))
        if self._local is not None:
            self._loops[0].post((lambda loop, _: self._local.open(),))
        self._loops[0].post((lambda loop, _: self._tidy(loop.now),))
        self._loops[0].post((lambda loop, _: self._release_later(loop, held),))
        if self.metrics is not None:
            self.metrics.start()

    def stop(self, seconds: float = DRAIN) -> None:
        """Stop accepting, tell everyone, let them take what is theirs, and end."""
        if self._stopping:
            return
        self._stopping = True
        self._hub.close()
        self._loops[0].post((lambda loop, _: self._listener.close(),))
        if self._local is not None:
            self._loops[0].post((lambda loop, _: self._local.close(),))
        self._journal.flush()  # who has asked by now gets the answer
        for loop in self._loops:
            loop.post((dismiss,))
        self._door.wait_empty(seconds)
        self._workers.stop()
        self._searchers.stop()
        self._hashers.stop()
        self._journal.close()
        for loop, thread in zip(self._loops, self._threads, strict=True):
            loop.stop()
            thread.join()
        self._let_go()
        if self.metrics is not None:
            self.metrics.stop()

    def reload(self, settings: config.Settings) -> list[str]:
        """Take up what can change while serving; return the changes that need a restart, by name.

        Bounds hold for connections from now on. Raises, and then nothing has changed, ConfigError
        where the administrator's password cannot be read, TlsRefused where the certificate cannot
        be used. The main thread calls, or a program's.
        """
        auth = Auth(settings.auth, settings.admin)
        self.tls.reload(settings.tls.cert, settings.tls.key, settings.tls.required)
        self._services.auth.take_over(auth)
        self._log.messages = settings.log.messages
        self._terms = terms.connection_terms(settings)
        if not self._unlimited:
            self._door.bound(terms.address_limits(settings))
        self._services = dataclasses.replace(
            self._services,
            server=settings.server.name,
            motd=settings.server.motd,
            meters=None if self._unlimited else terms.meter_terms(settings),
            limits=terms.announced(settings, unlimited=self._unlimited),
            heartbeat=terms.heartbeat(settings),
        )
        return restart_needed(self.settings, settings)

    @property
    def ready(self) -> bool:
        """Whether who connects now is served, and what they say is kept."""
        return self.alive and self._journal.storing and not self._stopping

    @property
    def alive(self) -> bool:
        """Whether every loop and the journal run; one that died is a fault of the server."""
        return self._journal.alive and all(thread.is_alive() for thread in self._threads)

    @property
    def folder(self) -> Path | None:
        """Where everything is kept, None where nothing is."""
        return self._folder.path if self._folder is not None else None

    def _let_go(self) -> None:
        self._journal.close()
        if self._folder is not None:
            self._folder.close()

    def _release_later(self, loop: Loop, held: list[Held]) -> None:
        """End the stays of an earlier run that nobody takes up in time."""

        def release(_: float) -> None:
            for stay in held:
                self._hub.release(stay, loop.stamp)

        loop.call_at(loop.now + self.settings.resume.seconds, release)

    def _measure(self) -> None:
        """Say what is looked at when somebody asks how the server is."""
        parts = gauges.Measured(
            clock=self._clock,
            hub=self._hub,
            journal=self._journal,
            workers=self._workers,
            searchers=self._searchers,
            hashers=self._hashers,
            connections=lambda: self._door.clients,
        )
        gauges.register(self.telemetry, parts)

    def _open_metrics(self) -> Metrics | None:
        """The HTTP server for Prometheus, where one is wanted.

        Raises ConfigError, and then the clients' socket is closed: it was had already.
        """
        wanted = self.settings.metrics
        if wanted.port is None:
            return None
        from chat_server.metrics import Metrics

        try:
            return Metrics(
                (wanted.host, wanted.port),
                self.telemetry,
                alive=lambda: self.alive,
                ready=lambda: self.ready,
            )
        except OSError as error:
            self._socket.close()
            where = f"{wanted.host}:{wanted.port}"
            raise config.ConfigError(f"metrics cannot be on {where}: {error.strerror}") from None

    # Letting in: on the loop of the listeners

    def _admit(self, sock: socket, address: str) -> None:
        try:
            self._door.admit(address, self._loops[0].now)
        except Refused as refused:
            self.telemetry.count(f"refused.{refused.code}")
            self._log.note("rejected", address=address, code=refused.code)
            turn_away(sock, refused)
            return
        next(self._turn).post((self._seat, sock, address, next(self._numbers)))

    def _seat(self, loop: Loop, item: tuple[Any, socket, str, int]) -> None:
        _, sock, address, number = item
        attend = partial(Session, self._services, number)
        connection = Connection(sock, address, loop, self._terms, attend, self.tls)
        loop.adopt(connection)
        if self._stopping:  # it came in at the last moment, after everybody was told
            connection.close(last_words(), "shutdown")

    def _open_local(self) -> LocalListener | None:
        """The operator's socket; the server serves without it where there can be none."""
        if self.folder is None:
            return None
        try:
            return LocalListener(self.folder / CONTROL, self._loops[0], self._admit_operator)
        except OSError as error:
            log.warning("there is no operator's socket: %s", error.strerror or error)
            return None

    def _admit_operator(self, sock: socket, uid: int) -> None:
        self._door.admit_operator()
        attend = partial(Session, self._services, next(self._numbers), operator=f"uid {uid}")
        connection = Connection(sock, LOCAL, self._loops[0], self._terms, attend)
        self._loops[0].adopt(connection)
        connection.welcomed()
        if self._stopping:
            connection.close(last_words(), "shutdown")

    def _tidy(self, _: float) -> None:
        self._door.tidy(self._loops[0].now)
        self._log.tidy()
        self._loops[0].call_at(self._loops[0].now + TIDY, self._tidy)

    def _head_of(self, key: str) -> int:
        return self._journal.position(key).head

    def _make_hub(self) -> Hub:
        settings = self.settings
        stays = Stays(None if self._unlimited else terms.stay_limits(settings))
        rooms = Rooms(settings.limits.rooms)
        owned = Ownership(settings.limits.owned_rooms)
        return Hub(self._journal, rooms, self._log, settings.rooms.ownerless, stays, owned)

    def _make_services(self) -> Services:
        settings = self.settings
        return Services(
            hub=self._hub,
            journal=self._journal,
            workers=self._workers,
            searchers=self._searchers,
            hashers=self._hashers,
            auth=Auth(settings.auth, settings.admin),
            attempts=Attempts(None if self._unlimited else settings.limits.logins_per_minute),
            meters=None if self._unlimited else terms.meter_terms(settings),
            audit=Audit(self._journal, self._log),
            control=self.control,
            log=self._log,
            telemetry=self.telemetry,
            resume=Resume(
                settings.resume.seconds, settings.resume.events, settings.limits.outbox_soft
            ),
            server=settings.server.name,
            limits=terms.announced(settings, unlimited=self._unlimited),
            heartbeat=terms.heartbeat(settings),
            motd=settings.server.motd,
        )


def _folder(settings: config.Settings) -> Folder | None:
    path = settings.server.folder
    return Folder(path) if path is not None else None


def _journal(settings: config.Settings, folder: Folder | None, clock: Clock) -> Journal:
    history = settings.history
    if folder is None:
        return MemoryJournal(history.memory_entries, history.memory_bytes)
    try:
        return SqliteJournal(
            folder.database, settings.server.durability, history.retention, clock.stamp
        )
    except DatabaseRefused:
        folder.close()
        raise
