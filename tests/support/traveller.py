"""A raw client that is cut off and comes back, and keeps every numbered body as it came.

    alice = Traveller(server.address, "alice", "dev")
    alice.leaves_without_a_word()
    frames = alice.returns(server.address)

It follows PROTOCOL.md, "Delivery", with nothing of the real client.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from chat_schema.framing import HEADER
from tests.support.peer import Closed, Frame, Peer


class RawPeer(Peer):
    """A peer that keeps the bodies of what it received, by conversation and number."""

    def __init__(self, address: tuple[str, int], nick: str | None = None) -> None:
        super().__init__(address, nick)
        self.bodies: dict[str, list[bytes]] = {}

    def receive(self) -> Frame:
        """The next frame."""
        body = self._exactly(int.from_bytes(self._exactly(HEADER), "big"))
        frame: Frame = json.loads(body)
        if "seq" in frame and "re" not in frame:
            self.bodies.setdefault(frame["room"], []).append(body)
        return frame


class Traveller:
    """Somebody with a token; `peer` is the connection of now, `cursors` what was heard."""

    def __init__(self, address: tuple[str, int], nick: str, *rooms: str) -> None:
        self.nick = nick
        self.peer = RawPeer(address)
        welcome = self.peer.ask("hello", nick=nick, resume=True)
        self.uid = welcome["user"]["uid"]
        self.token = welcome["resume"]["token"]
        self.cursors: dict[str, list[Any]] = {"*": welcome["resume"]["everyone"]}
        self.rooms: list[str] = []
        for room in rooms:
            self.joins(room)

    def joins(self, room: str) -> Frame:
        """Enter a room, or ask for its snapshot."""
        reply = self.peer.ask("join", room=room)
        self.cursors[reply["room"]] = [reply["epoch"], reply["seq"]]
        return reply

    def heard(self) -> list[Frame]:
        """Every event that has arrived until now; the cursors follow."""
        frames = self.peer.heard()
        self._follow(frames)
        return frames

    def leaves_without_a_word(self) -> None:
        """Close the own side, and wait until the server has seen it."""
        self.peer.socket.shutdown(socket.SHUT_WR)
        self._follow(self.peer.rest())
        self.peer.socket.close()

    def is_cut_off(self) -> None:
        """Reset the connection, whatever is on its way."""
        self.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.socket.close()

    def wish(self, **fields: Any) -> Frame:
        """What to say as `resume`."""
        wish = {"token": self.token, "rooms": self.cursors, **fields}
        return {name: value for name, value in wish.items() if value is not None}

    def returns(self, address: tuple[str, int], **fields: Any) -> list[Frame]:
        """Come back; return everything up to the welcome."""
        bodies = self.peer.bodies
        self.peer = RawPeer(address)
        self.peer.bodies = bodies
        try:
            frames = self.peer.ask_all("hello", nick=self.nick, resume=self.wish(**fields))
        except Closed:
            self.peer.socket.close()
            raise
        self._follow(frames)
        return frames

    def _follow(self, frames: list[Frame]) -> None:
        for frame in frames:
            if "seq" in frame and "re" not in frame and frame["room"] in self.cursors:
                self.cursors[frame["room"]][1] = frame["seq"]
            elif frame.get("state") == "begin":
                self.cursors[frame["room"]] = [frame["epoch"], frame["after"]]

    def close(self) -> None:
        """Go, by whatever way."""
        self.peer.socket.close()


class Reader:
    """Follows one busy room through cuts; `numbers` are all that were heard, in order."""

    def __init__(self, address: tuple[str, int], nick: str, room: str) -> None:
        self._address = address
        self._room = room
        self._nick = nick
        self.peer = Peer(address)
        welcome = self.peer.ask("hello", nick=nick, resume=True)
        self._token = welcome["resume"]["token"]
        reply = self.peer.ask("join", room=room)
        self._epoch, self.cursor = reply["epoch"], reply["seq"]
        self.first = self.cursor
        self.numbers: list[int] = []
        self._returned_at = 0

    def hears(self, count: int) -> None:
        """Take so many numbered events of the room."""
        while count:
            count -= self._take(self.peer.receive())

    def hears_up_to(self, seq: int) -> None:
        """Take events until this number has come."""
        while self.cursor < seq:
            self._take(self.peer.receive())

    def cuts_and_returns(self) -> None:
        """Reset the connection and come back at once, with all that was missed."""
        reset = struct.pack("ii", 1, 0)
        self.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        self.peer.socket.close()
        self.peer = Peer(self._address)
        wish = {"token": self._token, "rooms": {self._room: [self._epoch, self.cursor]}}
        frames = self.peer.ask_all("hello", nick=self._nick, resume=wish)
        assert frames[-1]["resume"]["resumed"] is True, frames[-1]
        self._returned_at = self.cursor
        begin = frames[0]
        assert (begin["state"], begin["epoch"]) == ("begin", self._epoch)
        assert begin["after"] == self.cursor
        end = next(at for at, frame in enumerate(frames) if frame.get("state") == "end")
        for frame in frames[1:end]:
            self._take(frame)
        assert self.cursor == begin["to"]
        assert (self.cursor == begin["head"]) == begin["complete"]
        self._fill(begin["head"], frames[end + 1 : -1])

    def _take(self, frame: Frame) -> bool:
        """Note a numbered event; it must be the very next one, or known since before a return.

        The loop on which one comes back can be behind the one that was left.
        """
        if frame["type"] != "broadcast":
            assert frame["type"] not in ("leave", "join"), frame
            return False
        if frame["seq"] <= self._returned_at:
            return False
        assert frame["seq"] == self.cursor + 1, (self.cursor, frame["seq"])
        self.cursor = frame["seq"]
        self.numbers.append(frame["seq"])
        return True

    def _fill(self, head: int, live: list[Frame]) -> None:
        """Read what the replay has left out; what comes live meanwhile follows on it."""
        while self.cursor < head:
            *events, page = self.peer.ask_all("history", room=self._room, after=self.cursor)
            live += events
            for event in page["events"]:
                self._take(event)
        for event in live:
            if event.get("seq", head) > self.cursor:
                self._take(event)
