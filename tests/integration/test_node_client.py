"""A client in another language, written from PROTOCOL.md alone, against the real server.

node/client.mjs uses nothing but what Node brings; node/check.mjs plays conversations through it,
against the server and against a small fake one that cuts, repeats and skips.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chat_server import ChatServer

CHECK = Path(__file__).parent / "node" / "check.mjs"


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_a_stranger_s_client_holds_every_conversation() -> None:
    """Every check of the script passes, with one loop and with several."""
    for loops in (1, 3):
        with ChatServer(port=0, io_threads=loops) as server:
            done = subprocess.run(
                ["node", CHECK, str(server.address[1])],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert re.search(r"^2\d passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
        assert done.returncode == 0, done.stderr
