"""The dispatcher: one reply to each request, in order, after its events; faults and busy parts."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chat_schema.errors import ERRORS, Refused
from chat_schema.framing import encode_frame
from chat_schema.replies import REPLIES, Error, Ok
from chat_schema.requests import REQUESTS
from chat_server.commands.registry import ROWS, Row
from chat_server.commands.results import Awaited, Finish, Later
from chat_server.dispatch import BAD_FRAMES, IGNORED_NAMES, IN_FLIGHT
from chat_server.domain.rights import Rank
from chat_server.journal.base import Failed
from chat_server.net.connection import State
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Frame, Playbook

SECRET = "hunter2-open-sesame"

GOOD: dict[str, dict[str, Any]] = {
    "hello": {"version": 1, "nick": "carol"},
    "ping": {},
    "quit": {},
    "nick": {"nick": "alicia"},
    "users": {},
    "join": {"room": "other"},
    "leave": {"room": "general"},
    "rooms": {},
    "topic": {"room": "general", "topic": "news"},
    "broadcast": {"room": "general", "text": "hi"},
    "whisper": {"to": "bob", "text": "hi"},
    "history": {"room": "general"},
    "search": {"text": "hi"},
    "challenge": {},
    "ignore": {"target": "bob"},
    "unignore": {"target": "bob"},
    "ignores": {},
    "kick": {"room": "general", "target": "bob", "reason": "spam"},
    "ban": {"room": "general", "target": "bob", "seconds": 60},
    "bans": {"room": "general"},
    "mute": {"room": "general", "target": "bob"},
    "mutes": {"room": "general"},
    "mods": {"room": "general"},
    "promote": {"room": "general", "target": "bob", "role": "owner"},
    "invite": {"room": "general", "target": "bob"},
    "mode": {"room": "general", "slow": 5},
}
"""Requests that alice, who owns `general`, where bob is too, may make; hello is for a stranger.

What needs an account, or an administrator, is in the tests of their commands.
"""


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


@pytest.fixture
def late() -> Iterator[Playbook]:
    """A server whose journal keeps entries when told to."""
    with Playbook(journal=LateJournal()) as book:
        yield book


def journal_of(book: Playbook) -> LateJournal:
    """Its late journal."""
    assert isinstance(book.journal, LateJournal)
    return book.journal


# One reply to each request


def test_the_registry_has_a_row_for_every_request() -> None:
    """Neither is there one for anything else."""
    assert set(ROWS) == set(REQUESTS)


@pytest.mark.parametrize("type_", GOOD)
def test_every_request_gets_one_good_reply(
    book: Playbook, alice: Actor, bob: Actor, type_: str
) -> None:
    """Of the shape that the schema declares for it, with its id."""
    actor = book.stranger() if type_ == "hello" else alice
    reply = actor.asks(type_, **GOOD[type_])
    assert reply["type"] == ("welcome" if type_ == "hello" else "ok")
    model = REPLIES[type_].model_validate(reply)
    assert json.loads(model.model_dump_json(exclude_none=True)) == reply


@pytest.mark.parametrize("type_", [*GOOD, "pong"])
def test_case_60_before_welcome_only_what_may_be_is_done(book: Playbook, type_: str) -> None:
    """Everything else is refused, not fatally, and hello is still possible."""
    stranger = book.stranger()
    stranger.says(type_, id="7", **GOOD.get(type_, {}))
    if ROWS[type_].rank is Rank.STRANGER:
        assert all(frame["type"] != "error" for frame in stranger.listens())
    else:
        stranger.hears("error", re="7", code="protocol.hello_required", fatal=False)
        stranger.says("hello", id="8")
        stranger.hears("welcome", re="8")


@pytest.mark.parametrize("type_", [*GOOD, "pong"])
def test_without_an_id_there_is_no_ok(book: Playbook, alice: Actor, bob: Actor, type_: str) -> None:
    """What happens is told by events alone."""
    actor = book.stranger() if type_ == "hello" else alice
    actor.says(type_, **GOOD.get(type_, {}))
    assert [frame for frame in actor.listens() if frame["type"] in ("ok", "welcome", "error")] == []


def test_without_an_id_a_refusal_comes_without_re(alice: Actor) -> None:
    """Silence would help nobody."""
    alice.says("leave", room="nowhere")
    alice.hears("error", code="room.not_member", re=None)
    alice.says("fly")
    alice.hears("error", code="type.unknown", re=None)


def test_case_27_an_unknown_type_gets_its_reply(alice: Actor) -> None:
    """And the conversation goes on."""
    alice.says("fly", id="7")
    alice.hears("error", re="7", code="type.unknown", fatal=False)
    alice.says("ping", id="8")
    alice.hears("ok", re="8")


def test_a_pong_gets_no_reply_even_with_an_id(alice: Actor) -> None:
    """It is one already."""
    alice.says("pong", id="7")
    alice.hears_nothing()


def test_an_id_may_be_used_again_and_comes_back_as_it_was(alice: Actor) -> None:
    """It is the client's affair."""
    for id_ in ("7", "7", 'ä\0"\\', "x" * 64):
        alice.says("ping", id=id_)
        alice.hears("ok", re=id_)


