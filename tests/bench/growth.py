"""What messages that were kept cost later: a page of history, and the server's next start."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from tests.bench import meter, stock
from tests.bench.course import Effort, say
from tests.bench.figure import KeptFigure
from tests.bench.server import Contender, Server, ServerError, scratch_folder
from tests.support.peer import Peer

PAGE = 200

_HEADER = 4
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Sizes:
    """How far to go: members of a room, messages kept, and how many pages to read of each kind."""

    members: tuple[int, ...] = (10, 100, 1000, 10_000)
    messages: tuple[int, ...] = (0, 1000, 10_000, 100_000, 1_000_000)
    pages: int = 500

    def up_to(self, members: float) -> Sizes:
        """Without the crowds that are larger."""
        return replace(self, members=tuple(size for size in self.members if size <= members))


SMALL = Sizes(members=(10,), messages=(1000,), pages=5)
"""To see that the benchmark works."""


def measure_kept(sizes: Sizes, contender: Contender, effort: Effort) -> Iterator[KeptFigure]:
    """Yield what each number of messages costs, in a fresh folder each."""
    for messages in sizes.messages:
        with scratch_folder() as folder:
            stock.fill(folder / "data", messages)
            figure = _measure(folder, messages, contender, sizes.pages, effort)
        say(f"{messages:,} messages kept: start {figure.start_s:.2f} s")
        yield figure


def _measure(
    folder: Path, messages: int, contender: Contender, pages: int, effort: Effort
) -> KeptFigure:
    mib = sum(file.stat().st_size for file in (folder / "data").iterdir()) / _MIB
    rounds = range(effort.rounds)
    starts = [_start(folder, contender) for _ in rounds]
    in_lobby = messages // stock.SHARE_OF_LOBBY
    newest = anywhere = None
    if in_lobby > PAGE:
        newest, anywhere = _pages(folder, contender, in_lobby, pages, effort.rest)
    after_kill = [_start_after_kill(folder, contender) for _ in rounds]
    return KeptFigure(messages, mib, newest, anywhere, median(starts), median(after_kill))


def _start_after_kill(folder: Path, contender: Contender) -> float:
    stock.fill_and_be_killed(folder / "data")
    return _start(folder, contender)


def _start(folder: Path, contender: Contender) -> float:
    """Seconds from the start of the process until it welcomes somebody."""
    began = time.monotonic()
    with Server(contender, folder) as server, Peer.welcomed(("127.0.0.1", server.port)):
        return time.monotonic() - began


def _pages(
    folder: Path, contender: Contender, head: int, count: int, rest: float
) -> tuple[float, float]:
    """Milliseconds for the newest page of the lobby, and for one anywhere."""
    befores = [random.randint(PAGE + 1, head + 1) for _ in range(count)]
    with Server(contender, folder) as server:
        meter.rest(server.pid, rest)  # a start has things to look after, too
        with Peer.welcomed(("127.0.0.1", server.port)) as peer:
            peer.ask("join", room=stock.LOBBY)
            if len(peer.ask("history", room=stock.LOBBY)["events"]) != PAGE:
                raise ServerError("a page of history is not as long as it should be")
            newest = median(_page(peer, head + 1) for _ in range(count))
            return newest, median(_page(peer, before) for before in befores)


def _page(peer: Peer, before: int) -> float:
    """Milliseconds for a page; the reply is not looked into, for the time is to be the server's."""
    began = time.perf_counter()
    peer.send("history", id="page", room=stock.LOBBY, before=before, limit=PAGE)
    with peer.socket.makefile("rb") as stream:
        stream.read(int.from_bytes(stream.read(_HEADER), "big"))
    return (time.perf_counter() - began) * 1000
