"""The two structures of SQLite's C interface that stand between it and the disk, for ctypes.

They are part of SQLite's stable ABI: https://sqlite.org/c3ref/vfs.html and io_methods.html.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p

OK = 0
READONLY = 8
FULL = 13
IOERR = 10
IOERR_WRITE = IOERR | 3 << 8
IOERR_FSYNC = IOERR | 4 << 8
OPEN_CREATE = 0x4

Opening = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
Deleting = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
Closing = CFUNCTYPE(c_int, c_void_p)
Writing = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
Truncating = CFUNCTYPE(c_int, c_void_p, c_int64)
Syncing = CFUNCTYPE(c_int, c_void_p, c_int)


class Vfs(Structure):
    """`sqlite3_vfs`: how files are opened and deleted; what we leave alone is a bare pointer."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", Opening),
        ("xDelete", Deleting),
        *((f"other{number}", c_void_p) for number in range(14)),
    )


class IoMethods(Structure):
    """`sqlite3_io_methods`: what can be done with an open file."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", Closing),
        ("xRead", c_void_p),
        ("xWrite", Writing),
        ("xTruncate", Truncating),
        ("xSync", Syncing),
        *((f"other{number}", c_void_p) for number in range(6)),
        *((f"shared{number}", c_void_p) for number in range(4)),  # since version 2
        *((f"mapped{number}", c_void_p) for number in range(2)),  # since version 3
    )


def size_of(methods: IoMethods) -> int:
    """The bytes that a table of this version really has; beyond them lies something else."""
    last = {1: "shared0", 2: "mapped0"}.get(methods.iVersion)
    return int(getattr(IoMethods, last).offset) if last else ctypes.sizeof(IoMethods)


def load() -> ctypes.CDLL:
    """The SQLite that Python's sqlite3 uses, whether linked into it or beside it.

    Raises RuntimeError where its symbols are out of reach: nothing here works then.
    """
    for name in (_sqlite3.__file__, None):
        found = ctypes.CDLL(name)
        if hasattr(found, "sqlite3_vfs_find") and hasattr(found, "sqlite3_vfs_register"):
            found.sqlite3_vfs_find.restype = POINTER(Vfs)
            found.sqlite3_vfs_find.argtypes = [c_char_p]
            found.sqlite3_vfs_register.argtypes = [POINTER(Vfs), c_int]
            found.sqlite3_vfs_unregister.argtypes = [POINTER(Vfs)]
            return found
    raise RuntimeError(
        f"the SQLite in {_sqlite3.__file__} shows neither sqlite3_vfs_find nor "
        "sqlite3_vfs_register: what it writes cannot be recorded with this Python"
    )
