"""Case H9: how long a refused login takes does not tell whether somebody has an account.

Each sample is taken beside one of the other kind, so that whatever slows the machine slows both.
How often the one takes longer than the other is compared, not how long it takes: half of the times
where nothing can be told, always or never where one glance tells.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chat_server import ChatServer, config
from tests.support.peer import Peer

SAMPLES = 60
GUESS = "a guess that is wrong"
CLUE = 0.25
"""How far from half counts as telling: chance goes so far in one of a hundred thousand runs."""


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server that hashes for about two milliseconds and delays nobody."""
    settings = config.Settings.model_validate(
        {"server": {"port": 0, "data": ":memory:"}, "auth": {"hash_kib": 1024, "hash_passes": 2}}
    )
    with ChatServer(settings, unlimited=True) as server:
        with Peer.welcomed(server.address, "alice") as alice:
            assert alice.ask("register", password="correct horse")["type"] == "ok"
        yield server


def share_longer(pairs: list[tuple[float, float]]) -> float:
    """In which share of all pairs across the two samples the first took longer."""
    firsts, seconds = zip(*pairs, strict=True)
    longer = sum(one > other for one in firsts for other in seconds)
    return float(longer / len(pairs) ** 2)


def taken(peer: Peer, nick: str, type_: str) -> float:
    """Seconds until a login with a wrong password is refused."""
    login = {"nick": nick, "password": GUESS}
    fields = {"login": login} if type_ == "hello" else login
    begun = time.perf_counter()
    reply = peer.ask(type_, **fields)
    elapsed = time.perf_counter() - begun
    assert reply["code"] == "auth.failed"
    return elapsed


@pytest.mark.parametrize("type_", ["login", "hello"])
def test_h9_the_time_of_a_login_does_not_tell_who_has_an_account(
    server: ChatServer, type_: str
) -> None:
    """By request or in the hello; the refusals are the same, too, but for their ids."""
    with Peer(server.address) as peer:
        if type_ == "login":
            peer.ask("hello")
        for nick in ("alice", "nobody"):
            taken(peer, nick, type_)  # the first of all loads what the others find
        pairs = []
        for number in range(SAMPLES):
            nicks = ("alice", "nobody") if number % 2 else ("nobody", "alice")
            found = {nick: taken(peer, nick, type_) for nick in nicks}
            pairs.append((found["alice"], found["nobody"]))
    assert abs(share_longer(pairs) - 0.5) < CLUE
