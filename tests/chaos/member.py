"""A participant of raw frames: loses its connection and comes back to its stay by the protocol.

It keeps a window of messages without an answer. After a break it sends them again, in their order
and under their cids, before anything new.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.chaos.logs import Message
from tests.chaos.participant import WINDOW, Participant, Role
from tests.chaos.view import Bodies, View
from tests.chaos.wire import Gone, Wire

PATIENCE = 0.25
"""Seconds of silence until a member asks whether the server is there."""
UNHEARD = 8
"""Such silences in a row after which a member gives the connection up."""
AGAIN = 0.02
"""Seconds before a message that was refused for the moment is sent again."""


class Member(Participant):
    """A client of raw frames."""

    def __init__(self, role: Role, bodies: Bodies) -> None:
        super().__init__(role)
        self._view = View(bodies)
        self.runs = self._view.runs
        self._token = ""
        self._waiting: dict[str, Message] = {}
        self._unsent: list[Message] = []
        self._not_before = 0.0
        self._barrier = False

    @property
    def idle(self) -> bool:
        """Whether everything it said is answered."""
        return not self._waiting and bool(self.uid)

    def run(self) -> None:
        """Connect again and again until all is over."""
        while not self.over.is_set():
            try:
                with Wire(self.role.address) as wire:
                    self._view.connected()
                    self._stay(wire)
            except Gone:
                time.sleep(self.role.random.uniform(0.001, 0.02))
            except Exception as error:  # whatever a server sends must not end the run silently
                self.surprises.append(f"{self.name} could not go on: {error!r}")
                self.over.set()

    # A connection

    def _stay(self, wire: Wire) -> None:
        self._barrier = False
        wire.send(self._hello())
        welcomed, silences, told = False, 0, False
        try:
            while not self.over.is_set():
                bodies = wire.receive(PATIENCE if not self._pausing else AGAIN)
                silences = 0 if bodies else silences + 1
                for body in bodies:
                    frame = json.loads(body)
                    told = told or frame["type"] == "bye"
                    welcomed = self._take(frame, body) or welcomed
                if welcomed:
                    self._speak(wire, silent=silences > 0)
                if silences > UNHEARD:
                    raise Gone("nothing is heard")
        finally:
            self.told += told
            self.untold += welcomed and not told and not self.over.is_set()

    @property
    def _pausing(self) -> bool:
        return bool(self._unsent) or not self._waiting

    def _hello(self) -> dict[str, Any]:
        resume: Any = True
        if self._token:
            resume = {"token": self._token, "rooms": self._view.resume()}
        return {"type": "hello", "id": "hello", "client": "chaos", "resume": resume}

    def _speak(self, wire: Wire, *, silent: bool) -> None:
        """Send what is due: requests of the view, messages once more, new ones, a sign of life."""
        requests = list(self._view.wants)
        self._view.wants.clear()
        if time.monotonic() >= self._not_before:
            requests += [self._request(message) for message in self._unsent]
            self._unsent.clear()
            while len(self._waiting) < WINDOW and self.talking():
                message = self.compose()
                self._waiting[message.cid] = message
                requests.append(self._request(message))
        if not requests and self.finish.is_set() and self.idle and not self._barrier:
            self._barrier = True
            requests.append({"type": "ping", "id": "barrier"})
        if not requests and silent and not self.talking():
            requests.append({"type": "ping", "id": "there?"})
        if requests:
            wire.send(*requests)

    def _request(self, message: Message) -> dict[str, Any]:
        request = {"id": message.cid, "cid": message.cid, "text": message.text}
        if target := self.targets.get(message.cid):
            return {"type": "whisper", "to": target, **request}
        return {"type": "broadcast", "room": message.room, **request}

    # What comes

    def _take(self, frame: dict[str, Any], body: bytes) -> bool:
        """Take a frame; return whether it was the welcome."""
        if "re" in frame:
            return self._reply(frame, body)
        match frame["type"]:
            case "ping":
                self._view.wants.append({"type": "pong"})
            case "leave" if frame["reason"] == "lost":
                self.surprises.append(f"{self.name} saw {frame['user']['nick']} leave as lost")
            case "error":
                self.surprises.append(f"{self.name} was told {frame['code']}: {frame['message']}")
            case _:
                self._view.event(frame, body)
        return False

    def _reply(self, frame: dict[str, Any], body: bytes) -> bool:
        re = frame["re"]
        if frame["type"] == "welcome":
            self._welcome(frame)
            return True
        if frame["type"] == "error":
            self._refused(re, frame)
        elif re.startswith("h "):
            self._view.history(frame, body)
        elif re.startswith("j "):
            self._view.enter(frame["room"].lower(), frame["epoch"], frame["seq"])
        elif re == "barrier":
            if self._view.filling or self._view.wants:
                self._barrier = False
            else:
                self.over.set()
        elif (message := self._waiting.pop(re, None)) is not None:
            message.seq, message.room = frame["seq"], frame["room"].lower()
            self.acknowledged += 1
            self.duplicates += frame.get("duplicate", False)
        return False

    def _welcome(self, frame: dict[str, Any]) -> None:
        resume = frame["resume"]
        if not self._token:
            self.uid, self.nick = frame["user"]["uid"], frame["user"]["nick"]
            self._view.enter("*", *resume["everyone"])
        elif not resume["resumed"] or frame["user"]["uid"] != self.uid:
            self.surprises.append(f"{self.name} came back and had lost its stay")
        self._token = resume["token"]
        for room in self.role.rooms:
            if room not in self._view.cursors:
                self._view.wants.append({"type": "join", "id": f"j {room}", "room": room})
        self._unsent = list(self._waiting.values())

    def _refused(self, re: str, frame: dict[str, Any]) -> None:
        message = self._waiting.get(re)
        if message is None or not frame["retryable"]:
            self.surprises.append(f"{self.name}'s {re} was refused: {frame['code']}")
            self._waiting.pop(re, None)
            return
        self.refusals += 1
        message.refused = True
        self._unsent.append(message)
        self._not_before = time.monotonic() + AGAIN
