"""What the kernel says about a process and the machine; None where there is no /proc."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


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
