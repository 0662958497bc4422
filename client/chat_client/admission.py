"""From the hello to the welcome: what is said to be let in, and as whom.

Rules:
- A password goes with the hello, at once on the first connection, later where the stay is gone.
- A key needs a nonce, and the server's name from its welcome: we come in as a guest and log in
  then. So does who was taken for somebody else than the account. That welcome is held back, and
  handed on as the account's.
- One answer comes out of each hello, however much was said for it.
"""

from __future__ import annotations

from typing import NamedTuple

from chat_client.asking import Asking
from chat_client.identity import SHUT_OUT, Identity, proven
from chat_client.unanswered import Answer
from chat_schema import replies, requests
from chat_schema.errors import Refused

Reply = replies.Ok | replies.Welcome | Refused


class Unproven(NamedTuple):
    """The welcome to a hello, which waits until we have logged in."""

    id: str
    request: requests.Hello
    welcome: replies.Welcome


class Admission:
    """What the session itself asks in order to be welcome."""

    def __init__(self, identity: Identity, asking: Asking) -> None:
        self._identity = identity
        self._asking = asking
        self._unproven: Unproven | None = None
        self._logs_in = False

    def start_over(self, *, first: bool) -> None:
        """Another connection begins."""
        self._unproven = None
        self._logs_in = first and self._identity.can_log_in()

    def greet(self, client: str | None, resume: requests.Resume | None) -> None:
        """Say hello, or show once more who we are where the hello was accepted."""
        if self._unproven is not None:
            self._prove()
            return
        self._asking.send_own(self._identity.hello(client, resume, login=self._logs_in))

    def read(self, id: str, request: requests.Request, reply: Reply) -> Answer | None:
        """Take in an answer to what was asked here; return that to the hello once there is one."""
        if isinstance(request, requests.Hello):
            return self._read_welcome(id, request, reply)
        return self._read_proof(reply)

    def _read_welcome(self, id: str, request: requests.Hello, reply: Reply) -> Answer | None:
        if isinstance(reply, replies.Welcome):
            if self._logs_in or self._identity.is_proven(reply.user):
                return Answer(id, request, reply)
            self._unproven = Unproven(id, request, reply)
            self._prove()
            return None
        shut_out = isinstance(reply, Refused) and reply.code in SHUT_OUT
        if shut_out and self._identity.can_log_in() and not self._logs_in:
            self._logs_in = True
            self.greet(request.client, request.resume)
            return None
        return Answer(id, request, reply)

    def _prove(self) -> None:
        proof = self._identity.proof
        assert proof is not None
        own = requests.Challenge() if proof.sign is not None else proof.login()
        self._asking.send_own(own)

    def _read_proof(self, reply: Reply) -> Answer | None:
        """Take in a nonce, or that we have logged in, or have not."""
        unproven, proof = self._unproven, self._identity.proof
        if unproven is None or proof is None:
            return None
        id, request, welcome = unproven
        match reply:
            case replies.ChallengeOk():
                self._asking.send_own(proof.login(welcome.server, reply.nonce))
                return None
            case replies.IdentityOk():
                welcome = proven(welcome, reply)
            case Refused() if reply.code != "auth.already":
                return Answer(id, request, reply)
        self._unproven = None
        return Answer(id, request, welcome)
