"""The command `chat-server`: reads options, starts a server, waits for a signal.

Exit codes: 0 done · 2 usage · 65 the database cannot be used · 66 what was named is not there ·
69 the address cannot be had · 70 a thread died · 73 the data folder cannot be used · 74 the output
cannot be written · 78 a setting is wrong.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chat_server.app import ChatServer
    from chat_server.config import Settings

EX_DATAERR = 65
EX_NOINPUT = 66
EX_UNAVAILABLE = 69
EX_SOFTWARE = 70
EX_CANTCREAT = 73
EX_IOERR = 74
EX_CONFIG = 78

WATCH = 1.0
"""Seconds between looks whether every loop is alive."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("typed-chat"), prog_name="chat-server")
def main() -> None:
    """A chat server whose messages are typed."""


def _of_a_folder(command: Any) -> Any:
    """Add the options that say where everything is kept."""
    folder = click.option(
        "--data",
        metavar="DIR|:memory:",
        help="The folder of the database.  [default: the user's data folder]",
    )
    file = click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="A TOML file."
    )
    return folder(file(command))


@main.command(context_settings={"show_default": True})
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 5555]")
@_of_a_folder
@click.option("--io-threads", type=click.IntRange(1, 64), help="Loop threads.  [default: 1]")
@click.option("--no-limits", is_flag=True, help="Lift rate and per-address limits.")
def run(config_file: Path | None, no_limits: bool, **options: Any) -> None:
    """Serve until stopped by Ctrl-C or SIGTERM; a second one ends it at once."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = _settings(config_file, **options)
    stop = threading.Event()
    _obey_signals(stop)
    server = _open(settings, no_limits)
    sys.exit(_serve(server, stop))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_of_a_folder
def backup(file: Path, **options: Any) -> None:
    """Copy everything that is kept to FILE, while the server runs or not."""
    from chat_server.journal import archive

    with _refusals():
        archive.backup(_database(**options), file)
    _say(f"a copy of everything is in {file} ({file.stat().st_size:,} bytes)")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_of_a_folder
def restore(file: Path, **options: Any) -> None:
    """Put what FILE holds in the place of what is kept; the server must not run."""
    from chat_server.journal import archive
    from chat_server.journal.folder import Folder

    with _refusals():
        folder = Folder(_database(**options).parent)
        former = archive.restore(folder, file)
        folder.close()
    _say(f"restored from {file}" + (f"; what was there is in {former}" if former else ""))


@main.command()
@click.option("--room", required=True, help="The room.")
@click.option("--jsonl", "form", flag_value="jsonl", default=True, help="One event a line.")
@_of_a_folder
def export(room: str, form: str, **options: Any) -> None:
    """Write everything said in a room to standard output, oldest first."""
    from chat_server.journal import archive

    with _refusals():
        for line in archive.export(_database(**options), room.removeprefix("#")):
            _write(line)


def _write(line: str) -> None:
    try:
        click.echo(line)
    except BrokenPipeError:
        raise  # click ends quietly: nobody reads any more, as in `| head`
    except OSError as error:
        _fail(f"cannot write: {error.strerror}", EX_IOERR)


def _settings(config_file: Path | None, **options: Any) -> Settings:
    """The settings, or one line that says what is wrong with them."""
    from chat_server import config

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return config.load(config_file, given)
    except config.ConfigError as error:
        _fail(str(error), EX_CONFIG)


def _database(config_file: Path | None, **options: Any) -> Path:
    from chat_server.journal.folder import DATABASE

    folder = _settings(config_file, **options).server.folder
    if folder is None:
        _fail("nothing is kept with --data :memory:", EX_CONFIG)
    return folder / DATABASE


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Tell in one line why something about the data cannot be done."""
    from chat_server.journal.archive import ArchiveRefused
    from chat_server.journal.database import DatabaseRefused
    from chat_server.journal.folder import FolderRefused

    try:
        yield
    except ArchiveRefused as error:
        _fail(str(error), EX_NOINPUT)
    except FolderRefused as error:
        _fail(str(error), EX_CANTCREAT)
    except DatabaseRefused as error:
        _fail(str(error), EX_DATAERR)


def _open(settings: Settings, no_limits: bool) -> ChatServer:
    from chat_server.app import ChatServer

    _raise_descriptor_limit()
    try:
        with _refusals():
            return ChatServer(settings, unlimited=no_limits)
    except OSError as error:
        where = f"{settings.server.host}:{settings.server.port}"
        _fail(f"cannot listen on {where}: {error.strerror or error}", EX_UNAVAILABLE)


def _serve(server: ChatServer, stop: threading.Event) -> int:
    """Serve until `stop`; return the exit code."""
    with server:
        _calm_collector()
        host, port = server.address
        _say(f"chat-server {version('typed-chat')} listening on {host}:{port}")
        _say(_what_is_kept(server))
        while not stop.wait(WATCH):
            if not server.alive:
                _say("a thread of the server has died; see the log above")
                return EX_SOFTWARE
    return 0


def _what_is_kept(server: ChatServer) -> str:
    if server.folder is None:
        kept = server.settings.history.memory_entries
        return f"nothing is kept on disk; in memory the last {kept} entries of each room"
    return f"everything is kept in {server.folder}"


def _calm_collector() -> None:
    """Look for cycles seldom: a message makes none, and what exists now lives with the server."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _obey_signals(stop: threading.Event) -> None:
    def on_signal(number: int, _: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _raise_descriptor_limit() -> None:
    """Allow as many clients as the system lets us have."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a hard limit and refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(message: str, code: int) -> NoReturn:
    _say(f"chat-server: {message}")
    sys.exit(code)
