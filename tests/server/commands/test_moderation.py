"""Putting people out, keeping them out or silent, offices, invitations and modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat_server.settings import Auth
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Frame, Playbook

PASSWORD = "correct horse"
AUTH = Auth(hash_kib=8, hash_passes=1, plain_passwords=True)


class Town:
    """A server whose people are on different loops and, unless a test says so, addresses."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self._come = 0

    def stranger(self, address: str | None = None) -> Actor:
        """Somebody who has said nothing yet."""
        self._come += 1
        loop = self._come % len(self.book.loops)
        return self.book.stranger(loop, address or f"198.51.100.{self._come}")

    def person(self, nick: str, *rooms: str, address: str | None = None) -> Actor:
        """A guest in these rooms."""
        actor = self.stranger(address)
        assert actor.asks("hello", nick=nick)["type"] == "welcome"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        self.book.forget()
        return actor

    def account(self, nick: str, *rooms: str) -> Actor:
        """Somebody with an account, in these rooms."""
        actor = self.person(nick)
        assert actor.asks("register", password=PASSWORD)["type"] == "ok"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        self.book.forget()
        return actor

    def again(self, nick: str, *rooms: str) -> Actor:
        """Another session of an account."""
        actor = self.stranger()
        reply = actor.asks("hello", login={"nick": nick, "password": PASSWORD})
        assert reply["type"] == "welcome"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        self.book.forget()
        return actor

    def admin(self, nick: str = "root_of_all") -> Actor:
        """An administrator."""
        actor = self.person(nick)
        actor.session.elevated = True
        return actor


@pytest.fixture(params=[1, 3], ids=["one loop", "three loops"])
def town(request: pytest.FixtureRequest) -> Iterator[Town]:
    """A server, with one loop and with several."""
    with Playbook(loops=request.param, auth=AUTH) as book:
        yield Town(book)


@pytest.fixture
def late() -> Iterator[tuple[Town, LateJournal]]:
    """A server whose journal keeps things when a test says so."""
    journal = LateJournal()
    with Playbook(loops=3, auth=AUTH, journal=journal) as book:
        yield Town(book), journal


@pytest.fixture
def alice(town: Town) -> Actor:
    """The owner of `den`."""
    return town.person("alice", "den")


@pytest.fixture
def mallory(town: Town, alice: Actor) -> Actor:
    """A guest in `den`."""
    return town.person("mallory", "den")


def code(reply: Frame) -> str | None:
    """The code of a refusal."""
    return reply.get("code")


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
        assert reply["message"] == "You are banned from the room for another 3600 s: spam"
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
    """They are told; so can an account that is not online, not who is nobody."""
    bob = town.person("bob", "other")
    alice.asks("ban", room="den", target="bob")
    bob.hears("ban", room="den", target={"uid": bob.uid, "nick": "bob"})
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


def test_whoever_is_called_like_an_address_is_meant_first(town: Town, alice: Actor) -> None:
    """A nick that looks like an address does not turn a ban against somebody else."""
    town.person("192.0.2.77", "den")
    alice.asks("ban", room="den", target="192.0.2.77")
    alice.hears("ban")
    alice.hears("leave", reason="banned")


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


# The order of numbers, and rights that are withdrawn


def test_case_65_what_is_on_its_way_when_its_author_is_banned_is_refused(
    late: tuple[Town, LateJournal],
) -> None:
    """So nothing of the banned has a higher number than the ban, nor a lower one any more."""
    town, journal = late
    alice, mallory = town.person("alice", "den"), town.person("mallory", "den")
    mallory.says("broadcast", id="1", room="den", text="before", cid="c1")
    journal.keep()
    town.book.settle()
    mallory.says("broadcast", id="2", room="den", text="on its way")
    mallory.says("broadcast", id="3", room="den", text="before", cid="c1")
    alice.says("ban", id="7", room="den", target="mallory")
    mallory.says("broadcast", id="4", room="den", text="too late")
    journal.keep()
    town.book.settle()
    heard = [frame for frame in alice.listens() if "seq" in frame and "re" not in frame]
    assert [(frame["type"], frame["seq"]) for frame in heard] == [("broadcast", 1), ("ban", 2)]
    replies = {frame["re"]: frame for frame in mallory.listens() if "re" in frame}
    assert code(replies["2"]) == "room.banned"
    assert (replies["3"]["seq"], replies["3"]["duplicate"]) == (1, True)
    assert code(replies["4"]) == "room.banned"


