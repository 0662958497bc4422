"""The outbox: order, one send per flush, what the kernel does not take, and the hard limit."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.net.outbox import JOINED, Outbox
from tests.support.owner import NotingOwner
from tests.support.sockets import UNLIMITED, FakeSocket

HARD_LIMIT = 1000


class Desk:
    """An outbox with its socket, its owner, and the list it puts itself on."""

    def __init__(self, room: int = UNLIMITED) -> None:
        self.sock = FakeSocket()
        self.sock.room = room
        self.owner = NotingOwner()
        self.unsent: list[Outbox] = []
        self.outbox = Outbox(self.sock.as_socket, self.owner, self.unsent, HARD_LIMIT)

    def put(self, *chunks: bytes) -> None:
        """Put these chunks."""
        for chunk in chunks:
            self.outbox.put(chunk)

    def flush_unsent(self) -> None:
        """Flush as the loop does at the end of a tick."""
        for outbox in self.unsent:
            outbox.flush()
        self.unsent.clear()


def joined(chunks: Iterable[bytes]) -> bytes:
    """Everything in a row."""
    return b"".join(chunks)


def test_everything_that_waits_leaves_in_one_send() -> None:
    """In the order of putting; the owner hears nothing of it."""
    desk = Desk()
    desk.put(b"one", b"two", b"three")
    desk.flush_unsent()
    assert desk.sock.sends == [11]
    assert desk.sock.sent == b"onetwothree"
    assert desk.owner.told == []
    assert not desk.outbox.waiting


def test_putting_sends_nothing_by_itself() -> None:
    """It waits for the end of the tick, and is on the list once."""
    desk = Desk()
    desk.put(b"one", b"two")
    assert desk.sock.sends == []
    assert desk.outbox.waiting
    assert desk.unsent == [desk.outbox]


def test_flushing_nothing_sends_nothing() -> None:
    """No empty send."""
    desk = Desk()
    desk.outbox.flush()
    assert desk.sock.sends == []


def test_very_many_chunks_leave_in_several_sends() -> None:
    """One send takes at most so many, and nobody is called slow for what was not tried yet."""
    desk = Desk()
    chunks = [b"%03d" % number for number in range(JOINED * 2 + 1)]
    desk.put(*chunks)
    desk.flush_unsent()
    assert desk.sock.sends == [JOINED * 3, JOINED * 3, 3]
    assert desk.sock.sent == joined(chunks)
    assert desk.owner.told == []


def test_what_the_kernel_does_not_take_is_kept_and_counted() -> None:
    """In bytes, exactly, and the owner is told to watch for room."""
    desk = Desk(room=5)
    desk.put(b"abc", b"def", b"ghi")
    desk.flush_unsent()
    assert desk.sock.sent == b"abcde"
    assert (desk.outbox.queued, desk.outbox.stuck) == (4, True)
    assert desk.owner.told == ["blocked"]


def test_a_kernel_that_takes_nothing_keeps_everything() -> None:
    """Would-block is no fault and no progress."""
    desk = Desk(room=0)
    desk.put(b"abc", b"def")
    desk.flush_unsent()
    assert (desk.outbox.queued, desk.outbox.stuck, desk.outbox.progress) == (6, True, 0)
    assert desk.owner.told == ["blocked"]


def test_while_stuck_the_loop_does_not_try_again() -> None:
    """The selector says when there is room; putting only queues and counts."""
    desk = Desk(room=0)
    desk.put(b"abc")
    desk.flush_unsent()
    desk.put(b"def")
    assert desk.unsent == []
    assert desk.outbox.queued == 6


def test_with_room_again_the_rest_leaves_in_order() -> None:
    """And the owner is told that all is well."""
    desk = Desk(room=4)
    desk.put(b"abc", b"def")
    desk.flush_unsent()
    desk.put(b"ghi")
    desk.sock.room = UNLIMITED
    desk.outbox.flush()
    assert desk.sock.sent == b"abcdefghi"
    assert (desk.outbox.stuck, desk.outbox.queued) == (False, 0)
    assert desk.owner.told == ["blocked", "emptied"]


def test_after_being_stuck_it_works_as_before() -> None:
    """The next tick's chunk leaves with the next tick's flush."""
    desk = Desk(room=0)
    desk.put(b"abc")
    desk.flush_unsent()
    desk.sock.room = UNLIMITED
    desk.outbox.flush()
    desk.put(b"def")
    desk.flush_unsent()
    assert desk.sock.sent == b"abcdef"


def test_progress_grows_with_every_byte_taken() -> None:
    """A client that reads a byte now and then is not one that reads nothing."""
    desk = Desk(room=0)
    desk.put(b"abcdefgh")
    desk.flush_unsent()
    seen = [desk.outbox.progress]
    for _ in range(3):
        desk.sock.room = 1
        desk.outbox.flush()
        seen.append(desk.outbox.progress)
    assert seen == sorted(set(seen))


def test_over_the_hard_limit_the_owner_is_told_at_the_flush() -> None:
    """Not in the middle of a fan-out, where others are still to be served."""
    desk = Desk(room=0)
    desk.put(b"x")
    desk.flush_unsent()
    desk.put(b"x" * HARD_LIMIT)
    assert desk.owner.told == ["blocked"]
    desk.flush_unsent()
    assert desk.owner.told == ["blocked", "overfull"]


def test_at_the_hard_limit_nothing_is_wrong() -> None:
    """The limit itself is allowed."""
    desk = Desk(room=0)
    desk.put(b"x")
    desk.flush_unsent()
    desk.put(b"x" * (HARD_LIMIT - 1))
    desk.flush_unsent()
    desk.outbox.flush()
    assert desk.owner.told == ["blocked"]


def test_more_than_the_hard_limit_in_one_tick_is_noticed_too() -> None:
    """When the kernel does not take it."""
    desk = Desk(room=10)
    desk.put(b"x" * (HARD_LIMIT + 11))
    desk.flush_unsent()
    assert desk.owner.told == ["blocked", "overfull"]


def test_more_than_the_hard_limit_is_fine_if_the_kernel_takes_it() -> None:
    """What has left does not count."""
    desk = Desk()
    desk.put(*[b"x" * HARD_LIMIT] * 3)
    desk.flush_unsent()
    assert desk.owner.told == []
    assert len(desk.sock.sent) == 3 * HARD_LIMIT


@pytest.mark.parametrize("error", [ConnectionResetError(), BrokenPipeError(), TimeoutError()])
def test_a_broken_connection_is_reported(error: OSError) -> None:
    """Whatever it is that broke it."""
    desk = Desk()
    desk.sock.broken = error
    desk.put(b"abc")
    desk.flush_unsent()
    assert desk.owner.told == ["broken"]


def test_an_interrupted_send_is_tried_again() -> None:
    """A signal is no fault."""
    desk = Desk()
    desk.sock.broken = InterruptedError()
    desk.put(b"abc")
    desk.flush_unsent()
    desk.sock.broken = None
    desk.outbox.flush()
    assert desk.sock.sent == b"abc"
    assert desk.owner.told == ["blocked", "emptied"]


def test_discarding_keeps_the_rest_of_a_chunk_begun() -> None:
    """The client's stream stays a stream of whole frames."""
    desk = Desk(room=2)
    desk.put(b"abcd", b"efgh")
    desk.flush_unsent()
    desk.outbox.discard()
    assert desk.outbox.queued == 2
    desk.put(b"bye")
    desk.sock.room = UNLIMITED
    desk.outbox.flush()
    assert desk.sock.sent == b"abcdbye"


