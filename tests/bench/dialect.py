"""How each kind of server is spoken to: log in, enter a room, say something.

What servers announce on their own in a room (who came, who left) is not answered and not counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """What a client sends at login, and what it then waits for."""

    send: bytes
    expect: bytes


class Dialect(NamedTuple):
    """`login(nick, room)` and `say(room, text)` make bytes.

    `ping` is what a server may ask during a login and `pong` makes the answer from the match.
    `keep_alive` shows a server that an idle client lives. `echoes`: talkers hear themselves.
    """

    login: Callable[[str, str], list[Step]]
    say: Callable[[str, bytes], bytes]
    ping: re.Pattern[bytes] | None
    pong: Callable[[re.Match[bytes]], bytes]
    keep_alive: bytes
    echoes: bool


def frame(**fields: object) -> bytes:
    """A frame of ours."""
    body = json.dumps(fields, separators=(",", ":")).encode()
    return len(body).to_bytes(4, "big") + body


def _chat_login(nick: str, room: str) -> list[Step]:
    return [
        Step(frame(type="hello", id="1", version=1, nick=nick), b'"type":"welcome","re":"1"'),
        Step(frame(type="join", id="2", room=room), b'"type":"ok","re":"2"'),
    ]


def _chat_say(room: str, text: bytes) -> bytes:
    return frame(type="broadcast", room=room, text=text.decode())


def _irc_login(nick: str, room: str) -> list[Step]:
    return [
        Step(f"NICK {nick}\r\nUSER {nick} 0 * :bench\r\n".encode(), b" 001 "),
        Step(f"JOIN #{room}\r\n".encode(), b" 366 "),
    ]


def _irc_say(room: str, text: bytes) -> bytes:
    return b"PRIVMSG #%b :%b\r\n" % (room.encode(), text)


def _nats_login(nick: str, room: str) -> list[Step]:
    options = json.dumps({"verbose": False, "pedantic": False, "name": nick})
    return [Step(f"CONNECT {options}\r\nSUB {room} 1\r\nPING\r\n".encode(), b"PONG\r\n")]


def _nats_say(room: str, text: bytes) -> bytes:
    return b"PUB %b %d\r\n%b\r\n" % (room.encode(), len(text), text)


DIALECTS = {
    "chat": Dialect(
        _chat_login,
        _chat_say,
        ping=None,
        pong=lambda _: b"",
        keep_alive=b"\0\0\0\0",
        echoes=True,
    ),
    "irc": Dialect(
        _irc_login,
        _irc_say,
        ping=re.compile(rb"PING ([^\r\n]*)\r?\n"),
        pong=lambda match: b"PONG %b\r\n" % match[1],
        keep_alive=b"PONG bench\r\n",
        echoes=False,
    ),
    "nats": Dialect(
        _nats_login,
        _nats_say,
        ping=re.compile(rb"PING\r\n"),
        pong=lambda _: b"PONG\r\n",
        keep_alive=b"PONG\r\n",
        echoes=True,
    ),
}
