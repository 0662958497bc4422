"""README, ARCHITECTURE and CONTRIBUTING tell the truth: tables, commands and examples."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from chat_client.commands import COMMANDS
from chat_server import ChatServer
from chat_server.config import Settings
from tests.support.document import ROOT, Document, blocks, tables
from tests.support.program import run_program

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "PROTOCOL.md", "CHANGELOG.md"]


def test_the_table_of_files_is_whole() -> None:
    """Every module has a row, alone or with its folder, and every row exists."""
    [rows] = [
        table
        for table in tables(Document("ARCHITECTURE.md").section("Where everything is"))
        if len(table) > 5
    ]
    named = {row[0].strip("`") for row in rows}
    assert all((ROOT / name).exists() for name in named)
    for package in ("schema", "server", "client"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "__init__.py":
                name = path.relative_to(ROOT)
                folders = {f"{folder}/" for folder in name.parents}
                assert str(name) in named or folders & named, name


def test_every_dependency_earns_its_line() -> None:
    """What pyproject.toml requires is in the table of what we borrow, and nothing else is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    [rows] = tables(Document("ARCHITECTURE.md").section("What we borrow"))
    explained = {name.strip() for row in rows for name in row[0].split(",")}
    assert explained == {re.split(r"[><=~]", line)[0] for line in required}


def test_the_readme_names_every_command() -> None:
    """The list after the prompt is the registry's."""
    [listed] = re.findall(r"`/help` lists the commands: ([^.]*)\.", Document("README.md").text)
    assert re.findall(r"/(\w+)", listed) == [command.name for command in COMMANDS]


def test_the_readme_s_settings_are_settings() -> None:
    """The TOML example is accepted as it stands."""
    [example] = blocks(Document("README.md").text, "toml")
    assert Settings.model_validate(tomllib.loads(example)).server.motd == "Be kind."


def test_the_readme_s_program_runs() -> None:
    """The Python example works against a server on the default port's stand-in."""
    [example] = blocks(Document("README.md").section("Writing a client"), "python")
    with ChatServer(port=0) as server:
        program = example.replace('nick="robin"', f'nick="robin", port={server.address[1]}')
        assert program != example
        done = run_program("python", "-c", program)
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        ["user.offline", "robin Hello, everybody."],
    )


def test_the_readme_s_options_are_those_of_the_command() -> None:
    """Each option of `chat-server run` is in its line, and no other."""
    section = Document("README.md").section("Running a server")
    shown = set(re.findall(r"\[(--[a-z-]+)", section))
    offered = set(re.findall(r"(--[a-z-]+)", run_program("chat-server", "run", "--help").stdout))
    assert shown == offered - {"--help"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_to_files_lead_somewhere(name: str) -> None:
    """No document points to a file that is not there."""
    targets = re.findall(r"\]\(([^)#]+)\)", Document(name).text)
    assert all((ROOT / target).exists() for target in targets if "://" not in target)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_named_exists(name: str) -> None:
    """Whoever types what is written gets something."""
    targets = set(re.findall(r"^([a-z]+):", Path(ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", Document(name).text, re.MULTILINE))
    assert named <= targets
