"""Accounts on real sockets and on disk: what survives, what reaches whom, and who wins a race."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat_server import ChatServer, config
from tests.support.keys import PRIVATE, PUBLIC, sign
from tests.support.peer import Frame, Peer
from tests.support.program import ServerProgram

SECRET, OTHER = "correct horse", "battery staple"
ALICE = {"nick": "Alice", "password": SECRET}
RACERS = 1000
QUICK = {"hash_kib": 8, "hash_passes": 1, "hashes_waiting": RACERS}
"""Hashes that cost nothing, for tests that make many."""

Start = Callable[[], ChatServer]


@pytest.fixture(params=[1, 3], ids=["one loop", "three loops"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts a server on the same folder, after the one before has stopped."""
    given = {"port": 0, "io_threads": request.param, "data": str(tmp_path / "data")}
    settings = config.Settings.model_validate({"server": given, "auth": QUICK})
    with ExitStack() as stack:

        def start_() -> ChatServer:
            stack.close()
            return stack.enter_context(ChatServer(settings, unlimited=True))

        yield start_


def known(server: ChatServer, login: dict[str, str], *rooms: str) -> Peer:
    """A peer that has logged in with its hello."""
    peer = Peer(server.address)
    assert peer.ask("hello", login=login)["type"] == "welcome"
    for room in rooms:
        peer.ask("join", room=room)
    return peer


def registered(server: ChatServer, nick: str, *rooms: str) -> Peer:
    """A peer with an account."""
    peer = Peer.welcomed(server.address, nick)
    for room in rooms:
        peer.ask("join", room=room)
    assert peer.ask("register", password=SECRET)["type"] == "ok"
    return peer


def greeting(address: tuple[str, int], **hello: object) -> Frame:
    """What a server says to this hello."""
    with Peer(address) as peer:
        return peer.ask("hello", **hello)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_d1_an_account_survives_the_end_of_the_server(
    tmp_path: Path, number: signal.Signals
) -> None:
    """From the moment of the answer: killed at once, it is there with name, uid and password."""
    options = ("--data", str(tmp_path / "data"), "--no-limits")
    with ServerProgram(*options) as server, Peer(server.address) as peer:
        uid = peer.ask("hello", nick="Alice")["user"]["uid"]
        assert peer.ask("register", password=SECRET)["user"]["registered"]
        server.stop(number)
    with ServerProgram(*options) as server:
        assert greeting(server.address, nick="aLICE")["code"] == "nick.reserved"
        assert greeting(server.address, login={**ALICE, "password": OTHER})["code"] == "auth.failed"
        user = greeting(server.address, login=ALICE)["user"]
    assert user == {"uid": uid, "nick": "Alice", "registered": True}


def test_what_is_changed_of_an_account_survives(start: Start) -> None:
    """The password, the key, whom it ignores; and that it was given up."""
    server = start()
    with registered(server, "Alice") as alice, registered(server, "bob") as bob:
        assert alice.ask("passwd", old=SECRET, new=OTHER)["type"] == "ok"
        assert alice.ask("key", public=PUBLIC)["public"] == PUBLIC
        assert [user["nick"] for user in alice.ask("ignore", target="bob")["users"]] == ["bob"]
        assert bob.ask("unregister", password=SECRET)["type"] == "ok"
    server = start()
    assert greeting(server.address, login=ALICE)["code"] == "auth.failed"
    with known(server, {**ALICE, "password": OTHER}) as alice:
        assert alice.ask("key")["public"] == PUBLIC
        assert [user["nick"] for user in alice.ask("ignores")["users"]] == ["bob"]
    assert greeting(server.address, nick="bob")["type"] == "welcome"


def test_a_whisper_to_an_account_waits_for_it(start: Start) -> None:
    """Over a restart too; who asks for a token finds the conversation in the welcome."""
    server = start()
    registered(server, "Alice").socket.close()
    with registered(server, "bob") as bob:
        room = bob.ask("whisper", to="alice", text="for later")["room"]
    for _ in range(2):
        with Peer(server.address) as alice:
            welcome = alice.ask("hello", login=ALICE, resume={})
            assert room in welcome["resume"]["conversations"]
            events = alice.ask("history", room=room)["events"]
            assert [event["text"] for event in events] == ["for later"]
        server = start()