# Order


def test_requests_of_one_segment_are_answered_in_order(alice: Actor) -> None:
    """Whatever kinds they are of."""
    kinds = ["ping", "broadcast", "users", "topic", "history", "rooms", "join", "whisper", "ping"]
    alice.says_at_once(
        *({"type": kind, "id": str(number), **GOOD[kind]} for number, kind in enumerate(kinds))
    )
    answers = [frame["re"] for frame in alice.listens() if "re" in frame]
    assert answers == [str(number) for number in range(len(kinds))]


def test_an_event_comes_before_the_reply_to_what_caused_it(book: Playbook, alice: Actor) -> None:
    """Read until `re`, and you have seen all."""
    alice.says("broadcast", id="1", room="general", text="hi")
    alice.hears("broadcast", text="hi")
    alice.hears("ok", re="1")
    alice.says("join", id="2", room="other")
    alice.hears("join", room="other")
    alice.hears("ok", re="2")
    alice.says("nick", id="3", nick="alicia")
    alice.hears("nick", old="alice")
    alice.hears("ok", re="3")
    alice.says("topic", id="4", room="general", topic="news")
    alice.hears("topic", topic="news")
    alice.hears("ok", re="4")
    book.person("bob")
    alice.says("whisper", id="5", to="bob", text="psst")
    alice.hears("whisper", text="psst")
    alice.hears("ok", re="5")
    alice.says("leave", id="6", room="other")
    alice.hears("leave", room="other", reason="left")
    alice.hears("ok", re="6")
    alice.hears_nothing()


def test_a_ping_is_a_barrier_for_messages_without_an_id(alice: Actor) -> None:
    """Its reply comes after every event that was asked for before it."""
    says = [{"type": "broadcast", "room": "general", "text": str(n)} for n in range(5)]
    alice.says_at_once(*says, {"type": "ping", "id": "7"})
    for number in range(5):
        alice.hears("broadcast", text=str(number))
    alice.hears("ok", re="7")


def test_a_refusal_comes_after_what_earlier_requests_caused(alice: Actor) -> None:
    """Of a request, and of a body that is none."""
    says = {"type": "broadcast", "room": "general", "text": "hi"}
    alice.says_at_once(says, {"type": "fly", "id": "1"}, says, {"type": "leave", "room": "x"})
    heard = [frame["type"] for frame in alice.listens()]
    assert heard == ["broadcast", "error", "broadcast", "error"]


def test_everyone_sees_one_order(book: Playbook, alice: Actor, bob: Actor) -> None:
    """Messages, topics, arrivals and renames, in all rooms they share."""
    carol = book.person("carol", "general")
    alice.says_at_once(
        {"type": "broadcast", "room": "general", "text": "one"},
        {"type": "topic", "room": "general", "topic": "t"},
        {"type": "nick", "nick": "alicia"},
        {"type": "broadcast", "room": "general", "text": "two"},
    )
    seen = [actor.listens() for actor in (alice, bob, carol)]
    assert [frame["type"] for frame in seen[0]] == ["broadcast", "topic", "nick", "broadcast"]
    assert seen[0] == seen[1] == seen[2]


