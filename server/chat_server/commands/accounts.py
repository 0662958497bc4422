"""Having an account: making it, changing how one logs in to it, giving it up.

Rules:
- What changes an account is answered when it is stored; what could not be stored was not done.
- `_try_…` run in a hasher, with what the account was when the request came; what they found counts
  only if it still is.
- Another password, or another key in the place of one, puts out whoever may have come in by the old
  one. A new password leaves no key: who was in for a moment may have set it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import account_replies, account_requests, replies
from chat_schema.errors import Refused
from chat_schema.names import same_name
from chat_server.commands.login import (
    account_of,
    bar,
    failed,
    identity,
    note,
    require_guest,
    revoked,
    unchanged,
)
from chat_server.commands.proof import (
    distrust_others,
    prove,
    require_private,
    trust,
    was_right,
)
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
    account.block = person.block
    keep = partial(services.hub.add_account, account)
    return stored(session, keep, partial(_adopt, services, session, person, account))


def _adopt(services: Services, session: Session, person: Person, account: Account) -> Answer:
    """Let the person be the account's, whether the session is still there or not."""
    services.hub.adopt(person, account, session)
    trust(services, session, account.name)
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
    was_right(services, session, account.name)
    return _renew(services, session, account, "passwd", replies.Ok, hash=hash, key="")


def _renew(
    services: Services,
    session: Session,
    account: Account,
    event: str,
    answer: Answer,
    *,
    key: str,
    hash: str | None = None,
) -> Awaited:
    """Change what opens the account, and end whatever was begun with what it was."""
    old_hash, old_key, barred = account.hash, account.key, account.barred
    account.renew(hash=hash, key=key)
    bar(services, account, session)

    def undo() -> None:
        account.renew(hash=old_hash if hash is not None else None, key=old_key)
        account.barred = barred

    keep = partial(services.hub.keep_account, account)
    return stored(session, keep, partial(_renewed, services, session, account, event, answer), undo)


def _renewed(
    services: Services, session: Session, account: Account, event: str, answer: Answer
) -> Then:
    """End the rest; the answer comes when it is stored that no token of theirs is good."""
    note(services, session, event, account.name)
    distrust_others(services, session, account.name)
    bar(services, account, session)  # whoever came in while it was being stored
    stamp = session.connection.loop.stamp
    services.hub.put_off(account.uid, revoked(), stamp, but=session, reason="lost")
    keep = partial(services.hub.keep_account, account)  # behind the stays that were dropped
    return Then(lambda: stored(session, keep, lambda: answer))


def key(services: Services, session: Session, request: account_requests.Key) -> Answer | Awaited:
    """Tell the key, after setting or removing it where that is asked.

    To take one away is an attempt: it ends sessions, and nobody shall go on doing so.
    """
    account = account_of(session)
    public = request.public
    if public is None or public == account.key:
        return partial(account_replies.KeyOk, public=account.key)
    proceed = partial(_change_key, services, session, account, public)
    if not account.key:
        return proceed(None)
    return prove(services, session, "", _nothing, proceed, light=True)


def _nothing() -> None:
    """There is nothing to look at; it is about the wait."""


def _change_key(
    services: Services, session: Session, account: Account, public: str, _: None
) -> Awaited:
    if session.number in account.barred:
        raise revoked()
    answer = partial(account_replies.KeyOk, public=public)
    if account.key:
        return _renew(services, session, account, "key", answer, key=public)
    account.renew(key=public)
    keep = partial(services.hub.keep_account, account)
    done = partial(_key_set, services, session, account, answer)
    return stored(session, keep, done, lambda: account.renew(key=""))


def _key_set(services: Services, session: Session, account: Account, answer: Answer) -> Answer:
    note(services, session, "key", account.name)
    return answer


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
    was_right(services, session, account.name)
    services.attempts.distrust(same_name(account.name))
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
