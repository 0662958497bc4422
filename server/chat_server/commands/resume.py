"""Coming back: taking up a stay, entering its rooms again, and replaying what was missed.

Rules:
- A conversation is entered on the loop at an exact number; everything up to it is replayed from the
  journal, everything after it comes live. Nothing is sent twice, nothing is left out.
- Meanwhile the outbox is held, so that what comes live stands after what is replayed.
- The welcome, with the token, goes out when the stay is kept: a server that is killed a moment
  later knows the token again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from chat_schema import PROTOCOL_LEVEL, PROTOCOL_VERSION, limits, replies, requests
from chat_schema.errors import Refused
from chat_schema.events import Replay
from chat_schema.framing import encode_frame
from chat_schema.moderation_replies import ServerRole
from chat_schema.names import EVERYONE, same_name
from chat_server.commands.history import conversations, readable
from chat_server.commands.results import Answer, Awaited, Finish
from chat_server.metering import charge_rooms

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.domain.accounts import Account
    from chat_server.domain.rooms import Room
    from chat_server.journal.base import Journal, Position
    from chat_server.net.loop import Loop
    from chat_server.services import Resume, Services

TURN = 0.1
"""Seconds to wait for a turn when too many come back at once."""

log = logging.getLogger("chat_server")

Cursors = Mapping[str, tuple[str, int]]


class Missed(NamedTuple):
    """A conversation to replay: from the client's cursor to where the room stood when entered."""

    name: str
    key: str
    cursor: tuple[str, int]
    position: Position


def welcome(
    services: Services, session: Session, resumption: replies.Resumption | None = None
) -> Answer:
    """The reply to hello."""
    services.log.note(
        "connected",
        uid=session.known.uid,
        nick=session.known.nick,
        address=session.connection.address,
        resumed=int(resumption is not None and resumption.resumed) or None,
    )
    return partial(
        replies.Welcome,
        version=PROTOCOL_VERSION,
        level=PROTOCOL_LEVEL,
        server=services.server,
        user=session.known.user,
        limits=services.limits,
        heartbeat=services.heartbeat,
        durability=services.journal.durability,
        resume=resumption,
        motd=services.motd,
        role=role_of(session),
    )


def role_of(session: Session) -> ServerRole | None:
    """What somebody may do on the whole server, None where that is nothing special."""
    if session.elevated:
        return "admin"
    account = session.known.account
    return account.role if account is not None and account.role != "user" else None


def welcome_back(
    services: Services,
    session: Session,
    request: requests.Hello,
    wish: requests.Resume,
    account: Account | None,
) -> Awaited:
    """Let somebody in who can come back, or who does."""
    token = wish.token or ""
    taken = _take_up(services, session, _digest(token), wish.rooms, account) if token else None
    heads, expelled = taken or ({}, [])
    if taken is None:
        token = secrets.token_urlsafe(32)
        services.hub.arrive(session, request.nick, _digest(token), account)
        session.connection.welcomed()
        session.connection.outbox.hold()
        heads = _enter(services, session, _rooms_in(wish.rooms or {}))
    missed = [] if wish.rooms is None else _missed(services, session, wish.rooms, heads)
    resumption = replies.Resumption(
        token=token,
        seconds=services.resume.seconds,
        resumed=taken is not None,
        rooms=[room.name for room in session.rooms.values()],
        everyone=_position(services.journal, EVERYONE),
        conversations=conversations(services.hub, session)[: limits.RESUMED] or None,
        expelled=expelled or None,
    )
    return Awaited(partial(_start, services, session, missed, resumption))


def _digest(token: str) -> str:
    """What is kept of a token: who reads the database cannot come back as somebody else."""
    return sha256(token.encode()).hexdigest()


def _take_up(
    services: Services,
    session: Session,
    digest: str,
    cursors: Cursors | None,
    account: Account | None,
) -> tuple[dict[str, int], list[str]] | None:
    """Take up the stay of this token, in the rooms it names, or else in those it had.

    Returns at which numbers they were entered, and out of which it was put; None where there is no
    such stay, or where it is not that of the account that was logged in to.
    """
    held = services.hub.resume(session, digest, account)
    if held is None:
        return None
    session.connection.welcomed()
    session.connection.outbox.hold()
    wanted = [room.name for room in held.rooms.values()] if cursors is None else _rooms_in(cursors)
    expelled = [name for name in wanted if same_name(name) in held.lost]
    kept = [name for name in wanted if name not in expelled]
    heads = _enter(services, session, kept, held.rooms)
    _leave(services, session, held.rooms)
    return heads, expelled


def _rooms_in(cursors: Cursors) -> list[str]:
    return [name for name in cursors if name != EVERYONE and not name.startswith("dm:")]


def _enter(
    services: Services, session: Session, names: list[str], paid: Collection[str] = ()
) -> dict[str, int]:
    """Enter the rooms; return the number at which each was, after which everything comes live.

    Those of the stay, `paid` by their keys, cost nothing.
    """
    heads: dict[str, int] = {}
    codes: list[str] = []
    new = [name for name in names if same_name(name) not in paid]
    try:
        if services.meters is not None:
            charge_rooms(services.hub, services.meters, session, len(new))
    except Refused:
        names = [name for name in names if name not in new]
    for name in names[: services.limits.rooms]:
        try:
            room, audience = services.hub.enter(session, name)
        except Refused as refused:  # the client sees in `rooms` that it is not there
            codes.append(refused.code)
        else:  # now: entering the next one takes what has come for this one
            heads.setdefault(room.key, audience.delivered)
    _note_refused(services, session, codes)
    return heads


