"""What every client of a run is: a thread that says and sees things, and keeps logs of both.

What must not happen at all (a stay lost, a refusal that the load cannot cause, somebody held seen
leaving) is a surprise, which counts as a violation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.chaos.logs import Entered, Message, Seen
from tests.chaos.wire import Address

WINDOW = 4
"""Messages that wait for an answer together."""
SIZES = (1, 10, 20, 50, 200, 200)
WHISPERS = 0.1
"""The share of messages that are whispers."""


@dataclass
class Role:
    """Who somebody is in a run; it speaks while `talking` says so."""

    name: str
    address: Address
    rooms: tuple[str, ...]
    random: Random
    talking: Callable[[], bool]


class Participant(threading.Thread):
    """A client with a thread of its own.

    `whom` names those it may whisper to. `finish` lets it end, once all it said is answered and
    a barrier has shown it everything that was said; then, or when it cannot go on, it is `over`.
    `told` and `untold` count connections that the server ended with and without a word.
    """

    def __init__(self, role: Role) -> None:
        super().__init__(name=role.name, daemon=True)
        self.role = role
        self.messages: list[Message] = []
        self.runs: list[list[Entered | Seen]] = []
        self.surprises: list[str] = []
        self.whom: list[str] = []
        self.targets: dict[str, str] = {}
        self.nick = ""
        self.uid = ""
        self.acknowledged = 0
        self.duplicates = 0
        self.refusals = 0
        self.told = 0
        self.untold = 0
        self.finish = threading.Event()
        self.over = threading.Event()

    @property
    def idle(self) -> bool:
        """Whether everything it said is answered."""
        raise NotImplementedError

    def talking(self) -> bool:
        """Whether it is to say more."""
        return self.role.talking()

    def compose(self) -> Message:
        """Something new to say; a whisper where `targets` has somebody for its cid."""
        random = self.role.random
        number = len(self.messages) + 1
        length = 2000 if random.random() < 0.01 else random.choice(SIZES)
        text = f"{self.name} {number} " + random.choice("xyz\nü😀") * length
        message = Message(self.uid, f"{self.name}-{number}", random.choice(self.role.rooms), text)
        if self.whom and random.random() < WHISPERS:
            message.room = ""  # the answer names the conversation
            self.targets[message.cid] = random.choice(self.whom)
        self.messages.append(message)
        return message
