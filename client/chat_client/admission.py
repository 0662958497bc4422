"""From connecting to the welcome: what is said to be let in, and as whom.

Rules:
- What proves who we are goes with the hello: at once on the first connection, later where the stay
  is gone. With a key something to sign is asked for before.
- Who was taken for somebody else than the account logs in then. That welcome is held back, and
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
        self._plain = requests.Hello()
        self._unproven: Unproven | None = None
        self._logs_in = False

    def start_over(self, *, first: bool) -> None:
        """Another connection begins."""
        self._unproven = None
        self._logs_in = first and self._identity.proof is not None

    def greet(self, client: str | None, resume: requests.Resume | None) -> None:
        """Say hello, or show once more who we are where the hello was accepted."""
        self._plain = self._identity.hello(client, resume)
        if self._unproven is not None or self._logs_in:
            self._prove()
        else:
            self._asking.send_own(self._plain)

    def read(self, id: str, request: requests.Request, reply: Reply) -> Answer | None:
        """Take in an answer to what was asked here; return that to the hello once there is one."""
        if isinstance(request, requests.Hello):
            return self._read_welcome(id, request, reply)
        if self._unproven is not None:
            return self._read_proof(self._unproven, reply)
        if isinstance(reply, replies.ChallengeOk):
            self._log_in(reply.server, reply.nonce)
            return None
        return Answer(id, self._plain, reply)  # without a nonce there is no hello

    def _read_welcome(self, id: str, request: requests.Hello, reply: Reply) -> Answer | None:
        if isinstance(reply, replies.Welcome):
            if self._logs_in or self._identity.is_proven(reply.user):
                return Answer(id, request, reply)
            self._unproven = Unproven(id, request, reply)
            self._prove()
            return None
        shut_out = isinstance(reply, Refused) and reply.code in SHUT_OUT
        if shut_out and self._identity.proof is not None and not self._logs_in:
            self._logs_in = True
            self._prove()
            return None
        return Answer(id, request, reply)

    def _prove(self) -> None:
        """Show who we are, or ask for what to sign first."""
        proof = self._identity.proof
        assert proof is not None
        if proof.sign is not None:
            self._asking.send_own(requests.Challenge())
        else:
            self._log_in()

    def _log_in(self, server: str = "", nonce: str = "") -> None:
        """Log in with a hello, or after it where it was accepted."""
        proof, plain = self._identity.proof, self._plain
        assert proof is not None
        if self._unproven is not None:
            self._asking.send_own(proof.login(server, nonce))
            return
        shown = proof.credentials(server, nonce)
        self._asking.send_own(self._identity.hello(plain.client, plain.resume, shown))

    def _read_proof(self, unproven: Unproven, reply: Reply) -> Answer | None:
        """Take in what to sign, or that we have logged in, or have not."""
        id, request, welcome = unproven
        match reply:
            case replies.ChallengeOk():
                self._log_in(reply.server, reply.nonce)
                return None
            case replies.IdentityOk():
                welcome = proven(welcome, reply)
            case Refused() if reply.code != "auth.already":
                return Answer(id, request, reply)
        self._unproven = None
        return Answer(id, request, welcome)
