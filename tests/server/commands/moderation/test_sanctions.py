"""Putting people out of a room, keeping them out of it, and silent in it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.playbook import Actor
from tests.support.town import PASSWORD, Town, code

# Kicking


def test_who_is_kicked_is_put_out(town: Town, alice: Actor, mallory: Actor) -> None:
    """The room hears the event, then the leave, then the actor the reply; they hear no more."""
    bob = town.person("bob", "den")
    uid = mallory.uid
    alice.says("kick", id="7", room="DEN", target="MALLORY", reason="flooding")
    user, target = {"uid": alice.uid, "nick": "alice"}, {"uid": uid, "nick": "mallory"}
    for actor in (alice, bob, mallory):
        actor.hears(
            "kick", room="den", seq=1, user=user, target=target, reason="flooding",
            ts="2026-11-22T15:00:00.123Z",
        )  # fmt: skip
        actor.hears("leave", room="den", user=target, reason="kicked")
    alice.hears("ok", re="7", room="den", seq=1, ts="2026-11-22T15:00:00.123Z")
    assert code(mallory.asks("broadcast", room="den", text="x")) == "room.not_member"
    bob.says("broadcast", room="den", text="gone")
    mallory.hears_nothing()


def test_who_was_kicked_may_come_back(alice: Actor, mallory: Actor) -> None:
    """And speak."""
    alice.asks("kick", room="den", target="mallory")
    assert mallory.asks("join", room="den")["type"] == "ok"
    assert mallory.asks("broadcast", room="den", text="x")["seq"] == 2


def test_case_62_nobody_is_kicked_who_is_not_there(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """Who just left, who was never there, and who is nobody."""
    mallory.asks("leave", room="den")
    assert code(alice.asks("kick", room="den", target="mallory")) == "user.absent"
    mallory.asks("quit")
    assert code(alice.asks("kick", room="den", target="mallory")) == "user.unknown"


@pytest.mark.parametrize("act", ["kick", "ban", "mute", "promote"])
def test_case_62_nobody_acts_on_themselves(alice: Actor, act: str) -> None:
    """In any case of the nick."""
    assert code(alice.asks(act, room="den", target="Alice")) == "user.self"


@pytest.mark.parametrize("act", ["kick", "ban", "mute", "unmute", "unban"])
def test_case_62_nobody_acts_on_who_has_their_rank(
    town: Town, alice: Actor, mallory: Actor, act: str
) -> None:
    """The owner, another moderator, an administrator."""
    bob, carol = town.person("bob", "den"), town.account("carol", "den")
    town.admin("root_of_all")
    for nick in ("bob", "carol"):
        assert alice.asks("promote", room="den", target=nick)["type"] == "ok"
    town.book.forget()
    if act in ("unmute", "unban"):
        admin = town.admin("higher")
        imposed = "mute" if act == "unmute" else "ban"
        assert admin.asks(imposed, room="den", target="carol")["type"] == "ok"
        assert code(bob.asks(act, room="den", target="carol")) == "permission.denied"
        return
    for nick in ("alice", "carol", "root_of_all"):
        assert code(bob.asks(act, room="den", target=nick)) == "permission.denied"
    carol.hears_nothing()


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("kick", {"target": "alice"}),
        ("ban", {"target": "alice"}),
        ("unban", {"target": "alice"}),
        ("bans", {}),
        ("mute", {"target": "alice"}),
        ("unmute", {"target": "alice"}),
        ("mutes", {}),
        ("promote", {"target": "mallory"}),
        ("demote", {"target": "alice"}),
        ("invite", {"target": "alice"}),
        ("mode", {"slow": 5}),
    ],
)
def test_without_an_office_nothing_is_done(
    alice: Actor, mallory: Actor, act: str, fields: dict[str, Any]
) -> None:
    """Not in a room one is in, not in another, nor on the server."""
    assert code(mallory.asks(act, room="den", **fields)) == "permission.denied"
    assert code(mallory.asks(act, room="nowhere", **fields)) == "room.not_member"
    if act not in ("promote", "demote", "invite", "mode"):
        assert code(mallory.asks(act, room="*", **fields)) == "permission.denied"
        assert code(alice.asks(act, room="*", **fields)) == "permission.denied"
    alice.hears_nothing()


def test_an_account_is_put_out_with_all_sessions(town: Town, alice: Actor) -> None:
    """Those elsewhere are told too, once; the room sees one person leave."""
    bob = town.account("bob", "den")
    inside, elsewhere = town.again("bob", "den"), town.again("bob", "other")
    alice.asks("kick", room="den", target="bob")
    assert [frame["type"] for frame in alice.listens()] == ["kick", "leave"]
    for session in (bob, inside):
        session.hears("kick", room="den")
        session.hears("leave", room="den", reason="kicked")
        assert code(session.asks("broadcast", room="den", text="x")) == "room.not_member"
    elsewhere.hears("kick", room="den")
    elsewhere.hears_nothing()
    assert elsewhere.asks("broadcast", room="other", text="x")["type"] == "ok"


# Banning


def test_who_is_banned_is_put_out_and_kept_out(town: Town, alice: Actor, mallory: Actor) -> None:
    """With until and reason; the room's name in any case is the room."""
    alice.says("ban", id="7", room="den", target="mallory", seconds=3600, reason="spam")
    for actor in (alice, mallory):
        actor.hears("ban", room="den", seq=1, reason="spam", until="2026-11-22T16:00:00.123Z")
        actor.hears("leave", room="den", reason="banned")
    alice.hears("ok", re="7", seq=1)
    for room in ("den", "DEN"):
        reply = mallory.asks("join", room=room)
        assert code(reply) == "room.banned"
        assert reply["message"] == "You are banned from the room for another 60 minutes: spam"
    mallory.hears_nothing()


