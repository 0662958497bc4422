"""The benchmark works: every part yields figures. How large they are is nobody's concern."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chat_schema import limits
from chat_schema.framing import FrameDecoder
from chat_schema.requests import Broadcast, read_request
from tests.bench import stamp
from tests.bench.author import Author
from tests.bench.dialect import DIALECTS
from tests.bench.member import Member, Station
from tests.bench.scenario import SCENARIOS, Seat

_ROOT = Path(__file__).parents[2]
_OURS = ("typed-chat, in memory", "typed-chat, on disk")
_UNSYNCED = "typed-chat, on disk unsynced"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A moment of everything, as CI can afford it."""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    _run("--quick", "--json", str(file))
    return json.loads(file.read_text())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_is_measured_in_memory_and_on_disk(figures: Any, scenario: str) -> None:
    """Both have rates and latencies, and every message arrived once."""
    for server in _OURS:
        _check(figures, scenario, server)


@pytest.mark.parametrize("server", _OURS)
def test_idle_connections_are_measured(figures: Any, server: str) -> None:
    """They came in, in some time."""
    assert figures["idle"][server]["connections"] > 0
    assert figures["idle"][server]["logins_per_s"] > 0


@pytest.mark.parametrize("server", _OURS)
def test_crowds_are_measured(figures: Any, server: str) -> None:
    """The smallest crowd has figures at each server."""
    _check(figures, "crowd-10", server)


def test_what_was_kept_is_measured(figures: Any) -> None:
    """Pages were read, and the server started after its end and after a kill."""
    (kept,) = figures["kept"]
    assert kept["messages"] == 1000
    assert min(kept["mib"], kept["newest_ms"], kept["any_ms"]) > 0
    assert min(kept["start_s"], kept["after_kill_s"]) > 0


@pytest.mark.parametrize("scenario", ["authors-4", "authors-1"])
@pytest.mark.parametrize("server", [*_OURS, _UNSYNCED])
def test_acknowledgements_are_measured(figures: Any, scenario: str, server: str) -> None:
    """Many authors and one alone got an answer to each message, with every durability."""
    _check(figures, scenario, server)


def test_no_two_messages_of_an_author_are_taken_for_one() -> None:
    """Each is a request under an id and a cid of its own, also where several are sent at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        author = Author(Member(Station(DIALECTS["chat"]), Seat(7, 0), ours), "room0", 64)
        author.top_up(3)
        author.top_up(5)
        requests = [
            read_request(body)
            for body in FrameDecoder(limits.FRAME_TO_SERVER).feed(theirs.recv(10_000))
        ]
    said = [request for request in requests if isinstance(request, Broadcast)]
    assert len({request.cid for request in said}) == len({request.id for request in said}) == 5
    assert all((request.id or "").encode().startswith(stamp.MARK) for request in said)
    assert all(len(request.text) == 64 for request in said)


def _check(figures: Any, scenario: str, server: str) -> None:
    median = figures["scenarios"][scenario]["servers"][server]["median"]
    assert median["deliveries_per_s"] > 0
    assert median["p50_ms"] > 0
    assert median["p99_ms"] > 0
    assert median["lost"] == median["surplus"] == 0


def _run(*options: str) -> None:
    """Run the benchmark in a group of its own, so that nothing outlives this test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench", *options],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