def test_discarding_between_chunks_keeps_nothing() -> None:
    """Nothing was begun, so nothing has to be ended."""
    desk = Desk(room=4)
    desk.put(b"abcd", b"efgh")
    desk.flush_unsent()
    desk.outbox.discard()
    assert (desk.outbox.queued, desk.outbox.waiting) == (0, False)


def test_clearing_keeps_nothing_at_all() -> None:
    """The connection is gone; a flush that is still due does nothing."""
    desk = Desk(room=2)
    desk.put(b"abcd", b"efgh")
    desk.flush_unsent()
    desk.outbox.clear()
    desk.outbox.flush()
    assert (desk.outbox.queued, desk.outbox.waiting) == (0, False)
    assert desk.sock.sent == b"ab"


def test_a_chunk_is_shared_by_the_outboxes_that_wait_with_it() -> None:
    """A thousand stuck clients hold one copy of what all of them were sent, begun or not."""
    desks = [Desk(room=number % 2) for number in range(1000)]
    chunk = bytes(bytearray(200))
    for desk in desks:
        desk.put(chunk)
        desk.flush_unsent()
        desk.put(chunk)
    kept = [piece for desk in desks for piece in desk.outbox._chunks]
    assert len(kept) == 2000
    originals = [piece.obj if isinstance(piece, memoryview) else piece for piece in kept]
    assert all(original is chunk for original in originals)


@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=20).map(lambda chunk: ("put", chunk)),
            st.integers(0, 30).map(lambda room: ("room", room)),
        ),
        max_size=60,
    )
)
def test_however_the_kernel_takes_it_the_bytes_are_the_bytes(
    steps: list[tuple[str, bytes | int]],
) -> None:
    """Puts and flushes with any room: nothing lost, doubled or reordered, every byte counted."""
    desk = Desk(room=0)
    put = b""
    for what, value in steps:
        if isinstance(value, bytes):
            desk.put(value)
            put += value
        else:
            desk.sock.room = value
            desk.outbox.flush()
        waiting = put[len(desk.sock.sent) :]
        assert put.startswith(desk.sock.sent)
        assert desk.outbox.waiting == bool(waiting)
        assert not desk.outbox.stuck or desk.outbox.queued == len(waiting), what
    desk.sock.room = UNLIMITED
    while desk.outbox.waiting:
        desk.outbox.flush()
    assert desk.sock.sent == put


