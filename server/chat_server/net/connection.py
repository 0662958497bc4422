"""One client's socket: reads frames for a handler, writes through an outbox, keeps deadlines.

Rules:
- A connection belongs to one loop for life; everything here runs on that loop's thread.
- `handler.ended` is called exactly once, when the connection stops being OPEN, whatever the cause.
- `close` flushes a farewell, half-closes, and lingers until the client has read it: closing at
  once with input unread would reset the connection and take the farewell with it.
- Where TLS is offered, the first byte decides whether a connection is `secure`; everything above
  the socket is the same.
- While `deaf`, nothing is read and nothing handed over: the handler paused it, so that this client
  alone waits, or the client has to read first, or it is closing. Who paused it resumes it; that
  the client has read ends no pause of the handler's.
- What a pause of the handler's takes does not count against any deadline of the client's.
"""

from __future__ import annotations

import math
import selectors
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from chat_schema import limits
from chat_schema.framing import FrameDecoder
from chat_server.net.handler import Fault, Handler
from chat_server.net.outbox import Outbox
from chat_server.net.tls import TlsContext, TlsSocket

if TYPE_CHECKING:
    from chat_server.net.audience import Audience
    from chat_server.net.loop import Loop

FLUSH = 3.0
"""Seconds in which a client can still take its farewell."""

LINGER = 1.0
"""Seconds in which a client can close its own side after that."""

BATCH = 64
"""Requests handled before what they cause is sent: how far a client's own flood can get."""

STUCK_CHECK = 1.0
"""Seconds between looks at a client that is not taking what it is sent."""

READ_SIZE = 64 * 1024
"""Bytes of one read: a frame of the largest size, or some hundred small ones."""


@dataclass(frozen=True)
class Terms:
    """What the server grants every connection; sizes in bytes, times in seconds.

    The values' reasons stand beside the settings of the same names in config.py.
    """

    hello: float
    frame: float
    ping: float
    silence: float
    outbox_before_welcome: int
    outbox_soft: int
    outbox_hard: int
    soft_grace: float
    stall: float


class State(Enum):
    """How far a connection has got; it only moves down this list."""

    OPEN = "open"
    FLUSHING = "flushing"
    LINGERING = "lingering"
    CLOSED = "closed"


