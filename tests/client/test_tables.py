"""Lists for moderators and administrators, and the answers that no event tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_client import lines, tables
from chat_client.place import Place
from chat_schema import replies, requests
from chat_schema.account_replies import IdentityOk, IgnoresOk, KeyOk
from chat_schema.moderation_events import Settings
from chat_schema.moderation_replies import (
    ActOk,
    AuditEntry,
    AuditOk,
    BansOk,
    ElevateOk,
    LockdownOk,
    ModeOk,
    ModsOk,
    MutesOk,
    Officer,
    Sanction,
    SessionEntry,
    SessionsOk,
    StatsOk,
)
from chat_schema.names import User
from tests.client.days import greenwich

ME = User(uid="u1", nick="alice", registered=True)
BOB = User(uid="u2", nick="bob")
TS = "2026-11-22T15:00:00.123Z"
UNTIL = "2026-12-22T15:00:00.123Z"
WHEN, THEN = "15:00", "2026-12-22 15:00"


@pytest.fixture(autouse=True)
def _day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is the day of most dates, in Greenwich."""
    with greenwich(monkeypatch, TS):
        yield


@pytest.fixture
def place() -> Place:
    """Alice, in dev."""
    place = Place(ME)
    place.rooms = {"dev": "dev"}
    return place