# Held


def test_while_held_nothing_leaves() -> None:
    """However often it is flushed, and whatever is put."""
    desk = Desk()
    desk.outbox.hold()
    desk.put(b"one", b"two")
    desk.flush_unsent()
    desk.outbox.flush()
    desk.outbox.pass_on(b"three")
    desk.flush_unsent()
    assert desk.sock.sent == b""
    assert desk.owner.told == []


def test_what_is_released_comes_before_what_was_put_meanwhile() -> None:
    """And after what waited already."""
    desk = Desk()
    desk.put(b"before,")
    desk.outbox.hold()
    desk.put(b"live,", b"more,")
    desk.outbox.pass_on(b"room,")
    desk.outbox.release(b"replay,")
    desk.put(b"after")
    desk.flush_unsent()
    assert desk.sock.sent == b"before,replay,live,more,room,after"


def test_releasing_nothing_lets_go_on() -> None:
    """There may be nothing that has to come first, and nothing that waits."""
    desk = Desk()
    desk.outbox.hold()
    desk.outbox.release(b"")
    desk.flush_unsent()
    assert desk.sock.sends == []
    desk.put(b"one")
    desk.flush_unsent()
    assert desk.sock.sent == b"one"


def test_releasing_what_is_not_held_does_nothing() -> None:
    """What would have come first is not sent either: it was discarded with the rest."""
    desk = Desk()
    desk.outbox.hold()
    desk.put(b"live")
    desk.outbox.discard()
    desk.outbox.release(b"replay")
    desk.put(b"farewell")
    desk.flush_unsent()
    assert desk.sock.sent == b"farewell"


def test_what_was_released_and_not_taken_is_counted() -> None:
    """Exactly, like everything else, and in its order."""
    desk = Desk(room=3)
    desk.outbox.hold()
    desk.put(b"live")
    desk.outbox.release(b"replay,")
    desk.flush_unsent()
    assert desk.sock.sent == b"rep"
    assert (desk.outbox.queued, desk.outbox.stuck) == (8, True)
    desk.sock.room = UNLIMITED
    desk.outbox.flush()
    assert desk.sock.sent == b"replay,live"
    assert desk.owner.told == ["blocked", "emptied"]


def test_too_much_put_while_held_is_too_much() -> None:
    """What one misses must not grow without bound behind what is read for them."""
    desk = Desk()
    desk.outbox.hold()
    desk.put(b"x" * (HARD_LIMIT // 2))
    desk.flush_unsent()
    assert desk.owner.told == []
    desk.put(b"x" * HARD_LIMIT)
    desk.flush_unsent()
    assert desk.owner.told == ["overfull"]
    assert desk.sock.sent == b""


def test_a_large_first_part_is_no_fault_where_it_is_taken() -> None:
    """A replay may be longer than the hard limit: it was asked for."""
    desk = Desk()
    desk.outbox.hold()
    desk.outbox.release(b"x" * 3 * HARD_LIMIT)
    desk.flush_unsent()
    assert len(desk.sock.sent) == 3 * HARD_LIMIT
    assert desk.owner.told == []


@given(
    before=st.lists(st.binary(min_size=1, max_size=9), max_size=3),
    first=st.binary(max_size=20),
    meanwhile=st.lists(st.binary(min_size=1, max_size=9), max_size=5),
    after=st.lists(st.binary(min_size=1, max_size=9), max_size=3),
    rooms=st.lists(st.integers(0, 12), max_size=12),
)
def test_held_or_not_every_byte_leaves_once_in_its_order(
    before: list[bytes],
    first: bytes,
    meanwhile: list[bytes],
    after: list[bytes],
    rooms: list[int],
) -> None:
    """However much the kernel takes in between."""
    desk = Desk(room=0)
    takes = iter(rooms)

    def tick() -> None:
        desk.sock.room = next(takes, 0)
        desk.flush_unsent()
        if desk.outbox.stuck:
            desk.outbox.flush()

    for chunk in before:
        desk.put(chunk)
        tick()
    desk.outbox.hold()
    for chunk in meanwhile:
        desk.put(chunk)
        tick()
    desk.outbox.release(first)
    tick()
    for chunk in after:
        desk.put(chunk)
        tick()
    desk.sock.room = UNLIMITED
    desk.flush_unsent()
    desk.outbox.flush()
    assert desk.sock.sent == joined([*before, first, *meanwhile, *after])
    assert not desk.outbox.waiting