# With a journal that keeps later


def test_a_message_is_neither_seen_nor_answered_before_it_is_kept(late: Playbook) -> None:
    """Acknowledged means stored, seen means stored."""
    alice, bob = late.person("alice", "general"), late.person("bob", "general")
    alice.says("broadcast", id="7", room="general", text="hi")
    alice.listens()
    bob.listens()
    alice.hears_nothing()
    bob.hears_nothing()
    journal_of(late).keep()
    late.settle()
    bob.hears("broadcast", seq=1)
    alice.hears("broadcast", seq=1)
    alice.hears("ok", re="7", seq=1)


def test_a_ping_waits_until_what_was_said_before_is_kept(late: Playbook) -> None:
    """And what comes after the ping waits with it."""
    alice = late.person("alice", "general")
    alice.says("broadcast", id="1", room="general", text="hi")
    alice.says("ping", id="2")
    alice.says("broadcast", id="3", room="general", text="after")
    alice.hears_nothing()
    assert len(journal_of(late).waiting) == 1
    journal_of(late).keep()
    late.settle()
    alice.hears("broadcast", text="hi")
    alice.hears("ok", re="1")
    alice.hears("ok", re="2")
    assert len(journal_of(late).waiting) == 1


@pytest.mark.parametrize("type_", ["join", "leave", "nick", "history", "users", "quit"])
def test_other_requests_wait_too(late: Playbook, type_: str) -> None:
    """Requests of one connection take effect in order."""
    alice, bob = late.person("alice", "general"), late.person("bob", "general")
    late.forget()
    alice.says("broadcast", id="1", room="general", text="hi")
    alice.says(type_, id="2", **GOOD[type_])
    alice.hears_nothing()
    bob.hears_nothing()
    journal_of(late).keep()
    late.settle()
    assert [frame["re"] for frame in alice.listens() if "re" in frame] == ["1", "2"]


def test_messages_follow_each_other_without_waiting(late: Playbook) -> None:
    """As many as may be under way; the next waits until all of those are kept."""
    alice = late.person("alice", "general")
    says = [
        {"type": "broadcast", "id": str(n), "room": "general", "text": str(n)}
        for n in range(IN_FLIGHT + 5)
    ]
    alice.says_at_once(*says)
    assert len(journal_of(late).waiting) == IN_FLIGHT
    journal_of(late).keep(IN_FLIGHT - 1)
    late.settle()
    assert len(journal_of(late).waiting) == 1
    journal_of(late).keep()
    late.settle()
    assert len(journal_of(late).waiting) == 5
    journal_of(late).keep()
    late.settle()
    frames = alice.listens()
    texts = [frame["text"] for frame in frames if frame["type"] == "broadcast"]
    assert texts == [str(number) for number in range(IN_FLIGHT + 5)]
    assert [frame["re"] for frame in frames if "re" in frame] == texts


def test_one_who_waits_holds_up_nobody_else(late: Playbook) -> None:
    """Others ask and are answered."""
    alice, bob = late.person("alice", "general"), late.person("bob", "general")
    alice.says("broadcast", id="1", room="general", text="hi")
    alice.says("ping", id="2")
    bob.says("ping", id="1")
    bob.hears("ok", re="1")


def test_case_8_who_is_gone_before_the_entry_is_kept_is_not_answered(late: Playbook) -> None:
    """The others hear the message, and nothing fails."""
    alice, bob = late.person("alice", "general"), late.person("bob", "general")
    alice.says("broadcast", id="1", room="general", text="last words")
    alice.says("ping", id="2")
    alice.connection.abort("reset")
    journal_of(late).keep()
    late.settle()
    heard = [frame["type"] for frame in bob.listens()]
    assert sorted(heard) == ["broadcast", "leave", "promote"]
    alice.hears_nothing()
    assert late.telemetry.counts() == {}


