"""A room `den` that alice owns, with mallory in it, on one loop and on several."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.playbook import Actor, Playbook
from tests.support.town import AUTH, Town


@pytest.fixture(params=[1, 3], ids=["one loop", "three loops"])
def town(request: pytest.FixtureRequest) -> Iterator[Town]:
    """A server, with one loop and with several."""
    with Playbook(loops=request.param, auth=AUTH) as book:
        yield Town(book)


@pytest.fixture
def alice(town: Town) -> Actor:
    """The owner of `den`."""
    return town.person("alice", "den")


@pytest.fixture
def mallory(town: Town, alice: Actor) -> Actor:
    """A guest in `den`."""
    return town.person("mallory", "den")
