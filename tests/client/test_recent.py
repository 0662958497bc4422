"""Recent messages first, then what came while they were on their way."""

from __future__ import annotations

from chat_client.recent import SHOWN, Recent
from chat_schema import events, requests
from chat_schema.names import User


def said(room: str) -> events.Broadcast:
    """Something said in a room."""
    return events.Broadcast(room=room, seq=1, ts="", user=User(uid="u", nick="n"), text="x")


def test_live_events_of_the_room_wait_and_others_do_not() -> None:
    """In any case of its name, until it is over."""
    recent = Recent()
    assert recent.begin("Dev", 7) == requests.History(room="Dev", before=8, limit=SHOWN)
    event = said("dev")
    assert recent.hold(event)
    assert not recent.hold(said("tea"))
    assert not recent.hold(events.Ping(ts=""))
    assert recent.end("DEV") == [event]
    assert not recent.hold(said("dev"))


def test_where_nothing_can_be_read_nothing_is_asked_for() -> None:
    """An empty room, or one whose history is all gone."""
    recent = Recent()
    assert recent.begin("dev", 0) is None
    assert recent.begin("dev", 7, oldest=8) is None
    assert not recent.hold(said("dev"))
