"""Judges a run by its logs and its store: pure functions that say in words what was broken.

Rules:
- Acknowledged means stored: at that number, with that text, under that cid.
- Seen means stored: every event that reached anybody is in the store, byte for byte.
- Numbers are dense: a room has every number from its oldest to its newest, each once.
- Views are gapless: a receiver's numbers ascend by one, also across a cut and a resume, and where
  the run was complete they reach the newest.
- Exactly once: a message, known by its cid, is in the store at most once.
- Order: what a sender said first has the lower number, unless the server had refused it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.logs import Entered, Logs, Message, Seen, Store, StoredRoom


class Violation(NamedTuple):
    """A broken promise: `kind` is for counting, `words` for reading."""

    kind: str
    words: str


KINDS = ("lost", "doubled", "reordered", "gap", "changed")


class _Event(NamedTuple):
    """What the checker reads of an event's body."""

    author: str
    cid: str | None
    text: str


_Found = dict[str, list[tuple[str, int, str]]]
"""Where each cid is in the store: room, number and text."""


def check(logs: Logs, store: Store) -> list[Violation]:
    """Return every violation that the logs and the store show."""
    indexed = {room: dict(stored.events) for room, stored in store.rooms.items()}
    found = _by_cid(store)
    return [
        *_density(store),
        *_repetitions(found),
        *_cid_rows(store, indexed),
        *_promises(logs, store, indexed, found),
        *_order(logs, found),
        *_views(logs, store),
        *_sightings(logs, store, indexed),
    ]


def count(violations: list[Violation]) -> Counter[str]:
    """How many violations of each kind."""
    return Counter(violation.kind for violation in violations)


@lru_cache(maxsize=1 << 17)
def _read(body: bytes) -> _Event:
    event = json.loads(body)
    return _Event(event["user"]["uid"], event.get("cid"), event.get("text", ""))


def _by_cid(store: Store) -> _Found:
    found: _Found = {}
    for name, room in store.rooms.items():
        for seq, body in room.events:
            event = _read(body)
            if event.cid is not None:
                found.setdefault(event.cid, []).append((name, seq, event.text))
    return found


# The store by itself


def _density(store: Store) -> Iterator[Violation]:
    for name, room in store.rooms.items():
        numbers = [room.oldest - 1, *sorted(seq for seq, _ in room.events)]
        for before, seq in pairwise(numbers):
            if seq == before:
                yield Violation("doubled", f"{name} has number {seq} twice in the store")
            elif seq != before + 1:
                yield Violation("gap", f"{name} has no {before + 1} in the store, but {seq}")


def _repetitions(found: _Found) -> Iterator[Violation]:
    for cid, places in found.items():
        if len(places) > 1:
            where = ", ".join(f"{room} {seq}" for room, seq, _ in places)
            yield Violation("doubled", f"message {cid} is in the store as {where}")


def _cid_rows(store: Store, indexed: dict[str, dict[int, bytes]]) -> Iterator[Violation]:
    rows = Counter((row.author, row.cid) for row in store.cids)
    for (author, cid), rows_of_it in rows.items():
        if rows_of_it > 1:
            yield Violation("doubled", f"cid {cid} of {author} has {rows_of_it} rows")
    for row in store.cids:
        body = indexed.get(row.room, {}).get(row.seq)
        if body is not None and _read(body)[:2] != (row.author, row.cid):
            yield Violation("changed", f"cid {row.cid} names {row.room} {row.seq}, another message")


# Senders


def _promises(
    logs: Logs, store: Store, indexed: dict[str, dict[int, bytes]], found: _Found
) -> Iterator[Violation]:
    for sender, messages in logs.senders.items():
        for message in messages:
            if message.seq is not None and message.seq >= _oldest(store, message.room):
                yield from _promise(sender, message, indexed, found)


def _oldest(store: Store, room: str) -> int:
    return store.rooms[room].oldest if room in store.rooms else 1


