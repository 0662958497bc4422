"""Accounts: making one, logging in by password, changing it, giving it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chat_schema.errors import Refused
from chat_server.domain.attempts import ACCOUNT_PATIENCE, Attempts
from chat_server.journal.base import Done
from chat_server.journal.memory import MemoryJournal
from chat_server.settings import Auth as AuthSettings
from tests.support.keys import PUBLIC
from tests.support.playbook import Actor, Playbook

HERE, REMOTE = "127.0.0.1", "192.0.2.1"
SECRET, OTHER = "correct horse", "battery staple"
ALICE = {"nick": "alice", "password": SECRET}


class FailingJournal(MemoryJournal):
    """A journal that can store no record any more, once it is `full`, or stores late: `slow`."""

    def __init__(self) -> None:
        super().__init__(kept=1000, budget=2**24)
        self.full = False
        self.slow = False
        self.dropped: list[str] = []
        self._late: list[tuple[str, str, str | None, Done]] = []

    def keep_record(self, kind: str, key: str, body: str | None, done: Done) -> None:
        """Refuse, as with a full disk, or put it off."""
        if self.full:
            done(Refused("server.storage", "The disk is full."))
        elif self.slow:
            self._late.append((kind, key, body, done))
        else:
            super().keep_record(kind, key, body, done)

    def drop_stay(self, digest: str) -> None:
        """Note which stay is over."""
        self.dropped.append(digest)

    def catch_up(self) -> None:
        """Store what was put off."""
        self.slow = False
        for record in self._late:
            self.keep_record(*record)


@pytest.fixture
def journal() -> FailingJournal:
    """Where it is stored."""
    return FailingJournal()


@pytest.fixture
def book(journal: FailingJournal) -> Iterator[Playbook]:
    """A server."""
    with Playbook(journal=journal) as book:
        yield book


@pytest.fixture
def alice(book: Playbook) -> Actor:
    """Somebody with an account, in `dev`."""
    return account(book, "alice", "dev")


@pytest.fixture
def bob(book: Playbook, alice: Actor) -> Actor:
    """A guest, in `dev`."""
    return book.person("bob", "dev", address=HERE)


def account(book: Playbook, nick: str, *rooms: str) -> Actor:
    """Somebody with an account; nobody has anything left to hear of it."""
    actor = book.person(nick, *rooms, address=HERE)
    assert actor.asks("register", password=SECRET)["type"] == "ok"
    book.forget()
    return actor


def enters(book: Playbook, *rooms: str, address: str = HERE, **login: str) -> Actor:
    """Another session of an account."""
    actor = book.stranger(address=address)
    assert actor.asks("hello", login=login or ALICE)["type"] == "welcome"
    for room in rooms:
        actor.asks("join", room=room)
    book.forget()
    return actor


def may_log_in(book: Playbook, password: str, nick: str = "alice") -> bool:
    """Whether this password opens the account."""
    reply = book.stranger(address=HERE).asks("hello", login={"nick": nick, "password": password})
    return bool(reply["type"] == "welcome")


def records(book: Playbook) -> dict[str, str]:
    """What is stored of accounts."""
    return dict(book.journal.records("account"))


# Registering


def test_registering_keeps_who_one_is(book: Playbook) -> None:
    """The same uid and nick; whoever shares a room hears that it is registered now."""
    alice, bob = (book.person(nick, "dev", address=HERE) for nick in ("alice", "bob"))
    user = {"uid": alice.uid, "nick": "alice", "registered": True}
    book.forget()
    alice.says("register", id="1", password=SECRET)
    alice.hears("nick", user=user, old="alice")
    alice.hears("ok", re="1", user=user, role=None, rooms=["dev"])
    bob.hears("nick", user=user, old="alice")
    assert list(records(book)) == [alice.uid]


@pytest.mark.parametrize("nick", ["alice", "ALICE", "aLiCe"])
def test_the_name_of_an_account_is_refused_to_others(
    book: Playbook, alice: Actor, bob: Actor, nick: str
) -> None:
    """Case 41: in any case, at hello and later, whether its owner is online or not."""
    assert book.stranger().asks("hello", nick=nick)["code"] == "nick.reserved"
    alice.asks("quit")
    assert book.stranger().asks("hello", nick=nick)["code"] == "nick.reserved"
    assert bob.asks("nick", nick=nick)["code"] == "nick.reserved"


def test_an_account_may_go_by_another_nick(book: Playbook, alice: Actor, bob: Actor) -> None:
    """It is not registered then, and is again when it takes its own name back."""
    assert alice.asks("nick", nick="wolf")["user"] == {"uid": alice.uid, "nick": "wolf"}
    assert bob.asks("nick", nick="alice")["code"] == "nick.reserved"
    back = {"uid": alice.uid, "nick": "Alice", "registered": True}
    assert alice.asks("nick", nick="Alice")["user"] == back


@pytest.mark.parametrize("password", ["x" * 7, "Alice-in-wonderland"])
def test_a_weak_password_makes_no_account(book: Playbook, password: str) -> None:
    """Too short, or the nick."""
    guest = book.person("alice-IN-wonderland", address=HERE)
    refusal = guest.asks("register", password=password)
    assert (refusal["code"], refusal["limit"]) == ("auth.weak", 8)
    assert not records(book)


def test_a_guests_nick_makes_no_account(book: Playbook) -> None:
    """Or guests would run out of names."""
    guest = book.stranger(address=HERE)
    guest.asks("hello")
    assert guest.asks("register", password=SECRET)["code"] == "nick.reserved"
    assert not records(book)


def test_whoever_has_an_account_makes_no_other(alice: Actor) -> None:
    """Not even under another nick."""
    alice.asks("nick", nick="wolf")
    assert alice.asks("register", password=SECRET)["code"] == "auth.already"


@pytest.mark.parametrize("level", ["registrations", "accounts", "moderators"])
def test_locked_down_the_server_makes_no_accounts(book: Playbook, level: str) -> None:
    """Those inside stay what they are."""
    guest = book.person("alice", address=HERE)
    book.hub.govern(None, lambda policy: setattr(policy, "lockdown", level))
    assert guest.asks("register", password=SECRET)["code"] == "server.locked"
    assert not records(book)


def test_a_nick_that_was_lost_meanwhile_is_not_registered(book: Playbook) -> None:
    """Hashing takes its time; an administrator may rename somebody in it."""
    guest, other = (book.person(nick, address=HERE) for nick in ("alice", "bob"))
    book.workers.held = True
    guest.says("register", id="1", password=SECRET)
    book.hub.call(guest.session.known, "wolf", other.session)
    book.workers.work()
    book.settle()
    assert [frame["code"] for frame in guest.listens() if "code" in frame] == ["server.busy"]
    assert not records(book)


def test_what_cannot_be_stored_is_no_account(book: Playbook, journal: FailingJournal) -> None:
    """The nick is a guest's as before, and nobody was told otherwise."""
    guest = book.person("alice", "dev", address=HERE)
    bob = book.person("bob", "dev", address=HERE)
    book.forget()
    journal.full = True
    assert guest.asks("register", password=SECRET)["code"] == "server.storage"
    bob.hears_nothing()
    assert guest.asks("nick", nick="Alice")["user"] == {"uid": guest.uid, "nick": "Alice"}
    guest.asks("quit")
    assert book.stranger().asks("hello", nick="alice")["type"] == "welcome"