def test_case_65_a_mute_binds_what_is_on_its_way(late: tuple[Town, LateJournal]) -> None:
    """And what is said before the mute is kept; afterwards the policy refuses."""
    town, journal = late
    alice, mallory = town.person("alice", "den"), town.person("mallory", "den")
    mallory.says("broadcast", id="1", room="den", text="on its way")
    alice.says("mute", room="den", target="mallory", seconds=60)
    mallory.says("broadcast", id="2", room="den", text="too late")
    journal.keep()
    town.book.settle()
    refusals = [frame for frame in mallory.listens() if frame["type"] == "error"]
    assert [code(frame) for frame in refusals] == ["room.muted", "room.muted"]
    alice.says("unmute", room="den", target="mallory")
    mallory.says("broadcast", id="3", room="den", text="again")
    journal.keep()
    town.book.settle()
    assert [frame["type"] for frame in alice.listens() if "seq" in frame] == [
        "mute", "unmute", "broadcast",
    ]  # fmt: skip


def test_case_65_an_act_on_its_way_when_its_author_is_banned_is_undone(
    late: tuple[Town, LateJournal],
) -> None:
    """The moderator is refused, and whom they banned is not banned."""
    town, journal = late
    alice, bob = town.person("alice", "den"), town.person("bob", "den")
    carol = town.person("carol", "den")
    alice.says("promote", room="den", target="bob")
    journal.keep()
    town.book.settle()
    bob.says("ban", id="1", room="den", target="carol")
    alice.says("ban", room="den", target="bob")
    journal.keep()
    town.book.settle()
    replies = [frame for frame in bob.listens() if frame.get("re") == "1"]
    assert [code(frame) for frame in replies] == ["room.banned"]
    assert [ban["nick"] for ban in alice.asks("bans", room="den")["bans"]] == ["bob"]
    carol.says("broadcast", id="2", room="den", text="still here")
    journal.keep()
    town.book.settle()
    assert "2" in [frame.get("re") for frame in carol.listens() if frame["type"] == "ok"]


@pytest.mark.parametrize("act", ["kick", "ban", "mute"])
def test_an_act_that_cannot_be_kept_was_not_done(late: tuple[Town, LateJournal], act: str) -> None:
    """The person stays, speaks, and nothing is in force."""
    town, journal = late
    alice, mallory = town.person("alice", "den"), town.person("mallory", "den")
    journal.full = True
    assert code(alice.asks(act, room="den", target="mallory")) == "server.busy"
    journal.full = False
    town.book.pass_time(2)  # a client is not read for a moment then
    for listed in ("bans", "mutes"):
        assert alice.asks(listed, room="den")[listed] == []
    mallory.says("broadcast", id="1", room="den", text="still here")
    journal.keep()
    town.book.settle()
    mallory.hears("broadcast")
    mallory.hears("ok", re="1")


def test_offices_and_modes_that_cannot_be_kept_are_as_before(
    late: tuple[Town, LateJournal],
) -> None:
    """Promoting, demoting, inviting, setting and lifting."""
    town, journal = late
    alice = town.person("alice", "den")
    town.person("bob", "den")
    carol = town.person("carol")
    for act in ("promote", "mute"):
        alice.says(act, room="den", target="bob")
        journal.keep()
        town.book.settle()
    before = [alice.asks(listed, room="den")[listed] for listed in ("mods", "mutes", "mode")]
    journal.full = True
    for act, fields in (
        ("promote", {"target": "bob", "role": "owner"}),
        ("demote", {"target": "bob"}),
        ("demote", {"target": "alice"}),
        ("invite", {"target": "carol"}),
        ("mode", {"invite_only": True}),
        ("unmute", {"target": "bob"}),
    ):
        assert code(alice.asks(act, room="den", **fields)) == "server.busy"
        town.book.pass_time(2)  # a client is not read for a moment then
    after = [alice.asks(listed, room="den")[listed] for listed in ("mods", "mutes", "mode")]
    assert after == before
    assert carol.uid not in town.book.hub.room("den").policy.invited  # type: ignore[union-attr]


