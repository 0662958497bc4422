"""What a receiver makes of replays, pages of history and live events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chaos.logs import Entered, Seen
from tests.chaos.view import View, pieces


def event(seq: int, room: str = "dev") -> dict[str, Any]:
    """A numbered event."""
    return {"type": "broadcast", "room": room, "seq": seq, "text": f'text {seq} ]}}",'}


def body_of(frame: dict[str, Any]) -> bytes:
    """The bytes of a frame, compact as the server makes them."""
    return json.dumps(frame, separators=(",", ":")).encode()


def begin(after: int, to: int, head: int, epoch: str = "e") -> dict[str, Any]:
    """The beginning of a replay."""
    numbers = {"after": after, "to": to, "head": head}
    return {"type": "replay", "room": "dev", "state": "begin", "epoch": epoch, **numbers}


class Receiver:
    """A view that has entered the room at 0 and is connected again."""

    def __init__(self) -> None:
        self.view = View({})
        self.view.connected()
        self.view.enter("dev", "e", 0)
        self.view.connected()

    def take(self, *frames: dict[str, Any]) -> None:
        """Take events."""
        for frame in frames:
            self.view.event(frame, body_of(frame))

    def page(self, *seqs: int) -> None:
        """Take a page of history."""
        events = [event(seq) for seq in seqs]
        frame = {"type": "ok", "room": "dev", "events": events, "epoch": "e"}
        self.view.history(frame, body_of(frame))

    @property
    def seen(self) -> list[int]:
        """The numbers seen on this connection."""
        return [step.seq for step in self.view.runs[-1] if isinstance(step, Seen)]


@pytest.fixture
def receiver() -> Receiver:
    """Somebody who has just come back."""
    return Receiver()


def test_repeats_in_rooms_are_logged_for_the_checker(receiver: Receiver) -> None:
    """The view does not hide what must not happen."""
    receiver.take(begin(0, 2, 2), event(1), event(2), event(2))
    assert receiver.seen == [1, 2, 2]


def test_whispers_that_come_twice_are_one(receiver: Receiver) -> None:
    """There a replay and live events may overlap."""
    receiver.take(event(1, "dm:a:b"), event(1, "dm:a:b"), event(2, "dm:a:b"))
    assert receiver.seen == [1, 2]


def test_a_replay_cut_short_is_filled_from_history(receiver: Receiver) -> None:
    """Live events wait meanwhile; a page may bring some of them, too."""
    receiver.take(begin(0, 1, 3), event(1), event(4), event(5))
    assert [want["after"] for want in receiver.view.wants] == [1]
    assert receiver.seen == [1]
    receiver.page(2, 3, 4)
    assert receiver.seen == [1, 2, 3, 4, 5]
    assert not receiver.view.filling


def test_pages_are_asked_for_until_the_gap_is_filled(receiver: Receiver) -> None:
    """Each after the last."""
    receiver.take(begin(0, 0, 4))
    receiver.page(1, 2)
    assert [want["after"] for want in receiver.view.wants] == [0, 2]
    receiver.page(3, 4)
    assert (receiver.seen, receiver.view.filling) == ([1, 2, 3, 4], False)


def test_a_gap_that_history_does_not_fill_stays_visible(receiver: Receiver) -> None:
    """An empty page ends the filling, and the checker sees what is missing."""
    receiver.take(begin(0, 1, 3), event(1), event(4))
    receiver.page()
    assert receiver.seen == [1, 4]


def test_another_epoch_begins_anew(receiver: Receiver) -> None:
    """What the checker is told is where the room stands now."""
    receiver.take(begin(7, 7, 7, epoch="other"))
    assert receiver.view.runs[-1] == [Entered("dev", "other", 7)]


def test_pieces_are_the_very_bytes() -> None:
    """Also where a text looks like JSON."""
    events = [event(1), {**event(2), "text": "😀 \\ [{"}]
    parts = [json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() for one in events]
    page = b'{"type":"ok","events":[' + b",".join(parts) + b'],"more":false}'
    assert pieces(page) == parts
    assert pieces(b'{"events":[],"more":false}') == []
