"""A blocking client for programs: each method asks one thing and returns the typed answer.

    with Client("127.0.0.1", 5555, nick="robin") as client:
        client.join("lobby")
        client.say("lobby", "Hello, everybody.")

Rules:
- Methods may be called on any thread but the one that runs `on_event`, which would wait for itself;
  there use `submit`, whose Future tells later.
- A refusal raises Refused with the wire's `code`; the end of the connection raises Disconnected.
- Without `on_event`, events wait in a queue without bound until `events` takes them.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib.metadata import version
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from chat_client.session import Answer, Fault, Incoming, Session
from chat_client.transport import Disconnected, Transport, connect
from chat_schema import DEFAULT_PORT, events, names, replies, requests
from chat_schema.errors import Refused

Event = events.AnyEvent | events.Unknown
Reply = replies.Ok | replies.Welcome
R = TypeVar("R", bound=Reply)

PATIENCE = 30.0
"""Seconds to wait for a connection, and for each answer."""

SILENCE = 90.0
"""Seconds without a byte from the server after which it is given up: its ping comes after 30."""


class Client:
    """A conversation with a server, open until `close` or the end of a `with` block."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        nick: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_end: Callable[[Disconnected], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Connect and say hello; raise Disconnected, or Refused where the nick cannot be had."""
        self._patience = patience
        self._session = Session()
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Any]] = {}
        self._events: queue.SimpleQueue[Event | Disconnected] = queue.SimpleQueue()
        self._on_event = on_event or self._events.put
        self._on_end = on_end or _ignore
        self._ended: Disconnected | None = None
        sock = connect(host, port, patience)
        sock.settimeout(SILENCE)
        self._transport = Transport(sock, self._session, self._take, self._end)
        self._transport.start()
        try:
            self.welcome = self._greet(nick)
        except BaseException:
            self._on_end = _ignore  # there was no conversation that could end
            self._transport.close()
            raise
        self.user: names.User = self.welcome.user

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say quit and end the connection; does nothing where it has ended already."""
        if self._ended is None:
            with contextlib.suppress(Refused, Disconnected, TimeoutError):  # it ends in any case
                self._call(replies.Ok, requests.Quit)
        self._transport.close()

    # What one can ask

    def join(self, room: str) -> replies.JoinOk:
        """Enter a room; its numbered events after the answer's `seq` follow."""
        return self._call(replies.JoinOk, requests.Join, room=room)

    def leave(self, room: str) -> replies.LeaveOk:
        """Leave a room."""
        return self._call(replies.LeaveOk, requests.Leave, room=room)

    def nick(self, nick: str) -> names.User:
        """Take another nick and return who one is now."""
        self.user = self._call(replies.NickOk, requests.Nick, nick=nick).user
        return self.user

    def say(self, room: str, text: str) -> replies.SentOk:
        """Say `text` in a room one is in; the answer means it is kept."""
        return self._call(replies.SentOk, requests.Broadcast, room=room, text=text, cid=new_cid())

    def whisper(self, nick: str, text: str) -> replies.SentOk:
        """Say `text` to one person."""
        return self._call(replies.SentOk, requests.Whisper, to=nick, text=text, cid=new_cid())

    def topic(self, room: str, topic: str | None = None) -> str:
        """Return a room's topic, after setting it where one is given."""
        return self._call(replies.TopicOk, requests.Topic, room=room, topic=topic).topic

    def rooms(self, after: str | None = None) -> replies.RoomsOk:
        """List the rooms, a page at a time."""
        return self._call(replies.RoomsOk, requests.Rooms, after=after)

    def users(self, room: str | None = None, after: str | None = None) -> replies.UsersOk:
        """List who is in a room, or online, a page at a time."""
        return self._call(replies.UsersOk, requests.Users, room=room, after=after)

    def history(
        self,
        room: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> replies.HistoryOk:
        """Read a page of a conversation."""
        fields = {"room": room, "after": after, "before": before, "limit": limit}
        return self._call(replies.HistoryOk, requests.History, **fields)

    def ping(self) -> None:
        """Return when everything asked before is done, and what it caused has arrived."""
        self._call(replies.Ok, requests.Ping)

    def submit(
        self, request: requests.Request, done: Callable[[Future[Reply]], None] | None = None
    ) -> Future[Reply]:
        """Ask anything; the Future gets the answer, Refused or Disconnected, on the reading thread.

        `done` is called there with the Future, in the order of the stream, among the calls of
        `on_event`. Raises Disconnected where the connection has ended.
        """
        future: Future[Reply] = Future()
        if done is not None:
            future.add_done_callback(done)
        with self._lock:
            if self._ended is not None:
                raise self._ended
            id, data = self._session.ask(request)
            self._futures[id] = future
            self._transport.send(data)
        return future

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Yield events as they come; end after `timeout` seconds without one, or after `close`.

        Raises Disconnected where the connection ended otherwise.
        """
        while True:
            try:
                item = self._events.get(timeout=timeout)
            except queue.Empty:
                return
            if isinstance(item, Disconnected):
                self._events.put(item)  # for the next call
                if item.code != "client.quit":
                    raise item
                return
            yield item

    # On the reading thread

    def _take(self, item: Incoming) -> None:
        match item:
            case Answer(id, _, reply):
                with self._lock:
                    future = self._futures.pop(id)
                if isinstance(reply, Refused):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
            case Fault(refused):
                self._on_event(events.Notice(code=refused.code, message=refused.message, ts=""))
            case event:
                self._on_event(event)

    def _end(self, reason: Disconnected) -> None:
        with self._lock:
            self._ended = reason
            futures = list(self._futures.values())
            self._futures.clear()
        for future in futures:
            future.set_exception(reason)
        self._events.put(reason)
        self._on_end(reason)

    # Asking

    def _greet(self, nick: str | None) -> replies.Welcome:
        name = f"chat-client/{version('typed-chat')}"
        return self._call(replies.Welcome, requests.Hello, version=1, nick=nick, client=name)

    def _call(self, kind: type[R], request: type[requests.Request], **fields: Any) -> R:
        """Ask and wait; raise Refused also for what the server would refuse anyway."""
        try:
            made = request(**fields)
        except ValidationError as error:
            raise requests.refusal_of(error) from None
        reply = self.submit(made).result(self._patience)
        assert isinstance(reply, kind)
        return reply


def _ignore(_: Disconnected) -> None:
    """Nobody asked to be told."""


def new_cid() -> str:
    """Return a message id that this author has not used and will not use again."""
    return secrets.token_hex(8)
