"""Arriving, staying, being called something, and leaving."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import nsmallest
from typing import TYPE_CHECKING

from chat_schema import PROTOCOL_VERSION, limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.names import same_name
from chat_server.commands import resume
from chat_server.commands.acting import require_unmuted
from chat_server.commands.login import authenticate
from chat_server.commands.results import Answer, Awaited, Farewell, Later
from chat_server.domain.accounts import Account
from chat_server.domain.people import Person

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services


def hello(services: Services, session: Session, request: requests.Hello) -> Answer | Awaited:
    """Let somebody in, under the nick they ask for or as a guest, or back in."""
    if session.person is not None:
        raise Refused("protocol.already_welcome", "You have been welcomed already.")
    if request.version not in (None, PROTOCOL_VERSION):
        raise Refused(
            "protocol.version",
            f"This server speaks version {PROTOCOL_VERSION} of the protocol.",
            versions=(PROTOCOL_VERSION, PROTOCOL_VERSION),
        )
    if request.resume is not None and request.id is None:
        raise Refused("field.missing", "Without an id no reply brings the token.", field="id")
    if request.login is not None:
        proceed = partial(_welcome, services, session, request)
        return authenticate(services, session, request.login, proceed)
    return _welcome(services, session, request, None)


def _welcome(
    services: Services, session: Session, request: requests.Hello, account: Account | None
) -> Answer | Awaited:
    """Let in who has shown what they have to."""
    session.client = request.client
    if request.resume is not None:
        return resume.welcome_back(services, session, request, request.resume, account)
    services.hub.arrive(session, request.nick, account=account)
    session.connection.welcomed()
    return resume.welcome(services, session)


def ping(services: Services, session: Session, request: requests.Ping) -> Answer:
    """Answer: everything before is done, and everything it caused is before this reply."""
    return replies.Ok


def pong(services: Services, session: Session, request: requests.Pong) -> None:
    """Take the sign of life; reading it was all that it asked for."""


def quit_(services: Services, session: Session, request: requests.Quit) -> Farewell:
    """Let somebody go."""
    return Farewell(replies.Ok)


def nick(services: Services, session: Session, request: requests.Nick) -> Answer:
    """Give somebody another nick; who is muted says nothing by it."""
    require_unmuted(services, session, list(session.known.rooms.values()))
    services.hub.rename(session, request.nick)
    return partial(replies.NickOk, user=session.known.user)


def users(services: Services, session: Session, request: requests.Users) -> Later:
    """List who is in a room of the asker's, or who is online."""
    if request.room is None:
        return Later(partial(_page, services.hub.everyone, request.after))
    members = partial(services.hub.members, session.room(request.room))
    return Later(partial(_page, members, request.after))


def _page(list_people: Callable[[], list[Person]], after: str | None) -> Answer:
    people = list_people()
    bound = same_name(after) if after is not None else ""
    later = [person for person in people if same_name(person.nick) > bound]
    chosen = nsmallest(limits.LIST_PAGE, later, key=lambda person: same_name(person.nick))
    return partial(
        replies.UsersOk,
        users=[person.user for person in chosen],
        count=len(people),
        more=len(later) > len(chosen),
    )
