"""The listener: whom it accepts, how many at a time, and that it never spins."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
from collections.abc import Iterator

import pytest

from chat_server.net.listener import ACCEPTED_PER_TICK, PAUSE, Listener, listen
from tests.support.clock import ManualTime
from tests.support.hand_loop import HandLoop, hand_loop
from tests.support.sockets import FakeSocket


class Door:
    """A listener on a fake socket, and whom it welcomed."""

    def __init__(self, loop: HandLoop) -> None:
        self.loop = loop
        self.sock = loop.selector.introduce(FakeSocket())
        self.welcomed: list[tuple[socket.socket, str]] = []
        self.listener = Listener(self.sock.as_socket, loop, self._welcome)

    def _welcome(self, sock: socket.socket, address: str) -> None:
        self.welcomed.append((sock, address))

    def knock(self, *newcomers: FakeSocket | OSError) -> None:
        """Let these wait at the door."""
        self.sock.accepting.extend(newcomers)

    @property
    def watched(self) -> bool:
        """Whether the loop watches for newcomers."""
        return self.loop.selector.interest(self.sock) == selectors.EVENT_READ


@pytest.fixture
def door() -> Iterator[Door]:
    """An open listener."""
    with hand_loop(ManualTime()) as loop:
        door = Door(loop)
        door.listener.open()
        yield door


def test_a_newcomer_is_prepared_and_welcomed_with_its_address(door: Door) -> None:
    """Without delay for small frames, and without waiting for ever for a peer that is gone."""
    newcomer = FakeSocket()
    door.knock(newcomer)
    door.loop.tick()
    assert door.welcomed == [(newcomer.as_socket, "192.0.2.7")]
    options = {(level, option) for level, option, value in newcomer.options if value}
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY) in options
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) in options


def test_a_storm_of_newcomers_is_let_in_by_portions(door: Door) -> None:
    """Those who talk get their turn between; nobody is forgotten."""
    door.knock(*(FakeSocket() for _ in range(ACCEPTED_PER_TICK + 5)))
    door.loop.tick()
    assert len(door.welcomed) == ACCEPTED_PER_TICK
    door.loop.tick()
    assert len(door.welcomed) == ACCEPTED_PER_TICK + 5


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_it_looks_away_for_a_moment(
    door: Door, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """And then goes on; meanwhile the readable socket does not keep the loop awake."""
    newcomer = FakeSocket()
    door.knock(OSError(number, "none left"), newcomer)
    with caplog.at_level(logging.WARNING):
        door.loop.tick()
    assert len(caplog.records) == 1
    assert not door.watched
    assert door.welcomed == []
    door.loop.tick()
    assert door.loop.selector.waits[-1] == PAUSE
    door.loop.pass_time(PAUSE)
    assert door.watched
    door.loop.tick()
    assert door.welcomed == [(newcomer.as_socket, "192.0.2.7")]


def test_it_looks_away_as_often_as_needed(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """One line of log each time, not one a tick."""
    door.knock(*(OSError(errno.EMFILE, "none left") for _ in range(3)), FakeSocket())
    with caplog.at_level(logging.WARNING):
        door.loop.pass_time(5 * PAUSE, step=PAUSE / 10)
    assert len(caplog.records) == 3
    assert len(door.welcomed) == 1


@pytest.mark.parametrize("error", [BlockingIOError(), InterruptedError(), ConnectionAbortedError()])
def test_a_newcomer_who_was_gone_is_no_fault(door: Door, error: OSError) -> None:
    """The next one is welcomed."""
    door.knock(error, FakeSocket())
    door.loop.tick()
    door.loop.tick()
    assert len(door.welcomed) == 1
    assert door.watched


def test_a_closed_listener_is_closed_for_good(door: Door) -> None:
    """Also when it was looking away: it does not come back to a descriptor of another."""
    door.knock(OSError(errno.EMFILE, "none left"))
    door.loop.tick()
    door.listener.close()
    assert door.sock.closed
    door.loop.pass_time(2 * PAUSE)
    assert not door.watched


def test_closing_unregisters_first(door: Door) -> None:
    """The selector never watches a closed descriptor."""
    assert door.watched
    door.listener.close()
    assert list(door.loop.selector.get_map()) == []


def test_listening_takes_a_free_port_and_does_not_block() -> None:
    """Port 0 is any port."""
    with listen("127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] > 0
        with pytest.raises(BlockingIOError):
            sock.accept()


def test_case_120_an_address_in_use_is_an_error_and_leaves_nothing_open() -> None:
    """Before anything else has started."""
    with listen("127.0.0.1", 0) as sock, pytest.raises(OSError, match="in use") as caught:
        listen("127.0.0.1", sock.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
