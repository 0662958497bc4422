"""A talker who asks for an answer to each message, as a client does that wants to know it kept."""

from __future__ import annotations

from tests.bench import stamp
from tests.bench.dialect import frame
from tests.bench.member import Member, Talker

_DIGITS = 11
_NO_COUNT = b"0" * _DIGITS
_NO_CID = b"#" * _DIGITS


class Author(Talker):
    """Stamps the `id`, which comes back in the answer, and gives each message a `cid`."""

    __slots__ = ("_between",)

    def __init__(self, member: Member, room: str, size: int) -> None:
        super().__init__(member, room, size)
        id = (stamp.BLANK + _NO_COUNT).decode()
        whole = frame(
            type="broadcast",
            id=id,
            cid=_NO_CID.decode(),
            room=room,
            text=stamp.words(size).decode(),
        )
        before, _, rest = whole.partition(stamp.BLANK + _NO_COUNT)
        self._before = before + stamp.MARK
        self._between, _, self._after = rest.partition(_NO_CID)

    def _messages(self, times: int, digits: bytes) -> bytes:
        start = self._before + digits
        counts = (b"%011d" % count for count in range(self.sent, self.sent + times))
        return b"".join(
            b"%b%b%b%b%b" % (start, count, self._between, count, self._after) for count in counts
        )
