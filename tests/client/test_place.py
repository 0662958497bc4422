"""Where the user is, as answers and events change it."""

from __future__ import annotations

from typing import Any

from chat_client.place import Place
from chat_schema import events, replies, requests
from chat_schema.names import User

ME = User(uid="u1", nick="alice")
BOB = User(uid="u2", nick="bob")


def joined(room: str) -> replies.JoinOk:
    """The answer to a join."""
    return replies.JoinOk(
        re="1", room=room, epoch="e", seq=0, topic="", members=[], count=1,
        history=replies.HistoryPolicy(oldest=1),
    )  # fmt: skip


def test_the_room_entered_last_is_the_one_talked_in() -> None:
    """Joining moves there; leaving moves back to the one before."""
    place = Place(ME)
    place.note_reply(joined("lobby"))
    place.note_reply(joined("Dev"))
    assert place.room == "Dev"
    place.note_reply(replies.LeaveOk(re="1", room="Dev"))
    assert place.room == "lobby"


def test_leaving_another_room_changes_nothing_before_the_eyes() -> None:
    """Only who leaves the room they look at is taken to the one they looked at before."""
    place = Place(ME)
    for room in ("lobby", "dev", "tea", "lobby"):
        place.note_reply(joined(room))
    place.note_reply(replies.LeaveOk(re="1", room="dev"))
    assert place.room == "lobby"
    place.note_reply(replies.LeaveOk(re="1", room="lobby"))
    assert place.room == "tea"


def test_leaving_the_last_room_leads_to_the_lobby() -> None:
    """Nobody stands in no room for long."""
    place = Place(ME)
    place.note_reply(joined("dev"))
    reply = replies.LeaveOk(re="1", room="dev")
    place.note_reply(reply)
    assert place.follow_up(reply) == requests.Join(room="lobby")


def test_leaving_one_of_several_rooms_leads_nowhere_else() -> None:
    """There is a room left to talk in."""
    place = Place(ME)
    place.note_reply(joined("lobby"))
    place.note_reply(joined("dev"))
    reply = replies.LeaveOk(re="1", room="dev")
    place.note_reply(reply)
    assert place.follow_up(reply) is None


def test_one_s_own_rename_is_noticed_and_others_are_not() -> None:
    """By uid, not by nick."""
    place = Place(ME)
    place.note_event(events.Nick(user=User(uid="u2", nick="x"), old="bob", ts=""))
    assert place.user == ME
    place.note_event(events.Nick(user=User(uid="u1", nick="ally"), old="alice", ts=""))
    assert place.user.nick == "ally"


def test_only_others_whispers_can_be_answered() -> None:
    """One's own whisper is not somebody to answer."""
    place = Place(ME)
    place.note_event(events.Whisper(room="dm", seq=1, ts="", user=ME, to=BOB, text="x"))
    assert place.last_whisperer is None
    place.note_event(events.Whisper(room="dm", seq=2, ts="", user=BOB, to=ME, text="x"))
    assert place.last_whisperer == "bob"


def test_being_put_out_of_a_room_moves_to_another_one() -> None:
    """One's own leave, whatever caused it; that of others moves nobody."""
    place = Place(ME)
    for room in ("lobby", "dev"):
        place.note_reply(joined(room))
    place.note_event(events.Leave(room="lobby", user=BOB, ts=""))
    place.note_event(events.Leave(room="DEV", user=ME, reason="lost", ts=""))
    assert (place.room, list(place.rooms)) == ("lobby", ["lobby"])


def test_another_identity_is_in_the_rooms_that_let_it_in() -> None:
    """The departures of the old one are not ours; the answer says where we are."""
    place = Place(ME)
    for room in ("lobby", "dev"):
        place.note_reply(joined(room))
    place.note_event(events.Leave(room="dev", user=ME, reason="switched", ts=""))
    assert place.room == "dev"
    place.note_reply(replies.IdentityOk(re="1", user=BOB, rooms=["Lobby"]))
    assert (place.user, place.room, list(place.rooms)) == (BOB, "lobby", ["lobby"])
    nowhere = replies.IdentityOk(re="1", user=ME, rooms=[])
    place.note_reply(nowhere)
    assert place.follow_up(nowhere) == requests.Join(room="lobby")


def test_who_looks_after_a_room_is_kept_up_to_date() -> None:
    """From the answer to a join, and what is told later; forgotten on leaving."""
    place = Place(ME)
    place.note_reply(joined("dev"))
    assert not place.is_staff(BOB, "dev")
    act: dict[str, Any] = {"room": "Dev", "seq": 1, "ts": "", "user": ME, "target": BOB}
    place.note_event(events.Promote(**act, role="moderator"))
    assert place.is_staff(BOB, "dev")
    place.note_event(events.Demote(**act))
    assert not place.is_staff(BOB, "dev")
    place.note_event(events.Promote(**act, role="owner"))
    place.note_reply(replies.LeaveOk(re="1", room="dev"))
    assert not place.is_staff(BOB, "dev")


def test_an_ignored_whisperer_is_not_answered() -> None:
    """/r goes to whom one has heard."""
    place = Place(ME)
    place.note_reply(replies.IgnoresOk(re="1", users=[BOB]))
    place.note_event(events.Whisper(room="dm:u1:u2", seq=1, ts="", user=BOB, to=ME, text="x"))
    assert place.last_whisperer is None


def test_the_right_of_an_administrator_ends_with_the_connection() -> None:
    """The place says so until the next welcome."""
    place = Place(ME)
    place.note_reply(replies.ElevateOk(re="1", role="admin"))
    assert place.elevated
    place.enter(
        replies.Welcome(
            version=1,
            level=3,
            server="s",
            user=ME,
            limits=replies.Limits(),
            heartbeat=replies.Heartbeat(interval=1, timeout=2),
            durability="disk",
        )
    )
    assert not place.elevated
