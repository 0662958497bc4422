"""Reading events: round trips, and leniency towards servers of a later level."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from chat_schema import events
from chat_schema.events import EVENTS, Event, Unknown, event_of, read_event
from tests.support import strategies

USER = {"uid": "u1", "nick": "alice", "registered": False, "bot": False}
TS = "2026-11-22T15:00:00.123Z"
NUMBERED = {"room": "general", "seq": 7, "ts": TS, "user": USER}

EXAMPLES: dict[str, dict[str, Any]] = {
    "join": {"room": "general", "user": USER, "ts": TS},
    "leave": {"room": "general", "user": USER, "reason": "lost", "ts": TS},
    "nick": {"user": USER, "old": "al", "ts": TS},
    "broadcast": {**NUMBERED, "text": "hi", "cid": "c1"},
    "whisper": {**NUMBERED, "to": USER, "text": "hi", "cid": "c1"},
    "topic": {**NUMBERED, "topic": ""},
    "kick": {**NUMBERED, "reason": "r", "target": USER},
    "ban": {**NUMBERED, "reason": "r", "target": USER, "until": TS},
    "unban": {**NUMBERED, "reason": "r", "target": USER},
    "mute": {**NUMBERED, "reason": "r", "target": USER, "until": TS},
    "unmute": {**NUMBERED, "reason": "r", "target": USER},
    "promote": {**NUMBERED, "reason": "r", "target": USER, "role": "owner"},
    "demote": {**NUMBERED, "reason": "r", "target": USER},
    "invite": {**NUMBERED, "reason": "r", "target": USER},
    "mode": {
        **NUMBERED,
        "reason": "r",
        "mode": {
            "moderated": True,
            "members_only": True,
            "invite_only": True,
            "password": True,
            "slow": 10,
        },
    },
    "replay": {
        "room": "general",
        "state": "begin",
        "epoch": "e1",
        "after": 7,
        "to": 9,
        "head": 9,
        "complete": True,
    },
    "ping": {"ts": TS},
    "notice": {"code": "client.slow", "message": "Catch up.", "ts": TS},
    "bye": {"code": "server.shutdown", "message": "m", "reconnect": "now", "after": 5.0},
}
"""Every event with every field."""


def body_of(type_: str, **fields: Any) -> bytes:
    """The JSON of an event of this type, with these fields besides, or instead, of the example."""
    return json.dumps({"type": type_, **EXAMPLES.get(type_, {}), **fields}).encode()


def test_there_is_an_example_of_every_event() -> None:
    """The examples here cover what the schema has, neither more nor less."""
    assert set(EXAMPLES) == set(EVENTS)


@pytest.mark.parametrize("type_", EVENTS)
def test_an_event_survives_the_way(type_: str) -> None:
    """Read and written again it has the same fields, none lost and none added."""
    event = read_event(body_of(type_))
    assert type(event) is EVENTS[type_]
    assert json.loads(event.model_dump_json()) == {"type": type_, **EXAMPLES[type_]}


@pytest.mark.parametrize("type_", EVENTS)
def test_unknown_fields_are_dropped(type_: str) -> None:
    """A later level may say more of everything, of users too."""
    more = {"user": {**USER, "away": True}} if "user" in EXAMPLES[type_] else {}
    assert read_event(body_of(type_, reactions=[], **more)) == read_event(body_of(type_))


@pytest.mark.parametrize("type_", EVENTS)
def test_no_event_has_re(type_: str) -> None:
    """Nothing else tells events from replies."""
    assert "re" not in EVENTS[type_].model_fields


def test_the_end_of_a_replay_says_no_more_than_whose_it_is() -> None:
    """Everything else was said at its beginning."""
    event = read_event(b'{"type":"replay","room":"general","state":"end"}')
    assert event == events.Replay(room="general", state="end")
    assert json.loads(event.model_dump_json(exclude_none=True)) == {
        "type": "replay",
        "room": "general",
        "state": "end",
    }


def test_a_replay_itself_is_not_numbered() -> None:
    """It moves no cursor; the events within do."""
    assert "seq" not in events.Replay.model_fields
    assert events.Replay not in events.NumberedEvent.__args__


@pytest.mark.parametrize("type_", ["broadcast", "whisper"])
def test_a_message_without_cid_has_none(type_: str) -> None:
    """Left out or null."""
    fields = {name: value for name, value in EXAMPLES[type_].items() if name != "cid"}
    event = read_event(json.dumps({"type": type_, **fields}).encode())
    assert isinstance(event, events.Broadcast | events.Whisper)
    assert event.cid is None
    assert event == read_event(body_of(type_, cid=None))


@pytest.mark.parametrize(
    ("type_", "field", "default"),
    [
        ("leave", "reason", "left"),
        ("bye", "reconnect", "later"),
        ("replay", "state", "end"),
        ("promote", "role", "none"),
    ],
)
@pytest.mark.parametrize("value", ["moved", "", 7, None, [], {}])
def test_an_unknown_choice_becomes_the_default(
    type_: str, field: str, default: str, value: object
) -> None:
    """Choices may grow: whatever it is that this version does not know."""
    assert getattr(read_event(body_of(type_, **{field: value})), field) == default


@pytest.mark.parametrize(
    ("type_", "field", "choices"),
    [
        ("leave", "reason", ["left", "quit", "lost", "kicked", "banned", "switched"]),
        ("bye", "reconnect", ["later", "now", "never"]),
        ("replay", "state", ["begin", "end"]),
        ("promote", "role", ["none", "moderator", "owner"]),
    ],
)
def test_known_choices_are_kept(type_: str, field: str, choices: list[str]) -> None:
    """Every choice there is arrives as it was sent."""
    read = [getattr(read_event(body_of(type_, **{field: choice})), field) for choice in choices]
    assert read == choices


ACTS = ["kick", "ban", "unban", "mute", "unmute", "promote", "demote", "invite", "mode"]


def test_all_acts_are_numbered() -> None:
    """What those with an office do is read back like what was said."""
    for type_ in ACTS:
        assert EVENTS[type_] in events.NumberedEvent.__args__


@pytest.mark.parametrize("type_", ACTS)
def test_an_act_needs_no_reason(type_: str) -> None:
    """Left out or null; until, and whom an address concerns, too."""
    optional = {"reason": None, "until": None}
    if type_ in ("ban", "unban"):
        optional["target"] = None
    body = read_event(body_of(type_, **optional)).model_dump(exclude_none=True)
    assert body.keys().isdisjoint(optional)


def test_a_later_level_may_set_more_of_a_room() -> None:
    """What is not known of a mode is dropped, what is known is kept."""
    event = read_event(body_of("mode", mode={"slow": 5, "encrypted": True}))
    assert isinstance(event, events.Mode)
    assert event.mode.model_dump(exclude_none=True) == {"slow": 5}


@given(strategies.acts)
def test_every_act_survives_the_way(act: events.AnyAct) -> None:
    """Whoever, whomever and why: written and read again it is the same."""
    assert read_event(act.model_dump_json(exclude_none=True).encode()) == act


@given(strategies.rooms, strategies.sequences)
def test_an_unknown_type_keeps_room_and_number(room: str, seq: int) -> None:
    """It is not shown, but it counts: the cursor of its room moves."""
    event = read_event(body_of("x-example.org/poll", room=room, seq=seq, options=["a", "b"]))
    assert event == Unknown(type="x-example.org/poll", room=room, seq=seq)


def test_an_unknown_type_without_a_number_is_only_unknown() -> None:
    """Nothing to count, nothing to show."""
    assert read_event(body_of("typing", user=USER)) == Unknown(type="typing")


def test_an_event_from_a_page_of_history_is_read_like_any_other() -> None:
    """There it is decoded already."""
    assert event_of({"type": "topic", **EXAMPLES["topic"]}) == read_event(body_of("topic"))
    assert event_of({"type": "edit", "room": "a", "seq": 3}).type == "edit"


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"join"',
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"type":7}',
        b'{"type":["join"]}',
        body_of("broadcast", seq=True),
        body_of("broadcast", seq="7"),
        body_of("broadcast", seq=-1),
        body_of("broadcast", seq=2**53),
        body_of("broadcast", text=None),
        body_of("join", user="alice"),
        body_of("replay", room=None),
        body_of("replay", after=-1),
        body_of("replay", head="9"),
        body_of("replay", complete="yes"),
        body_of("kick", target=None),
        body_of("ban", target="mallory"),
        body_of("mute", seq=None),
        body_of("promote", user=None),
        body_of("mode", mode=[]),
        body_of("mode", mode={"slow": "10"}),
    ],
)
def test_what_is_no_event_is_a_validation_error(body: bytes) -> None:
    """One kind of exception, whatever is wrong."""
    with pytest.raises(ValidationError):
        read_event(body)


@given(strategies.json_values)
def test_any_json_is_an_event_or_a_validation_error(value: object) -> None:
    """Nothing a server sends raises anything else."""
    try:
        event = read_event(json.dumps(value).encode())
    except ValidationError:
        return
    assert isinstance(event, Event)
