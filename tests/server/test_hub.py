"""The hub with two loops: everybody is reached once, and everybody sees one order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_schema import limits
from chat_schema.framing import encode_frame
from chat_schema.names import conversation_of
from chat_server.domain.moderation import Policy, Sanction
from chat_server.journal.base import Done, Stay
from chat_server.journal.memory import MemoryJournal
from chat_server.seats import Held
from tests.support.late_journal import LateJournal
from tests.support.playbook import Actor, Frame, Playbook
from tests.support.workshop import said


@pytest.fixture
def book() -> Iterator[Playbook]:
    """A server with two loops."""
    with Playbook(loops=2) as book:
        yield book


@pytest.fixture
def alice(book: Playbook) -> Actor:
    """Somebody in `general`, on the first loop."""
    return book.person("alice", "general", loop=0)


@pytest.fixture
def bob(book: Playbook, alice: Actor) -> Actor:
    """Somebody in `general`, on the second loop."""
    actor = book.person("bob", "general", loop=1)
    book.forget()
    return actor


def test_a_message_reaches_members_on_every_loop(alice: Actor, bob: Actor) -> None:
    """Both ways, and its author is answered on their own loop alone."""
    alice.says("broadcast", id="7", room="general", text="one")
    bob.says("broadcast", id="7", room="general", text="two")
    assert [frame.get("text") for frame in alice.listens()] == ["one", None, "two"]
    assert [frame.get("text") for frame in bob.listens()] == ["one", "two", None]


def test_comings_and_goings_reach_members_on_every_loop(
    book: Playbook, alice: Actor, bob: Actor
) -> None:
    """Join, nick and leave."""
    carol = book.person("carol", loop=1)
    carol.says("join", room="general")
    carol.says("nick", nick="caroline")
    carol.says("quit")
    for actor in (alice, bob):
        assert [frame["type"] for frame in actor.listens()] == ["join", "nick", "leave"]


@pytest.mark.parametrize("author", [0, 1, 2])
def test_an_author_is_answered_when_the_event_is_on_every_loop(author: int) -> None:
    """However fast the author's loop is: after the `ok`, nobody's ping overtakes the event."""
    journal = LateJournal()
    with Playbook(loops=3, journal=journal) as book:
        people = [book.person(f"p{number}", "dev", loop=number) for number in range(3)]
        book.forget()
        people[author].says("broadcast", id="7", room="dev", text="hi")
        heard: list[Frame] = []
        post = book.loops[author].post

        def post_to_a_fast_one(item: Any) -> None:
            post(item)
            book.loops[author].tick()
            heard.extend(people[author].listens())
            if heard and heard[-1].get("re") == "7":
                for other in people:
                    other.session.frame(b'{"type":"ping","id":"8"}')

        book.loops[author].post = post_to_a_fast_one  # type: ignore[method-assign]
        journal.keep()
        del book.loops[author].post
        book.settle()
        assert [frame.get("re") for frame in heard] == [None, "7"]
        for number, person in enumerate(people):
            if number != author:
                assert [frame.get("re") for frame in person.listens()] == [None, "8"]


def test_a_whisper_crosses_loops(alice: Actor, bob: Actor) -> None:
    """Once to each of the two."""
    alice.says("whisper", id="7", to="bob", text="psst")
    alice.hears("whisper", text="psst")
    alice.hears("ok", re="7")
    bob.hears("whisper", text="psst")
    bob.hears_nothing()


def test_a_snapshot_taken_while_a_message_is_on_its_way_is_exact(
    book: Playbook, alice: Actor
) -> None:
    """What the other loop has not delivered yet comes after the snapshot, or is in it: once."""
    carol = book.person("carol", loop=1)
    says = {"type": "broadcast", "room": "general"}
    for number in range(5):
        alice.session.frame(b'{"type":"broadcast","room":"general","text":"m%d"}' % number)
    carol.says("join", id="7", room="general")
    alice.says_at_once({**says, "text": "m5"})
    frames = carol.listens()
    [reply] = [frame for frame in frames if frame.get("re") == "7"]
    heard = [frame["seq"] for frame in frames if frame["type"] == "broadcast"]
    assert heard == list(range(reply["seq"] + 1, 7))


# A first message that is kept when everybody has gone


@pytest.mark.parametrize("loops", [1, 2])
@pytest.mark.parametrize(
    ("request_", "topic"), [({"type": "topic", "topic": "t"}, "t"), ({"type": "broadcast"}, "")]
)
def test_a_room_whose_first_event_is_kept_when_it_is_empty_is_listed(
    loops: int, request_: Frame, topic: str
) -> None:
    """It has a history: whoever joins finds it, and its topic."""
    journal = LateJournal()
    with Playbook(loops=loops, journal=journal) as book:
        alice, bob = book.person("alice", "Dev"), book.person("bob", loop=loops - 1)
        alice.says_at_once({"text": "hi", **request_, "room": "Dev"})
        alice.connection.abort("reset")
        book.settle()
        assert bob.asks("rooms")["rooms"] == []
        journal.keep()
        book.settle()
        [room] = bob.asks("rooms")["rooms"]
        assert (room["room"], room["count"], room.get("topic", "")) == ("Dev", 0, topic)
        assert bob.asks("join", room="dev")["seq"] == 1


def test_a_first_message_for_which_there_is_no_room_any_more_is_no_fault() -> None:
    """It is kept; who joins when there is space again has it listed."""
    journal = LateJournal()
    with Playbook(journal=journal, rooms=1) as book:
        alice = book.person("alice", "dev")
        alice.says("broadcast", room="dev", text="one")
        alice.connection.abort("reset")
        bob = book.person("bob", "ops")
        journal.keep()
        book.settle()
        assert [room["room"] for room in bob.asks("rooms")["rooms"]] == ["ops"]
        bob.asks("leave", room="ops")
        assert bob.asks("join", room="dev")["seq"] == 1


steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["broadcast", "broadcast", "join", "leave", "topic", "nick"]),
    ),
    max_size=30,
)


def request_of(kind: str, room: str, number: int) -> Frame:
    """A request of this kind, unlike every other."""
    fields: dict[str, dict[str, Any]] = {
        "broadcast": {"room": room, "text": f"m{number}"},
        "topic": {"room": room, "topic": f"t{number}"},
        "nick": {"nick": f"n{number}"},
        "join": {"room": room},
        "leave": {"room": room},
    }
    return {"type": kind, **fields[kind]}


@settings(max_examples=60)
@given(steps, st.randoms(use_true_random=False))
def test_whatever_happens_on_two_loops_nobody_misses_or_sees_anything_twice(
    steps: list[tuple[int, str, str]], chance: Any
) -> None:
    """Four people, two rooms, loops that tick when they like.

    Every member sees the numbers of a room from their snapshot on, without gap.
    """
    with Playbook(loops=2) as book:
        people = [book.person(f"p{number}", loop=number % 2) for number in range(4)]
        for number, (who, room, kind) in enumerate(steps):
            people[who].session.frame(encode(request_of(kind, room, number), number))
            chance.choice(book.loops).tick()
        book.settle()
        views = [person.listens() for person in people]
    for view in views:
        for room in "ab":
            check_numbers(view, room)


def encode(request: Frame, number: int) -> bytes:
    """The body of a request with an id."""
    return repr({**request, "id": f"id{number}"}).replace("'", '"').encode()


def check_numbers(view: list[Frame], room: str) -> None:
    """From each snapshot on, the numbers follow each other."""
    last = None
    for frame in view:
        if frame.get("room") != room:
            continue
        if "members" in frame:
            assert last is None or frame["seq"] == last
            last = frame["seq"]
        elif "seq" in frame and "re" not in frame:
            assert last is not None
            assert frame["seq"] == last + 1
            last = frame["seq"]
        elif frame["type"] == "ok" and "seq" not in frame and "topic" not in frame:
            last = None  # left


# Stays


class Diary(MemoryJournal):
    """A journal in memory that remembers stays; `kept` are those there are now."""

    @property
    def uids(self) -> list[str]:
        """Whose stays are kept."""
        return sorted(stay.uid for stay in self.kept.values())

    def __init__(self, *stays: Stay) -> None:
        super().__init__(kept=1000, budget=2**24)
        self._first = stays
        self.kept = {stay.digest: stay for stay in stays}

    def keep_stay(self, stay: Stay, done: Done) -> None:
        """Keep it."""
        self.kept[stay.digest] = stay
        done(None)

    def drop_stay(self, digest: str) -> None:
        """Forget it."""
        self.kept.pop(digest, None)

    def stays(self) -> Iterable[Stay]:
        """Those there were in the beginning."""
        return self._first

    def tell(self, *rooms: str) -> Diary:
        """Let something have been said in these rooms before the server began."""
        self.open(lambda outcomes: None)
        for room in rooms:
            self.append(said(room, "before", topic=f"topic of {room}"))
        return self


TOKEN = "a-token"


def stay(uid: str, nick: str, *rooms: str, token: str = TOKEN) -> Stay:
    """A stay that was kept."""
    return Stay(uid, nick, sha256(token.encode()).hexdigest(), rooms)


def resume_of(token: str = TOKEN, **rooms: int) -> Frame:
    """A wish to come back with cursors in no epoch."""
    return {"token": token, "rooms": {room: ["", seq] for room, seq in rooms.items()}}


def test_a_stay_is_kept_as_it_is_now() -> None:
    """With every room and nick, until it is over."""
    diary = Diary()
    with Playbook(journal=diary) as book:
        alice = book.stranger()
        alice.asks("hello", nick="alice", resume=True)
        [digest] = diary.kept
        assert diary.kept[digest].rooms == ()
        alice.asks("join", room="Dev")
        alice.asks("join", room="Ops")
        alice.asks("nick", nick="Alicia")
        alice.asks("leave", room="dev")
        assert (diary.kept[digest].nick, diary.kept[digest].rooms) == ("Alicia", ("Ops",))
        alice.says("quit")
        assert diary.kept == {}


def test_stays_without_a_token_are_not_kept() -> None:
    """There is nothing to come back with."""
    diary = Diary()
    with Playbook(journal=diary) as book:
        book.person("alice", "dev")
        assert diary.kept == {}


def test_a_stay_that_is_over_is_not_kept_any_more() -> None:
    """When its time has passed."""
    diary = Diary()
    with Playbook(journal=diary) as book:
        alice = book.stranger()
        alice.asks("hello", nick="alice", resume=True)
        alice.connection.abort("reset")
        book.pass_time(119)
        assert len(diary.kept) == 1
        book.pass_time(1)
        assert diary.kept == {}


def test_those_who_were_there_before_a_restart_are_held() -> None:
    """With nick, rooms and topics; taken up by the token."""
    diary = Diary(stay("u1", "alice", "Dev", "quiet"))
    with Playbook(loops=2, journal=diary.tell("Dev", "Ops")) as book:
        bob = book.person("bob", loop=1)
        assert bob.asks("nick", nick="Alice")["code"] == "nick.taken"
        listed = {entry["room"]: entry for entry in bob.asks("rooms")["rooms"]}
        assert {room: entry["count"] for room, entry in listed.items()} == {
            "Dev": 1,
            "Ops": 0,
            "quiet": 1,
        }
        assert listed["Ops"]["topic"] == "topic of Ops"
        bob.asks("join", room="dev")
        alice = book.stranger()
        welcome = alice.asks("hello", nick="alice", resume={"token": TOKEN})
        assert welcome["user"] == {"uid": "u1", "nick": "alice"}
        assert welcome["resume"]["rooms"] == ["Dev", "quiet"]
        bob.hears("join", user={"uid": bob.uid, "nick": "bob"})
        bob.hears_nothing()
        alice.says("broadcast", room="dev", text="back")
        bob.hears("broadcast", seq=2)


def test_what_nobody_owns_after_a_restart_is_owned_by_who_is_held_there() -> None:
    """A room of a database without offices: nobody who comes later takes it from them."""
    diary = Diary(stay("u1", "alice", "Dev")).tell("Dev")
    with Playbook(journal=diary) as book:
        bob = book.person("bob")
        joined = bob.asks("join", room="dev")
        assert joined["mods"] == [{"user": {"uid": "u1", "nick": "alice"}, "role": "owner"}]


def test_a_guests_office_ends_with_a_restart_that_their_stay_did_not_outlive() -> None:
    """It passes on to who is still there, and the room is told."""
    diary = Diary(stay("u1", "alice", "Dev")).tell("Dev")
    owned = {"owners": {"u0": "zoe"}, "moderators": {}, "invited": {}, "registered": []}
    record = json.dumps(Policy().as_record() | owned)
    diary.keep_record("policy", "dev", record, lambda refused: None)
    with Playbook(journal=diary) as book:
        bob = book.person("bob", "dev")
        [event] = bob.asks("history", room="dev", after=1)["events"]
        assert (event["type"], event["target"]["uid"], event["role"]) == ("promote", "u1", "owner")


def test_who_was_banned_just_before_a_kill_is_not_put_back() -> None:
    """The ban was stored, and the stay without the room not yet."""
    diary = Diary(stay("u1", "alice", "Dev", "ops")).tell("Dev")
    policy = Policy()
    policy.bans.impose(Sanction("#1", "bob", 0.0, nick="alice", uid="u1"))
    diary.keep_record("policy", "dev", json.dumps(policy.as_record()), lambda refused: None)
    with Playbook(journal=diary) as book:
        alice = book.stranger()
        welcome = alice.asks("hello", resume=resume_of(dev=0, ops=0))
        assert welcome["resume"]["rooms"] == ["ops"]


def test_who_was_put_out_while_away_is_not_let_in_by_coming_back(book: Playbook) -> None:
    """Nor does naming the room in the hello undo a kick; joining it does."""
    bob = book.person("bob", "dev")
    alice = book.stranger()
    token = alice.asks("hello", nick="alice", resume={})["resume"]["token"]
    alice.asks("join", room="dev")
    alice.connection.abort("reset")
    assert bob.asks("kick", room="dev", target="alice")["type"] == "ok"
    back = book.stranger(1)
    wish = {"token": token, "rooms": {"dev": ["", 0]}}
    assert back.asks("hello", resume=wish)["resume"]["rooms"] == []
    assert back.asks("join", room="dev")["type"] == "ok"


def test_those_who_do_not_return_after_a_restart_are_let_go() -> None:
    """All of them, when the server says so; those who came back stay."""
    stays = [stay(f"u{n}", f"p{n}", "dev", token=f"token{n}") for n in range(5)]
    diary = Diary(*stays)
    with Playbook(journal=diary) as book:
        held = list(book.hub._seats.held.values())
        back = book.stranger()
        back.asks("hello", nick="p0", resume=resume_of("token0", dev=0))
        for each in held:
            book.hub.release(each, "2026-11-22T15:00:00.123Z")
        book.settle()
        left = [frame["user"]["nick"] for frame in back.listens() if frame["type"] == "leave"]
        assert left == ["p1", "p2", "p3", "p4"]
        assert diary.uids == ["u0"]
        assert back.asks("users", room="dev")["count"] == 1


def test_one_release_for_each_time_of_holding() -> None:
    """A stay that was taken up and lost again is not ended by what was due for the first time."""
    diary = Diary(stay("u1", "alice", "dev"))
    with Playbook(journal=diary) as book:
        [first] = book.hub._seats.held.values()
        alice = book.stranger()
        alice.asks("hello", nick="alice", resume=resume_of(dev=0))
        alice.connection.abort("reset")
        book.hub.release(first, "2026-11-22T15:00:00.123Z")
        assert [type(held) for held in book.hub._seats.held.values()] == [Held]


def test_of_two_kept_stays_of_one_nick_one_is_restored() -> None:
    """A rename that was kept before the old holder's end was: the other's token is unknown now."""
    diary = Diary(stay("u1", "alice", token="one"), stay("u2", "ALICE", token="two"))
    with Playbook(journal=diary) as book:
        assert diary.uids == ["u1"]
        one, two = book.stranger(), book.stranger()
        assert one.asks("hello", resume=resume_of("one"))["user"]["uid"] == "u1"
        assert two.asks("hello", resume=resume_of("two"))["resume"]["resumed"] is False


def test_more_rooms_than_are_allowed_now_are_no_fault() -> None:
    """A stay is restored into those that there is room for."""
    diary = Diary(stay("u1", "alice", "a", "b", "c"))
    with Playbook(journal=diary, rooms=2) as book:
        alice = book.stranger()
        welcome = alice.asks("hello", resume={"token": TOKEN})
        assert welcome["resume"]["rooms"] == ["a", "b"]


def test_conversations_are_remembered_while_one_of_the_two_may_return() -> None:
    """Others from before the restart are forgotten: nobody can read them."""
    diary = Diary(stay("u1", "alice")).tell("dm:u1:u2", "dm:u3:u4", "*", "dev")
    with Playbook(journal=diary) as book:
        assert list(diary.conversations()) == ["dm:u1:u2"]
        alice = book.stranger()
        alice.says("hello", id="1", resume=resume_of())
        replayed = [frame["room"] for frame in alice.listens() if frame.get("state") == "begin"]
        assert replayed == ["dm:u1:u2"]
        alice.says("quit")
        assert list(diary.conversations()) == []
        assert diary.position("dev").head == 1


@pytest.mark.parametrize("named", [0, 3])
def test_of_the_conversations_that_are_not_named_so_many_are_replayed(named: int) -> None:
    """As many as a client can name; those that it names come besides."""
    rooms = sorted(conversation_of("u1", f"u{number}") for number in range(2, 110))
    diary = Diary(stay("u1", "alice")).tell(*rooms)
    with Playbook(journal=diary) as book:
        alice = book.stranger()
        cursors = {room: ["", 0] for room in rooms[:named]}
        alice.says("hello", id="1", resume={"token": TOKEN, "rooms": cursors})
        replayed = [frame["room"] for frame in alice.listens() if frame.get("state") == "begin"]
        assert len(replayed) == len(set(replayed)) == limits.RESUMED + named
        assert set(rooms[:named]) <= set(replayed) <= set(rooms)


def test_a_conversation_is_kept_while_one_of_the_two_is_held(book: Playbook) -> None:
    """It is forgotten when both are gone for good."""
    alice, bob = book.stranger(0), book.stranger(1)
    for actor, nick in ((alice, "alice"), (bob, "bob")):
        actor.asks("hello", nick=nick, resume=True)
    room = conversation_of(alice.uid, bob.uid)
    alice.says("whisper", to="bob", text="psst")
    alice.connection.abort("reset")
    bob.says("quit")
    assert list(book.journal.conversations()) == [room]
    book.pass_time(121)
    assert list(book.journal.conversations()) == []


def test_everything_of_a_crowd_that_comes_and_goes_is_let_go(book: Playbook) -> None:
    """Sessions, stays, rooms and conversations: nothing gathers."""
    for _ in range(3):
        people = [book.stranger(number % 2) for number in range(6)]
        for number, person in enumerate(people):
            person.asks("hello", nick=f"p{number}", resume=bool(number % 3))
            person.asks("join", room=f"r{number % 2}")
        for person in people[1:]:
            person.says("whisper", to="p0", text="hi")
        for number, person in enumerate(people):
            if number % 2:
                person.says("quit")
            else:
                person.connection.abort("reset")
        book.pass_time(121)
        hub = book.hub
        assert (hub._seats.sessions, hub._seats.held, hub.everyone()) == ({}, {}, [])
        assert hub._room_book.policies == {}
        # who owned them passed on: that is their history
        assert sorted(hub.rooms()) == [("r0", "", 0), ("r1", "", 0)]
        assert list(book.journal.conversations()) == []
        assert [loop.audiences for loop in book.loops] == [{}, {}]


coming = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(
            ["lose", "return", "return", "broadcast", "broadcast", "take over", "wait"]
        ),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(coming, st.randoms(use_true_random=False))
def test_whoever_is_cut_off_and_returns_misses_nothing_and_sees_nothing_twice(
    steps: list[tuple[int, str]], chance: Any
) -> None:
    """Three people on two loops that tick when they like; each has every number once."""
    with Playbook(loops=2) as book:
        people = [Returner(book, f"p{number}", chance) for number in range(3)]
        for number, (who, kind) in enumerate(steps):
            people[who].does(kind, number)
            chance.choice(book.loops).tick()
        for person in people:
            person.does("return", len(steps))
        book.settle()
        head = book.journal.position("dev").head
        for person in people:
            assert person.numbers() == list(range(1, head + 1))
            assert "leave" not in person.kinds
        assert people[0].now.asks("users", room="dev")["count"] == 3


class Returner:
    """Somebody who loses the connection and returns, and notes every number of `dev`."""

    def __init__(self, book: Playbook, nick: str, chance: Any) -> None:
        self._book = book
        self._chance = chance
        self.nick = nick
        self.kinds: list[str] = []
        self._numbers: list[int] = []
        self._online = True
        self.now = book.stranger(chance.randrange(2))
        self._token = self.now.asks("hello", nick=nick, resume=True)["resume"]["token"]
        self._epoch = self.now.asks("join", room="dev")["epoch"]

    def does(self, kind: str, number: int) -> None:
        """One step, as far as it makes sense now; the loops tick later."""
        if kind == "lose" and self._online:
            self._online = False
            self.numbers()
            self.now.connection.abort("reset")
        elif (kind == "return" and not self._online) or kind == "take over":
            self._return()
        elif kind == "broadcast" and self._online:
            self._asks({"type": "broadcast", "room": "dev", "text": f"{number}"})
        elif kind == "wait":
            self._book.pass_time(2)  # together less than the silence that ends a connection

    def _return(self) -> None:
        cursor = self.numbers()
        self.now = self._book.stranger(self._chance.randrange(2))
        rooms = {"dev": [self._epoch, len(cursor)]}
        self._online = True
        self._asks(
            {
                "type": "hello",
                "id": "back",
                "nick": self.nick,
                "resume": {"token": self._token, "rooms": rooms},
            }
        )

    def _asks(self, request: Frame) -> None:
        """What was sent before the hello is answered is handed over when it is."""
        self.now.sock.incoming.append(encode_frame(encode(request, 0)))

    def numbers(self) -> list[int]:
        """The numbers of `dev` that were heard until now, on all connections."""
        for frame in self.now.listens():
            self.kinds.append(frame["type"])
            if frame["type"] == "broadcast":
                self._numbers.append(frame["seq"])
        return self._numbers


# Memberships


moving = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["join", "join", "leave", "lose", "quit", "anew", "back", "back"]),
        st.sampled_from("abc"),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(moving, st.randoms(use_true_random=False))
def test_however_people_move_they_are_in_the_rooms_that_have_them(
    steps: list[tuple[int, str, str]], chance: Any
) -> None:
    """Joining, leaving, coming back with other rooms or without, over each other, in few rooms."""
    with Playbook(loops=2, rooms=2) as book:
        movers = [Mover(book, f"p{number}", chance) for number in range(3)]
        for who, kind, room in steps:
            movers[who].does(kind, room)
            chance.choice(book.loops).tick()
            check_memberships(book)
        book.settle()
        check_memberships(book)
        for person in book.hub.everyone():
            for session in book.hub._seats.sessions.get(person.uid, ()):
                assert session.rooms == person.rooms


def check_memberships(book: Playbook) -> None:
    """What people know of their rooms is what rooms know of their members."""
    of_rooms = {(uid, room.key) for room in book.hub._rooms.all() for uid in list(room.members)}
    people = book.hub.everyone()
    assert {(person.uid, key) for person in people for key in person.rooms} == of_rooms
    assert all(
        book.hub._rooms.find(key) is room for person in people for key, room in person.rooms.items()
    )


class Mover:
    """Somebody who comes back on another connection, whatever became of the one before."""

    def __init__(self, book: Playbook, nick: str, chance: Any) -> None:
        self._book = book
        self._chance = chance
        self._nick = nick
        self.now = book.stranger(chance.randrange(2))
        self._token = self.now.asks("hello", nick=nick, resume=True)["resume"]["token"]

    def does(self, kind: str, room: str) -> None:
        """One step; the loops tick later."""
        if kind == "lose":
            self.now.connection.abort("reset")
        elif kind in ("anew", "back"):
            self.now = self._book.stranger(self._chance.randrange(2))
            rooms = {"rooms": {room: ["", 0]}} if kind == "back" else {}
            wish = {"token": self._token, **rooms}
            self._asks({"type": "hello", "id": "1", "nick": self._nick, "resume": wish})
        else:
            self._asks({"type": kind, "room": room} if kind != "quit" else {"type": kind})

    def _asks(self, request: Frame) -> None:
        self.now.sock.incoming.append(encode_frame(encode(request, 0)))
