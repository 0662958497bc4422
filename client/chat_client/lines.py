"""Events and answers as lines of text: one event a line, the time first, everything escaped."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from chat_client import dates, deeds
from chat_client.cursors import Missing, Restarted
from chat_client.escape import escape, escape_lines
from chat_client.link import Back, Link, Lost
from chat_client.outcomes import of_outcome
from chat_client.place import Place
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.moderation_events import AnyAct
from chat_schema.names import EVERYONE, User

ACTION = "/me "
"""A text that begins so is told in the third person, as people know it from elsewhere."""

REASONS = {
    "left": "left",
    "quit": "quit",
    "lost": "lost the connection",
}

PUT_OUT = ("kicked", "banned")
"""Reasons that an act in the room has told before, or else one on the server."""

AGAINST_WILL = (*PUT_OUT, "lost")
"""Reasons for which we are out of a room without having asked for it."""

VAGUE = re.compile(r"[;.,] (?:wait a little|try again)\.$", re.IGNORECASE)
"""The end of a message that is said better by when to try again."""

HINTS = {
    "auth.required": "/register makes your nick yours, /login logs you in.",
    "nick.reserved": "If it is yours: /login.",
    "room.members_only": "/register makes your nick yours, /login logs you in.",
    "user.absent": "/users lists who is.",
    "room.no_ban": "/bans lists them.",
}
"""What a user can do about a refusal."""


def of_event(event: events.Event, place: Place) -> list[str]:
    """The lines that tell of `event` to the user; none for what is no news, or of the ignored."""
    me = place.user
    match event:
        case events.Broadcast() | events.Whisper():
            ignored = event.user.uid in place.ignored
            return [] if ignored else _message(event, _where(event, me))
        case _ if isinstance(event, AnyAct):
            return [_line(event.ts, f"#{escape(event.room)} -- {deeds.told(event, me)}")]
        case events.Topic() | events.Join() | events.Leave():
            room = f"#{escape(event.room)}"
            return [_line(event.ts, f"{room} -- {deed}") for deed in _deeds(event, place)]
        case events.Nick():
            return _renamed(event, me)
        case events.Notice():
            return [_notice(event)]
    return []


def of_reply(
    request: requests.Request,
    reply: replies.Ok | replies.Welcome,
    place: Place,
    *,
    recent: int = 0,
) -> list[str]:
    """The lines that answer a request; none where the events have told it already.

    `recent` is how many messages of a room are shown to who enters it.
    """
    match reply:
        case replies.JoinOk():
            return _entered(reply, place, recent)
        case replies.RoomsOk():
            return _rooms(reply)
        case replies.UsersOk():
            return _users(reply, getattr(request, "room", None), place)
        case replies.TopicOk() if getattr(request, "topic", None) is None:
            topic = escape(reply.topic) or "(none)"
            return [f"-- topic of #{escape(reply.room)}: {topic}"]
        case replies.HistoryOk() | replies.SearchOk():
            return _past(reply, place)
    return of_outcome(request, reply, place)


def of_recent(reply: replies.HistoryOk, place: Place) -> list[str]:
    """What was said in a room before one came, and the line under it; none if nothing was."""
    shown = _events(reply.events, place)
    return [*shown, f"-- #{escape(reply.room)} (now)"] if shown else []


def of_link(link: Link) -> list[str]:
    """The line that tells of a connection that is lost, or there again."""
    match link:
        case Lost():
            when = f"in {link.retry:.0f} s" if link.retry >= 1 else "at once"
            return [f"-- connection lost ({_phrase(link.reason)}); trying again {when}"]
        case Back():
            missed = f"{link.missed or 'no'} message{'' if link.missed == 1 else 's'}"
            left = "" if link.resumed else "; the others saw you leave"
            name = f"; you are {_nick(link.user)} now" if link.renamed else ""
            return [f"-- back after {link.away:.0f} s: {missed} while you were away{left}{name}"]


def of_refusal(refused: Refused, *, asking: bool = False) -> list[str]:
    """The line that says what was not done and why; no hint where a question follows."""
    message = dates.whole(escape(refused.message))
    after = refused.retry_after
    if after is not None and not dates.says(message, after):
        message = f"{VAGUE.sub('.', message)} Try again in {dates.span(after)}."
    hint = f" {HINTS[refused.code]}" if refused.code in HINTS and not asking else ""
    return [f"!! {message}{hint} ({escape(refused.code)})"]


def _message(event: events.Broadcast | events.Whisper, where: str) -> list[str]:
    first, *others = escape_lines(event.text.removeprefix(ACTION))
    if event.text.startswith(ACTION):
        where = f"{where} * {_nick(event.user)}"
    elif isinstance(event, events.Broadcast):
        where = f"{where} <{_nick(event.user)}>"
    return [_line(event.ts, f"{where} {first}"), *(f"      {line}" for line in others)]


def _notice(event: events.Notice) -> str:
    if isinstance(event, Missing | Restarted):
        return f"{_place(event.room)} -- {escape(event.message)} ({event.code})"
    return _line(event.ts, f"-- notice: {escape(event.message)}")


def _place(room: str) -> str:
    if room == EVERYONE:
        return "everyone"
    return "whispers" if room.startswith("dm:") else f"#{escape(room)}"


def _deeds(event: events.Topic | events.Join | events.Leave, place: Place) -> list[str]:
    """What somebody did; nothing where an act in the room has told it."""
    who = _nick(event.user)
    match event:
        case events.Join():
            return [f"{who} joined"]
        case events.Leave() if event.reason in AGAINST_WILL and event.user.uid == place.user.uid:
            return ["you are out"]
        case events.Leave() if event.reason in PUT_OUT:
            return [] if place.knows_why(event) else [f"{who} was put off the server"]
        case events.Leave() if event.reason == "switched":
            return [f"{who} logged {'out' if event.user.registered else 'in'}"]
        case events.Leave():
            return [f"{who} {REASONS[event.reason]}"]
    topic = f"set the topic: {escape(event.topic)}" if event.topic else "cleared the topic"
    return [f"{who} {topic}"]


def _renamed(event: events.Nick, me: User) -> list[str]:
    if event.old != event.user.nick:
        return [_line(event.ts, f"-- {escape(event.old)} is now {_nick(event.user)}")]
    if event.user.uid == me.uid:
        return []  # the answer tells it
    return [_line(event.ts, f"-- {_nick(event.user)} is registered now")]


def _where(event: events.Broadcast | events.Whisper, me: User) -> str:
    if isinstance(event, events.Broadcast):
        return "everyone" if event.room == EVERYONE else f"#{escape(event.room)}"
    if event.user.uid == me.uid:
        return f"[to {_nick(event.to)}]"
    return f"[from {_nick(event.user)}]"


def _entered(reply: replies.JoinOk, place: Place, recent: int) -> list[str]:
    topic = f" Topic: {escape(reply.topic)}" if reply.topic else ""
    topic += f" Here {deeds.settings(reply.mode)}." if reply.mode is not None else ""
    who = _members(reply.members, reply.room, place)
    more = (
        f" and {reply.count - len(reply.members)} more" if reply.count > len(reply.members) else ""
    )
    hint = f" {reply.seq} events before: /history shows them."
    earlier = hint if reply.seq > recent else ""
    return [f"-- you are in #{escape(reply.room)} with {reply.count}: {who}{more}.{topic}{earlier}"]


def _rooms(reply: replies.RoomsOk) -> list[str]:
    lines = [f"-- {reply.count} room{'' if reply.count == 1 else 's'}"]
    for entry in reply.rooms:
        topic = f"  {escape(entry.topic)}" if entry.topic else ""
        lines.append(f"   #{escape(entry.room)} ({entry.count}){topic}")
    return lines + _rest(reply.more)


def _users(reply: replies.UsersOk, room: str | None, place: Place) -> list[str]:
    where = f"in #{escape(room)}" if room else "online"
    who = _members(reply.users, room, place)
    return [f"-- {reply.count} {where}: {who}", *_rest(reply.more)]


def _members(users: list[User], room: str | None, place: Place) -> str:
    """Their nicks; `@` stands before those who look after the room."""
    return ", ".join(f"{'@' * place.is_staff(user, room)}{_nick(user)}" for user in users)


def _past(reply: replies.HistoryOk | replies.SearchOk, place: Place) -> list[str]:
    if isinstance(reply, replies.HistoryOk):
        count = f"last {len(reply.events)} of {reply.head} events"
        return [f"-- history of #{escape(reply.room)}: {count}", *_events(reply.events, place)]
    older = " and older ones" if reply.more else ""
    return [f"-- found {len(reply.hits) or 'nothing'}{older}", *_events(reply.hits, place)]


def _events(values: list[Any], place: Place) -> list[str]:
    return [line for value in values for line in _stored(value, place)]


def _stored(value: Any, place: Place) -> list[str]:
    try:
        return of_event(events.event_of(value), place)
    except ValidationError:
        return ["   (something that cannot be read)"]


def _phrase(sentence: str) -> str:
    """A sentence as a part of another."""
    return escape(sentence[:1].lower() + sentence[1:].rstrip("."))


def _rest(more: bool) -> list[str]:
    return ["   … and more"] if more else []


def _nick(user: User) -> str:
    return escape(user.nick)


def _line(ts: str, text: str) -> str:
    return f"{dates.clock(ts)} {text}" if ts else text
