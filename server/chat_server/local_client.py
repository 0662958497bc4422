"""What an operator's commands use to ask a running server through the socket in its folder."""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from chat_schema.errors import Refused
from chat_schema.framing import FrameDecoder, encode_frame
from chat_schema.limits import FRAME_TO_CLIENT
from chat_server.net.local import CONTROL, connect_local, peer_uid

PATIENCE = 30.0
"""Seconds to wait for an answer: a password is hashed behind others, a disk may be slow."""

Frame = dict[str, Any]


class Unreachable(Exception):
    """There is no server to ask, or it does not answer; the message is one line that says why."""


class Distrusted(Exception):
    """What answers is not the server of the folder's owner; one line that says whose it is."""


class LocalClient:
    """One connection to the server that uses a folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Connect; raise Unreachable where no server runs on `folder`, PermissionError where it is
        somebody else's, Distrusted where it may be anybody's."""
        try:
            self._socket = _trusted(folder)
        except PermissionError:
            raise
        except OSError:
            raise Unreachable(f"no server runs on {folder}") from None
        self._decoder = FrameDecoder(FRAME_TO_CLIENT)
        self._bodies: deque[bytes] = deque()
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, type_: str, **fields: Any) -> Frame:
        """Ask and return the reply; fields that are None are left out. Raises Refused."""
        self._asked += 1
        number = str(self._asked)
        given = {name: value for name, value in fields.items() if value is not None}
        frame = {"type": type_, "id": number, **given}
        self._send(encode_frame(json.dumps(frame).encode()))
        while (reply := self._receive()).get("re") != number:
            pass  # an event: nobody here wants to know
        if reply["type"] == "error":
            raise Refused(reply["code"], reply["message"], retry_after=reply.get("retry_after"))
        return reply

    def pages(
        self, type_: str, rows: str, cursor: Callable[[Frame], Any], **fields: Any
    ) -> Iterator[Frame]:
        """Everything in the list `rows` of the replies; `cursor` tells where the next begins."""
        after = None
        while True:
            reply = self.ask(type_, after=after, **fields)
            yield from reply[rows]
            if not reply["more"]:
                return
            after = cursor(reply[rows][-1])

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Unreachable(f"the server cannot be asked: {error.strerror or error}") from None

    def _receive(self) -> Frame:
        while not self._bodies:
            try:
                data = self._socket.recv(64 * 1024)
            except TimeoutError:
                raise Unreachable(f"the server has not answered in {PATIENCE:.0f} s") from None
            except OSError as error:
                raise Unreachable(f"the server went away: {error.strerror}") from None
            if not data:
                raise Unreachable("the server ended the connection")
            self._bodies.extend(self._decoder.feed(data))
        frame: Frame = json.loads(self._bodies.popleft())
        return frame


def _trusted(folder: Path) -> socket.socket:
    """A connection to the server of a folder, of whom it is certain that passwords may go there.

    The kernel tells who listens. It has to be who owns the folder, root, or who asks; so has the
    owner of the socket's file: others may have put one there where they can write.
    """
    sock = connect_local(folder / CONTROL, PATIENCE)
    try:
        trusted = {0, os.geteuid(), folder.stat().st_uid}
        for uid in ((folder / CONTROL).lstat().st_uid, peer_uid(sock)):
            if uid not in trusted:
                raise Distrusted(f"{folder / CONTROL} is uid {uid}'s, not the folder's owner's")
    except BaseException:
        sock.close()
        raise
    return sock
