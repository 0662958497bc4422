"""The user's stay as a view uses it: which rooms to return to, and trouble told in a line."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from chat_client.client import Client
from chat_client.place import Place
from chat_client.tenancy import Tenancy
from chat_schema import replies
from chat_schema.names import User


class Welcomed:
    """As much of a client as a tenancy asks for: a token, and the rooms that a server kept."""

    def __init__(self, *rooms: str) -> None:
        self.token = "t-1"
        resume = replies.Resumption(
            token="t-1", seconds=1, resumed=True, rooms=list(rooms), everyone=("e", 0)
        )
        self.welcome = replies.Welcome(
            version=1, level=2, server="s", user=User(uid="u1", nick="alice"),
            limits=replies.Limits(), heartbeat=replies.Heartbeat(interval=1, timeout=2),
            durability="disk", resume=resume,
        )  # fmt: skip

    @property
    def as_client(self) -> Client:
        """Itself, for what asks for a client."""
        return cast(Client, self)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of trouble; what is noted goes into a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return []


def test_the_rooms_kept_are_entered_with_the_last_one_last(told: list[str]) -> None:
    """In the order noted; those the server kept besides come first, and odd names not at all."""
    first = Tenancy("h", 1, told.extend)
    assert first.take("alice") is None
    first.begin(Welcomed().as_client)
    place = Place(User(uid="u1", nick="alice"))
    place.rooms = {"dev": "dev", "lobby": "lobby", "gone": "gone"}
    place.room = "dev"
    first.keep(place)
    first.end(over=False)
    second = Tenancy("h", 1, told.extend)
    assert second.take("alice") == "t-1"
    kept = Welcomed("Dev", "lobby", "new", "a b", "x\n")
    assert second.rooms(kept.as_client) == ["new", "lobby", "Dev"]
    second.end(over=True)
    assert told == []


def test_what_cannot_be_written_is_told_once(told: list[str], tmp_path: Path) -> None:
    """And the chat goes on without."""
    tenancy = Tenancy("h", 1, told.extend)
    tenancy.take("alice")
    tenancy.begin(Welcomed().as_client)
    [lock] = (tmp_path / "typed-chat").iterdir()
    lock.with_suffix(".new").mkdir()
    for _ in range(2):
        tenancy.keep(Place(User(uid="u1", nick="alice")))
    assert len(told) == 1
    assert told[0].startswith("-- your stay cannot be noted on disk (")


def test_a_guest_holds_nothing(told: list[str], tmp_path: Path) -> None:
    """There is no name to come back under."""
    tenancy = Tenancy("h", 1, told.extend)
    assert tenancy.take(None) is None
    tenancy.begin(Welcomed().as_client)
    tenancy.keep(Place(User(uid="u1", nick="guest_1")))
    tenancy.end(over=True)
    assert list(tmp_path.iterdir()) == []
