"""The audience of a room on one loop: who gets which frames, in which order, how often."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.net.audience import CROWD, Audience
from chat_server.net.outbox import Outbox
from tests.support.owner import NotingOwner
from tests.support.sockets import FakeSocket


class Seat:
    """A member: an outbox and what left it."""

    def __init__(self) -> None:
        self.sock = FakeSocket()
        self.outbox = Outbox(self.sock.as_socket, NotingOwner(), [], 10**9)

    def read(self) -> str:
        """Everything that reached the member so far."""
        self.outbox.flush()
        return self.sock.sent.decode()


class Hall:
    """An audience, and the list it puts itself on."""

    def __init__(self, *members: Seat) -> None:
        self.dirty: list[Audience] = []
        self.later: list[Audience] = []
        self.audience = Audience(self.dirty, 0, self.later.append)
        for member in members:
            self.audience.add(member.outbox)

    def publish(self, frames: str) -> None:
        """Publish each character as a frame."""
        for frame in frames:
            self.audience.publish(frame.encode())

    def murmur(self, frames: str) -> None:
        """Murmur each character as a frame."""
        for frame in frames:
            self.audience.murmur(frame.encode())

    def end_tick(self) -> None:
        """Spread as the loop does."""
        for audience in self.dirty:
            audience.spread()
        self.dirty.clear()


@pytest.fixture
def alice() -> Seat:
    """A member."""
    return Seat()


@pytest.fixture
def bob() -> Seat:
    """Another."""
    return Seat()


def test_everyone_gets_every_frame_in_order(alice: Seat, bob: Seat) -> None:
    """At the end of the tick, over several ticks."""
    hall = Hall(alice, bob)
    hall.publish("ab")
    assert alice.read() == ""
    hall.end_tick()
    hall.publish("c")
    hall.end_tick()
    assert alice.read() == bob.read() == "abc"


def test_everyone_gets_the_same_object(alice: Seat, bob: Seat) -> None:
    """One joined piece of bytes for all, not one each."""
    hall = Hall(alice, bob)
    hall.publish("ab")
    hall.end_tick()
    assert alice.sock.given[0] is bob.sock.given[0]


def test_an_audience_is_on_the_list_once_a_tick(alice: Seat) -> None:
    """However much is published; and again in the next tick."""
    hall = Hall(alice)
    hall.publish("abc")
    assert hall.dirty == [hall.audience]
    hall.end_tick()
    assert hall.dirty == []
    hall.publish("d")
    assert hall.dirty == [hall.audience]


def test_who_catches_up_gets_each_frame_exactly_once(alice: Seat, bob: Seat) -> None:
    """Early, and not again at the end of the tick."""
    hall = Hall(alice, bob)
    hall.publish("ab")
    hall.audience.catch_up(alice.outbox)
    assert alice.read() == "ab"
    hall.audience.catch_up(alice.outbox)
    hall.publish("c")
    hall.audience.catch_up(alice.outbox)
    hall.publish("d")
    hall.end_tick()
    assert alice.read() == bob.read() == "abcd"


def test_who_joins_in_mid_tick_gets_only_what_comes_later(alice: Seat, bob: Seat) -> None:
    """The snapshot has what came before."""
    hall = Hall(alice)
    hall.publish("ab")
    hall.audience.add(bob.outbox)
    hall.publish("cd")
    hall.end_tick()
    assert (alice.read(), bob.read()) == ("abcd", "cd")


def test_who_joins_and_catches_up_gets_nothing_earlier(alice: Seat, bob: Seat) -> None:
    """A reply that is due right after joining brings no frame from before."""
    hall = Hall(alice)
    hall.publish("a")
    hall.audience.add(bob.outbox)
    hall.audience.catch_up(bob.outbox)
    assert bob.read() == ""
    hall.publish("b")
    hall.audience.catch_up(bob.outbox)
    assert bob.read() == "b"


def test_who_leaves_in_mid_tick_gets_what_came_before(alice: Seat, bob: Seat) -> None:
    """And nothing later."""
    hall = Hall(alice, bob)
    hall.publish("ab")
    hall.audience.remove(bob.outbox)
    hall.publish("cd")
    hall.end_tick()
    assert (alice.read(), bob.read()) == ("abcd", "ab")


def test_who_leaves_and_comes_back_in_one_tick_misses_what_was_between(
    alice: Seat, bob: Seat
) -> None:
    """And gets nothing twice."""
    hall = Hall(alice, bob)
    hall.publish("a")
    hall.audience.remove(bob.outbox)
    hall.publish("b")
    hall.audience.add(bob.outbox)
    hall.publish("c")
    hall.end_tick()
    assert bob.read() == "ac"


def test_who_is_dropped_gets_nothing_any_more(alice: Seat, bob: Seat) -> None:
    """Its farewell was the last word."""
    hall = Hall(alice, bob)
    hall.publish("a")
    hall.audience.drop(bob.outbox)
    hall.end_tick()
    assert (alice.read(), bob.read()) == ("a", "")
    assert list(hall.audience) == [alice.outbox]


def test_some_may_get_a_frame_of_their_own_in_its_place(alice: Seat, bob: Seat) -> None:
    """After what was pending, before what comes later."""
    hall = Hall(alice, bob)
    hall.publish("a")
    hall.audience.publish_to([bob.outbox], b"!")
    hall.publish("b")
    hall.end_tick()
    assert (alice.read(), bob.read()) == ("ab", "a!b")


def test_a_stranger_catches_up_with_nothing(alice: Seat, bob: Seat) -> None:
    """Only members have something pending."""
    hall = Hall(alice)
    hall.publish("a")
    hall.audience.catch_up(bob.outbox)
    hall.end_tick()
    assert bob.read() == ""


def test_numbered_frames_that_a_snapshot_had_are_dropped(alice: Seat) -> None:
    """Only a higher number than the last is delivered."""
    hall = Hall(alice)
    hall.audience.delivered = 5
    for seq in (4, 5, 6, 6, 7):
        hall.audience.deliver(seq, str(seq).encode())
    hall.end_tick()
    assert alice.read() == "67"
    assert hall.audience.delivered == 7


def test_an_empty_audience_is_false(alice: Seat) -> None:
    """So the loop can let it go."""
    hall = Hall()
    assert not hall.audience
    hall.audience.add(alice.outbox)
    assert hall.audience
    hall.audience.remove(alice.outbox)
    assert not hall.audience


def crowd_of(*members: Seat) -> Hall:
    """An audience of these and so many others that murmurs wait."""
    return Hall(*members, *(Seat() for _ in range(CROWD - len(members))))


def test_among_few_a_murmur_leaves_with_its_tick(alice: Seat) -> None:
    """Nothing is put off, and nobody has to come back for it."""
    hall = Hall(alice)
    hall.murmur("a")
    hall.end_tick()
    assert alice.read() == "a"
    assert hall.later == []


def test_in_a_crowd_murmurs_wait_for_their_moment(alice: Seat) -> None:
    """One moment for all that come until then; afterwards there is another."""
    hall = crowd_of(alice)
    for _ in range(2):
        hall.murmur("a")
        hall.end_tick()
        hall.murmur("b")
        hall.end_tick()
        assert hall.later == [hall.audience]
        hall.later.clear()
        hall.audience.hush()
        hall.end_tick()
    assert alice.read() == "abab"


def test_in_a_crowd_a_message_takes_the_murmurs_along(alice: Seat, bob: Seat) -> None:
    """In their order; the moment that comes later finds nothing and does nothing."""
    hall = crowd_of(alice, bob)
    hall.murmur("a")
    hall.end_tick()
    hall.publish("B")
    hall.murmur("c")
    hall.end_tick()
    assert alice.read() == bob.read() == "aBc"
    hall.audience.hush()
    assert hall.dirty == []


def test_who_catches_up_hears_the_murmurs_once(alice: Seat, bob: Seat) -> None:
    """A reply that is due does not overtake them."""
    hall = crowd_of(alice, bob)
    hall.murmur("a")
    hall.audience.catch_up(alice.outbox)
    assert alice.read() == "a"
    hall.end_tick()
    hall.murmur("b")
    hall.audience.hush()
    hall.end_tick()
    assert alice.read() == bob.read() == "ab"


steps = st.lists(
    st.sampled_from(["publish", "murmur", "hush", "join", "leave", "catch up", "to one", "tick"]),
    max_size=40,
)


@given(steps, st.randoms(use_true_random=False), st.booleans())
def test_whatever_happens_each_member_gets_what_was_published_while_in(
    steps: list[str], chance: Random, crowded: bool
) -> None:
    """Any order of joining, leaving, catching up and ticks, against a plain list."""
    seats = [Seat() for _ in range(3)]
    inside = [True, False, False]
    expected = ["", "", ""]
    hall = crowd_of(seats[0]) if crowded else Hall(seats[0])
    for number, step in enumerate(steps):
        who = chance.randrange(3)
        frame = chr(ord("a") + number % 26)
        if step in ("publish", "murmur"):
            (hall.publish if step == "publish" else hall.murmur)(frame)
            expected = [text + frame * here for text, here in zip(expected, inside, strict=True)]
        elif step == "join" and not inside[who]:
            hall.audience.add(seats[who].outbox)
            inside[who] = True
        elif step == "leave" and inside[who]:
            hall.audience.remove(seats[who].outbox)
            inside[who] = False
        elif step == "catch up":
            hall.audience.catch_up(seats[who].outbox)
        elif step == "to one" and inside[who]:
            hall.audience.publish_to([seats[who].outbox], b"!")
            expected[who] += "!"
        elif step == "hush":
            hall.audience.hush()
        elif step == "tick":
            hall.end_tick()
    hall.audience.hush()
    hall.end_tick()
    assert [seat.read() for seat in seats] == expected
