"""Accounts: names that belong to people."""

from __future__ import annotations

import json

import pytest

from chat_schema.errors import Refused
from chat_schema.limits import PASSWORD_LONGEST, PASSWORD_SHORTEST
from chat_server.domain.accounts import Account, Accounts, require_strong


def alice() -> Account:
    """An account with everything."""
    account = Account("u1", "Alice", 1_000.5, "a hash", "admin", "a key", {"u2": "mallory"})
    account.block = "192.0.2.7"
    return account


def test_an_account_is_found_by_its_name_in_any_case() -> None:
    """Two names that differ only in case are one."""
    accounts = Accounts()
    accounts.add(account := alice())
    assert accounts.by_name("aLICE") is account
    assert accounts.by_uid("u1") is account
    assert accounts.all() == [account]


def test_a_removed_account_frees_its_name() -> None:
    """Another may have the name at once."""
    accounts = Accounts()
    accounts.add(first := alice())
    for _ in range(2):
        accounts.remove(first)
    assert accounts.by_name("alice") is None
    assert accounts.by_uid("u1") is None
    accounts.add(second := Account("u9", "alice", 0.0, ""))
    accounts.remove(first)
    assert accounts.by_name("Alice") is second
    assert len(accounts) == 1


def test_a_record_brings_back_the_account() -> None:
    """All that is to be kept survives JSON; what is not in the record begins anew."""
    kept = alice()
    kept.conversations.add("dm:u1:u2")
    kept.renew(key="another key")
    back = Account.from_record(json.loads(json.dumps(kept.as_record())))
    assert back.as_record() == kept.as_record()
    old = {name: value for name, value in kept.as_record().items() if name != "block"}
    assert Account.from_record(old).block is None
    assert (back.key, back.ignored, back.role) == ("another key", {"u2": "mallory"}, "admin")
    assert (back.conversations, back.revision) == (set(), 0)


def test_accounts_share_no_state() -> None:
    """What one ignores is nothing to another."""
    one, other = Account("u1", "one", 0, ""), Account("u2", "other", 0, "")
    one.ignored["u3"] = "third"
    assert other.ignored == {}


def test_another_password_is_a_revision() -> None:
    """A login that was shown the old one can tell; another key voids no password."""
    account = alice()
    account.renew(hash="new hash")
    assert (account.hash, account.key, account.revision) == ("new hash", "a key", 1)
    account.renew(key="")
    assert (account.hash, account.key, account.revision) == ("new hash", "", 1)


@pytest.mark.parametrize("password", ["x" * (PASSWORD_SHORTEST - 1), "long-nick", "LONG-Nick"])
def test_a_weak_password_is_refused(password: str) -> None:
    """One character short, or the nick in any case."""
    with pytest.raises(Refused) as caught:
        require_strong(password, "Long-Nick")
    assert (caught.value.code, caught.value.limit) == ("auth.weak", PASSWORD_SHORTEST)
    assert password not in str(caught.value)


@pytest.mark.parametrize("length", [PASSWORD_SHORTEST, PASSWORD_LONGEST])
def test_a_password_of_enough_characters_is_taken(length: int) -> None:
    """Nothing else is asked of it: no digits, no signs."""
    require_strong("x" * length, "alice")
