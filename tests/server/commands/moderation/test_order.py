"""Acts and messages in one order: rights that are withdrawn, acts that cannot be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat_schema.errors import Refused
from chat_server.hub import Hub
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Playbook
from tests.support.town import AUTH, Town, code


@pytest.fixture
def late() -> Iterator[tuple[Town, LateJournal]]:
    """A server whose journal keeps things when a test says so."""
    journal = LateJournal()
    with Playbook(loops=3, auth=AUTH, journal=journal) as book:
        yield Town(book), journal


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


def while_asked(
    monkeypatch: pytest.MonkeyPatch, hub: Hub, name: str, happens: Callable[[], object]
) -> None:
    """Have something happen on another loop just after the hub was asked this, once."""
    asked = getattr(hub, name)

    def ask(*args: Any, **fields: Any) -> Any:
        answer = asked(*args, **fields)
        monkeypatch.undo()
        happens()
        return answer

    monkeypatch.setattr(hub, name, ask)


def test_case_65_a_mute_while_a_message_is_checked_binds_it(
    town: Town, alice: Actor, mallory: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right to speak that counts is the one from before the check."""
    alice.asks("mode", room="den", slow=1)
    hub = town.book.hub
    refused = Refused("room.muted", "You are muted.")

    def mute() -> None:
        hub.withdraw(mallory.uid, hub.room("den"), refused)
        hub.permit(mallory.uid, hub.room("den"))

    while_asked(monkeypatch, hub, "require_speech", mute)
    assert code(mallory.asks("broadcast", room="den", text="x")) == "room.muted"


def test_case_65_a_moderator_put_out_while_acting_has_not_acted(
    town: Town, alice: Actor, mallory: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom they muted at that moment is not muted."""
    bob = town.person("bob", "den")
    alice.asks("promote", room="den", target="bob")
    hub, room = town.book.hub, town.book.hub.room("den")
    assert room is not None
    while_asked(
        monkeypatch, hub, "govern", lambda: hub.expel(room, bob.uid, "kicked", alice.session.since)
    )
    assert code(bob.asks("mute", room="den", target="mallory")) == "room.not_member"
    assert alice.asks("mutes", room="den")["mutes"] == []


def test_case_65_who_is_put_out_while_speaking_has_not_spoken(
    town: Town, alice: Actor, mallory: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if their own loop has yet to hear of it."""
    hub, room = town.book.hub, town.book.hub.room("den")
    assert room is not None
    hub.expel(room, mallory.uid, "kicked", alice.session.since)
    mallory.session.rooms["den"] = room  # as read just before
    assert code(mallory.asks("broadcast", room="den", text="x")) == "room.not_member"


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
    heirs = [frame["target"]["nick"] for frame in bob.listens() if frame["type"] == "promote"]
    assert heirs == ["bob"]  # and not who was about to be put out
    assert [mod["user"]["nick"] for mod in bob.asks("mods", room="den")["mods"]] == ["bob"]
    assert code(mallory.asks("join", room="den")) == "room.banned"
