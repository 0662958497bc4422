"""How far each conversation was seen: repeats, gaps, pages, epochs, and servers that lie."""

from __future__ import annotations

import pytest

from chat_client import cursors
from chat_client.cursors import CONVERSATIONS, LIMITED_TRIES, TRIES, Missing, Restarted
from chat_client.incoming import Incoming
from tests.support.client_script import TS, Frame, Script, event, numbers, replay, user


@pytest.fixture
def script() -> Script:
    """Alice is in dev, which stands at 10."""
    script = Script()
    script.welcomes("dev", at=10)
    return script


def missing(items: list[Incoming]) -> list[int]:
    """How many numbers each Missing tells of."""
    return [item.count for item in items if isinstance(item, Missing)]


def restarted(items: list[Incoming]) -> list[str]:
    """The rooms that have begun anew."""
    return [item.room for item in items if isinstance(item, Restarted)]


# A gap on a living connection


def test_what_comes_too_early_waits_for_history(script: Script) -> None:
    """The gap is read and shown first; what was held back follows, once."""
    assert script.tells(event(13), event(14), event(13)) == []
    page = script.hears("history", room="dev", after=10)
    assert script.listens() == []  # one page at a time
    script.tells(event(11))
    items = script.says(
        "ok", re=page["id"], room="dev", more=False, oldest=1, head=14, epoch="e",
        events=[event(seq) for seq in (11, 12, 13, 14)],
    )  # fmt: skip
    assert numbers(items) == [12, 13, 14]
    assert numbers(script.tells(event(14), event(15))) == [15]


def test_pages_are_read_until_there_are_no_more(script: Script) -> None:
    """Each is asked for after the one before."""
    script.tells(event(15))
    first = script.pages(event(11), event(12), more=True, head=15)
    second = script.pages(event(13), event(14), event(15))
    assert (numbers(first), numbers(second)) == ([11, 12], [13, 14, 15])
    assert script.listens() == []


def test_two_rooms_are_filled_side_by_side(script: Script) -> None:
    """One that waits does not hold up the other."""
    script.joins("tea", 0)
    assert script.tells(event(12)) == []
    assert numbers(script.tells(event(1, "tea")), "tea") == [1]
    assert numbers(script.pages(event(11))) == [11, 12]


def test_an_unknown_event_fills_its_place(script: Script) -> None:
    """In a page as on the stream."""
    script.tells(event(13))
    unknown = {"type": "x-a.org/poll", "room": "dev", "seq": 11}
    assert numbers(script.pages(unknown, event(12), head=13)) == [11, 12, 13]


def test_what_retention_removed_is_told_once_with_how_many(script: Script) -> None:
    """Before the first event that is left."""
    script.tells(event(19))
    items = script.pages(event(17), event(18), oldest=17)
    assert missing(items) == [6]
    assert isinstance(items[0], Missing)
    assert numbers(items) == [17, 18, 19]
    assert items[0].code == "history.gap"


def test_a_hole_in_a_page_is_told(script: Script) -> None:
    """A server that leaves numbers out is believed, not asked for ever."""
    script.tells(event(14))
    items = script.pages(event(12), event(14))
    assert (numbers(items), missing(items)) == ([12, 14], [1, 1])
    assert script.listens() == []


def test_a_page_without_progress_ends_the_fill(script: Script) -> None:
    """Although the server says that there is more: no endless conversation."""
    script.tells(event(13))
    items = script.pages(more=True, head=13)
    assert (missing(items), numbers(items)) == ([2], [13])
    assert script.listens() == []


def test_a_head_that_nobody_can_reach_ends_the_fill(script: Script) -> None:
    """A page that claims numbers and does not bring them is the last one."""
    script.tells(event(12))
    assert numbers(script.pages(event(11), more=True, head=10**9)) == [11, 12]
    assert missing(script.pages(more=True, head=10**9)) == [10**9 - 12]
    assert script.listens() == []


def test_a_page_that_is_refused_for_good_ends_the_fill(script: Script) -> None:
    """What is missing is told; nothing of this room is asked for again on this connection."""
    script.tells(event(13))
    page = script.hears("history")
    items = script.says("error", re=page["id"], code="room.not_member", message="m")
    assert (missing(items), numbers(items)) == ([2], [13])
    assert numbers(script.tells(event(20))) == [20]
    assert script.listens() == []


def test_a_page_that_is_refused_for_now_is_asked_for_later(script: Script) -> None:
    """Not before `wake`, and not for ever."""
    script.tells(event(12))
    for _ in range(TRIES - 1):
        page = script.hears("history", after=10)
        assert (
            script.says("error", re=page["id"], code="server.busy", message="m", retryable=True)
            == []
        )
        assert script.session.stalled
        assert script.listens() == []
        script.session.wake()
    page = script.hears("history")
    items = script.says("error", re=page["id"], code="server.busy", message="m", retryable=True)
    assert (missing(items), numbers(items)) == ([1], [12])
    assert not script.session.stalled


