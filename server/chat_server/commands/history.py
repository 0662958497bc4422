"""Reading what was said before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat_schema import limits, requests
from chat_schema.errors import Refused
from chat_schema.names import EVERYONE, conversation_of, same_name, uids_of
from chat_server import composition
from chat_server.commands.results import Answer, Later
from chat_server.journal.base import Query
from chat_server.journal.words import words_of

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.hub import Hub
    from chat_server.journal.base import Journal
    from chat_server.services import Services

PAGE_BYTES = limits.FRAME_TO_CLIENT // 2
"""Bytes of events in one page: the longest event and the envelope fit into a frame beside them."""

WORDS = 8
"""Words in one search: each costs a walk through the index."""

PLACES = 500
"""Conversations looked through at once; any other can be named."""


def history(services: Services, session: Session, request: requests.History) -> Later:
    """Read a page of a conversation that the asker may read."""
    if request.after is not None and request.before is not None:
        raise Refused("history.range", "Ask either after a number or before one.", field="after")
    name, key = readable(session, request.room)
    return Later(partial(_read, services.journal, name, key, request))


def search(services: Services, session: Session, request: requests.Search) -> Later:
    """Find what was said where the asker may read."""
    if request.before is not None and request.room is None:
        raise Refused("field.invalid", "A number needs its room: name one.", field="before")
    words = _needed(words_of(request.text))
    if not words:
        raise Refused("field.invalid", "The text has no word to look for.", field="text")
    if len(words) > WORDS:
        message = f"A search has at most {WORDS} words."
        raise Refused("field.invalid", message, field="text", limit=WORDS, size=len(words))
    named = request.room
    rooms = [readable(session, named)[1]] if named else readable_to(services.hub, session)
    query = Query(
        rooms,
        words,
        request.sender,
        request.before,
        request.limit or limits.SEARCH_PAGE,
        PAGE_BYTES,
    )
    return Later(partial(_search, services.journal, query), search=True)


def _needed(words: list[str]) -> list[str]:
    """The words without those that the others imply."""
    return [
        word
        for place, word in enumerate(words)
        if not any(
            other.startswith(word) and (other != word or place > earlier)
            for earlier, other in enumerate(words)
            if earlier != place
        )
    ]


def _search(journal: Journal, query: Query) -> Answer:
    found = journal.search(query)
    return partial(composition.search_ok, hits=found.bodies, more=found.more)


def readable_to(hub: Hub, session: Session) -> list[str]:
    """The keys of everything that `readable` lets the session read, at most PLACES."""
    return [EVERYONE, *session.rooms, *conversations(hub, session)][:PLACES]


def conversations(hub: Hub, session: Session) -> list[str]:
    """The session's whispers, those with accounts first: any number of guests may whisper."""
    own = session.known.uid

    def rank(room: str) -> tuple[bool, str]:
        return all(uid == own or hub.accounts.by_uid(uid) is None for uid in uids_of(room)), room

    return sorted(session.known.conversations.copy(), key=rank)


def readable(session: Session, conversation: str) -> tuple[str, str]:
    """Name and key of a conversation the session may read; the one place that decides it.

    Raises Refused where it may not; that a room exists is not given away.
    """
    if conversation == EVERYONE:
        return EVERYONE, EVERYONE
    if conversation.startswith("dm:"):
        one, other = conversation.split(":")[1:]
        if session.known.uid in (one, other) and conversation == conversation_of(one, other):
            return conversation, conversation
        raise Refused("room.not_member", "You are not part of this conversation.", field="room")
    return session.room(conversation).name, same_name(conversation)


def _read(journal: Journal, name: str, key: str, request: requests.History) -> Answer:
    page = journal.read(
        key,
        after=request.after,
        before=request.before,
        limit=request.limit or limits.HISTORY_PAGE,
        size=PAGE_BYTES,
    )
    return partial(
        composition.history_ok,
        room=name,
        events=page.bodies,
        more=page.more,
        oldest=page.position.oldest,
        head=page.position.head,
        epoch=page.position.epoch,
    )
