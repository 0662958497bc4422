"""What a disk holds after a power cut: a record of writes, replayed with losses.

The model, harsher than most disks and kinder than none:
- What was written to a file before its last sync is there.
- Of what was written after it, anything may be there: nothing, all, a part in any order, and of
  each write any of its sectors of 512 bytes.
- A file is created or deleted for certain once the directory was synced, which SQLite does where it
  deletes with a sync, and at the first sync of a journal or WAL that it has opened.
- Files know nothing of each other: no order holds between them but that of their syncs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from random import Random

from tests.chaos.recorder import Operation

SECTOR = 512
"""Bytes that are written whole or not at all."""

_Survivors = Callable[[list[Operation], Random], Iterable[Operation]]


class _Body:
    """What a file holds: what is safe, and what has been written since."""

    def __init__(self, safe: bytes = b"") -> None:
        self.safe = safe
        self.pending: list[Operation] = []

    def sync(self) -> None:
        self.safe, self.pending = _content(self.safe, self.pending), []

    def after_cut(self, random: Random) -> bytes:
        survivors = random.choice(_FATES)
        return _content(self.safe, survivors(self.pending, random))


class _Name:
    """A name in the directory: the body it has now, and the one it has for certain."""

    def __init__(self) -> None:
        self.now: _Body | None = None
        self.certain: _Body | None = None
        self.fresh = False

    def open(self) -> None:
        self.fresh = True
        self.now = self.now or _Body()


class Disk:
    """The files of a record up to some operation; `advance` goes on, `cut` shows what remains.

    It begins with what is in `folder`, if one is named, all of it safe. With `syncs=False` no sync
    is believed: such a disk must lose what was acknowledged.
    """

    def __init__(self, folder: Path | None = None, *, syncs: bool = True) -> None:
        self._names: dict[str, _Name] = {}
        self._syncs = syncs
        for path in folder.iterdir() if folder is not None else ():
            name = self._names[path.name] = _Name()
            name.now = name.certain = _Body(path.read_bytes())

    def advance(self, operations: Iterable[Operation]) -> None:
        """Let these operations happen."""
        for operation in operations:
            if operation.kind != "mark":
                self._advance(operation, self._names.setdefault(operation.file, _Name()))

    def cut(self, folder: Path, random: Random) -> None:
        """Write into the empty `folder` what is left when the power fails now."""
        for file, name in self._names.items():
            body = random.choice((name.now, name.certain))
            if body is not None:
                (folder / file).write_bytes(body.after_cut(random))

    def _advance(self, operation: Operation, name: _Name) -> None:
        if operation.kind == "open":
            name.open()
        elif operation.kind == "delete":
            name.now = None
            self._sync_directory(operation.offset != 0)
        elif operation.kind == "sync":
            self._sync(operation.file, name)
        elif name.now is not None:
            name.now.pending.append(operation)

    def _sync(self, file: str, name: _Name) -> None:
        if self._syncs and name.now is not None:
            name.now.sync()
        self._sync_directory(name.fresh and file.endswith(("-journal", "-wal")))
        name.fresh = False

    def _sync_directory(self, really: bool) -> None:
        if really and self._syncs:
            for name in self._names.values():
                name.certain = name.now


def _content(safe: bytes | None, operations: Iterable[Operation]) -> bytes:
    content = bytearray(safe or b"")
    for kind, _, offset, data in operations:
        if kind == "write":
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        elif kind == "truncate":
            del content[offset:]
    return bytes(content)


# Fates: which of the writes that were not synced are on the disk


def _none(pending: list[Operation], random: Random) -> list[Operation]:
    return []


def _all(pending: list[Operation], random: Random) -> list[Operation]:
    return pending


def _torn(pending: list[Operation], random: Random) -> list[Operation]:
    """The first ones, and sectors of the one that was being written."""
    end = random.randrange(len(pending) + 1)
    return [*pending[:end], *_some(_sectors(pending[end : end + 1]), random)]


def _some(pending: list[Operation], random: Random) -> list[Operation]:
    share = random.random()
    return [operation for operation in pending if random.random() < share]


def _any_sectors(pending: list[Operation], random: Random) -> list[Operation]:
    """Each sector as it was at some moment of its own since the last sync."""
    pieces = _sectors(pending)
    moments: dict[int, float] = {}
    return [
        piece
        for number, piece in enumerate(pieces)
        if number < moments.setdefault(piece.offset // SECTOR, random.random() * len(pieces))
    ]


def _sectors(operations: list[Operation]) -> list[Operation]:
    """The same writes, cut where sectors end."""
    return [piece for operation in operations for piece in _pieces(operation)]


def _pieces(operation: Operation) -> Iterable[Operation]:
    if operation.kind != "write":
        return [operation]
    begin, data = operation.offset, operation.data
    first = SECTOR - begin % SECTOR
    edges = [0, *range(first, len(data), SECTOR), len(data)]
    return [
        operation._replace(offset=begin + start, data=data[start:end])
        for start, end in pairwise(edges)
    ]


_FATES: list[_Survivors] = [_none, _all, _torn, _some, _any_sectors]