def too_often(script: Script, wait: float) -> str:
    """Refuse the page that is asked for next, as one too many; return its room."""
    page = script.hears("history")
    told = {"code": "rate.reads", "message": "m", "retryable": True, "retry_after": wait}
    assert script.says("error", re=page["id"], **told) == []
    return str(page["room"])


def test_who_asks_too_often_waits_as_told_and_asks_for_one_page(script: Script) -> None:
    """Then for the next one, in turn; nothing is given up meanwhile."""
    rooms = ["tea", "dev", "ops"]
    script.joins("tea", 0)
    script.joins("ops", 0)
    script.tells(event(12, "tea"), event(12, "dev"), event(12, "ops"))
    asked = [too_often(script, wait) for wait in (2.5, 5, 7.5)]
    assert sorted(asked) == sorted(rooms)
    assert script.session.wait == 2.5
    for _ in range(2 * TRIES):
        script.session.wake()
        asked.append(too_often(script, 9))
        assert script.listens() == []
    assert asked[3:] == (4 * asked[:3])[: 2 * TRIES]


def test_a_page_that_comes_after_all_ends_the_wait(script: Script) -> None:
    """What was held back follows."""
    script.tells(event(12))
    too_often(script, 2.5)
    script.session.wake()
    assert numbers(script.pages(event(11), event(12))) == [11, 12]
    assert (script.session.stalled, script.session.wait) == (False, 0)


def test_a_server_that_lets_nobody_read_is_given_up(script: Script) -> None:
    """What is here is shown in the end: no server can hold it back for ever."""
    script.tells(event(12))
    for _ in range(LIMITED_TRIES - 1):
        too_often(script, 1)
        script.session.wake()
    page = script.hears("history")
    told = {"code": "rate.reads", "message": "m", "retryable": True, "retry_after": 1}
    items = script.says("error", re=page["id"], **told)
    assert (missing(items), numbers(items)) == ([1], [12])


