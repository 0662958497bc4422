"""What every journal promises, whatever it keeps its entries in.

The contract (tests/server/journal/test_contract.py holds every implementation to it):
- `append` never blocks. It raises JournalFull when its queue is full, and then nothing happened.
  Otherwise the entry has exactly one outcome, handed on to `hand_on`, on any thread: Kept,
  Repeated, or Failed.
- Per room the numbers are 1, 2, 3 … without gap or repeat.
- An entry is handed on as Kept only when it is as durable as `durability` says, in the order of its
  numbers; what was handed on stays readable until retention removes it.
- An entry with a `refusal` at the moment it would be numbered is Failed with it; so nothing gets a
  number after an entry that was appended once the voice of its author was withdrawn.
- The same (author, cid) again is not kept but answered: Repeated, or Failed where it says
  something else. A cid is remembered for CID_DAYS.
- `read` and `search` return the very bytes that were handed on. They may wait: call in a worker.
  Where the disk has a fault they raise Refused (`server.storage`).
- `epoch` changes when a room's history was lost: its numbers then start again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from chat_schema.errors import Refused
from chat_server.domain.voice import Voice

Durability = Literal["memory", "process", "disk"]

CID_DAYS = 7
"""Days for which a repeated message is recognised: a laptop closed over a long weekend."""


class JournalFull(Exception):
    """More is waiting to be kept than the journal takes; nothing of this entry was kept."""


class Entry:
    """An event that still lacks its number, and who is to be told of it.

    The body is `head`, the number, and `tail`: the handler has made both, so that a journal needs
    to know no message. `author`, `cid` and `ts` (the date as in the body) recognise a repetition.
    `people` are the uids that get it where it is not for a room. `topic` is what the room's topic
    becomes, None where it stays. `unless` is given for an entry that cannot be kept any more (whom
    it is for has left), `voice` is the author's right to say it, which can be withdrawn while the
    entry waits: it is refused so, unless it repeats one that was kept. `origin` is the session that
    asked under the id `re`, None where nobody did; `answer` makes the reply, None where no reply is
    wanted; `then` is told the outcome, and says whether it has posted what the reply must come
    after. A journal carries these four and never looks.
    """

    __slots__ = (
        "answer", "author", "cid", "head", "origin", "people", "re", "room", "tail", "then",
        "topic", "ts", "unless", "voice",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one parameter per fact
        self,
        room: str,
        head: str,
        tail: str,
        *,
        ts: str,
        author: str,
        cid: str | None,
        origin: Any,
        re: str | None,
        answer: Answer | None,
        people: tuple[str, ...] = (),
        topic: str | None = None,
        unless: Refused | None = None,
        voice: Voice | None = None,
        then: Callable[[Outcome], bool] | None = None,
    ) -> None:
        self.room = room
        self.head = head
        self.tail = tail
        self.ts = ts
        self.author = author
        self.cid = cid
        self.origin = origin
        self.re = re
        self.answer = answer
        self.people = people
        self.topic = topic
        self.unless = unless
        self.voice = voice
        self.then = then

    @property
    def refusal(self) -> Refused | None:
        """Why this cannot be kept at this moment, None where it can."""
        if self.unless is not None or self.voice is None:
            return self.unless
        return self.voice.refused


class First(NamedTuple):
    """What an entry that was kept before is answered with: the room's name, number, and date."""

    room: str
    seq: int
    ts: str


Answer = Callable[[int, First | None], bytes]
"""Makes the body of a reply from the number, and for a repetition from the first outcome."""


class Kept(NamedTuple):
    """The entry is number `seq`, and `frame` is what everybody gets."""

    entry: Entry
    seq: int
    frame: bytes


class Repeated(NamedTuple):
    """The entry was kept before; nobody gets anything new."""

    entry: Entry
    first: First


class Failed(NamedTuple):
    """The entry was not kept."""

    entry: Entry
    refused: Refused


Outcome = Kept | Repeated | Failed

HandOn = Callable[[Sequence[Outcome]], None]
"""Gets the outcomes of entries that were settled together, in order."""


class Position(NamedTuple):
    """Where a room stands: the newest number, the oldest that can be read, and the epoch."""

    epoch: str
    head: int
    oldest: int