def test_who_goes_before_the_password_is_hashed_has_no_account(book: Playbook) -> None:
    """Nobody would know of it."""
    guest = book.person("alice", address=HERE)
    book.workers.held = True
    guest.says("register", id="1", password=SECRET)
    guest.connection.abort("reset")
    book.workers.work()
    book.settle()
    assert not records(book)


def test_who_goes_while_the_account_is_stored_has_it(
    book: Playbook, journal: FailingJournal
) -> None:
    """And is its person when the stay is taken up again."""
    guest = book.stranger(address=HERE)
    token = guest.asks("hello", nick="alice", resume={})["resume"]["token"]
    guest.asks("join", room="dev")
    uid, journal.slow = guest.uid, True
    guest.says("register", id="1", password=SECRET)
    guest.connection.abort("reset")
    journal.catch_up()
    book.settle()
    back = book.stranger(address=HERE).asks("hello", resume={"token": token})
    assert back["user"] == {"uid": uid, "nick": "alice", "registered": True}
    assert may_log_in(book, SECRET)


# Logging in


def test_hello_can_bring_the_login(book: Playbook, alice: Actor) -> None:
    """Then one is the account's person from the first moment, under its name as registered."""
    alice.asks("quit")
    welcome = book.stranger(address=HERE).asks(
        "hello", nick="else", login={"nick": "ALICE", "password": SECRET}
    )
    uid = next(iter(records(book)))
    assert welcome["user"] == {"uid": uid, "nick": "alice", "registered": True}


