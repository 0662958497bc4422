"""What administrators and the operator ask, and who is refused it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from chat_schema import limits
from chat_schema.errors import Refused
from chat_server.commands import administration
from chat_server.domain.people import Person
from chat_server.journal.base import Done
from chat_server.journal.memory import MemoryJournal
from chat_server.settings import Admin
from tests.support.playbook import Actor, Frame, Playbook

PASSWORD = "the administrator's"
SECRET = "correct horse"
HERE = "127.0.0.1"


@pytest.fixture
def book() -> Iterator[Playbook]:
    """A server with an administrator's password."""
    with Playbook(admin=Admin(password=SecretStr(PASSWORD))) as book:
        yield book


@pytest.fixture
def admin(book: Playbook) -> Actor:
    """Somebody who has shown the password."""
    admin = book.person("boss", address=HERE)
    admin.asks("elevate", password=PASSWORD)
    return admin


@pytest.fixture
def operator(book: Playbook) -> Actor:
    """Whoever runs the server, through the socket in its folder."""
    operator = book.stranger(address=HERE)
    operator.session.operator = "uid 1000"
    operator.session.person = Person("operator", "server")
    operator.connection.welcomed()
    return operator


def refusal(reply: Frame) -> str:
    """The code with which something was refused."""
    assert reply["type"] == "error", reply
    return str(reply["code"])


def registered(book: Playbook, nick: str, *rooms: str) -> Actor:
    """Somebody with an account, logged in."""
    actor = book.person(nick, *rooms, address=HERE)
    assert actor.asks("register", password=SECRET)["type"] == "ok"
    book.forget()
    return actor


def acts(book: Playbook) -> list[tuple[str, str, str | None, str | None, str | None]]:
    """What the audit has, without numbers and dates."""
    return [act[2:] for act in book.journal.acts(None, 100).acts]


# Becoming administrator


def test_whoever_knows_the_password_is_administrator_until_they_go(book: Playbook) -> None:
    """The reply says so, the audit has it, and the next connection begins as everybody's."""
    boss = book.person("boss", address=HERE)
    assert refusal(boss.asks("stats")) == "permission.denied"
    assert boss.asks("elevate", password=PASSWORD)["role"] == "admin"
    assert boss.asks("stats")["type"] == "ok"
    assert acts(book) == [(f"boss@{HERE}", "elevate", None, None, None)]
    boss.says("quit")
    assert refusal(book.person("boss", address=HERE).asks("stats")) == "permission.denied"


def test_a_wrong_password_is_refused_and_changes_nothing(book: Playbook) -> None:
    """In the words of any wrong password."""
    boss = book.person("boss", address=HERE)
    assert refusal(boss.asks("elevate", password="a guess at it")) == "auth.failed"
    assert refusal(boss.asks("stats")) == "permission.denied"
    assert acts(book) == []


def test_where_there_is_no_password_none_is_right() -> None:
    """Not even an empty one: the request itself is refused."""
    with Playbook() as book:
        boss = book.person("boss", address=HERE)
        assert refusal(boss.asks("elevate", password=PASSWORD)) == "permission.denied"


def test_the_password_is_not_taken_where_others_can_read_it(book: Playbook) -> None:
    """Whether it is right or not."""
    afar = book.person("boss", address="192.0.2.7")
    assert refusal(afar.asks("elevate", password=PASSWORD)) == "auth.insecure"
    assert refusal(afar.asks("elevate", password="a guess at it")) == "auth.insecure"


ADMINISTRATIVE: list[tuple[str, dict[str, Any]]] = [
    ("sessions", {}),
    ("rename", {"target": "alice", "nick": "eve"}),
    ("shutdown", {}),
    ("stats", {}),
    ("lockdown", {}),
    ("lockdown", {"level": "accounts"}),
    ("audit", {}),
]