def test_a_full_journal_is_busy_and_nothing_happened(late: Playbook) -> None:
    """The client is told when to try again, and then it works."""
    alice = late.person("alice", "general")
    journal_of(late).full = True
    for type_ in ("broadcast", "topic"):
        reply = alice.asks(type_, **GOOD[type_])
        assert (reply["code"], reply["retryable"], reply["fatal"]) == ("server.busy", True, False)
        assert reply["retry_after"] > 0
        late.time.advance(0.1)  # until then nothing is read from this client
    journal_of(late).full = False
    assert alice.asks("topic", room="general")["topic"] == ""
    alice.says("broadcast", id="7", room="general", text="again")
    journal_of(late).keep()
    late.settle()
    alice.hears("broadcast", seq=1)
    alice.hears("ok", re="7", seq=1)


# What becomes of an entry


class FailingJournal(LateJournal):
    """A late journal that can fail what waits."""

    def fail(self, count: int) -> None:
        """Let the oldest `count` of those that wait fail."""
        failed, self.waiting = self.waiting[:count], self.waiting[count:]
        refused = Refused("server.storage", "The server cannot store messages at present.")
        self._hand_on([Failed(entry, refused) for entry in failed])


@pytest.fixture
def failing() -> Iterator[Playbook]:
    """A server whose journal fails when told to."""
    with Playbook(loops=2, journal=FailingJournal()) as book:
        yield book


def fail_in(book: Playbook, count: int) -> None:
    """Let its journal fail so many."""
    assert isinstance(book.journal, FailingJournal)
    book.journal.fail(count)
    book.settle()


def test_what_could_not_be_kept_is_refused_in_order(failing: Playbook) -> None:
    """With its id, retryable; nobody hears of it, and what is kept afterwards is number 1."""
    alice = failing.person("alice", "general")
    bob = failing.person("bob", "general", loop=1)
    failing.forget()
    for number in range(4):
        alice.says("broadcast", id=str(number), room="general", text=f"m{number}")
    fail_in(failing, 2)
    for number in range(2):
        refused = alice.hears("error", re=str(number), code="server.storage", fatal=False)
        assert refused["retryable"] is True
    bob.hears_nothing()
    journal_of(failing).keep()
    failing.settle()
    answers = [(frame["re"], frame["seq"]) for frame in alice.listens() if "re" in frame]
    assert answers == [("2", 1), ("3", 2)]
    assert [frame["text"] for frame in bob.listens()] == ["m2", "m3"]


def test_what_could_not_be_kept_is_told_without_an_id_too(failing: Playbook) -> None:
    """Silence would help nobody."""
    alice = failing.person("alice", "general")
    alice.says("broadcast", room="general", text="hi")
    fail_in(failing, 1)
    alice.hears("error", re=None, code="server.storage")


def test_a_topic_that_could_not_be_kept_is_not_set(failing: Playbook) -> None:
    """For nobody, whoever asks."""
    alice = failing.person("alice", "general")
    alice.says("topic", id="1", room="general", topic="news")
    fail_in(failing, 1)
    alice.hears("error", re="1", code="server.storage")
    assert alice.asks("topic", room="general")["topic"] == ""


def test_who_waited_goes_on_when_it_failed(failing: Playbook) -> None:
    """A request that waited for the entry, and the end of a connection that did."""
    alice, bob = failing.person("alice", "general"), failing.person("bob", "general", loop=1)
    for actor in (alice, bob):
        actor.says("broadcast", id="1", room="general", text="hi")
    alice.says("ping", id="2")
    bob.sends(b"")
    alice.listens()
    fail_in(failing, 2)
    assert [frame["re"] for frame in alice.listens() if "re" in frame] == ["1", "2"]
    bob.hears("error", re="1", code="server.storage")
    bob.hears("bye", code="client.quit")


def test_a_failed_entry_of_one_who_is_gone_is_dropped(failing: Playbook) -> None:
    """Nobody is told, nothing fails."""
    alice = failing.person("alice", "general")
    alice.says("broadcast", id="1", room="general", text="hi")
    alice.connection.abort("reset")
    fail_in(failing, 1)
    alice.hears_nothing()
    assert failing.telemetry.counts() == {}


