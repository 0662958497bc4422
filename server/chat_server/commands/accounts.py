"""Having an account: making it, changing how one logs in to it, giving it up.

Rules:
- What changes an account is answered when it is stored; what could not be stored was not done.
- `_try_…` run in a hasher, with what the account was when the request came; what they found counts
  only if it still is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import account_replies, account_requests, replies
from chat_schema.errors import Refused
from chat_schema.names import same_name
from chat_server.commands.login import (
    account_of,
    failed,
    identity,
    note,
    require_guest,
    revoked,
    unchanged,
)
from chat_server.commands.proof import prove, require_private, was_right
from chat_server.commands.results import Answer, Awaited, Then
from chat_server.commands.storing import stored
from chat_server.domain.accounts import Account, require_strong
from chat_server.domain.people import GUEST_NICK, Person

if TYPE_CHECKING:
    from chat_server.auth import Auth
    from chat_server.dispatch import Session
    from chat_server.services import Services


def register(services: Services, session: Session, request: account_requests.Register) -> Awaited:
    """Make the guest's nick an account's."""
    require_guest(session)
    require_private(services, session)
    _require_registrations(services)
    nick = session.known.nick
    if GUEST_NICK.fullmatch(nick):
        raise Refused("nick.reserved", f"{nick} is a guest's name: take another nick first.")
    require_strong(request.password, nick)
    job = partial(services.auth.hash, request.password)
    return prove(services, session, "", job, partial(_register, services, session, nick))


def _register(services: Services, session: Session, nick: str, hash: str) -> Awaited:
    """Have the account stored, then have it exist; what was true before may have changed."""
    person, loop = session.known, session.connection.loop
    require_guest(session)
    _require_registrations(services)
    if person.nick != nick:
        raise Refused("server.busy", "You were given another nick meanwhile; nothing was done.")
    account = Account(person.uid, nick, loop.wall, hash)
    keep = partial(services.hub.add_account, account)
    return stored(session, keep, partial(_adopt, services, session, person, account))


def _adopt(services: Services, session: Session, person: Person, account: Account) -> Answer:
    """Let the person be the account's, whether the session is still there or not."""
    services.hub.adopt(person, account, session)
    note(services, session, "registered", account.name)
    return identity(session, person)


def passwd(services: Services, session: Session, request: account_requests.Passwd) -> Awaited:
    """Change the password, and end whatever was begun with the old one."""
    account = account_of(session)
    require_private(services, session)
    require_strong(request.new, account.name)
    job = partial(_try_change, services.auth, account.hash, request)
    proceed = partial(_change, services, session, account, account.revision)
    return prove(services, session, account.name, job, proceed)


def _try_change(auth: Auth, hash: str, request: account_requests.Passwd) -> str | None:
    """The hash of the new password, None where the old one is wrong; in a hasher."""
    return auth.hash(request.new) if auth.check(hash, request.old) else None


def _change(
    services: Services, session: Session, account: Account, revision: int, hash: str | None
) -> Awaited:
    if hash is None or not unchanged(services, account, revision):
        raise failed(services, session, account.name)
    old = account.hash
    services.attempts.distrust(same_name(account.name))
    was_right(services, session, account.name)
    account.renew(hash=hash)
    done = partial(_changed, services, session, account)
    keep = partial(services.hub.keep_account, account)
    return stored(session, keep, done, lambda: account.renew(hash=old))


def _changed(services: Services, session: Session, account: Account) -> Then:
    """End the rest; the answer comes when it is stored that no token of theirs is good."""
    note(services, session, "passwd", account.name)
    stamp = session.connection.loop.stamp
    services.hub.put_off(account.uid, revoked(), stamp, but=session, reason="lost")
    keep = partial(services.hub.keep_account, account)  # behind the stays that were dropped
    return Then(lambda: stored(session, keep, lambda: replies.Ok))


def key(services: Services, session: Session, request: account_requests.Key) -> Answer | Awaited:
    """Tell the key, after setting or removing it where that is asked."""
    account = account_of(session)
    answer = partial(account_replies.KeyOk, public=account.key)
    if request.public is None or request.public == account.key:
        return answer
    old = account.key
    account.renew(key=request.public)
    done = partial(_set_key, services, session, account)
    keep = partial(services.hub.keep_account, account)
    return stored(session, keep, done, lambda: account.renew(key=old))


def _set_key(services: Services, session: Session, account: Account) -> Answer:
    note(services, session, "key", account.name)
    return partial(account_replies.KeyOk, public=account.key)


def unregister(
    services: Services, session: Session, request: account_requests.Unregister
) -> Awaited:
    """Give the account up."""
    account = account_of(session)
    require_private(services, session)
    job = partial(services.auth.check, account.hash, request.password)
    proceed = partial(_unregister, services, session, account, account.revision)
    return prove(services, session, account.name, job, proceed)


def _unregister(
    services: Services, session: Session, account: Account, revision: int, right: bool
) -> Awaited:
    if not right or not unchanged(services, account, revision):
        raise failed(services, session, account.name)
    loop = session.connection.loop
    services.attempts.distrust(same_name(account.name))
    was_right(services, session, account.name)
    services.hub.switch(session, None)  # first: it may be refused
    session.elevated = False
    account.renew(hash="", key="")
    services.hub.put_off(account.uid, revoked(), loop.stamp, reason="lost")
    note(services, session, "unregistered", account.name)
    answer = identity(session)
    remove = partial(services.hub.remove_account, account, loop.stamp)
    return stored(session, remove, lambda: answer)


def _require_registrations(services: Services) -> None:
    if services.hub.policy.lockdown != "none":
        raise Refused("server.locked", "No accounts are made at present.")
