"""Frames in a byte stream: cut anywhere, over the limit, empty, and plain garbage."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema import framing, limits
from chat_schema.framing import HEADER, FrameDecoder, encode_frame

LIMIT = 32
"""Small, so that random headers fall on both sides of it."""

bodies = st.lists(st.binary(max_size=LIMIT), max_size=8)


def header(size: int) -> bytes:
    """The length prefix of a body of `size` bytes."""
    return size.to_bytes(HEADER, "big")


def stream_of(frames: list[bytes]) -> bytes:
    """Every body as a frame, one after the other."""
    return b"".join(map(encode_frame, frames))


def feed_all(decoder: FrameDecoder, pieces: list[bytes]) -> list[bytes]:
    """What the decoder makes of the pieces, fed one by one."""
    return [body for piece in pieces for body in decoder.feed(piece)]


def not_empty(frames: list[bytes]) -> list[bytes]:
    """The bodies without keep-alives."""
    return [body for body in frames if body]


def understand(data: bytes) -> tuple[list[bytes], int | None, bool]:
    """A plain reading of the rules: bodies, the size over the limit, whether a frame has begun."""
    found: list[bytes] = []
    while len(data) >= HEADER:
        size = int.from_bytes(data[:HEADER], "big")
        if size > LIMIT:
            return found, size, False
        if len(data) < HEADER + size:
            break
        found.append(data[HEADER : HEADER + size])
        data = data[HEADER + size :]
    return not_empty(found), None, bool(data)


garbage = st.lists(
    st.binary(max_size=12) | st.integers(0, LIMIT + 2).map(header) | st.binary().map(encode_frame)
).map(b"".join)
"""Bytes that now and then look like frames, of allowed sizes and others."""


@given(bodies)
def test_a_stream_fed_whole_gives_its_bodies_in_order(frames: list[bytes]) -> None:
    """Case 6: everything in one segment comes out, and nothing is left over."""
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(stream_of(frames)) == not_empty(frames)
    assert not decoder.partial
    assert decoder.too_large is None


@given(bodies, st.data())
def test_a_stream_cut_anywhere_gives_the_same_bodies(
    frames: list[bytes], data: st.DataObject
) -> None:
    """Case 5: where the network cuts the stream makes no difference."""
    stream = stream_of(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert feed_all(FrameDecoder(LIMIT), pieces) == not_empty(frames)


@given(bodies)
def test_a_stream_fed_byte_by_byte_gives_the_same_bodies(frames: list[bytes]) -> None:
    """Case 5: the slowest sender is understood like the fastest."""
    pieces = [bytes([byte]) for byte in stream_of(frames)]
    assert feed_all(FrameDecoder(LIMIT), pieces) == not_empty(frames)


@given(st.lists(garbage, max_size=6))
def test_garbage_is_read_by_the_rules_and_never_raises(pieces: list[bytes]) -> None:
    """Any bytes in any pieces: the same bodies, verdict and remainder as the rules say."""
    decoder = FrameDecoder(LIMIT)
    found = feed_all(decoder, pieces)
    expected, too_large, begun = understand(b"".join(pieces))
    assert found == not_empty(expected)
    assert decoder.too_large == too_large
    assert decoder.partial == begun


@pytest.mark.parametrize(
    "size",
    [0, 1, LIMIT - 1, LIMIT],
    ids=["case-1-length-0", "length-1", "below-the-cap", "case-3-the-cap"],
)
def test_sizes_up_to_the_limit_are_waited_for(size: int) -> None:
    """A header within the limit is no fault, and its body is taken."""
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(header(size)) == []
    assert decoder.too_large is None
    assert decoder.feed(b"x" * size) == ([b"x" * size] if size else [])


@pytest.mark.parametrize("size", [LIMIT + 1, 2**31, 2**32 - 1], ids=lambda size: f"case-3-{size}")
def test_sizes_over_the_limit_are_known_by_the_header_alone(size: int) -> None:
    """Case 3: no byte of the body is waited for, and nothing is set aside for it."""
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(encode_frame(b"before") + header(size)) == [b"before"]
    assert decoder.too_large == size
    assert not decoder.partial


@given(st.binary(min_size=1, max_size=HEADER - 1))
def test_half_a_header_is_not_judged(start: bytes) -> None:
    """Three bytes of the largest header say nothing yet; the frame has begun."""
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(start) == []
    assert decoder.partial
    assert decoder.too_large is None


def test_nothing_after_a_frame_over_the_limit_is_read() -> None:
    """The stream is lost from there on, even where a good frame seems to follow."""
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(header(LIMIT + 1) + encode_frame(b"after")) == []
    assert decoder.feed(encode_frame(b"later")) == []
    assert decoder.too_large == LIMIT + 1


def test_a_flood_of_keep_alives_gives_nothing_and_leaves_nothing() -> None:
    """Case 1: a hundred thousand empty frames, then a body, which comes out."""
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(encode_frame(b"") * 100_000 + encode_frame(b"x")) == [b"x"]
    assert not decoder.partial


def test_a_keep_alive_in_four_pieces_is_still_nothing() -> None:
    """An empty frame may be cut like any other; it has begun until its last byte."""
    decoder = FrameDecoder(LIMIT)
    begun = []
    for _ in range(HEADER):
        assert decoder.feed(b"\0") == []
        begun.append(decoder.partial)
    assert begun == [True, True, True, False]


def test_empty_reads_change_nothing() -> None:
    """No bytes between two halves of a frame are no bytes."""
    decoder = FrameDecoder(LIMIT)
    frame = encode_frame(b"hello")
    assert feed_all(decoder, [b"", frame[:6], b"", frame[6:], b""]) == [b"hello"]


def test_a_raised_limit_holds_from_the_next_header_on() -> None:
    """Before welcome little is allowed, after it more; the same decoder goes on."""
    decoder = FrameDecoder(4)
    assert decoder.feed(encode_frame(b"tiny")) == [b"tiny"]
    decoder.limit = LIMIT
    assert decoder.feed(encode_frame(b"x" * LIMIT)) == [b"x" * LIMIT]
    assert decoder.too_large is None


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        (b"", "00000000"),
        (b"{}", "000000027b7d"),
        (b"x" * 258, "00000102" + "78" * 258),
    ],
)
def test_frames_on_the_wire(body: bytes, frame: str) -> None:
    """Vectors: four bytes of length, the most significant first, and the body as it is."""
    assert encode_frame(body).hex() == frame


def test_a_frame_of_the_largest_size_survives_the_way() -> None:
    """What the server may send at most is cut out whole by a client's decoder."""
    body = b"x" * limits.FRAME_TO_CLIENT
    decoder = framing.FrameDecoder(limits.FRAME_TO_CLIENT)
    frame = encode_frame(body)
    middle = len(frame) // 2
    assert feed_all(decoder, [frame[:middle], frame[middle:]]) == [body]
