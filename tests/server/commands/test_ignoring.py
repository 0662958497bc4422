"""Ignoring: no whispers from somebody any more."""

from __future__ import annotations

import pytest

from chat_schema.names import User
from chat_server.commands.ignoring import IGNORED
from tests.support.playbook import Actor, Playbook

HERE = "127.0.0.1"
SECRET = "correct horse"


def user(actor: Actor) -> dict[str, str]:
    """How a guest is listed."""
    return {"uid": actor.uid, "nick": actor.session.known.nick}


def test_case_67_a_whisper_of_somebody_ignored_is_refused(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """The one who ignores hears nothing; the other way it goes on."""
    assert alice.asks("ignore", target="BOB")["users"] == [user(bob)]
    assert bob.asks("whisper", to="alice", text="psst")["code"] == "user.ignores"
    alice.hears_nothing()
    assert alice.asks("whisper", to="bob", text="psst")["type"] == "ok"
    assert alice.asks("unignore", target="bob")["users"] == []
    assert bob.asks("whisper", to="alice", text="psst")["type"] == "ok"


def test_another_nick_does_not_help_the_ignored(book: Playbook, alice: Actor, bob: Actor) -> None:
    """Who is ignored is known by uid, and listed under the nick of today."""
    alice.asks("ignore", target="bob")
    bob.asks("nick", nick="robert")
    assert bob.asks("whisper", to="alice", text="psst")["code"] == "user.ignores"
    assert alice.asks("ignores")["users"] == [user(bob)]
    assert alice.asks("unignore", target="robert")["users"] == []


def test_who_is_gone_is_listed_under_the_last_nick(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """And can be taken off the list by it, even when somebody else has the nick now."""
    gone = user(bob)
    alice.asks("ignore", target="bob")
    bob.sends(b"")
    assert alice.asks("ignores")["users"] == [gone]
    other = book.person("bob")
    assert other.asks("whisper", to="alice", text="psst")["type"] == "ok"
    assert alice.asks("unignore", target="Bob")["users"] == []


def test_an_account_is_ignored_whether_it_is_here_or_not(book: Playbook, alice: Actor) -> None:
    """Its name is enough."""
    carol = book.person("carol", address=HERE)
    carol.asks("register", password=SECRET)
    uid = carol.uid
    carol.sends(b"")
    listed = {"uid": uid, "nick": "carol", "registered": True}
    assert alice.asks("ignore", target="carol")["users"] == [listed]
    assert alice.asks("ignores")["users"] == [listed]
    assert alice.asks("unignore", target="carol")["users"] == []


def test_an_account_keeps_whom_it_ignores(book: Playbook, bob: Actor) -> None:
    """Also what it ignored as a guest; it is stored before the answer."""
    carol = book.person("carol", address=HERE)
    carol.asks("ignore", target="bob")
    carol.asks("register", password=SECRET)
    carol.asks("ignore", target="alice")
    uid = carol.uid
    carol.sends(b"")
    assert bob.asks("whisper", to="carol", text="psst")["code"] == "user.ignores"
    record = dict(book.journal.records("account"))[uid]
    assert bob.uid in record
    back = book.stranger(address=HERE)
    back.asks("hello", login={"nick": "carol", "password": SECRET})
    assert [entry["nick"] for entry in back.asks("ignores")["users"]] == ["alice", "bob"]


@pytest.mark.parametrize("act", ["ignore", "unignore"])
def test_nobody_can_be_ignored_who_is_unknown(alice: Actor, act: str) -> None:
    """The field is named."""
    refusal = alice.asks(act, target="nobody")
    assert (refusal["code"], refusal["field"]) == ("user.unknown", "target")


def test_case_67_nobody_ignores_themselves(alice: Actor) -> None:
    """In any case."""
    assert alice.asks("ignore", target="Alice")["code"] == "user.self"


def test_ignoring_twice_and_not_ignoring_is_no_fault(alice: Actor, bob: Actor) -> None:
    """The answer is the list as it is."""
    for _ in range(2):
        assert alice.asks("ignore", target="bob")["users"] == [user(bob)]
    for _ in range(2):
        assert alice.asks("unignore", target="bob")["users"] == []


def test_the_list_is_bounded(book: Playbook, alice: Actor, bob: Actor) -> None:
    """Who was ignored longest ago gives way; who is ignored again displaces nobody."""
    ignored = alice.session.known.ignored
    ignored.update((f"u{number}", f"gone{number}") for number in range(IGNORED))
    for _ in range(2):
        assert len(alice.asks("ignore", target="bob")["users"]) == IGNORED
    assert "u0" not in ignored
    assert "u1" in ignored


def test_the_list_may_change_while_it_is_told(
    book: Playbook, alice: Actor, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another session of the account, on another loop."""
    alice.asks("ignore", target="bob")
    ignored, user_of = alice.session.known.ignored, book.hub.user

    def meanwhile(uid: str) -> User | None:
        ignored["u9"] = "another"
        return user_of(uid)

    monkeypatch.setattr(book.hub, "user", meanwhile)
    assert alice.asks("ignores")["users"] == [user(bob)]
