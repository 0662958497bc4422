"""Arriving, being called something, lists of people, and leaving."""

from __future__ import annotations

import pytest

from chat_schema import PROTOCOL_LEVEL, PROTOCOL_VERSION, limits
from tests.support.playbook import Actor, Playbook


def test_welcome_says_who_you_are_and_what_holds() -> None:
    """Everything a client needs to know, in one round trip."""
    with Playbook(motd="Be kind.") as book:
        welcome = book.stranger().asks("hello", version=1, nick="Alice", client="test/1.0")
    assert welcome["version"] == PROTOCOL_VERSION
    assert welcome["level"] == PROTOCOL_LEVEL
    assert welcome["server"] == "a-server"
    assert welcome["motd"] == "Be kind."
    assert welcome["user"]["nick"] == "Alice"
    assert welcome["durability"] == "memory"
    assert welcome["heartbeat"] == {"interval": 30, "timeout": 75}
    assert welcome["limits"]["text"] == limits.TEXT_CHARACTERS


def test_without_a_nick_one_is_a_guest(book: Playbook) -> None:
    """Numbered, and two guests are two people."""
    users = [book.stranger().asks("hello")["user"] for _ in range(2)]
    assert [user["nick"] for user in users] == ["guest_1", "guest_2"]
    assert users[0]["uid"] != users[1]["uid"]


def test_another_version_is_refused_for_good(book: Playbook) -> None:
    """With the range that is spoken; then bye."""
    stranger = book.stranger()
    stranger.says("hello", id="7", version=2)
    stranger.hears("error", re="7", code="protocol.version", fatal=True, versions=[1, 1])
    stranger.hears("bye", code="protocol.version", reconnect="never")
    stranger.hears_nothing()
    assert stranger.sock.half_closed


@pytest.mark.parametrize(
    ("nick", "code"), [("ALICE", "nick.taken"), ("Root", "nick.reserved"), ("a b", "nick.invalid")]
)
def test_case_41_a_nick_that_cannot_be_had_is_no_end(
    book: Playbook, alice: Actor, nick: str, code: str
) -> None:
    """The client may say hello again."""
    stranger = book.stranger()
    refusal = stranger.asks("hello", nick=nick)
    assert (refusal["code"], refusal["field"], refusal["fatal"]) == (code, "nick", False)
    assert stranger.asks("hello", nick="carol")["user"]["nick"] == "carol"


def test_case_60_hello_twice_is_refused(alice: Actor) -> None:
    """And changes nothing."""
    assert alice.asks("hello", nick="other")["code"] == "protocol.already_welcome"
    assert [user["nick"] for user in alice.asks("users")["users"]] == ["alice"]


def test_case_64_of_many_who_want_a_nick_one_gets_it(book: Playbook) -> None:
    """The others are told."""
    strangers = [book.stranger() for _ in range(100)]
    replies = [stranger.asks("hello", nick="king") for stranger in strangers]
    assert [reply["type"] for reply in replies].count("welcome") == 1
    assert [reply.get("code") for reply in replies].count("nick.taken") == 99


def test_a_rename_is_told_once_to_everyone_who_shares_a_room(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """However many rooms they share; strangers hear nothing."""
    for actor in (alice, bob):
        actor.asks("join", room="other")
    carol = book.person("carol", "elsewhere")
    book.forget()
    reply = alice.asks("nick", nick="Alicia")
    assert reply["user"] == {"uid": alice.uid, "nick": "Alicia"}
    for actor in (alice, bob):
        event = actor.hears("nick", old="alice", user={"uid": alice.uid, "nick": "Alicia"})
        assert event["ts"] == "2026-11-22T15:00:00.123Z"
        actor.hears_nothing()
    carol.hears_nothing()


def test_one_in_no_room_hears_of_their_own_rename(book: Playbook) -> None:
    """Once."""
    alice = book.person("alice")
    alice.says("nick", id="7", nick="alicia")
    alice.hears("nick", old="alice")
    alice.hears("ok", re="7")
    alice.hears_nothing()


def test_the_nick_one_has_already_is_no_news(alice: Actor, bob: Actor) -> None:
    """Answered, and told to nobody; another case of it is news."""
    assert alice.asks("nick", nick="alice")["user"]["nick"] == "alice"
    alice.hears_nothing()
    bob.hears_nothing()
    assert alice.asks("nick", nick="ALICE")["user"]["nick"] == "ALICE"
    bob.hears("nick", old="alice")


@pytest.mark.parametrize(("nick", "code"), [("bob", "nick.taken"), ("all", "nick.reserved")])
def test_a_refused_rename_is_told_to_nobody(alice: Actor, bob: Actor, nick: str, code: str) -> None:
    """And changes nothing."""
    assert alice.asks("nick", nick=nick)["code"] == code
    bob.hears_nothing()
    assert [user["nick"] for user in bob.asks("users")["users"]] == ["alice", "bob"]


def test_messages_carry_the_nick_of_their_moment(alice: Actor, bob: Actor) -> None:
    """And the same uid before and after."""
    alice.says("broadcast", room="general", text="one")
    alice.says("nick", nick="alicia")
    alice.says("broadcast", room="general", text="two")
    first, _, second = bob.listens()
    assert [event["user"]["nick"] for event in (first, second)] == ["alice", "alicia"]
    assert first["user"]["uid"] == second["user"]["uid"]


def test_users_lists_everyone_by_nick(book: Playbook, bob: Actor) -> None:
    """In any case and whatever rooms they are in."""
    book.person("Carol")
    book.person("Bertha", "elsewhere")
    reply = bob.asks("users")
    assert [user["nick"] for user in reply["users"]] == ["alice", "Bertha", "bob", "Carol"]
    assert (reply["count"], reply["more"]) == (4, False)


def test_users_of_a_room_are_its_members(book: Playbook, alice: Actor, bob: Actor) -> None:
    """For those who are in it, in any case of its name."""
    carol = book.person("carol", "elsewhere")
    assert [user["nick"] for user in alice.asks("users", room="GENERAL")["users"]] == [
        "alice",
        "bob",
    ]
    assert carol.asks("users", room="general")["code"] == "room.not_member"


def test_users_come_in_pages(book: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    """`after` the last nick of a page follows the next; in the end each was named once."""
    monkeypatch.setattr(limits, "LIST_PAGE", 3)
    people = [book.person(nick) for nick in ("a", "B", "c", "D", "e", "F", "g")]
    seen: list[str] = []
    while True:
        page = people[0].asks("users", after=seen[-1] if seen else None)
        assert len(page["users"]) <= 3
        assert page["count"] == 7
        seen += [user["nick"] for user in page["users"]]
        if not page["more"]:
            break
    assert seen == ["a", "B", "c", "D", "e", "F", "g"]


def test_users_after_the_last_are_none(alice: Actor) -> None:
    """And there are no more."""
    page = alice.asks("users", after="zoe")
    assert (page["users"], page["more"], page["count"]) == ([], False, 1)


def test_before_welcome_one_may_ping_and_quit(book: Playbook) -> None:
    """The server is there, and one may change one's mind."""
    stranger = book.stranger()
    assert stranger.asks("ping")["type"] == "ok"
    stranger.says("quit", id="7")
    stranger.hears("ok", re="7")
    stranger.hears("bye", code="client.quit")
