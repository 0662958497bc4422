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

from enum import Enum
from typing import Any

from chat_client.admission import Admission
from chat_client.asking import Asking
from chat_client.cursors import Cursors, Missing, Numbered
from chat_client.expulsion import Expulsion
from chat_client.homecoming import Homecoming
from chat_client.identity import Identity, Proof
from chat_client.incoming import Early, Fault, Incoming
from chat_client.reading import (
    Reply,
    bodies_in,
    is_reply,
    object_in,
    readable,
    reply_in,
    sound_names,
)
from chat_client.unanswered import Answer, Asked, Unanswered
from chat_schema import events, limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.framing import FrameDecoder
from chat_schema.names import User, same_name

PUT_OUT = ("kicked", "banned")
"""Reasons for which one has left a room that are told by no answer."""


class State(Enum):
    """How far a connection has got."""

    AWAY = "away"
    NEW = "new"
    WELCOME = "welcome"
    ENDED = "ended"


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
        self._homecoming = Homecoming(self._asking, self._cursors)
        self._expulsion = Expulsion(self._identity, self._cursors)
        self._early = Early()

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
        self._homecoming.start_over()
        self._expulsion.start_over()
        if self._welcomes:
            self._early.begin()
        self._admission.start_over(first=not self._welcomes)
        self._unanswered.start_over()
        for room in self._unanswered.leaving():
            self._cursors.close(room)
        self.greet()

    def greet(self) -> None:
        """Say hello; once more where it was refused, or what shows who we are."""
        with sound_names():
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
        items: list[Incoming] = []
        for body in bodies_in(self._decoder, data):
            items += self._early.pass_on(self._read(body), welcome=self._is_welcome())
        self._read_on()
        self._send_waiting()
        return items

    def lose(self) -> list[Incoming]:
        """Note that the connection is gone; return what can be answered without another."""
        self.state = State.AWAY
        self.bye = None
        self._asking.lose()
        self._cursors.lose()
        return [*self._early.end(), *self._unanswered.lose()]

    def ping(self) -> None:
        """Ask for a sign of life; the answer is nobody's business."""
        self._asking.send_own(requests.Ping())

    def wake(self) -> None:
        """Ask again for what was refused for now."""
        self._cursors.wake()
        self._read_on()
        self._homecoming.wake()

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
            with sound_names():
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

    def _is_welcome(self) -> bool | None:
        """Whether the welcome has come; None where it will not."""
        return None if self.state is State.ENDED else self.state is State.WELCOME

    def _read(self, body: bytes) -> list[Incoming]:
        with readable():
            frame = object_in(body)
            if is_reply(frame):
                return self._read_reply(frame)
            return self._read_event(events.event_of(frame))

    def _read_reply(self, frame: dict[str, Any]) -> list[Incoming]:
        id = str(frame.get("re", ""))
        own = self._asking.pop(id)
        asked = self._unanswered.pop(id) if own is None else None
        request = own or (asked.request if asked is not None else None)
        reply = reply_in(frame, request)
        if own is not None and reply is not None:
            return self._read_own(id, own, reply)
        if asked is None or reply is None:  # nobody waits for it: of a later level, or a repeat
            return [Fault(reply)] if isinstance(reply, Refused) else []
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
                self._expulsion.forget(reply.room)
                return self._shown(self._cursors.enter(reply))
            case _, replies.LeaveOk():
                self._expulsion.forget(reply.room)
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
                return self._shown(self._cursors.fill(room, reply), missed=True)
            case requests.History(room=room), Refused():
                return self._shown(self._cursors.refuse(room, reply))
            case requests.Join(room=room), Refused():
                return self._homecoming.refuse(room, reply, self.user)
        return self._note(request, reply)

    def _read_event(self, event: events.AnyEvent | events.Unknown) -> list[Incoming]:
        if self._expulsion.hides(event):
            return []
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
                missed = self.state is not State.WELCOME
                return self._shown(self._cursors.take(event), missed=missed)
        return [event]

    def _shown(
        self, shown: list[events.AnyEvent | events.Unknown], *, missed: bool = False
    ) -> list[Incoming]:
        """What a view gets of these, with the answers that they bring; `missed`: not live."""
        items: list[Incoming] = []
        for event in shown:
            if self._expulsion.hides(event):
                continue
            items.append(event)
            match event:
                case events.Broadcast() | events.Whisper():
                    items += self._recognise(event)
                case Missing():
                    items += self._unanswered.give_up_in(event.room)
                case events.Kick() | events.Ban() if missed:
                    items += (left := self._expulsion.note(event))
                    self._leave([each.room for each in left])
        return items

    def _leave(self, rooms: list[str]) -> None:
        """Ask to be let out of rooms; before the welcome it is not known yet where we are."""
        for room in rooms if self.state is State.WELCOME else []:
            with sound_names():
                self._asking.send_own(requests.Leave(room=room))

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
            items += self._expulsion.take(welcome)
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
        """Join again the rooms that were not kept for us, and leave those we were put out of."""
        kept = welcome.resume.rooms if welcome.resume is not None else []
        self._leave([room for room in kept if self._expulsion.is_from(room)])
        self._homecoming.enter([*kept, *self._unanswered.leaving()])
