"""The blocking client when connections break: real sockets, a real server, a wire that is cut."""

from __future__ import annotations

import itertools
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from chat_client import keeper
from chat_client.client import Client
from chat_client.keeper import Event
from chat_client.link import Back, Backoff, Link, Lost
from chat_client.transport import Disconnected
from chat_schema import events, requests
from chat_schema.errors import Refused
from chat_schema.framing import HEADER
from chat_server import ChatServer
from chat_server.config import Settings
from tests.support.client_proxy import Wire
from tests.support.client_script import frame
from tests.support.peer import PATIENCE

Connect = Callable[..., Client]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server on a free port."""
    with ChatServer(port=0, data=":memory:", unlimited=True) as server:
        yield server


@pytest.fixture
def wire(server: ChatServer) -> Iterator[Wire]:
    """A wire to it."""
    with Wire(server.address) as wire:
        yield wire


class Links(queue.Queue[Link]):
    """What a client tells of its link."""

    def __call__(self, link: Link) -> None:
        """Take one word."""
        self.put(link)

    def next(self, kind: type[Link]) -> Link:
        """Wait for the next word, which is of this kind."""
        link = self.get(timeout=PATIENCE)
        assert isinstance(link, kind), link
        return link


@pytest.fixture
def links() -> Links:
    """The words of one client."""
    return Links()


def quick(give_up: float = 60.0) -> Backoff:
    """Pauses of a hundredth of a second at most: nothing is waited for."""
    return Backoff(give_up, random=lambda: 0.01)


@pytest.fixture
def connect(wire: Wire) -> Iterator[Connect]:
    """Makes clients on the wire that come back at once and close themselves."""
    with ExitStack() as stack:
        yield lambda nick, **more: stack.enter_context(
            Client(port=wire.address[1], nick=nick, **{"backoff": quick(), **more})
        )


def said(client: Client) -> list[str]:
    """The texts that have arrived."""
    client.ping()
    return [event.text for event in client.events(timeout=0) if isinstance(event, events.Broadcast)]


def test_a_cut_is_mended_and_nothing_is_missed(
    server: ChatServer, wire: Wire, connect: Connect, links: Links
) -> None:
    """What others said in between is there once, and nobody saw us go."""
    with Client(port=server.address[1], nick="bob") as bob:
        alice = connect("alice", on_link=links)
        alice.join("dev")
        bob.join("dev")
        alice.ping()
        uid = alice.user.uid
        wire.cut(down=True)
        lost = links.next(Lost)
        assert isinstance(lost, Lost)
        assert lost.code == "connection.lost"
        for number in range(3):
            bob.say("dev", f"m{number}")
        wire.down = False
        back = links.next(Back)
        assert isinstance(back, Back)
        assert (back.missed, back.resumed, back.renamed) == (3, True, False)
        assert said(alice) == ["m0", "m1", "m2"]
        assert alice.user.uid == uid
        bob.ping()
        assert not [event for event in bob.events(timeout=0) if event.type in ("leave", "join")][1:]


@pytest.mark.parametrize("act", ["kick", "ban"])
def test_who_was_put_out_while_away_stays_out(
    server: ChatServer, wire: Wire, connect: Connect, links: Links, act: str
) -> None:
    """They are told so on coming back, and the others do not have them there again."""
    with Client(port=server.address[1], nick="bob") as bob:
        bob.join("dev")
        alice = connect("alice", on_link=links)
        alice.join("dev")
        alice.join("tea")
        wire.cut(down=True)
        links.next(Lost)
        getattr(bob.care, act)("dev", "alice")
        wire.down = False
        links.next(Back)
        alice.ping()
        heard = [event for event in alice.events(timeout=0) if isinstance(event, events.Leave)]
        assert [(event.room, event.reason) for event in heard] == [("dev", "kicked")]
        assert [user.nick for user in bob.users("dev").users] == ["bob"]
        assert alice.users("tea").count == 1


def test_what_is_asked_while_away_waits(wire: Wire, connect: Connect, links: Links) -> None:
    """In its order; a caller that blocks is answered afterwards, whatever its patience."""
    alice = connect("alice", on_link=links, patience=0.2)
    alice.join("dev")
    wire.cut(down=True)
    links.next(Lost)
    futures = [alice.submit(requests.Broadcast(room="dev", text=f"m{n}")) for n in range(3)]
    numbers: list[int] = []
    thread = threading.Thread(target=lambda: numbers.append(alice.say("dev", "last").seq))
    thread.start()
    thread.join(0.5)
    assert not any(future.done() for future in futures)
    wire.down = False
    thread.join(PATIENCE)
    assert [getattr(future.result(), "seq", 0) for future in futures] == [1, 2, 3]
    assert numbers == [4]


def test_cuts_at_any_moment_neither_lose_nor_double(
    server: ChatServer, wire: Wire, connect: Connect
) -> None:
    """Hundreds of messages while the wire is cut again and again."""
    with Client(port=server.address[1], nick="bob") as bob:
        alice = connect("alice")
        alice.join("dev")
        bob.join("dev")
        stop = threading.Event()

        def cut() -> None:
            while not stop.wait(0.03):
                wire.cut()

        cutter = threading.Thread(target=cut)
        cutter.start()
        texts = (f"m{number}" for number in itertools.count())
        numbers: list[int] = []
        while len(numbers) < 200 or wire.connections < 5:
            numbers.append(alice.say("dev", next(texts)).seq)
        stop.set()
        cutter.join()
        expected = [f"m{number}" for number in range(len(numbers))]
        assert numbers == list(range(1, len(numbers) + 1))
        assert said(alice) == said(bob) == expected


def test_giving_up_is_told_to_everybody(wire: Wire, connect: Connect, links: Links) -> None:
    """Whoever waits, whoever asks later, and `on_end`."""
    ended: queue.Queue[Disconnected] = queue.Queue()
    alice = connect("alice", on_link=links, on_end=ended.put, backoff=quick(0.3))
    wire.cut(down=True)
    links.next(Lost)
    future = alice.submit(requests.Rooms())
    with pytest.raises(Disconnected):
        future.result(PATIENCE)
    assert ended.get(timeout=PATIENCE).code == "connection.lost"
    with pytest.raises(Disconnected):
        alice.ping()


def test_who_never_comes_back_leaves_no_ghost(server: ChatServer, wire: Wire) -> None:
    """With give_up=0 the end of the connection is the end of the stay."""
    with Client(port=server.address[1], nick="bob") as bob:
        bob.join("dev")
        alice = Client(port=wire.address[1], nick="alice", give_up=0)
        alice.join("dev")
        wire.cut()
        leave = next(event for event in bob.events(timeout=PATIENCE) if event.type == "leave")
        assert isinstance(leave, events.Leave)
        assert leave.reason == "lost"
        assert alice.token is None
        alice.close()


def test_the_first_connection_is_not_tried_again(wire: Wire) -> None:
    """Who starts a program wants to know."""
    wire.down = True
    with pytest.raises(Disconnected):
        Client(port=wire.address[1], backoff=quick())
    assert wire.connections == 0


def test_close_works_while_away(wire: Wire, connect: Connect, links: Links) -> None:
    """At once, in the longest of pauses; what waits is told."""
    alice = connect("alice", on_link=links, backoff=Backoff(1e6, random=lambda: 1e6))
    wire.cut(down=True)
    links.next(Lost)
    future = alice.submit(requests.Rooms())
    alice.close()
    with pytest.raises(Disconnected) as error:
        future.result(0)
    assert error.value.code == "client.quit"
    assert list(alice.events(timeout=0)) == []
    alice.close()


def test_close_does_not_wait_for_a_network_that_is_silent(
    wire: Wire, connect: Connect, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a connection is being made, which may take long; what comes of it is closed."""
    alice = connect("alice", on_link=links)
    trying, answered = threading.Event(), threading.Event()
    late: list[socket.socket] = []

    def slow(host: str, port: int, timeout: float, tls: object) -> socket.socket:
        trying.set()
        answered.wait(PATIENCE)
        late.append(socket.create_connection((host, port), timeout))
        return late[0]

    monkeypatch.setattr(keeper, "connect", slow)
    wire.cut()
    assert trying.wait(PATIENCE)
    future = alice.submit(requests.Rooms())
    alice.close()
    with pytest.raises(Disconnected):
        future.result(0)
    answered.set()
    for thread in threading.enumerate():
        if thread.name == "chat-reader":
            thread.join(PATIENCE)
    assert late[0].fileno() == -1


