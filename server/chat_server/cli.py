"""The command `chat-server`: reads options, starts a server, waits for a signal.

Exit codes: 0 stopped as asked · 2 usage · 65 the database cannot be used · 69 the address cannot
be had · 70 a thread died · 73 the data folder cannot be used · 78 a setting is wrong.
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
    from chat_server.app import ChatServer

EX_DATAERR = 65
EX_UNAVAILABLE = 69
EX_SOFTWARE = 70
EX_CANTCREAT = 73
EX_CONFIG = 78

WATCH = 1.0
"""Seconds between looks whether every loop is alive."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("typed-chat"), prog_name="chat-server")
def main() -> None:
    """A chat server whose messages are typed."""


@main.command(context_settings={"show_default": True})
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 5555]")
@click.option(
    "--data",
    metavar="PATH|:memory:",
    help="The folder of the database.  [default: the user's data folder]",
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file.")
@click.option("--io-threads", type=click.IntRange(1, 64), help="Loop threads.  [default: 1]")
@click.option("--no-limits", is_flag=True, help="Lift rate and per-address limits.")
def run(config_file: Path | None, no_limits: bool, **options: Any) -> None:
    """Serve until stopped by Ctrl-C or SIGTERM; a second one ends it at once."""
    from chat_server import config

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = config.load(config_file, given)
    except config.ConfigError as error:
        _fail(str(error), EX_CONFIG)
    stop = threading.Event()
    _obey_signals(stop)
    server = _open(settings, no_limits)
    sys.exit(_serve(server, stop))


def _open(settings: Any, no_limits: bool) -> ChatServer:
    from chat_server.app import ChatServer
    from chat_server.journal.database import DatabaseRefused
    from chat_server.journal.folder import FolderRefused

    _raise_descriptor_limit()
    try:
        return ChatServer(settings, unlimited=no_limits)
    except FolderRefused as error:
        _fail(str(error), EX_CANTCREAT)
    except DatabaseRefused as error:
        _fail(str(error), EX_DATAERR)
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
