"""One client's conversation: reads a request, checks it once, lets a handler do it, answers.

Rules (PROTOCOL.md, "Order"):
- Requests of one connection take effect in order. Those that append to the journal may overtake
  nothing but may follow each other without waiting; every other request waits until what this
  client appended is kept.
- What a request causes on its own connection comes before its reply: the loop's inbox is drained
  before an answer is sent.
- A request with an id gets exactly one reply. A refusal of one without an id is sent too, without
  `re`, because silence would help nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from chat_schema.errors import ERRORS, Refused
from chat_schema.events import Bye, LeaveReason, Notice, Ping
from chat_schema.framing import encode_frame
from chat_schema.names import same_name
from chat_schema.replies import Error, Ok, Welcome
from chat_schema.requests import AnyRequest, Request, read_request
from chat_server.commands.registry import ROWS, Row
from chat_server.commands.results import Answer, Awaited, Farewell, Finish, Later, Then
from chat_server.domain.meters import Metered, MeterTerms
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room
from chat_server.hub import Hub
from chat_server.journal.base import Failed, JournalFull, Kept, Outcome, Repeated
from chat_server.metering import FULL, PAUSES, charge
from chat_server.net.connection import Connection, State
from chat_server.net.handler import Fault
from chat_server.net.loop import Loop
from chat_server.services import Services

IN_FLIGHT = 32
"""Appended requests of one client that may wait for the journal at a time."""

BAD_FRAMES = 3
"""Bodies that are no JSON object and are forgiven; the next one ends the connection."""

IGNORED_NAMES = 16
"""Unknown fields named in a reply; ten thousand of them are not echoed."""

FAULTS = {
    Fault.TOO_LARGE: (
        "frame.too_large",
        "A frame of more bytes than allowed was announced by its first four, a big-endian length.",
    ),
    Fault.FRAME_LATE: ("frame.timeout", "A frame was begun and not finished in time."),
    Fault.HELLO_LATE: ("protocol.hello_timeout", "You were not welcome in time: say hello first."),
    Fault.SILENT: ("client.timeout", "Nothing was heard from you, not even a pong."),
    Fault.SLOW: ("client.slow", "You did not read what you were sent."),
    Fault.PLAIN: (
        "tls.required",
        "This server wants TLS from other machines: connect with it, as `chat-client --tls` does.",
    ),
}


FINAL = frozenset({"quit", "server.kicked", "server.banned", "session.revoked", "session.replaced"})
"""Ends of a connection that are the end of the stay too."""

LEAVE_REASONS: dict[str, LeaveReason] = {
    "quit": "quit",
    "server.kicked": "kicked",
    "server.banned": "banned",
}
"""What the rooms are told of ends that are no loss of the connection."""

Result = Answer | Later | Awaited | Farewell | None


def _require_open(row: Row) -> None:
    if row.rank is not Rank.STRANGER:
        raise Refused("protocol.hello_required", "Say hello first.")


def require(hub: Hub, session: Session, row: Row, request: Any) -> None:
    """Refuse who has not the rank that this request needs, in the room that it names."""
    needed = row.rank if row.rank_for is None else row.rank_for(request)
    if needed <= Rank.GUEST:
        return
    room = None
    if needed in (Rank.MODERATOR, Rank.OWNER):
        room = hub.room_of(session, request.room)
    rank = hub.rank(session, room)
    if needed is Rank.ACCOUNT and rank < needed:
        raise Refused("auth.required", "This needs an account: log in, or register.")
    if rank < needed:
        raise Refused("permission.denied", f"This needs the rights of {WHO[needed]}.")


WHO = {
    Rank.MODERATOR: "a moderator of the room",
    Rank.OWNER: "an owner of the room",
    Rank.ADMIN: "an administrator",
    Rank.OPERATOR: "the operator, at the server's own machine",
}
"""Whose rights somebody lacks."""


class Session:
    """What the server knows of one connection; lives on the connection's loop.

    `in_flight` counts the requests of this session that are on their way through the journal.
    `number` grows with each connection that the server accepts, `since` is when this one was.
    `digest` is that of the token by which the stay can be resumed, None where it cannot. An
    `operator` is whoever runs the server, on its own machine: welcome at once, seen by nobody.
    """

    __slots__ = (
        "_bad_frames", "_held", "_rests", "_services", "_waits", "client", "connection", "digest",
        "elevated", "in_flight", "nonce", "number", "operator", "person", "rooms", "since",
    )  # fmt: skip

    def __init__(
        self,
        services: Services,
        number: int,
        connection: Connection,
        operator: str | None = None,
    ) -> None:
        self.number = number
        self.connection = connection
        self.since = connection.loop.stamp
        self.operator = operator
        self.elevated = False
        self.client: str | None = None
        self.nonce: tuple[str, float] | None = None
        self.digest: str | None = None
        self.person: Person | None = Person("operator", "server") if operator else None
        self.rooms: dict[str, Room] = {}
        self._services = services
        self.in_flight = 0
        self._bad_frames = 0
        self._waits = False
        self._rests = False
        self._held: AnyRequest | None = None

    @property
    def known(self) -> Person:
        """The person, where the registry has made sure that there is one."""
        assert self.person is not None
        return self.person

    def room(self, name: str) -> Room:
        """The room of this name that the person is in; raise Refused where they are not.

        A room that does not exist is refused in the same words: nobody can probe for rooms.
        """
        room = self.rooms.get(same_name(name))
        if room is None:
            raise Refused("room.not_member", f"You are not in a room called {name}.", field="room")
        return room

    @staticmethod
    def ignored(request: Request) -> list[str] | None:
        """The request's unknown fields, as its reply names them."""
        extra = request.__pydantic_extra__
        return [name[:64] for name in list(extra)[:IGNORED_NAMES]] if extra else None

    # From the connection

    def frame(self, body: bytes) -> None:
        """Read one body and do what it asks."""
        try:
            request = read_request(body)
        except Refused as refused:
            self._reject(refused)
        else:
            self._take(request)

    def input_over(self) -> None:
        """The client sends no more: its stay is over, once what it appended is answered."""
        self.connection.loop.drain()
        if self.in_flight:
            self.connection.pause()
            return
        refused = Refused("client.quit", "You closed your side of the connection.")
        self._end(refused, "lost", error=False)

    def fault(self, fault: Fault, *, size: int | None = None, limit: int | None = None) -> None:
        """End a connection that is at fault, with the reason."""
        code, words = FAULTS[fault]
        self._services.telemetry.count(f"closed.{code}")
        refused = Refused(code, words, size=size, limit=limit)
        self._end(refused, code, error=code.startswith(("frame", "protocol", "tls")))

    def silent(self) -> None:
        """Ask for a sign of life."""
        self._send_model(Ping(ts=self.connection.loop.stamp))

    def slow(self) -> None:
        """Warn: the client can still catch up."""
        message = "You read more slowly than messages come; catch up or be disconnected."
        self._send_model(Notice(code="client.slow", message=message, ts=self.connection.loop.stamp))

    def resumed(self) -> None:
        """Do the request that waited for earlier ones."""
        held, self._held = self._held, None
        if held is not None:
            self._take(held)

    def ended(self, reason: str) -> None:
        """Leave everything, at once or, where the stay can be resumed, after a while."""
        self._held = None
        if self.operator is not None:
            return
        self._services.log.note(
            "ended", nick=self._nick, address=self.connection.address, reason=reason
        )
        if self.person is None:
            return
        hub, loop = self._services.hub, self.connection.loop
        held = hub.depart(self, LEAVE_REASONS.get(reason, "lost"), hold=reason not in FINAL)
        self.person = None
        if held is not None:
            end = loop.now + self._services.resume.seconds
            loop.call_at(end, lambda _: hub.release(held, loop.stamp))

    @property
    def _nick(self) -> str | None:
        return self.person.nick if self.person is not None else None

    def end(self, refused: Refused) -> None:
        """End the connection for a reason of the server's; the stay is not held."""
        self._services.telemetry.count(f"closed.{refused.code}")
        self._end(refused, refused.code)

    def replaced(self) -> None:
        """End: another connection has taken up the stay."""
        refused = Refused("session.replaced", "Your stay goes on on another connection.")
        self._end(refused, "replaced", error=False)

    # From the journal

    def settled(self, outcome: Outcome) -> None:
        """Answer the request whose entry is settled, and let one go on that waited for it."""
        then = outcome.entry.then
        if then is not None and then(outcome):
            # after what was posted; not by draining: we may be in the middle of that
            self.connection.loop.post((self._settle_later, outcome))
        else:
            self._settle(outcome)

    def _settle_later(self, _: Any, item: tuple[Any, Outcome]) -> None:
        self._settle(item[1])

    def _settle(self, outcome: Outcome) -> None:
        self.in_flight -= 1
        if self.connection.state is State.OPEN:
            self._tell(outcome)
        if not self.in_flight and self.connection.deaf:
            self._go_on()

    def _tell(self, outcome: Outcome) -> None:
        answer = outcome.entry.answer
        if isinstance(outcome, Failed):
            refusal = Error.from_refused(outcome.refused)
            self._send_model(refusal.model_copy(update={"re": outcome.entry.re}))
        elif answer is not None:
            first = outcome.first if isinstance(outcome, Repeated) else None
            seq = outcome.seq if isinstance(outcome, Kept) else 0
            self.connection.send(encode_frame(answer(seq, first)))

    # One request

    def _take(self, request: AnyRequest) -> None:
        row = ROWS[request.type]
        if not row.appends or self.in_flight >= IN_FLIGHT:
            self.connection.loop.drain()
            if self.in_flight:
                self._hold(request)
                return
        try:
            if self.person is None:
                _require_open(row)
            elif row.meter is not None and self._services.meters is not None:
                self._charge(self._services.meters, row.meter, request)
            if row.checked:
                require(self._services.hub, self, row, request)
            result = row.handle(self._services, self, request)
            if result is not None:
                self._conclude(request, result)
        except Exception as error:
            self._fail(request, error)

    def _charge(self, terms: MeterTerms, bucket: Metered, request: Request) -> None:
        """Have the request paid for; raise Refused where there is too little."""
        if charge(self._services.hub, terms, self, bucket, request) == "warn":
            self._services.telemetry.count("limited.warned")
            message = "That is more at once than is allowed; go on like this and it is refused."
            loop = self.connection.loop
            loop.drain()  # it is about this message, so it comes after the ones before
            self._send_model(Notice(code="rate.messages", message=message, ts=loop.stamp))

    def _fail(self, request: Request, error: Exception) -> None:
        """Refuse a request that was not done."""
        match error:
            case Refused():
                self._refuse(request, error)
            case JournalFull():
                message = "Too much is waiting to be kept; this was not. Try again."
                self._refuse(request, Refused("server.busy", message, retry_after=1))
                self._services.telemetry.count("limited.server.busy")
                self._rest(FULL)
            case _:
                self._refuse(request, self._incident(request))

    def _hold(self, request: AnyRequest) -> None:
        self._held = request
        self.connection.pause()

    def _conclude(self, request: Request, result: Answer | Later | Awaited | Farewell) -> None:
        """Answer, or arrange for the answer."""
        match result:
            case Later(job, search):
                workers = self._services.searchers if search else self._services.workers
                self._start(request, partial(workers.submit, job))
            case Awaited(start):
                self._start(request, start)
            case Farewell(answer):
                self._answer(request, answer)
                self._end(Refused("client.quit", "Goodbye."), "quit", error=False)
            case answer:
                self._answer(request, answer)

    def _start(self, request: Request, start: Callable[[Finish], None]) -> None:
        """Have other threads do the rest; until then this connection is not read."""
        loop = self.connection.loop
        try:
            start(lambda found, error: loop.post((self._finish, request, found, error)))
        except Refused as refused:
            self._refuse(request, refused)
        else:
            self._waits = True
            self.connection.pause()

    def _finish(
        self, loop: Loop, item: tuple[Any, Request, Answer | Then | None, BaseException | None]
    ) -> None:
        """Go on with what a worker has done; not here.

        An answer drains the inbox: a hundred of these in it would stand upon each other.
        """
        loop.call_at(loop.now, lambda _: self._finished(*item[1:]))

    def _finished(
        self, request: Request, found: Answer | Then | None, error: BaseException | None
    ) -> None:
        """Answer what a worker has done, or go on with it; on the loop again."""
        self._waits = False
        if self.connection.state is State.OPEN:
            try:
                result = _result(found, error)
                if result is not None:
                    self._conclude(request, result)
            except Exception as fault:
                self._fail(request, fault)
        self._go_on()

    def _rest(self, seconds: float) -> None:
        """Read nothing for a moment."""
        loop = self.connection.loop
        self._rests = True
        self.connection.pause()
        loop.call_at(loop.now + seconds, self._rested)

    def _rested(self, _: float) -> None:
        self._rests = False
        self._go_on()

    def _go_on(self) -> None:
        """Have the connection read again, unless something else still keeps it."""
        if not self._waits and not self._rests:
            self.connection.loop.resume(self.connection)

    # Answers

    def _answer(self, request: Request, answer: Answer) -> None:
        if request.id is None:
            return
        self.connection.loop.drain()  # a snapshot must know of everything that goes before it
        reply = answer(re=request.id, ignored=self.ignored(request))
        if isinstance(reply, bytes):
            self.connection.send(encode_frame(reply))
        else:
            self._send_model(reply)

    def _refuse(self, request: Request, refused: Refused) -> None:
        refused.re = request.id
        self._reject(refused)
        if (pause := PAUSES.get(refused.code)) is not None:
            self._services.telemetry.count(f"limited.{refused.code}")
            self._rest(pause)

    def _reject(self, refused: Refused) -> None:
        self._services.telemetry.count(f"refused.{refused.code}")
        if refused.code == "frame.invalid":
            self._bad_frames += 1
            refused.fatal = self._bad_frames > BAD_FRAMES
        if refused.fatal:
            self._end(refused, refused.code)
        else:
            self.connection.loop.drain()
            self._send_model(Error.from_refused(refused))

    def _incident(self, request: Request) -> Refused:
        number = self._services.telemetry.incident(f"request {request.type}")
        return Refused("server.internal", f"A fault of the server; its log has incident {number}.")

    def _end(self, refused: Refused, reason: str, *, error: bool = True) -> None:
        self.connection.loop.drain()
        self.connection.close(farewell(refused, error=error), reason)

    def _send_model(self, model: Ok | Welcome | Error | Ping | Notice) -> None:
        self.connection.send(encode_frame(model.model_dump_json(exclude_none=True).encode()))


def _result(found: Answer | Then | None, error: BaseException | None) -> Result:
    """What a job has come to, as if a handler had returned it."""
    if error is not None:
        raise error
    return found.proceed() if isinstance(found, Then) else found


def farewell(refused: Refused, *, error: bool, after: float | None = None) -> bytes:
    """The last frames of a connection: the error, where there was one, and `bye`."""
    row = ERRORS[refused.code]
    refused.fatal = True
    bye = Bye(
        code=refused.code,
        message=refused.message,
        reconnect=row.reconnect,
        after=after if after is not None else refused.retry_after,
    )
    frames = encode_frame(bye.model_dump_json(exclude_none=True).encode())
    if error:
        body = Error.from_refused(refused).model_dump_json(exclude_none=True).encode()
        frames = encode_frame(body) + frames
    return frames
