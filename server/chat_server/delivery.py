"""How what happens reaches everybody: posted to every loop, put before the members that are there.

Rules:
- What is posted is delivered in that order, numbered events and others alike.
- Numbered events come only from the journal, through `hand_on`, on the journal's thread and under
  its lock. It takes no other.
- An author is answered when the event is on its way to every loop: on several loops that takes a
  second round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chat_schema.framing import encode_frame
from chat_server.journal.base import Kept, Outcome

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.net.loop import Loop
    from chat_server.net.outbox import Outbox


class Delivery:
    """Posts to the loops; what is private here runs on each of them.

    `sessions` are everybody's, by uid. `begin` is told of the first event of a room in which nobody
    is, `set_topic` of a new topic, before anybody hears of it. `kept` counts what the journal has.
    """

    def __init__(
        self,
        sessions: Mapping[str, tuple[Session, ...]],
        begin: Callable[[str], None],
        set_topic: Callable[[str, str], None],
    ) -> None:
        self._loops: tuple[Loop, ...] = ()
        self._sessions = sessions
        self._begin = begin
        self._set_topic = set_topic
        self.kept = 0

    def open(self, loops: Sequence[Loop]) -> None:
        """Begin, with the loops that deliver."""
        self._loops = tuple(loops)

    def announce(self, key: str, body: bytes) -> None:
        """Tell a room of something that has no number."""
        self._post((self._murmur, key, encode_frame(body)))

    def announce_once(
        self, keys: tuple[str, ...], witnesses: Collection[Session], body: bytes
    ) -> None:
        """Tell everyone in any of the rooms, once, and the witnesses even in none."""
        self._post((self._publish_once, keys, witnesses, encode_frame(body)))

    def hand_on(self, outcomes: Sequence[Outcome]) -> None:
        """Take what the journal has settled."""
        for outcome in outcomes:
            if type(outcome) is Kept:
                self.kept += 1  # under the journal's lock
                if outcome.entry.topic is not None:
                    self._set_topic(outcome.entry.room, outcome.entry.topic)
        self._post((self._deliver, outcomes))
        if len(self._loops) > 1:
            self._post((self._answer, outcomes))

    def _post(self, item: tuple[Any, ...]) -> None:
        for loop in self._loops:
            loop.post(item)

    # On each loop

    def _deliver(self, loop: Loop, item: tuple[Any, Sequence[Outcome]]) -> None:
        """Put numbered events before their people."""
        alone = len(self._loops) == 1
        for outcome in item[1]:
            entry = outcome.entry
            if type(outcome) is not Kept:
                pass
            elif entry.people:
                self._deliver_to_people(loop, entry.people, outcome.frame)
            elif (audience := loop.audiences.get(entry.room)) is not None:
                audience.deliver(outcome.seq, outcome.frame)
            elif outcome.seq == 1:
                self._begin(entry.room)
            if alone and entry.origin is not None:
                entry.origin.settled(outcome)

    @staticmethod
    def _answer(loop: Loop, item: tuple[Any, Sequence[Outcome]]) -> None:
        """Answer who asked."""
        for outcome in item[1]:
            origin = outcome.entry.origin
            if origin is not None and origin.connection.loop is loop:
                origin.settled(outcome)

    def _deliver_to_people(self, loop: Loop, people: tuple[str, ...], frame: bytes) -> None:
        for uid in people:
            for session in self._sessions.get(uid, ()):
                if session.connection.loop is loop:
                    session.connection.send(frame)

    @staticmethod
    def _murmur(loop: Loop, item: tuple[Any, str, bytes]) -> None:
        _, key, frame = item
        audience = loop.audiences.get(key)
        if audience is not None:
            audience.murmur(frame)

    @staticmethod
    def _publish_once(
        loop: Loop, item: tuple[Any, tuple[str, ...], Collection[Session], bytes]
    ) -> None:
        _, keys, witnesses, frame = item
        reached: set[Outbox] = set()
        for key in keys:
            audience = loop.audiences.get(key)
            if audience is not None:
                audience.publish_to(set(audience) - reached, frame)
                reached.update(audience)
        for session in witnesses:
            connection = session.connection
            if connection.loop is loop and connection.outbox not in reached:
                connection.send(frame)
