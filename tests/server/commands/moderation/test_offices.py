"""Who looks after a room, whom it invites, and how it is set."""

from __future__ import annotations

from tests.support.playbook import Actor, Playbook
from tests.support.town import AUTH, PASSWORD, Town, code

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


def test_an_account_owns_so_many_rooms_for_good() -> None:
    """Others like a guest, by whatever way; to give one up makes place for another."""
    with Playbook(auth=AUTH, owned=2) as book:
        town = Town(book)
        guest, carol = town.person("guest", "made"), town.account("carol", "a", "b", "c")
        assert guest.asks("promote", room="made", target="carol", role="owner")["type"] == "ok"
        assert carol.asks("mode", room="c", slow=5)["type"] == "ok"
        guest.asks("leave", room="made")
        guest.asks("join", room="c")
        carol.asks("promote", room="c", target="guest")
        assert guest.asks("invite", room="c", target="carol")["type"] == "ok"
        for room in ("a", "b", "c"):
            carol.asks("leave", room=room)
        later = town.person("later", "a", "b", "made")
        roles = [later.asks("mods", room=room)["mods"] for room in ("a", "b", "made")]
        assert [[mod["user"]["nick"] for mod in mods] for mods in roles] == [
            ["carol"], ["carol"], ["later"],
        ]  # fmt: skip
        [heir] = guest.asks("mods", room="c")["mods"]
        assert (heir["user"]["nick"], heir["role"]) == ("guest", "owner")
        carol.asks("join", room="a")
        carol.asks("demote", room="a", target="carol")
        carol.asks("join", room="d")
        carol.asks("leave", room="d")
        assert later.asks("join", room="d")["mods"][0]["user"]["nick"] == "carol"


# Invitations and modes


def test_nobody_inherits_the_lobby(town: Town) -> None:
    """When a moderator is demoted there, or an owner's account is removed, guests stay guests."""
    admin, mallory = town.admin(), town.person("mallory", "lobby")
    olga = town.account("olga", "lobby")
    town.account("bob", "lobby")
    for request in (
        {"type": "promote", "target": "bob"},
        {"type": "promote", "target": "olga", "role": "owner"},
        {"type": "demote", "target": "bob"},
    ):
        assert admin.asks(request.pop("type"), room="lobby", **request)["type"] == "ok"
    assert olga.asks("unregister", password=PASSWORD)["type"] == "ok"
    assert mallory.asks("mods", room="lobby")["mods"] == []
    assert code(mallory.asks("mode", room="lobby", slow=9)) == "permission.denied"


def test_slow_mode_is_not_undone_by_leaving(town: Town, alice: Actor, mallory: Actor) -> None:
    """Who comes back waits as long as before."""
    alice.asks("mode", room="den", slow=60)
    assert mallory.asks("broadcast", room="den", text="one")["type"] == "ok"
    mallory.asks("leave", room="den")
    mallory.asks("join", room="den")
    assert code(mallory.asks("broadcast", room="den", text="two")) == "room.slow"


def test_who_needed_no_password_does_not_stay_as_somebody_who_does(town: Town) -> None:
    """An invitation is the account's: the guest they log out to has shown nothing."""
    alice, bob = town.person("alice", "vault"), town.account("bob")
    alice.asks("mode", room="vault", password="sesame")
    alice.asks("invite", room="vault", target="bob")
    assert bob.asks("join", room="vault")["type"] == "ok"
    assert bob.asks("logout")["rooms"] == []


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


def test_case_67_nobody_is_reached_by_who_they_ignore_from_a_room_of_theirs(
    town: Town, alice: Actor
) -> None:
    """Acts on who is elsewhere tell them nothing then; in the room they see what all see."""
    bob = town.person("bob")
    bob.asks("ignore", target="alice")
    for act in ("ban", "mute", "unmute"):
        reply = alice.asks(act, room="den", target="bob", reason="read this")
        assert reply["type"] == "ok"
    bob.hears_nothing()


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
