"""Keeps a session connected: connects, reads, asks for signs of life, and comes back when cut off.

Rules:
- One thread lives as long as the conversation: it reads, waits between connections, and calls
  every callback, in the order of the stream.
- The session is touched under the lock; no callback is called under it.
- A conversation ends once: with `close`, when the server says never, when nothing was reached for
  too long, or when there was no welcome at all. Then every Future that waits is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from chat_client.incoming import Fault, Incoming
from chat_client.link import NICK_TRIES, Back, Backoff, Link, Lost, Pulse
from chat_client.reading import ProtocolError
from chat_client.session import Session
from chat_client.tls import Tls
from chat_client.transport import Disconnected, Ending, Transport, connect
from chat_client.unanswered import Answer
from chat_schema import events, replies, requests
from chat_schema.errors import Refused

Event = events.AnyEvent | events.Unknown
Reply = replies.Ok | replies.Welcome

AGAIN = 1.0
"""Seconds until a page is asked for again that the server could not give, unless it says more."""

LONGEST = 60.0
"""Seconds that a server can have us wait with it at most."""

QUIT = "client.quit"
"""The code of an end that was wished for."""

HOPELESS = frozenset({"connection.garbled", "connection.untrusted", "auth.failed"})
"""Ends after which another try would end the same, or must not be made."""


class Callbacks(NamedTuple):
    """What is called on the keeper's thread; `on_end` once, on the thread of `close` at times."""

    on_event: Callable[[Event], None]
    on_link: Callable[[Link], None]
    on_end: Callable[[Disconnected], None]


