"""The composed bytes of frequent frames are the bytes of their models, for any input."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import from_json

from chat_schema import events, limits, moderation_events, moderation_replies, names, replies
from chat_server import composition
from chat_server.domain.people import Person
from chat_server.journal.base import First
from tests.support import strategies

people = st.builds(Person, strategies.uids, strategies.nicks)
numbers = st.integers(1, limits.SAFE_INTEGER)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
"""More than a text may hold: the composition does not rely on what was refused before it."""
any_cid = st.none() | strategies.ids
ignored = st.none() | st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3)
rooms = strategies.rooms | st.just(names.EVERYONE)


def dump(model: BaseModel) -> bytes:
    """The model as it goes onto the wire."""
    return model.model_dump_json(exclude_none=True).encode()


def numbered(pieces: tuple[str, str], seq: int) -> bytes:
    """The composed body with its number in the middle."""
    head, tail = pieces
    return f"{head}{seq}{tail}".encode()


@given(rooms, numbers, strategies.dates, people, any_text, any_cid)
def test_broadcast(
    room: str, seq: int, ts: str, person: Person, text: str, cid: str | None
) -> None:
    """events.Broadcast, with and without cid."""
    model = events.Broadcast(room=room, seq=seq, ts=ts, user=person.user, text=text, cid=cid)
    assert numbered(composition.broadcast(room, ts, person, text, cid), seq) == dump(model)


@given(numbers, strategies.dates, people, people, any_text, any_cid)
def test_whisper(seq: int, ts: str, person: Person, to: Person, text: str, cid: str | None) -> None:
    """events.Whisper, with and without cid, in a conversation of two."""
    room = names.conversation_of(person.uid, to.uid)
    model = events.Whisper(
        room=room, seq=seq, ts=ts, user=person.user, to=to.user, text=text, cid=cid
    )
    assert numbered(composition.whisper(room, ts, person, to, text, cid), seq) == dump(model)


@given(strategies.rooms, numbers, strategies.dates, people, any_text)
def test_topic(room: str, seq: int, ts: str, person: Person, text: str) -> None:
    """events.Topic, of whatever it is."""
    model = events.Topic(room=room, seq=seq, ts=ts, user=person.user, topic=text)
    assert numbered(composition.topic(room, ts, person, text), seq) == dump(model)


any_reason = st.none() | any_text
any_date = st.none() | strategies.dates
any_target = st.none() | strategies.users
flags = st.none() | st.booleans()
settings = st.builds(
    moderation_events.Settings,
    moderated=flags,
    members_only=flags,
    invite_only=flags,
    password=flags,
    slow=st.none() | st.integers(1, limits.SLOW_SECONDS),
)
acts = st.one_of(
    st.builds(moderation_events.Kick.model_construct, reason=any_reason, target=strategies.users),
    st.builds(
        moderation_events.Ban.model_construct, reason=any_reason, target=any_target, until=any_date
    ),
    st.builds(moderation_events.Unban.model_construct, target=any_target),
    st.builds(
        moderation_events.Mute.model_construct,
        reason=any_reason,
        target=strategies.users,
        until=any_date,
    ),
    st.builds(moderation_events.Unmute.model_construct, target=strategies.users),
    st.builds(
        moderation_events.Promote.model_construct,
        target=strategies.users,
        role=st.sampled_from(["moderator", "owner"]),
    ),
    st.builds(moderation_events.Demote.model_construct, target=strategies.users),
    st.builds(moderation_events.Invite.model_construct, target=strategies.users),
    st.builds(moderation_events.Mode.model_construct, mode=settings),
)
"""Every act with what it has beyond who did it, where and when."""


@given(strategies.rooms, numbers, strategies.dates, people, acts)
def test_act(room: str, seq: int, ts: str, person: Person, act: moderation_events.Act) -> None:
    """Every event of moderation_events, with and without what may be left out."""
    extra: dict[str, Any] = {
        name: getattr(act, name) for name in type(act).model_fields if name in _EXTRA
    }
    model = type(act)(room=room, seq=seq, ts=ts, user=person.user, **extra)
    assert numbered(composition.act(model.type, room, ts, person, extra), seq) == dump(model)


_EXTRA = {"reason", "target", "until", "role", "mode"}


@given(strategies.rooms, strategies.dates, people)
def test_join(room: str, ts: str, person: Person) -> None:
    """events.Join."""
    model = events.Join(room=room, user=person.user, ts=ts)
    assert composition.join(room, ts, person) == dump(model)


@given(strategies.dates, people, strategies.nicks)
def test_renamed(ts: str, person: Person, old: str) -> None:
    """events.Nick."""
    model = events.Nick(user=person.user, old=old, ts=ts)
    assert composition.renamed(person, old, ts) == dump(model)


@given(strategies.rooms, strategies.dates, people, st.sampled_from(["left", "quit", "lost"]))
def test_leave(room: str, ts: str, person: Person, reason: events.LeaveReason) -> None:
    """events.Leave, for every reason."""
    model = events.Leave(room=room, user=person.user, reason=reason, ts=ts)
    assert composition.leave(room, ts, person, reason) == dump(model)


@given(strategies.ids, ignored, rooms, strategies.dates, numbers)
def test_sent_ok(re: str, fields: list[str] | None, room: str, ts: str, seq: int) -> None:
    """replies.SentOk, with any id and any ignored fields."""
    model = replies.SentOk(re=re, ignored=fields, room=room, seq=seq, ts=ts)
    assert composition.sent_ok(re, fields, room, ts, seq) == dump(model)


@given(strategies.ids, ignored, rooms, strategies.dates, numbers)
def test_sent_ok_of_a_repetition(
    re: str, fields: list[str] | None, room: str, ts: str, seq: int
) -> None:
    """It has the room, number and date of the first one and says that it is one."""
    model = replies.SentOk(re=re, ignored=fields, room=room, seq=seq, ts=ts, duplicate=True)
    first = First(room, seq, ts)
    assert composition.sent_ok(re, fields, "asked", "now", 0, first) == dump(model)


Policy = tuple[int | None, float | None]
policies = st.tuples(st.none() | st.integers(1, 10**6), st.none() | st.floats(0.001, 10_000))
officers = st.builds(
    moderation_replies.Officer,
    user=strategies.users,
    role=st.sampled_from(["moderator", "owner"]),
)


@given(
    strategies.ids,
    ignored,
    strategies.rooms,
    strategies.sequences,
    any_text,
    st.lists(people, max_size=3),
    st.tuples(policies, st.lists(officers, max_size=2), settings),
)
def test_join_ok(
    re: str,
    fields: list[str] | None,
    room: str,
    seq: int,
    topic: str,
    members: list[Person],
    rest: tuple[Policy, list[moderation_replies.Officer], moderation_events.Settings],
) -> None:
    """replies.JoinOk, with no members, some, any policy, and any officers and mode."""
    (kept, days), officials, setting = rest
    mods = [officer.model_dump(exclude_none=True) for officer in officials]
    mode = setting.model_dump(exclude_none=True)
    model = replies.JoinOk(
        re=re,
        ignored=fields,
        room=room,
        epoch="e0123abc",
        seq=seq,
        topic=topic,
        members=[person.user for person in members],
        count=len(members),
        history=replies.HistoryPolicy(oldest=1, kept=kept, days=days),
        mods=officials or None,
        mode=setting if mode else None,
    )
    body = composition.join_ok(
        re=re,
        ignored=fields,
        room=room,
        epoch="e0123abc",
        seq=seq,
        topic=topic,
        members=[person.as_json for person in members],
        count=len(members),
        oldest=1,
        kept=kept,
        days=days,
        mods=mods,
        mode=mode,
    )
    assert body == dump(model)


messages = st.builds(
    events.Broadcast,
    room=rooms,
    seq=numbers,
    ts=strategies.dates,
    user=strategies.users,
    text=any_text,
    cid=any_cid,
)


@given(
    strategies.ids,
    ignored,
    rooms,
    st.lists(messages, max_size=3),
    st.booleans(),
    strategies.sequences,
)
def test_history_ok(
    re: str,
    fields: list[str] | None,
    room: str,
    page: list[events.Broadcast],
    more: bool,
    head: int,
) -> None:
    """replies.HistoryOk, whose events are the bytes they went out with."""
    bodies = [dump(event) for event in page]
    model = replies.HistoryOk(
        re=re,
        ignored=fields,
        room=room,
        events=[from_json(body) for body in bodies],
        more=more,
        oldest=1,
        head=head,
        epoch="e0123abc",
    )
    body = composition.history_ok(
        re=re,
        ignored=fields,
        room=room,
        events=bodies,
        more=more,
        oldest=1,
        head=head,
        epoch="e0123abc",
    )
    assert body == dump(model)


@given(strategies.ids, ignored, st.lists(messages, max_size=3), st.booleans())
def test_search_ok(
    re: str, fields: list[str] | None, page: list[events.Broadcast], more: bool
) -> None:
    """replies.SearchOk, whose hits are the bytes they went out with."""
    bodies = [dump(event) for event in page]
    hits = [from_json(body) for body in bodies]
    model = replies.SearchOk(re=re, ignored=fields, hits=hits, more=more)
    assert composition.search_ok(re=re, ignored=fields, hits=bodies, more=more) == dump(model)


@given(people)
def test_a_person_is_dumped_like_their_user(person: Person) -> None:
    """The JSON that a person keeps ready is that of the model."""
    assert person.as_json.encode() == dump(person.user)


@given(people, strategies.nicks)
def test_a_renamed_person_is_dumped_like_their_user(person: Person, nick: str) -> None:
    """The JSON kept ready follows the nick."""
    person.rename(nick)
    assert person.user.nick == nick
    assert person.as_json.encode() == dump(person.user)
