"""What messages that were kept cost later: a page of history, and the server's next start."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from tests.bench import meter, stock
from tests.bench.course import Effort, say
from tests.bench.figure import KeptFigure
from tests.bench.reader import PAGE, Pages, Reader
from tests.bench.server import Contender, Server, scratch_folder
from tests.bench.stock import LOBBY, SHARE_OF_LOBBY
from tests.support.peer import Peer

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


def measure_kept(sizes: Sizes, contender: Contender, effort: Effort) -> list[KeptFigure]:
    """Return what each number of messages costs; every round visits all numbers in turn."""
    with ExitStack() as stack:
        folders = [stack.enter_context(scratch_folder()) for _ in sizes.messages]
        for folder, messages in zip(folders, sizes.messages, strict=True):
            stock.fill(folder / "data", messages)
        used = [_mib(folder / "data") for folder in folders]
        starts = _each(_start, folders, contender, effort.rounds)
        pages = _pages(folders, sizes, contender, effort.rest)
        after_kill = _each(_start_after_kill, folders, contender, effort.rounds)
    return [
        KeptFigure(messages, mib, newest, anywhere, start, killed)
        for messages, mib, (newest, anywhere), start, killed in zip(
            sizes.messages, used, pages, starts, after_kill, strict=True
        )
    ]


def _mib(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / _MIB


# Starts


def _each(
    measure: Callable[[Path, Contender], float],
    folders: Sequence[Path],
    contender: Contender,
    rounds: int,
) -> list[float]:
    """The median for each folder."""
    taken = []
    for number in range(1, rounds + 1):
        taken.append([measure(folder, contender) for folder in folders])
        say(f"start {number}/{rounds}: {taken[-1][-1]:.2f} s with the most messages kept")
    return [median(column) for column in zip(*taken, strict=True)]


def _start_after_kill(folder: Path, contender: Contender) -> float:
    stock.fill_and_be_killed(folder / "data")
    return _start(folder, contender)


def _start(folder: Path, contender: Contender) -> float:
    """Seconds from the start of the process until it welcomes somebody."""
    began = time.monotonic()
    with Server(contender, folder) as server, Peer.welcomed(("127.0.0.1", server.port)):
        return time.monotonic() - began


# Pages


def _pages(folders: Sequence[Path], sizes: Sizes, contender: Contender, rest: float) -> list[Pages]:
    """What pages take, for each folder; they are read in turn, page by page."""
    with ExitStack() as stack:
        readers: dict[Path, Reader] = {}
        for folder, messages in zip(folders, sizes.messages, strict=True):
            head = messages // SHARE_OF_LOBBY
            if head > PAGE:
                server = stack.enter_context(Server(contender, folder))
                meter.rest(server.pid, rest)  # after a start there are things to look after
                readers[folder] = stack.enter_context(Reader(server.port, LOBBY, head))
        for _ in range(sizes.pages):
            for reader in readers.values():
                reader.read()
    return [readers[folder].took if folder in readers else (None, None) for folder in folders]
