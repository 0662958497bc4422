"""A small server in memory, with a wire that can be cut anywhere, for a client's session.

It keeps one room, `dev`. It knows the uid and `cid` of each message, replays at most `replayed`
events, and forgets a stay when told. Frames wait in both directions until they are let through.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from chat_client.cursors import Missing, Numbered
from chat_client.incoming import Incoming
from chat_client.session import Session
from chat_client.unanswered import Answer
from chat_schema import replies, requests
from chat_schema.framing import FrameDecoder
from tests.support.client_script import Frame, event, frame, user

ROOM = "dev"
PAGE = 3
"""Events in a page of history: few, so that there are many pages."""


class ModelServer:
    """One session's server; `seen` and `outcomes` are what its view got."""

    def __init__(self, replayed: int) -> None:
        self.session = Session("alice")
        self.journal: list[Frame] = []
        self.seen: list[int] = []
        self.outcomes: dict[str, list[object]] = {}
        self.missing = 0
        self._replayed = replayed
        self._uid = "u1"
        self._uids = 1
        self._forgotten = False
        self._kept: dict[tuple[str, str], Frame] = {}
        self._decoder = FrameDecoder(1 << 20)
        self._to_server: deque[Frame] = deque()
        self._to_client: deque[Frame] = deque()
        self._connected = False
        self._live = False

    # What a test lets happen

    def ask(self, text: str) -> None:
        """Let the client say something."""
        self.outcomes[text] = []
        self.session.ask(requests.Broadcast(room=ROOM, text=text, cid=text))

    def hear(self, *, lost: bool = False) -> None:
        """Let somebody else say something; the event may be lost on its way."""
        self._say("u2", f"other {len(self.journal) + 1}", lost=lost)

    def repeat(self, back: int) -> None:
        """Send an event once more."""
        if self._live and self.journal:
            self._to_client.append(self.journal[-1 - back % len(self.journal)])

    def serve(self, count: int) -> None:
        """Let this many requests reach the server."""
        data = self.session.outgoing() if self._connected else b""
        self._to_server += [json.loads(body) for body in self._decoder.feed(data)]
        for _ in range(min(count, len(self._to_server))):
            self._do(self._to_server.popleft())

    def deliver(self, count: int) -> None:
        """Let this many frames reach the client."""
        for _ in range(min(count, len(self._to_client))):
            self._show(self.session.receive(frame(**self._to_client.popleft())))

    def cut(self, *, forget: bool = False) -> None:
        """Cut the wire with everything on it; with `forget` the stay is over."""
        if self._connected:
            self._show(self.session.lose())
        self._connected = self._live = False
        self._forgotten |= forget
        self._to_server.clear()
        self._to_client.clear()

    def connect(self) -> None:
        """Make another connection, where there is none."""
        if not self._connected:
            self._connected = True
            self._decoder = FrameDecoder(1 << 20)
            self.session.connect()

    def settle(self) -> None:
        """Let everything through until nothing more happens."""
        self.connect()
        for _ in range(1000):
            self.serve(100)
            if not self._to_client:
                return
            self.deliver(100)
        raise AssertionError("the conversation does not come to an end")

    # The server

    def _do(self, request: Frame) -> None:
        match request["type"]:
            case "hello":
                self._welcome(request)
            case "broadcast":
                self._keep(request)
            case "history":
                self._read(request)
            case "join":
                self._join(request)
            case other:
                raise AssertionError(other)

    def _welcome(self, hello: Frame) -> None:
        resume = hello["resume"]
        resumed = resume.get("token") == f"t-{self._uid}" and not self._forgotten
        if not resumed:
            self._uids += 1
            self._uid = f"u{self._uids * 10}"
            self._forgotten = False
        cursor = resume.get("rooms", {}).get(ROOM)
        if cursor is not None:
            self._replay(cursor[1])
        terms = {"token": f"t-{self._uid}", "seconds": 1, "resumed": resumed}
        self._reply(
            hello, "welcome", version=1, level=2, server="s", user=user(self._uid), limits={},
            heartbeat={"interval": 30, "timeout": 75}, durability="disk",
            resume={**terms, "rooms": [] if cursor is None else [ROOM], "everyone": ["e", 0]},
        )  # fmt: skip
        self._live = cursor is not None

    def _replay(self, after: int) -> None:
        head = len(self.journal)
        to = min(head, after + self._replayed)
        begin = {"type": "replay", "room": ROOM, "state": "begin", "epoch": "e", "after": after}
        self._to_client.append({**begin, "to": to, "head": head, "complete": to == head})
        self._to_client += self.journal[after:to]
        self._to_client.append({"type": "replay", "room": ROOM, "state": "end"})

    def _join(self, request: Frame) -> None:
        self._live = True
        self._reply(
            request, "ok", room=ROOM, epoch="e", seq=len(self.journal), topic="", members=[],
            count=1, history={"oldest": 1},
        )  # fmt: skip

    def _keep(self, request: Frame) -> None:
        name = (self._uid, request["cid"])
        again = name in self._kept
        if not again:
            self._kept[name] = self._say(self._uid, request["text"], cid=request["cid"])
        kept = self._kept[name]
        fields = {"room": ROOM, "seq": kept["seq"], "ts": kept["ts"]}
        self._reply(request, "ok", **fields, **({"duplicate": True} if again else {}))

    def _read(self, request: Frame) -> None:
        after = request["after"]
        here = self.journal if request["room"] == ROOM else []
        self._reply(
            request, "ok", room=request["room"], events=here[after : after + PAGE],
            more=len(here) > after + PAGE, oldest=1, head=len(here), epoch="e",
        )  # fmt: skip

    def _say(self, uid: str, text: str, *, lost: bool = False, **more: Any) -> Frame:
        said = event(len(self.journal) + 1, ROOM, uid, **{**more, "text": text})
        self.journal.append(said)
        if self._live and not lost:
            self._to_client.append(said)
        return said

    def _reply(self, request: Frame, type_: str, **fields: Any) -> None:
        self._to_client.append({"type": type_, "re": request["id"], **fields})

    # The view

    def _show(self, items: list[Incoming]) -> None:
        for item in items:
            if isinstance(item, Numbered) and item.room == ROOM and item.seq is not None:
                self.seen.append(item.seq)
            elif isinstance(item, Missing):
                self.missing += item.count
            elif isinstance(item, Answer) and isinstance(item.request, requests.Broadcast):
                reply = item.reply
                kept = reply.seq if isinstance(reply, replies.SentOk) else reply
                self.outcomes[item.request.text].append(kept)