def test_a_ban_ends_in_time(town: Town, alice: Actor, mallory: Actor) -> None:
    """By itself."""
    alice.asks("ban", room="den", target="mallory", seconds=5)
    town.book.pass_time(4)
    assert code(mallory.asks("join", room="den")) == "room.banned"
    town.book.pass_time(1)
    assert mallory.asks("join", room="den")["type"] == "ok"
    assert alice.asks("bans", room="den")["bans"] == []


def test_case_63_what_the_banned_try(town: Town, alice: Actor) -> None:
    """Another nick, another session, another family of addresses: all are refused."""
    mallory = town.person("mallory", "den", address="192.0.2.66")
    alice.asks("ban", room="den", target="mallory")
    mallory.asks("nick", nick="innocent")
    assert code(mallory.asks("join", room="den")) == "room.banned"
    fresh = town.person("fresh", address="192.0.2.66")
    assert code(fresh.asks("join", room="den")) == "room.banned"
    mapped = town.person("mapped", address="::ffff:192.0.2.66")
    assert code(mapped.asks("join", room="den")) == "room.banned"
    named = town.person("MALLORY", address="203.0.113.1")
    assert code(named.asks("join", room="den")) == "room.banned"
    fresh.asks("register", password=PASSWORD)
    assert code(fresh.asks("join", room="den")) == "room.banned"
    assert code(mallory.asks("broadcast", room="den", text="x")) == "room.not_member"
    assert code(mallory.asks("topic", room="den", topic="x")) == "room.not_member"
    stranger = town.person("stranger", address="203.0.113.2")
    assert stranger.asks("join", room="den")["type"] == "ok"


def test_case_63_who_has_had_an_account_for_longer_is_let_in(town: Town, alice: Actor) -> None:
    """From the address of somebody banned; and who is there, stays."""
    trent = town.account("trent")
    housemate = town.person("housemate", "den", address="192.0.2.66")
    town.book.pass_time(1)
    town.person("mallory", "den", address="192.0.2.66")
    alice.asks("ban", room="den", target="mallory")
    assert [frame["type"] for frame in housemate.listens()][-2:] == ["ban", "leave"]
    assert housemate.asks("broadcast", room="den", text="still here")["type"] == "ok"
    town.again("trent", "den")
    assert trent.asks("join", room="den")["type"] == "ok"


def test_somebody_elsewhere_can_be_banned(town: Town, alice: Actor) -> None:
    """They see it when they come; so can an account that is not online, not who is nobody."""
    bob = town.person("bob", "other")
    alice.asks("ban", room="den", target="bob", reason="read this")
    bob.hears_nothing()
    assert code(bob.asks("join", room="den")) == "room.banned"
    carol = town.account("carol")
    carol.asks("quit")
    assert alice.asks("ban", room="den", target="carol")["type"] == "ok"
    again = town.again("carol")
    assert code(again.asks("join", room="den")) == "room.banned"
    assert code(alice.asks("ban", room="den", target="nobody")) == "user.unknown"


def test_an_address_or_a_network_can_be_banned(town: Town, alice: Actor) -> None:
    """It names nobody and puts nobody out; one's own is refused."""
    there = town.person("there", "den", address="192.0.2.9")
    alice.asks("ban", room="den", target="192.0.2.0/24", reason="spam")
    there.hears("ban", room="den", target=None, reason="spam", until=None)
    there.hears_nothing()
    late = town.person("late", address="192.0.2.10")
    assert code(late.asks("join", room="den")) == "room.banned"
    own = str(alice.connection.address)
    for target in (own, "198.51.100.0/24", f"::ffff:{own}"):
        assert code(alice.asks("ban", room="den", target=target)) == "user.self"


