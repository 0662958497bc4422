"""A client in another language, written from PROTOCOL.md alone, against the real server.

node/client.mjs uses nothing but what Node brings; node/check.mjs plays conversations through it,
against the server and against a small fake one that cuts, repeats and skips; node/comeback.mjs
has its connections cut and its server killed; node/moderation.mjs has accounts and a troublemaker.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer

import pytest

from chat_server import ChatServer
from tests.support.program import PATIENCE, ServerProgram

SCRIPTS = Path(__file__).parent / "node"
LONGEST = 60.0
"""Seconds after which a script that should have ended is a failure."""

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


@needs_node
def test_a_stranger_s_client_holds_every_conversation() -> None:
    """Every check of the script passes, with one loop and with several."""
    for loops in (1, 3):
        with ChatServer(port=0, io_threads=loops, data=":memory:", unlimited=True) as server:
            done = subprocess.run(
                ["node", SCRIPTS / "check.mjs", str(server.address[1])],
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        assert re.search(r"^2\d passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
        assert done.returncode == 0, done.stderr


@needs_node
def test_a_stranger_s_client_comes_back_and_loses_nothing(tmp_path: Path) -> None:
    """Cut off, and the server killed without a warning, several times: each message once."""
    with ExitStack() as stack:
        server = stack.enter_context(ServerProgram("--data", str(tmp_path), "--no-limits"))
        port = str(server.address[1])
        node = stack.enter_context(_script("comeback.mjs", port))
        assert node.stdin is not None
        said = ""
        for line in node.stdout or ():
            said += line
            if line == "kill the server\n":
                server.process.kill()
                server.process.wait(PATIENCE)
                again = ServerProgram("--data", str(tmp_path), "--port", port, "--no-limits")
                server = stack.enter_context(again)
                print("done", file=node.stdin, flush=True)
        assert re.search(r"^1\d passed, 0 failed$", said, re.MULTILINE), said
        assert node.wait(PATIENCE) == 0


@needs_node
def test_a_stranger_s_client_logs_in_and_looks_after_a_room() -> None:
    """Accounts, keys, offices, bans and rates, with one loop and with several."""
    for loops in (1, 3):
        with ChatServer(port=0, io_threads=loops, data=":memory:") as server:
            done = subprocess.run(
                ["node", SCRIPTS / "moderation.mjs", str(server.address[1])],
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        assert re.search(r"^1\d passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
        assert done.returncode == 0, done.stderr


@contextmanager
def _script(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A script that is spoken with, ended when it takes too long."""
    node = subprocess.Popen(
        ["node", SCRIPTS / name, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = Timer(LONGEST, node.kill)
    deadline.start()
    with node:
        try:
            yield node
        finally:
            deadline.cancel()
            node.kill()
