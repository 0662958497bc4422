"""How far each conversation was seen: repeats are dropped, gaps are filled before anything later.

Rules:
- A view is given each number of a conversation once, in order. What comes too early is held back
  until pages of `history` have filled the gap; what retention removed is told as one Missing.
- Another epoch ends the old numbers: Restarted is told, and the numbers of the server hold.
- Every answer to a page moves the cursor or ends the fill: no server can keep a client filling
  for ever without sending something new. What is held back is bounded; the rest is read again.
- A server that wants fewer pages gets one at a time, after as long as it said.
- Conversations that cannot be read back (no epoch is known of them) have no gaps, only repeats.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from chat_schema import events, limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.moderation_events import AnyAct
from chat_schema.names import EVERYONE, same_name

HELD = 1000
"""Events held back in all: more than a burst brings while a page is on its way."""

TRIES = 5
"""Times a page is asked for that the server cannot give at present."""

LIMITED_TRIES = 50
"""Times it is asked for where we ask too often: a hundred gaps, and a program that reads too."""

CONVERSATIONS = 1000
"""Conversations remembered: a server that invents more of them makes us forget the quietest."""

EARLIER = 20
"""Whispers that who has an account is shown of a conversation that this program has not seen."""

WHISPERS = "dm:"
"""How the name of every whisper conversation begins."""

Numbered = events.NumberedEvent | events.Unknown
Shown = events.AnyEvent | events.Unknown


class Missing(events.Notice):
    """Local: `count` numbers of `room` are gone for good, or could not be had."""

    code: str = "history.gap"
    ts: str = ""
    room: str
    count: int


class Restarted(events.Notice):
    """Local: the numbers of `room` have begun anew, and are at `head`; history was lost."""

    code: str = "history.epoch"
    ts: str = ""
    room: str
    head: int


@dataclass
class Conversation:
    """One run of numbers: `seq` was handed on last, `head` is the newest known to exist.

    `latest`: of what was said before, only the end is wanted. `sure`: the server has told of
    `head` on this connection. `page`: the number after which one is asked for. `stalled`: it was
    refused for now. `closed`: it was refused for good. `turn`: its place among those refused
    because we ask too often, 0 for none, and `wait` the seconds told.
    """

    name: str
    seq: int = 0
    head: int = 0
    epoch: str | None = None
    joined: bool = False
    latest: bool = False
    sure: bool = True
    page: int | None = None
    stalled: bool = False
    turn: int = 0
    wait: float = 0.0
    closed: bool = False
    tries: int = 0
    held: dict[int, Numbered] = field(default_factory=dict)

    @property
    def whisper(self) -> bool:
        """Whether two people talk here: such a conversation begins at 0."""
        return self.name.startswith(WHISPERS)

    @property
    def readable(self) -> bool:
        """Whether a gap in it can be filled."""
        return not self.closed and (self.epoch is not None or self.whisper)

    @property
    def whole(self) -> bool:
        """Whether everything there is has been handed on."""
        return self.sure and self.seq >= self.head

    @property
    def wanting(self) -> bool:
        """Whether a page should be asked for now."""
        incomplete = not self.whole or self.epoch is None
        return self.readable and incomplete and self.page is None and not self.stalled

    def is_other(self, epoch: str) -> bool:
        """Whether these numbers go on in another run; where nothing was seen, they begin in it."""
        return self.epoch not in (None, epoch) and self.seq > 0


class Cursors:
    """Every conversation this client knows, the one heard of last at the end."""

    def __init__(self) -> None:
        self.missed = 0
        self._account = False
        self._all: dict[str, Conversation] = {}
        self._turns = itertools.count(1)

    # What is known

    def find(self, room: str) -> Conversation | None:
        """The conversation of this name, in any case."""
        return self._all.get(same_name(room))

    def is_known(self, room: str) -> bool:
        """Whether something said there can be looked for from where we are."""
        found = self.find(room)
        return found is not None and found.epoch is not None

    def joined(self) -> list[str]:
        """The rooms one is in, as they are spelled."""
        return [each.name for each in self._all.values() if each.joined]

    def places(self, leaving: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Where one is in each conversation, for a hello: rooms first, the latest heard first."""
        left = {same_name(room) for room in leaving}
        latest = [each for key, each in reversed(self._all.items()) if key not in left]
        named = sorted(latest, key=lambda each: not each.joined)
        known = {each.name: (each.epoch, each.seq) for each in named}
        usable = [(name, (epoch, seq)) for name, (epoch, seq) in known.items() if epoch is not None]
        return dict(usable[: limits.RESUMED])

    def pages(self) -> list[requests.History]:
        """The pages to ask for now; each is taken to be asked for."""
        wanted = [each for each in self._all.values() if each.wanting]
        for each in wanted:
            each.page = each.seq
        return [_page(each) for each in wanted]

    @property
    def stalled(self) -> bool:
        """Whether a page was refused that can be asked for later, after `wake`."""
        return any(each.stalled for each in self._all.values())

    @property
    def wait(self) -> float:
        """The seconds after which the server wants `wake` at the earliest."""
        return min((each.wait for each in self._all.values() if each.stalled), default=0.0)

    # What changes it

    def take(self, event: Numbered) -> list[Shown]:
        """What may be shown now that `event` is here: nothing, it alone, or it and more."""
        if event.room is None or event.seq is None:
            return [event]
        if isinstance(event, AnyAct) and not self._is_in(event.room):
            return [event]  # told because it concerns us: the room's numbers are none of ours
        found = self._meet(event.room)
        found.head = max(found.head, event.seq)
        if event.seq > found.seq + 1 and found.readable:
            self._hold(found, event)
            return []
        if event.seq <= found.seq:
            return []
        found.seq = event.seq
        return [event, *_release(found)]

    def enter(self, reply: replies.JoinOk) -> list[Shown]:
        """Take in the answer to a join."""
        found = self._meet(reply.room)
        found.name, found.joined, found.sure = reply.room, True, True
        if found.epoch is None:
            found.epoch = reply.epoch
            found.seq = found.head = reply.seq
        if found.is_other(reply.epoch):
            return _start_over(found, reply.epoch, reply.seq)
        found.epoch = reply.epoch
        found.head = max(found.head, reply.seq)
        return []

    def note_account(self, account: bool) -> None:
        """Take in whether one has an account, whose whispers may go back for years."""
        self._account = account

    def close(self, room: str) -> None:
        """Read nothing back of a room that is being left."""
        if (found := self.find(room)) is not None:
            found.closed = True

    def leave(self, room: str) -> None:
        """Forget a room."""
        self._all.pop(same_name(room), None)

    def note_everyone(self, cursor: tuple[str, int]) -> None:
        """Take in where `*` stands, unless it is known better."""
        found = self._meet(EVERYONE)
        if found.epoch is None:
            found.epoch, found.seq = cursor
            found.head = max(found.head, found.seq)

    def note_whispers(self, conversations: Iterable[str]) -> None:
        """Take in which whispers one has: what is not known of them is read from the beginning."""
        for name in conversations:
            if name.startswith(WHISPERS):
                self._meet(name)

    def lose(self) -> None:
        """The connection is gone: what is held back will come again, and nothing is sure."""
        self.missed = 0
        for each in self._all.values():
            each.held.clear()
            each.head = each.seq
            each.page = None
            each.stalled = each.closed = each.sure = False
            each.tries = 0

    def forget_whispers(self) -> None:
        """One has another uid: the conversations of the old one cannot be read any more."""
        self._all = {key: each for key, each in self._all.items() if not each.whisper}

    def replay(self, event: events.Replay) -> list[Shown]:
        """Take in the beginning of a replay; its events come through `take`."""
        if event.state != "begin" or event.epoch is None:
            return []
        found = self._meet(event.room)
        head = event.head or 0
        found.sure = True
        if found.epoch is None and not found.whisper:
            found.seq = event.after or 0
        if found.is_other(event.epoch) or found.seq > head:
            return _start_over(found, event.epoch, head)
        found.epoch = event.epoch
        found.head = max(found.head, head)
        self.missed += found.head - found.seq
        return []

    def fill(self, room: str, reply: replies.HistoryOk) -> list[Shown]:
        """Take in a page that was asked for."""
        found = self.find(room)
        if found is None:
            return []
        before, found.page = found.page, None
        if found.latest:
            _begin_at_the_end(found, reply)
        found.sure, found.tries = True, 0
        if found.is_other(reply.epoch):
            return _start_over(found, reply.epoch, reply.head)
        found.epoch = reply.epoch
        if reply.more:
            found.head = max(found.head, reply.head)
        shown = _turn_page(found, reply)
        if found.seq == before and found.seq < found.head:
            shown += _give_up(found)
        return shown

    def refuse(self, room: str, refused: Refused) -> list[Shown]:
        """Take in that a page was refused."""
        found = self.find(room)
        if found is None:
            return []
        found.page = None
        found.tries += 1
        limited = refused.code == "rate.reads"
        if refused.retryable and found.tries < (LIMITED_TRIES if limited else TRIES):
            found.stalled = True
            found.turn = next(self._turns) if limited else 0
            found.wait = (refused.retry_after or 0.0) if limited else 0.0
            return []
        found.sure = found.closed = True
        return _give_up(found)

    def wake(self) -> None:
        """Ask again for what was refused, but where we ask too often for one page only."""
        stalled = [each for each in self._all.values() if each.stalled]
        turn = min((each.turn for each in stalled if each.turn), default=0)
        for each in stalled:
            each.stalled = each.turn > turn

    def _meet(self, room: str) -> Conversation:
        """Find or begin a conversation, which is now the one heard of last."""
        key = same_name(room)
        found = self._all.pop(key, None) or Conversation(room)
        self._all[key] = found
        found.latest = found.whisper and found.seq == 0 and found.epoch is None and self._account
        if len(self._all) > CONVERSATIONS:
            quiet = (key for key, each in self._all.items() if not each.joined)
            del self._all[next(quiet, next(iter(self._all)))]
        return found

    def _is_in(self, room: str) -> bool:
        found = self.find(room)
        return found is not None and found.joined

    def _hold(self, found: Conversation, event: Numbered) -> None:
        assert event.seq is not None
        if sum(len(each.held) for each in self._all.values() if each.held) < HELD:
            found.held.setdefault(event.seq, event)


