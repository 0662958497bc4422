"""Searches that take too long: interrupted, refused, and nobody after them notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_schema.errors import Refused
from chat_server.journal import reader
from tests.support.workshop import Workshop

ENOUGH = 5000
"""Messages that take some looks at the clock to go through."""


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A room with many messages, all of them in the search index."""
    workshop = Workshop(tmp_path / "chat.db")
    workshop.fill("a", ENOUGH)
    workshop.rest()
    yield workshop
    workshop.close()


def refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """How a search for everything is refused when there is no time for it."""
    with monkeypatch.context() as patch:
        patch.setattr(reader, "PATIENCE", 0.0)
        with pytest.raises(Refused) as caught:
            workshop.search("a", "a")
    return caught.value


def test_a_search_that_takes_too_long_is_refused(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As something that may be tried again; it is no fault of the disk, and not in the log."""
    assert refused(workshop, monkeypatch).code == "server.busy"
    assert caplog.text == ""


def test_after_a_search_that_took_too_long_the_next_is_whole(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the same connection, which was given back."""
    refused(workshop, monkeypatch)
    [connection] = workshop.reader._idle.queue
    assert len(workshop.search("a", "a")) == ENOUGH
    assert workshop.reader._idle.queue == [connection]


def test_a_page_has_all_the_time_it_takes(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What bounded a search does not stay with its connection."""
    monkeypatch.setattr(reader, "PATIENCE", 0.0)
    refused(workshop, monkeypatch)
    assert len(workshop.page("a", after=0).bodies) == ENOUGH
