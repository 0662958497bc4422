"""The bytes of frequent frames, put together from ready pieces instead of through their models.

A model costs about three microseconds to build and dump; a message in a small room leaves no such
time. tests/server/test_composition.py holds each function to the bytes of its model, for any input.

Nicks, room names, uids and dates hold no character that JSON escapes; text, ids and topics do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring as quote
from typing import Any

from pydantic_core import to_json

from chat_server.domain.people import Person
from chat_server.journal.base import First
from chat_server.net.loop import stamp_of


def broadcast(room: str, ts: str, person: Person, text: str, cid: str | None) -> tuple[str, str]:
    """events.Broadcast as what stands before and after the number."""
    end = "}" if cid is None else f',"cid":{quote(cid)}}}'
    tail = f',"ts":"{ts}","user":{person.as_json},"text":{quote(text)}{end}'
    return f'{{"type":"broadcast","room":"{room}","seq":', tail


def whisper(
    room: str, ts: str, person: Person, to: Person, text: str, cid: str | None
) -> tuple[str, str]:
    """events.Whisper as what stands before and after the number."""
    end = "}" if cid is None else f',"cid":{quote(cid)}}}'
    users = f'"user":{person.as_json},"to":{to.as_json}'
    tail = f',"ts":"{ts}",{users},"text":{quote(text)}{end}'
    return f'{{"type":"whisper","room":"{room}","seq":', tail


def topic(room: str, ts: str, person: Person, text: str) -> tuple[str, str]:
    """events.Topic as what stands before and after the number."""
    tail = f',"ts":"{ts}","user":{person.as_json},"topic":{quote(text)}}}'
    return f'{{"type":"topic","room":"{room}","seq":', tail


def date(wall: float) -> str:
    """Seconds since 1970 as events carry them."""
    return stamp_of(wall)


def act(
    type_: str, room: str, ts: str, person: Person, extra: Mapping[str, Any]
) -> tuple[str, str]:
    """An event of moderation_events as what stands before and after the number.

    `extra` has what this one has beyond every act, in the order of its model, `reason` first: plain
    values or models. None is left out.
    """
    told = {name: value for name, value in extra.items() if value is not None}
    rest = f",{to_json(told, exclude_none=True)[1:].decode()}" if told else "}"
    tail = f',"ts":"{ts}","user":{person.as_json}{rest}'
    return f'{{"type":"{type_}","room":"{room}","seq":', tail


def join(room: str, ts: str, person: Person) -> bytes:
    """events.Join."""
    return f'{{"type":"join","room":"{room}","user":{person.as_json},"ts":"{ts}"}}'.encode()


def leave(room: str, ts: str, person: Person, reason: str) -> bytes:
    """events.Leave."""
    user = f'"user":{person.as_json},"reason":"{reason}"'
    return f'{{"type":"leave","room":"{room}",{user},"ts":"{ts}"}}'.encode()


def renamed(person: Person, old: str, ts: str) -> bytes:
    """events.Nick."""
    return f'{{"type":"nick","user":{person.as_json},"old":"{old}","ts":"{ts}"}}'.encode()


def sent_ok(
    re: str, ignored: list[str] | None, room: str, ts: str, seq: int, first: First | None = None
) -> bytes:
    """replies.SentOk; `first` is the outcome of the first one where this was a repetition."""
    if first is not None:
        start = f'{_ok(re, ignored)},"room":"{first.room}","seq":{first.seq}'
        return f'{start},"ts":"{first.ts}","duplicate":true}}'.encode()
    return f'{_ok(re, ignored)},"room":"{room}","seq":{seq},"ts":"{ts}"}}'.encode()


def join_ok(  # noqa: PLR0913 - one parameter per field
    *,
    re: str,
    ignored: list[str] | None,
    room: str,
    epoch: str,
    seq: int,
    topic: str,
    members: Iterable[str],
    count: int,
    oldest: int,
    kept: int | None,
    days: float | None,
    mods: list[dict[str, Any]],
    mode: dict[str, Any],
) -> bytes:
    """replies.JoinOk, with the members as JSON already; without `mods` and `mode` none."""
    rules = "".join(
        f',"{name}":{to_json(value).decode()}'
        for name, value in (("mods", mods), ("mode", mode))
        if value
    )
    policy = f'{{"oldest":{oldest}{_if_given("kept", kept)}{_if_given("days", days)}}}'
    return (
        f'{_ok(re, ignored)},"room":"{room}","epoch":"{epoch}","seq":{seq},"topic":{quote(topic)},'
        f'"members":[{",".join(members)}],"count":{count},"history":{policy}{rules}}}'
    ).encode()


def history_ok(  # noqa: PLR0913 - one parameter per field
    *,
    re: str,
    ignored: list[str] | None,
    room: str,
    events: Iterable[bytes],
    more: bool,
    oldest: int,
    head: int,
    epoch: str,
) -> bytes:
    """replies.HistoryOk, with the events as the bytes they went out with."""
    start = f'{_ok(re, ignored)},"room":"{room}","events":['
    end = f'],"more":{str(more).lower()},"oldest":{oldest},"head":{head},"epoch":"{epoch}"}}'
    return start.encode() + b",".join(events) + end.encode()


def search_ok(*, re: str, ignored: list[str] | None, hits: Iterable[bytes], more: bool) -> bytes:
    """replies.SearchOk, with the events as the bytes they went out with."""
    end = f'],"more":{str(more).lower()}}}'
    return f'{_ok(re, ignored)},"hits":['.encode() + b",".join(hits) + end.encode()


def _if_given(name: str, number: float | None) -> str:
    return "" if number is None else f',"{name}":{number}'


def _ok(re: str, ignored: list[str] | None) -> str:
    if ignored is None:
        return f'{{"type":"ok","re":{quote(re)}'
    return f'{{"type":"ok","re":{quote(re)},"ignored":{to_json(ignored).decode()}'
