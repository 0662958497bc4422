"""Being put out of a room while away: it is seen on coming back, and not undone."""

from __future__ import annotations

from typing import Any

import pytest

from chat_client.incoming import Incoming
from chat_schema import events, requests
from tests.support.client_script import TS, Frame, Script, event, numbers, replay, user


def act(seq: int, type: str = "kick", target: str = "u1", **more: Any) -> Frame:
    """Bob puts somebody out of dev."""
    usual = {"type": type, "room": "dev", "seq": seq, "ts": TS, "user": user("u2")}
    return {**usual, "target": user(target), **more}


def missed(*frames: Frame) -> list[Frame]:
    """The replay of dev's numbers from 1 on."""
    begin, *_, end = replay("dev", 0, len(frames))
    return [begin, *frames, end]


def departures(items: list[Incoming]) -> list[tuple[str, str]]:
    """Which rooms one is told to have left, and why."""
    return [(item.room, item.reason) for item in items if isinstance(item, events.Leave)]


def asked(script: Script) -> list[Frame]:
    """What the session asks, besides the pages that it reads back."""
    return [each for each in script.listens() if each["type"] != "history"]


@pytest.fixture
def script() -> Script:
    """Alice is in dev and in tea."""
    script = Script()
    script.welcomes("dev", "tea")
    return script


@pytest.mark.parametrize(("type", "reason"), [("kick", "kicked"), ("ban", "banned")])
def test_who_was_put_out_while_away_leaves_again(script: Script, type: str, reason: str) -> None:
    """The hello has named the room, so the server let us in; after the act nothing is shown."""
    seen = missed(event(1), act(2, type), event(3))
    items = script.comes_back(*seen, event(4), rooms=["dev", "tea"])
    assert numbers(items) == [1, 2]
    assert departures(items) == [("dev", reason)]
    [left] = asked(script)
    assert (left["type"], left["room"]) == ("leave", "dev")
    joined = {"type": "join", "room": "dev", "user": user("u3"), "ts": TS}
    assert script.tells(event(5), joined) == []
    script.says("ok", re=left["id"], room="dev")
    script.session.lose()
    assert list(script.connects()["resume"]["rooms"]) == ["tea", "*"]


def test_a_room_that_was_not_kept_is_not_asked_for(script: Script) -> None:
    """There is nothing to leave either."""
    script.comes_back(*missed(act(1, "ban")), rooms=["tea"])
    assert asked(script) == []


@pytest.mark.parametrize("seen", [act(1, target="u3"), act(1, "mute"), act(1, "ban", target="u2")])
def test_what_came_to_others_or_was_less_keeps_nobody_out(script: Script, seen: Frame) -> None:
    """Acts on others, and mutes, stand in a replay like any event."""
    items = script.comes_back(*missed(seen), rooms=["dev", "tea"])
    assert (numbers(items), departures(items)) == ([1], [])
    assert asked(script) == []


def test_an_address_that_was_banned_is_nobody(script: Script) -> None:
    """Such a ban puts nobody out."""
    seen = {name: value for name, value in act(1, "ban").items() if name != "target"}
    assert departures(script.comes_back(*missed(seen), rooms=["dev", "tea"])) == []


def test_an_act_in_a_room_we_are_not_in_is_only_told(script: Script) -> None:
    """Whoever was kicked out of a room long left has nothing to leave."""
    items = script.comes_back(act(9, room="garden"), rooms=["dev", "tea"])
    assert (numbers(items, "garden"), departures(items)) == ([9], [])
    assert asked(script) == []


def test_an_act_on_a_later_page_is_seen_too(script: Script) -> None:
    """A replay may end before it: the rest is read as history, when we are welcome."""
    begin, one, end = replay("dev", 0, 1, head=3, complete=False)
    script.comes_back(begin, one, end, rooms=["dev", "tea"])
    [page, *_] = [each for each in script.listens() if each["room"] == "dev"]
    rest = {"room": "dev", "events": [act(2), event(3)], "more": False, "oldest": 1, "head": 3}
    assert departures(script.says("ok", re=page["id"], epoch="e", **rest)) == [("dev", "kicked")]
    assert [each["type"] for each in asked(script)] == ["leave"]


def test_who_joins_again_by_hand_is_in(script: Script) -> None:
    """What was asked while away comes after the leaving."""
    script.session.lose()
    id = script.session.ask(requests.Join(room="dev"))
    script.connects()
    script.tells(*missed(act(1)))
    script.greets(resumed=True, rooms=["dev", "tea"])
    left, joined = asked(script)
    assert (left["type"], joined["type"]) == ("leave", "join")
    script.says("ok", re=left["id"], room="dev")
    script.lets_in(id, "dev", 7)
    assert numbers(script.tells(event(8))) == [8]


def test_a_live_act_is_followed_by_its_leave(script: Script) -> None:
    """Nothing is asked: the server has put us out."""
    assert departures(script.tells(act(1))) == []
    assert asked(script) == []
    leave = {"type": "leave", "room": "dev", "user": user("u1"), "reason": "kicked", "ts": TS}
    assert departures(script.tells(leave)) == [("dev", "kicked")]


def test_who_is_banned_and_not_let_in_is_told_so(script: Script) -> None:
    """With a ban nothing is replayed; the refusal says why."""
    script.comes_back(rooms=["tea"])
    [join] = asked(script)
    items = script.says("error", re=join["id"], code="room.banned", message="Banned: spam")
    assert [item.message for item in items if isinstance(item, events.Notice)] == ["Banned: spam"]
    assert departures(items) == [("dev", "banned")]
    script.session.lose()
    assert list(script.connects()["resume"]["rooms"]) == ["tea", "*"]
