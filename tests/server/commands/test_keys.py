"""Logging in by a key: a challenge, signed, once."""

from __future__ import annotations

import pytest

from chat_server.commands.login import NONCE_SECONDS
from tests.support.keys import PRIVATE, PUBLIC, sign
from tests.support.playbook import Actor, Playbook

HERE, REMOTE = "127.0.0.1", "192.0.2.1"
SECRET = "correct horse"
SERVER = "a-server"


@pytest.fixture
def bot(book: Playbook) -> Actor:
    """An account with a key."""
    actor = book.person("Robot", address=HERE)
    actor.asks("register", password=SECRET)
    assert actor.asks("key", public=PUBLIC)["public"] == PUBLIC
    return actor


def signature(
    actor: Actor, *, nick: str = "Robot", server: str = SERVER, nonce: str | None = None
) -> str:
    """The signature of a challenge that the actor has asked for."""
    return sign(PRIVATE, server, nick, nonce or actor.asks("challenge")["nonce"])


def test_a_signed_challenge_logs_in(book: Playbook, bot: Actor) -> None:
    """Over any connection: who reads it has nothing to use again."""
    guest = book.person("guest", address=REMOTE)
    reply = guest.asks("login", nick="rOBOT", signature=signature(guest))
    assert reply["user"] == {"uid": bot.uid, "nick": "Robot", "registered": True}


def test_a_signed_challenge_can_come_with_hello(book: Playbook, bot: Actor) -> None:
    """So that a bot gets in where guests do not."""
    book.hub.govern(None, lambda policy: setattr(policy, "lockdown", "accounts"))
    stranger = book.stranger()
    asked = stranger.asks("challenge")
    signed = signature(stranger, server=asked["server"], nonce=asked["nonce"])
    login = {"nick": "Robot", "signature": signed}
    assert stranger.asks("hello", login=login)["user"]["uid"] == bot.uid


def test_a_challenge_is_never_the_same(book: Playbook) -> None:
    """32 random bytes."""
    stranger = book.stranger()
    nonces = {stranger.asks("challenge")["nonce"] for _ in range(20)}
    assert len(nonces) == 20
    assert {len(nonce) for nonce in nonces} == {43}


def test_a_challenge_is_good_for_one_attempt(book: Playbook, bot: Actor) -> None:
    """Whoever recorded it cannot use it, not even on the same connection."""
    guest = book.person("guest")
    used = signature(guest)
    assert guest.asks("login", nick="Robot", signature=used)["type"] == "ok"
    guest.asks("logout")
    assert guest.asks("login", nick="Robot", signature=used)["code"] == "auth.failed"


def test_a_wrong_signature_uses_the_challenge_up(book: Playbook, bot: Actor) -> None:
    """There is no second guess at it."""
    guest = book.person("guest")
    nonce = guest.asks("challenge")["nonce"]
    wrong = signature(guest, nick="other", nonce=nonce)
    right = signature(guest, nonce=nonce)
    assert guest.asks("login", nick="Robot", signature=wrong)["code"] == "auth.failed"
    assert guest.asks("login", nick="Robot", signature=right)["code"] == "auth.failed"


def test_a_challenge_belongs_to_its_connection(book: Playbook, bot: Actor) -> None:
    """What one was given another cannot use."""
    guest, thief = book.person("guest"), book.person("thief")
    stolen = signature(guest)
    thief.asks("challenge")
    assert thief.asks("login", nick="Robot", signature=stolen)["code"] == "auth.failed"


def test_a_challenge_is_forgotten_after_a_while(book: Playbook, bot: Actor) -> None:
    """A signature that was made long ago is worth nothing."""
    guest = book.person("guest")
    fresh = signature(guest)
    book.time.advance(NONCE_SECONDS - 1)
    assert guest.asks("login", nick="Robot", signature=fresh)["type"] == "ok"
    guest.asks("logout")
    stale = signature(guest)
    book.time.advance(NONCE_SECONDS)
    assert guest.asks("login", nick="Robot", signature=stale)["code"] == "auth.failed"


@pytest.mark.parametrize("changed", [{"nick": "other"}, {"server": "another"}, {"nonce": "A" * 43}])
def test_a_signature_of_something_else_is_refused(
    book: Playbook, bot: Actor, changed: dict[str, str]
) -> None:
    """Another account, another server that passes the challenge on, another challenge."""
    guest = book.person("guest")
    guest.asks("challenge")
    refusal = guest.asks("login", nick="Robot", signature=signature(guest, **changed))
    assert refusal["code"] == "auth.failed"


@pytest.mark.parametrize("nick", ["nobody", "alice"])
def test_without_a_key_no_signature_logs_in(book: Playbook, bot: Actor, nick: str) -> None:
    """Neither to an account that does not exist nor to one that has none."""
    book.person("alice", address=HERE).asks("register", password=SECRET)
    guest = book.person("guest")
    refusal = guest.asks("login", nick=nick, signature=signature(guest, nick=nick))
    assert refusal["code"] == "auth.failed"


def test_a_key_can_be_told_replaced_and_removed(book: Playbook, bot: Actor) -> None:
    """The password is good all the time."""
    assert bot.asks("key")["public"] == PUBLIC
    assert bot.asks("key", public="")["public"] == ""
    assert bot.asks("key")["public"] == ""
    guest = book.person("guest", address=HERE)
    refusal = guest.asks("login", nick="Robot", signature=signature(guest))
    assert refusal["code"] == "auth.failed"
    assert guest.asks("login", nick="Robot", password=SECRET)["type"] == "ok"


def test_a_key_is_stored(book: Playbook, bot: Actor) -> None:
    """Before the answer."""
    (record,) = dict(book.journal.records("account")).values()
    assert PUBLIC in record


def test_case_65_a_signature_for_a_key_that_is_removed_meanwhile_fails(
    book: Playbook, bot: Actor
) -> None:
    """It was right when it was looked at, and is not when it would count."""
    guest = book.person("guest")
    signed = signature(guest)
    book.workers.held = True
    guest.says("login", id="1", nick="Robot", signature=signed)
    bot.says("key", id="2", public="")
    book.workers.work()
    book.settle()
    guest.hears("error", re="1", code="auth.failed")
