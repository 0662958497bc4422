"""The checker itself: a sound log passes, and each planted fault is caught and named."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.chaos.checker import check, count
from tests.chaos.control import ROOM, body_of
from tests.chaos.logs import Entered, Logs, Message, Run, Seen, Store, StoredCid, StoredRoom


@dataclass
class World:
    """Alice has said one to five, bob has seen them on two connections, everything is stored."""

    messages: list[Message] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    store: Store = field(default_factory=Store)

    def __post_init__(self) -> None:
        texts = ["one", "two", "three", "four", "five"]
        bodies = [(seq, body_of(seq, text)) for seq, text in enumerate(texts, 1)]
        self.messages = [
            Message("ua", f"c-{text}", ROOM, text, seq) for seq, text in enumerate(texts, 1)
        ]
        seen = [Seen(ROOM, seq, body) for seq, body in bodies]
        self.runs = [[Entered(ROOM, "e1", 0), *seen[:3]], seen[3:]]
        self.store.rooms[ROOM] = StoredRoom("e1", events=bodies)
        self.store.cids = [StoredCid("ua", f"c-{t}", ROOM, s) for s, t in enumerate(texts, 1)]

    @property
    def events(self) -> list[tuple[int, bytes]]:
        """The rows of the room."""
        return self.store.rooms[ROOM].events

    def found(self, *, complete: bool = False) -> dict[str, int]:
        """What the checker finds, by kind."""
        logs = Logs({"alice": self.messages}, {"bob": self.runs}, complete)
        return dict(count(check(logs, self.store)))


@pytest.fixture
def world() -> World:
    """A sound run, to plant faults in."""
    return World()


def test_a_sound_log_passes(world: World) -> None:
    """Nothing is found where nothing is wrong."""
    assert world.found(complete=True) == {}


def test_a_message_without_an_answer_may_be_stored_or_not(world: World) -> None:
    """Unknown means unknown: neither presence nor absence is a fault."""
    world.messages[4].seq = None
    world.messages.append(Message("ua", "c-six", ROOM, "six"))
    assert world.found() == {}


def test_what_retention_removed_is_no_loss(world: World) -> None:
    """Below the oldest number of a room nothing is expected."""
    del world.events[:2]
    world.store.rooms[ROOM].oldest = 3
    assert world.found() == {}


def test_a_room_that_lost_its_beginning(world: World) -> None:
    """Where retention removed nothing, the first number is one."""
    del world.events[0]
    assert world.found() == {"gap": 1, "lost": 2}


def test_acknowledged_but_missing_is_a_loss(world: World) -> None:
    """The newest message is acknowledged, seen by nobody, and not in the store."""
    world.events.pop()
    world.runs[1] = world.runs[1][:1]
    assert world.found() == {"lost": 1}


def test_an_empty_store_has_lost_everything(world: World) -> None:
    """A room that is gone altogether is not taken for one that retention emptied."""
    world.store.rooms.clear()
    assert world.found() == {"lost": 10}


def test_delivered_before_it_was_kept_and_then_lost(world: World) -> None:
    """Nobody promised the author anything, but bob saw it."""
    world.messages[4].seq = None
    world.events.pop()
    assert world.found() == {"lost": 1}


def test_a_duplicate_let_through(world: World) -> None:
    """The same cid became two events."""
    world.events.append((6, body_of(6, "five")))
    assert world.found() == {"doubled": 1}


def test_two_rows_for_one_cid(world: World) -> None:
    """The table that prevents doubles has one itself."""
    world.store.cids.append(world.store.cids[0])
    assert world.found() == {"doubled": 1}


def test_a_cid_that_names_another_message(world: World) -> None:
    """The first outcome of a repeated message would be told wrongly."""
    world.store.cids[0] = world.store.cids[0]._replace(seq=2)
    assert world.found() == {"changed": 1}


def test_a_number_used_twice(world: World) -> None:
    """Two events share a number in the store."""
    world.events.append((5, body_of(5, "five, too")))
    assert world.found()["doubled"] == 1


def test_a_number_skipped_in_the_store(world: World) -> None:
    """After a gap everything is one further on than it should be."""
    world.messages.pop()
    world.runs[1] = world.runs[1][:1]
    world.events[4] = (6, body_of(6, "five"))
    world.store.cids[4] = world.store.cids[4]._replace(seq=6)
    assert world.found() == {"gap": 1}


def test_stored_at_another_number_than_acknowledged(world: World) -> None:
    """The promise named a number."""
    world.messages[4].seq = 4
    assert world.found() == {"reordered": 1}


def test_said_first_but_stored_later(world: World) -> None:
    """The store reverses what one sender said; without acknowledgements only the order tells."""
    world.messages[1], world.messages[2] = world.messages[2], world.messages[1]
    assert world.found() == {"reordered": 1}


def test_who_was_refused_may_be_overtaken(world: World) -> None:
    """A refused message that is sent again comes after what was said meanwhile."""
    world.messages.insert(0, world.messages.pop(2))
    world.messages[0].refused = True
    assert world.found() == {}


def test_another_text_than_was_sent(world: World) -> None:
    """The number is right, the text is not."""
    world.messages[2].text = "tree"
    assert world.found() == {"changed": 1}


def test_a_receiver_that_missed_one_across_a_resume(world: World) -> None:
    """The replay began one too late."""
    world.runs[1] = world.runs[1][1:]
    assert world.found() == {"gap": 1}


def test_a_receiver_that_was_set_forward_missed_something(world: World) -> None:
    """Entering again in the same epoch does not excuse a gap."""
    world.runs[1] = [Entered(ROOM, "e1", 4), *world.runs[1][1:]]
    assert world.found() == {"gap": 1}


def test_a_receiver_that_never_saw_the_end(world: World) -> None:
    """Only where it had the time to; a run that was broken off says nothing."""
    world.runs.pop()
    assert world.found() == {}
    assert world.found(complete=True) == {"gap": 1}


def test_a_receiver_that_saw_one_twice(world: World) -> None:
    """The replay began one too early."""
    world.runs[1] = [world.runs[0][3], *world.runs[1]]
    assert world.found() == {"doubled": 1}


def test_a_receiver_that_saw_two_in_the_wrong_order(world: World) -> None:
    """Reversed, which is a gap and then something old."""
    world.runs[1] = world.runs[1][::-1]
    assert world.found() == {"gap": 1, "reordered": 1}


def test_bytes_that_changed(world: World) -> None:
    """Equal as JSON is not enough: replay must bring the very bytes."""
    seq, stored = world.events[0]
    world.events[0] = (seq, stored.replace(b": ", b":"))
    assert world.found() == {"changed": 1}


def test_an_epoch_that_is_not_the_stored_one(world: World) -> None:
    """The room was begun anew, and its history with it."""
    world.store.rooms[ROOM].epoch = "e2"
    assert world.found() == {"lost": 1}