@pytest.mark.parametrize(
    ("request_", "reply", "expected"),
    [
        (requests.Bans(room="dev"), BansOk(re="1", room="dev", bans=[]), ["-- no ban in #dev"]),
        (
            requests.Bans(room="*"),
            BansOk(re="1", room="*", bans=[
                Sanction(id="#1", nick="bob", uid="u2", address=True, by="eve", since=TS),
                Sanction(id="#12", network="192.0.2.0/24", by="eve", since=TS, until=UNTIL,
                         reason="spam"),
            ]),
            [
                "-- 2 bans on the server",
                f"   #1   bob and address  for good{' ' * 14}  by eve {WHEN}",
                f"   #12  192.0.2.0/24     until {THEN}  by eve {WHEN}: spam",
            ],
        ),
        (
            requests.Mutes(room="dev"),
            MutesOk(re="1", room="dev", mutes=[Sanction(id="#2", nick="bob", by="x", since=TS)]),
            ["-- 1 mute in #dev", f"   #2  bob  for good  by x {WHEN}"],
        ),
        (
            requests.Mods(room="dev"),
            ModsOk(re="1", room="dev", mods=[Officer(user=BOB, role="owner")]),
            ["-- who looks after #dev", "   bob  owner"],
        ),
        (
            requests.Mods(room="dev"), ModsOk(re="1", room="dev", mods=[]),
            ["-- nobody looks after #dev"],
        ),
        (
            requests.Mode(room="dev"), ModeOk(re="1", room="dev", mode=Settings(slow=5)),
            ["-- #dev: slow mode of 5 s"],
        ),
        (
            requests.Mode(room="dev", slow=5),
            ModeOk(re="1", room="dev", mode=Settings(slow=5)), [],
        ),
        (
            requests.Mode(room="tea", slow=5),
            ModeOk(re="1", room="tea", mode=Settings(slow=5)), ["-- #tea: slow mode of 5 s"],
        ),
        (
            requests.Sessions(),
            SessionsOk(re="1", count=9, more=True, sessions=[
                SessionEntry(number=3, address="192.0.2.1", secure=True, since=TS, rooms=[],
                             role="user"),
                SessionEntry(number=14, user=BOB, address="::1", secure=False, since=TS,
                             client="c/1", rooms=["dev", "tea"], role="admin"),
            ]),
            [
                "-- 9 connections",
                f"   3   (nobody yet)         192.0.2.1 TLS  {WHEN}",
                f"   14  bob           admin  ::1            {WHEN}  #dev #tea  c/1",
                "   … and more: /sessions 14",
            ],
        ),
        (
            requests.Stats(), StatsOk(re="1", stats={"rooms": 2, "up": 1.5}),
            ["-- stats of the server", "   rooms  2", "   up     1.5"],
        ),
        (
            requests.Audit(),
            AuditOk(re="1", more=True, entries=[
                AuditEntry(number=7, ts=TS, actor="eve", act="ban", room="*", target="bob",
                           detail="seconds=60"),
            ]),
            [
                "-- what was done",
                f"   7  {WHEN}  eve  ban bob the server seconds=60",
                "-- there are older ones than 7",
            ],
        ),
        (requests.Audit(), AuditOk(re="1", more=False, entries=[]), ["-- nothing was done yet"]),
        (
            requests.Register(password="p"), IdentityOk(re="1", user=ME, rooms=[]),
            ["-- alice is yours now: nobody else gets this name"],
        ),
        (
            requests.Login(nick="alice", password="p"),
            IdentityOk(re="1", user=ME, role="admin", rooms=["dev"]),
            ["-- you are alice now, administrator of the server; in #dev"],
        ),
        (
            requests.Logout(), IdentityOk(re="1", user=BOB, rooms=[]),
            ["-- you are bob now; in no room"],
        ),
        (
            requests.Unregister(password="p"), IdentityOk(re="1", user=BOB, rooms=[]),
            ["-- you have no account any more, and are bob"],
        ),
        (
            requests.Passwd(old="a", new="b"), replies.Ok(re="1"),
            ["-- your password is another one; your other sessions have ended"],
        ),
        (requests.Key(), KeyOk(re="1", public=""), ["-- you have no key"]),
        (requests.Ignores(), IgnoresOk(re="1", users=[BOB, ME]), ["-- you ignore bob, alice"]),
        (requests.Ignores(), IgnoresOk(re="1", users=[]), ["-- you ignore nobody"]),
        (requests.Kick(room="dev", target="bob"), ActOk(re="1", room="dev", seq=4, ts=TS), []),
        (
            requests.Kick(room="tea", target="bob"), ActOk(re="1", room="tea", seq=4, ts=TS),
            ["-- bob is put out of #tea"],
        ),
        (
            requests.Ban(room="*", target="bob"), ActOk(re="1", room="*", ts=TS),
            ["-- bob is banned on the server"],
        ),
        (
            requests.Elevate(password="p"), ElevateOk(re="1", role="admin"),
            ["-- you may do what an administrator may, while connected"],
        ),
        (
            requests.Lockdown(), LockdownOk(re="1", level="accounts"),
            ["-- only who has an account may come in"],
        ),
        (
            requests.Rename(target="rob", nick="bob"), replies.NickOk(re="1", user=BOB),
            ["-- rob is bob now"],
        ),
        (requests.Nick(nick="bob"), replies.NickOk(re="1", user=BOB), []),
        (requests.Shutdown(seconds=60), replies.Ok(re="1"), ["-- the server stops in 60 s"]),
        (requests.Ping(), replies.Ok(re="1"), []),
    ],
)  # fmt: skip
def test_an_answer_is_lines(
    request_: requests.Request, reply: replies.Ok, expected: list[str], place: Place
) -> None:
    """What the room is told by an event is not told again; elsewhere there is a line."""
    assert lines.of_reply(request_, reply, place) == expected


def test_limits_are_told_per_second_or_minute() -> None:
    """Whichever is a number one can picture."""
    limits = replies.Limits(
        messages=replies.Rate(burst=10, per_second=5),
        joins=replies.Rate(burst=20, per_second=1 / 6),
    )
    shown = tables.limits_table(limits)
    assert shown[:3] == [
        "-- what the server allows",
        "   messages  10 at once, then 5 a second",
        "   joins     20 at once, then 10 a minute",
    ]


@given(st.text(), st.sampled_from(["id", "nick", "network", "by", "reason", "since", "until"]))
def test_no_field_of_a_sanction_acts_on_the_terminal(hostile: str, field: str) -> None:
    """H5: whatever a server puts there, no control character is printed."""
    values: dict[str, Any] = {"id": "#1", "by": "x", "since": TS, field: hostile}
    reply = BansOk(re="1", room="dev", bans=[Sanction(**values)])
    for line in tables.of_table(reply) or []:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
