"""Waiting for one's turn to show a password or a signature, and having it checked.

Rules:
- Whatever checks a password on the wire goes through here: login, register, passwd, unregister,
  elevate. So every one of them is an attempt, and none is taken where others can read it.
- A hash is computed by a hasher (services.py), never by a worker and never on a loop. What takes
  no time is `light`, and a worker's: it does not stand behind the hashes of strangers.
- From an address that is trusted with the account, a hash goes before those of strangers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from chat_schema.errors import Refused
from chat_schema.names import same_name
from chat_server.commands.results import Answer, Awaited, Farewell, Finish, Later, Then
from chat_server.domain.addresses import block_of, is_loopback

if TYPE_CHECKING:
    from chat_server.dispatch import Session
    from chat_server.services import Services
    from chat_server.workers import Job, Outcome

T = TypeVar("T")

Result = Answer | Later | Awaited | Farewell | None


def require_private(services: Services, session: Session) -> None:
    """Refuse (`auth.insecure`) a password on a connection that others can read."""
    connection = session.connection
    if connection.secure or session.operator is not None or is_loopback(connection.address):
        return
    if not services.auth.plain_passwords:
        message = "Others can read this connection: passwords are taken over TLS only."
        raise Refused("auth.insecure", message)


def prove(
    services: Services,
    session: Session,
    name: str,
    job: Callable[[], T],
    proceed: Callable[[T], Result],
    *,
    light: bool = False,
) -> Awaited:
    """Count an attempt, wait, have a hasher do `job`, then `proceed` with what it found.

    `name` is what is guessed at: an account, `*` for the administrator's password, "" for nothing.
    `proceed` is called on the loop, like a handler; a `light` job is done by a worker. Raises
    Refused (`rate.logins`) where too many of the address wait already.
    """
    loop = session.connection.loop
    block, name = block_of(session.connection.address), same_name(name)
    first = services.attempts.trusts(block, name)
    wait = services.attempts.delay(block, name, loop.now)
    submit = partial((services.workers if light else services.hashers).submit, first=first)

    def start(finish: Finish) -> None:
        outcome = partial(_hand_over, proceed, finish)
        if wait:
            loop.call_at(loop.now + wait, lambda _: _submit_late(submit, job, outcome))
        else:
            submit(job, outcome)

    return Awaited(start)


def was_right(services: Services, session: Session, name: str) -> None:
    """Take back what the attempt cost: guessing is what is slow, not coming back."""
    services.attempts.right(block_of(session.connection.address), same_name(name))


def trust(services: Services, session: Session, name: str) -> None:
    """Remember that the session's address is that of the account's owner."""
    services.attempts.trust(block_of(session.connection.address), same_name(name))


def distrust_others(services: Services, session: Session, name: str) -> None:
    """Forget every other address that was right for the account."""
    services.attempts.distrust(same_name(name), but=block_of(session.connection.address))


def _submit_late(
    submit: Callable[[Job, Outcome], None],
    job: Callable[[], T],
    outcome: Callable[[T | None, BaseException | None], None],
) -> None:
    """Submit after the wait, where nobody is there any more to take a refusal."""
    try:
        submit(job, outcome)
    except Refused as refused:
        outcome(None, refused)


def _hand_over(
    proceed: Callable[[T], Result], finish: Finish, found: T, error: BaseException | None
) -> None:
    finish(None if error is not None else Then(partial(proceed, found)), error)