class Page(NamedTuple):
    """A piece of history: event bodies in ascending order, and whether there is more that way."""

    bodies: list[bytes]
    more: bool
    position: Position


class Query(NamedTuple):
    """What to look for: in these rooms, all `words`, said by the nick `sender`, before a number."""

    rooms: Sequence[str]
    words: Sequence[str]
    sender: str | None
    before: int | None
    limit: int
    size: int


class Found(NamedTuple):
    """The newest events that match, ascending, and whether older ones do too."""

    bodies: list[bytes]
    more: bool


class Retention(NamedTuple):
    """How much of a room is kept: so many entries, none older than so many days; None: all."""

    entries: int | None
    days: float | None


class Known(NamedTuple):
    """What a journal knows of a room that has entries."""

    name: str
    topic: str


class Stay(NamedTuple):
    """A stay that can be resumed by the token of this digest: whose, and the names of its rooms."""

    uid: str
    nick: str
    digest: str
    rooms: tuple[str, ...]


class Act(NamedTuple):
    """What somebody with power did, for the audit: when, who, what, where, to whom, and the rest.

    The journal gives the `number`, 1 and up; before that it is 0.
    """

    number: int
    ts: str
    actor: str
    act: str
    room: str | None
    target: str | None
    detail: str | None


class Acts(NamedTuple):
    """A page of acts in ascending order, and whether there are older ones."""

    acts: list[Act]
    more: bool


Done = Callable[[Refused | None], None]
"""Is told when something is stored, or why it was not; on any thread."""


def ignore(_: Refused | None) -> None:
    """Nobody waits for it: what could not be stored is known while this server runs."""


class Journal(Protocol):
    """The contract above as a type. Every method may be called on any thread."""

    durability: Durability

    def open(self, hand_on: HandOn) -> None:
        """Begin; `hand_on` gets every outcome."""

    def append(self, entry: Entry) -> None:
        """Number `entry`, keep it, hand it on."""

    def position(self, room: str) -> Position:
        """Where `room` stands; a room without entries stands at 0 with the oldest at 1."""

    def retention(self, room: str) -> Retention:
        """How much of `room` is kept."""

    def known(self, room: str) -> Known | None:
        """Name and topic of a room that has entries."""

    def rooms(self) -> Iterable[Known]:
        """Every room that has entries, conversations and `*` not among them."""

    def conversations(self) -> Iterable[str]:
        """Every whisper conversation that has entries."""

    def read(
        self, room: str, *, after: int | None, before: int | None, limit: int, size: int
    ) -> Page:
        """Up to `limit` events and `size` bytes: the first after a number, else the last before."""

    def search(self, query: Query) -> Found:
        """The newest events that match."""

    def evict(self, room: str) -> None:
        """Take note that the server has let a room go: drop it, unless it outlives the server."""

    def forget(self, room: str) -> None:
        """Drop a conversation that can never be read again; its epoch ends."""

    def keep_stay(self, stay: Stay, done: Done) -> None:
        """Keep a stay, new or changed, for as long as entries are."""

    def drop_stay(self, digest: str) -> None:
        """Forget a stay that is over, by the digest of its token."""

    def stays(self) -> Iterable[Stay]:
        """The stays that were kept when the journal was opened."""

    def keep_record(self, kind: str, key: str, body: str | None, done: Done) -> None:
        """Keep JSON text under this kind and key, in the place of what was there; None removes."""

    def records(self, kind: str) -> Iterable[tuple[str, str]]:
        """Key and body of each record of the kind that was kept when the journal was opened."""

    def keep_act(self, act: Act, done: Done) -> None:
        """Keep an act under the next number."""

    def acts(self, before: int | None, limit: int) -> Acts:
        """The newest acts kept until now, or the last before a number; call in a worker."""

    def flush(self) -> None:
        """Return when everything appended until now is settled and handed on."""

    def close(self) -> None:
        """Settle what is waiting, then refuse everything."""

    @property
    def alive(self) -> bool:
        """Whether the journal does its work; false is a fault of the server."""

    @property
    def storing(self) -> bool:
        """Whether what is appended now will be kept, as far as can be known."""

    @property
    def backlog(self) -> int:
        """How much waits to be kept."""
