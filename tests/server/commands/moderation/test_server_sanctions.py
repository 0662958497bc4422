"""Administrators acting on the whole server, and what the audit has of all acts."""

from __future__ import annotations

import pytest

from chat_schema.replies import Rate
from chat_server.dispatch import Session
from chat_server.domain.meters import MeterTerms
from tests.support.playbook import Actor, Playbook
from tests.support.town import PASSWORD, Town, code


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


def test_a_ban_from_the_server_binds_every_address_somebody_is_at(town: Town) -> None:
    """And ends no session of those who look after the server, nor one from elsewhere."""
    mallory, again = town.account("mallory"), town.again("mallory")
    twins = [
        town.person(f"twin{number}", address=str(session.connection.address))
        for number, session in enumerate((mallory, again))
    ]
    helper = town.person("helper", address=str(again.connection.address))
    helper.asks("register", password=PASSWORD)
    town.book.hub.accounts.by_name("helper").role = "moderator"  # type: ignore[union-attr]
    other = town.person("other")
    assert town.admin().asks("ban", room="*", target="mallory")["type"] == "ok"
    for session in (mallory, again, *twins):
        assert session.listens()[-1]["code"] == "server.banned"
    for session in (helper, other):
        assert session.asks("ping")["type"] == "ok"


def test_who_floods_is_listed_with_the_muted_and_unmuted_like_them() -> None:
    """By the server itself."""
    terms = MeterTerms(
        messages=Rate(burst=1, per_second=0.1),
        joins=Rate(burst=9, per_second=9),
        reads=Rate(burst=9, per_second=9),
        flood_mute=30,
    )
    with Playbook(meters=terms) as book:
        town = Town(book)
        mallory, admin = town.person("mallory", "den"), town.admin()
        for _ in range(20):
            mallory.says("broadcast", room="den", text="x")
            book.pass_time(1)
        (mute,) = admin.asks("mutes", room="*")["mutes"]
        assert (mute["nick"], mute["by"], mute["reason"]) == ("mallory", "server", "flooding")
        assert admin.asks("unmute", room="*", target="mallory")["type"] == "ok"
        assert admin.asks("mutes", room="*")["mutes"] == []


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


@pytest.mark.parametrize(
    "act",
    [
        {"type": "kick", "target": "bob"},
        {"type": "ban", "target": "bob"},
        {"type": "unban", "target": "#1"},
        {"type": "mute", "target": "bob"},
        {"type": "unmute", "target": "bob"},
        {"type": "promote", "target": "bob"},
        {"type": "demote", "target": "gina"},
        {"type": "invite", "target": "bob"},
        {"type": "mode", "slow": 5},
    ],
    ids=lambda act: str(act["type"]),
)
def test_who_is_muted_on_the_server_does_not_act(town: Town, act: dict[str, object]) -> None:
    """In no room, though it is theirs; they may look."""
    gina, bob = town.person("gina", "mine"), town.person("bob", "mine")
    admin = town.admin()
    admin.asks("mute", room="*", target="gina", seconds=60)
    reply = gina.asks(**act, room="mine")  # type: ignore[arg-type]
    assert (code(reply), reply["retry_after"]) == ("server.muted", 60)
    assert code(gina.asks("nick", nick="said-by-nick")) == "server.muted"
    bob.hears_nothing()
    for look in ("bans", "mutes", "mods", "mode"):
        assert gina.asks(look, room="mine")["type"] == "ok"
    gina.session.elevated = True
    assert code(gina.asks(**act, room="mine")) != "server.muted"  # type: ignore[arg-type]
    assert gina.asks("nick", nick="said-by-nick")["type"] == "ok"


def test_administrators_are_above_each_other_in_nothing(town: Town) -> None:
    """Only the operator is."""
    one, other = town.admin("one"), town.admin("other")
    assert code(one.asks("kick", room="*", target="other")) == "permission.denied"
    assert code(one.asks("ban", room="*", target="other")) == "permission.denied"
    other.hears_nothing()


def test_the_operator_acts_on_everybody(
    town: Town, alice: Actor, mallory: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Administrators too, in any room and on the server, in the name of the server."""
    admin = town.admin("boss")
    book = town.book
    monkeypatch.setattr(book, "attend", lambda found: Session(book.services, 99, found, "uid 0"))
    operator = town.stranger()
    assert operator.asks("mute", room="den", target="boss")["seq"] == 1
    alice.hears("mute", user={"uid": "operator", "nick": "server"})
    assert operator.asks("kick", room="den", target="alice")["seq"] == 2
    assert operator.asks("mode", room="den", slow=5)["mode"] == {"slow": 5}
    assert operator.asks("ban", room="*", target=str(mallory.connection.address))["type"] == "ok"
    assert mallory.listens()[-1]["code"] == "server.banned"
    assert operator.asks("bans", room="*")["bans"][0]["by"] == "server"
    assert operator.asks("ban", room="*", target="boss")["type"] == "ok"
    assert admin.listens()[-1]["code"] == "server.banned"
    assert operator.asks("unban", room="*", target="#1")["type"] == "ok"


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
    admin = town.admin()
    admin.asks("ban", room="den", target="mallory", seconds=60, reason="spam")
    admin.asks("ban", room="den", target="192.0.2.0/24")
    admin.asks("unban", room="den", target="#1")
    admin.asks("mode", room="den", password="open", slow=5)
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


def test_what_owners_do_in_their_rooms_fills_no_audit(
    town: Town, alice: Actor, mallory: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told to the event log; what a moderator of the server does there is kept."""
    caplog.set_level("INFO")
    alice.asks("mode", room="den", slow=5)
    alice.asks("mute", room="den", target="mallory")
    assert town.book.journal.acts(None, 100).acts == []
    assert [record.message for record in caplog.records if record.message == "act"] == ["act"] * 2
    helper = town.account("helper", "den")
    town.book.hub.accounts.by_name("helper").role = "moderator"  # type: ignore[union-attr]
    helper.asks("unmute", room="den", target="mallory")
    assert [act.act for act in town.book.journal.acts(None, 100).acts] == ["unmute"]