class Keeper:
    """One conversation with the server at `address`, over as many connections as it takes."""

    def __init__(
        self,
        address: tuple[str, int],
        session: Session,
        callbacks: Callbacks,
        backoff: Backoff,
        patience: float,
        tls: Tls | None = None,
    ) -> None:
        """Connect and say hello; raise Disconnected, or Refused where hello was refused.

        `patience` are the seconds to wait for a connection, and for the welcome on it.
        """
        self._address = address
        self._session = session
        self._callbacks = callbacks
        self._backoff = backoff
        self._patience = patience
        self._tls = tls
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Any]] = {}
        self._closing = threading.Event()
        self._connecting = False
        self._nick_tries = 0
        self._welcomed: Future[replies.Welcome] = Future()
        self.ended: Disconnected | None = None
        self.away = True
        self._connect()
        self._thread = threading.Thread(target=self._live, name="chat-reader", daemon=True)
        self._thread.start()
        try:
            self._welcomed.result()
        except BaseException:
            self._callbacks = callbacks._replace(on_end=_ignore)  # nothing began that could end
            self.close()
            raise

    # Called on any thread

    def submit(self, request: requests.Request, future: Future[Any]) -> None:
        """Ask; the future gets the answer, Refused, or Disconnected on the keeper's thread.

        Raises Disconnected where the conversation has ended.
        """
        with self._lock:
            if self.ended is not None:
                raise self.ended
            self._futures[self._session.ask(request)] = future
            self._flush()

    def close(self) -> None:
        """End the conversation, at once and in whatever state it is."""
        self._closing.set()
        with self._lock:
            connecting = self._connecting
            transport = self._transport
        transport.close()
        if connecting:  # the thread finds out when the network answers it; nobody waits for that
            self._finish(_quit())
        elif not self.is_current:
            self._thread.join()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on the keeper's thread, as callbacks do."""
        return threading.current_thread() is self._thread

    # The keeper's thread

    def _live(self) -> None:
        reason = Disconnected("connection.lost", "A fault in this client ended the connection.")
        try:
            reason = self._live_until_end()
        finally:  # whoever waits must hear of the end, also when a callback of theirs failed
            self._finish(reason)

    def _live_until_end(self) -> Disconnected:
        reason = self._transport.run()
        while True:
            reason = self._said_bye(reason)
            pause = self._lose(reason)
            if pause is None:
                return _quit() if self._closing.is_set() else reason
            if self._closing.wait(pause):
                return _quit()
            try:
                self._connect()
                reason = self._transport.run()
            except Disconnected as refused:
                reason = refused

    def _connect(self) -> None:
        """Make a connection and say hello on it."""
        with self._lock:
            self._connecting = True
        try:
            sock = connect(*self._address, self._patience, self._tls)
        finally:
            self._connecting = False
        with self._lock:
            if self._closing.is_set():
                sock.close()
                raise _quit()
            try:
                self._session.connect()
            except ProtocolError as error:
                sock.close()
                raise Disconnected("connection.garbled", str(error)) from None
            self._pulse = Pulse(self._patience)
            self._transport = Transport(sock, self)
            self._flush()

    def _said_bye(self, reason: Disconnected) -> Disconnected:
        bye = self._session.bye
        if bye is None or reason.code in HOPELESS:
            return reason
        return Disconnected(bye.code, bye.message)

    def _lose(self, reason: Disconnected) -> float | None:
        """Note that there is no connection; return the pause before the next, None for never."""
        with self._lock:
            was_there = not self.away
            self.away = True
            bye = self._session.bye
            items = self._session.lose()
        for item in items:
            self._hand_on(item)
        final = self._closing.is_set() or not self._welcomed.done()
        if final or reason.code in HOPELESS:
            return None
        pause = self._backoff.pause(bye)
        if was_there and pause is not None:
            self._callbacks.on_link(Lost(reason.code, reason.message, pause))
        return pause

    def _finish(self, reason: Disconnected) -> None:
        with self._lock:
            if self.ended is not None:
                return
            self.ended = reason
            futures = list(self._futures.values())
            self._futures.clear()
        if not self._welcomed.done():
            self._welcomed.set_exception(reason)
        for future in futures:
            _settle(future, reason)
        self._callbacks.on_end(reason)

    # What a transport calls

    def take(self, data: bytes) -> None:
        """Take bytes from the server."""
        with self._lock:
            items = self._session.receive(data)
            self._flush()
        self._pulse.heard()
        for item in items:
            self._hand_on(item)
        if self._session.stalled:
            self._pulse.later("pages", min(max(AGAIN, self._session.wait), LONGEST))

    def pause(self) -> float:
        """Seconds until something is to be done although nothing arrives."""
        return self._pulse.pause()

    def wake(self) -> None:
        """Do what is due."""
        for what in self._pulse.due():
            if what == "silent":
                raise Ending(
                    Disconnected("connection.lost", "Nothing was heard from the server any more.")
                )
            with self._lock:
                self._do(what)
                self._flush()

    def _do(self, what: str) -> None:
        match what:
            case "ping":
                self._session.ping()
            case "pages":
                self._session.wake()
            case "hello":
                self._session.greet()

    def _flush(self) -> None:
        if data := self._session.outgoing():
            self._transport.send(data)

    def _hand_on(self, item: Incoming) -> None:
        match item:
            case Answer(_, requests.Hello(), replies.Welcome() as welcome):
                self._enter(welcome)
            case Answer(_, requests.Hello(), Refused() as refused):
                self._turn_away(refused)
            case Answer(id, _, reply):
                with self._lock:
                    future = self._futures.pop(id, None)
                if future is not None:
                    _settle(future, reply)
            case Fault(refused):
                vain = self.away and self._welcomed.done()  # to have tried to come back is no news
                if not (vain or refused.fatal):  # what is fatal is told by the end
                    notice = events.Notice(code=refused.code, message=refused.message, ts="")
                    self._callbacks.on_event(notice)
            case event:
                self._callbacks.on_event(event)

    def _enter(self, welcome: replies.Welcome) -> None:
        """Tell that we are in, or in again."""
        self._pulse.welcome(welcome.heartbeat.interval, welcome.heartbeat.timeout)
        self._nick_tries = 0
        away = self._backoff.welcome()
        self.away = False
        if not self._welcomed.done():
            self._welcomed.set_result(welcome)
            return
        session = self._session
        back = Back(away, session.missed, session.resumed, session.renamed, welcome.user)
        self._callbacks.on_link(back)

    def _turn_away(self, refused: Refused) -> None:
        """Hello was refused: at first that is final; later a nick may become free again."""
        if not self._welcomed.done():
            self._welcomed.set_exception(refused)
            return
        if not refused.code.startswith("nick.") or self._session.nick is None:
            raise Ending(Disconnected(refused.code, refused.message))
        self._nick_tries += 1
        if self._nick_tries < NICK_TRIES:
            self._pulse.later("hello", self._backoff.jitter(self._nick_tries))
            return
        with self._lock:
            self._session.forget_nick()
            self._session.greet()
            self._flush()


def _settle(future: Future[Any], outcome: Reply | Refused | Disconnected) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _quit() -> Disconnected:
    return Disconnected(QUIT, "The conversation was ended here.")


def _ignore(_: Disconnected) -> None:
    """Nobody is told."""