def test_whoever_is_called_like_an_address_does_not_shield_it(town: Town, alice: Actor) -> None:
    """An account of old may be; a ban of the address means whoever comes from there."""
    olga = town.account("olga", "den")
    town.book.hub.call(olga.session.known, "olga2", olga.session)
    account = olga.session.known.account
    assert account is not None
    town.book.hub.accounts.remove(account)
    account.name = "192.0.2.77"
    town.book.hub.accounts.add(account)
    assert olga.asks("nick", nick="192.0.2.77")["type"] == "ok"
    town.book.forget()
    alice.asks("ban", room="den", target="192.0.2.77")
    alice.hears("ban", target=None)
    alice.hears_nothing()
    late = town.person("late", address="192.0.2.77")
    assert code(late.asks("join", room="den")) == "room.banned"


def test_a_ban_of_who_is_gone_binds_where_they_were(town: Town, alice: Actor) -> None:
    """An account's last login, which is stored when it is news."""
    mallory = town.account("mallory")
    first = str(mallory.connection.address)
    mallory.asks("quit")
    again = town.again("mallory")
    last = str(again.connection.address)
    assert f'"block":"{last}"' in dict(town.book.journal.records("account"))[again.uid]
    again.asks("quit")
    assert alice.asks("ban", room="den", target="mallory")["type"] == "ok"
    assert code(town.person("twin", address=last).asks("join", room="den")) == "room.banned"
    assert town.person("other", address=first).asks("join", room="den")["type"] == "ok"


@pytest.mark.parametrize("act", ["ban", "mute"])
def test_no_act_carries_a_text_to_who_is_not_there(town: Town, alice: Actor, act: str) -> None:
    """Who is there with another session hears of it on all."""
    bob, again = town.account("bob"), town.again("bob")
    alice.asks(act, room="den", target="bob", reason="read this")
    bob.hears_nothing()
    alice.asks(f"un{act}", room="den", target="bob")
    for session in (bob, again):
        session.hears(f"un{act}")
    bob.asks("join", room="den")
    town.book.forget()
    alice.asks(act, room="den", target="bob", reason="read this")
    for session in (bob, again):
        session.hears(act, reason="read this")


