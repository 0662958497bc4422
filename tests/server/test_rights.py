"""Who may do what: every request in every state, declared in one table; what is not in it fails.

The table is the promise, each of its cells is tried on a server of its own. A letter stands for the
outcome, see OUTCOMES; the columns are in the order of STATES.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat_schema.requests import REQUESTS
from chat_server.commands.registry import ROWS
from chat_server.dispatch import Session
from chat_server.net.connection import Connection
from chat_server.settings import Admin
from tests.support.playbook import Actor, Frame, Playbook

OUTCOMES = {
    ".": "ok",
    "h": "protocol.hello_required",
    "w": "protocol.already_welcome",
    "n": "room.not_member",
    "p": "permission.denied",
    "a": "auth.required",
    "y": "auth.already",
    "b": "room.banned",
    "m": "room.muted",
    "o": "room.moderated",
    "-": "nothing",
}
"""What a cell can say: done, nothing at all (pong), or the code of the refusal."""

STATES = (
    "stranger", "outside", "member", "muted", "moderated", "banned", "account", "moderator",
    "owner", "warden", "admin", "elevated", "operator",
)  # fmt: skip
"""Who asks.

A stranger is not welcome yet; an outsider is not in the room; a member, a muted one, one in a
moderated room and a banned one are guests; the account, the moderator and the owner are in the
room; the warden, in the room too, is moderator by the role of the account, the admin likewise and
not in the room; the elevated one is a guest outside with the password; the operator has no hello.
"""

DEV, ALL = {"room": "dev"}, {"room": "*"}
VICTIM = {"target": "victim"}

REQUESTED: dict[str, dict[str, Any]] = {
    "hello": {"nick": "zoe"},
    "ping": {},
    "pong": {},
    "quit": {},
    "nick": {"nick": "zoe"},
    "users": {},
    "users of the room": DEV,
    "join": DEV,
    "leave": DEV,
    "rooms": {},
    "topic": DEV,
    "topic set": {**DEV, "topic": "news"},
    "broadcast": {**DEV, "text": "hi"},
    "broadcast to all": {**ALL, "text": "hi"},
    "whisper": {"to": "victim", "text": "hi"},
    "history": DEV,
    "history of all": ALL,
    "search": {"text": "hi"},
    "search in the room": {**DEV, "text": "hi"},
    "challenge": {},
    "login": {"nick": "olga", "password": "open sesame"},
    "register": {"password": "open sesame"},
    "logout": {},
    "passwd": {"old": "open sesame", "new": "close sesame"},
    "key": {},
    "key set": {"public": "A" * 43},
    "unregister": {"password": "open sesame"},
    "ignore": VICTIM,
    "unignore": VICTIM,
    "ignores": {},
    "kick": {**DEV, **VICTIM},
    "kick from all": {**ALL, **VICTIM},
    "ban": {**DEV, **VICTIM},
    "ban from all": {**ALL, **VICTIM},
    "ban an address": {**DEV, "target": "203.0.113.0/24"},
    "ban an address from all": {**ALL, "target": "203.0.113.0/24"},
    "unban": {**DEV, "target": "198.51.100.7"},
    "unban from all": {**ALL, "target": "198.51.100.7"},
    "bans": DEV,
    "bans of all": ALL,
    "mute": {**DEV, **VICTIM},
    "mute for all": {**ALL, **VICTIM},
    "unmute": {**DEV, "target": "quiet"},
    "unmute for all": {**ALL, "target": "silent"},
    "mutes": DEV,
    "mutes of all": ALL,
    "mods": DEV,
    "promote": {**DEV, **VICTIM},
    "promote to owner": {**DEV, **VICTIM, "role": "owner"},
    "demote": {**DEV, "target": "mona"},
    "invite": {**DEV, "target": "silent"},
    "mode": DEV,
    "mode set": {**DEV, "slow": 5},
    "elevate": {"password": "tell nobody"},
    "sessions": {},
    "rename": {**VICTIM, "nick": "zoe"},
    "shutdown": {"seconds": 60},
    "stats": {},
    "lockdown": {},
    "lockdown set": {"level": "registrations"},
    "audit": {},
    "accounts": {},
    "account": {"nick": "mona"},
    "account set": {"nick": "mona", "role": "moderator"},
}
"""What is asked: a request by its type, with words that tell its ways apart."""

TABLE = """
hello                   | . w w w w w w w w w w w w
ping                    | . . . . . . . . . . . . .
pong                    | - - - - - - - - - - - - -
quit                    | . . . . . . . . . . . . .
nick                    | h . . m . . . . . . . . p
users                   | h . . . . . . . . . . . .
users of the room       | h n . . . n . . . . n n n
join                    | h . . . . b . . . . . . p
leave                   | h n . . . n . . . . n n n
rooms                   | h . . . . . . . . . . . .
topic                   | h n . . . n . . . . . . .
topic set               | h n p p p n p . . . . . .
broadcast               | h n . m o n . . . . n n n
broadcast to all        | h p p p p p p p p p . . .
whisper                 | h . . . . . . . . . . . .
history                 | h n . . . n . . . . n n n
history of all          | h . . . . . . . . . . . .
search                  | h . . . . . . . . . . . .
search in the room      | h n . . . n . . . . n n n
challenge               | . . . . . . . . . . . . .
login                   | h . . . . . y y y y y . y
register                | h . . . . . y y y y y . y
logout                  | h a a a a a . . . . . a a
passwd                  | h a a a a a . . . . . a a
key                     | h a a a a a . . . . . a a
key set                 | h a a a a a . . . . . a a
unregister              | h a a a a a . . . . . a a
ignore                  | h . . . . . . . . . . . .
unignore                | h . . . . . . . . . . . .
ignores                 | h . . . . . . . . . . . .
kick                    | h n p p p n p . . . . . .
kick from all           | h p p p p p p p p p . . .
ban                     | h n p p p n p . . . . . .
ban from all            | h p p p p p p p p p . . .
ban an address          | h n p p p n p . . . . . .
ban an address from all | h p p p p p p p p p . . .
unban                   | h n p p p n p . . . . . .
unban from all          | h p p p p p p p p p . . .
bans                    | h n p p p n p . . . . . .
bans of all             | h p p p p p p p p p . . .
mute                    | h n p p p n p . . . . . .
mute for all            | h p p p p p p p p p . . .
unmute                  | h n p p p n p . . . . . .
unmute for all          | h p p p p p p p p p . . .
mutes                   | h n p p p n p . . . . . .
mutes of all            | h p p p p p p p p p . . .
mods                    | h n . . . n . . . . . . .
promote                 | h n p p p n p p . p . . .
promote to owner        | h n p p p n p p . p . . .
demote                  | h n p p p n p p . p . . .
invite                  | h n p p p n p . . . . . .
mode                    | h n . . . n . . . . . . .
mode set                | h n p p p n p p . p . . .
elevate                 | h . . . . . . . . . . . .
sessions                | h p p p p p p p p p . . .
rename                  | h p p p p p p p p p . . .
shutdown                | h p p p p p p p p p . . .
stats                   | h p p p p p p p p p . . .
lockdown                | h p p p p p p p p p . . .
lockdown set            | h p p p p p p p p p . . .
audit                   | h p p p p p p p p p . . .
accounts                | h p p p p p p p p p p p .
account                 | h p p p p p p p p p p p .
account set             | h p p p p p p p p p p p .
"""
"""A line for each row of REQUESTED, a letter for each of STATES."""

CELLS: dict[tuple[str, str], str] = {}
for line in TABLE.strip().splitlines():
    asked, letters = line.split("|")
    CELLS |= {(asked.strip(), state): of for state, of in zip(STATES, letters.split(), strict=True)}


class Book(Playbook):
    """A Playbook that an operator can come to, by the socket that is the operator's own."""

    _operator: str | None = None

    def operator(self) -> Actor:
        """Whoever runs the server; welcome without a hello."""
        self._operator = "root"
        actor = self.stranger(address="127.0.0.1")
        self._operator = None
        return actor

    def attend(self, connection: Connection) -> Session:
        """The session of a new connection."""
        return Session(self.services, next(self._numbers), connection, self._operator)


