"""Limits of what one person takes from the others, on a server without sockets and threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat_schema.replies import Limits, Rate
from chat_server.commands.flooding import flood_mutes, unmute_flooder
from chat_server.domain.meters import MeterTerms
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Frame, Playbook

TERMS = MeterTerms(
    messages=Rate(burst=5, per_second=5),
    joins=Rate(burst=3, per_second=0.5),
    reads=Rate(burst=2, per_second=0.25),
    flood_mute=30,
)
PAUSE = 0.05
"""Seconds for which nothing is read from whom a rate refused."""


@pytest.fixture
def book() -> Iterator[Playbook]:
    """A server with limits."""
    with Playbook(meters=TERMS) as book:
        yield book


@pytest.fixture
def alice(book: Playbook) -> Actor:
    """Somebody in `general`, who was elsewhere before and has one join left."""
    return book.person("alice", "hall", "general")


def wait(book: Playbook, seconds: float) -> None:
    """Let time pass, and everything that waited for it happen."""
    book.time.advance(seconds)
    book.settle()


def ask(actor: Actor, type: str, **fields: Any) -> Frame:
    """Ask once the pause after an earlier refusal is over."""
    wait(actor.book, PAUSE)
    return actor.asks(type, **fields)


def say(actor: Actor, text: str = "hi") -> str:
    """What becomes of a message to `general`: "ok" or the code of the refusal."""
    reply = ask(actor, "broadcast", room="general", text=text)
    return str(reply.get("code", reply["type"]))


def say_at_once(actor: Actor, count: int) -> list[Frame]:
    """Send messages in one segment, in no time; return what is heard."""
    message = {"type": "broadcast", "room": "general", "text": "hi"}
    actor.says_at_once(*({**message, "id": f"m{number}"} for number in range(count)))
    return actor.listens()


# Messages


def test_the_sixth_passes_with_a_warning_and_the_seventh_does_not(
    book: Playbook, alice: Actor
) -> None:
    """The warning comes before the message it is about; the refusal says when to come again."""
    bob = book.person("bob", "general")
    book.forget()
    frames = say_at_once(alice, 7)
    assert [frame["type"] for frame in frames] == [
        *["broadcast", "ok"] * 5, "notice", "broadcast", "ok", "error",
    ]  # fmt: skip
    assert frames[10]["code"] == frames[-1]["code"] == "rate.messages"
    assert (frames[-1]["re"], frames[-1]["retryable"]) == ("m6", True)
    assert frames[-1]["retry_after"] == 0.5
    assert [frame["type"] for frame in bob.listens()] == ["broadcast"] * 6


def test_who_waits_as_told_is_heard(book: Playbook, alice: Actor) -> None:
    """The refused message passes the second time."""
    refused = say_at_once(alice, 7)[-1]
    wait(book, refused["retry_after"])
    assert say(alice) == "ok"


def test_the_fifth_refusal_mutes_and_is_listed(book: Playbook, alice: Actor) -> None:
    """Whispers too, not what only asks; everybody can be told who, by whom, why and until when."""
    bob = book.person("bob", "general")
    say_at_once(alice, 6)
    assert [say(alice) for _ in range(5)] == ["rate.messages"] * 4 + ["rate.muted"]
    assert ask(alice, "whisper", to="bob", text="psst")["code"] == "rate.muted"
    assert ask(alice, "topic", room="general")["type"] == "ok"  # a question is no message
    [mute] = flood_mutes(book.services, bob.session)
    assert (mute.nick, mute.uid, mute.by) == ("alice", alice.uid, "server")
    assert mute.reason == "flooding"
    assert mute.until is not None
    assert mute.since < mute.until
    wait(book, 30)
    assert flood_mutes(book.services, bob.session) == []
    assert say(alice) == "ok"


def test_an_administrator_lets_a_flooder_speak_again(book: Playbook, alice: Actor) -> None:
    """Before the time is over; who was not muted is not unmuted."""
    say_at_once(alice, 6)
    assert not unmute_flooder(alice.session.known, alice.connection.loop.now)
    for _ in range(5):
        say(alice)
    assert unmute_flooder(alice.session.known, alice.connection.loop.now)
    wait(book, 1)
    assert say(alice) == "ok"


def test_who_keeps_to_the_pace_is_never_told_anything(book: Playbook, alice: Actor) -> None:
    """A message every 0.2 seconds, for as long as one likes."""
    for _ in range(100):
        wait(book, 0.2)
        assert [frame["type"] for frame in say_at_once(alice, 1)] == ["broadcast", "ok"]


def test_a_pasted_block_is_counted_by_its_size(book: Playbook, alice: Actor) -> None:
    """Eight hundred lines in four KiB cost four units: one more passes, the next is too many."""
    block = "line\n" * 800
    assert ask(alice, "broadcast", room="general", text=block)["type"] == "ok"
    alice.listens()
    assert [frame["type"] for frame in say_at_once(alice, 1)] == ["broadcast", "ok"]
    assert say_at_once(alice, 1)[0]["type"] == "notice"


def test_after_a_refusal_nothing_is_read_for_a_moment(book: Playbook, alice: Actor) -> None:
    """Whatever was sent with it waits, and is answered in order when the moment is over."""
    codes = [frame.get("code") for frame in say_at_once(alice, 9)]
    assert codes.count("rate.messages") == 2  # the warning and one refusal
    wait(book, PAUSE - 0.01)
    alice.hears_nothing()
    wait(book, 0.01)
    assert [frame["re"] for frame in alice.listens()] == ["m7"]
    wait(book, PAUSE)
    assert [frame["re"] for frame in alice.listens()] == ["m8"]


def test_what_is_kept_meanwhile_does_not_shorten_the_pause() -> None:
    """An answer from the disk comes through, and the next request is not read for it."""
    journal = LateJournal()
    with Playbook(meters=TERMS, journal=journal) as book:
        alice = book.person("alice", "general")
        assert [frame.get("code") for frame in say_at_once(alice, 8)] == ["rate.messages"] * 2
        journal.keep()
        book.settle()
        assert [frame["type"] for frame in alice.listens()] == ["broadcast", "ok"] * 6
        wait(book, PAUSE)
        alice.hears("error", re="m7", code="rate.messages")


def test_a_full_queue_pauses_whoever_meets_it() -> None:
    """For 0.1 s: what comes behind is not thrown at the full queue too."""
    journal = LateJournal()
    with Playbook(journal=journal) as book:
        alice = book.person("alice", "general")
        journal.full = True
        assert [frame["code"] for frame in say_at_once(alice, 2)] == ["server.busy"]
        journal.full = False
        wait(book, 0.09)
        assert journal.waiting == []
        wait(book, 0.01)
        assert len(journal.waiting) == 1


def test_a_flood_does_not_keep_others_waiting(book: Playbook, alice: Actor) -> None:
    """Of a thousand messages at once six pass; an honest one is heard next."""
    bob = book.person("bob", "general")
    book.forget()
    message = {"type": "broadcast", "room": "general", "text": "buy"}
    alice.says_at_once(*[message] * 1000)
    assert say(bob, "hello") == "ok"
    texts = [frame["text"] for frame in bob.listens()]
    assert texts == ["buy"] * 6 + ["hello"]


def test_a_repetition_is_charged_and_passes_in_the_end(book: Playbook, alice: Actor) -> None:
    """A kept message is not refused for ever to a client that asks whether it was kept."""
    message = {"room": "general", "text": "hi", "cid": "c-1"}
    first = ask(alice, "broadcast", **message)
    say_at_once(alice, 5)
    refused = ask(alice, "broadcast", **message)
    assert refused["code"] == "rate.messages"
    wait(book, refused["retry_after"])
    again = ask(alice, "broadcast", **message)
    assert (again["seq"], again["duplicate"]) == (first["seq"], True)


def test_acts_are_charged_like_messages_and_questions_are_not(book: Playbook, alice: Actor) -> None:
    """To read the topic is free, to set it is not; what is refused for the right is charged too."""
    for _ in range(20):
        assert ask(alice, "topic", room="general")["type"] == "ok"
        book.time.advance(-PAUSE)
    for _ in range(5):
        alice.asks("topic", room="general", topic="tea")
    alice.listens()
    alice.asks("topic", room="general", topic="more tea")
    alice.hears("notice", code="rate.messages")


# Joins and reads


def test_joins_and_nicks_share_a_bucket(book: Playbook, alice: Actor) -> None:
    """The third passes, the fourth says how long to wait, whatever it is; leaving is free."""
    assert ask(alice, "nick", nick="al")["type"] == "ok"
    for type_, fields in (("join", {"room": "tea"}), ("nick", {"nick": "ally"})):
        refused = ask(alice, type_, **fields)
        assert refused["code"] == "rate.joins"
    assert ask(alice, "leave", room="hall")["type"] == "ok"
    wait(book, refused["retry_after"])
    assert ask(alice, "join", room="tea")["type"] == "ok"


def test_lists_pages_and_searches_share_a_bucket(book: Playbook, alice: Actor) -> None:
    """Two pass; the third is refused, whatever it is."""
    assert ask(alice, "history", room="general")["type"] == "ok"
    assert ask(alice, "search", text="hi")["type"] == "ok"
    for type_ in ("rooms", "users"):
        refused = ask(alice, type_)
        assert (refused["code"], refused["retry_after"]) == (
            "rate.reads",
            pytest.approx(4, abs=0.2),
        )
    wait(book, refused["retry_after"])
    assert ask(alice, "users")["type"] == "ok"


def test_administrators_read_as_much_as_they_need(book: Playbook, alice: Actor) -> None:
    """They look after everybody else."""
    alice.session.elevated = True
    assert {ask(alice, "users")["type"] for _ in range(20)} == {"ok"}


# Who is counted


def test_a_return_does_not_fill_the_bucket(book: Playbook) -> None:
    """The stay that is taken up has used what it has used."""
    alice = book.stranger()
    token = alice.asks("hello", nick="alice", resume={})["resume"]["token"]
    alice.asks("join", room="general")
    say_at_once(alice, 6)
    alice.sends(OSError("cut"))
    back = book.stranger()
    assert back.asks("hello", resume={"token": token})["resume"]["resumed"]
    assert say(back) == "rate.messages"


def come(book: Playbook, rooms: list[str], token: str | None = None) -> tuple[Actor, Frame]:
    """Somebody whose hello names these rooms, and what `welcome.resume` tells them."""
    actor = book.stranger()
    wish = {"rooms": {room: ["", 0] for room in rooms}} | ({"token": token} if token else {})
    welcome = actor.asks("hello", nick=None if token else "alice", resume=wish)
    return actor, welcome["resume"]


def test_the_rooms_of_a_stay_are_not_joins(book: Playbook) -> None:
    """Nobody loses a room for having been cut off, however often."""
    rooms = [f"r{number}" for number in range(10)]
    alice, resume = come(book, rooms)
    for _ in range(5):
        alice.sends(OSError("cut"))
        alice, resume = come(book, rooms, resume["token"])
        assert len(resume["rooms"]) == 10


def test_rooms_that_a_hello_brings_anew_are_a_debt(book: Playbook) -> None:
    """All of them are entered, once; who comes with others each time is not let into them."""
    alice, resume = come(book, [f"r{number}" for number in range(10)])
    assert len(resume["rooms"]) == 10
    assert ask(alice, "join", room="general")["code"] == "rate.joins"
    alice.sends(OSError("cut"))
    alice, resume = come(book, ["r1", "other"], resume["token"])
    assert resume["rooms"] == ["r1"]


def test_who_leaves_and_comes_anew_has_used_what_they_have_used(book: Playbook) -> None:
    """A guest by the address, until it has filled up again; who is elsewhere has a full one."""
    alice = book.person("alice", "general")
    assert say_at_once(alice, 6)[-2]["type"] == "broadcast"
    alice.says("quit")
    elsewhere = book.person("carol", "general", address="203.0.113.9")
    assert say_at_once(elsewhere, 1)[-1]["type"] == "ok"
    again = book.person("bob", "general")
    assert say(again) == "rate.messages"
    again.says("quit")
    book.pass_time(30)
    assert say(book.person("dave", "general")) == "ok"


def test_each_guest_has_a_burst_of_their_own(book: Playbook, alice: Actor) -> None:
    """One who is refused takes nothing from another, nor gets anything by coming anew but that."""
    say_at_once(alice, 7)
    bob = book.person("bob", "general")
    assert [frame["type"] for frame in say_at_once(bob, 5)] == ["broadcast", "ok"] * 5
    assert say_at_once(bob, 1)[0]["type"] == "notice"


def test_every_refusal_is_counted(book: Playbook, alice: Actor) -> None:
    """By its code, and warnings too."""
    say_at_once(alice, 6)
    for _ in range(6):
        say(alice)
    for _ in range(2):
        ask(alice, "nick", nick=f"al{_}")
    for _ in range(3):
        ask(alice, "users")
    counts = book.telemetry.counts()
    assert {name: value for name, value in counts.items() if name.startswith("limited.")} == {
        "limited.warned": 1,
        "limited.rate.messages": 4,
        "limited.rate.muted": 2,
        "limited.rate.joins": 1,
        "limited.rate.reads": 1,
    }


def test_without_limits_there_are_none() -> None:
    """Nobody is warned or refused, however much they do."""
    with Playbook() as book:
        alice = book.person("alice", "general")
        assert {frame["type"] for frame in say_at_once(alice, 300)} == {"broadcast", "ok"}
        assert {alice.asks("users")["type"] for _ in range(50)} == {"ok"}
        assert {alice.asks("nick", nick=f"al{turn}")["type"] for turn in range(50)} == {"ok"}


# Sizes


def test_a_message_is_as_long_as_the_setting_says() -> None:
    """The refusal says the limit and the size, in characters; nothing is cut."""
    with Playbook(limits=Limits(text=100)) as book:
        alice, bob = book.person("alice", "general"), book.person("bob", "general")
        assert ask(alice, "broadcast", room="general", text="é" * 100)["type"] == "ok"
        for type_, to in (("broadcast", {"room": "general"}), ("whisper", {"to": "bob"})):
            refused = ask(alice, type_, **to, text="é" * 101)
            assert (refused["code"], refused["field"]) == ("message.too_long", "text")
            assert (refused["limit"], refused["size"]) == (100, 101)
        assert [frame["text"] for frame in bob.listens()] == ["é" * 100]


def test_a_client_is_in_as_many_rooms_as_the_setting_says() -> None:
    """By joining, and by coming back."""
    with Playbook(limits=Limits(rooms=2)) as book:
        alice = book.person("alice", "one", "two")
        refused = ask(alice, "join", room="three")
        assert (refused["code"], refused["limit"]) == ("room.limit", 2)
        wish = {"rooms": {f"r{number}": ["", 0] for number in range(4)}}
        welcome = book.stranger().asks("hello", resume=wish)
        assert len(welcome["resume"]["rooms"]) == 2


def test_what_administrators_do_is_not_counted() -> None:
    """A raid has more people in it than a bucket holds units."""
    with Playbook(meters=TERMS) as book:
        alice = book.person("alice", "general")
        alice.session.elevated = True
        for _ in range(40):
            assert alice.asks("mute", room="*", target="nobody")["code"] == "user.unknown"
            assert alice.asks("lockdown")["level"] == "none"


def test_asking_alone_costs_nothing() -> None:
    """A topic and a mode can be looked at as often as one likes."""
    with Playbook(meters=TERMS) as book:
        alice = book.person("alice", "general")
        for _ in range(40):
            assert alice.asks("mode", room="general")["type"] == "ok"
            assert alice.asks("topic", room="general")["topic"] == ""