def test_a_repeated_message_gets_the_first_answer(alice: Actor, bob: Actor) -> None:
    """With its number and its date, and nobody hears it again."""
    says: Frame = {"room": "general", "text": "hi", "cid": "c1"}
    first = alice.asks("broadcast", **says)
    alice.book.time.advance(5)
    again = alice.asks("broadcast", **says)
    assert again == {**first, "re": again["re"], "duplicate": True}
    assert "duplicate" not in first
    assert [frame["text"] for frame in bob.listens()] == ["hi"]
    assert alice.asks("broadcast", room="general", text="next")["seq"] == 2


def test_a_repetition_without_an_id_is_silent(alice: Actor, bob: Actor) -> None:
    """Like every good answer without one."""
    for _ in range(2):
        alice.says("broadcast", room="general", text="hi", cid="c1")
    assert [frame["type"] for frame in alice.listens()] == ["broadcast"]


def test_a_cid_used_for_something_else_is_a_conflict(alice: Actor, bob: Actor) -> None:
    """Told with the id of the second; nothing was sent."""
    alice.asks("broadcast", room="general", text="hi", cid="c1")
    for fields in ({"text": "ho"}, {"text": "hi", "room": "other"}):
        alice.says("join", room="other")
        refused = alice.asks("broadcast", **{"room": "general", "cid": "c1", **fields})
        assert (refused["code"], refused["fatal"]) == ("cid.conflict", False)
    whispered = alice.asks("whisper", to="bob", text="hi", cid="c1")
    assert whispered["code"] == "cid.conflict"
    assert [frame["text"] for frame in bob.listens()] == ["hi"]


def test_a_repetition_is_recognised_when_the_room_was_left(alice: Actor, bob: Actor) -> None:
    """What was kept stays kept; what was not is refused for what it is now."""
    says: Frame = {"room": "general", "text": "hi", "cid": "c1"}
    alice.asks("broadcast", **says)
    alice.asks("leave", room="general")
    assert alice.asks("broadcast", **says)["duplicate"] is True
    refused = alice.asks("broadcast", **{**says, "cid": "c2"})
    assert refused["code"] == "room.not_member"
    assert alice.asks("broadcast", room="general", text="hi")["code"] == "room.not_member"
    assert [frame["type"] for frame in bob.listens()] == ["broadcast", "leave", "promote"]


def test_a_repetition_is_recognised_when_the_addressee_has_left(alice: Actor, bob: Actor) -> None:
    """A whisper to who is offline by now."""
    says: Frame = {"to": "bob", "text": "psst", "cid": "c1"}
    first = alice.asks("whisper", **says)
    bob.says("quit")
    again = alice.asks("whisper", **says)
    assert (again["duplicate"], again["seq"], again["ts"]) == (True, 1, first["ts"])
    assert alice.asks("whisper", **{**says, "cid": "c2"})["code"] == "user.offline"


# What waits for something else than a worker


class Awaiting:
    """Handles a request by letting the test say when it is finished."""

    def __init__(self) -> None:
        self.finishes: list[Finish] = []

    def __call__(self, *_: object) -> Awaited:
        """Take the request."""
        return Awaited(self.finishes.append)


