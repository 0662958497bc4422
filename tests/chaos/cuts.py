"""Connections are cut everywhere, by the thousand; every client still sees every message once."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.chaos.checker import Violation
from tests.chaos.child import Child
from tests.chaos.crowd import Cast, Crowd, CrowdStuck
from tests.chaos.kill import judge
from tests.chaos.proxy import Proxy
from tests.chaos.result import Result


def cuts(number: int, random: Random) -> Result:
    """Cut `number` connections of a crowd at one server."""
    began = time.monotonic()
    faults: list[Violation] = []
    with TemporaryDirectory(prefix="chaos-") as folder, Child(Path(folder)) as child:
        child.start()
        with Proxy(child.address, random) as proxy:
            with Crowd(proxy.address, Cast(), random) as crowd:
                try:
                    _cut(number, proxy, crowd)
                except CrowdStuck as stuck:
                    faults.append(Violation("stuck", f"{stuck}; {child.log[-500:]}"))
                child.end(signal.SIGKILL)
        faults += judge(crowd, child.data)
    return Result(
        "cuts",
        proxy.count,
        sum(len(member.messages) for member in crowd.members),
        crowd.acknowledged,
        time.monotonic() - began,
        faults,
        _notes(proxy, crowd),
    )


def _cut(number: int, proxy: Proxy, crowd: Crowd) -> None:
    crowd.settle()
    while proxy.count < number:
        before = proxy.count
        crowd.wait_for(lambda: proxy.count > before, "no further cut")  # noqa: B023 - used at once
    proxy.rest()
    crowd.end()


def _notes(proxy: Proxy, crowd: Crowd) -> list[str]:
    kinds = " · ".join(
        f"{word} {sum(n for kind, n in proxy.cuts.items() if word in kind):,}"
        for word in ("reply", "to client", "to server", "before", "inside", "after")
    )
    ways = " · ".join(
        f"{word} {sum(n for kind, n in proxy.cuts.items() if kind.endswith(word)):,}"
        for word in ("close", "half", "reset", "silent", "zombie")
    )
    again = f"{crowd.total('duplicates'):,} messages were sent again and recognised"
    return [kinds, ways, again]