@pytest.mark.parametrize(("type_", "fields"), ADMINISTRATIVE)
def test_nobody_else_is_told_or_obeyed(book: Playbook, type_: str, fields: dict[str, Any]) -> None:
    """Neither guests nor accounts, nor moderators of the server; nothing happens."""
    alice = registered(book, "alice")
    account = book.hub.accounts.by_name("alice")
    assert account is not None
    for role in ("user", "moderator"):
        account.role = role
        assert refusal(alice.asks(type_, **fields)) == "permission.denied"
    guest = book.person("guest")
    assert refusal(guest.asks(type_, **fields)) == "permission.denied"
    assert acts(book) == []
    assert book.hub.policy.lockdown == "none"


@pytest.mark.parametrize("type_", ["accounts", "account"])
def test_accounts_are_the_operator_s_alone(book: Playbook, admin: Actor, type_: str) -> None:
    """Administrators come over the network."""
    fields = {"nick": "alice"} if type_ == "account" else {}
    assert refusal(admin.asks(type_, **fields)) == "permission.denied"


# Who is here


def test_sessions_are_told_with_what_an_administrator_looks_for(
    book: Playbook, admin: Actor
) -> None:
    """Address, program, rooms, role; who has not said hello is not among them."""
    alice = book.stranger(address="192.0.2.9")
    alice.asks("hello", nick="alice", client="a-program/1")
    alice.asks("join", room="Dev")
    book.stranger()
    reply = admin.asks("sessions")
    assert [entry["user"]["nick"] for entry in reply["sessions"]] == ["boss", "alice"]
    assert [entry["role"] for entry in reply["sessions"]] == ["admin", "user"]
    entry = reply["sessions"][1]
    assert (entry["address"], entry["client"]) == ("192.0.2.9", "a-program/1")
    assert (entry["secure"], entry["rooms"]) == (False, ["Dev"])
    assert (reply["count"], reply["more"]) == (2, False)


