"""The command `chat-client`: reads options and opens the line view.

Exit codes: 0 done · 1 something was refused · 2 usage · 66 a file of a key or password cannot be
read · 69 no server · 73 a key cannot be made · 75 try later · 76 the server speaks something else ·
77 the nick or password was refused, one was put off the server, or the server cannot show who it is
· 130 interrupted.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chat_schema import DEFAULT_PORT

if TYPE_CHECKING:
    from chat_client.tls import Tls
    from chat_client.ui.entrance import Wish


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option("--nick", help="Your name; a guest's when left out.")
@click.option("--login", is_flag=True, help="Ask for the password of the account --nick.")
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="Log in with this file's first line."
)
@click.option("--key", type=click.Path(path_type=Path), help="Log in with this private key.")
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
@click.pass_context
def main(context: click.Context, /, commands: bool, **options: Any) -> None:
    """Chat on a server.

    On a terminal, type and read; /help lists the commands. Otherwise each line of standard input
    that is not empty is said in the lobby, and the end of the input ends the chat.

    A connection that breaks is made again; what is typed meanwhile waits. With --nick, a chat that
    was killed goes on where it was if it is started again within two minutes.
    """
    if context.invoked_subcommand is not None:
        return
    from chat_client.ui.plain import Plain

    _accept_any_text()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    commands = commands or interactive
    wish = _wish(commands=commands, **options)
    try:
        sys.exit(Plain(wish, interactive=interactive, commands=commands).run())
    except KeyboardInterrupt:
        sys.exit(130)


@main.group()
def key() -> None:
    """Make keys to log in by."""


@key.command("new")
@click.argument("file", type=click.Path(path_type=Path))
def new_key(file: Path) -> None:
    """Make a private key in FILE, and its public half in FILE.pub.

    /key FILE.pub on the prompt sets it; --key FILE logs in with it from then on.
    """
    from chat_client.keys import KeyTrouble, make

    try:
        make(file)
    except KeyTrouble as trouble:
        print(f"chat-client: {trouble}", file=sys.stderr)
        sys.exit(73)
    click.echo(f"made {file} (keep it to yourself) and {file}.pub (set it with /key {file}.pub)")


def _wish(  # noqa: PLR0913 - one parameter for each option
    *,
    commands: bool,
    nick: str | None,
    login: bool,
    password_file: Path | None,
    key: Path | None,
    tls: bool,
    tls_ca: Path | None,
    tls_pin: bool,
    **where: Any,
) -> Wish:
    """What the options ask for; raises UsageError where that contradicts itself."""
    from chat_client.ui.entrance import Wish

    if nick is None and (login or password_file or key):
        raise click.UsageError("To log in, say as whom: --nick NAME.")
    if sum((login, password_file is not None, key is not None)) > 1:
        raise click.UsageError("--login, --password-file and --key are three ways to do one thing.")
    if login and not commands:
        raise click.UsageError("--login asks for a password; without a terminal: --password-file.")
    how = _tls(tls, tls_ca, tls_pin)
    return Wish(nick=nick, login=login, password_file=password_file, key=key, tls=how, **where)


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
