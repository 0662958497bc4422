"""Who a session is: logging in and out, by password and key, on one connection and the next."""

from __future__ import annotations

from typing import Any

import pytest

from chat_client.identity import Proof
from chat_client.incoming import Incoming
from chat_client.session import Session
from chat_client.unanswered import Answer
from chat_schema import replies, requests
from chat_schema.errors import Refused
from tests.support.client_script import Frame, Script, event, numbers, replay, user

PASSWORD = "pw-of-alice"
ALICE = {**user("u1"), "registered": True}
GUEST = {"uid": "u7", "nick": "guest_7"}


def sign(server: str, nick: str, nonce: str) -> str:
    """A signature that shows what was signed."""
    return f"{server}_{nick}_{nonce}".ljust(86, "_")


def with_password() -> Script:
    """Alice, who knows her password."""
    return Script(Session("alice", proof=Proof("alice", PASSWORD)))


def with_key() -> Script:
    """Alice, who has a key."""
    return Script(Session("alice", proof=Proof("alice", sign=sign)))


def welcomes_account(script: Script, person: dict[str, Any], **resume: Any) -> list[Incoming]:
    """Say welcome to somebody who may be logged in."""
    usual = {"token": "t-1", "seconds": 120, "resumed": False, "rooms": [], "everyone": ["e", 0]}
    return script.says(
        "welcome", re=script.hello["id"], version=1, level=3, server="s", user=person, limits={},
        heartbeat={"interval": 30, "timeout": 75}, durability="disk", resume={**usual, **resume},
    )  # fmt: skip


def welcome_in(items: list[Incoming]) -> replies.Welcome:
    """The welcome that was handed on, which must be one."""
    [welcome] = [
        item.reply
        for item in items
        if isinstance(item, Answer) and isinstance(item.request, requests.Hello)
    ]
    assert isinstance(welcome, replies.Welcome)
    return welcome


def refuses(script: Script, asked: Frame, code: str) -> list[Incoming]:
    """Refuse a request."""
    return script.says("error", re=asked["id"], code=code, message="m")


def identity(script: Script, asked: Frame, person: dict[str, Any], *rooms: str) -> list[Incoming]:
    """Answer a login, or another request about the account."""
    return script.says("ok", re=asked["id"], user=person, rooms=list(rooms))


def test_the_first_hello_carries_the_password() -> None:
    """The nick is the account's, and need not be asked for."""
    script = with_password()
    hello = script.connects()
    assert hello["login"] == {"nick": "alice", "password": PASSWORD}
    assert "nick" not in hello
    welcome_in(welcomes_account(script, ALICE))
    script.session.ask(requests.Ping())
    script.hears("ping")


def test_the_token_comes_before_the_password() -> None:
    """A reconnect costs the server no hashing, and names the account's nick."""
    script = with_password()
    script.connects()
    welcomes_account(script, ALICE)
    script.session.lose()
    hello = script.connects()
    assert (hello["nick"], hello["resume"]["token"]) == ("alice", "t-1")
    assert "login" not in hello
    welcome_in(welcomes_account(script, ALICE, resumed=True))
    assert script.session.resumed


@pytest.mark.parametrize("code", ["nick.reserved", "server.locked"])
def test_a_stay_that_is_gone_is_answered_with_the_password(code: str) -> None:
    """Once; the view hears of the welcome only."""
    script = with_password()
    script.connects()
    welcomes_account(script, ALICE)
    script.session.lose()
    assert refuses(script, script.connects(), code) == []
    script.hello = script.hears("hello", login={"nick": "alice", "password": PASSWORD})
    welcome_in(welcomes_account(script, ALICE))
    script.session.lose()
    refuses(script, script.connects(), code)
    [answer] = refuses(script, script.hears("hello"), code)
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Refused)


def challenged(script: Script) -> Frame:
    """Let a session with a key sign, and return the hello that it says then."""
    assert script.says("ok", re=script.hears("challenge")["id"], nonce="n", server="s") == []
    signature = sign("s", "alice", "n")
    script.hello = script.hears("hello", login={"nick": "alice", "signature": signature})
    return script.hello


