"""Length-prefixed frames: bytes from a stream in, whole JSON bodies out.

Rules:
- A frame is a big-endian uint32 byte length and that many bytes. Length 0 is a keep-alive.
- `feed` never fails. `frames` yields what is whole and raises FrameTooLarge when it meets a header
  over the limit, after everything before that header was yielded and before any byte of the body
  is waited for. A decoder that raised is spent: the stream cannot be trusted any more.
- Abandoning the iterator loses nothing: call `frames` again to go on where it stopped. That is how
  a reader pauses in the middle of a segment.
- One thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

HEADER = 4
"""Bytes of the length prefix."""


class FrameTooLarge(Exception):
    """A header announced more bytes than the limit allows; the connection must end."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a frame of {size} bytes exceeds the limit of {limit}")
        self.size = size
        self.limit = limit


def encode_frame(body: bytes) -> bytes:
    """Return `body`, the UTF-8 of one JSON object, as a frame ready for the stream."""
    return len(body).to_bytes(HEADER, "big") + body


class FrameDecoder:
    """Cuts a byte stream into bodies; `limit` may be raised between frames."""

    __slots__ = ("_buffer", "_start", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer: bytes | bytearray = b""
        self._start = 0

    @property
    def pending(self) -> int:
        """Bytes taken in that no yielded body covered: 0 at a frame's border."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream, split anywhere."""
        if self._start == len(self._buffer):
            self._buffer, self._start = data, 0  # the usual case: no copy
            return
        if not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(self._buffer)
        del self._buffer[: self._start]
        self._start = 0
        self._buffer += data

    def frames(self) -> Iterator[bytes]:
        """Yield each whole body that has arrived; raise FrameTooLarge at a header over the limit."""
        while True:
            buffer = self._buffer
            begin = self._start + HEADER
            if begin > len(buffer):
                return
            size = int.from_bytes(buffer[self._start : begin], "big")
            if size > self.limit:
                raise FrameTooLarge(size, self.limit)
            end = begin + size
            if end > len(buffer):
                return
            self._start = end
            if size:
                yield bytes(buffer[begin:end])