def test_close_works_in_a_callback(connect: Connect) -> None:
    """It does not wait for itself."""
    done = threading.Event()
    clients: list[Client] = []

    def close(event: Event) -> None:
        if event.type == "join":
            clients[0].close()
            done.set()

    clients.append(connect("alice", on_event=close))
    clients[0].submit(requests.Join(room="dev"))
    assert done.wait(PATIENCE)


def test_a_stay_that_was_replaced_is_given_up(wire: Wire, connect: Connect) -> None:
    """`never` ends it: two programs do not throw each other out for ever."""
    ended: queue.Queue[Disconnected] = queue.Queue()
    alice = connect("alice", on_end=ended.put)
    other = connect("alice", token=alice.token)
    assert ended.get(timeout=PATIENCE).code == "session.replaced"
    assert other.resumed
    assert other.user == alice.user


def test_a_server_that_restarts_without_memory_is_somebody_new(links: Links) -> None:
    """The nick is asked for again, rooms are entered again, and what was typed is sent."""
    with ChatServer(port=0, data=":memory:") as first, Wire(first.address) as wire:
        with Client(port=wire.address[1], nick="alice", on_link=links, backoff=quick()) as alice:
            alice.join("dev")
            alice.say("dev", "before")
            wire.cut(down=True)
            links.next(Lost)
            future = alice.submit(requests.Broadcast(room="dev", text="after"))
            with ChatServer(port=0, data=":memory:") as second:
                wire.behind = second.address
                wire.down = False
                assert getattr(future.result(PATIENCE), "seq", 0) == 1
                back = links.next(Back)
                assert isinstance(back, Back)
                assert (back.resumed, back.renamed, back.user.nick) == (False, False, "alice")
                assert said(alice) == ["before", "after"]
                alice.close()


