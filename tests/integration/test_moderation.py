"""Rooms that defend themselves, on real sockets: through restarts, under fire, and as a story."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, config
from tests.support.peer import Frame, Peer, kinds

PASSWORD = "correct horse"
ADMIN = "battery staple"

ROUNDS = 12
"""Times that somebody is put out while they talk."""


@contextmanager
def serving(folder: Path, *, unlimited: bool = False, loops: int = 1) -> Iterator[ChatServer]:
    """A server that keeps everything in the folder."""
    settings = config.Settings.model_validate(
        {
            "server": {"port": 0, "data": str(folder), "io_threads": loops},
            "admin": {"password": ADMIN},
            "auth": {"hash_kib": 8, "hash_passes": 1},
        }
    )
    with ChatServer(settings, unlimited=unlimited) as running:
        yield running
        assert running.telemetry.counts().get("incidents", 0) == 0


class Door:
    """Lets people in, and closes their connections in the end."""

    def __init__(self, address: tuple[str, int], stack: ExitStack) -> None:
        self._address = address
        self._stack = stack

    def knock(self, **fields: Any) -> tuple[Peer, Frame]:
        """A new connection and what its hello was answered with."""
        peer = self._stack.enter_context(Peer(self._address))
        return peer, peer.ask("hello", **fields)

    def guest(self, nick: str, *rooms: str) -> Peer:
        """A guest in these rooms."""
        return self._enter(rooms, nick=nick)

    def login(self, nick: str, *rooms: str) -> Peer:
        """A session of an account in these rooms."""
        return self._enter(rooms, login={"nick": nick, "password": PASSWORD})

    def account(self, nick: str, *rooms: str) -> Peer:
        """Somebody who makes an account, in these rooms."""
        peer = self.guest(nick)
        assert peer.ask("register", password=PASSWORD)["type"] == "ok"
        for room in rooms:
            assert peer.ask("join", room=room)["type"] == "ok"
        return peer

    def _enter(self, rooms: tuple[str, ...], **hello: Any) -> Peer:
        peer, welcome = self.knock(**hello)
        assert welcome["type"] == "welcome", welcome
        for room in rooms:
            assert peer.ask("join", room=room)["type"] == "ok"
        return peer


@contextmanager
def door(server: ChatServer) -> Iterator[Door]:
    """The way in."""
    with ExitStack() as stack:
        yield Door(server.address, stack)


def test_bans_mutes_offices_and_modes_survive_a_restart(tmp_path: Path) -> None:
    """Of rooms that an account owns, and of the server."""
    with serving(tmp_path / "data") as server, door(server) as way:
        for nick in ("bob", "carol", "trudy"):
            way.account(nick).ask("quit")
        alice = way.account("alice", "den")
        bob, mallory = way.login("bob", "den"), way.guest("mallory", "den")
        trudy = way.login("trudy", "den")
        assert alice.ask("promote", room="den", target="bob")["type"] == "ok"
        assert alice.ask("mode", room="den", moderated=True, password="open")["type"] == "ok"
        assert bob.ask("mute", room="den", target="trudy", seconds=3600)["type"] == "ok"
        assert bob.ask("ban", room="den", target="mallory", reason="spam")["type"] == "ok"
        assert alice.ask("elevate", password=ADMIN)["role"] == "admin"
        assert alice.ask("ban", room="*", target="carol", seconds=3600)["type"] == "ok"
        assert alice.ask("mute", room="*", target="bob")["type"] == "ok"
        listed = [alice.ask(what, room="den")[what] for what in ("bans", "mutes", "mods", "mode")]
        whole = [alice.ask(what, room="*")[what] for what in ("bans", "mutes")]
        assert kinds([mallory.ask("join", room="den"), trudy.ask("ping")]) == ["error", "ok"]
    with serving(tmp_path / "data") as server, door(server) as way:
        alice = way.login("alice")
        assert alice.ask("join", room="den")["mode"] == {"moderated": True, "password": True}
        assert alice.ask("elevate", password=ADMIN)["role"] == "admin"
        again = [alice.ask(what, room="den")[what] for what in ("bans", "mutes", "mods", "mode")]
        assert again == listed
        assert [alice.ask(what, room="*")[what] for what in ("bans", "mutes")] == whole
        assert way.guest("fresh").ask("join", room="den", password="open")["code"] == "room.banned"
        trudy = way.login("trudy")
        assert trudy.ask("join", room="den")["code"] == "room.password"
        trudy.ask("join", room="den", password="open")
        assert trudy.ask("broadcast", room="den", text="x")["code"] == "room.muted"
        bob = way.login("bob", "den")
        assert bob.ask("broadcast", room="den", text="x")["code"] == "server.muted"
        assert bob.ask("unban", room="den", target="mallory")["code"] == "server.muted"
        assert alice.ask("unmute", room="*", target="bob")["type"] == "ok"
        assert bob.ask("unban", room="den", target="mallory")["type"] == "ok"
        _, refusal = way.knock(login={"nick": "carol", "password": PASSWORD})
        assert refusal["code"] == "server.banned"


class Flood:
    """A session that says one thing after the other until it is told to stop."""

    def __init__(self, peer: Peer, room: str) -> None:
        self._peer = peer
        self._room = room
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say no more; return when everything was said and answered."""
        self._stop.set()
        self._thread.join()
        self._peer.ask("ping")

    def _run(self) -> None:
        while not self._stop.is_set():
            for _ in range(8):
                self._peer.send("broadcast", room=self._room, text="spam")
            self._peer.ask("ping")


