"""The benchmark works: every scenario yields figures. How large they are is nobody's concern."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.bench.scenario import SCENARIOS

_ROOT = Path(__file__).parents[2]


def test_quick_run_measures_every_scenario(tmp_path: Path) -> None:
    """A moment of every scenario, as CI can afford it."""
    file = tmp_path / "figures.json"
    _run("--quick", "--json", str(file))
    figures = json.loads(file.read_text())
    assert set(figures["scenarios"]) == set(SCENARIOS)
    for scenario in figures["scenarios"].values():
        median = scenario["servers"]["typed-chat"]["median"]
        assert median["deliveries_per_s"] > 0
        assert median["p50_ms"] > 0
        assert median["p99_ms"] > 0
        assert median["lost"] == median["surplus"] == 0
    assert figures["idle"]["typed-chat"]["connections"] > 0
    assert figures["idle"]["typed-chat"]["logins_per_s"] > 0


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