def _release(found: Conversation) -> list[Shown]:
    """What follows without a gap among the events held back; older ones are thrown away."""
    shown: list[Shown] = []
    while (event := found.held.pop(found.seq + 1, None)) is not None:
        found.seq += 1
        shown.append(event)
    if found.held and min(found.held) <= found.seq:
        found.held = {seq: event for seq, event in found.held.items() if seq > found.seq}
    return shown


def _page(found: Conversation) -> requests.History:
    """What to ask for next of a conversation; a retry asks the same."""
    if found.latest:
        return requests.History(room=found.name, limit=EARLIER)
    return requests.History(room=found.name, after=found.seq)


def _begin_at_the_end(found: Conversation, reply: replies.HistoryOk) -> None:
    """Take the last page for the first: what was said before is history, and no gap."""
    found.latest = False
    numbers = [event.get("seq") for event in reply.events]
    first = min((number for number in numbers if isinstance(number, int)), default=reply.head + 1)
    found.seq = max(found.seq, first - 1)


def _turn_page(found: Conversation, reply: replies.HistoryOk) -> list[Shown]:
    """The events of a page, each after what is missing before it; then what was held back."""
    shown = _skip(found, min(reply.oldest - 1, reply.head))
    for event in map(events.event_of, reply.events):
        if not isinstance(event, Numbered) or event.seq is None or event.seq <= found.seq:
            continue
        shown += _skip(found, event.seq - 1)
        found.seq = event.seq
        shown.append(event)
    found.head = max(found.head, found.seq)
    return shown + _release(found)


def _skip(found: Conversation, to: int) -> list[Shown]:
    """Give up the numbers up to `to` where they were not seen."""
    count = to - found.seq
    if count <= 0:
        return []
    found.seq = to
    found.head = max(found.head, to)
    plural = "message is" if count == 1 else "messages are"
    return [Missing(room=found.name, count=count, message=f"{count} {plural} gone for good.")]


def _give_up(found: Conversation) -> list[Shown]:
    """The server does not give what is missing: go on with what is here."""
    to = min(found.held, default=found.head + 1) - 1
    return _skip(found, to) + _release(found)


def _start_over(found: Conversation, epoch: str, head: int) -> list[Shown]:
    found.epoch = epoch
    found.seq = head
    found.head = max(found.held, default=head)
    message = "The numbers have begun anew: history was lost or restored."
    return [Restarted(room=found.name, head=head, message=message), *_release(found)]
