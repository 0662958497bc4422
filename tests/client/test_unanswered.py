"""What has no answer when the connection breaks: asked again in order, and nothing said twice."""

from __future__ import annotations

import pytest

from chat_client.incoming import Incoming
from chat_client.unanswered import UNSURE, Answer
from chat_schema import replies, requests
from chat_schema.errors import Refused
from tests.support.client_script import Script, event, replay


@pytest.fixture
def script() -> Script:
    """Alice is in dev, which stands at 10."""
    script = Script()
    script.welcomes("dev", at=10)
    return script


def say(text: str, room: str = "dev") -> requests.Broadcast:
    """A message whose cid is its text."""
    return requests.Broadcast(room=room, text=text, cid=text)


def whisper(text: str) -> requests.Whisper:
    """A whisper whose cid is its text."""
    return requests.Whisper(to="bob", text=text, cid=text)


def answers(items: list[Incoming]) -> dict[str, object]:
    """The outcome of each request by the text or type of it: a number, a code or a type."""
    return {
        getattr(item.request, "text", item.request.type): _outcome(item.reply)
        for item in items
        if isinstance(item, Answer) and item.request.type != "hello"
    }


def _outcome(reply: object) -> object:
    if isinstance(reply, Refused):
        return reply.code
    return reply.seq if isinstance(reply, replies.SentOk) else type(reply).__name__


def asked(script: Script) -> list[str]:
    """What the session asks for now, without pages: texts and types."""
    frames = [frame for frame in script.listens() if frame["type"] != "history"]
    return [str(frame.get("text", frame["type"])) for frame in frames]


def test_everything_is_asked_again_in_its_order(script: Script) -> None:
    """Under the same ids, also what was asked while there was no connection."""
    ids = [script.session.ask(request) for request in (say("a"), requests.Rooms(), say("b"))]
    script.session.lose()
    ids.append(script.session.ask(say("c")))
    script.connects()
    assert script.listens() == []
    script.greets(resumed=True, rooms=["dev"])
    again = [frame for frame in script.listens() if frame["type"] != "history"]
    assert [frame["id"] for frame in again] == ids
    assert [frame.get("cid") for frame in again] == ["a", None, "b", "c"]


def test_a_message_that_the_replay_shows_is_answered_from_its_event(script: Script) -> None:
    """It was kept; it is not sent again, and what follows it is."""
    script.session.ask(say("a"))
    script.session.ask(say("b"))
    begin, _, end = replay("dev", 10, 11)
    items = script.comes_back(begin, event(11, uid="u1", cid="a"), end)
    assert answers(items) == {"a": 11}
    assert asked(script) == ["b"]


def test_the_answer_made_from_an_event_has_its_place_and_date(script: Script) -> None:
    """As the server would have said it, and after the event itself."""
    id = script.session.ask(say("a"))
    begin, _, end = replay("dev", 10, 11)
    items = script.comes_back(begin, event(11, uid="u1", cid="a"), end)
    [answer] = [item for item in items if isinstance(item, Answer) and item.id == id]
    assert isinstance(answer.reply, replies.SentOk)
    assert (answer.reply.room, answer.reply.ts) == ("dev", event(11)["ts"])
    kinds = [type(item).__name__ for item in items]
    assert kinds.index("Broadcast") < kinds.index("Answer", 1)


def test_an_event_before_the_cut_is_answer_enough(script: Script) -> None:
    """It arrived, the reply did not: there is nothing to ask again."""
    script.session.ask(say("a"))
    script.listens()
    assert answers(script.tells(event(11, uid="u1", cid="a"))) == {}
    assert answers(script.session.lose()) == {"a": 11}


def test_while_the_connection_lives_the_reply_counts(script: Script) -> None:
    """The event alone answers nothing, so that there are not two answers."""
    id = script.session.ask(say("a"))
    assert answers(script.tells(event(11, uid="u1", cid="a"))) == {}
    assert answers(script.says("ok", re=id, room="dev", seq=11, ts="")) == {"a": 11}


def test_somebody_else_s_cid_is_no_answer(script: Script) -> None:
    """Only the author's own uid makes it theirs."""
    script.session.ask(say("a"))
    items = script.comes_back(*replay("dev", 10, 11), event(12, uid="u2", cid="a"))
    assert answers(items) == {}
    assert asked(script) == ["a"]


def test_a_leave_that_is_done_already_counts_as_done(script: Script) -> None:
    """The room is not named in the hello, so the server leaves it or has left it."""
    id = script.session.ask(requests.Leave(room="dev"))
    script.session.lose()
    assert "dev" not in script.connects()["resume"]["rooms"]
    script.tells(*replay("*", 0, 0))
    script.greets(resumed=True)
    script.hears("leave", room="dev")
    items = script.says("error", re=id, code="room.not_member", message="m")
    assert answers(items) == {"leave": "LeaveOk"}
    script.session.lose()
    assert "dev" not in script.connects()["resume"]["rooms"]


def test_a_room_with_something_to_say_is_not_left_before_it_is_said(script: Script) -> None:
    """A message that waits in front of the leave needs the membership."""
    script.session.ask(say("a"))
    script.session.ask(requests.Leave(room="dev"))
    script.session.lose()
    assert "dev" in script.connects()["resume"]["rooms"]


