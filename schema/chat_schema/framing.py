"""Length-prefixed frames: bytes from a stream in, whole JSON bodies out.

Rules:
- A frame is a big-endian uint32 byte length and that many bytes. Length 0 is a keep-alive.
- `feed` never raises. A header over the limit sets `too_large`, before any byte of that body is
  waited for; what came before it is still returned, what comes after it never is.
- The cost is linear in the bytes, however they are split.
- One thread at a time.
"""

from __future__ import annotations

from struct import Struct

HEADER = 4
"""Bytes of the length prefix."""

_unpack_length = Struct(">I").unpack_from


def encode_frame(body: bytes) -> bytes:
    """Return `body`, the UTF-8 of one JSON object, as a frame ready for the stream."""
    return len(body).to_bytes(HEADER, "big") + body


class FrameDecoder:
    """Cuts a byte stream into bodies of at most `limit` bytes; the limit may change in between."""

    __slots__ = ("_missing", "_parts", "limit", "too_large")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.too_large: int | None = None
        self._parts: list[bytes] = []
        self._missing = 0

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._parts)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream, split anywhere; return the bodies they complete."""
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return []
            data = b"".join(self._parts)
            self._parts = []
        return self._cut(data) if self.too_large is None else []

    def _cut(self, data: bytes) -> list[bytes]:
        bodies: list[bytes] = []
        start = 0
        available = len(data)
        while (begin := start + HEADER) <= available:
            (size,) = _unpack_length(data, start)
            if size > self.limit:
                self.too_large = size
                return bodies
            end = begin + size
            if end > available:
                self._wait(data[start:], end - available)
                return bodies
            if size:
                bodies.append(data[begin:end])
            start = end
        if start < available:
            self._wait(data[start:], begin - available)
        return bodies

    def _wait(self, rest: bytes, missing: int) -> None:
        self._parts = [rest]
        self._missing = missing