class World:
    """A server with a room that is looked after, some people in it, and the one who asks."""

    def __init__(self, state: str) -> None:
        self.book = Book(admin=Admin.model_validate({"password": "tell nobody"}))
        self.owner = self._account("olga", "dev")
        self.moderator = self._account("mona", "dev")
        self.book.person("victim", "dev", address="192.0.2.66")
        self.book.person("quiet", "dev", address="192.0.2.67")
        self.book.person("silent", address="192.0.2.68")
        self._act("promote", target="mona")
        self._act("mute", target="quiet")
        self._act("ban", target="198.51.100.7")
        self._govern()
        self.actor = MAKERS[state](self)
        self.book.forget()

    def guest(self, *rooms: str) -> Actor:
        """A guest called actor."""
        return self.book.person("actor", *rooms, address="127.0.0.1")

    def account(self, *rooms: str, role: str = "user") -> Actor:
        """The owner of an account called actor."""
        actor = self._account("actor", *rooms)
        account = self.book.hub.accounts.by_name("actor")
        assert account is not None
        vars_of_role: Any = role
        account.role = vars_of_role
        return actor

    def treated(self, type_: str, **fields: Any) -> Actor:
        """A guest in the room, and what the owner does then."""
        actor = self.guest("dev")
        self._act(type_, **fields)
        return actor

    def elevated(self, actor: Actor) -> Actor:
        """Somebody who has said the administrator's password."""
        assert actor.asks("elevate", password="tell nobody")["type"] == "ok"
        return actor

    def _account(self, nick: str, *rooms: str) -> Actor:
        actor = self.book.person(nick, address="127.0.0.1")
        assert actor.asks("register", password="open sesame")["type"] == "ok"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        return actor

    def _act(self, type_: str, **fields: Any) -> None:
        reply = self.owner.asks(type_, room="dev", **fields)
        assert reply["type"] == "ok", reply

    def _govern(self) -> None:
        """What an administrator has done before."""
        root = self.elevated(self.book.person("root-1", address="127.0.0.1"))
        for type_, target in (("ban", "198.51.100.7"), ("mute", "silent")):
            reply = root.asks(type_, room="*", target=target)
            assert reply["type"] == "ok", reply
        root.says("quit")


