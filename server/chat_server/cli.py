"""The command `chat-server`: reads options, starts a server, waits for a signal.

Exit codes: 0 done · 2 usage · 65 the database cannot be used · 66 what was named is not there ·
69 the address cannot be had · 70 a thread died · 73 the data folder cannot be used · 74 the output
cannot be written · 78 a setting is wrong.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from chat_server import operating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chat_server.app import ChatServer
    from chat_server.config import Configuration, Settings

EX_DATAERR = 65
EX_NOINPUT = 66
EX_UNAVAILABLE = 69
EX_CANTCREAT = 73
EX_IOERR = 74
EX_CONFIG = 78


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("typed-chat"), prog_name="chat-server")
def main() -> None:
    """A chat server whose messages are typed."""


for _command in operating.COMMANDS:
    main.add_command(_command)


_CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="A TOML file.  [default: typed-chat/server.toml among the user's settings]",
)


@main.command(context_settings={"show_default": True})
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 5555]")
@operating.of_a_folder
@click.option("--io-threads", type=click.IntRange(1, 64), help="Loop threads.  [default: 1]")
@click.option("--tls-cert", metavar="FILE", help="Offer TLS with this certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its key, if not in the same file.")
@click.option("--log-dir", metavar="DIR", help="Log into a file a day there, too.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="Lines of the log.  [default: text]"
)
@click.option("--no-limits", is_flag=True, help="Lift rate and per-address limits.")
def run(config_file: Path | None, no_limits: bool, **options: Any) -> None:
    """Serve until stopped by Ctrl-C or SIGTERM; a second one ends it at once.

    SIGHUP reads the settings, the certificate and the log's folder again.
    """
    from chat_server.process import Process, Signals

    signals = Signals()
    configure = _reader(config_file, options)
    configuration = _configured(configure)
    settings = configuration.settings
    try:
        process = Process(configure, configuration, signals)
    except OSError as error:
        _fail(f"cannot log into {settings.log.dir}: {error.strerror}", EX_CANTCREAT)
    try:
        sys.exit(process.serve(_open(settings, no_limits)))
    finally:
        process.close()


@main.group()
def config() -> None:
    """Show the settings, check them, or write a file of them."""


@config.command("default")
def config_default() -> None:
    """Write a file with every setting, its reason and its default to standard output."""
    from chat_server import settings_text

    click.echo(settings_text.commented_defaults(), nl=False)


@config.command("check")
@_CONFIG
def config_check(config_file: Path | None) -> None:
    """Say what is wrong with the settings, or what was read."""
    origins = _configured(_reader(config_file, {})).origins
    click.echo(f"the settings are sound: {', '.join(origins) or 'all of them are defaults'}")


@config.command("show")
@_CONFIG
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
def config_show(config_file: Path | None, origin: bool) -> None:
    """Show every setting as it is in force, but no secret."""
    from chat_server import settings_text

    for line in settings_text.in_force(_configured(_reader(config_file, {})), origins=origin):
        click.echo(line)


@main.command()
@operating.of_a_folder
def doctor(**options: Any) -> None:
    """Look at everything a server needs; exit 1 where something is wrong."""
    from chat_server.config import ConfigError
    from chat_server.doctor import Finding, examine

    try:
        settings = _reader(options.pop("config_file"), options)().settings
        findings = [Finding("ok", "the settings are sound"), *examine(settings)]
    except ConfigError as error:
        findings = [Finding("FAIL", str(error))]
    for finding in findings:
        click.echo(finding)
    sys.exit(any(finding.verdict == "FAIL" for finding in findings))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@operating.of_a_folder
def backup(file: Path, **options: Any) -> None:
    """Copy everything that is kept to FILE, while the server runs or not."""
    from chat_server.journal import archive

    with _refusals():
        archive.backup(_database(**options), file)
    _say(f"a copy of everything is in {file} ({file.stat().st_size:,} bytes)")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@operating.of_a_folder
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
@operating.of_a_folder
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


@main.group()
def cert() -> None:
    """Make a certificate for TLS."""


@cert.command("dev")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where to put it.  [default: here]",
)
@click.option("--host", "names", multiple=True, metavar="NAME", help="A name or address it is for.")
def cert_dev(folder: Path, names: tuple[str, ...]) -> None:
    """Make a certificate for trying, signed by itself, that is valid for a year."""
    from chat_server import certificate

    try:
        made = certificate.make(folder, names)
    except FileExistsError as error:
        _fail(f"{error.filename} is there already and is not replaced", EX_CANTCREAT)
    except OSError as error:
        _fail(f"cannot write {error.filename}: {error.strerror}", EX_CANTCREAT)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"key {made.fingerprint}")
    click.echo(f"chat-server run --tls-cert {made.cert} --tls-key {made.key}")
    click.echo(f"chat-client --host {next(iter(names), 'localhost')} --tls-ca {made.cert}")


def _reader(config_file: Path | None, options: dict[str, Any]) -> Callable[[], Configuration]:
    """What reads the settings of this command, as often as called."""
    from chat_server import config

    file = config_file or config.default_file()  # once: a file that vanishes is not no file
    return partial(config.read, file, os.environ, options)


def _configured(configure: Callable[[], Configuration]) -> Configuration:
    """The settings, or one line that says what is wrong with them."""
    from chat_server.config import ConfigError

    try:
        return configure()
    except ConfigError as error:
        _fail(str(error), EX_CONFIG)


def _settings(config_file: Path | None, **options: Any) -> Settings:
    """The settings, or one line that says what is wrong with them."""
    return _configured(_reader(config_file, options)).settings


def folder_of(config_file: Path | None, **options: Any) -> Path:
    """The data folder, or one line that says why there is none."""
    folder = _settings(config_file, **options).server.folder
    if folder is None:
        _fail("nothing is kept with --data :memory:", EX_CONFIG)
    return folder


def _database(config_file: Path | None, **options: Any) -> Path:
    from chat_server.journal.folder import DATABASE

    return folder_of(config_file, **options) / DATABASE


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
    from chat_server.config import ConfigError
    from chat_server.net.tls import TlsRefused

    try:
        with _refusals():
            return ChatServer(settings, unlimited=no_limits)
    except (ConfigError, TlsRefused) as error:
        _fail(str(error), EX_CONFIG)
    except OSError as error:
        where = f"{settings.server.host}:{settings.server.port}"
        _fail(f"cannot listen on {where}: {error.strerror or error}", EX_UNAVAILABLE)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(message: str, code: int) -> NoReturn:
    _say(f"chat-server: {message}")
    sys.exit(code)
