"""Who a session is to the server, and how it shows that again on another connection.

Rules:
- Without an account one is whoever the nick, or the token of the stay, says.
- With one, the token comes first: it costs the server nothing. Where it is worth nothing any more,
  the password kept in memory, or the key, is used.
- A password is part of no `repr`. It is kept until one logs out or gives the account up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chat_schema import replies, requests
from chat_schema.names import User, same_name

Sign = Callable[[str, str, str], str]
"""Makes the signature for a server, a nick and a nonce."""

SHUT_OUT = frozenset({"nick.reserved", "server.locked"})
"""Refusals of a hello that may be accepted from who logs in with it."""


@dataclass(frozen=True)
class Proof:
    """The name of an account, and one of the two ways to show that it is ours."""

    name: str
    password: str | None = field(default=None, repr=False)
    sign: Sign | None = field(default=None, repr=False)

    def credentials(self, server: str = "", nonce: str = "") -> requests.Credentials:
        """What a hello carries to log in; with a key, for the nonce of this server."""
        if self.sign is not None:
            signature = self.sign(server, self.name, nonce)
            return requests.Credentials(nick=self.name, signature=signature)
        return requests.Credentials(nick=self.name, password=self.password)

    def login(self, server: str = "", nonce: str = "") -> requests.Login:
        """The same as a request of its own, once a hello was accepted."""
        shown = self.credentials(server, nonce)
        return requests.Login(nick=shown.nick, password=shown.password, signature=shown.signature)


class Identity:
    """Our user, nick and proof, as answers change them."""

    def __init__(self, nick: str | None, proof: Proof | None) -> None:
        self.nick = nick
        self.proof = proof
        self.user: User | None = None
        self._uids: set[str] = set()
        self._account: str | None = None

    def hello(
        self,
        client: str | None,
        resume: requests.Resume | None,
        login: requests.Credentials | None = None,
    ) -> requests.Hello:
        """The hello of a connection, with what shows who we are where it logs in."""
        return requests.Hello(
            version=1,
            nick=self._wished(named=login is not None),
            client=client,
            login=login,
            resume=resume,
        )

    def is_proven(self, user: User) -> bool:
        """Whether nothing more is to be shown by whom the server takes us for."""
        return self.proof is None or bool(user.registered) or user.uid == self._account

    def is_mine(self, uid: str) -> bool:
        """Whether this is our uid, or was in an earlier life."""
        return uid in self._uids

    def is_me(self, user: User) -> bool:
        """Whether this is who we are now."""
        return self.user is not None and self.user.uid == user.uid

    def welcome(self, user: User) -> None:
        """Take in who we are on this connection."""
        if self.nick is not None:
            self.nick = user.nick
        self._be(user)
        if self.proof is not None:
            self._account = user.uid

    def rename(self, user: User) -> None:
        """Take in another nick of ours."""
        self.user = user
        self.nick = user.nick

    def become(self, request: requests.Request, user: User) -> bool:
        """Take in what a good answer about our account says; return whether we are another."""
        other = self.user is None or self.user.uid != user.uid
        self._be(user)
        self.nick = user.nick
        match request:
            case requests.Login() if request.password is not None:
                self.proof = Proof(request.nick, request.password)
                self._account = user.uid
            case requests.Register():
                self.proof = Proof(user.nick, request.password)
                self._account = user.uid
            case requests.Logout() | requests.Unregister():
                self.proof = self._account = None
                self.nick = None if isinstance(request, requests.Logout) else user.nick
        return other

    def change_password(self, request: requests.Passwd) -> None:
        """The account has another password now."""
        if self.proof is not None and self.proof.password is not None:
            self.proof = Proof(self.proof.name, request.new)

    def _be(self, user: User) -> None:
        self.user = user
        self._uids.add(user.uid)

    def _wished(self, *, named: bool) -> str | None:
        """The nick to ask for: an account has its own without asking."""
        if self.proof is None:
            return self.nick
        own = self.nick is None or same_name(self.nick) == same_name(self.proof.name)
        return None if named and own else self.nick


def proven(welcome: replies.Welcome, reply: replies.IdentityOk) -> replies.Welcome:
    """The welcome as it would be had we logged in with the hello."""
    resume = welcome.resume
    if resume is not None:
        resume = resume.model_copy(update={"rooms": reply.rooms, "conversations": None})
    changed = {"user": reply.user, "role": reply.role, "resume": resume}
    return welcome.model_copy(update=changed)
