"""A blocking client for programs: each method asks one thing and returns the typed answer.

    with Client("127.0.0.1", 5555, nick="robin") as client:
        client.join("lobby")
        client.say("lobby", "Hello, everybody.")

Rules:
- Methods may be called on any thread but the one that runs `on_event`, which would wait for itself;
  there use `submit`, whose Future tells later.
- A refusal raises Refused with the wire's `code`; the end of the conversation raises Disconnected.
- A connection that breaks is made again: what was asked waits, nothing is said twice, and events go
  on where they stopped. `on_link` is told. Only a message of which nobody can know whether it was
  kept is given back, as Refused with the code `message.unsure`.
- `account`, `care` and `admin` are what else can be asked: see calls.py.
- Without `on_event`, events wait in a queue without bound until `events` takes them.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from chat_client.calls import Account, Admin, Care
from chat_client.identity import Proof
from chat_client.keeper import QUIT, Callbacks, Event, Keeper, Reply
from chat_client.link import GIVE_UP, Backoff, Link
from chat_client.session import Session
from chat_client.tls import Tls
from chat_client.transport import Disconnected
from chat_schema import DEFAULT_PORT, names, replies, requests
from chat_schema.errors import Refused

R = TypeVar("R", bound=Reply)
Q = TypeVar("Q", bound=requests.Request)

PATIENCE = 30.0
"""Seconds to wait for a connection, and for each answer."""


class Client:
    """A conversation with a server, open until `close` or the end of a `with` block."""

    def __init__(  # noqa: PLR0913 - one keyword for each choice
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        nick: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_link: Callable[[Link], None] | None = None,
        on_end: Callable[[Disconnected], None] | None = None,
        patience: float = PATIENCE,
        give_up: float = GIVE_UP,
        token: str | None = None,
        backoff: Backoff | None = None,
        tls: Tls | None = None,
        password: str | None = None,
        key: str | Path | None = None,
    ) -> None:
        """Connect and say hello; raise Disconnected, or Refused where the nick cannot be had.

        When the connection breaks it is made again, for `give_up` seconds; 0 means never. `token`
        is that of a stay of before, which is taken up where it still lives. `backoff` replaces
        the pauses between connections. `tls` says how every connection is made secure; None: not.
        `password` logs in to the account `nick`, and so does `key`, the file of a private key; the
        same is done again on a later connection that needs it. Raises Refused (`auth.failed`)
        where that is not accepted, KeyTrouble where the file is no key.
        """
        self._patience = patience
        self._events: queue.SimpleQueue[Event | Disconnected] = queue.SimpleQueue()
        self._on_end = on_end or _ignore
        backoff = backoff or Backoff(give_up)
        self._session = Session(
            _made(requests.Hello, nick=nick).nick,
            client=f"chat-client/{version('typed-chat')}",
            resume=backoff.patient,
            token=token,
            proof=_proof(nick, password, key),
        )
        self.account = Account(self._call)
        self.care = Care(self._call)
        self.admin = Admin(self._call)
        self._keeper = Keeper(
            (host, port),
            self._session,
            Callbacks(on_event or self._events.put, on_link or _ignore, self._end),
            backoff,
            patience,
            tls,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say quit and end the conversation, in whatever state it is; on any thread."""
        with contextlib.suppress(Refused, Disconnected, TimeoutError):  # it ends in any case
            if self._keeper.is_current:
                self.submit(requests.Quit())  # whoever waited for the answer here would prevent it
            elif not self._keeper.away:
                self._call(replies.Ok, requests.Quit)
        self._keeper.close()

    # Who and where one is

    @property
    def user(self) -> names.User:
        """Who one is now."""
        assert self._session.user is not None
        return self._session.user

    @property
    def welcome(self) -> replies.Welcome:
        """What the server said on the latest connection."""
        assert self._session.welcome is not None
        return self._session.welcome

    @property
    def token(self) -> str | None:
        """The secret with which this stay can be taken up again; None where there is none."""
        return self._session.token

    @property
    def resumed(self) -> bool:
        """Whether the latest welcome was to a stay of before."""
        return self._session.resumed

    @property
    def away(self) -> bool:
        """Whether there is no connection at present."""
        return self._keeper.away

    # What one can ask

    def join(self, room: str) -> replies.JoinOk:
        """Enter a room; its numbered events after the answer's `seq` follow."""
        return self._call(replies.JoinOk, requests.Join, room=room)

    def leave(self, room: str) -> replies.LeaveOk:
        """Leave a room."""
        return self._call(replies.LeaveOk, requests.Leave, room=room)

    def nick(self, nick: str) -> names.User:
        """Take another nick and return who one is now."""
        return self._call(replies.NickOk, requests.Nick, nick=nick).user

    def say(self, room: str, text: str) -> replies.SentOk:
        """Say `text` in a room one is in; the answer means it is kept."""
        return self._call(replies.SentOk, requests.Broadcast, room=room, text=text, cid=new_cid())

    def whisper(self, nick: str, text: str) -> replies.SentOk:
        """Say `text` to one person."""
        return self._call(replies.SentOk, requests.Whisper, to=nick, text=text, cid=new_cid())

    def announce(self, text: str) -> replies.SentOk:
        """Say something to everyone; only administrators may."""
        return self.say(names.EVERYONE, text)

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

    def search(
        self,
        text: str,
        *,
        room: str | None = None,
        sender: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> replies.SearchOk:
        """Find what was said; the newest hits, in ascending order."""
        fields = {"room": room, "sender": sender, "before": before, "limit": limit}
        return self._call(replies.SearchOk, requests.Search, text=text, **fields)

    def ping(self) -> None:
        """Return when everything asked before is done, and what it caused has arrived."""
        self._call(replies.Ok, requests.Ping)

    def submit(
        self, request: requests.Request, done: Callable[[Future[Reply]], None] | None = None
    ) -> Future[Reply]:
        """Ask anything; the Future gets the answer, Refused or Disconnected, on the reading thread.

        `done` is called there with the Future, in the order of the stream, among the calls of
        `on_event`. While there is no connection, it waits. Raises Disconnected after the end.
        """
        future: Future[Reply] = Future()
        if done is not None:
            future.add_done_callback(done)
        if isinstance(request, requests.Broadcast | requests.Whisper) and request.cid is None:
            request = request.model_copy(update={"cid": new_cid()})
        self._keeper.submit(request, future)
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
                if item.code != QUIT:
                    raise item
                return
            yield item

    # Asking

    def _call(self, kind: type[R], request: type[requests.Request], **fields: Any) -> R:
        """Ask and wait; raise Refused also for what the server would refuse anyway."""
        reply = self._wait(self.submit(_made(request, **fields)))
        assert isinstance(reply, kind)
        return reply

    def _wait(self, future: Future[Reply]) -> Reply:
        """Return the answer; while there is no connection, patience does not run out."""
        while True:
            try:
                return future.result(self._patience)
            except TimeoutError:
                if not self._keeper.away:
                    raise

    def _end(self, reason: Disconnected) -> None:
        self._events.put(reason)
        self._on_end(reason)


def _proof(nick: str | None, password: str | None, key: str | Path | None) -> Proof | None:
    """What shows that the account `nick` is ours; a name that is none shows nothing."""
    if nick is None or (password is None and key is None):
        return None
    if key is None:
        _made(requests.Login, nick=nick, password=password)
        return Proof(nick, password)
    from chat_client.keys import PrivateKey

    return Proof(nick, sign=PrivateKey.read(Path(key)).sign)


def _made(request: type[Q], **fields: Any) -> Q:
    """Make a request; raise Refused as the server would."""
    try:
        return request(**fields)
    except ValidationError as error:
        raise requests.refusal_of(error) from None


def _ignore(_: object) -> None:
    """Nobody asked to be told."""


def new_cid() -> str:
    """Return a message id that this author has not used and will not use again."""
    return secrets.token_hex(8)
