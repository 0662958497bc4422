"""The members of a run together: started, brought to an end, and their logs collected."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self

from tests.chaos.logs import Logs
from tests.chaos.member import Member
from tests.chaos.participant import Participant, Role
from tests.chaos.patron import Patron
from tests.chaos.view import Bodies
from tests.chaos.wire import Address

ROOMS = ("dev", "ops", "lobby")
PATIENCE = 30.0
"""Seconds for everything said to be answered and seen, once the disturbances are over."""


class CrowdStuck(Exception):
    """Something that had to happen did not within PATIENCE."""


@dataclass(frozen=True)
class Cast:
    """How many of each: raw clients that speak, such that only listen, and users of the library."""

    writers: int = 4
    readers: int = 2
    patrons: int = 2


class Crowd:
    """Everybody in a run; use it with `with`, and end the server before that."""

    def __init__(self, address: Address, cast: Cast, random: Random) -> None:
        self._quiet = threading.Event()
        self._complete = False
        bodies: Bodies = {}

        def role(name: str, talking: Callable[[], bool]) -> Role:
            return Role(name, address, ROOMS, Random(random.random()), talking)

        self.members: list[Participant] = [
            *(Member(role(f"w{number}", self._talk), bodies) for number in range(cast.writers)),
            *(Member(role(f"r{number}", _never), bodies) for number in range(cast.readers)),
            *(Patron(role(f"p{number}", self._talk), bodies) for number in range(cast.patrons)),
        ]

    def __enter__(self) -> Self:
        for member in self.members:
            member.start()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.over.set()
        for member in self.members:
            member.join()

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged until now."""
        return sum(member.acknowledged for member in self.members)

    def total(self, name: str) -> int:
        """One counter of all members together."""
        return int(sum(getattr(member, name) for member in self.members))

    def settle(self) -> None:
        """Wait until everybody is there, and let them whisper from now on; raise CrowdStuck."""
        self.wait_for(lambda: all(member.nick for member in self.members), "not all were welcomed")
        nicks = [member.nick for member in self.members]
        for member in self.members:
            member.whom = [nick for nick in nicks if nick != member.nick]

    def end(self) -> None:
        """Say nothing more, and wait until all is answered and seen by everybody."""
        self._quiet.set()
        self.wait_for(lambda: all(m.idle or m.over.is_set() for m in self.members), "no answers")
        for member in self.members:
            member.finish.set()
        self.wait_for(lambda: all(m.over.is_set() for m in self.members), "not all saw everything")
        self._complete = True

    def wait_for(self, done: Callable[[], bool], otherwise: str) -> None:
        """Return when `done`; raise CrowdStuck."""
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                raise CrowdStuck(f"{otherwise} within {PATIENCE:.0f} s")
            time.sleep(0.002)

    def logs(self) -> Logs:
        """What everybody sent and saw."""
        return Logs(
            {member.name: member.messages for member in self.members},
            {member.name: member.runs for member in self.members},
            complete=self._complete,
        )

    def surprises(self) -> list[str]:
        """What nobody expected."""
        return [words for member in self.members for words in member.surprises]

    def _talk(self) -> bool:
        return not self._quiet.is_set()


def _never() -> bool:
    return False