def test_logging_in_later_makes_one_somebody_else(book: Playbook, alice: Actor, bob: Actor) -> None:
    """The guest leaves, the account enters, and the reply comes after."""
    alice.asks("quit")
    book.forget()
    guest = book.person("wolf", "dev", address=HERE)
    old = {"uid": guest.uid, "nick": "wolf"}
    guest.says("login", id="1", **ALICE)
    user = {"uid": next(iter(records(book))), "nick": "alice", "registered": True}
    for actor in (guest, bob):
        actor.hears("leave", room="dev", user=old, reason="switched")
        actor.hears("join", room="dev", user=user)
    guest.hears("ok", re="1", user=user, rooms=["dev"])
    bob.hears_nothing()
    assert book.stranger().asks("hello", nick="wolf")["type"] == "welcome"


def test_sessions_of_an_account_are_one_person(book: Playbook, alice: Actor, bob: Actor) -> None:
    """One uid and nick; others see one come, renamed and go."""
    second = enters(book, "dev")
    assert second.uid == alice.uid
    assert len(bob.asks("users", room="dev")["users"]) == 2
    alice.asks("leave", room="dev")
    bob.hears_nothing()
    second.asks("nick", nick="wolf")
    assert alice.hears("nick", old="alice")["user"]["nick"] == "wolf"
    bob.hears("nick", old="alice")
    second.asks("quit")
    bob.hears("leave", room="dev")


def test_a_whisper_reaches_every_session(book: Playbook, alice: Actor, bob: Actor) -> None:
    """Also those of the sender."""
    second = enters(book)
    bob.asks("whisper", to="alice", text="psst")
    for actor in (alice, second):
        actor.hears("whisper", text="psst")
    alice.asks("whisper", to="bob", text="what?")
    for actor in (alice, second, bob):
        assert [frame["text"] for frame in actor.listens() if frame["type"] == "whisper"][-1:] == [
            "what?"
        ]