def test_an_act_is_done_even_if_its_author_is_gone(late: tuple[Town, LateJournal]) -> None:
    """Once it is kept."""
    town, journal = late
    alice, mallory = town.person("alice", "den"), town.person("mallory", "den")
    bob = town.person("bob", "den")
    alice.says("ban", room="den", target="mallory")
    alice.sends(OSError())
    journal.keep()
    town.book.settle()
    types = [(frame["type"], frame.get("reason")) for frame in mallory.listens()]
    assert ("leave", "banned") in types
    assert [mod["user"]["nick"] for mod in bob.asks("mods", room="den")["mods"]] == ["bob"]
    assert code(mallory.asks("join", room="den")) == "room.banned"


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


# Offices


def test_owners_and_moderators_are_listed(town: Town, alice: Actor, mallory: Actor) -> None:
    """Owners first; everybody in the room may ask, and sees them on joining."""
    bob = town.account("bob", "den")
    alice.asks("promote", room="den", target="mallory")
    alice.asks("promote", room="den", target="bob", role="owner")
    mods = [
        {"user": {"uid": alice.uid, "nick": "alice"}, "role": "owner"},
        {"user": {"uid": bob.uid, "nick": "bob", "registered": True}, "role": "owner"},
        {"user": {"uid": mallory.uid, "nick": "mallory"}, "role": "moderator"},
    ]
    assert mallory.asks("mods", room="den")["mods"] == mods
    stranger = town.person("stranger")
    assert code(stranger.asks("mods", room="den")) == "room.not_member"
    assert stranger.asks("join", room="den")["mods"] == mods


def test_a_promotion_is_told_and_gives_rights(town: Town, alice: Actor, mallory: Actor) -> None:
    """And ends when demoted."""
    bob = town.person("bob", "den")
    alice.asks("promote", room="den", target="bob")
    target = {"uid": bob.uid, "nick": "bob"}
    bob.hears("promote", room="den", seq=1, target=target, role="moderator")
    assert bob.asks("mute", room="den", target="mallory")["seq"] == 2
    assert code(bob.asks("promote", room="den", target="mallory")) == "permission.denied"
    assert alice.asks("demote", room="den", target="bob")["seq"] == 3
    mallory.listens()
    assert code(bob.asks("mute", room="den", target="mallory")) == "permission.denied"


def test_guests_hold_offices_where_they_are(town: Town, alice: Actor) -> None:
    """Accounts wherever they are."""
    town.person("guest")
    assert code(alice.asks("promote", room="den", target="guest")) == "user.absent"
    carol = town.account("carol")
    assert alice.asks("promote", room="den", target="carol")["type"] == "ok"
    carol.hears("promote", room="den")


def test_offices_are_given_up(town: Town, alice: Actor, mallory: Actor) -> None:
    """By oneself; who has none has nothing to lose, and moderators take none from others."""
    for nick in ("bob", "carol"):
        town.person(nick, "den")
        alice.asks("promote", room="den", target=nick)
    bob = town.person("dave", "den")
    alice.asks("promote", room="den", target="dave")
    assert code(alice.asks("demote", room="den", target="mallory")) == "user.absent"
    assert code(bob.asks("demote", room="den", target="mallory")) == "permission.denied"
    assert code(bob.asks("demote", room="den", target="carol")) == "permission.denied"
    assert bob.asks("demote", room="den", target="dave")["type"] == "ok"
    assert len(alice.asks("mods", room="den")["mods"]) == 3


