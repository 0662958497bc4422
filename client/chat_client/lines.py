"""Events and answers as lines of text: one event a line, the time first, everything escaped."""

from __future__ import annotations

from datetime import datetime

from chat_client.escape import escape, escape_lines
from chat_schema import events, replies, requests
from chat_schema.errors import Refused
from chat_schema.names import User

ACTION = "/me "
"""A text that begins so is told in the third person, as people know it from elsewhere."""

REASONS = {"left": "left", "quit": "quit", "lost": "lost the connection"}


def of_event(event: events.Event, me: User) -> list[str]:
    """The lines that tell of `event` to the user `me`; none for what is no news."""
    match event:
        case events.Broadcast():
            return _message(event, f"#{escape(event.room)}")
        case events.Whisper():
            return _message(event, _direction(event, me))
        case events.Topic() | events.Join() | events.Leave():
            who = f"#{escape(event.room)} -- {_nick(event.user)}"
            return [_line(event.ts, f"{who} {_deed(event)}")]
        case events.Nick():
            return [_line(event.ts, f"-- {escape(event.old)} is now {_nick(event.user)}")]
        case events.Notice():
            return [_line(event.ts, f"-- notice: {escape(event.message)}")]
    return []


def of_reply(request: requests.Request, reply: replies.Ok | replies.Welcome, me: User) -> list[str]:
    """The lines that answer a request; none where the events have told it already."""
    match reply:
        case replies.JoinOk():
            return _entered(reply)
        case replies.RoomsOk():
            return _rooms(reply)
        case replies.UsersOk():
            return _users(reply, getattr(request, "room", None))
        case replies.TopicOk() if getattr(request, "topic", None) is None:
            topic = escape(reply.topic) or "(none)"
            return [f"-- topic of #{escape(reply.room)}: {topic}"]
        case replies.HistoryOk():
            return _history(reply, me)
    return []


def of_refusal(refused: Refused) -> list[str]:
    """The line that says what was not done and why."""
    later = f" Try again in {refused.retry_after:.0f} s." if refused.retry_after else ""
    return [f"!! {escape(refused.message)}{later} ({escape(refused.code)})"]


def _message(event: events.Broadcast | events.Whisper, where: str) -> list[str]:
    first, *others = escape_lines(event.text.removeprefix(ACTION))
    if event.text.startswith(ACTION):
        where = f"{where} * {_nick(event.user)}"
    elif isinstance(event, events.Broadcast):
        where = f"{where} <{_nick(event.user)}>"
    return [_line(event.ts, f"{where} {first}"), *(f"      {line}" for line in others)]


def _deed(event: events.Topic | events.Join | events.Leave) -> str:
    match event:
        case events.Join():
            return "joined"
        case events.Leave():
            return REASONS[event.reason]
    return f"set the topic: {escape(event.topic)}" if event.topic else "cleared the topic"


def _direction(event: events.Whisper, me: User) -> str:
    if event.user.uid == me.uid:
        return f"[to {_nick(event.to)}]"
    return f"[from {_nick(event.user)}]"


def _entered(reply: replies.JoinOk) -> list[str]:
    topic = f" Topic: {escape(reply.topic)}" if reply.topic else ""
    who = ", ".join(_nick(user) for user in reply.members)
    more = (
        f" and {reply.count - len(reply.members)} more" if reply.count > len(reply.members) else ""
    )
    earlier = f" {reply.seq} events before: /history shows them." if reply.seq else ""
    return [f"-- you are in #{escape(reply.room)} with {reply.count}: {who}{more}.{topic}{earlier}"]


def _rooms(reply: replies.RoomsOk) -> list[str]:
    lines = [f"-- {reply.count} room{'' if reply.count == 1 else 's'}"]
    for entry in reply.rooms:
        topic = f"  {escape(entry.topic)}" if entry.topic else ""
        lines.append(f"   #{escape(entry.room)} ({entry.count}){topic}")
    return lines + _rest(reply.more)


def _users(reply: replies.UsersOk, room: str | None) -> list[str]:
    where = f"in #{escape(room)}" if room else "online"
    who = ", ".join(_nick(user) for user in reply.users)
    return [f"-- {reply.count} {where}: {who}", *_rest(reply.more)]


def _history(reply: replies.HistoryOk, me: User) -> list[str]:
    count = f"last {len(reply.events)} of {reply.head} events"
    lines = [f"-- history of #{escape(reply.room)}: {count}"]
    for value in reply.events:
        lines.extend(of_event(events.event_of(value), me))
    return lines


def _rest(more: bool) -> list[str]:
    return ["   … and more"] if more else []


def _nick(user: User) -> str:
    return escape(user.nick)


def _line(ts: str, text: str) -> str:
    return f"{_clock(ts)} {text}"


def _clock(ts: str) -> str:
    """Hour and minute here of a date on the wire; dashes where it is none."""
    try:
        return f"{datetime.fromisoformat(ts).astimezone():%H:%M}"
    except ValueError:
        return "--:--"
