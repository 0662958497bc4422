"""One client's side of the protocol without a socket, across as many connections as it takes.

    session = Session("alice")
    session.connect()                                        # a connection was made: says hello
    id = session.ask(requests.Join(room="dev"))              # goes out when welcome
    send(session.outgoing())
    for item in session.receive(received): ...               # events, and Answers to ids
    send(session.outgoing())                                 # answers to pings, pages to fill gaps
    for item in session.lose(): ...                          # the connection is gone: connect again

Rules:
- After `connect`, `ask`, `receive` and `wake`, send what `outgoing` returns.
- A view sees each numbered event once and in order; see cursors.py. What a later connection brings
  before its welcome is handed on after it, so that a view can say first how much was missed.
- Each request gets one Answer, on whatever connection; see unanswered.py. A message of which
  nobody can know whether it was kept is answered with Refused, code `message.unsure`.
- What the server may do wrong raises ProtocolError, also in `connect` where it has named something
  wrongly before; the connection is then of no use.
- Where there is a key to log in by, or the server takes us for somebody else than the account we
  have logged in to, the welcome is handed on only when that is done; see admission.py.
- One thread at a time; no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from chat_client.admission import Admission
from chat_client.asking import Asking
from chat_client.cursors import Cursors, Missing, Numbered
from chat_client.homecoming import Homecoming
from chat_client.identity import Identity, Proof
from chat_client.unanswered import Answer, Asked, Unanswered
from chat_schema import events, limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.framing import FrameDecoder
from chat_schema.names import User, same_name

PUT_OUT = ("kicked", "banned")
"""Reasons for which one has left a room that are told by no answer."""

EARLY = 10_000
"""Items kept until a welcome: a hundred conversations with much missed in each."""


class ProtocolError(Exception):
    """The server sent what no server of this protocol sends."""


class State(Enum):
    """How far a connection has got."""

    AWAY = "away"
    NEW = "new"
    WELCOME = "welcome"
    ENDED = "ended"


class Fault(NamedTuple):
    """An error that answers no request: the connection itself is at fault."""

    refused: Refused


Incoming = events.AnyEvent | events.Unknown | Answer | Fault
Reply = replies.Ok | replies.Welcome | Refused


class Session:
    """The protocol's state: what was asked, how far each room was seen, and who we are."""

    def __init__(
        self,
        nick: str | None = None,
        *,
        client: str | None = None,
        resume: bool = True,
        token: str | None = None,
        proof: Proof | None = None,
    ) -> None:
        """Be `nick`, or a guest; `token` takes up a stay of an earlier program.

        `proof` logs in to an account. Without `resume` the end of a connection is the end of
        the stay.
        """
        self.state = State.AWAY
        self.token = token
        self.resumed = False
        self.renamed = False
        self.welcome: replies.Welcome | None = None
        self.bye: events.Bye | None = None
        self.missed = 0
        self._client = client
        self._resume = resume
        self._connection = 0
        self._welcomes = 0
        self._decoder = FrameDecoder(limits.FRAME_TO_CLIENT)
        self._asking = Asking()
        self._unanswered = Unanswered()
        self._identity = Identity(nick, proof)
        self._admission = Admission(self._identity, self._asking)
        self._cursors = Cursors()
        self._homecoming = Homecoming()
        self._early: list[Incoming] | None = None

    @property
    def user(self) -> User | None:
        """Who we are, None before the first welcome."""
        return self._identity.user

    @property
    def nick(self) -> str | None:
        """The nick to ask for on another connection, None for a guest's."""
        return self._identity.nick

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return len(self._unanswered)

    @property
    def stalled(self) -> bool:
        """Whether something was refused for now, that `wake` asks for again."""
        return self._cursors.stalled or len(self._homecoming) > 0

    @property
    def wait(self) -> float:
        """The seconds after which the server wants `wake` at the earliest."""
        if not self._cursors.stalled:
            return self._homecoming.wait
        return self._cursors.wait

    # What the program does

    def connect(self) -> None:
        """Begin a connection: say hello, and where we have been."""
        self.state = State.NEW
        self.bye = None
        self._connection += 1
        self._decoder = FrameDecoder(limits.FRAME_TO_CLIENT)
        self._asking.start_over()
        self._homecoming.forget()
        self._early = [] if self._welcomes else None
        self._admission.start_over(first=not self._welcomes)
        self._unanswered.start_over()
        for room in self._unanswered.leaving():
            self._cursors.close(room)
        self.greet()

    def greet(self) -> None:
        """Say hello; once more where it was refused, or what shows who we are."""
        with _sound_names():
            self._admission.greet(self._client, self._resumption())

    def forget_nick(self) -> None:
        """Be a guest from the next hello on."""
        self._identity.nick = None

    def ask(self, request: requests.Request) -> str:
        """Return the id under which the answer will come."""
        id = self._asking.next_id()
        self._unanswered.add(Asked(id, request))
        self._send_waiting()
        return id

    def outgoing(self) -> bytes:
        """Return, once, what is to be sent."""
        return self._asking.outgoing()

    def receive(self, data: bytes) -> list[Incoming]:
        """Take bytes from the server; return what they bring, in order."""
        bodies = self._decoder.feed(data)
        if self._decoder.too_large is not None:
            raise ProtocolError(f"The server sent a frame of {self._decoder.too_large} bytes.")
        items: list[Incoming] = []
        for body in bodies:
            items += self._keep_early(self._read(body))
        self._read_on()
        self._send_waiting()
        return items

    def lose(self) -> list[Incoming]:
        """Note that the connection is gone; return what can be answered without another."""
        self.state = State.AWAY
        self.bye = None
        items = self._early or []
        self._early = None
        self._asking.lose()
        self._cursors.lose()
        return [*items, *self._unanswered.lose()]

    def ping(self) -> None:
        """Ask for a sign of life; the answer is nobody's business."""
        self._asking.send_own(requests.Ping())

    def wake(self) -> None:
        """Ask again for what was refused for now."""
        self._cursors.wake()
        self._read_on()
        if (room := self._homecoming.next()) is not None and room in self._cursors.joined():
            self._return_to(room)

    # Sending

    def _resumption(self) -> requests.Resume | None:
        if not self._resume:
            return None
        if self.token is None or not self._welcomes:
            return requests.Resume(token=self.token)
        return requests.Resume(
            token=self.token, rooms=self._cursors.places(self._unanswered.leaving())
        )

    def _read_on(self) -> None:
        """Ask for the pages that are missing."""
        if self.state is State.WELCOME:
            with _sound_names():
                pages = self._cursors.pages()
            for page in pages:
                self._asking.send_own(page)

    def _send_waiting(self) -> None:
        """Send what was asked and may go out now."""
        while (
            self.state is State.WELCOME
            and (asked := self._unanswered.next()) is not None
            and not self._must_wait(asked)
        ):
            self._asking.send(asked.id, asked.request)
            self._unanswered.sent(self._connection)

    def _must_wait(self, asked: Asked) -> bool:
        """Whether the message's own event may still come from before the connection."""
        if not asked.doubtful:
            return False
        conversation = self._cursors.find(asked.room)
        return conversation is not None and not conversation.whole

    # Receiving

    def _keep_early(self, items: list[Incoming]) -> list[Incoming]:
        """Keep back what comes before a later welcome; with the welcome it is handed on."""
        if self._early is None:
            return items
        if self.state is State.NEW and len(self._early) < EARLY:
            self._early += [item for item in items if not _urgent(item)]
            return [item for item in items if _urgent(item)]
        early, self._early = self._early, None
        first = 1 if self.state is State.WELCOME else 0
        return [*items[:first], *early, *items[first:]]

    def _read(self, body: bytes) -> list[Incoming]:
        try:
            frame = from_json(body)
            if not isinstance(frame, dict):
                raise ProtocolError("The server sent a frame that is no object.")
            if "re" in frame or frame.get("type") == "error":
                return self._read_reply(frame)
            return self._read_event(events.event_of(frame))
        except (ValidationError, ValueError) as error:
            raise ProtocolError(f"The server sent a frame that cannot be read: {error}") from None

    def _read_reply(self, frame: dict[str, Any]) -> list[Incoming]:
        id = str(frame.get("re", ""))
        own = self._asking.pop(id)
        asked = self._unanswered.pop(id) if own is None else None
        request = own or (asked.request if asked is not None else None)
        reply: Reply
        if frame.get("type") == "error":
            reply = replies.Error.model_validate(frame, strict=False).to_refused()
            if request is None:
                return [Fault(reply)]
        elif request is None:
            return []  # an answer nobody waits for: of a later level, or a repeat
        else:
            reply = replies.REPLIES[request.type].model_validate(frame)
        if own is not None:
            return self._read_own(id, own, reply)
        assert asked is not None
        if asked.is_done_by(reply):
            reply = self._done_before(asked)
        return [*self._note(asked.request, reply), Answer(id, asked.request, reply)]

    def _done_before(self, asked: Asked) -> replies.Ok:
        """The answer to what was done on an earlier connection, where that answer was lost."""
        if isinstance(asked.request, requests.Leave):
            return replies.LeaveOk(re=asked.id, room=asked.room)
        assert self.user is not None
        return replies.IdentityOk(re=asked.id, user=self.user, rooms=self._cursors.joined())

    def _note(self, request: requests.Request, reply: Reply) -> list[Incoming]:
        match request, reply:
            case _, replies.JoinOk():
                return self._shown(self._cursors.enter(reply))
            case _, replies.LeaveOk():
                self._cursors.leave(reply.room)
            case requests.Nick(), replies.NickOk():
                self._identity.rename(reply.user)
            case requests.Passwd(), replies.Ok():
                self._identity.change_password(request)
            case _, replies.IdentityOk():
                self._become(request, reply)
        return []

    def _become(self, request: requests.Request, reply: replies.IdentityOk) -> None:
        """We are somebody else, perhaps, and not let in everywhere."""
        if self._identity.become(request, reply.user):
            self._cursors.forget_whispers()
        self._cursors.note_account(bool(reply.user.registered))
        there = {same_name(room) for room in reply.rooms}
        for room in self._cursors.joined():
            if same_name(room) not in there:
                self._cursors.leave(room)

    def _read_own(self, id: str, request: requests.Request, reply: Reply) -> list[Incoming]:
        """Take in the answer to what the session itself has asked."""
        match request, reply:
            case ((requests.Hello() | requests.Challenge() | requests.Login()), _):
                answer = self._admission.read(id, request, reply)
                return [] if answer is None else self._admitted(answer)
            case requests.History(room=room), replies.HistoryOk():
                return self._shown(self._cursors.fill(room, reply))
            case requests.History(room=room), Refused():
                return self._shown(self._cursors.refuse(room, reply))
            case requests.Join(room=room), Refused() if not self._homecoming.put_off(room, reply):
                return self._expelled(room, reply)
        return self._note(request, reply)

    def _read_event(self, event: events.AnyEvent | events.Unknown) -> list[Incoming]:
        match event:
            case events.Ping():
                self._asking.pong()
            case events.Bye():
                self.bye = event
                self.state = State.ENDED
            case events.Nick() if self._identity.is_me(event.user):
                self._identity.rename(event.user)
            case events.Leave() if self._identity.is_me(event.user) and event.reason in PUT_OUT:
                self._cursors.leave(event.room)
            case events.Replay():
                return self._shown(self._cursors.replay(event))
            case _ if isinstance(event, Numbered):
                return self._shown(self._cursors.take(event))
        return [event]

    def _shown(self, shown: list[events.AnyEvent | events.Unknown]) -> list[Incoming]:
        """What a view gets of these, with the answers that they bring."""
        items: list[Incoming] = []
        for event in shown:
            items.append(event)
            if isinstance(event, events.Broadcast | events.Whisper):
                items += self._recognise(event)
            elif isinstance(event, Missing):
                items += self._unanswered.give_up_in(event.room)
        return items

    def _recognise(self, event: events.Broadcast | events.Whisper) -> list[Incoming]:
        """Answer the message that was sent on an earlier connection and has this event."""
        if not self._identity.is_mine(event.user.uid):
            return []
        if self.state is not State.WELCOME:
            self._cursors.missed -= 1  # nobody misses what they said themselves
        return [*self._unanswered.recognise(event, self._connection)]

    # Coming in

    def _admitted(self, answer: Answer) -> list[Incoming]:
        entered = self._enter(answer.reply) if isinstance(answer.reply, replies.Welcome) else []
        return [answer, *entered]

    def _enter(self, welcome: replies.Welcome) -> list[Incoming]:
        """Take in who we are, and send again what has no answer."""
        self.state = State.WELCOME
        self.welcome = welcome
        self.resumed = self._is_resumed(welcome)
        self.renamed = self.user is not None and self.user.nick != welcome.user.nick
        self.missed = max(0, self._cursors.missed)
        self._welcomes += 1
        items = [] if self.resumed or self._welcomes == 1 else self._doubt()
        self._identity.welcome(welcome.user)
        self._cursors.note_account(bool(welcome.user.registered))
        if welcome.resume is not None:
            self.token = welcome.resume.token
            self._cursors.note_everyone(welcome.resume.everyone)
            self._cursors.note_whispers(welcome.resume.conversations or [])
        if self._welcomes > 1:
            self._return_to_rooms(welcome)
        return items

    def _is_resumed(self, welcome: replies.Welcome) -> bool:
        """Whether we are who we were: the uid tells, whatever else is promised."""
        if self.user is not None:
            return self.user.uid == welcome.user.uid
        return welcome.resume is not None and welcome.resume.resumed

    def _doubt(self) -> list[Incoming]:
        """We are somebody else: the server does not notice any more what comes twice."""
        self._cursors.forget_whispers()
        return [*self._unanswered.doubt(self._cursors.is_known)]

    def _return_to_rooms(self, welcome: replies.Welcome) -> None:
        """Join again the rooms that the server has not kept for us."""
        kept = welcome.resume.rooms if welcome.resume is not None else []
        there = {same_name(room) for room in [*kept, *self._unanswered.leaving()]}
        for room in self._cursors.joined():
            if same_name(room) not in there:
                self._return_to(room)

    def _return_to(self, room: str) -> None:
        with _sound_names():
            self._asking.send_own(requests.Join(room=room))

    def _expelled(self, room: str, refused: Refused) -> list[Incoming]:
        """A room that we were in does not let us in again."""
        self._cursors.leave(room)
        user = self.user or User(uid="", nick="")
        notice = events.Notice(code=refused.code, message=refused.message, ts="")
        return [notice, events.Leave(room=room, user=user, reason="lost", ts="")]


@contextmanager
def _sound_names() -> Iterator[None]:
    """What a server has named we must be able to name, too."""
    try:
        yield
    except ValidationError:
        raise ProtocolError("The server has named something in a way that it refuses.") from None


def _urgent(item: Incoming) -> bool:
    """What concerns the connection itself, and is not kept until it is welcome."""
    if isinstance(item, Answer):
        return isinstance(item.request, requests.Hello)
    return isinstance(item, Fault | events.Bye)