def _promise(
    sender: str, message: Message, indexed: dict[str, dict[int, bytes]], found: _Found
) -> Iterator[Violation]:
    where = f"{message.room} {message.seq}"
    body = indexed.get(message.room, {}).get(message.seq or 0)
    if body is None or _read(body).cid != message.cid:
        if message.cid not in found:
            yield Violation("lost", f"{sender}'s {message.cid}, acknowledged as {where}, is lost")
        else:
            room, seq, _ = found[message.cid][0]
            words = f"{sender}'s {message.cid}, acknowledged as {where}, is {room} {seq}"
            yield Violation("reordered", words)
    elif _read(body).text != message.text:
        yield Violation("changed", f"{sender}'s {message.cid}, {where}, has another text")


def _order(logs: Logs, found: _Found) -> Iterator[Violation]:
    for sender, messages in logs.senders.items():
        newest: dict[str, tuple[int, str]] = {}
        for message in messages:
            places = found.get(message.cid)
            if message.refused or not places:
                continue
            room, seq, _ = places[0]
            before, cid = newest.get(room, (0, ""))
            if seq < before:
                words = f"{sender} said {cid} before {message.cid}; {room} has them reversed"
                yield Violation("reordered", words)
            newest[room] = max((before, cid), (seq, message.cid))


# Receivers


def _views(logs: Logs, store: Store) -> Iterator[Violation]:
    for receiver, runs in logs.receivers.items():
        cursors: dict[str, tuple[str, int]] = {}
        for run in runs:
            for step in run:
                yield from _step(receiver, cursors, step)
        if logs.complete:
            yield from _end(receiver, cursors, store)


def _step(
    receiver: str, cursors: dict[str, tuple[str, int]], step: Entered | Seen
) -> Iterator[Violation]:
    room, seq = step.room, step.seq
    epoch, cursor = cursors.get(room, ("", seq if isinstance(step, Entered) else 0))
    if isinstance(step, Entered):
        if step.epoch == epoch and seq != cursor:
            yield Violation("gap", f"{receiver} was set to {room} {seq} and had seen {cursor}")
        cursors[room] = (step.epoch, seq)
        return
    if seq != cursor + 1:
        yield Violation(*_misstep(receiver, room, cursor, seq))
    cursors[room] = (epoch, max(seq, cursor))


def _end(receiver: str, cursors: dict[str, tuple[str, int]], store: Store) -> Iterator[Violation]:
    for room, (_, cursor) in cursors.items():
        events = store.rooms[room].events if room in store.rooms else []
        newest = max((seq for seq, _ in events), default=0)
        if cursor < newest:
            words = f"{receiver} saw {room} up to {cursor}, and nothing of it up to {newest}"
            yield Violation("gap", words)


def _misstep(receiver: str, room: str, cursor: int, seq: int) -> tuple[str, str]:
    if seq == cursor:
        return "doubled", f"{receiver} saw {room} {seq} twice"
    if seq < cursor:
        return "reordered", f"{receiver} saw {room} {seq} after {cursor}"
    return "gap", f"{receiver} saw {room} {seq} after {cursor}"


def _sightings(
    logs: Logs, store: Store, indexed: dict[str, dict[int, bytes]]
) -> Iterator[Violation]:
    for receiver, runs in logs.receivers.items():
        for step in (step for run in runs for step in run):
            if isinstance(step, Entered):
                yield from _epoch(receiver, step, store.rooms.get(step.room))
            elif step.seq >= _oldest(store, step.room):
                yield from _sighting(receiver, step, indexed)


def _epoch(receiver: str, step: Entered, room: StoredRoom | None) -> Iterator[Violation]:
    if room is not None and room.epoch != step.epoch:
        words = f"{receiver} entered {step.room} in epoch {step.epoch}, stored is {room.epoch}"
        yield Violation("lost", words)


def _sighting(
    receiver: str, seen: Seen, indexed: dict[str, dict[int, bytes]]
) -> Iterator[Violation]:
    stored = indexed.get(seen.room, {}).get(seen.seq)
    if stored is None:
        words = f"{receiver} saw {seen.room} {seen.seq}, which is not in the store"
        yield Violation("lost", words)
    elif stored != seen.body:
        words = f"{receiver} saw {seen.room} {seen.seq} otherwise than it is stored"
        yield Violation("changed", words)
