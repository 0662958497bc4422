"""Accounts as they are kept: made, changed and removed in memory and on disk.

Rules:
- Accounts are added and removed under the hub's lock. `add` takes it.
- `_records` orders what is stored: what is stored last is what was changed last. It is taken
  without the hub's lock, and that may be within.
- Any thread may call.
"""

from __future__ import annotations

import threading

from pydantic_core import to_json

from chat_schema.errors import Refused
from chat_server.domain.accounts import Account, Accounts
from chat_server.journal.base import Done, Journal


class AccountBook:
    """Stores the accounts with the journal; `lock` is the hub's."""

    def __init__(self, journal: Journal, accounts: Accounts, lock: threading.Lock) -> None:
        self._journal = journal
        self._accounts = accounts
        self._lock = lock
        self._records = threading.Lock()

    def add(self, account: Account, done: Done) -> None:
        """Have an account exist, and stored; one that cannot be stored ceases to exist.

        Raises Refused (`nick.reserved`) where another account has the name.
        """
        with self._lock:
            if self._accounts.by_name(account.name) is not None:
                raise Refused("nick.reserved", "This nick belongs to another account.")
            self._accounts.add(account)

        def stored(refused: Refused | None) -> None:
            if refused is not None:
                with self._lock:
                    self._accounts.remove(account)
            done(refused)

        self.keep(account, stored)

    def keep(self, account: Account, done: Done) -> None:
        """Have an account stored as it is now.

        Raises Refused (`session.revoked`) where it has ceased to exist: nothing brings it back.
        """
        with self._records:
            if self._accounts.by_uid(account.uid) is not account:
                raise Refused("session.revoked", "The account was removed.")
            body = to_json(account.as_record()).decode()
            self._journal.keep_record("account", account.uid, body, done)

    def erase(self, account: Account, done: Done) -> None:
        """Have nothing stored of an account that has ceased to exist."""
        with self._records:
            self._journal.keep_record("account", account.uid, None, done)
