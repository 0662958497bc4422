"""What the kernel says about a process and the machine; None where there is no /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PROC = Path("/proc")

_LOOK = 0.3
"""Seconds between looks at a server at rest: longer than ours takes to believe that it is quiet."""

_IDLE = 0.015
"""Seconds of CPU in that time that still count as none: the kernel counts in hundredths."""


def cores() -> int:
    """How many cores we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_seconds(pid: int) -> float | None:
    """CPU that all threads of the process have used, in user and kernel mode."""
    text = _read(_PROC / str(pid) / "stat")
    if text is None:
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def rest(pid: int, patience: float) -> float | None:
    """Wait until the process has nothing to do, `patience` seconds at most; return the CPU it used.

    None where this system does not tell, or there was no patience.

    A server may put work off while it is busy; unless it can do it now, the next round has it.
    """
    before = used = cpu_seconds(pid)
    deadline = time.monotonic() + patience
    while used is not None and before is not None and time.monotonic() < deadline:
        time.sleep(_LOOK)
        earlier, used = used, cpu_seconds(pid) or used
        if used - earlier < _IDLE:
            break
    return used - before if used is not None and before is not None and patience else None


def resident_kib(pid: int) -> float | None:
    """Memory of the process that is in RAM."""
    for line in (_read(_PROC / str(pid) / "status") or "").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    return None


def machine_seconds() -> tuple[float, float] | None:
    """Busy and all CPU time of the machine since it started."""
    text = _read(_PROC / "stat")
    if text is None:
        return None
    ticks = [int(field) for field in text.split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return float(sum(ticks) - idle), float(sum(ticks))


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