def test_what_is_held_back_is_bounded(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is no room for is read again with the next page."""
    monkeypatch.setattr(cursors, "HELD", 2)
    script.tells(event(12), event(13), event(14), event(15))
    assert numbers(script.pages(event(11))) == [11, 12, 13]
    assert numbers(script.pages(event(14), event(15))) == [14, 15]


def test_the_conversations_remembered_are_bounded(script: Script) -> None:
    """A server that invents rooms makes us forget those, not the ones we are in."""
    for number in range(CONVERSATIONS + 10):
        script.tells(event(1, f"room{number}"))
    assert numbers(script.tells(event(10), event(11))) == [11]


# Joining


def test_joining_a_room_again_fills_what_lags(script: Script) -> None:
    """The same epoch, and the cursor behind the snapshot."""
    assert numbers(script.joins("dev", 12)) == []
    assert numbers(script.pages(event(11), event(12))) == [11, 12]


def test_joining_a_room_again_without_news_asks_nothing(script: Script) -> None:
    """The cursor is where the snapshot is."""
    script.joins("dev", 10)
    assert script.listens() == []


def test_joining_in_another_epoch_starts_over(script: Script) -> None:
    """Also downwards; it is told once."""
    items = script.joins("dev", 2, epoch="f")
    assert restarted(items) == ["dev"]
    assert numbers(script.tells(event(2), event(3))) == [3]


def test_a_room_that_was_left_is_forgotten(script: Script) -> None:
    """Its numbers mean nothing after that; it may have another epoch when it is entered again."""
    from chat_schema import requests

    id = script.session.ask(requests.Leave(room="dev"))
    script.hears("leave")
    script.says("ok", re=id, room="dev")
    assert restarted(script.joins("dev", 3, epoch="f")) == []


# Whispers and everyone


def test_a_whisper_conversation_begins_at_nought(script: Script) -> None:
    """What is missing before the first that is seen is read."""
    assert script.tells(event(2, "dm:u1:u2")) == []
    items = script.pages(event(1, "dm:u1:u2"), event(2, "dm:u1:u2"), epoch="w")
    assert numbers(items, "dm:u1:u2") == [1, 2]


def test_the_epoch_of_a_whisper_conversation_is_asked_for(script: Script) -> None:
    """Without it the conversation could not be named when coming back."""
    assert numbers(script.tells(event(1, "dm:u1:u2")), "dm:u1:u2") == [1]
    script.pages(epoch="w", head=1)
    script.session.lose()
    assert script.connects()["resume"]["rooms"]["dm:u1:u2"] == ["w", 1]


def test_everyone_begins_where_the_welcome_says(script: Script) -> None:
    """Announcements before it are not for us, and a gap in them is filled."""
    assert numbers(script.tells(event(1, "*")), "*") == [1]
    assert script.tells(event(3, "*")) == []
    assert numbers(script.pages(event(2, "*"), epoch="e"), "*") == [2, 3]


# Coming back


def test_a_replay_is_taken_in_order_and_repeats_are_dropped(script: Script) -> None:
    """Also when a live event comes between."""
    items = script.comes_back(*replay("dev", 10, 12), event(12), event(13))
    assert numbers(items) == [11, 12, 13]
    assert script.session.missed == 2
    assert script.hears("history", room="*")  # which the server did not tell of
    assert script.listens() == []


def test_a_replay_that_stops_early_is_read_on(script: Script) -> None:
    """From where it stopped to the head, with what comes live held back."""
    items = script.comes_back(
        *replay("dev", 10, 12, head=14, complete=False), *replay("*", 0, 0), event(15)
    )
    assert numbers(items) == [11, 12]
    assert numbers(script.pages(event(13), event(14))) == [13, 14, 15]
    assert script.session.missed == 4


def test_a_replay_that_begins_late_tells_what_is_gone(script: Script) -> None:
    """As history knows it."""
    script.comes_back(*replay("dev", 15, 17, complete=False), *replay("*", 0, 0))
    items = script.pages(event(16), event(17), oldest=16)
    assert (missing(items), numbers(items)) == ([5], [16, 17])


def test_another_epoch_in_a_replay_starts_over(script: Script) -> None:
    """The cursor is the new head, whether that is more or less; told once."""
    items = script.comes_back(*replay("dev", 3, 3, epoch="f", complete=False), *replay("*", 0, 0))
    assert restarted(items) == ["dev"]
    assert numbers(script.tells(event(4))) == [4]
    assert script.listens() == []


def test_another_epoch_in_a_page_starts_over(script: Script) -> None:
    """What is held back from before it and after its head is shown."""
    script.tells(event(14))
    items = script.pages(epoch="f", head=13)
    assert (restarted(items), numbers(items)) == (["dev"], [14])


def test_the_welcome_comes_before_what_was_missed(script: Script) -> None:
    """So that a view can say how much it is."""
    items = script.comes_back(*replay("dev", 10, 11))
    assert [type(item).__name__ for item in items] == ["Answer", "Broadcast"] or [
        type(item).__name__ for item in items if type(item).__name__ != "Replay"
    ] == ["Answer", "Broadcast"]


def test_what_was_replayed_is_not_lost_when_the_welcome_never_comes(script: Script) -> None:
    """The cursor has moved, so it is handed on when that connection is lost."""
    script.session.lose()
    script.connects()
    assert script.tells(*replay("dev", 10, 12)) == []
    assert numbers(script.session.lose()) == [11, 12]
    assert script.connects()["resume"]["rooms"]["dev"] == ["e", 12]


def test_one_s_own_messages_are_not_missed(script: Script) -> None:
    """They are replayed, and not counted."""
    begin, _, end = replay("dev", 10, 11)
    script.comes_back(begin, event(11, uid="u1"), end)
    assert script.session.missed == 0


def test_the_hello_names_every_conversation_the_latest_first(script: Script) -> None:
    """Rooms before the others, at most a hundred: what is not named would be left."""
    for number in range(120):
        script.joins(f"r{number}", 0)
    script.tells(event(1, "r7"))
    script.session.lose()
    named = script.connects()["resume"]
    assert named["token"] == "t-1"
    assert list(named["rooms"])[:3] == ["r7", "r119", "r118"]
    assert len(named["rooms"]) == 100
    assert "*" not in named["rooms"]


def test_a_room_that_was_not_kept_is_entered_again(script: Script) -> None:
    """And filled from its snapshot."""
    script.comes_back(*replay("*", 0, 0), rooms=[])
    join = script.hears("join", room="dev")
    script.hears("history", room="dev")
    script.lets_in(join["id"], "dev", 11)
    assert script.session.waiting == 0


def test_a_room_that_does_not_let_us_in_again_is_told(script: Script) -> None:
    """With the reason, and as one's own leave."""
    script.comes_back(*replay("*", 0, 0), rooms=[])
    join = script.hears("join", room="dev")
    notice, leave = script.says("error", re=join["id"], code="room.limit", message="Full.")
    assert (getattr(notice, "code", ""), getattr(leave, "room", "")) == ("room.limit", "dev")
    script.session.lose()
    assert "dev" not in script.connects()["resume"]["rooms"]


def test_another_uid_has_other_whispers(script: Script) -> None:
    """Those of the old one are not named any more."""
    script.tells(event(1, "dm:u1:u2"))
    script.pages(epoch="w", head=1)
    script.comes_back(uid="u9", resumed=False)
    script.session.lose()
    assert set(script.connects()["resume"]["rooms"]) == {"dev", "*"}


def test_a_server_that_cannot_resume_gets_joins(script: Script) -> None:
    """A welcome without a token: the rooms are entered again by the usual request."""
    script.session.lose()
    script.connects()
    script.says(
        "welcome", re=script.hello["id"], version=1, level=1, server="s",
        user={"uid": "u9", "nick": "alice"}, limits={}, durability="memory",
        heartbeat={"interval": 30, "timeout": 75},
    )  # fmt: skip
    join = script.hears("join", room="dev")
    script.listens()
    script.lets_in(join["id"], "dev", 11)
    assert not script.session.resumed


def test_a_page_that_was_overtaken_is_no_page_without_progress(script: Script) -> None:
    """What it brings came otherwise in the meantime; the next gap is read with another page."""
    script.tells(event(12))
    page = script.hears("history", after=10)
    assert numbers(script.tells(event(11), event(14))) == [11, 12]
    items = script.says(
        "ok", re=page["id"], room="dev", more=False, oldest=1, head=12, epoch="e",
        events=[event(11), event(12)],
    )  # fmt: skip
    assert missing(items) == []
    assert numbers(script.pages(event(13), event(14))) == [13, 14]


def test_where_nothing_was_seen_another_epoch_is_no_news(script: Script) -> None:
    """An empty room has a new epoch with each start of a server; what it has now is all new."""
    script.joins("tea", 0)
    begin, *rest = replay("tea", 0, 2, epoch="f")
    items = script.comes_back(*replay("dev", 10, 10), *replay("*", 0, 0), begin, *rest)
    assert (restarted(items), numbers(items, "tea")) == ([], [1, 2])


def act(seq: int, room: str = "dev", type_: str = "kick", **more: object) -> Frame:
    """Something bob did to carol by virtue of his office."""
    return {**event(seq, room), "type": type_, "target": user("u3"), **more}


def test_acts_are_numbered_like_everything_else(script: Script) -> None:
    """They leave no gap, and a gap before them is filled."""
    assert numbers(script.tells(act(11), event(12))) == [11, 12]
    assert script.listens() == []
    script.tells(act(14, type_="mode", mode={"slow": 5}))
    assert numbers(script.pages(act(13, type_="ban"), after=12)) == [13, 14]


def test_an_act_elsewhere_is_told_and_counts_nothing(script: Script) -> None:
    """An invitation, or a ban, by the number of a room we are not in."""
    assert numbers(script.tells(act(40, "ops", "invite")), "ops") == [40]
    assert numbers(script.tells(act(2, "ops", "ban")), "ops") == [2]
    script.session.lose()
    assert "ops" not in script.connects()["resume"]["rooms"]


def out(script: Script, reason: str, uid: str = "u1") -> list[Incoming]:
    """Let somebody leave dev."""
    return script.says("leave", room="dev", user=user(uid), reason=reason, ts=TS)


@pytest.mark.parametrize("reason", ["kicked", "banned"])
def test_who_was_put_out_does_not_return(script: Script, reason: str) -> None:
    """The room is forgotten, and entered anew only when somebody asks for it."""
    assert [item.type for item in script.tells(act(11))] == ["kick"]  # type: ignore[union-attr]
    out(script, reason)
    script.session.lose()
    assert "dev" not in script.connects()["resume"]["rooms"]
    script.greets(resumed=True)
    assert all(frame["type"] != "join" for frame in script.listens())


@pytest.mark.parametrize(("reason", "uid"), [("kicked", "u2"), ("lost", "u1"), ("switched", "u1")])
def test_other_departures_leave_us_where_we_are(script: Script, reason: str, uid: str) -> None:
    """Somebody else's, and those that an answer of our own tells."""
    out(script, reason, uid)
    script.session.lose()
    assert "dev" in script.connects()["resume"]["rooms"]


def test_rooms_are_returned_to_as_fast_as_the_server_wants(script: Script) -> None:
    """One that is refused for now is neither lost nor asked for at once."""
    script.joins("tea", 0)
    script.session.lose()
    script.connects()
    script.greets("u5")
    asked = [frame for frame in script.listens() if frame["type"] == "join"]
    assert {frame["room"] for frame in asked} == {"dev", "tea"}
    told = {"code": "rate.joins", "message": "m", "retryable": True, "retry_after": 6}
    for frame in asked:
        assert script.says("error", re=frame["id"], **told) == []
    assert (script.session.stalled, script.session.wait) == (True, 6)
    for frame in asked:
        script.session.wake()
        [again] = [each for each in script.listens() if each["type"] == "join"]
        assert again["room"] == frame["room"]
        script.lets_in(again["id"], again["room"], 0)
    assert not script.session.stalled
