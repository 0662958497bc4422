"""Metrics over HTTP: what was counted, whether the server is well, nothing that grows unbounded."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chat_schema.errors import ERRORS
from chat_server import ChatServer, config
from chat_server.metrics import AT_ONCE, Metrics
from chat_server.telemetry import Telemetry
from tests.support.peer import Peer
from tests.support.program import run_program

PATIENCE = 20.0
"""Seconds to wait for what must happen; only a failing test waits as long."""


class Watch:
    """A metrics server whose telemetry and verdicts a test decides."""

    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self.alive = True
        self.ready = True
        self.metrics = Metrics(
            ("127.0.0.1", 0),
            self.telemetry,
            alive=lambda: self.alive,
            ready=lambda: self.ready,
        )
        self.metrics.start()

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        """The status and the text of an answer."""
        return ask(self.metrics.address, path, method)

    def samples(self) -> dict[tuple[str, str], float]:
        """What `/metrics` says, by name and the value of the label."""
        return samples(self.ask("/metrics")[1])


def ask(address: tuple[str, int], path: str, method: str = "GET") -> tuple[int, str]:
    """Ask over HTTP."""
    connection = HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def samples(text: str) -> dict[tuple[str, str], float]:
    """Prometheus's text as its own parser reads it."""
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A metrics server."""
    watch = Watch()
    yield watch
    watch.metrics.stop()


def test_counters_have_their_codes_as_labels(watch: Watch) -> None:
    """By the names in the error registry."""
    watch.telemetry.count("refused.rate.messages")
    watch.telemetry.count("refused.rate.messages")
    watch.telemetry.count("closed.client.slow")
    found = watch.samples()
    assert found["chat_refused_total", "rate.messages"] == 2
    assert found["chat_closed_total", "client.slow"] == 1


def test_labels_are_bounded(watch: Watch) -> None:
    """What is no code of ours is counted together, whoever made it up."""
    for number in range(1000):
        watch.telemetry.count(f"closed.made-up-{number}")
    labels = {label for name, label in watch.samples() if name == "chat_closed_total"}
    assert labels == {"other"}
    assert watch.samples()["chat_closed_total", "other"] == 1000
    assert "other" not in ERRORS


def test_gauges_are_read_when_asked(watch: Watch) -> None:
    """Numbers as they are now; words as information."""
    readings = iter([1, 2])
    watch.telemetry.gauge("journal.waiting", lambda: next(readings))
    watch.telemetry.gauge("version", lambda: "1.2")
    assert watch.samples()["chat_journal_waiting", ""] == 1
    found = watch.samples()
    assert found["chat_journal_waiting", ""] == 2
    assert found["chat_info", "1.2"] == 1


@pytest.mark.parametrize(("path", "verdict"), [("/healthz", "alive"), ("/readyz", "ready")])
def test_a_watchdog_gets_a_verdict(watch: Watch, path: str, verdict: str) -> None:
    """200 or 503, each question its own."""
    assert watch.ask(path) == (200, "ok\n")
    setattr(watch, verdict, False)
    assert watch.ask(path) == (503, "no\n")


def test_anything_else_is_not_there(watch: Watch) -> None:
    """Other paths, other methods."""
    assert watch.ask("/")[0] == 404
    assert watch.ask("/metrics", "POST")[0] == 501


def test_who_says_nothing_keeps_nobody_waiting(watch: Watch) -> None:
    """Every question has a thread of its own."""
    with socket.create_connection(watch.metrics.address, PATIENCE):
        assert watch.ask("/healthz") == (200, "ok\n")


def is_open(sock: socket.socket) -> bool:
    """Whether the other side has neither said anything nor closed, after some time for it."""
    try:
        sock.settimeout(0.05)
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def test_case_86_no_more_are_answered_than_a_handful_at_once(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes later is closed at once, without a thread, until one has gone."""
    monkeypatch.setattr("chat_server.metrics.PATIENCE", 1000.0)
    monkeypatch.setattr("chat_server.metrics._Request.timeout", 1000.0)
    with ExitStack() as stack:
        first, *others = [
            stack.enter_context(socket.create_connection(watch.metrics.address, PATIENCE))
            for _ in range(AT_ONCE)
        ]
        threads = threading.active_count()
        for _ in range(50):
            with socket.create_connection(watch.metrics.address, PATIENCE) as more:
                assert more.recv(1) == b""
        assert threading.active_count() <= threads + AT_ONCE
        assert all(map(is_open, others))
        first.close()
        for _ in range(5000):  # its thread has to notice
            try:
                assert watch.ask("/healthz") == (200, "ok\n")
            except (HTTPException, ConnectionError):
                continue
            return
    raise AssertionError("its place was never free again")


def test_case_86_who_drips_is_cut_off(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then, each in time, is no way to stay: the whole request has to be."""
    monkeypatch.setattr("chat_server.metrics.PATIENCE", 0.1)
    with socket.create_connection(watch.metrics.address, PATIENCE) as sock:
        for _ in range(200):  # ten seconds, where nothing is cut off
            try:
                sock.sendall(b"G")
            except ConnectionError:
                return
            if not is_open(sock):
                return
    raise AssertionError("it was never cut off")


def test_a_stop_waits_for_nobody_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their connections end with the server."""
    monkeypatch.setattr("chat_server.metrics._Request.timeout", 1000.0)
    watch = Watch()
    with socket.create_connection(watch.metrics.address, PATIENCE) as sock:
        sock.sendall(b"G")
        with socket.create_connection(watch.metrics.address, PATIENCE) as later:
            assert watch.ask("/healthz")[0] == 200  # so both were accepted
            watch.metrics.stop()
            assert not later.recv(1)
        assert not sock.recv(1)


# A server's own


def settings(**sections: Any) -> config.Settings:
    """Settings of a server that keeps nothing."""
    free = {"port": 0, "data": config.MEMORY}
    return config.Settings.model_validate({"server": free, **sections})


def test_a_server_tells_of_its_people_and_messages() -> None:
    """And that it is ready, until it stops."""
    with ChatServer(settings(metrics={"port": 0})) as server:
        assert server.metrics is not None
        address = server.metrics.address
        with Peer.welcomed(server.address, "alice") as alice:
            alice.ask("join", room="dev")
            alice.ask("broadcast", room="dev", text="hi")
            alice.ask("leave", room="elsewhere")
            found = samples(ask(address, "/metrics")[1])
        assert ask(address, "/healthz")[0] == ask(address, "/readyz")[0] == 200
    assert found["chat_people", ""] == found["chat_connections", ""] == 1
    assert found["chat_messages_total", ""] >= 1
    assert found["chat_refused_total", "room.not_member"] == 1
    assert not any("alice" in label or "dev" in label for _, label in found)
    with pytest.raises(ConnectionRefusedError):
        ask(address, "/healthz")


def test_a_server_that_stops_is_not_ready() -> None:
    """Nobody should be sent to it any more."""
    server = ChatServer(settings())
    assert not server.ready
    with server:
        assert server.ready
    assert not server.ready


def test_a_port_that_is_taken_is_told_and_nothing_is_half_started() -> None:
    """Case 120: the address of the chat is free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(config.ConfigError, match=f"metrics cannot be on 127.0.0.1:{port}"):
            ChatServer(settings(metrics={"port": port}))


def test_without_a_port_nothing_of_it_is_imported() -> None:
    """A start does not wait for what it does not use."""
    program = "import sys\nfrom chat_server import ChatServer\nwith ChatServer(port=0):\n"
    program += "    print('prometheus_client' in sys.modules)"
    assert run_program(sys.executable, "-c", program).stdout == "False\n"
