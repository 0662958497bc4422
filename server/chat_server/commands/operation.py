"""What only the operator does, on the server's own machine: looking after accounts.

Rules:
- Whatever changes an account is answered when it is stored, and noted in the audit.
- Another password, and the end of an account, end its sessions; another role holds at once. With
  another password the account has no key: whoever needs the operator does not know who set it.
"""

from __future__ import annotations

from functools import partial
from heapq import nsmallest
from typing import TYPE_CHECKING

from chat_schema import admin_requests, limits, moderation_replies
from chat_schema.errors import Refused
from chat_schema.moderation_replies import ServerRole
from chat_schema.names import RESERVED_NICKS, same_name
from chat_server import composition
from chat_server.commands.login import bar, revoked
from chat_server.commands.results import Answer, Awaited, Later, Then
from chat_server.commands.storing import stored
from chat_server.domain.accounts import Account, require_strong
from chat_server.domain.people import GUEST_NICK, Person, new_uid
from chat_server.domain.sanctions import network_of

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub
    from chat_server.services import Services


def accounts(services: Services, session: Session, request: admin_requests.Accounts) -> Later:
    """List the accounts by name."""
    return Later(partial(_page, services.hub, request.after))


def _page(hub: Hub, after: str | None) -> Answer:
    everyone = hub.accounts.all()
    bound = same_name(after) if after is not None else ""
    later = [account for account in everyone if same_name(account.name) > bound]
    chosen = nsmallest(limits.LIST_PAGE, later, key=lambda account: same_name(account.name))
    return partial(
        moderation_replies.AccountsOk,
        accounts=[_entry_of(hub, account) for account in chosen],
        count=len(everyone),
        more=len(later) > len(chosen),
    )


def account(
    services: Services, session: Session, request: admin_requests.Account
) -> Answer | Awaited:
    """Tell of an account, after making, changing or removing it."""
    found = services.hub.accounts.by_name(request.nick)
    if found is None and request.password is None:
        raise Refused("user.unknown", f"There is no account {request.nick}.", field="nick")
    if request.password is not None:
        require_strong(request.password, request.nick)
        job = partial(_hash, services, session, request, request.password)
        return Awaited(partial(services.hashers.submit, job, first=True))
    assert found is not None
    if request.remove:
        return _remove(services, session, found)
    if request.role is not None:
        return _change(services, session, found, request.role, None)
    return _told(services.hub, found)


def _require_free(hub: Hub, nick: str) -> None:
    """Refuse a new account the nick of somebody who is online, or of nobody ever."""
    nobodys = same_name(nick) in RESERVED_NICKS or GUEST_NICK.fullmatch(nick)
    if nobodys or network_of(nick) is not None:
        raise Refused("nick.reserved", f"No account gets the nick {nick}.", field="nick")
    if isinstance(hub.find(nick), Person):
        raise Refused("nick.taken", f"Somebody online is called {nick}.", field="nick")


def _hash(
    services: Services, session: Session, request: admin_requests.Account, password: str
) -> Then:
    """Hash the new password, and go on with it; in a hasher."""
    return Then(partial(_with_password, services, session, request, services.auth.hash(password)))


def _with_password(
    services: Services, session: Session, request: admin_requests.Account, hash: str
) -> Awaited:
    found = services.hub.accounts.by_name(request.nick)  # it may be another by now
    if found is not None:
        return _change(services, session, found, request.role or found.role, hash)
    _require_free(services.hub, request.nick)
    wall = session.connection.loop.wall
    new = Account(new_uid(), request.nick, wall, hash, request.role or "user")
    keep = partial(services.hub.add_account, new)
    return stored(session, keep, partial(_done, services, session, new, "account-add", new.role))


def _change(
    services: Services, session: Session, found: Account, role: ServerRole, hash: str | None
) -> Awaited:
    """Give an account a role and, where there is a `hash`, another password."""
    before = (found.role, found.hash, found.key)
    found.role = role
    detail = role if role != before[0] else None
    if hash is not None:
        found.renew(hash=hash, key="")
        bar(services, found)
        services.attempts.distrust(same_name(found.name))
        services.hub.put_off(found.uid, revoked(), session.connection.loop.stamp)
    act = "account-role" if hash is None else "account-password"

    def undo() -> None:
        found.role = before[0]
        if hash is not None:
            found.renew(hash=before[1], key=before[2])

    keep = partial(services.hub.keep_account, found)
    return stored(session, keep, partial(_done, services, session, found, act, detail), undo)


def _remove(services: Services, session: Session, found: Account) -> Awaited:
    """Have an account exist no more, and whoever is logged in to it go."""
    stamp = session.connection.loop.stamp
    found.renew(hash="", key="")
    services.attempts.distrust(same_name(found.name))
    services.hub.put_off(found.uid, revoked(), stamp)
    remove = partial(services.hub.remove_account, found, stamp)
    return stored(session, remove, partial(_done, services, session, found, "account-remove", None))


def _done(
    services: Services, session: Session, found: Account, act: str, detail: str | None
) -> Answer:
    services.audit.note(session, act, target=found.name, detail=detail)
    return _told(services.hub, found)


def _told(hub: Hub, found: Account) -> Answer:
    return partial(moderation_replies.AccountOk, account=_entry_of(hub, found))


def _entry_of(hub: Hub, found: Account) -> moderation_replies.AccountEntry:
    return moderation_replies.AccountEntry(
        uid=found.uid,
        nick=found.name,
        role=found.role,
        created=composition.date(found.created),
        key=found.key != "",
        online=bool(hub.sessions(found.uid)),
    )
