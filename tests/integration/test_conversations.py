"""What people do with a chat, on real sockets: names, rooms, messages, whispers, lists."""

from __future__ import annotations

import threading
from collections.abc import Callable

from chat_server import ChatServer
from tests.support.peer import Peer, kinds

Connect = Callable[..., Peer]
Stranger = Callable[[], Peer]


def test_guests_are_numbered(connect: Connect) -> None:
    """Who brings no nick is called guest_N, each another."""
    assert [connect().nick, connect().nick] == ["guest_1", "guest_2"]


def test_a_nick_is_unique_in_any_case(connect: Connect, stranger: Stranger) -> None:
    """Alice keeps out alice and ALICE until she leaves."""
    alice = connect("Alice")
    late = stranger()
    assert late.ask("hello", nick="aLICE")["code"] == "nick.taken"
    alice.ask("quit")
    assert late.ask("hello", nick="aLICE")["user"]["nick"] == "aLICE"


def test_a_thousand_claims_of_one_nick_have_one_winner(server: ChatServer) -> None:
    """Case 64: 100 connections claim the same nick ten times each, at once: one is welcome."""
    start = threading.Barrier(100)
    welcomes: list[str] = []

    def claim() -> None:
        with Peer(server.address) as peer:
            start.wait()
            for number in range(10):
                peer.send("hello", id=str(number), nick="WaNtEd")
            replies = [peer.receive() for _ in range(10)]
            welcomes.extend(reply["re"] for reply in replies if reply["type"] == "welcome")
            start.wait()  # nobody leaves, and frees the nick, before all have asked

    threads = [threading.Thread(target=claim) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(welcomes) == 1


def test_a_message_reaches_its_room_and_no_other(connect: Connect) -> None:
    """Members hear it, in order and with one number; others hear nothing."""
    alice, bob, carol = connect("alice"), connect("bob"), connect("carol")
    for peer in (alice, bob):
        peer.ask("join", room="Dev")
    carol.ask("join", room="other")
    alice.heard()
    reply = alice.ask("broadcast", room="dev", text="one", cid="c1")
    alice.ask("broadcast", room="DEV", text="two")
    heard = bob.heard()
    assert [(event["room"], event["seq"], event["text"]) for event in heard] == [
        ("Dev", 1, "one"),
        ("Dev", 2, "two"),
    ]
    assert reply["seq"] == 1
    assert heard[0]["cid"] == "c1"
    assert carol.heard() == []


def test_everybody_gets_the_same_bytes(connect: Connect) -> None:
    """The author's event is equal to everyone else's."""
    alice, bob = connect("alice"), connect("bob")
    alice.ask("join", room="dev")
    bob.ask("join", room="dev")
    alice.heard()
    *events, _ = alice.ask_all("broadcast", room="dev", text="same", cid="mine")
    assert events == bob.heard()


def test_a_whisper_reaches_two_people(connect: Connect) -> None:
    """Both get it, in one conversation with numbers of its own; a third hears nothing."""
    alice, bob, carol = connect("alice"), connect("bob"), connect("carol")
    for peer in (alice, bob, carol):
        peer.ask("join", room="dev")
    for peer in (alice, bob, carol):
        peer.heard()
    *mine, reply = alice.ask_all("whisper", to="BOB", text="psst")
    back = bob.ask_all("whisper", to="alice", text="yes?")
    assert [event["text"] for event in mine] == ["psst"]
    assert [event["text"] for event in back[:-1]] == ["psst", "yes?"]
    assert (reply["seq"], back[-1]["seq"]) == (1, 2)
    assert reply["room"] == back[-1]["room"]
    assert carol.heard() == []


def test_whispers_to_nobody_and_to_oneself_are_refused(connect: Connect) -> None:
    """Case 67: the reason is told, nothing is sent."""
    alice, bob = connect("alice"), connect("bob")
    bob.ask("quit")
    assert alice.ask("whisper", to="bob", text="x")["code"] == "user.offline"
    assert alice.ask("whisper", to="Alice", text="x")["code"] == "user.self"
    assert alice.heard() == []


def test_everybody_concerned_hears_of_comings_and_goings(connect: Connect) -> None:
    """Joins, leaves, quits, lost connections: each is told to the room, with the reason."""
    watcher = connect("watcher")
    watcher.ask("join", room="dev")
    leaver, quitter, loser = connect("l2"), connect("q2"), connect("o2")
    for peer in (leaver, quitter, loser):
        peer.ask("join", room="dev")
    leaver.ask("leave", room="dev")
    quitter.ask("quit")
    loser.socket.close()
    heard = watcher.heard()
    while len(heard) < 6:
        heard.append(watcher.receive())
    joins = [event["user"]["nick"] for event in heard if event["type"] == "join"]
    leaves = {event["user"]["nick"]: event["reason"] for event in heard if event["type"] == "leave"}
    assert joins == ["l2", "q2", "o2"]
    assert leaves == {"l2": "left", "q2": "quit", "o2": "lost"}


def test_a_rename_is_told_once_to_each_person_concerned(connect: Connect) -> None:
    """Sharing two rooms does not double it; the uid stays; strangers hear nothing."""
    alice, bob, stranger = connect("alice"), connect("bob"), connect("stranger")
    for room in ("one", "two"):
        alice.ask("join", room=room)
        bob.ask("join", room=room)
    stranger.ask("join", room="three")
    before = alice.ask("users", room="one")["users"][0]
    alice.heard()
    *own, reply = alice.ask_all("nick", nick="Alicia")
    [event] = bob.heard()[-1:]
    assert kinds(own) == ["nick"]
    assert (event["old"], event["user"]["nick"]) == ("alice", "Alicia")
    assert kinds(bob.heard()) == []
    assert reply["user"]["uid"] == before["uid"] == event["user"]["uid"]
    assert stranger.heard() == []


def test_changing_only_the_case_of_a_nick_is_allowed(connect: Connect) -> None:
    """One's own nick in another case is free for oneself."""
    assert connect("alice").ask("nick", nick="ALICE")["user"]["nick"] == "ALICE"


def test_rooms_and_users_can_be_listed(connect: Connect) -> None:
    """Names, topics and counts; members by nick; everyone online without a room."""
    zoe, adam = connect("zoe"), connect("Adam")
    for room in ("b-room", "A-room"):
        zoe.ask("join", room=room)
    adam.ask("join", room="a-ROOM")
    zoe.ask("topic", room="A-room", topic="first")
    listed = adam.ask("rooms")
    assert listed["rooms"] == [
        {"room": "A-room", "topic": "first", "count": 2},
        {"room": "b-room", "topic": "", "count": 1},
    ]
    assert adam.ask("rooms", after="a-room")["rooms"] == listed["rooms"][1:]
    members = adam.ask("users", room="a-room")["users"]
    assert [user["nick"] for user in members] == ["Adam", "zoe"]
    assert adam.ask("users")["count"] == 2
    assert adam.ask("users", room="b-room")["code"] == "room.not_member"


def test_a_topic_is_numbered_and_shown_to_who_comes_later(connect: Connect) -> None:
    """Setting it is an event of the room; a join finds it; empty clears it."""
    alice, bob = connect("alice"), connect("bob")
    alice.ask("join", room="dev")
    *events, reply = alice.ask_all("topic", room="dev", topic="Grüße 👋")
    assert (events[0]["seq"], reply["topic"]) == (1, "Grüße 👋")
    assert bob.ask("join", room="dev")["topic"] == "Grüße 👋"
    assert bob.ask("topic", room="dev", topic="")["code"] == "permission.denied"
    assert alice.ask("topic", room="dev", topic="")["topic"] == ""
    assert bob.ask("topic", room="dev")["topic"] == ""


def test_announcing_to_everyone_needs_a_right_that_nobody_has(connect: Connect) -> None:
    """A broadcast to `*` is refused and reaches nobody."""
    alice, bob = connect("alice"), connect("bob")
    assert alice.ask("broadcast", room="*", text="hear ye")["code"] == "permission.denied"
    assert bob.heard() == []


def test_history_pages_in_both_directions(connect: Connect) -> None:
    """Forward from 0 and backward from the end give the same 25 events, without gap or repeat."""
    alice = connect("alice")
    alice.ask("join", room="dev")
    for number in range(25):
        alice.send("broadcast", room="dev", text=f"m{number}")
    forward = []
    page = alice.ask("history", room="dev", after=0, limit=10)
    forward += page["events"]
    while page["more"]:
        page = alice.ask("history", room="dev", after=forward[-1]["seq"], limit=10)
        forward += page["events"]
    page = alice.ask("history", room="dev", limit=10)
    backward = page["events"]
    while page["more"]:
        page = alice.ask("history", room="dev", before=backward[0]["seq"], limit=10)
        backward = page["events"] + backward
    assert [event["seq"] for event in forward] == list(range(1, 26))
    assert forward == backward
    assert (page["oldest"], page["head"]) == (1, 25)


def test_history_is_for_those_who_may_read_it(connect: Connect) -> None:
    """A room one is not in, one that does not exist, and others' whispers: the same refusal."""
    alice, bob, carol = connect("alice"), connect("bob"), connect("carol")
    alice.ask("join", room="dev")
    whispers = alice.ask("whisper", to="bob", text="psst")["room"]
    codes = {carol.ask("history", room=room).get("code") for room in ("dev", "nowhere", whispers)}
    assert codes == {"room.not_member"}
    assert [event["text"] for event in bob.ask("history", room=whispers)["events"]] == ["psst"]


def test_joining_is_a_snapshot_at_a_number(connect: Connect) -> None:
    """What was said before is counted in `seq` and not sent; what comes after is sent."""
    alice, bob = connect("alice"), connect("bob")
    first = alice.ask("join", room="dev")
    alice.ask("broadcast", room="dev", text="before")
    second = bob.ask("join", room="dev")
    alice.ask("broadcast", room="dev", text="after")
    assert (first["seq"], second["seq"], second["count"]) == (0, 1, 2)
    assert second["epoch"] == first["epoch"]
    numbered = [event["seq"] for event in bob.heard() if "seq" in event]
    assert numbered == [2]


def test_each_view_is_gapless_while_many_talk_and_join(connect: Connect) -> None:
    """From its snapshot on, every member sees every number once, in order, whatever the loops."""
    talkers = [connect(f"talker{number}") for number in range(6)]
    for peer in talkers:
        peer.ask("join", room="dev")

    def talk(peer: Peer) -> None:
        for number in range(100):
            peer.send("broadcast", room="dev", text=f"{peer.nick} {number}")

    threads = [threading.Thread(target=talk, args=(peer,)) for peer in talkers]
    for thread in threads:
        thread.start()
    views = []
    for number in range(5):
        late = connect(f"late{number}")
        views.append((late, late.ask("join", room="dev")["seq"]))
    for thread in threads:
        thread.join()
    for peer in talkers:
        peer.ask("ping")
    for peer, seq in views:
        seen = [event["seq"] for event in _until_seq(peer, 600, seq) if "seq" in event]
        assert seen == list(range(seq + 1, 601))


def _until_seq(peer: Peer, last: int, seq: int) -> list[dict[str, object]]:
    """What the peer hears until number `last` has come."""
    heard: list[dict[str, object]] = []
    while seq < last:
        heard.append(peer.receive())
        seq = int(str(heard[-1].get("seq", seq)))
    return heard
