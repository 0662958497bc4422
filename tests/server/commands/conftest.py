"""A server to talk to, with alice and bob in `general`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.playbook import Actor, Playbook


@pytest.fixture
def book() -> Iterator[Playbook]:
    """A server."""
    with Playbook() as book:
        yield book


@pytest.fixture
def alice(book: Playbook) -> Actor:
    """Somebody in `general`."""
    return book.person("alice", "general")


@pytest.fixture
def bob(book: Playbook, alice: Actor) -> Actor:
    """Somebody else in `general`, later than alice."""
    return book.person("bob", "general")
