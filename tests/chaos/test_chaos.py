"""A moment of every scenario; `make chaos` does the same for as long as it takes."""

from __future__ import annotations

import subprocess
import sys
from random import Random

from tests.chaos.checker import KINDS, count
from tests.chaos.control import planted
from tests.chaos.cuts import cuts
from tests.chaos.kill import kill, terminate
from tests.chaos.power import power
from tests.chaos.result import Result, table
from tests.chaos.stuck import Size, stuck

SEED = 20


def require(result: Result) -> None:
    """Fail with the table where a scenario is not as it must be."""
    assert result.sound, "\n".join(table([result]))


def test_a_killed_server_keeps_its_word() -> None:
    """SIGKILL under load: nothing acknowledged or seen is lost, doubled or reordered."""
    result = kill(4, Random(SEED))
    require(result)
    assert result.acknowledged > 0


def test_a_stopped_server_keeps_its_word_and_says_so() -> None:
    """SIGTERM under load: as above, exit code 0, and every client is told."""
    require(terminate(2, Random(SEED)))


def test_cut_connections_lose_nothing() -> None:
    """A hundred cuts around frames: every client sees every message once, in order."""
    result = cuts(100, Random(SEED))
    require(result)
    assert result.disturbances >= 100


def test_a_power_cut_loses_nothing_and_a_lying_disk_is_caught() -> None:
    """What was acknowledged or seen before the cut is on the disk; without syncs it is not."""
    for result in power(40, Random(SEED)):
        require(result)


def test_the_stuck_are_closed_and_recover_everything() -> None:
    """Who never reads is closed and counted, the others miss nothing, resume brings the rest."""
    size = Size(rooms=2, members=4, stuck=1, rate=200, text=3000, calm=0.2)
    patience = {"outbox_soft_grace": 0.5, "outbox_stall": 0.5}
    require(stuck(1, size, outbox_soft=4096, **patience))


def test_the_control_has_every_kind_of_fault() -> None:
    """The checker's own control is caught for each reason there is."""
    found = planted().violations
    assert set(count(found)) == set(KINDS)


def test_the_command_prints_a_table_and_its_exit_code() -> None:
    """`python -m tests.chaos power` ends with 0, and its table says that everything was kept."""
    command = [sys.executable, "-m", "tests.chaos", "power", "--cuts", "10", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 3" in done.stdout
    assert "kept" in done.stdout
    assert "NOT CAUGHT" not in done.stdout
