"""What all acts of those who look after rooms have in common: on whom, and how they are told.

Rules:
- That the session has the rank is checked before (registry.py); here, that it is above the person
  concerned.
- A policy is changed before the act's event is given to the journal; where that cannot be kept, the
  change is undone and the request refused.
- What follows from an act, as being put out, is done when its event is kept, and before the reply.
- Who is muted on the server does not act: a reason is a text, and so is the name of a room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chat_schema.errors import Refused
from chat_schema.moderation_replies import ActOk
from chat_schema.names import EVERYONE, User
from chat_schema.request import Request
from chat_server import composition
from chat_server.commands.results import Answer, Awaited, Finish
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank
from chat_server.domain.rooms import Room
from chat_server.journal.base import Answer as Numbered
from chat_server.journal.base import Entry, First, JournalFull, Kept, Outcome

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.domain.accounts import Account
    from chat_server.hub import Hub
    from chat_server.services import Services


WITH_REASON = frozenset({"kick", "ban", "mute"})
"""Acts whose events hold a text of who acts: nobody outside of the room is told of these."""


class Deed(NamedTuple):
    """One act in a room.

    `type` and `extra` make its event, with `target` where somebody is concerned. `follow` is what
    happens when the event is kept, `undo` takes back what was done when it is not. `detail` is for
    the audit.
    """

    type: str
    extra: Mapping[str, Any]
    follow: Callable[[], object]
    undo: Callable[[], object]
    detail: str | None = None


def place(services: Services, session: Session, name: str) -> Room | None:
    """The room that a request names; None is the whole server."""
    return None if name == EVERYONE else services.hub.room_of(session, name)


def require_unmuted(services: Services, session: Session, rooms: Iterable[Room] = ()) -> None:
    """Refuse who is muted on the server or in one of these rooms, unless they administer it."""
    hub, now = services.hub, session.connection.loop.wall
    if hub.rank(session) >= Rank.ADMIN:
        return
    hub.require_speech(session, None, now)
    applicant = hub.applicant(session)
    for room in rooms:
        refused = room.policy.refuse_muted(applicant, hub.rank(session, room), now)
        if refused is not None:
            text = refused.message.replace("the room", room.name, 1)
            raise Refused(refused.code, text, retry_after=refused.retry_after)


def anybody(hub: Hub, nick: str) -> Person | Account:
    """Whoever is online or has an account under this nick; raise Refused where nobody does."""
    found = hub.find(nick)
    if found is None:
        text = f"Nobody called {nick} is online or has an account."
        raise Refused("user.unknown", text, field="target")
    return found


def require_above(
    services: Services, session: Session, found: Person | Account, room: Room | None
) -> None:
    """Refuse acts on oneself, and on who is of the same rank or above."""
    if found.uid == session.known.uid:
        raise Refused("user.self", "You cannot do this to yourself.", field="target")
    if services.hub.rank(session, room) <= services.hub.rank_of(found.uid, room):
        raise Refused("permission.denied", f"{name_of(found)} has your rank, or a higher one.")


def require_inside(found: Person | Account, room: Room) -> Person:
    """The person, where they are in the room."""
    person = room.members.get(found.uid)
    if person is None:
        raise Refused("user.absent", f"{name_of(found)} is not in the room.", field="target")
    return person


def name_of(found: Person | Account) -> str:
    """What somebody is called."""
    return found.nick if isinstance(found, Person) else found.name


def account_of(found: Person | Account) -> Account | None:
    """The account of somebody who has one."""
    return found.account if isinstance(found, Person) else found


def user_of(found: Person | Account) -> User:
    """Somebody as events show them."""
    return found.user if isinstance(found, Person) else Person(found.uid, found.name, found).user


def perform(
    services: Services,
    session: Session,
    request: Request,
    room: Room,
    deed: Deed,
    ready: Answer | None = None,
) -> None:
    """Give the event of an act to the journal; the actor is answered when it is kept.

    The answer is `ready`, else the number of the event. Raises JournalFull where too much waits,
    and Refused where the actor was put out meanwhile, on another loop; then nothing has happened.
    """
    ts = session.connection.loop.stamp
    head, tail = composition.act(deed.type, room.name, ts, session.known, deed.extra)
    entry = Entry(
        room.key,
        head,
        tail,
        ts=ts,
        author=session.known.uid,
        cid=None,
        origin=session,
        re=request.id,
        answer=_reply(session, request, ready or partial(ActOk, room=room.name, ts=ts)),
        voice=room.voices.get(session.known.uid),
        then=partial(_settle, services.hub, room, deed),
    )
    try:
        if entry.voice is None and services.hub.rank(session) < Rank.ADMIN:
            raise Refused("room.not_member", f"You are not in {room.name} any more.", field="room")
        services.journal.append(entry)
    except (JournalFull, Refused):
        deed.undo()
        raise
    session.in_flight += 1
    note(services, session, deed, room)


def note(services: Services, session: Session, deed: Deed, room: Room | None) -> None:
    """Have an act written down."""
    target = deed.extra.get("target")
    services.audit.note(
        session,
        deed.type,
        room=EVERYONE if room is None else room.name,
        target=target.nick if target is not None else None,
        detail=deed.detail,
    )


def done_at(services: Services, session: Session) -> Awaited:
    """The reply to an act on the whole server, which has no number, when it is stored."""
    answer = partial(ActOk, room=EVERYONE, ts=session.connection.loop.stamp)
    return when_kept(services, answer)


def when_kept(services: Services, answer: Answer) -> Awaited:
    """Answer when the server's policy is stored as it is now."""

    def start(finish: Finish) -> None:
        services.hub.when_kept(lambda refused: finish(None if refused else answer, refused))

    return Awaited(start)


def nothing() -> None:
    """Nothing follows."""


def _reply(session: Session, request: Request, answer: Answer) -> Numbered | None:
    """The reply once there is a number; None where none is wanted."""
    if request.id is None:
        return None
    re, ignored = request.id, session.ignored(request)

    def numbered(seq: int, first: First | None) -> bytes:
        reply = answer(re=re, ignored=ignored)
        assert not isinstance(reply, bytes)
        if isinstance(reply, ActOk):
            reply = reply.model_copy(update={"seq": seq})
        return reply.model_dump_json(exclude_none=True).encode()

    return numbered


def _settle(hub: Hub, room: Room, deed: Deed, outcome: Outcome) -> bool:
    """Do what follows from an act; on the loop of who acted, who may be gone.

    Whom it concerns is told outside of the room too, unless they ignore who acted, or it has a
    reason and they are not in the room at all: anybody can make a room, and would reach anybody.
    """
    if not isinstance(outcome, Kept):
        deed.undo()
        return False
    target = deed.extra.get("target")
    if target is not None and _concerns(hub, target.uid, outcome.entry.author, room, deed):
        hub.tell(target.uid, outcome.frame, room.key)
    deed.follow()
    return True


def _concerns(hub: Hub, uid: str, author: str, room: Room, deed: Deed) -> bool:
    """Whether an act is told to all sessions of whom it is done to."""
    there = uid in room.members or deed.type not in WITH_REASON
    return there and not _ignores(hub, uid, author)


def _ignores(hub: Hub, uid: str, author: str) -> bool:
    """Whether somebody who is connected takes nothing from the author."""
    people = [session.person for session in hub.sessions(uid)]
    return any(person is not None and author in person.ignored for person in people)