def test_case_66_when_the_last_owner_leaves_the_room_has_another(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """A moderator who is there before who has been there longer; they are told by themselves."""
    bob = town.person("bob", "den")
    alice.asks("promote", room="den", target="bob")
    town.book.forget()
    alice.asks("leave", room="den")
    user = {"uid": bob.uid, "nick": "bob"}
    for actor in (mallory, bob):
        frames = {frame["type"]: frame for frame in actor.listens()}
        assert set(frames) == {"leave", "promote"}
        promoted = frames["promote"]
        assert (promoted["user"], promoted["target"], promoted["role"]) == (user, user, "owner")
    bob.asks("quit")
    assert [mod["user"]["nick"] for mod in mallory.asks("mods", room="den")["mods"]] == ["mallory"]


def test_case_66_giving_up_the_last_ownership_passes_it_on(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """First the one event, then the other, then the reply."""
    alice.says("demote", id="7", room="den", target="alice")
    mallory.hears("demote", seq=1)
    mallory.hears("promote", seq=2, role="owner", user={"uid": mallory.uid, "nick": "mallory"})
    assert "7" in [frame.get("re") for frame in alice.listens()]
    assert code(alice.asks("mode", room="den", slow=1)) == "permission.denied"
    assert mallory.asks("mode", room="den", slow=1)["mode"] == {"slow": 1}


def test_case_66_kicking_the_last_owner_passes_the_room_on(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """An administrator can."""
    admin = town.admin()
    assert admin.asks("kick", room="den", target="alice")["type"] == "ok"
    assert [frame["type"] for frame in mallory.listens()] == ["kick", "leave", "promote"]


def test_a_room_that_only_guests_owned_is_forgotten_with_the_last(town: Town, alice: Actor) -> None:
    """Bans, mutes, mode and offices."""
    mallory = town.person("mallory", "den")
    alice.asks("broadcast", room="den", text="x")
    alice.asks("mode", room="den", moderated=True, invite_only=True)
    alice.asks("ban", room="den", target="mallory")
    alice.asks("leave", room="den")
    reply = mallory.asks("join", room="den")
    assert reply.get("mode") is None
    assert [mod["user"]["nick"] for mod in reply["mods"]] == ["mallory"]


def test_a_room_that_an_account_owns_stays_as_it_is(town: Town) -> None:
    """Even when nobody is in it."""
    alice = town.account("alice", "den")
    mallory = town.person("mallory", "den")
    alice.asks("ban", room="den", target="mallory")
    alice.asks("leave", room="den")
    assert code(mallory.asks("join", room="den")) == "room.banned"
    bob = town.person("bob", "den")
    assert code(bob.asks("mode", room="den", slow=1)) == "permission.denied"


def test_nobody_owns_the_lobby(town: Town) -> None:
    """Who comes first is a guest there, like all; an administrator acts, and for good."""
    first = town.person("first", "lobby")
    mallory = town.person("mallory", "lobby")
    assert code(first.asks("kick", room="lobby", target="mallory")) == "permission.denied"
    assert town.admin().asks("ban", room="lobby", target="mallory")["type"] == "ok"
    first.asks("leave", room="lobby")
    assert code(mallory.asks("join", room="lobby")) == "room.banned"


# Invitations and modes


def test_an_invitation_opens_a_closed_room(town: Town, alice: Actor) -> None:
    """Whoever is invited is told, wherever they are; others stay outside."""
    bob = town.person("bob")
    alice.asks("mode", room="den", invite_only=True, password="open", members_only=True)
    assert code(bob.asks("join", room="den", password="open")) == "room.members_only"
    alice.asks("invite", room="den", target="bob")
    bob.hears("invite", room="den", target={"uid": bob.uid, "nick": "bob"})
    assert bob.asks("join", room="den")["type"] == "ok"
    assert code(alice.asks("invite", room="den", target="alice")) == "user.self"
    assert code(alice.asks("invite", room="den", target="nobody")) == "user.unknown"


def test_case_67_who_ignores_somebody_gets_no_whisper_and_no_invitation(
    town: Town, alice: Actor
) -> None:
    """From them; both are refused."""
    bob = town.person("bob")
    bob.asks("ignore", target="alice")
    assert code(alice.asks("whisper", to="bob", text="x")) == "user.ignores"
    assert code(alice.asks("invite", room="den", target="bob")) == "user.ignores"
    bob.hears_nothing()
    bob.asks("unignore", target="alice")
    assert alice.asks("whisper", to="bob", text="x")["type"] == "ok"


def test_a_mode_is_told_to_all_and_its_password_to_nobody(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """What is not given stays; the empty password and zero take back."""
    reply = alice.asks("mode", room="den", moderated=True, password="open sesame", slow=9)
    mode = {"moderated": True, "password": True, "slow": 9}
    assert reply["mode"] == mode
    mallory.hears("mode", room="den", seq=1, mode=mode)
    assert mallory.asks("mode", room="den")["mode"] == mode
    assert alice.asks("mode", room="den", slow=0)["mode"] == {"moderated": True, "password": True}
    assert alice.asks("mode", room="den", password="")["mode"] == {"moderated": True}
    assert "sesame" not in repr(mallory.listens())
    assert "sesame" not in repr(town.book.journal.acts(None, 100))


def test_a_password_is_needed_to_enter(town: Town, alice: Actor) -> None:
    """Wrong or none: refused."""
    alice.asks("mode", room="den", password="open")
    bob = town.person("bob")
    assert code(bob.asks("join", room="den")) == "room.password"
    assert code(bob.asks("join", room="den", password="Open")) == "room.password"
    assert bob.asks("join", room="den", password="open")["mode"] == {"password": True}


def test_in_a_moderated_room_only_moderators_speak(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """Until it is so no more."""
    alice.asks("mode", room="den", moderated=True)
    assert code(mallory.asks("broadcast", room="den", text="x")) == "room.moderated"
    assert alice.asks("broadcast", room="den", text="x")["type"] == "ok"
    alice.asks("mode", room="den", moderated=False)
    assert mallory.asks("broadcast", room="den", text="x")["type"] == "ok"


def test_in_slow_mode_one_waits(town: Town, alice: Actor, mallory: Actor) -> None:
    """As long as the refusal says."""
    alice.asks("mode", room="den", slow=5)
    assert mallory.asks("broadcast", room="den", text="one")["type"] == "ok"
    reply = mallory.asks("broadcast", room="den", text="two")
    assert (code(reply), reply["retry_after"]) == ("room.slow", 5)
    town.book.pass_time(5)
    assert mallory.asks("broadcast", room="den", text="two")["type"] == "ok"


# The whole server


def test_an_administrator_ends_somebodys_connections(town: Town, alice: Actor) -> None:
    """All of them, with their stays; there is no event, and they may come back."""
    bob, again = town.account("bob", "den"), town.again("bob")
    admin = town.admin()
    reply = admin.asks("kick", room="*", target="bob", reason="rest")
    assert (reply["room"], reply.get("seq")) == ("*", None)
    for session in (bob, again):
        frames = session.listens()
        assert [frame["type"] for frame in frames][-2:] == ["error", "bye"]
        assert (frames[-1]["code"], frames[-1]["reconnect"]) == ("server.kicked", "never")
        assert frames[-1]["message"] == "An administrator ended your connection: rest"
    alice.hears("leave", room="den", reason="kicked")
    alice.hears_nothing()
    assert code(admin.asks("kick", room="*", target="bob")) == "user.absent"
    town.again("bob")


def test_who_is_banned_from_the_server_does_not_come_in(town: Town, alice: Actor) -> None:
    """Not as a new guest, nor by the stay; others from the address are put out if they are new."""
    mallory = town.person("mallory", "den", address="192.0.2.66")
    twin = town.person("twin", address="192.0.2.66")
    elder = town.account("elder")
    admin = town.admin()
    town.book.pass_time(1)
    admin.asks("ban", room="*", target="mallory", seconds=60)
    alice.hears("leave", room="den", reason="banned")
    for session in (mallory, twin):
        assert session.listens()[-1]["code"] == "server.banned"
    fresh = town.stranger("192.0.2.66")
    assert code(fresh.asks("hello", nick="fresh")) == "server.banned"
    elder.hears_nothing()
    login = {"nick": "elder", "password": PASSWORD}
    assert town.stranger("192.0.2.66").asks("hello", login=login)["type"] == "welcome"
    town.book.pass_time(60)
    assert town.stranger("192.0.2.66").asks("hello", nick="fresh")["type"] == "welcome"


def test_an_administrator_does_not_lock_themselves_out(town: Town) -> None:
    """Their own address is not bound with a person's, and refused when named."""
    admin = town.person("boss", address="192.0.2.66")
    admin.session.elevated = True
    town.person("mallory", address="192.0.2.66")
    assert admin.asks("ban", room="*", target="mallory")["type"] == "ok"
    assert town.stranger("192.0.2.66").asks("hello", nick="other")["type"] == "welcome"
    assert code(admin.asks("ban", room="*", target="192.0.0.0/16")) == "user.self"
    assert code(admin.asks("ban", room="*", target="boss")) == "user.self"


def test_a_network_is_banned_from_the_server(town: Town) -> None:
    """Whoever is there from it and not staff is put out; unbanned it may come again."""
    guest = town.person("guest", address="2001:db8::1")
    admin = town.admin()
    assert admin.asks("ban", room="*", target="2001:db8::/32")["type"] == "ok"
    assert guest.listens()[-1]["code"] == "server.banned"
    assert admin.asks("bans", room="*")["bans"][0]["network"] == "2001:db8::/32"
    assert code(town.stranger("2001:db8:9::1").asks("hello")) == "server.banned"
    assert admin.asks("unban", room="*", target="2001:db8::/32").get("seq") is None
    assert town.stranger("2001:db8:9::1").asks("hello")["type"] == "welcome"


def test_who_is_muted_on_the_server_speaks_nowhere(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """Not in rooms, not in whispers; and is listed until unmuted."""
    admin = town.admin()
    admin.asks("mute", room="*", target="mallory", seconds=60, reason="rest")
    for act in ({"type": "broadcast", "room": "den"}, {"type": "whisper", "to": "alice"}):
        reply = mallory.asks(**act, text="x")
        assert (code(reply), reply["retry_after"]) == ("server.muted", 60)
        assert reply["message"] == "You are muted on the server for another 60 s: rest"
    assert [mute["nick"] for mute in admin.asks("mutes", room="*")["mutes"]] == ["mallory"]
    admin.asks("unmute", room="*", target="mallory")
    assert mallory.asks("broadcast", room="den", text="x")["type"] == "ok"
    assert admin.asks("mutes", room="*")["mutes"] == []


def test_administrators_are_above_each_other_in_nothing(town: Town) -> None:
    """Only the operator is."""
    one, other = town.admin("one"), town.admin("other")
    assert code(one.asks("kick", room="*", target="other")) == "permission.denied"
    assert code(one.asks("ban", room="*", target="other")) == "permission.denied"
    other.hears_nothing()


def test_an_administrator_acts_in_rooms_they_are_not_in(
    town: Town, alice: Actor, mallory: Actor
) -> None:
    """Above the owner; they hear the reply and not the event."""
    admin = town.admin()
    assert admin.asks("mute", room="den", target="alice")["seq"] == 1
    assert [mute["nick"] for mute in admin.asks("mutes", room="den")["mutes"]] == ["alice"]
    assert code(alice.asks("broadcast", room="den", text="x")) == "room.muted"
    admin.hears_nothing()
    assert code(admin.asks("bans", room="nowhere")) == "room.not_member"


def test_acts_are_in_the_audit(town: Town, alice: Actor, mallory: Actor) -> None:
    """Who, what, where, whom and why; with addresses only as they were typed."""
    alice.asks("ban", room="den", target="mallory", seconds=60, reason="spam")
    alice.asks("ban", room="den", target="192.0.2.0/24")
    alice.asks("unban", room="den", target="#1")
    alice.asks("mode", room="den", password="open", slow=5)
    noted = [
        (act.act, act.room, act.target, act.detail)
        for act in town.book.journal.acts(None, 100).acts
    ]
    assert noted == [
        ("ban", "den", "mallory", "#1 until 2026-11-22T15:01:00.123Z spam"),
        ("ban", "den", None, "#2 192.0.2.0/24"),
        ("unban", "den", "mallory", "#1"),
        ("mode", "den", None, "slow=5 password=set"),
    ]
