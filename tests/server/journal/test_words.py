"""Words: what one journal finds the other finds too, and every text is found by its own words."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chat_server.journal.base import Query
from chat_server.journal.memory import MemoryJournal
from chat_server.journal.sqlite import SqliteJournal
from chat_server.journal.words import TOKENIZER, fold, words_of
from tests.server.journal.test_contract import Desk
from tests.support.workshop import EVERYTHING, NO_LIMIT, days_ago, said, texts_of

EVERYDAY = st.sampled_from(
    "aAbBzZ019_ \t\n.,:;!?'\"()*-+/\\^#@"
    "äÄéÉñçøØßŁłşŞİıœǽ"
    "αΑάΆςσΣΏώ"
    "йЙёЁиЖж"
    "한국글がガハ漢字〇々"
    "אבגشمسहिन्दीไทย"
    "²½ⅧⅷK"
    "\u0301\u0308\u0305\u0327\u200d\ufe0f\u00a0\u3000"
    "😀🤣🙂❤👍🏽🫡🇩🇪🥲"
)
"""Characters that people type, from many scripts, and what stands between words."""

ANY = st.characters(exclude_categories=["Cs", "Cc"])


class Bench:
    """SQLite's tokenizer as the search index has it."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute(f"create virtual table w using fts5 (t, tokenize='{TOKENIZER}')")
        self._connection.execute("create virtual table v using fts5vocab (w, 'instance')")

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def tokens_of(self, *texts: str) -> list[list[str]]:
        """What SQLite makes of texts."""
        self._connection.execute("delete from w")
        rows = list(enumerate(texts))
        self._connection.executemany("insert into w (rowid, t) values (?, ?)", rows)
        found: list[list[str]] = [[] for _ in texts]
        for term, doc in self._connection.execute("select term, doc from v order by doc, offset"):
            found[doc].append(term)
        return found


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A tokenizer to compare with."""
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Desk]]:
    """Both journals."""
    path: Path = tmp_path_factory.mktemp("words") / "chat.db"
    desks = {
        "memory": Desk(MemoryJournal(kept=10_000, budget=2**26)),
        "disk": Desk(SqliteJournal(path, "process", lambda room: EVERYTHING, days_ago)),
    }
    yield desks
    for desk in desks.values():
        desk.journal.close()


def found(desk: Desk, room: str, words: list[str]) -> list[str]:
    """What is found by these words in a room."""
    query = Query((room,), words, None, None, NO_LIMIT, NO_LIMIT)
    return texts_of(desk.journal.search(query).bodies)


quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(text=st.text(EVERYDAY | ANY, max_size=30))
@example("мой дом")
@example("한국어 검색")
@example("がんばって")
@example("Ὀδυσσεύς καλή")
@example("🤣🤣lol🫡yes")
@example("na\u0308ive na\u0305ive")
def test_a_word_is_one_to_sqlite_too(bench: Bench, text: str) -> None:
    """Never none and never two: a query of words is a query of tokens."""
    words = words_of(text)
    assert [len(tokens) for tokens in bench.tokens_of(*words)] == [1] * len(words)


def test_every_character_of_a_word_is_one_to_sqlite_too(bench: Bench) -> None:
    """All of Unicode, as this Python knows it."""
    characters = [chr(code) for code in range(0x110000) if chr(code).isalnum()]
    words = [f"a{character}b" for character in characters if words_of(character)]
    assert len(words) > len(characters) - 50
    assert [w for w, t in zip(words, bench.tokens_of(*words), strict=True) if len(t) != 1] == []


def test_what_stands_between_words_does_so_for_sqlite_too(bench: Bench) -> None:
    """But for what is younger than its tables, or of no script that anybody chats in."""
    signs = [
        chr(code)
        for code in range(0x80, 0x20000)
        if not chr(code).isalnum() and unicodedata.category(chr(code))[0] in "PSZ"
    ]
    joined = [
        sign
        for sign, tokens in zip(
            signs, bench.tokens_of(*(f"a{sign}b" for sign in signs)), strict=True
        )
        if len(tokens) != 2
    ]
    assert not any(0x1F000 <= ord(sign) < 0x1FB00 for sign in joined)
    assert len(joined) < len(signs) / 4


@quick
@given(text=st.text(EVERYDAY, max_size=30))
@example("мой дом")
@example("한국어 검색")
@example("がんばって")
@example("Ὀδυσσεύς καλή ΣΟΦΟΣ")
@example("🤣🤣lol🫡yes")
@example("İstanbul")
def test_a_text_is_found_by_each_of_its_words(desks: dict[str, Desk], text: str) -> None:
    """And by all of them together, in each journal."""
    room = f"room{len(desks['disk'].outcomes)}"
    for desk in desks.values():
        desk.settle(said(room, text))
        words = words_of(text)
        for some in ([word] for word in words):
            assert found(desk, room, some) == [text]
        assert not words or found(desk, room, words) == [text]


@quick
@given(
    texts=st.lists(st.text(EVERYDAY, max_size=12), min_size=1, max_size=6),
    asked=st.text(EVERYDAY, max_size=6),
)
@example(texts=["мой", "мои"], asked="мои")
@example(texts=["STRASSE", "Straße"], asked="strasse")
@example(texts=["ΣΟΦΟΣ", "σοφος"], asked="ΣΟΦΟσ")
@example(texts=["καλή", "ΚΑΛΉ", "καλη"], asked="Καλή")
def test_both_journals_find_the_same(desks: dict[str, Desk], texts: list[str], asked: str) -> None:
    """For anything asked of any texts."""
    room = f"room{len(desks['disk'].outcomes)}"
    for desk in desks.values():
        desk.settle(*(said(room, text) for text in texts))
    words = words_of(asked)
    if words:
        assert found(desks["memory"], room, words) == found(desks["disk"], room, words)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Ärger", "arger"),
        ("RÉSUMÉ", "resume"),
        ("naïve", "NAIVE"),
        ("Việt", "viet"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("Привет", "ПРИВЕТ"),
    ],
)
def test_case_and_latin_diacritics_do_not_count(written: str, asked: str) -> None:
    """As PROTOCOL.md says of a search."""
    assert fold(written) == fold(asked)


@pytest.mark.parametrize("apart", ["мой мои", "가 나", "か が", "καλή καλη"])
def test_other_letters_are_not_what_they_resemble(apart: str) -> None:
    """A letter of another script with a mark is another letter."""
    one, other = words_of(apart)
    assert fold(one) != fold(other)
