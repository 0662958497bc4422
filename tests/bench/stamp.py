"""What a message carries so that a receiver can count it and tell its age.

A mark, when it was sent (microseconds on a clock all processes share), and the talker's number. The
mark is long so that `count` can skip most of the bytes, and of one character so that a search never
has to go back; together they make a count several times faster than reading the frames would be.
"""

from __future__ import annotations

import time

MARK = b"~" * 32
CLOCK_DIGITS = 11
NUMBER_DIGITS = 5
DIGITS = CLOCK_DIGITS + NUMBER_DIGITS
BLANK = MARK + b"0" * DIGITS

_PROSE = b" when the build is green we can ship it before lunch and talk about the rest"

_ROLLS_OVER: int = 10**CLOCK_DIGITS


def clock() -> int:
    """Microseconds; the same in every process of this machine, and new again after a day."""
    return time.monotonic_ns() // 1000 % _ROLLS_OVER


def text(size: int) -> bytes:
    """A text of `size` bytes with a blank stamp."""
    return BLANK + words(size - len(BLANK))


def words(size: int) -> bytes:
    """Words of `size` bytes together: a server may have an index to make of them."""
    return (_PROSE * (size // len(_PROSE) + 1))[: max(0, size)]


def digits(now: int, number: int) -> bytes:
    """What replaces the digits of a blank stamp."""
    return b"%011d%05d" % (now, number)


def age(now: int, stamp: bytes) -> int:
    """Microseconds since `stamp`, the digits after a mark, was sent."""
    return (now - int(stamp[:CLOCK_DIGITS])) % _ROLLS_OVER