def test_a_whisper_to_an_account_that_is_offline_is_read_later(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """To an unknown nick it is refused, as ever."""
    alice.asks("quit")
    conversation = bob.asks("whisper", to="Alice", text="for later")["room"]
    assert bob.asks("whisper", to="nobody", text="?")["code"] == "user.offline"
    later = enters(book)
    events = later.asks("history", room=conversation)["events"]
    assert [event["text"] for event in events] == ["for later"]


@pytest.mark.parametrize(
    ("nick", "password"), [("alice", "a guess here"), ("nobody", SECRET), ("bob", SECRET)]
)
def test_wrong_name_and_wrong_password_are_refused_alike(
    book: Playbook, alice: Actor, bob: Actor, nick: str, password: str
) -> None:
    """Word for word, and the guest stays who they are."""
    refusal = bob.asks("login", nick=nick, password=password)
    del refusal["re"]
    assert refusal == {
        "type": "error",
        "code": "auth.failed",
        "message": "The name is not right, or what shows that it is yours.",
        "fatal": False,
        "retryable": False,
    }
    assert [user["nick"] for user in bob.asks("users")["users"]] == ["alice", "bob"]


def test_whoever_is_logged_in_logs_out_first(book: Playbook, alice: Actor) -> None:
    """To the same account or another."""
    account(book, "bob")
    assert alice.asks("login", **ALICE)["code"] == "auth.already"
    assert alice.asks("login", nick="bob", password=SECRET)["code"] == "auth.already"


def test_a_login_without_a_proof_is_no_login(book: Playbook, alice: Actor, bob: Actor) -> None:
    """Neither at hello nor later."""
    assert bob.asks("login", nick="alice")["code"] == "auth.failed"
    assert book.stranger().asks("hello", login={"nick": "alice"})["code"] == "auth.failed"


def test_a_refused_login_leaves_a_stranger_to_say_hello_again(book: Playbook, alice: Actor) -> None:
    """Nobody was let in, and nothing was let go."""
    stranger = book.stranger(address=HERE)
    refusal = stranger.asks("hello", login={"nick": "alice", "password": "a guess"})
    assert (refusal["code"], refusal["fatal"]) == ("auth.failed", False)
    assert stranger.asks("users")["code"] == "protocol.hello_required"
    assert stranger.asks("hello", nick="carol")["user"]["nick"] == "carol"


def test_locked_down_for_guests_a_login_still_lets_in(book: Playbook, alice: Actor) -> None:
    """After the refusal, on the same connection."""
    book.hub.govern(None, lambda policy: setattr(policy, "lockdown", "accounts"))
    stranger = book.stranger(address=HERE)
    refusal = stranger.asks("hello", nick="carol")
    assert (refusal["code"], refusal["fatal"]) == ("server.locked", False)
    assert stranger.asks("hello", login=ALICE)["type"] == "welcome"
    assert stranger.asks("logout")["code"] == "server.locked"
    assert stranger.asks("users")["users"][0]["uid"] == stranger.uid


def test_logging_out_makes_a_guest(book: Playbook, alice: Actor, bob: Actor) -> None:
    """Of another uid, in the same rooms, without an administrator's rights; others go on."""
    second, old = enters(book), alice.uid
    alice.session.elevated = True
    alice.says("logout", id="1")
    bob.hears("leave", room="dev", reason="switched")
    guest = bob.hears("join", room="dev")["user"]
    assert guest["uid"] != old
    assert alice.listens()[-1] == {"type": "ok", "re": "1", "user": guest, "rooms": ["dev"]}
    assert not alice.session.elevated
    assert second.asks("ping")["type"] == "ok"


def test_a_guest_has_nothing_to_log_out_of(book: Playbook, bob: Actor) -> None:
    """Nor a password, a key or an account; not even with an administrator's rights."""
    asked: list[dict[str, Any]] = [
        {"type": "logout"},
        {"type": "passwd", "old": SECRET, "new": OTHER},
        {"type": "key"},
        {"type": "unregister", "password": SECRET},
    ]
    for elevated in (False, True):
        bob.session.elevated = elevated
        for request in asked:
            assert bob.asks(**request)["code"] == "auth.required", request


def test_a_hash_with_old_parameters_is_renewed(book: Playbook, alice: Actor) -> None:
    """At the next login, without a word; other logins under way are as good."""
    uid, before = alice.uid, records(book)
    old = AuthSettings(hash_kib=16, hash_passes=2)
    with Playbook(auth=old) as other:
        record = other.services.auth.hash(SECRET)
    known = book.hub.accounts.by_uid(uid)
    assert known is not None
    known.hash = record
    book.workers.held = True
    strangers = [book.stranger(address=HERE) for _ in range(2)]
    for stranger in strangers:
        stranger.says("hello", id="1", login=ALICE)
    book.workers.work()
    book.settle()
    for stranger in strangers:
        stranger.hears("welcome")
    assert "$m=8,t=1,p=1$" in known.hash
    assert known.hash in records(book)[uid]
    assert records(book) != before


# Changing the password


def test_another_password_ends_other_sessions_and_stays(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """Whoever knew the old one is out, with a session or a token; the one who asked goes on."""
    second = enters(book, "dev")
    lost = book.stranger(address=HERE)
    token = lost.asks("hello", login=ALICE, resume={})["resume"]["token"]
    lost.asks("join", room="attic")
    lost.connection.abort("reset")
    assert alice.asks("passwd", old=SECRET, new=OTHER)["type"] == "ok"
    second.hears("error", code="session.revoked", fatal=True)
    second.hears("bye", code="session.revoked", reconnect="never")
    back = book.stranger(address=HERE).asks("hello", nick="wolf", resume={"token": token})
    assert not back["resume"]["resumed"]
    assert bob.asks("join", room="attic")["count"] == 1
    assert [may_log_in(book, password) for password in (SECRET, OTHER)] == [False, True]
    assert alice.asks("ping")["type"] == "ok"


def test_a_token_is_void_before_its_session_hears_of_it(
    book: Playbook, journal: FailingJournal, alice: Actor
) -> None:
    """Also where the connection breaks first, or the server is killed after the answer."""
    thief = book.stranger(address=HERE)
    token = thief.asks("hello", login=ALICE, resume={})["resume"]["token"]
    book.hub.dismiss((thief.session,), Refused("session.revoked", "It is over."))
    assert len(journal.dropped) == 1
    thief.connection.abort("reset")
    back = book.stranger(address=HERE).asks("hello", nick="thief", resume={"token": token})
    assert (back["resume"]["resumed"], back["user"]["nick"]) == (False, "thief")


def test_only_the_old_password_gives_another(book: Playbook, alice: Actor) -> None:
    """An unattended terminal is not enough."""
    assert alice.asks("passwd", old="a guess", new=OTHER)["code"] == "auth.failed"
    assert alice.asks("passwd", old=SECRET, new="short")["code"] == "auth.weak"
    assert alice.asks("passwd", old=SECRET, new="alice")["code"] == "auth.weak"
    assert may_log_in(book, SECRET)


def test_a_password_that_cannot_be_stored_is_not_changed(
    book: Playbook, journal: FailingJournal, alice: Actor
) -> None:
    """The old one is good, and other sessions go on."""
    second = enters(book)
    journal.full = True
    assert alice.asks("passwd", old=SECRET, new=OTHER)["code"] == "server.storage"
    second.hears_nothing()
    assert [may_log_in(book, password) for password in (SECRET, OTHER)] == [True, False]


def test_case_65_a_login_with_a_password_that_is_changed_meanwhile_fails(
    book: Playbook, alice: Actor
) -> None:
    """It was right when it was looked at, and is not when it would count."""
    stranger = book.stranger(address=HERE)
    book.workers.held = True
    stranger.says("hello", id="1", login=ALICE)
    known = book.hub.accounts.by_name("alice")
    assert known is not None
    known.renew(hash=known.hash + "x")
    book.workers.work()
    book.settle()
    stranger.hears("error", code="auth.failed")


# Giving it up


def test_an_account_that_is_given_up_is_nobodys(book: Playbook, alice: Actor, bob: Actor) -> None:
    """The name is free, other sessions end, and the one who asked is a guest in the same rooms."""
    second, old = enters(book, "dev"), alice.uid
    reply = alice.asks("unregister", password=SECRET)
    assert reply["user"]["nick"].startswith("guest_")
    assert reply["user"]["uid"] != old
    assert reply["rooms"] == ["dev"]
    second.listens()
    assert second.sock.half_closed
    assert not may_log_in(book, SECRET)
    assert bob.asks("nick", nick="alice")["user"] == {"uid": bob.uid, "nick": "alice"}
    assert not records(book)


def test_nothing_brings_an_account_back_that_was_given_up(book: Playbook, alice: Actor) -> None:
    """Another session that asks for a change at the same moment ends, and changes nothing."""
    second, uid = enters(book), alice.uid
    known = book.hub.accounts.by_uid(uid)
    assert known is not None
    book.hub.accounts.remove(known)
    book.journal.keep_record("account", uid, None, lambda _: None)
    assert second.asks("key", public=PUBLIC)["code"] == "auth.required"
    book.person("bob")
    second.says("ignore", id="1", target="bob")
    second.hears("error", code="session.revoked", fatal=True)
    assert not records(book)
    assert book.stranger().asks("hello", nick="Alice")["code"] == "nick.taken"


def test_only_its_password_gives_an_account_up(book: Playbook, alice: Actor) -> None:
    """An unattended terminal is not enough."""
    assert alice.asks("unregister", password="a guess")["code"] == "auth.failed"
    assert may_log_in(book, SECRET)


def test_where_guests_are_not_let_in_nobody_becomes_one(book: Playbook, alice: Actor) -> None:
    """The refusal comes before anything is given up."""
    book.hub.govern(None, lambda policy: setattr(policy, "lockdown", "accounts"))
    assert alice.asks("unregister", password=SECRET)["code"] == "server.locked"
    assert may_log_in(book, SECRET)


# Who can read along


def insecure(book: Playbook) -> list[dict[str, Any]]:
    """Every request with a password, over a plain connection from another machine."""
    guest = book.person("carol", address=REMOTE)
    stranger = book.stranger(address=REMOTE)
    return [
        guest.asks("register", password=SECRET),
        guest.asks("login", **ALICE),
        stranger.asks("hello", login=ALICE),
    ]


def test_no_password_is_taken_where_others_can_read_it(book: Playbook, alice: Actor) -> None:
    """Right or wrong: it is not even looked at."""
    assert [reply.get("code") for reply in insecure(book)] == ["auth.insecure"] * 3
    alice.connection.address = REMOTE
    for type, fields in (
        ("passwd", {"old": SECRET, "new": OTHER}),
        ("unregister", {"password": SECRET}),
    ):
        assert alice.asks(type, **fields)["code"] == "auth.insecure"
    alice.connection.secure = True
    assert alice.asks("passwd", old=SECRET, new=OTHER)["type"] == "ok"


def test_the_operator_can_allow_it() -> None:
    """In a network of one's own."""
    with Playbook(auth=AuthSettings(hash_kib=8, hash_passes=1, plain_passwords=True)) as book:
        account(book, "alice")
        codes = [reply.get("code") for reply in insecure(book)]
    assert codes == [None, "auth.already", None]


# How often


@pytest.fixture
def slow() -> Iterator[Playbook]:
    """A server that grants five attempts a minute."""
    with Playbook() as book:
        account(book, "alice")
        book.services = replace(book.services, attempts=Attempts(5))
        yield book


def guess(book: Playbook, address: str, nick: str = "alice", password: str = "a guess") -> Actor:
    """Somebody who tries a password at hello, and has an answer or waits for it."""
    actor = book.stranger(address=address)
    actor.connection.secure = True
    actor.says("hello", id="1", login={"nick": nick, "password": password})
    return actor


@pytest.mark.parametrize("nick", ["alice", "nobody"])
def test_attempts_beyond_some_wait_and_are_answered(slow: Playbook, nick: str) -> None:
    """Longer than a hello may take, where it must be; a known name is treated like any other."""
    for _ in range(5):
        guess(slow, "192.0.2.1", nick).hears("error", code="auth.failed")
    late, later = (guess(slow, "192.0.2.1", nick) for _ in range(2))
    slow.pass_time(11)
    late.hears_nothing()
    slow.pass_time(1)
    late.hears("error", code="auth.failed")
    later.hears_nothing()
    slow.pass_time(12)
    later.hears("error", code="auth.failed")
    slow.pass_time(9)
    assert later.asks("hello", nick="carol")["type"] == "welcome"


def test_too_many_attempts_of_an_address_are_refused(slow: Playbook) -> None:
    """With the time to wait; what waits already is answered all the same."""
    waiting = [guess(slow, "192.0.2.1") for _ in range(10)][-1]
    refused = guess(slow, "192.0.2.1")
    refused.hears("error", code="rate.logins", retryable=True, retry_after=12, fatal=False)
    slow.pass_time(60)
    waiting.hears("error", code="auth.failed")


def test_who_was_right_before_does_not_wait_for_others_behind_the_address(slow: Playbook) -> None:
    """Who guesses there at other accounts keeps nobody out who belongs there."""
    guess(slow, "192.0.2.1", password=SECRET).hears("welcome")
    for number in range(14):
        guess(slow, "192.0.2.1", f"name{number}")
    guess(slow, "192.0.2.1", "bob").hears("error", code="rate.logins")
    guess(slow, "192.0.2.1", password=SECRET).hears("welcome")


def test_changing_a_password_again_and_again_pays_for_no_guess(slow: Playbook) -> None:
    """It costs the address nothing, so the address gets nothing back."""
    mallory = slow.person("mallory", address=HERE)
    mallory.asks("register", password=SECRET)
    for _ in range(4):
        guess(slow, HERE, "nobody").hears("error", code="auth.failed")
    for old, new in ((SECRET, OTHER), (OTHER, SECRET)):
        assert mallory.asks("passwd", old=old, new=new)["type"] == "ok"
    guess(slow, HERE, "nobody").hears_nothing()


def test_an_account_is_never_locked(slow: Playbook) -> None:
    """While a thousand addresses guess, its owner logs in after ten seconds, from anywhere."""
    for number in range(1000):
        guess(slow, f"10.{number % 250}.{number // 250}.1")
    owner = guess(slow, "198.51.100.7", password=SECRET)
    owner.hears_nothing()
    slow.pass_time(int(ACCOUNT_PATIENCE))
    owner.hears("welcome")
    slow.pass_time(1)
    guess(slow, "198.51.100.7", password=SECRET).hears("welcome")


def test_logging_in_again_and_again_does_not_wait(slow: Playbook) -> None:
    """A program that comes back each second is no guesser."""
    for _ in range(30):
        guess(slow, "192.0.2.1", password=SECRET).hears("welcome")


def test_accounts_are_not_made_by_the_dozen(slow: Playbook) -> None:
    """Each is an attempt of its address, whatever becomes of it."""
    guests = [slow.person(f"new{number}", address=HERE) for number in range(6)]
    for guest in guests:
        guest.says("register", id="1", password=SECRET)
    assert [len(guest.listens()) for guest in guests] == [2] * 5 + [0]


def test_who_changes_a_password_is_an_attempt_too(slow: Playbook) -> None:
    """A stolen session does not guess faster than a stranger."""
    thief = guess(slow, "192.0.2.1", password=SECRET)
    thief.hears("welcome")
    for _ in range(5):
        assert thief.asks("passwd", old="a guess", new=OTHER)["code"] == "auth.failed"
    thief.says("unregister", id="1", password="a guess")
    thief.hears_nothing()
    slow.pass_time(12)
    thief.hears("error", code="auth.failed")


def test_with_too_many_hashes_waiting_somebody_is_told_to_come_again(book: Playbook) -> None:
    """Case 85: and nothing else of the server waits."""
    account(book, "alice")
    book.workers.held = True
    waiting = [book.stranger(address="127.0.0.2") for _ in range(9)]
    for stranger in waiting:
        stranger.says("hello", id="1", login=ALICE)
    waiting[-1].hears("error", code="server.busy", retry_after=1, retryable=True)
    book.workers.work()
    book.settle()
    waiting[-2].hears("welcome")


# What is written down


def test_logins_are_written_down_without_the_password(
    book: Playbook, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who, from where, and whether it was right."""
    noted: list[tuple[str, object, object]] = []
    monkeypatch.setattr(
        book.log,
        "note",
        lambda event, **fields: noted.append((event, fields.get("nick"), fields.get("address"))),
    )
    assert may_log_in(book, SECRET)
    assert not may_log_in(book, "a guess", "nobody")
    assert [note for note in noted if note[0].startswith("login")] == [
        ("login", "alice", HERE),
        ("login_failed", "nobody", HERE),
    ]
    assert SECRET not in repr(noted)