def test_a_nick_that_is_taken_is_asked_for_again_and_then_let_go(links: Links) -> None:
    """The stay was over and somebody has the name: a guest's after three tries, and said so."""
    with ChatServer(port=0, data=":memory:") as first, Wire(first.address) as wire:
        with Client(port=wire.address[1], nick="alice", on_link=links, backoff=quick()) as alice:
            wire.cut(down=True)
            links.next(Lost)
            with ChatServer(port=0, data=":memory:") as second:
                with Client(port=second.address[1], nick="Alice"):
                    wire.behind = second.address
                    wire.down = False
                    back = links.next(Back)
                    assert isinstance(back, Back)
                    assert (back.resumed, back.renamed) == (False, True)
                    assert back.user.nick.startswith("guest")
                    assert alice.user == back.user
                    alice.close()


def test_silence_is_asked_about_and_ends_the_connection(links: Links) -> None:
    """A wire that is dead without a word is noticed by the client's own clock."""
    settings = Settings.model_validate(
        {"server": {"port": 0, "data": ":memory:"}, "heartbeat": {"interval": 0.2, "timeout": 0.6}}
    )
    with ChatServer(settings) as server:
        with Wire(server.address) as wire:
            with Client(port=wire.address[1], on_link=links, backoff=quick()) as client:
                wire.silent = True
                lost = links.next(Lost)
                assert isinstance(lost, Lost)
                assert lost.reason == "Nothing was heard from the server any more."
                wire.silent = False
                wire.cut()
                links.next(Back)
                client.ping()


def test_a_server_that_does_not_answer_hello_is_left() -> None:
    """After the patience that was given, with a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(Disconnected, match="Nothing was heard"):
            Client(port=listener.getsockname()[1], patience=0.1)


def test_a_client_that_is_refused_on_coming_back_tries_on_until_it_gives_up(links: Links) -> None:
    """Whatever the reason: a server that is full now may not be later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=_welcome_once, args=(listener,))
        serving.start()
        ended: queue.Queue[Disconnected] = queue.Queue()
        client = Client(
            port=listener.getsockname()[1], nick="alice", on_link=links, on_end=ended.put,
            backoff=quick(0.5),
        )  # fmt: skip
        links.next(Lost)
        assert ended.get(timeout=PATIENCE).code == "server.full"
        client.close()
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()


def _welcome_once(listener: socket.socket) -> None:
    """Let the first one in and out again, and nobody after that."""
    terms = {"version": 1, "level": 2, "server": "s", "limits": {}, "durability": "disk"}
    user = {"uid": "u1", "nick": "alice"}
    heartbeat = {"interval": 30, "timeout": 75}
    welcome = {"type": "welcome", **terms, "user": user, "heartbeat": heartbeat}
    answers = [welcome]
    full = {"type": "error", "code": "server.full", "message": "Full.", "fatal": True}
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            asked = json.loads(connection.recv(65536)[HEADER:])
            connection.sendall(frame(re=asked["id"], **(answers.pop() if answers else full)))


def test_a_refusal_at_first_is_the_caller_s(connect: Connect) -> None:
    """As without reconnecting."""
    connect("alice")
    with pytest.raises(Refused) as error:
        connect("alice")
    assert error.value.code == "nick.taken"