def wait_for(peer: Peer, type_: str, count: int = 1) -> Frame:
    """Receive until so many of this type have come."""
    while True:
        frame = peer.receive()
        count -= frame["type"] == type_
        if not count:
            return frame


@pytest.mark.parametrize("act", ["kick", "ban"])
def test_case_65_nothing_by_who_was_put_out_has_a_higher_number(tmp_path: Path, act: str) -> None:
    """However many sessions talk on however many loops at that very moment."""
    with serving(tmp_path / "data", unlimited=True, loops=3) as server, door(server) as way:
        alice = way.account("alice", "den")
        mallory = [way.account("mallory")] + [way.login("mallory") for _ in range(5)]
        for _ in range(ROUNDS):
            for session in mallory:
                assert session.ask("join", room="den")["type"] == "ok"
            floods = [Flood(session, "den") for session in mallory]
            wait_for(alice, "broadcast", 20)
            number = alice.ask(act, room="den", target="mallory")["seq"]
            for flood in floods:
                flood.stop()
            last = alice.ask("broadcast", room="den", text="quiet")["seq"]
            page = alice.ask("history", room="den", after=number - 1)["events"]
            assert kinds(page) == [act, "broadcast"]
            assert [event["seq"] for event in page] == [number, last] == [number, number + 1]
            if act == "ban":
                alice.ask("unban", room="den", target="mallory")


def test_the_moderators_of_a_room_deal_with_a_troublemaker(tmp_path: Path) -> None:
    """Two of them, an administrator, and one who does not stop."""
    with serving(tmp_path / "data") as server, door(server) as way:
        alice = way.account("alice", "den")
        bob, mallory = way.guest("bob", "den"), way.guest("mallory", "den")
        assert [mod["role"] for mod in bob.ask("mods", room="den")["mods"]] == ["owner"]
        assert mallory.ask("kick", room="den", target="alice")["code"] == "permission.denied"
        assert alice.ask("promote", room="den", target="bob")["type"] == "ok"
        assert bob.ask("topic", room="den", topic="no shouting")["topic"] == "no shouting"
        assert mallory.ask("broadcast", room="den", text="AAAA")["type"] == "ok"
        assert bob.ask("mute", room="den", target="mallory", seconds=600)["type"] == "ok"
        assert mallory.ask("broadcast", room="den", text="AAAA")["code"] == "room.muted"
        assert mallory.ask("kick", room="den", target="bob")["code"] == "permission.denied"
        assert bob.ask("unmute", room="den", target="mallory")["type"] == "ok"
        assert mallory.ask("broadcast", room="den", text="AAAA")["type"] == "ok"
        assert bob.ask("kick", room="den", target="mallory", reason="caps")["type"] == "ok"
        assert kinds(mallory.heard())[-2:] == ["kick", "leave"]
        assert mallory.ask("join", room="den")["type"] == "ok"
        assert mallory.ask("broadcast", room="den", text="AAAA")["type"] == "ok"
        assert bob.ask("ban", room="den", target="mallory", seconds=600)["type"] == "ok"
        for nick in ("innocent", "MALLORY2"):
            assert mallory.ask("nick", nick=nick)["type"] == "ok"
            assert mallory.ask("join", room="den")["code"] == "room.banned"
        assert mallory.ask("whisper", to="bob", text="AAAA")["type"] == "ok"
        assert bob.ask("ignore", target="MALLORY2")["type"] == "ok"
        assert mallory.ask("whisper", to="bob", text="AAAA")["code"] == "user.ignores"
        carol = way.guest("carol")
        assert carol.ask("elevate", password="guessed it")["code"] == "auth.failed"
        assert carol.ask("elevate", password=ADMIN)["role"] == "admin"
        assert carol.ask("ban", room="*", target="MALLORY2", reason="enough")["type"] == "ok"
        assert mallory.rest()[-1]["code"] == "server.banned"
        events = alice.ask("history", room="den")["events"]
        assert [event["type"] for event in events if event["type"] != "broadcast"] == [
            "promote", "topic", "mute", "unmute", "kick", "ban",
        ]  # fmt: skip
        acts = [entry["act"] for entry in carol.ask("audit")["entries"]]
        assert acts == ["elevate", "ban"]  # what owners do is in their rooms
