"""One loop's members of one room, and the frames they are about to get.

Rules:
- Frames gather in order during a tick; at its end one joined object goes to every member.
- An outbox that must have them earlier (a reply is due, or its member leaves) catches up alone.
  So each client sees one order: whatever was published first comes first.
- A murmur (somebody came or went) may wait in a crowd: until something is published, a member
  catches up, or a moment has passed. Ten thousand people who come at once cost a send each, not
  ten thousand. It keeps its place in the order.
- `delivered` is the number of the last numbered frame published here; older ones are dropped.
- Only the owning loop's thread may call anything here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chat_server.net.outbox import Outbox

CROWD = 100
"""Members from which on murmurs wait: below it a tick's sends cost less than a timer is worth."""


class Audience:
    """The outboxes of one room on one loop.

    `dirty` is the loop's list of audiences to spread at the end of the tick; `later(audience)` has
    the loop call `hush` in a moment.
    """

    __slots__ = (
        "_caught_up", "_dirty", "_frames", "_later", "_listed", "_members", "_murmuring",
        "delivered",
    )  # fmt: skip

    def __init__(
        self, dirty: list[Audience], delivered: int, later: Callable[[Audience], None]
    ) -> None:
        self.delivered = delivered
        self._dirty = dirty
        self._later = later
        self._listed = False
        self._murmuring = False
        self._members: set[Outbox] = set()
        self._frames: list[bytes] = []
        self._caught_up: dict[Outbox, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Outbox]:
        return iter(self._members)

    def add(self, outbox: Outbox) -> None:
        """Let `outbox` have everything that is published from now on."""
        self._members.add(outbox)
        outbox.rooms += 1
        if self._frames:
            self._caught_up[outbox] = len(self._frames)

    def remove(self, outbox: Outbox) -> None:
        """Give `outbox` what was published until now, and nothing later."""
        self.catch_up(outbox)
        self.drop(outbox)

    def drop(self, outbox: Outbox) -> None:
        """Forget `outbox` at once: its connection has said its farewell."""
        self._members.discard(outbox)
        outbox.rooms -= 1
        self._caught_up.pop(outbox, None)

    def publish(self, frame: bytes) -> None:
        """Put `frame` before every member at the end of the tick."""
        if not self._listed:
            self._listed = True
            self._dirty.append(self)
        self._frames.append(frame)

    def murmur(self, frame: bytes) -> None:
        """Put `frame` before every member, in a crowd not at once."""
        if len(self._members) < CROWD:
            self.publish(frame)
            return
        self._frames.append(frame)
        if not self._murmuring:
            self._murmuring = True
            self._later(self)

    def hush(self) -> None:
        """Let what was murmured leave with this tick."""
        self._murmuring = False
        if self._frames and not self._listed:
            self._listed = True
            self._dirty.append(self)

    def deliver(self, seq: int, frame: bytes) -> None:
        """Publish the numbered `frame`, unless a snapshot of the room had it already."""
        if seq > self.delivered:
            self.delivered = seq
            self.publish(frame)

    def publish_to(self, outboxes: Iterable[Outbox], frame: bytes) -> None:
        """Put `frame` before these members only, after what is pending here."""
        for outbox in outboxes:
            self.catch_up(outbox)
            outbox.put(frame)

    def catch_up(self, outbox: Outbox) -> None:
        """Put what is pending into `outbox` now."""
        if not self._frames or outbox not in self._members:
            return
        self._put(outbox, self._frames[self._caught_up.get(outbox, 0) :])
        self._caught_up[outbox] = len(self._frames)

    def spread(self) -> None:
        """Put the tick's frames into every member's outbox: the same bytes for all."""
        frames = self._frames
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        if self._caught_up:
            for outbox, taken in self._caught_up.items():
                self._put(outbox, frames[taken:])
            others: Iterable[Outbox] = self._members.difference(self._caught_up)
            self._caught_up = {}
        else:
            others = self._members
        for outbox in others:
            outbox.pass_on(data)
        self._frames = []
        self._listed = False

    @staticmethod
    def _put(outbox: Outbox, frames: list[bytes]) -> None:
        if frames:
            outbox.put(b"".join(frames))