MAKERS: dict[str, Callable[[World], Actor]] = {
    "stranger": lambda world: world.book.stranger(address="127.0.0.1"),
    "outside": lambda world: world.guest(),
    "member": lambda world: world.guest("dev"),
    "muted": lambda world: world.treated("mute", target="actor"),
    "moderated": lambda world: world.treated("mode", moderated=True),
    "banned": lambda world: world.treated("ban", target="actor"),
    "account": lambda world: world.account("dev"),
    "moderator": lambda world: _with_office(world, "moderator"),
    "owner": lambda world: _with_office(world, "owner"),
    "warden": lambda world: world.account("dev", role="moderator"),
    "admin": lambda world: world.account(role="admin"),
    "elevated": lambda world: world.elevated(world.guest()),
    "operator": lambda world: world.book.operator(),
}


def _with_office(world: World, role: str) -> Actor:
    actor = world.account("dev")
    reply = world.owner.asks("promote", room="dev", target="actor", role=role)
    assert reply["type"] == "ok", reply
    return actor


def outcome(actor: Actor, asked: str, fields: dict[str, Any]) -> str:
    """What comes of a request: ok, nothing, or a code."""
    actor.says(asked.split(maxsplit=1)[0], id="7", **fields)
    replies = [frame for frame in actor.listens() if frame.get("re") == "7"]
    if not replies:
        return "nothing"
    [reply] = replies
    return str(reply["code"]) if reply["type"] == "error" else "ok"


def cells() -> Iterator[tuple[str, str]]:
    """Every request in every state, whether it is declared or not."""
    for asked in REQUESTED:
        for state in STATES:
            yield asked, state


@pytest.mark.parametrize(("asked", "state"), list(cells()))
def test_everybody_may_what_the_table_says_and_nothing_else(asked: str, state: str) -> None:
    """Case H4: one cell, on a server of its own."""
    world = World(state)
    with world.book:
        assert outcome(world.actor, asked, REQUESTED[asked]) == OUTCOMES[CELLS[asked, state]]


def test_every_request_there_is_has_a_line() -> None:
    """Default deny: who adds a request declares who may make it."""
    assert {asked.split(maxsplit=1)[0] for asked in REQUESTED} == set(REQUESTS) == set(ROWS)
    assert {asked for asked, _ in CELLS} == set(REQUESTED)


@pytest.mark.parametrize("type_", [type_ for type_, row in ROWS.items() if row.rank_for])
def test_a_request_with_two_ranks_has_a_line_for_each(type_: str) -> None:
    """In a room and in `*`, reading and changing: each way is tried."""
    rank_for = ROWS[type_].rank_for
    assert rank_for is not None
    ranks = set()
    for asked, fields in REQUESTED.items():
        if asked.split(maxsplit=1)[0] == type_:
            ranks.add(rank_for(REQUESTS[type_].model_validate({"type": type_, **fields})))
    assert len(ranks) > 1


@pytest.mark.parametrize(("asked", "state"), [cell for cell, of in CELLS.items() if of == "n"])
def test_a_room_one_is_not_in_looks_like_none(asked: str, state: str) -> None:
    """Case H4: forbidden and absent are refused in the same words: nobody can probe."""
    world = World(state)
    with world.book:
        there = refusal(world.actor, asked, REQUESTED[asked])
        absent = refusal(world.actor, asked, {**REQUESTED[asked], "room": "void"})
        assert json.dumps(there).replace("dev", "void") == json.dumps(absent)


def refusal(actor: Actor, asked: str, fields: dict[str, Any]) -> Frame:
    """The error that answers a request."""
    reply = actor.asks(asked.split(maxsplit=1)[0], **fields)
    assert reply["type"] == "error"
    return {name: value for name, value in reply.items() if name != "re"}
