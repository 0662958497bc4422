"""The other side of a client's session, played by a test frame by frame.

script = Script(Session("alice"))
script.welcomes()
id = script.session.ask(requests.Join(room="dev"))
script.hears("join", room="dev")
items = script.says("ok", re=id, ...)
"""

from __future__ import annotations

import json
from typing import Any

from chat_client.cursors import Numbered
from chat_client.incoming import Incoming
from chat_client.session import Session
from chat_schema import requests
from chat_schema.framing import FrameDecoder, encode_frame

TS = "2026-11-22T15:00:00.123Z"
Frame = dict[str, Any]


def frame(**fields: Any) -> bytes:
    """A frame from the server."""
    return encode_frame(json.dumps(fields).encode())


def user(uid: str) -> dict[str, str]:
    """The user of this uid."""
    return {"uid": uid, "nick": {"u1": "alice", "u2": "bob"}.get(uid, f"guest_{uid}")}


def event(seq: int, room: str = "dev", uid: str = "u2", **more: Any) -> Frame:
    """A numbered event: a whisper to u1 in `dm:`, else a broadcast."""
    type_ = "whisper" if room.startswith("dm:") else "broadcast"
    to = {"to": user("u1")} if type_ == "whisper" else {}
    usual = {"type": type_, "room": room, "seq": seq, "ts": TS, "user": user(uid), **to}
    return {**usual, "text": f"m{seq}", **more}


class Script:
    """What a session says is taken with `hears`; what it is told goes in with `says`."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session or Session("alice")
        self.hello: Frame = {}
        self._unheard: list[Frame] = []
        self._decoder = FrameDecoder(1 << 20)

    def connects(self) -> Frame:
        """Make a connection and return the hello."""
        self._decoder = FrameDecoder(1 << 20)
        self._unheard.clear()
        self.session.connect()
        self.hello = self.hears("hello")
        return self.hello

    def greets(self, uid: str = "u1", **resume: Any) -> list[Incoming]:
        """Say welcome; with `resumed`, `rooms` or other fields of `resume` as given."""
        usual = {"token": "t-1", "seconds": 120, "resumed": False, "rooms": []}
        return self.says(
            "welcome", re=self.hello["id"], version=1, level=2, server="s", user=user(uid),
            limits={}, heartbeat={"interval": 30, "timeout": 75}, durability="disk",
            resume={**usual, "everyone": ["e", 0], **resume},
        )  # fmt: skip

    def welcomes(self, *rooms: str, at: int = 0) -> None:
        """Connect for the first time and let the session into these rooms at this number."""
        self.connects()
        self.greets()
        for room in rooms:
            self.joins(room, at)

    def joins(self, room: str, at: int, **more: Any) -> list[Incoming]:
        """Let the session ask for a room, and let it in at this number."""
        id = self.session.ask(requests.Join(room=room))
        self.hears("join", room=room)
        return self.lets_in(id, room, at, **more)

    def lets_in(self, id: str, room: str, at: int, **more: Any) -> list[Incoming]:
        """Answer a join."""
        usual = {"room": room, "epoch": "e", "seq": at, "topic": "", "members": [], "count": 1}
        return self.says("ok", re=id, **{**usual, "history": {"oldest": 1}, **more})

    def comes_back(self, *frames: Frame, uid: str = "u1", **resume: Any) -> list[Incoming]:
        """Lose the connection and make another; these frames come before the welcome."""
        self.session.lose()
        self.connects()
        early = self.tells(*frames)
        return early + self.greets(uid, **{"resumed": True, "rooms": ["dev"], **resume})

    def tells(self, *frames: Frame) -> list[Incoming]:
        """Send these frames in one piece."""
        return self.session.receive(b"".join(frame(**each) for each in frames))

    def says(self, type: str, **fields: Any) -> list[Incoming]:
        """Send one frame."""
        return self.tells({"type": type, **fields})

    def pages(self, *events: Frame, **more: Any) -> list[Incoming]:
        """Answer the page of history that is asked for next."""
        asked = self.hears("history")
        usual = {"room": asked["room"], "more": False, "oldest": 1, "epoch": "e"}
        head = max((each["seq"] for each in events), default=0)
        return self.says("ok", re=asked["id"], events=events, **{**usual, "head": head, **more})

    def hears(self, type: str, **fields: Any) -> Frame:
        """Take the next frame of the session: it has this type and these fields."""
        self._decode()
        assert self._unheard, f"nothing was asked; expected {type} {fields}"
        taken = self._unheard.pop(0)
        expected = {"type": type, **fields}
        assert {name: taken.get(name) for name in expected} == expected, taken
        return taken

    def listens(self) -> list[Frame]:
        """Take every frame that is left."""
        self._decode()
        left, self._unheard = self._unheard, []
        return left

    def _decode(self) -> None:
        data = self.session.outgoing()
        self._unheard += [json.loads(body) for body in self._decoder.feed(data)]


def replay(room: str, after: int, to: int, **more: Any) -> list[Frame]:
    """The frames of a replay of bob's messages after one number to another."""
    begin = {"type": "replay", "room": room, "state": "begin", "epoch": "e", "after": after}
    usual = {**begin, "to": to, "head": to, "complete": True, **more}
    inner = [event(seq, room) for seq in range(after + 1, to + 1)]
    return [usual, *inner, {"type": "replay", "room": room, "state": "end"}]


def numbers(items: list[Incoming], room: str = "dev") -> list[int]:
    """The numbers of a room's events among what a session brought, in order."""
    numbered = [item for item in items if isinstance(item, Numbered)]
    return [item.seq for item in numbered if item.room == room and item.seq is not None]
