"""Who may import whom, and what else holds for every module: read from the source, not run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"schema": "chat_schema", "server": "chat_server", "client": "chat_client"}
OUTSIDE = frozenset({"socket", "selectors", "threading", "queue", "sqlite3", "time"})
"""What pure code does without: the network, threads, the disk and the clock."""


class Module(NamedTuple):
    """A module by its dotted name, with its source as a tree."""

    name: str
    tree: ast.Module

    @property
    def imports(self) -> set[str]:
        """The dotted name of every module it imports when it runs, wherever in it."""
        return set(imported(self.tree))


def imported(node: ast.AST) -> Iterator[str]:
    """What the code below `node` imports, but for what only the type checker sees."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (target_of(str(node.module), alias.name) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def target_of(module: str, name: str) -> str:
    """The module that `from module import name` needs: `name` itself may be one."""
    return f"{module}.{name}" if f"{module}.{name}" in NAMES else module


def name_of(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = [path for folder in PACKAGES for path in sorted((ROOT / folder).rglob("*.py"))]
NAMES = {name_of(path) for path in PATHS}
MODULES = [Module(name_of(path), ast.parse(path.read_text())) for path in PATHS]


def within(name: str, *packages: str) -> bool:
    """Whether a module is one of these, or inside one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def modules(*packages: str) -> list[Module]:
    """The modules of these packages."""
    return [module for module in MODULES if within(module.name, *packages)]


def every(found: list[Module]) -> pytest.MarkDecorator:
    """Ask the test of each of these modules."""
    return pytest.mark.parametrize("module", found, ids=lambda module: module.name)


def ours(module: Module) -> set[str]:
    """What it imports of this project."""
    return {name for name in module.imports if within(name, *PACKAGES.values())}


def foreign(module: Module) -> set[str]:
    """The packages it imports that come neither with Python nor with this project."""
    roots = {name.partition(".")[0] for name in module.imports}
    return roots - set(PACKAGES.values()) - sys.stdlib_module_names


def test_there_is_something_to_look_at() -> None:
    """Each package was found, with its modules."""
    assert all(len(modules(package)) > 3 for package in PACKAGES.values())


@every(modules("chat_schema"))
def test_the_schema_needs_pydantic_and_itself(module: Module) -> None:
    """It is shared by both sides, and pure."""
    assert ours(module) <= {found.name for found in modules("chat_schema")}
    assert foreign(module) <= {"pydantic", "pydantic_core"}
    assert not module.imports & OUTSIDE


@every(modules("chat_server"))
def test_the_server_knows_no_client(module: Module) -> None:
    """They have the schema in common and nothing else."""
    assert not [name for name in module.imports if within(name, "chat_client")]


@every(modules("chat_client"))
def test_the_client_knows_no_server(module: Module) -> None:
    """They have the schema in common and nothing else."""
    assert not [name for name in module.imports if within(name, "chat_server")]


@every(modules("chat_server.domain"))
def test_the_domain_is_plain_objects(module: Module) -> None:
    """No socket, thread, lock, database or clock, and nothing of the server around it."""
    assert all(within(name, "chat_schema", "chat_server.domain") for name in ours(module))
    assert not foreign(module)
    assert not module.imports & OUTSIDE


@every(modules("chat_server.net"))
def test_the_net_knows_no_message(module: Module) -> None:
    """Bytes and frames, and their limits."""
    allowed = ("chat_schema.framing", "chat_schema.limits", "chat_server.net")
    assert all(within(name, *allowed) for name in ours(module))
    assert not foreign(module)


@every(modules("chat_server.commands"))
def test_commands_need_the_domain_and_the_journals_contract(module: Module) -> None:
    """What else they use is passed to them."""
    allowed = ("composition", "metering", "commands", "domain", "journal.base", "journal.words")
    packages = [f"chat_server.{name}" for name in allowed]
    assert all(within(name, "chat_schema", *packages) for name in ours(module))
    assert not module.imports & OUTSIDE


@every(modules("chat_client.session", "chat_client.cursors", "chat_client.unanswered"))
def test_the_clients_session_is_pure(module: Module) -> None:
    """Bytes in, bytes out: it can be tested without a network."""
    assert not module.imports & OUTSIDE


@every([module for module in MODULES if not module.name.endswith((".cli", ".operating"))])
def test_only_command_lines_are_made_with_click(module: Module) -> None:
    """Everything else can be used by programs."""
    assert "click" not in foreign(module)


@every([module for module in MODULES if not module.name.endswith((".cli", ".config"))])
def test_only_command_lines_and_settings_read_the_environment(module: Module) -> None:
    """What a module does is decided by its arguments."""
    names = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(module.tree)}
    assert not names & {"environ", "getenv"}
    assert not {name for name in module.imports if name.startswith("os.environ")}


@every(MODULES)
def test_every_module_says_what_it_is_for(module: Module) -> None:
    """In the first line of its docstring."""
    assert ast.get_docstring(module.tree)