def test_a_leave_of_a_room_one_is_not_in_is_refused_as_ever(script: Script) -> None:
    """Only what was asked before the cut can have been done before it."""
    script.comes_back(*replay("dev", 10, 10))
    id = script.session.ask(requests.Leave(room="tea"))
    items = script.says("error", re=id, code="room.not_member", message="m")
    assert answers(items) == {"leave": "room.not_member"}


def test_a_quit_is_not_asked_again(script: Script) -> None:
    """Who is gone has quit."""
    script.session.ask(requests.Quit())
    script.listens()
    assert answers(script.session.lose()) == {"quit": "Ok"}


# Somebody else: the stay was over


def test_a_whisper_of_an_old_stay_is_in_doubt(script: Script) -> None:
    """It may have been kept, and the server would not notice that it comes twice."""
    script.session.ask(whisper("psst"))
    items = script.comes_back(*replay("dev", 10, 10), uid="u9", resumed=False)
    assert answers(items) == {"psst": UNSURE}
    assert asked(script) == []


def test_a_whisper_that_never_went_out_is_sent(script: Script) -> None:
    """There is no doubt about it."""
    script.session.lose()
    script.session.ask(whisper("psst"))
    script.connects()
    script.greets(uid="u9", rooms=["dev"])
    assert asked(script) == ["psst"]


def test_a_message_of_an_old_stay_is_recognised_in_the_replay(script: Script) -> None:
    """By the old uid."""
    script.session.ask(say("a"))
    begin, _, end = replay("dev", 10, 11)
    items = script.comes_back(begin, event(11, uid="u1", cid="a"), end, uid="u9", resumed=False)
    assert answers(items) == {"a": 11}
    assert asked(script) == []


def test_a_message_of_an_old_stay_waits_until_the_gap_is_filled(script: Script) -> None:
    """And what was asked after it waits too; then it is recognised."""
    script.session.ask(say("a"))
    script.session.ask(requests.Rooms())
    script.comes_back(
        *replay("dev", 10, 11, head=13, complete=False), *replay("*", 0, 0),
        uid="u9", resumed=False,
    )  # fmt: skip
    page = script.hears("history", room="dev", after=11)
    assert script.listens() == []
    script.session.ask(say("b"))
    assert script.listens() == []
    items = script.says(
        "ok", re=page["id"], room="dev", more=False, oldest=1, head=13, epoch="e",
        events=[event(12, uid="u1", cid="a"), event(13)],
    )  # fmt: skip
    assert answers(items) == {"a": 12}
    assert asked(script) == ["rooms", "b"]


def test_a_message_of_an_old_stay_that_is_nowhere_is_sent(script: Script) -> None:
    """The room's events are all here, and it is not among them."""
    script.session.ask(say("a"))
    script.comes_back(
        *replay("dev", 10, 11, head=12, complete=False), *replay("*", 0, 0),
        uid="u9", resumed=False,
    )  # fmt: skip
    assert script.pages(event(12)) != []
    assert asked(script) == ["a"]


def test_a_message_in_a_room_whose_history_has_gone_is_in_doubt(script: Script) -> None:
    """It may be among what retention removed."""
    script.session.ask(say("a"))
    script.comes_back(
        *replay("dev", 19, 19, complete=False), *replay("*", 0, 0), uid="u9", resumed=False
    )
    items = script.pages(oldest=20, head=19)
    assert answers(items) == {"a": UNSURE}
    assert asked(script) == []


def test_a_message_in_a_room_never_seen_is_in_doubt(script: Script) -> None:
    """Its join has no answer, so nobody knows from where to look for it."""
    script.session.ask(requests.Join(room="tea"))
    script.session.ask(say("a", "tea"))
    items = script.comes_back(*replay("dev", 10, 10), *replay("*", 0, 0), uid="u9", resumed=False)
    assert answers(items) == {"a": UNSURE}
    assert asked(script) == ["join"]


def test_a_message_in_another_epoch_is_sent(script: Script) -> None:
    """The run of numbers that it may have been in is gone, for everybody."""
    script.session.ask(say("a"))
    script.comes_back(
        *replay("dev", 0, 0, epoch="f", complete=False), *replay("*", 0, 0),
        uid="u9", resumed=False,
    )  # fmt: skip
    assert asked(script) == ["a"]


def test_a_stay_taken_up_after_all_ends_the_doubt_of_nobody(script: Script) -> None:
    """A message sent as u1 and not found is sent as u9, once, also if u9 is cut off too."""
    script.session.ask(say("a"))
    script.comes_back(*replay("dev", 10, 10), *replay("*", 0, 0), uid="u9", resumed=False)
    assert asked(script) == ["a"]
    items = script.comes_back(
        *replay("dev", 10, 10), *replay("*", 0, 0), event(11, uid="u9", cid="a"), uid="u9"
    )
    assert answers(items) == {"a": 11}
    assert asked(script) == []


def test_a_welcome_that_promises_nothing_is_still_the_same_stay(script: Script) -> None:
    """The uid tells: a server that cannot keep the stay at present knows the author."""
    script.session.ask(whisper("psst"))
    script.session.lose()
    script.connects()
    script.says(
        "welcome", re=script.hello["id"], version=1, level=2, server="s",
        user={"uid": "u1", "nick": "alice"}, limits={}, durability="disk",
        heartbeat={"interval": 30, "timeout": 75},
    )  # fmt: skip
    assert "psst" in asked(script)
