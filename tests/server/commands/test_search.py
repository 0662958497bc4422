"""Looking for what was said: which words are looked for, how many, and who is kept waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chat_schema.errors import ERRORS
from chat_server.commands.history import WORDS, _needed
from chat_server.journal.base import Found, Query
from tests.support.playbook import Actor, HandWorkers, Playbook

NINE = "one two three four five six seven eight nine"
"""Nine words of which none begins with another."""


@pytest.fixture
def searchers(book: Playbook) -> HandWorkers:
    """Workers for searches alone, as the server has them; for those who connect from now on."""
    searchers = HandWorkers(8)
    book.services = replace(book.services, searchers=searchers)
    return searchers


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a", "a", "a"], ["a"]),
        (["car", "carpet"], ["carpet"]),
        (["carpet", "car"], ["carpet"]),
        (["carpet", "pet"], ["carpet", "pet"]),
        (["c", "ca", "car", "b", "ca", "car"], ["car", "b"]),
        (["b", "a", "b", "a"], ["b", "a"]),
    ],
)
def test_a_word_that_another_implies_is_not_looked_for(words: list[str], needed: list[str]) -> None:
    """What begins with the longer one begins with the shorter; of equal ones the first stays."""
    assert _needed(words) == needed


def test_the_journal_is_asked_for_each_word_once(
    book: Playbook, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is said."""
    asked: list[list[str]] = []

    def search(query: Query) -> Found:
        asked.append(list(query.words))
        return Found([], more=False)

    monkeypatch.setattr(book.journal, "search", search)
    alice.asks("search", text="ship ships ship it it")
    assert asked == [["ships", "it"]]


def test_more_words_than_a_search_has_are_refused(alice: Actor) -> None:
    """With how many there may be and how many there were."""
    reply = alice.asks("search", text=NINE)
    assert (reply["code"], reply["field"]) == ("field.invalid", "text")
    assert (reply["limit"], reply["size"]) == (WORDS, 9)
    assert reply["fatal"] is False


def test_only_the_words_that_are_looked_for_count(alice: Actor) -> None:
    """A sentence that repeats itself is no longer search than its words."""
    eight = NINE.removesuffix(" nine")
    alice.says("broadcast", room="general", text=NINE)
    reply = alice.asks("search", text=f"{eight} {eight} se th")
    assert [hit["text"] for hit in reply["hits"]] == [NINE]


def test_history_does_not_wait_for_searches(
    book: Playbook, alice: Actor, searchers: HandWorkers
) -> None:
    """They have workers of their own."""
    alice.says("broadcast", room="general", text="word")
    carol, dave = book.person("carol", "general"), book.person("dave", "general")
    searchers.held = True
    carol.says("search", id="1", text="word")
    carol.hears_nothing()
    assert [event["text"] for event in dave.asks("history", room="general")["events"]] == ["word"]
    searchers.held = False
    searchers.work()
    book.settle()
    assert [hit["text"] for hit in carol.hears("ok", re="1")["hits"]] == ["word"]


def test_searches_do_not_wait_for_history(
    book: Playbook, alice: Actor, searchers: HandWorkers
) -> None:
    """Nor the other way round."""
    alice.says("broadcast", room="general", text="word")
    carol, dave = book.person("carol", "general"), book.person("dave", "general")
    book.workers.held = True
    dave.says("history", id="1", room="general")
    assert [hit["text"] for hit in carol.asks("search", text="word")["hits"]] == ["word"]
    dave.hears_nothing()


def test_more_searches_than_may_wait_are_refused(
    book: Playbook, alice: Actor, searchers: HandWorkers
) -> None:
    """And history is read all the same."""
    crowd = [book.person(f"p{number}", "general") for number in range(9)]
    searchers.held = True
    for person in crowd:
        person.says("search", id="1", text="word")
    refused = [frame["code"] for person in crowd for frame in person.listens() if "code" in frame]
    assert refused == ["server.busy"]
    assert ERRORS["server.busy"].retryable
    assert crowd[-1].asks("history", room="general")["type"] == "ok"