def test_what_is_awaited_is_answered_when_it_is_there(
    book: Playbook, alice: Actor, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked later waits; nobody else does."""
    awaiting = Awaiting()
    break_row(monkeypatch, "rooms", awaiting)
    alice.says_at_once({"type": "rooms", "id": "1"}, {"type": "ping", "id": "2"})
    alice.hears_nothing()
    assert bob.asks("ping")["type"] == "ok"
    thread = threading.Thread(target=awaiting.finishes[0], args=(Ok, None))
    thread.start()
    thread.join()
    book.settle()
    assert [frame["re"] for frame in alice.listens() if "re" in frame] == ["1", "2"]


def test_what_is_awaited_may_be_refused_or_fail(
    book: Playbook, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what a worker does."""
    awaiting = Awaiting()
    break_row(monkeypatch, "rooms", awaiting)
    for error, code in (
        (Refused("permission.denied", "Not you."), "permission.denied"),
        (ZeroDivisionError(SECRET), "server.internal"),
    ):
        alice.says("rooms", id="1")
        awaiting.finishes.pop()(None, error)
        book.settle()
        [*_, reply] = alice.listens()
        assert (reply["re"], reply["code"]) == ("1", code)


def test_what_was_awaited_for_one_who_is_gone_is_dropped(
    book: Playbook, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer, no fault."""
    awaiting = Awaiting()
    break_row(monkeypatch, "rooms", awaiting)
    alice.says("rooms", id="1")
    alice.connection.abort("reset")
    awaiting.finishes.pop()(Ok, None)
    book.settle()
    assert book.telemetry.counts() == {}


# Slow requests


def test_while_a_worker_is_busy_for_a_client_its_next_requests_wait(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """In order, and nobody else's."""
    book.workers.held = True
    alice.says_at_once(
        {"type": "history", "id": "1", "room": "general"},
        {"type": "ping", "id": "2"},
        {"type": "broadcast", "id": "3", "room": "general", "text": "hi"},
    )
    alice.hears_nothing()
    bob.says("ping", id="1")
    bob.hears("ok", re="1")
    book.workers.work()
    book.settle()
    assert [frame["re"] for frame in alice.listens() if "re" in frame] == ["1", "2", "3"]


def test_case_85_when_all_workers_are_busy_slow_requests_are_refused(
    book: Playbook,
) -> None:
    """Chat goes on, and who was refused may try again."""
    book.workers.held = True
    people = [book.person(f"p{number}", "general") for number in range(10)]
    for person in people:
        person.says("history", id="1", room="general")
    refused = people[8:]
    for person in refused:
        person.hears("error", re="1", code="server.busy", retryable=True, fatal=False)
    people[9].says("broadcast", id="2", room="general", text="still here")
    people[9].hears("broadcast")
    people[9].hears("ok", re="2")
    book.workers.work()
    book.settle()
    assert all(person.listens()[-1]["re"] == "1" for person in people[:8])
    book.workers.held = False
    assert people[8].asks("history", room="general")["type"] == "ok"


def test_what_comes_during_a_slow_request_comes_before_its_reply(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """Events do not wait for it."""
    book.workers.held = True
    alice.says("users", id="1")
    bob.says("broadcast", room="general", text="meanwhile")
    alice.hears("broadcast", text="meanwhile")
    book.workers.work()
    book.settle()
    alice.hears("ok", re="1")


def test_an_outcome_for_one_who_is_gone_is_dropped(book: Playbook, alice: Actor) -> None:
    """No answer, no fault."""
    book.workers.held = True
    alice.says("users", id="1")
    alice.connection.abort("reset")
    book.workers.work()
    book.settle()
    alice.hears_nothing()
    assert book.telemetry.counts() == {}


# Bad frames


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'{"type":"ping","x":NaN}'])
def test_bad_frames_are_forgiven_three_times(alice: Actor, body: bytes) -> None:
    """The fourth is fatal: error and bye, and the connection closes."""
    for _ in range(BAD_FRAMES):
        alice.sends(encode_frame(body))
        alice.hears("error", code="frame.invalid", fatal=False)
        alice.says("ping", id="7")
        alice.hears("ok", re="7")
    alice.sends(encode_frame(body))
    alice.hears("error", code="frame.invalid", fatal=True)
    alice.hears("bye", code="frame.invalid", reconnect="never")
    alice.hears_nothing()
    assert alice.sock.half_closed


def test_refused_requests_are_no_bad_frames(alice: Actor) -> None:
    """A hundred of them, and the conversation goes on."""
    for _ in range(100):
        alice.says("join")
        alice.hears("error", code="field.missing", fatal=False)
    alice.says("ping", id="7")
    alice.hears("ok", re="7")


def test_case_3_a_frame_over_the_limit_is_told_with_the_limit(book: Playbook) -> None:
    """Fatal, with size and limit, then bye."""
    stranger = book.stranger()
    stranger.sends((20_000).to_bytes(4, "big"))
    stranger.hears("error", code="frame.too_large", fatal=True, size=20_000, limit=16_384, re=None)
    stranger.hears("bye", code="frame.too_large")
    assert book.telemetry.counts() == {"closed.frame.too_large": 1}


def test_case_9_who_says_no_hello_is_told_so(book: Playbook) -> None:
    """Error, bye, closed, counted."""
    stranger = book.stranger()
    book.pass_time(11)
    stranger.hears("error", code="protocol.hello_timeout", fatal=True)
    stranger.hears("bye", code="protocol.hello_timeout")
    assert book.telemetry.counts() == {"closed.protocol.hello_timeout": 1}


def test_case_13_who_is_silent_is_asked_and_then_let_go(book: Playbook, alice: Actor) -> None:
    """The rooms hear that the connection was lost."""
    bob = book.person("bob", "general")
    alice.listens()
    for _ in range(3):
        book.pass_time(25)
        bob.says("pong")
    alice.hears("ping")
    alice.hears("ping")
    book.pass_time(1)
    alice.hears("bye", code="client.timeout", reconnect="now")
    lost = [frame for frame in bob.listens() if frame["type"] == "leave"]
    assert [(frame["user"]["nick"], frame["reason"]) for frame in lost] == [("alice", "lost")]


def test_case_11_who_does_not_read_is_warned_and_then_let_go(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """Others are not affected; the farewell is there when there is room again."""
    alice.sock.room = 0
    for number in range(80):
        bob.says("broadcast", id=str(number), room="general", text="x" * 4000)
        bob.hears("broadcast")
        bob.hears("ok", re=str(number))
    book.pass_time(2)
    book.pass_time(10)
    assert book.telemetry.counts() == {"closed.client.slow": 1}
    bob.hears("leave", reason="lost")
    alice.sock.room = 10**9
    book.settle()
    alice.hears("bye", code="client.slow", reconnect="now")


@pytest.mark.parametrize("data", [b"", encode_frame(b'{"type":"ping"}')[:6]])
def test_case_7_a_half_close_is_a_departure(
    book: Playbook, alice: Actor, bob: Actor, data: bytes
) -> None:
    """After or inside a frame: bye, and the rooms hear of it."""
    if data:
        alice.sends(data)
    alice.sends(b"")
    alice.hears("bye", code="client.quit")
    bob.hears("leave", reason="lost")
    assert alice.connection.state is State.CLOSED


def test_case_7_requests_before_a_half_close_are_answered(alice: Actor) -> None:
    """All of them, then bye."""
    alice.sock.incoming.append(
        b"".join(encode_frame(b'{"type":"ping","id":"%d"}' % number) for number in range(3))
    )
    alice.sends(b"")
    for number in range(3):
        alice.hears("ok", re=str(number))
    alice.hears("bye", code="client.quit")


# Faults of the server


def break_row(monkeypatch: pytest.MonkeyPatch, type_: str, handle: Any) -> None:
    """Let requests of a type be handled like this."""
    monkeypatch.setitem(ROWS, type_, replace(ROWS[type_], handle=handle))


def fail(*_: object, **__: object) -> None:
    """A handler, or an answer, with a fault."""
    raise ZeroDivisionError(SECRET)


def later(*_: object) -> Later:
    """A handler whose slow part has a fault."""
    return Later(fail)  # type: ignore[arg-type]


def late_answer(*_: object) -> Later:
    """A handler whose slow part is well and makes an answer with a fault."""
    return Later(lambda: fail)  # type: ignore[arg-type, return-value]


def answer(*_: object) -> Any:
    """A handler whose answer has a fault."""
    return fail


@pytest.mark.parametrize("handle", [fail, later, late_answer, answer])
def test_a_fault_is_an_incident_with_a_number_and_nothing_else(
    book: Playbook,
    alice: Actor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    handle: Any,
) -> None:
    """The number is in the log with the exception, whose text never leaves the server."""
    break_row(monkeypatch, "ping", handle)
    with caplog.at_level(logging.ERROR, "chat_server"):
        reply = alice.asks("ping")
    assert (reply["code"], reply["fatal"]) == ("server.internal", False)
    assert SECRET not in json.dumps(reply)
    number = reply["message"].split()[-1].rstrip(".")
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert number in record.getMessage()
    assert record.exc_info is not None
    assert book.telemetry.counts() == {"incidents": 1, "refused.server.internal": 1}
    alice.says("users", id="8")
    alice.hears("ok", re="8")


def refuse(*_: object) -> Later:
    """A handler whose slow part finds that it must not be."""

    def job() -> Any:
        raise Refused("permission.denied", "Not you.", field="room")

    return Later(job)


def test_a_worker_may_refuse(book: Playbook, alice: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like a handler, and it is no incident."""
    break_row(monkeypatch, "ping", refuse)
    reply = alice.asks("ping")
    assert (reply["code"], reply["field"]) == ("permission.denied", "room")
    assert book.telemetry.counts() == {"refused.permission.denied": 1}


def test_a_new_request_needs_only_its_row(alice: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatcher knows no request by name."""
    monkeypatch.setitem(ROWS, "ping", Row(lambda services, session, request: Ok, Rank.GUEST))
    assert alice.asks("ping") == {"type": "ok", "re": "asked-3"}


# Unknown fields


@pytest.mark.parametrize("type_", GOOD)
def test_unknown_fields_are_named_in_the_reply(
    book: Playbook, alice: Actor, bob: Actor, type_: str
) -> None:
    """Of every request, with any content."""
    actor = book.stranger() if type_ == "hello" else alice
    reply = actor.asks(type_, **GOOD[type_], later="x", **{"x-e.org/y": {"z": [1]}})
    assert reply["ignored"] == ["later", "x-e.org/y"]


def test_a_reply_says_nothing_where_nothing_was_ignored(alice: Actor) -> None:
    """Nor for null, which is absent."""
    assert "ignored" not in alice.asks("ping")
    assert "ignored" not in alice.asks("rooms", after=None)


def test_case_25_ten_thousand_unknown_fields_are_not_echoed(alice: Actor) -> None:
    """As many names as are helpful, each cut to a sensible length."""
    fields: dict[str, Any] = {"n" * 500: 0}
    fields.update({f"x{number}": 0 for number in range(5000)})
    ignored = alice.asks("ping", **fields)["ignored"]
    assert len(ignored) == IGNORED_NAMES
    assert ignored[0] == "n" * 64
    assert ignored[1] == "x0"


# The end


def test_quit_is_answered_before_it_ends(book: Playbook, alice: Actor, bob: Actor) -> None:
    """ok, bye, closed; the rooms hear that it was meant; what follows is not done."""
    alice.says_at_once(
        {"type": "quit", "id": "7"}, {"type": "broadcast", "room": "general", "text": "late"}
    )
    alice.hears("ok", re="7")
    alice.hears("bye", code="client.quit", reconnect="never")
    alice.hears_nothing()
    assert alice.sock.half_closed
    bob.hears("leave", reason="quit")
    bob.hears("promote", role="owner")
    bob.hears_nothing()


def test_who_ended_leaves_nothing_behind(book: Playbook, alice: Actor) -> None:
    """The nick is free, and nobody is in the room."""
    alice.says("quit")
    bob = book.person("alice", "general")
    assert [user["uid"] for user in bob.asks("users")["users"]] == [bob.uid]
    assert bob.asks("users", room="general")["count"] == 1


def test_a_rename_just_before_a_reset_is_no_second_departure(book: Playbook) -> None:
    """The news of it finds nobody, and the connection is let go once."""
    alice = book.person("alice")
    alice.session.frame(b'{"type":"nick","nick":"alicia"}')
    alice.connection.abort("reset")
    book.settle()
    book.settle()
    assert book.loops[0].gone == ["192.0.2.1"]


def codes(frames: list[Frame]) -> list[str]:
    """The codes of the errors among the frames."""
    return [Error.model_validate(frame).code for frame in frames if frame["type"] == "error"]


def test_every_code_that_is_sent_is_in_the_registry(alice: Actor) -> None:
    """A tour through refusals."""
    for request in (
        {"type": "hello"},
        {"type": "fly"},
        {"type": "join", "room": "a b"},
        {"type": "leave", "room": "nowhere"},
        {"type": "whisper", "to": "alice", "text": "x"},
        {"type": "whisper", "to": "nobody", "text": "x"},
        {"type": "broadcast", "room": "*", "text": "x"},
        {"type": "history", "room": "general", "after": 1, "before": 2},
    ):
        alice.says_at_once(request)
    found = codes(alice.listens())
    assert len(found) == 8
    assert set(found) <= set(ERRORS)
