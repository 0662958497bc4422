"""Logging in by a key: a challenge, signed, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from chat_server.commands.login import NONCE_SECONDS
from chat_server.domain.attempts import Attempts
from chat_server.domain.people import Person
from tests.support.keys import PRIVATE, PUBLIC, sign
from tests.support.playbook import Actor, HandWorkers, Playbook

HERE, REMOTE = "127.0.0.1", "192.0.2.1"
SECRET = "correct horse"
SERVER = "a-server"
OTHER_PUBLIC = "ebVWLo_mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ"


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
    known = book.hub.accounts.by_name("Robot")
    assert known is not None
    known.renew(key="")
    book.workers.work()
    book.settle()
    guest.hears("error", re="1", code="auth.failed")


def second_session(book: Playbook) -> Actor:
    """The account's, by its password."""
    actor = book.stranger(address=HERE)
    assert actor.asks("hello", login={"nick": "Robot", "password": SECRET})["type"] == "welcome"
    return actor


@pytest.mark.parametrize("public", ["", OTHER_PUBLIC])
def test_a_key_that_is_taken_away_ends_what_was_begun_with_it(
    book: Playbook, bot: Actor, public: str
) -> None:
    """Every other session and held stay of the account, also where another key takes its place."""
    second, lost = second_session(book), book.stranger(address=HERE)
    login = {"nick": "Robot", "password": SECRET}
    token = lost.asks("hello", login=login, resume={})["resume"]["token"]
    lost.connection.abort("reset")
    assert bot.asks("key", public=public)["public"] == public
    second.hears("error", code="session.revoked", fatal=True)
    back = book.stranger(address=HERE).asks("hello", nick="wolf", resume={"token": token})
    assert not back["resume"]["resumed"]
    assert bot.asks("key")["public"] == public
    (record,) = dict(book.journal.records("account")).values()
    assert PUBLIC not in record


def test_a_first_key_and_the_same_key_end_no_session(book: Playbook) -> None:
    """Nobody came in by it."""
    bot = book.person("Robot", address=HERE)
    bot.asks("register", password=SECRET)
    second = second_session(book)
    for _ in range(2):
        assert bot.asks("key", public=PUBLIC)["public"] == PUBLIC
    assert second.asks("ping")["type"] == "ok"


def test_a_new_password_leaves_no_key(book: Playbook, bot: Actor) -> None:
    """Whoever was in for a moment and set one is out."""
    assert bot.asks("passwd", old=SECRET, new="battery staple")["type"] == "ok"
    assert bot.asks("key")["public"] == ""
    (record,) = dict(book.journal.records("account")).values()
    assert PUBLIC not in record
    guest = book.person("guest")
    refusal = guest.asks("login", nick="Robot", signature=signature(guest))
    assert refusal["code"] == "auth.failed"


def test_a_session_that_is_about_to_end_sets_no_key(book: Playbook, bot: Actor) -> None:
    """It hears of its end a moment after the password was changed; what it asks then is refused."""
    thief = second_session(book)
    book.forget()
    held = hold_record(book)
    bot.says("passwd", id="1", old=SECRET, new="battery staple")
    thief.says("key", id="2", public=OTHER_PUBLIC)
    thief.hears("error", re="2", code="session.revoked", fatal=True)
    held[0]()
    book.settle()
    bot.hears("ok", re="1")
    assert bot.asks("key")["public"] == ""


def hold_record(book: Playbook) -> list[Callable[[], None]]:
    """The next record is stored when the test calls the first of these; later ones at once."""
    held: list[Callable[[], None]] = []
    keep = book.journal.keep_record

    def put_off(*record: Any) -> None:
        held.append(partial(keep, *record))
        if len(held) > 1:
            held[-1]()

    cast(Any, book.journal).keep_record = put_off
    return held


def test_changing_the_key_does_not_keep_a_password_from_counting(
    book: Playbook, bot: Actor
) -> None:
    """Or whoever has stolen a session could keep its owner out, changing it all the time."""
    book.services = replace(book.services, hashers=HandWorkers(8))
    owner = book.stranger(address=HERE)
    hashers = cast(HandWorkers, book.services.hashers)
    hashers.held = True
    owner.says("hello", id="1", login={"nick": "Robot", "password": SECRET})
    bot.asks("key", public="")
    hashers.work()
    book.settle()
    owner.hears("welcome")


def test_taking_a_key_away_is_an_attempt(book: Playbook, bot: Actor) -> None:
    """Each ends sessions, so they are not done by the dozen."""
    book.services = replace(book.services, attempts=Attempts(5))
    bot = second_session(book)
    for number in range(5):
        assert bot.asks("key", public=(OTHER_PUBLIC, PUBLIC)[number % 2])["type"] == "ok"
    bot.says("key", id="1", public="")
    bot.hears_nothing()
    book.pass_time(12)
    bot.hears("ok", re="1", public="")


# Under a flood of wrong passwords


@pytest.fixture
def hashers(book: Playbook, bot: Actor) -> HandWorkers:
    """Hashers apart from the workers, with as many strangers' passwords waiting as can."""
    hashers = HandWorkers(8)
    book.services = replace(book.services, hashers=hashers)
    hashers.held = True
    for number in range(8):
        guesses(book, f"192.0.2.{number}")
    return hashers


def guesses(book: Playbook, address: str) -> Actor:
    """Somebody who waits to hear that their password is wrong."""
    actor = book.stranger(address=address)
    actor.connection.secure = True
    actor.says("hello", id="1", login={"nick": "nobody", "password": "a guess at it"})
    return actor


def test_a_signature_does_not_stand_behind_passwords(book: Playbook, hashers: HandWorkers) -> None:
    """It takes a hundredth of the time, and no memory."""
    guesses(book, REMOTE).hears("error", code="server.busy")
    stranger = book.stranger(address=REMOTE)
    signed = signature(stranger)
    reply = stranger.asks("hello", login={"nick": "Robot", "signature": signed})
    assert reply["type"] == "welcome"
    assert hashers.waiting == 8


def test_who_was_right_before_does_not_stand_behind_strangers(
    book: Playbook, hashers: HandWorkers
) -> None:
    """Where the account was made, and where it was logged in to: theirs is the next hash."""
    owner = book.stranger(address=HERE)
    owner.says("hello", id="1", login={"nick": "robot", "password": SECRET})
    assert hashers.work_one()
    book.settle()
    owner.hears("welcome")
    assert hashers.waiting == 8


def test_the_operator_does_not_stand_behind_strangers(book: Playbook, hashers: HandWorkers) -> None:
    """A flood is when they are needed."""
    operator = book.stranger(address=HERE)
    operator.session.operator = "uid 1000"
    operator.session.person = Person("operator", "server")
    operator.connection.welcomed()
    operator.says("account", id="1", nick="Robot", password="battery staple")
    assert hashers.work_one()
    book.settle()
    assert operator.hears("ok", re="1")["account"]["key"] is False
    (record,) = dict(book.journal.records("account")).values()
    assert PUBLIC not in record
