"""A participant that uses our own client library, which comes back by itself.

Its events are put into bytes again, which are those of the wire: the models and the server's
composition agree on them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from chat_client import Client, Disconnected
from chat_client.link import Back, Backoff, Link
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from tests.chaos.logs import Entered, Message, Seen
from tests.chaos.participant import WINDOW, Participant, Role
from tests.chaos.view import Bodies

GIVE_UP = 60.0
"""Seconds without a server after which the library may give up; no disturbance lasts so long."""
HASTE = 0.02
"""The share of the library's usual pauses that is waited here."""
PATIENCE = 5.0
"""Seconds that the server has to end when all is over."""
LOOK = 0.005
"""Seconds between looks whether there is something to say."""


class Patron(Participant):
    """A client of the library."""

    def __init__(self, role: Role, bodies: Bodies) -> None:
        super().__init__(role)
        self.runs = [[]]
        self._bodies = bodies
        self._lock = threading.Lock()
        self._waiting = 0
        self._refused: list[Message] = []

    @property
    def idle(self) -> bool:
        """Whether everything it said is answered."""
        return not self._waiting and not self._refused and bool(self.uid)

    def run(self) -> None:
        """Connect once and speak until all is over; the library does the rest."""
        try:
            with self._connected() as client:
                self._live(client)
        except (Disconnected, Refused) as error:
            if not self.over.is_set():
                self.surprises.append(f"{self.name} could not go on: {error!r}")
            self.over.set()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Client]:
        """A client that is closed when its server has ended.

        To quit before would end its stay, and when two guests have left, their whispers go, too.
        """
        client = self._connect()
        try:
            yield client
        finally:
            self.over.set()
            end = time.monotonic() + PATIENCE
            while not client.away and time.monotonic() < end:
                time.sleep(LOOK)
            client.close()

    def _connect(self) -> Client:
        while True:
            try:
                return Client(
                    *self.role.address,
                    on_event=self._see,
                    on_link=self._note_link,
                    backoff=Backoff(GIVE_UP, random=lambda: HASTE * self.role.random.random()),
                )
            except Disconnected:
                if self.over.wait(LOOK):
                    raise

    def _live(self, client: Client) -> None:
        self.uid = client.user.uid
        for room in self.role.rooms:
            client.submit(requests.Join(room=room), self._entered)
        self.nick = client.user.nick
        while not self.over.is_set():
            for _ in range(len(self._refused)):
                self._say(client, self._refused.pop(0))
            while self._waiting < WINDOW and self.talking():
                self._say(client, self.compose())
            if self.finish.is_set() and self.idle:
                client.ping()
                return
            time.sleep(LOOK)

    def _say(self, client: Client, message: Message) -> None:
        request: requests.Request
        cid, text = message.cid, message.text
        if (target := self.targets.get(cid)) is not None:
            request = requests.Whisper(to=target, text=text, cid=cid)
        else:
            request = requests.Broadcast(room=message.room, text=text, cid=cid)
        with self._lock:
            self._waiting += 1
        client.submit(request, lambda future: self._answered(message, future))

    # On the library's thread

    def _entered(self, future: Future[Any]) -> None:
        joined: replies.JoinOk = future.result()
        self.runs[-1].append(Entered(joined.room.lower(), joined.epoch, joined.seq))

    def _answered(self, message: Message, future: Future[Any]) -> None:
        with self._lock:
            self._waiting -= 1
        try:
            answer: replies.SentOk = future.result()
        except Refused as refused:
            self._take_refusal(message, refused)
        except Disconnected as reason:
            if not self.over.is_set():
                self.surprises.append(f"{self.name}'s {message.cid} got no answer: {reason}")
        else:
            message.seq, message.room = answer.seq, answer.room.lower()
            self.acknowledged += 1
            self.duplicates += bool(answer.duplicate)

    def _take_refusal(self, message: Message, refused: Refused) -> None:
        if refused.retryable:
            self.refusals += 1
            message.refused = True
            self._refused.append(message)
        else:
            self.surprises.append(f"{self.name}'s {message.cid} was refused: {refused.code}")

    def _see(self, event: Any) -> None:
        if isinstance(event, events.Broadcast | events.Whisper | events.Topic | events.Promote):
            body = event.model_dump_json(exclude_none=True).encode()
            body = self._bodies.setdefault(body, body)
            self.runs[-1].append(Seen(event.room.lower(), event.seq, body))
        elif isinstance(event, events.Leave) and event.reason == "lost":
            self.surprises.append(f"{self.name} saw {event.user.nick} leave as lost")

    def _note_link(self, link: Link) -> None:
        if isinstance(link, Back) and not link.resumed:
            self.surprises.append(f"{self.name} came back and had lost its stay")
