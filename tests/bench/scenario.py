"""What is measured: how many rooms, who sits in them, who talks and how fast."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LARGE = 300
"""Members from which on one load process is not enough for a room."""


@dataclass(frozen=True)
class Scenario:
    """Rooms that are all alike.

    In a closed loop each talker keeps `window` of its messages in flight, as seen by the witness of
    its room; with `rate` all talkers together say so many messages a second, and `window` is
    without meaning. `ears` members of each room read every stamp, the others only count. Where a
    message `asks` for an answer, talkers are alone in their rooms, and answers are what counts.
    """

    name: str
    what: str
    rooms: int
    members: int
    talkers: int
    ears: int
    window: int = 0
    rate: float = 0.0
    size: int = 64
    asks: bool = False

    @property
    def clients(self) -> int:
        """Connections in all rooms together."""
        return self.rooms * self.members

    @property
    def judged_by(self) -> str:
        """The figure whose ratio is shown: at a fixed rate only latency can differ."""
        return "p99_ms" if self.rate else "deliveries_per_s"

    def small(self) -> Scenario:
        """The same in a size that takes no time, to see that the benchmark works."""
        rooms, members = min(self.rooms, 3), min(self.members, 20)
        return replace(
            self,
            what=f"the same with {rooms} x {members} members",
            rooms=rooms,
            members=members,
            ears=min(self.ears, members),
        )


@dataclass(frozen=True)
class Seat:
    """One client's place. The `witness` tells the talkers of its room what has arrived."""

    number: int
    room: int
    talks: bool = False
    witness: bool = False
    ear: bool = False


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "big-room",
            "1 room, 1,000 members, 4 of them talking flat out",
            rooms=1,
            members=1000,
            talkers=4,
            ears=16,
            window=32,
        ),
        Scenario(
            "many-rooms",
            "30 rooms of 10, half of them talking flat out",
            rooms=30,
            members=10,
            talkers=5,
            ears=1,
            window=4,
            size=120,
        ),
        Scenario(
            "light-big",
            "1 room, 300 members, 100 messages a second",
            rooms=1,
            members=300,
            talkers=1,
            ears=300,
            rate=100,
        ),
        Scenario(
            "light-many",
            "30 rooms of 10, 300 messages a second in all",
            rooms=30,
            members=10,
            talkers=1,
            ears=10,
            rate=300,
        ),
    )
}


def idle(clients: int) -> Scenario:
    """Rooms of 10 in which nobody says anything."""
    rooms = max(1, clients // 10)
    return Scenario("idle", f"{rooms:,} silent rooms of 10", rooms, 10, talkers=0, ears=0)


def crowd(members: int) -> Scenario:
    """One room of that size, so that only the size differs."""
    what = f"1 room, {members:,} members, 4 of them talking flat out"
    return Scenario(f"crowd-{members}", what, 1, members, talkers=4, ears=1, window=32)


def authors(count: int, window: int) -> Scenario:
    """People alone in their rooms, who wait for no more than `window` answers each."""
    name, what = f"authors-{count}", f"{count} authors, {window} messages unanswered at most"
    return Scenario(name, what, count, members=1, talkers=1, ears=1, window=window, asks=True)


def deal(scenario: Scenario, processes: int) -> list[list[Seat]]:
    """Divide the seats among load processes.

    A witness and the talkers who depend on it share a process. Where there are fewer rooms than
    processes, the others of a large room are divided too; in a small one, which turns fast, a
    process that has to wait for its turn would fall so far behind that the server gives it up.
    """
    shares: list[list[Seat]] = [[] for _ in range(processes)]
    divided = scenario.rooms < processes and scenario.members >= _LARGE
    for room in range(scenario.rooms):
        for rank in range(scenario.members):
            part = rank * processes // scenario.members if divided else 0
            shares[(room + part) % processes].append(_seat(scenario, room, rank))
    return shares


def _seat(scenario: Scenario, room: int, rank: int) -> Seat:
    """Talkers sit first, the witness after them, and ears at equal distances from the witness.

    One who asks is all three.
    """
    after = rank - (0 if scenario.asks else scenario.talkers)
    distance = scenario.members // scenario.ears if scenario.ears else 0
    return Seat(
        number=room * scenario.members + rank,
        room=room,
        talks=rank < scenario.talkers,
        witness=after == 0 and scenario.talkers > 0,
        ear=distance > 0 and after % distance == 0,
    )
