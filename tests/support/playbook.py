"""Conversations with a server that has no sockets and no threads, written in reading order.

    book = Playbook()
    alice, bob = book.person("alice", "general"), book.person("bob", "general")
    alice.says("broadcast", id="7", room="general", text="hi")
    bob.hears("broadcast", text="hi")
    alice.hears("broadcast", text="hi")
    alice.hears("ok", re="7", seq=1)

Everything between the frames' bytes and the journal is real: connections, sessions, handlers, hub.
Each `says` lets the loops tick until nothing more happens. A book is a context manager.
"""

from __future__ import annotations

import json
from collections import deque
from itertools import count
from typing import Any, Self

from chat_schema import limits
from chat_schema.framing import FrameDecoder, encode_frame
from chat_schema.replies import Heartbeat, Limits
from chat_server.audit import Audit
from chat_server.auth import Auth
from chat_server.control import Control
from chat_server.dispatch import Session
from chat_server.domain.attempts import Attempts
from chat_server.domain.meters import MeterTerms
from chat_server.domain.ownership import Ownership
from chat_server.domain.rooms import Rooms
from chat_server.eventlog import EventLog
from chat_server.hub import Hub
from chat_server.journal.base import Journal
from chat_server.journal.memory import MemoryJournal
from chat_server.net.connection import Connection
from chat_server.services import Resume, Services
from chat_server.settings import Admin as AdminSettings
from chat_server.settings import Auth as AuthSettings
from chat_server.telemetry import Telemetry
from chat_server.workers import Job, Outcome, Workers
from tests.support.clock import ManualTime
from tests.support.hand_loop import HandLoop
from tests.support.sockets import FakeSocket
from tests.support.terms import USUAL_TERMS

Frame = dict[str, Any]

USUAL_RESUME = Resume(seconds=120, events=500, bytes=256 * 1024)
"""The server's own defaults."""

CHEAP_HASHES = AuthSettings(hash_kib=8, hash_passes=1)
"""Passwords are hashed in no time."""

ATTEMPTS = 1000.0
"""Logins a minute that are not delayed."""

TICKS = 50
"""Ticks after which a conversation that still goes on is taken to go on for ever."""


class HandWorkers(Workers):
    """Workers without threads: a job is done at once, or, while `held`, when a test says so."""

    def __init__(self, waiting: int) -> None:
        super().__init__(0, waiting)
        self.held = False

    def submit(self, job: Job, outcome: Outcome, *, first: bool = False) -> None:
        """Queue the job as the real ones do, and do it unless jobs are held."""
        super().submit(job, outcome, first=first)
        if not self.held:
            self.work()

    def work(self) -> None:
        """Do everything that waits."""
        while self.work_one():
            pass

    def work_one(self) -> bool:
        """Do what is next, and tell whether there was anything."""
        item = self._next()
        if item is not None:
            self._do(*item)
        return item is not None