class Connection:
    """A connected client; `handler` is whoever `attend` makes for it.

    `secure`: nobody on the way can read it. `tls` is what to offer, None for nothing.
    """

    __slots__ = (
        "_asked", "_decoder", "_due", "_ended_input", "_frame_since", "_interest", "_paused_since",
        "_progress",
        "_recv", "_socket", "_soft_since", "_stall_since", "_terms", "_unheard", "_until",
        "_waits_to_read", "_welcomed",
        "address", "audiences", "deaf", "handler", "heard", "loop", "outbox", "secure", "state",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        loop: Loop,
        terms: Terms,
        attend: Callable[[Connection], Handler],
        tls: TlsContext | None = None,
    ) -> None:
        self.address = address
        self.loop = loop
        self.state = State.OPEN
        self.deaf = False
        self.secure = False
        self.audiences: dict[str, Audience] = {}
        self.heard = loop.now
        self._socket: socket.socket | TlsSocket = sock
        self._recv = sock.recv
        if tls is not None and tls.offered:
            self._recv = partial(self._recv_first, sock, tls)
        self._terms = terms
        self._decoder = FrameDecoder(limits.FRAME_BEFORE_WELCOME)
        self._welcomed = False
        self._unheard: list[bytes] = []
        self._ended_input = False
        self._interest = 0
        self._until = loop.now + terms.hello
        self._frame_since: float | None = None
        self._soft_since: float | None = None
        self._stall_since = 0.0
        self._progress = 0
        self._asked = 0.0
        self._waits_to_read = False
        self._paused_since: float | None = None
        self._due = math.inf
        self.outbox = Outbox(sock, self, loop.unsent, terms.outbox_before_welcome)
        self.handler = attend(self)
        self._check_by(self._until)
        self._watch()

    def fileno(self) -> int:
        """The descriptor, for the selector."""
        return self._socket.fileno()

    # What a handler does with its connection

    def welcomed(self) -> None:
        """Grant the limits of a client that has introduced itself."""
        self._welcomed = True
        self._decoder.limit = limits.FRAME_TO_SERVER
        self.outbox.hard_limit = self._terms.outbox_hard
        self._check_by(self._next_check(self.loop.now))

    def send(self, frame: bytes) -> None:
        """Queue `frame` after everything that this client's rooms have pending."""
        if self.state is not State.OPEN:
            return  # it has said its farewell
        for audience in self.audiences.values():
            audience.catch_up(self.outbox)
        self.outbox.put(frame)

    def pause(self) -> None:
        """Hand nothing over, and read nothing, until `resume`."""
        if self._paused_since is None:
            self._paused_since = self.loop.now
        self.deaf = True
        self._watch()

    def resume(self) -> None:
        """Go on with what was held, then with what is here, then with reading."""
        if self.state is not State.OPEN:
            return
        if self._paused_since is not None:
            self._until += self.loop.now - self._paused_since
            self._paused_since = None
            if not self._welcomed:
                self._check_by(self._until)
        self._go_on()

    def _go_on(self) -> None:
        """Go on, unless the handler has paused it or the client has to read first."""
        if self._paused_since is not None or self._choked():
            return
        self.deaf = False
        self.heard = self.loop.now  # the silence, and the wait for a frame's rest, were our doing
        self._frame_since = None
        self.handler.resumed()
        if not self.deaf:
            bodies, self._unheard = self._unheard, []
            self._hand_over(bodies)
        if self._ended_input and not self.deaf:
            self.handler.input_over()
        self._watch()

    def close(self, farewell: bytes, reason: str) -> None:
        """Say `farewell`, then close; input is discarded from now on."""
        if self.state is not State.OPEN:
            return
        if self.outbox.held or self.outbox.queued > self._terms.outbox_soft:
            self.outbox.discard()
        self.send(farewell)
        self._leave_open(State.FLUSHING, reason)
        self._until = self.loop.now + FLUSH
        self._check_by(self._until)
        self.outbox.flush()
        self._watch()

    def abort(self, reason: str) -> None:
        """Close now, without a word."""
        if self.state is State.CLOSED:
            return
        if self.state is State.OPEN:
            self._leave_open(State.CLOSED, reason)
        self.state = State.CLOSED
        self.outbox.clear()
        self.loop.forget(self, self._interest)
        self._interest = 0
        self._socket.close()
        # Without cycles the dead go at once, and what they sent with them: a collector that is
        # calm for the sake of the living would let them pile up.
        del self.handler, self._decoder, self._recv

    def _leave_open(self, state: State, reason: str) -> None:
        self.state = state
        self.deaf = True
        self._unheard = []
        self.loop.leave_all(self)
        self.handler.ended(reason)

    # What the selector reports

    def on_ready(self, mask: int) -> None:
        """Read and write what the socket is ready for."""
        if self.state is State.CLOSED:
            return  # by another client's doing, earlier in this tick
        if mask & selectors.EVENT_READ:
            self._read()
        if mask & selectors.EVENT_WRITE:
            self.outbox.go_on()
            self._watch()

    def _read(self) -> None:
        try:
            data = self._recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.abort("tls" if isinstance(error, ssl.SSLError) else "reset")
            return
        if not data:
            self._input_over()
        elif self.state is State.OPEN:
            self.heard = self.loop.now
            self.loop.intake += len(data)
            self._hand_over(self._decoder.feed(data))
            if self.outbox.stuck:
                self._watch()

    def _hand_over(self, bodies: list[bytes]) -> None:
        """Give bodies to the handler until it pauses or closes; then note where the stream is."""
        for start in range(0, len(bodies), BATCH):
            if start:
                self.outbox.flush()
                self._choked()
            self._hand_over_batch(bodies[start : start + BATCH])
        if self.state is State.CLOSED:
            return
        decoder = self._decoder
        if not decoder.partial:
            self._frame_since = None
        elif bodies or self._frame_since is None:
            self._frame_since = self.loop.now
        if decoder.too_large is not None and not self.deaf:
            self.handler.fault(Fault.TOO_LARGE, size=decoder.too_large, limit=decoder.limit)

    def _hand_over_batch(self, bodies: list[bytes]) -> None:
        for body in bodies:
            if self.deaf:
                self._unheard.append(body)
            else:
                self.handler.frame(body)

    def _choked(self) -> bool:
        """Whether the client must read before it may ask on; `emptied` lets it go on."""
        if not self.outbox.stuck or self.outbox.queued <= self._terms.outbox_soft:
            return False
        self._waits_to_read = True
        self.deaf = True
        self._watch()
        return True

    def _input_over(self) -> None:
        self._ended_input = True
        if self.state is State.LINGERING:
            self.abort("closed")
        elif not self.deaf:
            self.handler.input_over()
        else:
            self._watch()

    # Where TLS is offered

    def _recv_first(self, sock: socket.socket, tls: TlsContext, size: int) -> bytes:
        """Read for the first time, and see whether it is TLS."""
        data = sock.recv(size)
        line = tls.wrap(sock, data, self.outbox.block)
        if line is None:
            self._recv = sock.recv
            if data and tls.refuses(self.address):
                self.handler.fault(Fault.PLAIN)
            return data
        self._socket = line
        self._recv = partial(self._recv_secure, line)
        self.outbox.secure(line)
        return self._recv(size)

    def _recv_secure(self, line: TlsSocket, size: int) -> bytes:
        """Read what was encrypted; an end behind it is looked at later in this tick."""
        data = line.recv(size)
        self.secure = line.established
        if line.over:
            self.loop.call_at(self.loop.now, self._read_end)
        return data

    def _read_end(self, _: float) -> None:
        if self.state is not State.CLOSED:
            self._read()

    # What the outbox reports

    def blocked(self) -> None:
        """Watch for room to write; from here on the client has to make progress."""
        self._stall_since = self.loop.now
        self._progress = self.outbox.progress
        self._check_by(self.loop.now + min(STUCK_CHECK, self._terms.stall))
        self._watch()

    def overfull(self) -> None:
        """Give the client up: it is further behind than the hard limit."""
        if self.state is State.OPEN:
            self.handler.fault(Fault.SLOW)

    def emptied(self) -> None:
        """Read again at once: a client that keeps up is served fully."""
        self._soft_since = None
        if self._waits_to_read:
            self._waits_to_read = False
            self.loop.call_at(self.loop.now, self._has_read)  # not in the middle of sending
        self._watch()

    def _has_read(self, _: float) -> None:
        if self.state is State.OPEN and self.deaf:
            self._go_on()

    def broken(self) -> None:
        """The other side reset the connection."""
        self.abort("reset")

    # Deadlines

    def on_timer(self, when: float) -> None:
        """Act on deadlines that have passed, and arrange for the next look."""
        if when != self._due or self.state is State.CLOSED:
            return  # another look was arranged since, or none is needed
        now = self.loop.now
        self._due = math.inf
        if self.state is not State.OPEN:
            self._check_farewell(now)
        elif (fault := self._overdue(now)) is not None:
            self.handler.fault(fault)
        else:
            self._check_by(self._next_check(now))

    def _check_by(self, when: float) -> None:
        """Look at the deadlines at `when` at the latest; one timer per connection counts."""
        if when < self._due:
            self._due = when
            self.loop.call_at(when, self.on_timer)

    def _overdue(self, now: float) -> Fault | None:
        terms = self._terms
        if not self._welcomed and self._paused_since is None and now >= self._until:
            return Fault.HELLO_LATE
        if self.outbox.stuck and self._falls_behind(now):
            return Fault.SLOW
        if self.deaf:
            return None  # nothing is read: it is not the client who keeps us waiting
        if self._frame_since is not None and now >= self._frame_since + terms.frame:
            return Fault.FRAME_LATE
        if now >= self.heard + terms.silence:
            return Fault.SILENT
        return None

    def _falls_behind(self, now: float) -> bool:
        if self.outbox.progress != self._progress:
            self._progress, self._stall_since = self.outbox.progress, now
        if self.outbox.queued <= self._terms.outbox_soft:
            self._soft_since = None
        elif self._soft_since is None:
            self._soft_since = now
            self.handler.slow()
        since = self._soft_since
        over_soft = since is not None and now >= since + self._terms.soft_grace
        return over_soft or now >= self._stall_since + self._terms.stall

    def _next_check(self, now: float) -> float:
        """The earliest moment at which something can be due that is not due yet.

        A frame that begins later is due later than that, because no step is longer than the
        frame's own deadline; so no deadline is overshot and no timer is set per frame.
        """
        terms = self._terms
        if not self._welcomed:
            return now + terms.hello if self._paused_since is not None else self._until
        if self.deaf:
            due = now + terms.ping
        else:
            ping = max(self.heard, self._asked) + terms.ping
            if now >= ping:
                self._asked = now
                self.handler.silent()
                ping = now + terms.ping
            due = min(ping, now + terms.frame, self.heard + terms.silence)
        if self.outbox.stuck:
            due = min(due, now + min(STUCK_CHECK, terms.stall))
        if self._frame_since is not None and not self.deaf:
            due = min(due, self._frame_since + terms.frame)
        return max(due, now + 0.001)

    def _check_farewell(self, now: float) -> None:
        if now < self._until:
            self._check_by(self._until)
        else:
            self.abort("closed")

    # Interest

    def _watch(self) -> None:
        """Tell the selector what this connection waits for; the one place that decides it."""
        if self.state is State.FLUSHING and not self.outbox.waiting:
            self._half_close()
        if self.state is State.CLOSED:
            return
        wanted = selectors.EVENT_WRITE if self.outbox.stuck else 0
        if not self._ended_input and not self._held_back():
            wanted |= selectors.EVENT_READ
        if wanted != self._interest:
            self.loop.watch(self, self._interest, wanted)
            self._interest = wanted

    def _held_back(self) -> bool:
        """Whether reading has to wait; an open client over the soft limit reads first."""
        if self.state is not State.OPEN:
            return False
        return self.deaf or (self.outbox.stuck and self.outbox.queued > self._terms.outbox_soft)

    def _half_close(self) -> None:
        if self._ended_input:
            self.abort("closed")
            return
        self.state = State.LINGERING
        self._until = self.loop.now + LINGER
        self._check_by(self._until)
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort("reset")
