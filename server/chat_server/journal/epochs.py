"""When histories begin anew: after a power cut without syncs, and after a restore.

With durability `process` a power cut can take what was handed on; its numbers would then be given
again to other messages. So an unclean end that was also the end of the machine's run renews every
epoch. With `disk` nothing is ever lost, and epochs stay.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from chat_server.journal.base import Durability

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Names a run of the machine (Linux); elsewhere every unclean end counts as a power cut."""


def renew(connection: sqlite3.Connection) -> None:
    """Give every room another epoch, those that are yet to come too: clients start over."""
    connection.execute("update rooms set epoch = lower(hex(randomblob(4)))")
    connection.execute("update facts set value = lower(hex(randomblob(4))) where name = 'epoch'")


def renew_after_power_cut(connection: sqlite3.Connection, durability: Durability) -> None:
    """Look whether the last run may have lost what it handed on, and note how this one keeps."""
    row = connection.execute("select value from facts where name = 'unsynced'").fetchone()
    boot = _boot()
    connection.execute("begin immediate")
    if row is not None and (row[0] != boot or boot == ""):
        renew(connection)
    connection.execute("delete from facts where name = 'unsynced'")
    if durability == "process":
        connection.execute("insert into facts values ('unsynced', ?)", (boot,))
    connection.execute("commit")
    if durability == "process":  # the note itself must not be lost
        _sync(connection)


def settle(connection: sqlite3.Connection) -> bool:
    """Bring everything to the disk at a clean end; that is all there is to do."""
    connection.execute("delete from facts where name = 'unsynced'")
    _sync(connection)
    return False


def _sync(connection: sqlite3.Connection) -> None:
    connection.execute("pragma wal_checkpoint(full)").fetchone()


def _boot() -> str:
    return BOOT.read_text().strip() if BOOT.exists() else ""
