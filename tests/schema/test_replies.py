"""Replies: one model for each request, round trips, and leniency towards later levels."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chat_schema import limits, replies
from chat_schema.moderation_replies import Officer, Sanction
from chat_schema.names import User
from chat_schema.replies import REPLIES, Ok, Welcome
from chat_schema.requests import REQUESTS, Resume
from tests.support import strategies

USER = {"uid": "u1", "nick": "alice", "registered": False, "bot": False}
TS = "2026-11-22T15:00:00.123Z"

RATE = replies.Rate(burst=10, per_second=0.5)

WELCOME: dict[str, Any] = {
    "version": 1,
    "level": 3,
    "server": "typed-chat",
    "user": USER,
    "limits": replies.Limits(messages=RATE, joins=RATE, reads=RATE).model_dump(),
    "heartbeat": {"interval": 30.0, "timeout": 75.0},
    "durability": "disk",
    "resume": {
        "token": "s3cr3t",
        "seconds": 120.0,
        "resumed": True,
        "rooms": ["general"],
        "everyone": ["e1", 4],
        "conversations": ["dm:u1:u2"],
        "expelled": ["dev"],
    },
    "motd": "Be kind.",
    "role": "admin",
}

SETTINGS = {
    "moderated": True,
    "members_only": True,
    "invite_only": True,
    "password": True,
    "slow": 10,
}
OFFICERS = [{"user": USER, "role": "owner"}]
IDENTITY = {"user": USER, "role": "moderator", "rooms": ["general"]}
IGNORED = {"users": [USER]}
ACT = {"room": "general", "seq": 8, "ts": TS}
SANCTION = {
    "id": "#7",
    "nick": "mallory",
    "uid": "u2",
    "network": "192.0.2.0/24",
    "address": True,
    "by": "alice",
    "reason": "r",
    "since": TS,
    "until": TS,
}
SESSION = {
    "number": 7,
    "user": USER,
    "address": "192.0.2.7",
    "secure": True,
    "since": TS,
    "client": "a-client/1.0",
    "rooms": ["general"],
    "role": "user",
}
DEED = {
    "number": 12,
    "ts": TS,
    "actor": "alice",
    "act": "ban",
    "room": "general",
    "target": "mallory",
    "detail": "d",
}
ACCOUNT = {
    "uid": "u1",
    "nick": "alice",
    "role": "admin",
    "created": TS,
    "key": True,
    "online": False,
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "hello": WELCOME,
    "ping": {},
    "quit": {},
    "join": {
        "room": "general",
        "epoch": "e1",
        "seq": 7,
        "topic": "",
        "members": [USER],
        "count": 1,
        "history": {"oldest": 1, "kept": 1000, "days": 0.5},
        "mods": OFFICERS,
        "mode": SETTINGS,
    },
    "leave": {"room": "general"},
    "nick": {"user": USER},
    "broadcast": {"room": "general", "seq": 7, "ts": TS, "duplicate": True},
    "whisper": {"room": "dm:u1:u2", "seq": 7, "ts": TS, "duplicate": True},
    "topic": {"room": "general", "topic": "news"},
    "rooms": {
        "rooms": [{"room": "general", "topic": "", "count": 1}],
        "count": 1,
        "more": False,
    },
    "users": {"users": [USER], "count": 1, "more": False},
    "history": {
        "room": "general",
        "events": [{"type": "x-later", "room": "general", "seq": 7, "anything": [1]}],
        "more": True,
        "oldest": 1,
        "head": 7,
        "epoch": "e1",
    },
    "search": {
        "hits": [{"type": "x-later", "room": "general", "seq": 7, "anything": [1]}],
        "more": True,
    },
    "challenge": {"nonce": "n" * 43, "server": "s"},
    **dict.fromkeys(("login", "register", "logout", "unregister"), IDENTITY),
    "passwd": {},
    "key": {"public": ""},
    **dict.fromkeys(("ignore", "unignore", "ignores"), IGNORED),
    **dict.fromkeys(("kick", "ban", "unban", "mute", "unmute", "promote", "demote", "invite"), ACT),
    "bans": {"room": "general", "bans": [SANCTION]},
    "mutes": {"room": "*", "mutes": [SANCTION]},
    "mods": {"room": "general", "mods": OFFICERS},
    "mode": {"room": "general", "mode": SETTINGS},
    "elevate": {"role": "admin"},
    "sessions": {"sessions": [SESSION], "count": 1, "more": False},
    "rename": {"user": USER},
    "shutdown": {},
    "stats": {"stats": {"connections": 7, "uptime": 0.5, "version": "1"}},
    "lockdown": {"level": "accounts"},
    "audit": {"entries": [DEED], "more": True},
    "accounts": {"accounts": [ACCOUNT], "count": 1, "more": False},
    "account": {"account": ACCOUNT},
}
"""Every field of the good answer to each request."""


def whole(request: str) -> dict[str, Any]:
    """The example as it is on the wire."""
    type_ = "welcome" if request == "hello" else "ok"
    return {"type": type_, "re": "7", **EXAMPLES[request], "ignored": ["later"]}


def test_every_request_but_pong_has_a_good_answer() -> None:
    """And there is an example of each here."""
    assert set(REPLIES) == set(REQUESTS) - {"pong"}
    assert set(EXAMPLES) == set(REPLIES)


@pytest.mark.parametrize("request_", REPLIES)
def test_a_reply_survives_the_way(request_: str) -> None:
    """Read and written again it has the same fields, none lost and none added."""
    reply = REPLIES[request_].model_validate_json(json.dumps(whole(request_)))
    assert json.loads(reply.model_dump_json()) == whole(request_)


@pytest.mark.parametrize("request_", REPLIES)
def test_a_reply_is_read_alike_from_decoded_json(request_: str) -> None:
    """A client that had to look at the frame first loses nothing."""
    model = REPLIES[request_]
    assert model.model_validate(whole(request_)) == model.model_validate_json(
        json.dumps(whole(request_))
    )


@pytest.mark.parametrize("request_", REPLIES)
def test_unknown_fields_are_dropped(request_: str) -> None:
    """A later level may say more."""
    model = REPLIES[request_]
    more = model.model_validate({**whole(request_), "later": {"x": 1}})
    assert more == model.model_validate(whole(request_))


@pytest.mark.parametrize("request_", REPLIES)
def test_what_may_be_left_out_is_left_out(request_: str) -> None:
    """Nothing on the wire is null, and without the optional fields the reply is still read."""
    fields = {name: value for name, value in whole(request_).items() if name != "ignored"}
    body = REPLIES[request_].model_validate(fields).model_dump_json(exclude_none=True)
    assert json.loads(body) == fields


@pytest.mark.parametrize("value", ["memory", "process", "disk"])
def test_known_durabilities_are_kept(value: str) -> None:
    """Each promise is read as what it is."""
    assert Welcome.model_validate({**WELCOME, "durability": value}).durability == value


@pytest.mark.parametrize("value", ["two-continents", "", None, 7, []])
def test_an_unknown_durability_promises_least(value: object) -> None:
    """What is not understood is not relied upon."""
    assert Welcome.model_validate({**WELCOME, "durability": value}).durability == "memory"


@pytest.mark.parametrize(
    ("request_", "place", "default"),
    [
        ("hello", ("role",), "user"),
        ("login", ("role",), "user"),
        ("elevate", ("role",), "user"),
        ("lockdown", ("level",), "none"),
        ("mods", ("mods", 0, "role"), "none"),
        ("join", ("mods", 0, "role"), "none"),
        ("sessions", ("sessions", 0, "role"), "user"),
        ("accounts", ("accounts", 0, "role"), "user"),
    ],
)
@pytest.mark.parametrize("value", ["emperor", "", 7, []])
def test_an_unknown_choice_gives_no_power(
    request_: str, place: tuple[str | int, ...], default: str, value: object
) -> None:
    """A role or level of a later server is taken for the least."""
    frame: Any = json.loads(json.dumps(whole(request_)))
    inner = frame
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    read: Any = json.loads(REPLIES[request_].model_validate(frame).model_dump_json())
    for step in place:
        read = read[step]
    assert read == default


@given(strategies.sanctions)
def test_a_sanction_survives_the_way(sanction: Sanction) -> None:
    """Against a person or an address, for a while or for ever."""
    assert Sanction.model_validate_json(sanction.model_dump_json(exclude_none=True)) == sanction


def test_a_room_says_only_what_bounds_it() -> None:
    """Neither a number nor an age has to be given; a whole number of days is one too."""
    policy = replies.HistoryPolicy.model_validate_json('{"oldest":3}')
    assert (policy.oldest, policy.kept, policy.days) == (3, None, None)
    assert replies.HistoryPolicy.model_validate_json('{"oldest":3,"days":30}').days == 30


def test_a_welcome_to_who_did_not_ask_has_no_token() -> None:
    """The field is left out, so that simple clients see nothing of it."""
    fields = {name: value for name, value in WELCOME.items() if name != "resume"}
    welcome = Welcome.model_validate(fields)
    assert welcome.resume is None
    assert "resume" not in json.loads(welcome.model_dump_json(exclude_none=True))


@pytest.mark.parametrize("missing", ["token", "seconds", "resumed", "rooms", "everyone"])
def test_whoever_asked_learns_everything_about_coming_back(missing: str) -> None:
    """Nothing in `welcome.resume` may be left out."""
    resume = {name: value for name, value in WELCOME["resume"].items() if name != missing}
    with pytest.raises(ValidationError):
        Welcome.model_validate({**WELCOME, "resume": resume})


def test_a_token_is_not_shown_with_the_welcome() -> None:
    """Whoever writes a welcome into a log does not write the token."""
    assert "s3cr3t" not in repr(Welcome.model_validate(WELCOME))


@given(strategies.cursors)
def test_a_cursor_of_the_welcome_can_be_sent_back(cursor: tuple[str, int]) -> None:
    """What the server says of `*` is what a hello may say of it."""
    resume = {**WELCOME["resume"], "everyone": list(cursor)}
    read = Welcome.model_validate_json(json.dumps({**WELCOME, "resume": resume}))
    assert read.resume is not None
    assert Resume(rooms={"*": read.resume.everyone}).rooms == {"*": cursor}


def test_the_limits_announced_are_the_limits_kept() -> None:
    """What a client reads in welcome is what the request models enforce."""
    announced = replies.Limits()
    assert announced.text == limits.TEXT_CHARACTERS
    assert announced.topic == limits.TOPIC_CHARACTERS
    assert announced.history == limits.HISTORY_PAGE
    assert announced.search == limits.SEARCH_PAGE
    assert announced.frame_to_server == limits.FRAME_TO_SERVER
    assert announced.frame_to_client == limits.FRAME_TO_CLIENT
    assert announced.rooms == limits.ROOMS_PER_CLIENT
    assert announced.list == limits.LIST_PAGE
    assert announced.members == limits.MEMBERS_IN_JOIN
    assert announced.password == limits.PASSWORD_SHORTEST
    assert (announced.messages, announced.joins, announced.reads) == (None, None, None)


@given(strategies.ids, st.none() | st.lists(strategies.ids))
def test_ok_says_whose_and_what_was_ignored(re: str, ignored: list[str] | None) -> None:
    """Any id comes back as it was."""
    body = Ok(re=re, ignored=ignored).model_dump_json(exclude_none=True)
    assert Ok.model_validate_json(body) == Ok(re=re, ignored=ignored)
    assert ("ignored" in json.loads(body)) == (ignored is not None)


def test_the_largest_join_reply_fits_into_a_frame() -> None:
    """Every list in a reply is bounded, and so is the frame."""
    longest = {"uid": "u" * 13, "nick": "n" * limits.NICK_CHARACTERS}
    user = User(**longest, registered=False, bot=False)
    reply = replies.UsersOk(re="\0" * 64, users=[user] * limits.LIST_PAGE, count=10**6, more=True)
    assert len(reply.model_dump_json()) < limits.FRAME_TO_CLIENT


def test_the_largest_snapshot_of_a_room_fits_into_a_frame() -> None:
    """A hundred members, a hundred officers, and the longest topic."""
    user = User(uid="u" * 13, nick="n" * limits.NICK_CHARACTERS, registered=True, bot=True)
    reply = replies.JoinOk(
        re="\0" * 64,
        room="r" * limits.ROOM_CHARACTERS,
        epoch="e" * limits.EPOCH_CHARACTERS,
        seq=limits.SAFE_INTEGER,
        topic="😀" * limits.TOPIC_CHARACTERS,
        members=[user] * limits.MEMBERS_IN_JOIN,
        count=10**6,
        history=replies.HistoryPolicy(oldest=1),
        mods=[Officer(user=user, role="moderator")] * limits.STAFF,
    )
    assert len(reply.model_dump_json().encode()) < 128 * 1024 < limits.FRAME_TO_CLIENT


def test_the_largest_list_of_rooms_fits_into_a_frame() -> None:
    """Five hundred rooms, each with the longest name and a topic in four-byte characters."""
    entry = replies.RoomEntry(
        room="r" * limits.ROOM_CHARACTERS, topic="😀" * limits.TOPIC_CHARACTERS, count=10**6
    )
    reply = replies.RoomsOk(re="\0" * 64, rooms=[entry] * limits.LIST_PAGE, count=10**6, more=True)
    assert len(reply.model_dump_json().encode()) < limits.FRAME_TO_CLIENT
