"""A layer under SQLite that notes, in order, everything written and synced, and can make it fail.

    with Recorder(folder) as recorder:
        ...                          # every database opened now, in this process
        recorder.mark("told alice")  # what else happened, in the same order
    recorder.record

Rules:
- While it is open it is the default VFS of the process. Only files below `folder` are recorded.
- Locks, shared memory and reading are SQLite's own; what is intercepted is done by SQLite, too.
- An operation is noted when it has succeeded. `mark` may be called on any thread.
"""

from __future__ import annotations

import ctypes
import itertools
import traceback
from collections.abc import Callable
from ctypes import c_void_p
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from tests.chaos import sqlite_abi as abi

Kind = Literal["open", "write", "truncate", "sync", "delete", "mark"]

_kept: list[object] = []
"""Everything SQLite may still hold a pointer to: an open file outlives the recorder."""
_numbers = itertools.count()


class Operation(NamedTuple):
    """Something that happened to `file`.

    `offset` is where a write begins, the new size for a truncation, and for a deletion whether the
    directory was synced. `data` is what was written, or what a mark marks.
    """

    kind: Kind
    file: str = ""
    offset: int = 0
    data: Any = b""


class Recorder:
    """The layer; `record` is what it noted. Use it with `with`; several may follow each other."""

    def __init__(self, folder: Path) -> None:
        self.record: list[Operation] = []
        self._folder = f"{folder.resolve()}/"
        self._faults: dict[str, int] = {}
        self._files: dict[int, tuple[str, abi.IoMethods]] = {}
        self._tables: dict[int, tuple[abi.IoMethods, abi.IoMethods]] = {}
        self._library = abi.load()
        self._below = self._library.sqlite3_vfs_find(None)
        self._vfs = self._make_vfs()

    def __enter__(self) -> Self:
        assert self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == abi.OK
        return self

    def __exit__(self, *_: object) -> None:
        self._faults.clear()
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
        self._library.sqlite3_vfs_register(self._below, 1)

    def mark(self, what: object) -> None:
        """Note that something happened now, after all that is noted."""
        self.record.append(Operation("mark", data=what))

    def fail(self, *kinds: Kind, code: int) -> None:
        """From now on these operations are not done and return `code`."""
        self._faults.update(dict.fromkeys(kinds, code))

    def heal(self) -> None:
        """Let every operation succeed again."""
        self._faults.clear()

    # The layer itself: called by SQLite, on its threads

    def _make_vfs(self) -> abi.Vfs:
        vfs = abi.Vfs()
        ctypes.memmove(ctypes.byref(vfs), self._below, ctypes.sizeof(abi.Vfs))
        vfs.zName = f"recorder-{next(_numbers)}".encode()
        vfs.xOpen = abi.Opening(_safely(self._open))
        vfs.xDelete = abi.Deleting(_safely(self._delete))
        _kept.extend((vfs, self))
        return vfs

    def _open(self, vfs: int, path: int | None, file: int, flags: int, out: Any) -> int:
        name = self._name(path)
        if name is not None and "open" in self._faults:
            c_void_p.from_address(file).value = None  # no methods: nothing was opened
            return self._faults["open"]
        code = int(self._below.contents.xOpen(vfs, path, file, flags, out))
        methods = c_void_p.from_address(file)
        if code == abi.OK and name is not None and methods.value:
            own, original = self._table(methods.value)
            self._files[file] = (name, original)
            methods.value = ctypes.addressof(own)
            self.record.append(Operation("open", name))
        return code

    def _delete(self, vfs: int, path: int | None, synced: int) -> int:
        name = self._name(path)
        if name is not None and "delete" in self._faults:
            return self._faults["delete"]
        code = int(self._below.contents.xDelete(vfs, path, synced))
        if code == abi.OK and name is not None:
            self.record.append(Operation("delete", name, synced))
        return code

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        name, original = self._files[file]
        operation = Operation("write", name, offset, ctypes.string_at(data, size))
        return self._do(operation, lambda: original.xWrite(file, data, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        name, original = self._files[file]
        operation = Operation("truncate", name, size)
        return self._do(operation, lambda: original.xTruncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        name, original = self._files[file]
        return self._do(Operation("sync", name), lambda: original.xSync(file, flags))

    def _close(self, file: int) -> int:
        _, original = self._files.pop(file)
        return int(original.xClose(file))

    def _do(self, operation: Operation, really: Callable[[], int]) -> int:
        if operation.kind in self._faults:
            return self._faults[operation.kind]
        code = int(really())
        if code == abi.OK:
            self.record.append(operation)
        return code

    def _name(self, path: int | None) -> str | None:
        """The name within the folder; None for what is elsewhere or has no name."""
        text = ctypes.string_at(path).decode() if path else ""
        return text[len(self._folder) :] if text.startswith(self._folder) else None

    def _table(self, address: int) -> tuple[abi.IoMethods, abi.IoMethods]:
        """Our table of methods for files that have the one at `address`, and that one."""
        if address not in self._tables:
            original = abi.IoMethods.from_address(address)
            own = abi.IoMethods()
            ctypes.memmove(ctypes.byref(own), address, abi.size_of(original))
            own.xClose = abi.Closing(_safely(self._close))
            own.xWrite = abi.Writing(_safely(self._write))
            own.xTruncate = abi.Truncating(_safely(self._truncate))
            own.xSync = abi.Syncing(_safely(self._sync))
            self._tables[address] = (own, original)
        return self._tables[address]


def _safely(function: Callable[..., int]) -> Callable[..., int]:
    """C cannot be told of an exception; it would take it for success."""

    def guarded(*arguments: Any) -> int:
        try:
            return function(*arguments)
        except BaseException:
            traceback.print_exc()
            return abi.IOERR

    return guarded