def test_sessions_are_paged_by_number(
    book: Playbook, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next page begins after the last number, with nobody twice or left out."""
    monkeypatch.setattr(limits, "LIST_PAGE", 2)
    for number in range(4):
        book.person(f"u{number}")
    found, after = [], None
    while True:
        fields: dict[str, Any] = {"after": after} if after is not None else {}
        reply = admin.asks("sessions", **fields)
        found += [entry["user"]["nick"] for entry in reply["sessions"]]
        assert reply["count"] == 5
        if not reply["more"]:
            break
        after = reply["sessions"][-1]["number"]
    assert found == ["boss", "u0", "u1", "u2", "u3"]


def test_a_page_of_sessions_fits_a_frame(
    book: Playbook, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rooms each is in: it is cut, never to nothing."""
    monkeypatch.setattr(administration, "PAGE_BYTES", 1500)
    rooms = [f"{'r' * 60}{number}" for number in range(20)]
    for nick in ("alice", "bob"):
        book.person(nick, *rooms)
    first = admin.asks("sessions")
    assert ([entry["user"]["nick"] for entry in first["sessions"]], first["more"]) == (
        ["boss"],
        True,
    )
    second = admin.asks("sessions", after=first["sessions"][0]["number"])
    assert [entry["user"]["nick"] for entry in second["sessions"]] == ["alice"]
    assert second["more"]


# Renaming


def test_an_administrator_renames_somebody(book: Playbook, admin: Actor) -> None:
    """They, their room and the reply say so, and the audit who did it."""
    alice, bob = book.person("alice", "dev"), book.person("bob", "dev")
    assert admin.asks("rename", target="ALICE", nick="carol")["user"]["nick"] == "carol"
    for actor in (alice, bob):
        assert actor.hears("nick", old="alice")["user"]["nick"] == "carol"
    assert acts(book)[-1] == (f"boss@{HERE}", "rename", None, "alice", "to carol")


def test_nobody_of_the_same_rank_is_renamed(book: Playbook, admin: Actor) -> None:
    """Nor oneself; the operator may rename administrators."""
    other = book.person("chief", address=HERE)
    other.asks("elevate", password=PASSWORD)
    assert refusal(admin.asks("rename", target="chief", nick="x")) == "permission.denied"
    assert refusal(admin.asks("rename", target="boss", nick="x")) == "user.self"


def test_the_operator_renames_administrators(admin: Actor, operator: Actor) -> None:
    """There is nobody above."""
    assert operator.asks("rename", target="boss", nick="ex")["user"]["nick"] == "ex"


def test_only_who_is_online_is_renamed_and_only_to_a_free_nick(
    book: Playbook, admin: Actor
) -> None:
    """The code says which of it is so; nothing is noted."""
    registered(book, "alice").says("quit")
    book.person("bob")
    before = acts(book)
    assert refusal(admin.asks("rename", target="nobody", nick="x")) == "user.unknown"
    assert refusal(admin.asks("rename", target="alice", nick="x")) == "user.offline"
    assert refusal(admin.asks("rename", target="bob", nick="boss")) == "nick.taken"
    assert refusal(admin.asks("rename", target="bob", nick="alice")) == "nick.reserved"
    assert acts(book) == before


# Stopping


def test_everybody_is_told_of_a_shutdown_and_then_it_comes(book: Playbook, admin: Actor) -> None:
    """At once, with the time and the reason; not a moment before its time."""
    alice = book.person("alice")
    assert admin.asks("shutdown", seconds=30, reason="new disks")["type"] == "ok"
    notice = alice.hears("notice", code="server.shutdown")
    assert notice["message"] == "The server stops in 30 s: new disks"
    assert admin.hears("notice")["code"] == "server.shutdown"
    book.pass_time(29)
    assert not book.control.stop_requested.is_set()
    book.pass_time(1)
    assert book.control.stop_requested.is_set()
    assert acts(book)[-1] == (f"boss@{HERE}", "shutdown", "*", None, "in 30 s: new disks")


def test_a_later_shutdown_takes_the_place_of_an_earlier_one(book: Playbook, admin: Actor) -> None:
    """Later or sooner."""
    admin.asks("shutdown", seconds=10)
    admin.asks("shutdown", seconds=100)
    book.pass_time(50)
    assert not book.control.stop_requested.is_set()
    assert admin.asks("shutdown")["type"] == "ok"
    book.pass_time(1)
    assert book.control.stop_requested.is_set()


def test_the_shutdown_reaches_people_on_every_loop() -> None:
    """Not only on that of whoever asked."""
    with Playbook(loops=3, admin=Admin(password=SecretStr(PASSWORD))) as book:
        boss = book.person("boss", address=HERE)
        others = [book.person(f"u{loop}", loop=loop) for loop in range(3)]
        boss.asks("elevate", password=PASSWORD)
        boss.asks("shutdown", seconds=5)
        for other in others:
            other.hears("notice", message="The server stops in 5 s.")


# Numbers, doors, the past


def test_stats_are_told_by_name(book: Playbook, admin: Actor) -> None:
    """Whatever the server counts at the moment."""
    book.telemetry.count("refused.server.full")
    assert admin.asks("stats")["stats"]["refused.server.full"] == 1


def test_a_lockdown_keeps_newcomers_out_and_nobody_in(book: Playbook, admin: Actor) -> None:
    """Who is here stays; others are refused, and may log in or try again."""
    alice = book.person("alice", "dev")
    assert admin.asks("lockdown")["level"] == "none"
    assert admin.asks("lockdown", level="accounts")["level"] == "accounts"
    assert alice.asks("broadcast", room="dev", text="still here")["type"] == "ok"
    stranger = book.stranger()
    reply = stranger.asks("hello", nick="bob")
    assert (refusal(reply), reply["fatal"]) == ("server.locked", False)
    admin.asks("lockdown", level="none")
    assert stranger.asks("hello", nick="bob")["type"] == "welcome"
    assert [act[1:] for act in acts(book)[-2:]] == [
        ("lockdown", "*", None, "accounts"),
        ("lockdown", "*", None, "none"),
    ]


def test_a_lockdown_is_kept(book: Playbook, admin: Actor) -> None:
    """A restart opens no door."""
    admin.asks("lockdown", level="moderators")
    with Playbook(journal=book.journal) as again:
        assert again.hub.policy.lockdown == "moderators"


def test_the_audit_is_read_back_a_page_at_a_time(book: Playbook, admin: Actor) -> None:
    """The newest first, ascending within a page, and before a number what is older."""
    for level in ("accounts", "moderators", "none"):
        admin.asks("lockdown", level=level)
    page = admin.asks("audit", limit=2)
    assert [(entry["number"], entry["detail"]) for entry in page["entries"]] == [
        (3, "moderators"),
        (4, "none"),
    ]
    assert page["more"]
    assert page["entries"][0]["actor"] == f"boss@{HERE}"
    page = admin.asks("audit", limit=2, before=3)
    assert [entry["act"] for entry in page["entries"]] == ["elevate", "lockdown"]
    assert not page["more"]


def test_acts_of_an_account_are_noted_under_its_name(book: Playbook) -> None:
    """Whatever nick it uses for the moment."""
    alice = registered(book, "alice")
    alice.asks("elevate", password=PASSWORD)
    alice.asks("nick", nick="somebody")
    alice.asks("lockdown", level="none")
    assert acts(book)[-1][0] == f"alice@{HERE}"


# The operator's accounts


def test_the_operator_makes_an_account_to_log_in_to(book: Playbook, operator: Actor) -> None:
    """With a role from the start; this is how a server gets its first administrator."""
    reply = operator.asks("account", nick="Anna", password=SECRET, role="admin")
    assert (reply["account"]["nick"], reply["account"]["role"]) == ("Anna", "admin")
    anna = book.stranger(address=HERE)
    anna.asks("hello", login={"nick": "anna", "password": SECRET})
    assert anna.asks("stats")["type"] == "ok"
    assert acts(book) == [("operator (uid 1000)", "account-add", None, "Anna", "admin")]


def test_no_account_is_made_over_somebody(book: Playbook, operator: Actor) -> None:
    """Nor with a weak password, nor with a name that nobody gets."""
    book.person("alice")
    make = {"password": SECRET}
    assert refusal(operator.asks("account", nick="alice", **make)) == "nick.taken"
    assert refusal(operator.asks("account", nick="root", **make)) == "nick.reserved"
    assert refusal(operator.asks("account", nick="guest_7", **make)) == "nick.reserved"
    assert refusal(operator.asks("account", nick="192.0.2.7", **make)) == "nick.reserved"
    assert refusal(operator.asks("account", nick="bob", password="short")) == "auth.weak"
    assert refusal(operator.asks("account", nick="longenough", password="LongEnough")) == (
        "auth.weak"
    )
    assert operator.asks("accounts")["count"] == 0


def test_what_is_not_there_is_neither_told_nor_changed_nor_removed(operator: Actor) -> None:
    """Only a password makes an account."""
    wishes: list[dict[str, Any]] = [{}, {"role": "admin"}, {"remove": True}]
    for fields in wishes:
        assert refusal(operator.asks("account", nick="nobody", **fields)) == "user.unknown"


def test_another_role_holds_at_once(book: Playbook, operator: Actor) -> None:
    """For who is online too, in both directions."""
    alice = registered(book, "alice")
    operator.asks("account", nick="ALICE", role="admin")
    assert alice.asks("stats")["type"] == "ok"
    operator.asks("account", nick="alice", role="user")
    assert refusal(alice.asks("stats")) == "permission.denied"
    assert [act[1:] for act in acts(book)] == [
        ("account-role", None, "alice", "admin"),
        ("account-role", None, "alice", "user"),
    ]


def test_another_password_ends_the_sessions_and_is_the_only_one_then(
    book: Playbook, operator: Actor
) -> None:
    """Nobody who knew the old one is left; the role stays."""
    alice = registered(book, "alice")
    reply = operator.asks("account", nick="alice", password="another horse")
    assert reply["account"]["role"] == "user"
    assert alice.hears("error")["code"] == "session.revoked"
    again = book.stranger(address=HERE)
    login = {"nick": "alice", "password": SECRET}
    assert refusal(again.asks("hello", login=login)) == "auth.failed"
    login = {"nick": "alice", "password": "another horse"}
    assert again.asks("hello", login=login)["type"] == "welcome"
    assert acts(book)[-1][1:] == ("account-password", None, "alice", None)


def test_a_removed_account_is_gone_with_its_sessions(book: Playbook, operator: Actor) -> None:
    """The nick is anybody's again."""
    alice = registered(book, "alice")
    assert operator.asks("account", nick="alice", remove=True)["account"]["nick"] == "alice"
    assert alice.hears("error")["code"] == "session.revoked"
    assert refusal(operator.asks("account", nick="alice")) == "user.unknown"
    assert book.stranger().asks("hello", nick="alice")["type"] == "welcome"
    assert list(book.journal.records("account")) == []
    assert acts(book)[-1][1:] == ("account-remove", None, "alice", None)


def test_accounts_are_listed_by_name_a_page_at_a_time(
    book: Playbook, operator: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any case, with who is online."""
    monkeypatch.setattr(limits, "LIST_PAGE", 2)
    for nick in ("Carol", "alice", "Bob"):
        operator.asks("account", nick=nick, password=SECRET)
    book.stranger(address=HERE).asks("hello", login={"nick": "bob", "password": SECRET})
    page = operator.asks("accounts")
    assert [entry["nick"] for entry in page["accounts"]] == ["alice", "Bob"]
    assert [entry["online"] for entry in page["accounts"]] == [False, True]
    assert (page["count"], page["more"]) == (3, True)
    page = operator.asks("accounts", after="Bob")
    assert [entry["nick"] for entry in page["accounts"]] == ["Carol"]
    assert not page["more"]


def test_no_password_and_no_hash_is_in_the_audit(book: Playbook, operator: Actor) -> None:
    """Nor in any answer."""
    replies = [
        operator.asks("account", nick="anna", password=SECRET),
        operator.asks("account", nick="anna", password="another horse"),
        operator.asks("account", nick="anna", password="short"),
        operator.asks("audit"),
    ]
    for text in (str(replies), str(acts(book))):
        assert SECRET not in text
        assert "horse" not in text
        assert "argon2" not in text


# What is acknowledged is stored


class SlowRecords(MemoryJournal):
    """A journal whose records are stored when a test says so."""

    def __init__(self) -> None:
        super().__init__(kept=1000, budget=2**24)
        self.unstored: list[Done] = []

    def keep_record(self, kind: str, key: str, body: str | None, done: Done) -> None:
        """Let whoever asks wait."""
        self.unstored.append(done)


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "lockdown", "level": "registrations"},
        {"type": "ban", "room": "*", "target": "192.0.2.77"},
        {"type": "mute", "room": "*", "target": "mallory"},
    ],
    ids=lambda request: request["type"],
)
def test_an_act_on_the_server_is_answered_when_it_is_stored(request_: Frame) -> None:
    """As a message is: after the `ok` no kill makes it undone; where it cannot be, it says so."""
    journal = SlowRecords()
    with Playbook(journal=journal) as book:
        boss = book.person("boss", address=HERE)
        boss.session.elevated = True
        book.person("mallory")
        for failure, answer in ((None, "ok"), (Refused("server.storage", "No."), "error")):
            boss.says(id="1", **request_)
            boss.hears_nothing()
            for done in journal.unstored:
                done(failure)
            journal.unstored.clear()
            book.settle()
            boss.hears(answer, re="1")


def test_an_operators_ban_does_not_bind_the_servers_own_machine(
    book: Playbook, operator: Actor
) -> None:
    """Behind a proxy everybody comes from there: the one who is named goes, nobody else."""
    mallory, other = book.person("mallory", address=HERE), book.person("other", address=HERE)
    assert operator.asks("ban", room="*", target="mallory")["type"] == "ok"
    mallory.hears("error", code="server.banned", fatal=True)
    assert other.asks("ping")["type"] == "ok"
    assert book.stranger(address=HERE).asks("hello", nick="new")["type"] == "welcome"
