"""Taking no whispers from somebody, nor invitations: kept with the account, or for a stay."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import account_replies, account_requests
from chat_schema.errors import Refused
from chat_schema.names import User, same_name
from chat_server.commands.results import Answer, Awaited
from chat_server.commands.storing import stored

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services

IGNORED = 500
"""People that one can ignore; the one ignored longest ago gives way to the next."""


def ignore(
    services: Services, session: Session, request: account_requests.Ignore
) -> Answer | Awaited:
    """Ignore somebody who is online or has an account."""
    found = services.hub.find(request.target)
    if found is None:
        raise Refused("user.unknown", f"There is nobody called {request.target}.", field="target")
    if found.uid == session.known.uid:
        raise Refused("user.self", "You cannot ignore yourself.", field="target")
    ignored = session.known.ignored
    if len(ignored) >= IGNORED and found.uid not in ignored:
        del ignored[next(iter(ignored))]
    ignored[found.uid] = request.target
    return _kept(services, session)


def unignore(
    services: Services, session: Session, request: account_requests.Unignore
) -> Answer | Awaited:
    """Take things from somebody again, by the nick they have, or the last one that was known."""
    ignored, name = session.known.ignored, same_name(request.target)
    found = services.hub.find(request.target)
    gone = [uid for uid, nick in ignored.copy().items() if same_name(nick) == name]
    if found is None and not gone:
        raise Refused("user.unknown", f"There is nobody called {request.target}.", field="target")
    for uid in [found.uid] if found is not None and found.uid in ignored else gone:
        ignored.pop(uid, None)
    return _kept(services, session)


def ignores(services: Services, session: Session, request: account_requests.Ignores) -> Answer:
    """List whom one ignores."""
    return _listed(services, session)


def _kept(services: Services, session: Session) -> Answer | Awaited:
    """Have it stored where there is an account, and answer with the list."""
    account, answer = session.known.account, partial(_listed, services, session)
    if account is None:
        return answer()
    return stored(session, partial(services.hub.keep_account, account), answer)


def _listed(services: Services, session: Session) -> Answer:
    users = [
        services.hub.user(uid) or User(uid=uid, nick=nick)
        for uid, nick in session.known.ignored.copy().items()  # another session may change it
    ]
    users.sort(key=lambda user: same_name(user.nick))
    return partial(account_replies.IgnoresOk, users=users)
