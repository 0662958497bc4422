"""The command `chat-client`: reads options and opens the line view.

Exit codes: 0 done · 1 something was refused · 2 usage · 69 no server · 75 try later · 76 the server
speaks something else · 77 the nick was refused, or the server cannot show who it is · 130
interrupted.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chat_schema import DEFAULT_PORT

if TYPE_CHECKING:
    from chat_client.tls import Tls


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--nick", help="Your name; a guest's when left out.")
@click.option("--host", default="127.0.0.1", help="Where the server is.")
@click.option("--port", default=DEFAULT_PORT, type=click.IntRange(1, 65535), help="Its port.")
@click.option("--commands", is_flag=True, help="Obey /commands in a pipe too.")
@click.option("--tls", is_flag=True, help="Encrypt; the server's certificate must be sound.")
@click.option(
    "--tls-ca",
    type=click.Path(path_type=Path),
    help="The same, with a certificate or authority of this file.",
)
@click.option("--tls-pin", is_flag=True, help="Encrypt; trust the key that was seen first.")
@click.version_option(version("typed-chat"), prog_name="chat-client")
def main(
    nick: str | None,
    host: str,
    port: int,
    commands: bool,
    tls: bool,
    tls_ca: Path | None,
    tls_pin: bool,
) -> None:
    """Chat on a server.

    On a terminal, type and read; /help lists the commands. Otherwise each line of standard input
    that is not empty is said in the lobby, and the end of the input ends the chat.

    A connection that breaks is made again; what is typed meanwhile waits. With --nick, a chat that
    was killed goes on where it was if it is started again within two minutes.
    """
    from chat_client.ui.plain import Plain

    _accept_any_text()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    commands = commands or interactive
    how = _tls(tls, tls_ca, tls_pin)
    try:
        view = Plain(host, port, nick, interactive=interactive, commands=commands, tls=how)
        sys.exit(view.run())
    except KeyboardInterrupt:
        sys.exit(130)


def _tls(verify: bool, ca: Path | None, pin: bool) -> Tls | None:
    """How the connection is made secure, None for not at all."""
    from chat_client.tls import Tls

    if pin and (verify or ca is not None):
        raise click.UsageError("--tls-pin trusts without asking anybody: use it alone.")
    if pin:
        return Tls("pin", on_first=lambda line: click.echo(line, err=True))
    return Tls(ca=ca) if verify or ca is not None else None


def _accept_any_text() -> None:
    """Read bytes that are no text, and write what the terminal has no letters for, all the same."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)