def test_a_key_signs_before_the_hello() -> None:
    """Nobody says hello as a guest first, who might not be let in: the signature comes with it."""
    script = with_key()
    script.session.connect()
    script.session.ask(requests.Ping())
    assert "nick" not in challenged(script)
    assert script.listens() == []
    welcome = welcome_in(welcomes_account(script, ALICE))
    assert (welcome.user.nick, welcome.user.registered) == ("alice", True)
    assert script.session.nick == "alice"
    script.hears("ping")


def test_a_key_is_asked_for_again_only_where_the_stay_is_gone() -> None:
    """The token brings the account back; without it the name is refused, or guests are."""
    script = with_key()
    script.session.connect()
    challenged(script)
    welcomes_account(script, ALICE)
    script.session.lose()
    assert "login" not in script.connects()
    welcome_in(welcomes_account(script, ALICE, resumed=True))
    script.session.lose()
    assert refuses(script, script.connects(), "server.locked") == []
    assert challenged(script)["resume"]["token"] == "t-1"
    welcome_in(welcomes_account(script, ALICE))


def test_who_is_taken_for_a_guest_signs_after_the_hello() -> None:
    """The welcome is handed on as the account's, once it is."""
    script = with_key()
    script.session.connect()
    challenged(script)
    welcomes_account(script, ALICE)
    script.session.lose()
    script.connects()
    assert welcomes_account(script, GUEST) == []
    assert script.says("ok", re=script.hears("challenge")["id"], nonce="n", server="s") == []
    asked = script.hears("login", nick="alice", signature=sign("s", "alice", "n"))
    assert welcome_in(identity(script, asked, ALICE)).user.nick == "alice"


def test_what_is_wrong_with_the_key_answers_the_hello() -> None:
    """Whoever waits for the welcome is told, and can try again."""
    script = with_key()
    script.session.connect()
    [answer] = refuses(script, script.hears("challenge"), "rate.logins")
    assert isinstance(answer, Answer)
    assert isinstance(answer.request, requests.Hello)
    script.session.greet()
    [answer] = refuses(script, challenged(script), "auth.failed")
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Refused)
    assert answer.reply.code == "auth.failed"


def log_in(script: Script, *rooms: str) -> None:
    """Let the session log in and be alice in these rooms."""
    script.session.ask(requests.Login(nick="alice", password=PASSWORD))
    identity(script, script.hears("login"), ALICE, *rooms)


@pytest.fixture
def guest() -> Script:
    """A guest in two rooms."""
    script = Script(Session())
    script.connects()
    script.greets("u7")
    script.joins("dev", 5)
    script.joins("tea", 5)
    return script


def test_logging_in_changes_who_we_are_and_where(guest: Script) -> None:
    """Rooms that do not let the account in are not returned to."""
    log_in(guest, "dev")
    assert guest.session.user is not None
    assert (guest.session.user.uid, guest.session.nick) == ("u1", "alice")
    guest.session.lose()
    hello = guest.connects()
    assert (hello["nick"], list(hello["resume"]["rooms"])) == ("alice", ["dev", "*"])


def test_who_has_logged_in_does_it_again_where_the_stay_is_gone(guest: Script) -> None:
    """With the password that was right."""
    log_in(guest, "dev", "tea")
    guest.session.lose()
    refuses(guest, guest.connects(), "nick.reserved")
    guest.hears("hello", login={"nick": "alice", "password": PASSWORD})


def test_whoever_has_another_password_uses_that(guest: Script) -> None:
    """After passwd, the new one."""
    log_in(guest, "dev", "tea")
    guest.session.ask(requests.Passwd(old=PASSWORD, new="another-one"))
    guest.says("ok", re=guest.hears("passwd")["id"])
    guest.session.lose()
    refuses(guest, guest.connects(), "nick.reserved")
    guest.hears("hello", login={"nick": "alice", "password": "another-one"})


