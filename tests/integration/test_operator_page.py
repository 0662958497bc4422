"""docs/operator.md tells the truth: its commands run, its events occur, its files are sound."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chat_server.config import Settings
from tests.support.document import ROOT, Document, blocks, tables
from tests.support.program import BIN, PATIENCE, ServerProgram, run_program

PAGE = Document("docs/operator.md")
SOURCES = "\n".join(path.read_text() for path in (ROOT / "server").rglob("*.py"))

NOTED = (
    r'(?:log|_log|_events)\.note\(\s*"(\w+)"',
    r'\bnote\(services, session, "(\w+)"',
    r'\b_renew\(services, session, account, "(\w+)"',
    r'(?:_own|_write)\("(\w+)"',
    r'return "(log)", found',
)
"""How an event is written down in the source."""


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    """All of them, in order, beside a running server."""
    commands = "".join(blocks(PAGE.text, "sh run"))
    assert commands.count("chat-server") > 12
    data = tmp_path / "data"
    with ServerProgram("--data", str(data)) as server:
        variables = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "CHAT_SERVER__SERVER__DATA": str(data),
            "CHAT_SERVER__SERVER__PORT": str(server.address[1]),
        }
        done = subprocess.run(
            ["sh", "-ex"],
            input=commands,
            cwd=tmp_path,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "alice" in done.stdout
    assert {"server.toml", "monday.db", "tls"} <= {path.name for path in tmp_path.iterdir()}


def test_the_table_of_events_is_whole() -> None:
    """Each event that is noted has a row, and each row is noted somewhere."""
    noted = {name for pattern in NOTED for name in re.findall(pattern, SOURCES)}
    [rows] = tables(PAGE.section("Logs"))
    assert {row[0].strip("`") for row in rows} == noted


def test_no_field_of_an_event_is_called_like_a_secret() -> None:
    """The log would refuse it, where the test that meets it may be missing."""
    calls = re.findall(r"\.note\(([^)]*)\)", SOURCES)
    assert len(calls) > 10
    assert not [call for call in calls if re.search(r"\b(password|token|signature|key)=", call)]


def test_the_settings_it_names_are_settings() -> None:
    """And their sections."""
    settings = Settings()
    for section, name in re.findall(r"`([a-z]+)\.([a-z_]+)(?: = [^`]*)?`", PAGE.text):
        if hasattr(settings, section) and name not in ("toml", "lost"):
            assert hasattr(getattr(settings, section), name), (section, name)


def test_every_command_it_names_exists() -> None:
    """Of those in the text and in the tables, too."""
    named = set(re.findall(r"chat-server ([a-z]+)", PAGE.text)) - {"run"}
    for command in named:
        assert run_program("chat-server", command, "--help").returncode == 0, command


def test_links_lead_somewhere() -> None:
    """From where the page is."""
    targets = re.findall(r"\]\(([^)#]+)\)", PAGE.text)
    assert targets
    assert all((ROOT / "docs" / target).exists() for target in targets)


def test_the_unit_is_sound(tmp_path: Path) -> None:
    """systemd itself says so, but for where the program is on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here")
    text = (ROOT / "docs" / "chat-server.service").read_text()
    here = text.replace("/opt/typed-chat/bin", str(BIN))
    assert here != text
    (tmp_path / "chat-server.service").write_text(here)
    done = run_program("systemd-analyze", "verify", str(tmp_path / "chat-server.service"))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_container_s_settings_are_settings() -> None:
    """It would not start otherwise."""
    text = (ROOT / "docs" / "Containerfile").read_text()
    variables = re.findall(r"CHAT_SERVER__(\w+?)__(\w+)=", text)
    assert len(variables) == 4
    for section, name in variables:
        assert hasattr(getattr(Settings(), section.lower()), name.lower())
    assert "\nUSER chat\n" in text


def test_what_the_container_copies_is_there() -> None:
    """Everything that the build needs, and the same port as the health check's."""
    text = (ROOT / "docs" / "Containerfile").read_text()
    for line in re.findall(r"^COPY ([^-].*)", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in line.split()[:-1])
    assert set(re.findall(r"PORT=(\d+)|127\.0\.0\.1:(\d+)", text)) == {("9555", ""), ("", "9555")}