def test_sessions_of_an_account_are_one_person_on_any_loop(start: Start) -> None:
    """Whispers reach each of them, others see one, and all are renamed at once."""
    server = start()
    with ExitStack() as stack:
        alice = stack.enter_context(registered(server, "Alice", "dev"))
        others = [stack.enter_context(known(server, ALICE, "dev")) for _ in range(4)]
        bob = stack.enter_context(Peer.welcomed(server.address, "bob"))
        nicks = [member["nick"] for member in bob.ask("join", room="dev")["members"]]
        assert nicks == ["Alice", "bob"]
        bob.ask("whisper", to="alice", text="psst")
        alice.ask("nick", nick="wolf")
        for session in others:
            heard = [frame["type"] for frame in received(session, "nick")]
            assert [type_ for type_ in heard if type_ != "join"] == ["whisper", "nick"]
        assert [frame["type"] for frame in received(bob, "nick")] == ["nick"]


def received(peer: Peer, last: str) -> list[Frame]:
    """What has arrived, up to an event of this type."""
    frames = [peer.receive()]
    while frames[-1]["type"] != last:
        frames.append(peer.receive())
    return frames


def test_a_signature_logs_in(start: Start) -> None:
    """Put together from what the server says of itself; a used challenge is refused."""
    server = start()
    with registered(server, "Robot") as robot:
        robot.ask("key", public=PUBLIC)
    with Peer(server.address) as guest:
        name = guest.ask("hello")["server"]
        signed = sign(PRIVATE, name, "Robot", guest.ask("challenge")["nonce"])
        login = {"nick": "robot", "signature": signed}
        assert guest.ask("login", **login)["user"]["nick"] == "Robot"
        guest.ask("logout")
        assert guest.ask("login", **login)["code"] == "auth.failed"


def test_another_password_ends_the_other_sessions(start: Start) -> None:
    """On whatever loop they are."""
    server = start()
    with ExitStack() as stack:
        alice = stack.enter_context(registered(server, "Alice"))
        others = [stack.enter_context(known(server, ALICE)) for _ in range(4)]
        assert alice.ask("passwd", old=SECRET, new=OTHER)["type"] == "ok"
        for session in others:
            assert [frame["code"] for frame in session.rest()] == ["session.revoked"] * 2
        assert alice.ask("ping")["type"] == "ok"


def test_case_64_of_a_thousand_who_register_a_nick_one_has_it(start: Start) -> None:
    """All ask for it at once; the rest are refused, and the one can log in afterwards."""
    server = start()
    with ExitStack() as stack:
        racers = [stack.enter_context(Peer(server.address)) for _ in range(RACERS)]
        for number, racer in enumerate(racers):
            racer.send("hello", id="h", nick="Prize" if number % 2 else "pRIZE")
            racer.send("register", id="r", password=f"{SECRET} {number}")
        answers = [(answer(racer, "h"), answer(racer, "r")) for racer in racers]
        won = [number for number, (_, reply) in enumerate(answers) if reply["type"] == "ok"]
        lost = [hello["code"] for hello, _ in answers if hello["type"] == "error"]
    assert (len(won), len(lost)) == (1, RACERS - 1)
    assert set(lost) <= {"nick.taken", "nick.reserved"}
    login = {"nick": "prize", "password": f"{SECRET} {won[0]}"}
    assert greeting(server.address, login=login)["type"] == "welcome"


def test_case_64_of_a_thousand_logins_each_is_answered(start: Start) -> None:
    """With two hashers for all of them: nobody waits for ever, nobody is somebody else."""
    server = start()
    registered(server, "Alice").socket.close()
    with ExitStack() as stack:
        racers = [stack.enter_context(Peer(server.address)) for _ in range(RACERS)]
        for number, racer in enumerate(racers):
            password = OTHER if number % 3 else SECRET
            racer.send("hello", id="h", login={"nick": "alice", "password": password})
        answers = [answer(racer, "h") for racer in racers]
    codes = [reply.get("code", reply["type"]) for reply in answers]
    assert codes == ["auth.failed" if number % 3 else "welcome" for number in range(RACERS)]


def answer(peer: Peer, id_: str) -> Frame:
    """The reply to the request of this id."""
    while (frame := peer.receive()).get("re") != id_:
        pass
    return frame


def test_h8_passwords_are_on_disk_as_hashes_only(start: Start, tmp_path: Path) -> None:
    """Not even one that was wrong, or not taken."""
    server = start()
    with registered(server, "Alice") as alice, Peer.welcomed(server.address) as guest:
        replies = [
            alice.ask("passwd", old="planted guess", new=OTHER),
            alice.ask("passwd", old=SECRET, new=OTHER),
            guest.ask("login", nick="alice", password="planted guess"),
            guest.ask("register", password="planted guess"),
        ]
    server.stop()
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"$argon2id$" in stored
    for secret in (SECRET, OTHER, "planted guess"):
        assert secret.encode() not in stored
        assert secret not in str(replies)