class Playbook:
    """A server taken apart: `loops`, `journal`, `workers` and `time` are moved by the test."""

    def __init__(
        self,
        *,
        loops: int = 1,
        journal: Journal | None = None,
        rooms: int = 1000,
        owned: int | None = None,
        waiting_jobs: int = 8,
        motd: str | None = None,
        resume: Resume = USUAL_RESUME,
        meters: MeterTerms | None = None,
        ownerless: tuple[str, ...] = ("lobby",),
        limits: Limits | None = None,
        auth: AuthSettings = CHEAP_HASHES,
        admin: AdminSettings | None = None,
    ) -> None:
        self.time = ManualTime()
        self.journal = journal or MemoryJournal(kept=1000, budget=2**24)
        self.log = EventLog(messages=True)
        owned_rooms = Ownership(owned)
        self.hub = Hub(self.journal, Rooms(rooms), self.log, ownerless, ownership=owned_rooms)
        self.workers = HandWorkers(waiting_jobs)
        self.telemetry = Telemetry()
        self.loops = [HandLoop(self.time, self._head_of) for _ in range(loops)]
        self.hub.open(self.loops)
        self.control = Control()
        self.control.open(self.loops)
        self._actors: list[Actor] = []
        self._numbers = count()
        self.services = Services(
            hub=self.hub,
            journal=self.journal,
            workers=self.workers,
            searchers=self.workers,
            hashers=self.workers,
            auth=Auth(auth, admin or AdminSettings()),
            attempts=Attempts(ATTEMPTS),
            meters=meters,
            audit=Audit(self.journal, self.log),
            control=self.control,
            log=self.log,
            telemetry=self.telemetry,
            resume=resume,
            server="a-server",
            limits=limits or Limits(),
            heartbeat=Heartbeat(interval=30, timeout=75),
            motd=motd,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for loop in self.loops:
            loop.stop()
            loop.run()

    def stranger(self, loop: int = 0, address: str = "192.0.2.1") -> Actor:
        """Somebody who has connected and said nothing."""
        actor = Actor(self, self.loops[loop], address)
        self._actors.append(actor)
        return actor

    def person(self, nick: str, *rooms: str, loop: int = 0, address: str = "192.0.2.1") -> Actor:
        """Somebody welcome and in these rooms; nobody has anything left to hear of it."""
        actor = self.stranger(loop, address)
        actor.asks("hello", nick=nick)
        for room in rooms:
            actor.asks("join", room=room)
        self.forget()
        return actor

    def forget(self) -> None:
        """Let everybody have heard everything."""
        for actor in self._actors:
            actor.listens()

    def attend(self, connection: Connection) -> Session:
        """The session of a new connection."""
        return Session(self.services, next(self._numbers), connection)

    def settle(self) -> None:
        """Let every loop tick until nothing more happens."""
        for _ in range(TICKS):
            for loop in self.loops:
                loop.tick()
            if all(loop.idle for loop in self.loops):
                return
        raise AssertionError("the conversation does not come to an end")

    def pass_time(self, seconds: int) -> None:
        """Let time pass, a second a tick."""
        for _ in range(seconds):
            self.time.advance(1)
            self.settle()

    def _head_of(self, room: str) -> int:
        return self.journal.position(room).head


class Actor:
    """One client: what it says reaches the server, what it hears is taken frame by frame."""

    def __init__(self, book: Playbook, loop: HandLoop, address: str) -> None:
        self.book = book
        self.sock = loop.selector.introduce(FakeSocket())
        self.connection = Connection(self.sock.as_socket, address, loop, USUAL_TERMS, book.attend)
        loop.adopt(self.connection)
        self._decoder = FrameDecoder(limits.FRAME_TO_CLIENT)
        self._decoded = 0
        self._unheard: deque[Frame] = deque()
        self._ids = 0

    @property
    def session(self) -> Session:
        """What the server knows of this client."""
        assert isinstance(self.connection.handler, Session)
        return self.connection.handler

    @property
    def uid(self) -> str:
        """The uid that the server gave."""
        return self.session.known.uid

    def says(self, type: str, **fields: Any) -> None:
        """Send one request, as it is, and let the server do what it asks."""
        self.says_at_once({"type": type, **fields})

    def says_at_once(self, *requests: Frame) -> None:
        """Send several in one segment."""
        self.sends(b"".join(encode_frame(json.dumps(request).encode()) for request in requests))

    def sends(self, data: bytes | OSError) -> None:
        """Let these bytes, or this error, arrive; no bytes are the end of the stream."""
        self.sock.incoming.append(data)
        self.book.settle()

    def hears(self, type: str, **fields: Any) -> Frame:
        """Take the next frame: it has this type and these fields; None means absent."""
        self._decode()
        assert self._unheard, f"nothing to hear; expected {type} {fields}"
        frame = self._unheard.popleft()
        expected = {"type": type, **fields}
        assert {name: frame.get(name) for name in expected} == expected
        return frame

    def hears_nothing(self) -> None:
        """Make sure that there is no frame to take."""
        assert self.listens() == []

    def listens(self) -> list[Frame]:
        """Take every frame that is left."""
        self._decode()
        frames = list(self._unheard)
        self._unheard.clear()
        return frames

    def asks(self, type: str, **fields: Any) -> Frame:
        """Send a request with an id of its own and return its reply; events before it stay."""
        self._ids += 1
        id_ = f"asked-{self._ids}"
        self.says(type, id=id_, **fields)
        self._decode()
        replies = [frame for frame in self._unheard if frame.get("re") == id_]
        assert len(replies) == 1, f"one reply expected to {type}, not {replies}"
        self._unheard.remove(replies[0])
        return replies[0]

    def _decode(self) -> None:
        data = bytes(self.sock.sent[self._decoded :])
        self._decoded += len(data)
        self._unheard.extend(json.loads(body) for body in self._decoder.feed(data))
