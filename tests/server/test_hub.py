"""The hub with two loops: everybody is reached once, and everybody sees one order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.playbook import Actor, Frame, Playbook


@pytest.fixture
def book() -> Iterator[Playbook]:
    """A server with two loops."""
    with Playbook(loops=2) as book:
        yield book


@pytest.fixture
def alice(book: Playbook) -> Actor:
    """Somebody in `general`, on the first loop."""
    return book.person("alice", "general", loop=0)


@pytest.fixture
def bob(book: Playbook, alice: Actor) -> Actor:
    """Somebody in `general`, on the second loop."""
    actor = book.person("bob", "general", loop=1)
    book.forget()
    return actor


def test_a_message_reaches_members_on_every_loop(alice: Actor, bob: Actor) -> None:
    """Both ways, and its author is answered on their own loop alone."""
    alice.says("broadcast", id="7", room="general", text="one")
    bob.says("broadcast", id="7", room="general", text="two")
    assert [frame.get("text") for frame in alice.listens()] == ["one", None, "two"]
    assert [frame.get("text") for frame in bob.listens()] == ["one", "two", None]


def test_comings_and_goings_reach_members_on_every_loop(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """Join, nick and leave."""
    carol = book.person("carol", loop=1)
    carol.says("join", room="general")
    carol.says("nick", nick="caroline")
    carol.says("quit")
    for actor in (alice, bob):
        assert [frame["type"] for frame in actor.listens()] == ["join", "nick", "leave"]


def test_a_whisper_crosses_loops(alice: Actor, bob: Actor) -> None:
    """Once to each of the two."""
    alice.says("whisper", id="7", to="bob", text="psst")
    alice.hears("whisper", text="psst")
    alice.hears("ok", re="7")
    bob.hears("whisper", text="psst")
    bob.hears_nothing()


def test_a_snapshot_taken_while_a_message_is_on_its_way_is_exact(
    book: Playbook, alice: Actor
) -> None:
    """What the other loop has not delivered yet comes after the snapshot, or is in it: once."""
    carol = book.person("carol", loop=1)
    says = {"type": "broadcast", "room": "general"}
    for number in range(5):
        alice.session.frame(b'{"type":"broadcast","room":"general","text":"m%d"}' % number)
    carol.says("join", id="7", room="general")
    alice.says_at_once({**says, "text": "m5"})
    frames = carol.listens()
    [reply] = [frame for frame in frames if frame.get("re") == "7"]
    heard = [frame["seq"] for frame in frames if frame["type"] == "broadcast"]
    assert heard == list(range(reply["seq"] + 1, 7))


steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["broadcast", "broadcast", "join", "leave", "topic", "nick"]),
    ),
    max_size=30,
)


def request_of(kind: str, room: str, number: int) -> Frame:
    """A request of this kind, unlike every other."""
    fields: dict[str, dict[str, Any]] = {
        "broadcast": {"room": room, "text": f"m{number}"},
        "topic": {"room": room, "topic": f"t{number}"},
        "nick": {"nick": f"n{number}"},
        "join": {"room": room},
        "leave": {"room": room},
    }
    return {"type": kind, **fields[kind]}


@settings(max_examples=60)
@given(steps, st.randoms(use_true_random=False))
def test_whatever_happens_on_two_loops_nobody_misses_or_sees_anything_twice(
    steps: list[tuple[int, str, str]], chance: Any
) -> None:
    """Four people, two rooms, loops that tick when they like.

    Every member sees the numbers of a room from their snapshot on, without gap.
    """
    with Playbook(loops=2) as book:
        people = [book.person(f"p{number}", loop=number % 2) for number in range(4)]
        for number, (who, room, kind) in enumerate(steps):
            people[who].session.frame(encode(request_of(kind, room, number), number))
            chance.choice(book.loops).tick()
        book.settle()
        views = [person.listens() for person in people]
    for view in views:
        for room in "ab":
            check_numbers(view, room)


def encode(request: Frame, number: int) -> bytes:
    """The body of a request with an id."""
    return repr({**request, "id": f"id{number}"}).replace("'", '"').encode()


def check_numbers(view: list[Frame], room: str) -> None:
    """From each snapshot on, the numbers follow each other."""
    last = None
    for frame in view:
        if frame.get("room") != room:
            continue
        if "members" in frame:
            assert last is None or frame["seq"] == last
            last = frame["seq"]
        elif "seq" in frame and "re" not in frame:
            assert last is not None
            assert frame["seq"] == last + 1
            last = frame["seq"]
        elif frame["type"] == "ok" and "seq" not in frame and "topic" not in frame:
            last = None  # left
