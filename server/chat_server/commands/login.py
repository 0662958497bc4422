"""Showing that an account is one's own: by its password, or by a signature; and logging out.

Rules:
- A proof counts only if the account is still as it was when it was shown: a check takes its time,
  and the password, or the key, may be changed meanwhile.
- Who asks cannot tell a name that nobody has from a wrong password.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chat_schema import account_replies, account_requests, requests
from chat_schema.errors import Refused
from chat_server.commands.proof import Result, prove, require_private, was_right
from chat_server.commands.results import Answer, Awaited
from chat_server.commands.resume import role_of
from chat_server.domain.accounts import Account
from chat_server.domain.addresses import block_of
from chat_server.domain.people import Person

if TYPE_CHECKING:
    from chat_server.auth import Auth
    from chat_server.dispatch import Session
    from chat_server.services import Services

NONCE_SECONDS = 60.0
"""How long a challenge is good for: a program signs at once."""

Proof = account_requests.Login | requests.Credentials


class Shown(NamedTuple):
    """What came of looking at a proof; `renewed` is a hash with today's parameters, if needed."""

    right: bool
    renewed: str | None = None


class Claim(NamedTuple):
    """For whom a proof was shown, and what the account was then; `key` is the one to sign by."""

    nick: str
    account: Account | None
    revision: int
    key: str | None

    def holds(self, services: Services) -> bool:
        """Whether the account still is what it was."""
        if self.account is None or not unchanged(services, self.account, self.revision):
            return False
        return self.key is None or self.account.key == self.key


def challenge(services: Services, session: Session, request: account_requests.Challenge) -> Answer:
    """Give a number to sign; the one before is forgotten."""
    nonce = secrets.token_urlsafe(32)
    session.nonce = (nonce, session.connection.loop.now + NONCE_SECONDS)
    return partial(account_replies.ChallengeOk, nonce=nonce, server=services.server)


def login(services: Services, session: Session, request: account_requests.Login) -> Awaited:
    """Make the session that of an account."""
    require_guest(session)
    return authenticate(services, session, request, partial(_become, services, session))


def authenticate(
    services: Services, session: Session, proof: Proof, proceed: Callable[[Account], Result]
) -> Awaited:
    """Have a password or a signature looked at, then `proceed` on the loop with its account.

    Raises Refused where it cannot even be looked at; what is wrong with it is told later.
    """
    account = services.hub.accounts.by_name(proof.nick)
    revision = account.revision if account is not None else 0
    key: str | None = None
    if proof.password is not None:
        require_private(services, session)
        hash = account.hash if account is not None else ""
        job = partial(_try_password, services.auth, hash, proof.password)
    else:
        key = account.key if account is not None else ""
        job = partial(_try_signature, services, _nonce(session), key, proof)
    claim = Claim(proof.nick, account, revision, key)
    identified = partial(_identified, services, session, claim, proceed)
    return prove(services, session, proof.nick, job, identified, light=key is not None)


def _try_password(auth: Auth, hash: str, password: str) -> Shown:
    """Look at a password; in a hasher."""
    if not auth.check(hash, password):
        return Shown(False)
    return Shown(True, auth.hash(password) if auth.outdated(hash) else None)


def _try_signature(services: Services, nonce: str | None, key: str, proof: Proof) -> Shown:
    """Look at a signature; in a worker."""
    text = services.auth.to_sign(services.server, proof.nick, nonce or "")
    by = key if nonce is not None else ""
    return Shown(services.auth.signed(by, text, proof.signature or ""))


def _nonce(session: Session) -> str | None:
    """The challenge of this connection, used up by this; None where there is none in time."""
    nonce, until = session.nonce or ("", 0.0)
    session.nonce = None
    return nonce if nonce and session.connection.loop.now < until else None


def _identified(
    services: Services,
    session: Session,
    claim: Claim,
    proceed: Callable[[Account], Result],
    shown: Shown,
) -> Result:
    """Go on as the account that was shown to be theirs; on the loop again."""
    account = claim.account
    if account is None or not shown.right or not claim.holds(services):
        raise failed(services, session, claim.nick)
    result = proceed(account)
    was_right(services, session, claim.nick)
    note(services, session, "login", account.name)
    if not claim.holds(services):  # by another loop, while we took our seat
        account.barred |= {session.number}
        services.hub.dismiss((session,), revoked())
    else:
        _keep(services, session, account, shown.renewed)
    return result


def _keep(services: Services, session: Session, account: Account, renewed: str | None) -> None:
    """Have it stored from where the account was logged in to, and its new hash, if that is news."""
    block = block_of(session.connection.address)
    if renewed is None and block == account.block:
        return
    account.block = block
    account.hash = account.hash if renewed is None else renewed
    with suppress(Refused):  # it was removed this very moment
        services.hub.keep_account(account, _ignore)


def _become(services: Services, session: Session, account: Account) -> Answer:
    services.hub.switch(session, account)
    return identity(session)


def logout(services: Services, session: Session, request: account_requests.Logout) -> Answer:
    """Make the session that of a guest, without what it was granted as somebody else."""
    account = account_of(session)
    services.hub.switch(session, None)
    session.elevated = False
    note(services, session, "logout", account.name)
    return identity(session)


# What other commands need of it


def identity(session: Session, person: Person | None = None) -> Answer:
    """The reply that says who one is now."""
    return partial(
        account_replies.IdentityOk,
        user=(person or session.known).user,
        role=role_of(session) if session.person is not None else None,
        rooms=[room.name for room in session.rooms.values()],
    )


def require_guest(session: Session) -> None:
    """Refuse (`auth.already`) who is somebody's account."""
    if session.known.account is not None or session.operator is not None:
        raise Refused("auth.already", "You are logged in already: log out first.")


def account_of(session: Session) -> Account:
    """The account of the session; an administrator by password alone has none."""
    if session.known.account is None:
        raise Refused("auth.required", "This needs an account: log in, or register.")
    return session.known.account


def unchanged(services: Services, account: Account, revision: int) -> bool:
    """Whether the account has the password that it had when something was shown for it."""
    return services.hub.accounts.by_uid(account.uid) is account and account.revision == revision


def failed(services: Services, session: Session, nick: str) -> Refused:
    """What to say to a wrong proof, which is written down."""
    note(services, session, "login_failed", nick)
    return Refused("auth.failed", "The name is not right, or what shows that it is yours.")


def revoked() -> Refused:
    """How the sessions end that were begun with what is no proof any more."""
    return Refused("session.revoked", "The account was removed, or its password or key changed.")


def bar(services: Services, account: Account, but: Session | None = None) -> None:
    """Have no session of the account's change its key any more, `but` one: they are about to end.

    Until each of them hears of it, it goes on; what one of them sets now would be there for good.
    """
    sessions = services.hub.sessions(account.uid)
    account.barred = frozenset(each.number for each in sessions if each is not but)


def note(services: Services, session: Session, event: str, nick: str) -> None:
    """Write down what became of an account, and from where."""
    services.log.note(event, nick=nick, address=session.connection.address)


def _ignore(_: Refused | None) -> None:
    """The old hash is as good, and the next login makes a new one again."""