def _note_refused(services: Services, session: Session, codes: list[str]) -> None:
    """Tell the log in one line: whoever comes may name any rooms, and many."""
    if codes:
        services.log.note(
            "rooms_refused",
            nick=session.known.nick,
            address=session.connection.address,
            rooms=len(codes),
            codes=",".join(sorted(set(codes))),
        )


def _leave(services: Services, session: Session, rooms: Mapping[str, Room]) -> None:
    for key, room in rooms.items():
        if key not in session.rooms:
            services.hub.leave(session, room)


def _missed(
    services: Services, session: Session, cursors: Cursors, heads: Mapping[str, int]
) -> list[Missed]:
    """What to replay, with the exact number up to which it has to be."""
    hub, journal = services.hub, services.journal
    missed: list[Missed] = []
    for conversation, cursor in cursors.items():
        try:
            name, key = readable(session, conversation)
        except Refused:
            continue
        if any(key == room.key for room in missed):
            continue  # the same room in other letters
        if key.startswith("dm:") and key not in session.known.conversations:
            continue  # it never was; to ask where it stands would make it known for ever
        position = journal.position(key)
        if key in heads:
            # another loop may be ahead, and have sent more: what comes live again is dropped there
            seen = min(cursor[1], position.head) if cursor[0] == position.epoch else 0
            position = position._replace(head=max(heads[key], seen))
        missed.append(Missed(name, key, cursor, position))
    unnamed = [room for room in conversations(hub, session) if room not in cursors]
    missed.extend(
        Missed(room, room, ("", 0), journal.position(room)) for room in unnamed[: limits.RESUMED]
    )
    return missed


def _start(
    services: Services,
    session: Session,
    missed: list[Missed],
    resumption: replies.Resumption,
    finish: Finish,
) -> None:
    """Have the stay kept, then what was missed read, then the answer given."""
    job = partial(_read, services, session, missed, resumption)

    def read(*_: object) -> None:
        try:
            services.workers.submit(job, finish)
        except Refused:  # everybody comes back at once after a restart: wait for one's turn
            session.connection.loop.post((_read_later, read))

    def kept(_: Refused | None) -> None:  # what could not be kept is known while this server runs
        if missed:
            read()
        else:
            finish(job(), None)

    services.hub.keep_stay(session, kept)


def _read_later(loop: Loop, item: tuple[object, Callable[[float], None]]) -> None:
    loop.call_at(loop.now + TURN, item[1])


def _read(
    services: Services,
    session: Session,
    missed: list[Missed],
    resumption: replies.Resumption,
) -> Answer:
    """Read what was missed; in a worker."""
    left = services.resume.bytes
    replays = []
    for room in missed:
        replay = _replay(services.journal, room, services.resume, left)
        left -= len(replay)
        replays.append(replay)
    return _answer(services, session, replays, resumption)


def _replay(journal: Journal, room: Missed, bounds: Resume, left: int) -> bytes:
    epoch, after = room.cursor
    if (epoch != room.position.epoch and after) or left <= 0 or after > room.position.head:
        return _unread(room)
    limit = min(bounds.events, room.position.head - after)
    if not limit:
        return _bracketed(room, [], after)
    try:
        page = journal.read(room.key, after=after, before=None, limit=limit, size=left)
    except Refused as refused:
        log.warning("a replay was not read: %s", refused.message)
        return _unread(room)
    first = max(after + 1, page.position.oldest)
    bodies = page.bodies[: max(0, room.position.head + 1 - first)]  # what follows comes live
    return _bracketed(room, bodies, first - 1 if bodies else after)


def _unread(room: Missed) -> bytes:
    """Say where the room stands and nothing else: another epoch, or no time to read it."""
    epoch, after = room.cursor
    if not after or (epoch == room.position.epoch and after <= room.position.head):
        return _bracketed(room, [], after)
    return _bracketed(room, [], room.position.head, known=False)


def _bracketed(room: Missed, bodies: list[bytes], after: int, *, known: bool = True) -> bytes:
    """Frames of a replay; `known`: the cursor was in the run of numbers that there is."""
    head, to = room.position.head, after + len(bodies)
    begin = Replay(
        room=room.name,
        state="begin",
        epoch=room.position.epoch,
        after=after,
        to=to,
        head=head,
        complete=known and to == head and after == room.cursor[1],
    )
    end = Replay(room=room.name, state="end")
    frames = [_body(begin), *bodies, _body(end)]
    return b"".join(encode_frame(frame) for frame in frames)


def _body(event: Replay) -> bytes:
    return event.model_dump_json(exclude_none=True).encode()


def _position(journal: Journal, key: str) -> tuple[str, int]:
    position = journal.position(same_name(key))
    return position.epoch, position.head


def _answer(
    services: Services,
    session: Session,
    replays: list[bytes],
    resumption: replies.Resumption,
) -> Answer:
    def answer(*, re: str, ignored: list[str] | None) -> replies.Ok | replies.Welcome | bytes:
        # on the loop, where it is certain that the session still has the stay
        session.connection.outbox.release(b"".join(replays))
        return welcome(services, session, resumption)(re=re, ignored=ignored)

    return answer