def test_who_registered_has_an_account(guest: Script) -> None:
    """The password that was chosen logs in."""
    guest.session.ask(requests.Register(password=PASSWORD))
    registered = {"uid": "u7", "nick": "guest_7", "registered": True}
    identity(guest, guest.hears("register"), registered, "dev", "tea")
    guest.session.lose()
    refuses(guest, guest.connects(), "nick.reserved")
    guest.hears("hello", login={"nick": "guest_7", "password": PASSWORD})


def test_who_has_logged_out_is_a_guest(guest: Script) -> None:
    """No nick and no password are shown any more."""
    log_in(guest, "dev", "tea")
    guest.session.ask(requests.Logout())
    identity(guest, guest.hears("logout"), GUEST, "dev", "tea")
    guest.session.lose()
    hello = guest.connects()
    assert "nick" not in hello
    [answer] = refuses(guest, hello, "server.locked")
    assert isinstance(answer, Answer)


@pytest.mark.parametrize("code", ["auth.already", "auth.failed"])
def test_a_login_whose_answer_was_lost_was_done(guest: Script, code: str) -> None:
    """Asked again on the next connection, it is refused as done, or as wrong."""
    id = guest.session.ask(requests.Login(nick="alice", password=PASSWORD))
    guest.session.lose()
    guest.connects()
    welcomes_account(guest, ALICE, resumed=True, rooms=["dev", "tea"])
    [asked] = [frame for frame in guest.listens() if frame["type"] == "login"]
    items = refuses(guest, asked, code)
    [answer] = [item for item in items if isinstance(item, Answer) and item.id == id]
    assert isinstance(answer.reply, Refused) == (code == "auth.failed")


def test_messages_of_either_life_are_our_own(guest: Script) -> None:
    """What was said before logging in is recognised after a reconnect."""
    log_in(guest, "dev", "tea")
    id = guest.session.ask(requests.Broadcast(room="dev", text="x", cid="c"))
    guest.hears("broadcast")
    guest.session.lose()
    guest.connects()
    guest.tells(*replay("dev", 5, 5))
    guest.tells(event(6, "dev", "u1", cid="c"))
    items = welcomes_account(guest, ALICE, resumed=True, rooms=["dev", "tea"])
    [answer] = [item for item in items if isinstance(item, Answer) and item.id == id]
    assert isinstance(answer.reply, replies.SentOk)


def test_an_account_s_old_whispers_are_not_all_read_back() -> None:
    """The last page of each conversation, once; from there on nothing is missed."""
    script = with_password()
    script.connects()
    welcomes_account(script, ALICE, conversations=["dm:u1:u2"])
    asked = script.hears("history", room="dm:u1:u2", limit=20)
    assert "after" not in asked
    shown = script.says(
        "ok", re=asked["id"], room="dm:u1:u2", more=True, oldest=1, epoch="e", head=90,
        events=[event(89, "dm:u1:u2"), event(90, "dm:u1:u2")],
    )  # fmt: skip
    assert numbers(shown, "dm:u1:u2") == [89, 90]
    assert numbers(script.tells(event(91, "dm:u1:u2")), "dm:u1:u2") == [91]
    script.tells(event(93, "dm:u1:u2"))
    script.hears("history", room="dm:u1:u2", after=91)


def test_the_whispers_of_the_guest_are_the_guest_s(guest: Script) -> None:
    """They belong to a uid; the account cannot read them back."""
    guest.tells(event(1, "dm:u2:u7"))
    guest.pages(event(1, "dm:u2:u7"))
    log_in(guest, "dev", "tea")
    guest.session.lose()
    assert list(guest.connects()["resume"]["rooms"]) == ["tea", "dev", "*"]


def test_a_secret_is_in_no_repr() -> None:
    """H8: whatever logs a session or its proof shows no password."""
    assert PASSWORD not in repr(Proof("alice", PASSWORD))
