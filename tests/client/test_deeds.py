"""What those who look after a room did, as a reader sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat_client import deeds
from chat_schema import events
from chat_schema.moderation_events import AnyAct, Settings
from chat_schema.names import User
from tests.client.days import greenwich

ME = User(uid="u1", nick="alice")
BOB = User(uid="u2", nick="bob")
EVE = User(uid="u3", nick="e\x1bve")
TS = "2026-11-22T15:00:00.123Z"
COMMON: dict[str, Any] = {"room": "dev", "seq": 1, "ts": TS, "user": BOB}


@pytest.fixture(autouse=True)
def _day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is the day of the acts, in Greenwich."""
    with greenwich(monkeypatch, TS):
        yield


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (events.Kick(**COMMON, target=EVE), "bob kicked e\\x1bve"),
        (events.Kick(**COMMON, target=ME, reason="sp\x07am"), "bob kicked you: sp\\x07am"),
        (events.Ban(**COMMON, target=EVE), "bob banned e\\x1bve for good"),
        (
            events.Ban(**COMMON, target=EVE, until="2026-11-22T17:30:00.000Z"),
            "bob banned e\\x1bve until 17:30",
        ),
        (
            events.Ban(**COMMON, until="2026-12-01T17:30:00.000Z"),
            "bob banned an address until 2026-12-01 17:30",
        ),
        (
            events.Ban(**COMMON, target=EVE, until="2026-11-22T15:01:30.123Z"),
            "bob banned e\\x1bve until 15:01:30",
        ),
        (events.Unban(**COMMON, target=ME), "bob lifted your ban"),
        (events.Demote(**COMMON, target=ME), "bob took your office"),
        (events.Mute(**COMMON, target=EVE, until="?"), "bob muted e\\x1bve for a while"),
        (events.Unmute(**COMMON, target=EVE), "bob let e\\x1bve speak again"),
        (events.Promote(**COMMON, target=EVE, role="moderator"), "bob made e\\x1bve a moderator"),
        (events.Promote(**COMMON, target=BOB, role="owner"), "bob became an owner"),
        (events.Demote(**COMMON, target=EVE), "bob took the office of e\\x1bve"),
        (events.Demote(**COMMON, target=BOB), "bob gave up looking after the room"),
        (events.Invite(**COMMON, target=EVE), "bob invited e\\x1bve"),
        (events.Invite(**COMMON, target=ME), "bob invites you: /join dev"),
        (
            events.Mode(**COMMON, mode=Settings(moderated=True, password=True, slow=10)),
            "bob set the room: only moderators speak, a password is needed, slow mode of 10 s",
        ),
        (events.Mode(**COMMON, mode=Settings()), "bob set the room: open to everybody"),
    ],
)  # fmt: skip
def test_an_act_is_a_sentence(act: AnyAct, told: str) -> None:
    """Who did what to whom, until when, and why; nothing of it acts on the terminal."""
    assert deeds.told(act, ME) == told


def test_one_s_own_act_is_told_to_oneself() -> None:
    """You are not told your name."""
    act = events.Kick(**{**COMMON, "user": ME}, target=BOB)
    assert deeds.told(act, ME) == "you kicked bob"