def test_who_is_muted_in_a_room_says_nothing_by_a_nick(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """While they are in it; the room is named, and how long it is."""
    alice.asks("mute", room="den", target="mallory", seconds=60)
    town.book.forget()
    refused = mallory.asks("nick", nick="all-the-same")
    assert (code(refused), refused["retry_after"]) == ("room.muted", 60)
    assert refused["message"].startswith("You are muted in den ")
    alice.hears_nothing()
    assert alice.asks("nick", nick="alicia")["type"] == "ok"
    mallory.asks("leave", room="den")
    assert mallory.asks("nick", nick="elsewhere")["type"] == "ok"


def test_moderators_see_no_address(town: Town, alice: Actor, mallory: Actor) -> None:
    """Only that one is bound; administrators see which."""
    alice.asks("ban", room="den", target="mallory", seconds=60, reason="spam")
    alice.asks("ban", room="den", target="192.0.2.9/24")
    mallory_address = str(mallory.connection.address)
    one = {
        "id": "#1", "nick": "mallory", "uid": mallory.uid, "address": True, "by": "alice",
        "reason": "spam", "since": "2026-11-22T15:00:00.123Z", "until": "2026-11-22T15:01:00.123Z",
    }  # fmt: skip
    other = {
        "id": "#2", "network": "192.0.2.0/24", "by": "alice", "since": "2026-11-22T15:00:00.123Z",
    }  # fmt: skip
    assert alice.asks("bans", room="den")["bans"] == [one, other]
    admin = town.admin()
    assert admin.asks("bans", room="den")["bans"] == [{**one, "network": mallory_address}, other]
    assert mallory_address not in repr(alice.listens())


@pytest.mark.parametrize("name", ["mallory", "MALLORY", "#1", "innocent"])
def test_a_ban_is_lifted_by_any_name(alice: Actor, mallory: Actor, name: str) -> None:
    """The nick of then or of now, or its id; the room and they are told."""
    alice.asks("ban", room="den", target="mallory")
    mallory.asks("nick", nick="innocent")
    mallory.listens()
    assert alice.asks("unban", room="den", target=name)["seq"] == 2
    mallory.hears("unban", room="den", seq=2)
    assert mallory.asks("join", room="den")["type"] == "ok"


def test_a_network_is_let_in_again(town: Town, alice: Actor) -> None:
    """By its name in any form; nobody is named."""
    alice.asks("ban", room="den", target="192.0.2.0/24")
    assert code(alice.asks("unban", room="den", target="192.0.2.0/25")) == "room.no_ban"
    town.book.forget()
    assert alice.asks("unban", room="den", target="192.0.2.1/24")["seq"] == 2
    alice.hears("unban", target=None)
    late = town.person("late", address="192.0.2.10")
    assert late.asks("join", room="den")["type"] == "ok"


def test_a_ban_that_is_not_there_is_not_lifted(alice: Actor, mallory: Actor) -> None:
    """Nor twice; a mute is no ban."""
    alice.asks("mute", room="den", target="mallory")
    assert code(alice.asks("unban", room="den", target="mallory")) == "room.no_ban"
    assert code(alice.asks("unmute", room="den", target="alice")) == "room.no_ban"
    assert alice.asks("unmute", room="den", target="mallory")["type"] == "ok"
    assert code(alice.asks("unmute", room="den", target="mallory")) == "room.no_ban"


def test_an_invitation_does_not_outlive_a_kick(alice: Actor, mallory: Actor) -> None:
    """Who was put out of a closed room stays out until invited again."""
    alice.asks("mode", room="den", invite_only=True)
    alice.asks("invite", room="den", target="mallory")
    alice.asks("kick", room="den", target="mallory")
    assert code(mallory.asks("join", room="den")) == "room.invite_only"


def test_the_stay_of_the_banned_is_put_out_too(town: Town, alice: Actor) -> None:
    """Who has lost the connection comes back to the server, not to the room."""
    mallory = town.stranger()
    token = mallory.asks("hello", nick="mallory", resume=True)["resume"]["token"]
    mallory.asks("join", room="den")
    mallory.sends(OSError())
    town.book.forget()
    alice.asks("ban", room="den", target="mallory")
    alice.hears("ban")
    alice.hears("leave", reason="banned")
    back = town.stranger()
    welcome = back.asks("hello", resume={"token": token})
    assert (welcome["resume"]["resumed"], welcome["resume"]["rooms"]) == (True, [])
    assert code(back.asks("join", room="den")) == "room.banned"


# Muting


def test_who_is_muted_hears_and_does_not_speak(town: Town, alice: Actor, mallory: Actor) -> None:
    """In this room; it says for how long, and ends in time."""
    alice.asks("mute", room="den", target="mallory", seconds=30, reason="caps")
    mallory.hears("mute", room="den", seq=1, reason="caps", until="2026-11-22T15:00:30.123Z")
    reply = mallory.asks("broadcast", room="den", text="x")
    assert (code(reply), reply["retryable"], reply["retry_after"]) == ("room.muted", True, 30)
    mallory.asks("join", room="other")
    assert mallory.asks("broadcast", room="other", text="x")["type"] == "ok"
    assert mallory.asks("whisper", to="alice", text="x")["type"] == "ok"
    town.book.pass_time(30)
    assert mallory.asks("broadcast", room="den", text="x")["type"] == "ok"
    assert not town.book.hub.room("den").guarded  # type: ignore[union-attr]
    assert alice.asks("mutes", room="den")["mutes"] == []


def test_another_session_does_not_help_the_muted(town: Town, alice: Actor) -> None:
    """Nor leaving and joining, nor another nick."""
    mallory = town.person("mallory", "den", address="192.0.2.66")
    alice.asks("mute", room="den", target="mallory")
    mallory.asks("leave", room="den")
    mallory.asks("nick", nick="other")
    mallory.asks("join", room="den")
    assert code(mallory.asks("broadcast", room="den", text="x")) == "room.muted"
    fresh = town.person("fresh", "den", address="192.0.2.66")
    assert code(fresh.asks("broadcast", room="den", text="x")) == "room.muted"


def test_the_muted_are_listed(alice: Actor, mallory: Actor) -> None:
    """Like the banned."""
    alice.asks("mute", room="den", target="mallory")
    assert alice.asks("mutes", room="den")["mutes"] == [
        {
            "id": "#1", "nick": "mallory", "uid": mallory.uid, "address": True, "by": "alice",
            "since": "2026-11-22T15:00:00.123Z",
        },
    ]  # fmt: skip
    assert alice.asks("bans", room="den")["bans"] == []


def test_who_is_muted_does_not_unmute_themselves(town: Town, alice: Actor) -> None:
    """Whatever their office."""
    bob = town.person("bob", "den")
    alice.asks("promote", room="den", target="bob")
    alice.asks("mute", room="den", target="bob")
    assert code(bob.asks("broadcast", room="den", text="x")) == "room.muted"
    assert code(bob.asks("unmute", room="den", target="bob")) == "user.self"
