"""The commands by which an operator acts on a running server, from its own machine.

Each asks through the socket in the data folder (local_client.py), and never opens the database.

Exit codes: 0 done · 1 the server refused · 2 usage · 69 no server runs on the folder, or none that
answers · 77 the server is another user's, or its socket is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from chat_server.local_client import Frame, LocalClient

EX_REFUSED = 1
EX_UNAVAILABLE = 69
EX_NOPERM = 77

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

AUDIT_COLUMNS = ("number", "ts", "actor", "act", "room", "target", "detail")
SANCTION_COLUMNS = ("id", "nick", "network", "address", "by", "since", "until", "reason")
SESSION_COLUMNS = ("number", "user", "role", "address", "secure", "since", "client", "rooms")
USER_COLUMNS = ("nick", "role", "created", "key", "online", "uid")


def duration(text: str) -> int:
    """The seconds of `90`, `15m`, `2h`, `7d` or `1w`."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "s")
    if not (number.isascii() and number.isdigit()):
        raise click.BadParameter("a number, with s, m, h, d or w after it, as 15m")
    return int(number) * UNITS[unit]


def of_a_folder(command: Any) -> Any:
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


def _asks(command: Callable[..., None]) -> Any:
    """Give a command the connection to the server, and the options that tell which one."""

    def ask(*, config_file: Path | None, data: str | None, **arguments: Any) -> None:
        from chat_server.cli import folder_of

        with _connected(folder_of(config_file, data=data)) as server:
            command(server, **arguments)

    return of_a_folder(update_wrapper(ask, command))


@contextmanager
def _connected(folder: Path) -> Iterator[LocalClient]:
    """A connection; what goes wrong is told in one line."""
    from chat_schema.errors import Refused
    from chat_server.local_client import Distrusted, LocalClient, Unreachable

    try:
        with LocalClient(folder) as server:
            yield server
    except Refused as refused:
        _fail(refused.message, EX_REFUSED)
    except Unreachable as error:
        _fail(str(error), EX_UNAVAILABLE)
    except Distrusted as error:
        _fail(f"{error}: nothing was sent to it", EX_NOPERM)
    except PermissionError:
        _fail(f"the server on {folder} is another user's", EX_NOPERM)


_listed = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_reason = click.option("--reason", help="Why; those concerned are told.")
_room = click.option("--room", help="In this room only.  [default: the whole server]")
_for = click.option("--for", "seconds", type=duration, help="How long, as 15m or 7d.")
_role = click.option("--role", type=click.Choice(["user", "moderator", "admin"]))


def _show(rows: Iterable[Frame], names: tuple[str, ...], as_json: bool) -> None:
    """Write rows in the form that whoever reads them wants."""
    from chat_server import columns

    if as_json:
        lines = columns.as_json(rows)
    elif sys.stdout.isatty():
        lines = columns.aligned(rows, names)
    else:
        lines = columns.with_tabs(rows, names)
    for line in lines:
        click.echo(line)


# Accounts


@click.group()
def user() -> None:
    """Look after accounts, and people online."""


@user.command("list")
@_listed
@_asks
def list_users(server: LocalClient, as_json: bool) -> None:
    """List every account."""
    accounts = server.pages("accounts", "accounts", lambda account: account["nick"])
    _show(accounts, USER_COLUMNS, as_json)


@user.command()
@click.argument("nick")
@_listed
@_asks
def show(server: LocalClient, nick: str, as_json: bool) -> None:
    """Tell of one account."""
    _show([server.ask("account", nick=nick)["account"]], USER_COLUMNS, as_json)


@user.command()
@click.argument("nick")
@_role
@_asks
def add(server: LocalClient, nick: str, role: str | None) -> None:
    """Make an account; the password is asked for, or one line of standard input."""
    if _exists(server, nick):
        _fail(f"there is an account {nick} already", EX_REFUSED)
    server.ask("account", nick=nick, password=_password(), role=role)
    _say(f"there is an account {nick} now")


@user.command()
@click.argument("nick")
@click.argument("role", type=click.Choice(["user", "moderator", "admin"]))
@_asks
def role(server: LocalClient, nick: str, role: str) -> None:
    """Change what an account may do on the whole server."""
    server.ask("account", nick=nick, role=role)
    _say(f"{nick} is {role} now")


@user.command()
@click.argument("nick")
@_asks
def passwd(server: LocalClient, nick: str) -> None:
    """Give an account another password; its sessions end."""
    server.ask("account", nick=nick)  # before anybody types a password for nothing
    server.ask("account", nick=nick, password=_password())
    _say(f"{nick} has another password now")


@user.command()
@click.argument("nick")
@_asks
def remove(server: LocalClient, nick: str) -> None:
    """Remove an account; its sessions end, and the nick is free for anybody."""
    server.ask("account", nick=nick, remove=True)
    _say(f"there is no account {nick} any more")


@user.command("kick")
@click.argument("nick")
@_reason
@_asks
def kick_user(server: LocalClient, nick: str, reason: str | None) -> None:
    """End the sessions of somebody online; they may come back."""
    server.ask("kick", room="*", target=nick, reason=reason)
    _say(f"{nick} was put off the server")


@user.command()
@click.argument("nick")
@click.argument("new")
@_asks
def rename(server: LocalClient, nick: str, new: str) -> None:
    """Give somebody online another nick."""
    server.ask("rename", target=nick, nick=new)
    _say(f"{nick} is called {new} now")


def _exists(server: LocalClient, nick: str) -> bool:
    """Whether there is an account of this name."""
    from chat_schema.errors import Refused

    try:
        server.ask("account", nick=nick)
    except Refused as refused:
        if refused.code != "user.unknown":
            raise
        return False
    return True


def _password() -> str:
    """A new password: typed twice and not shown, or the first line of what is piped in."""
    if sys.stdin.isatty():
        return str(
            click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
        )
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        _fail("standard input has no password", EX_REFUSED)
    return line


# Rooms


@click.group()
def room() -> None:
    """Look after rooms."""


@room.command("list")
@_listed
@_asks
def list_rooms(server: LocalClient, as_json: bool) -> None:
    """List every room."""
    rooms = server.pages("rooms", "rooms", lambda room: room["room"])
    _show(rooms, ("room", "count", "topic"), as_json)


@room.command()
@click.argument("room")
@_listed
@_asks
def mods(server: LocalClient, room: str, as_json: bool) -> None:
    """List who looks after a room."""
    _show(server.ask("mods", room=room)["mods"], ("user", "role"), as_json)


@room.command()
@click.argument("room")
@click.argument("nick")
@click.option("--owner", is_flag=True, help="An owner, not a moderator.")
@_asks
def promote(server: LocalClient, room: str, nick: str, owner: bool) -> None:
    """Make somebody a moderator of a room, or an owner."""
    office = "owner" if owner else "moderator"
    server.ask("promote", room=room, target=nick, role=office)
    _say(f"{nick} is {office} of {room} now")


@room.command()
@click.argument("room")
@click.argument("nick")
@_asks
def demote(server: LocalClient, room: str, nick: str) -> None:
    """Take somebody's office in a room."""
    server.ask("demote", room=room, target=nick)
    _say(f"{nick} holds no office in {room} any more")


@room.command("kick")
@click.argument("room")
@click.argument("nick")
@_reason
@_asks
def kick_from_room(server: LocalClient, room: str, nick: str, reason: str | None) -> None:
    """Put somebody out of a room; they may come back."""
    server.ask("kick", room=room, target=nick, reason=reason)
    _say(f"{nick} was put out of {room}")


def _list_sanctions(server: LocalClient, kind: str, room: str | None, as_json: bool) -> None:
    _show(server.ask(kind, room=room or "*")[kind], SANCTION_COLUMNS, as_json)


@room.command("bans")
@click.argument("room")
@_listed
@_asks
def bans_of_room(server: LocalClient, room: str, as_json: bool) -> None:
    """List the bans of a room."""
    _list_sanctions(server, "bans", room, as_json)


@room.command("mutes")
@click.argument("room")
@_listed
@_asks
def mutes_of_room(server: LocalClient, room: str, as_json: bool) -> None:
    """List who may not speak in a room."""
    _list_sanctions(server, "mutes", room, as_json)


# Bans and mutes


@click.group()
def ban() -> None:
    """Keep people, addresses and networks out."""


@click.group()
def mute() -> None:
    """Let people read and not speak."""


def _add_sanctions(group: click.Group, name: str, undo: str, done: str, undone: str) -> None:
    """Give a group its three commands; `name` and `undo` are what the server is asked."""

    def list_all(server: LocalClient, room: str | None, as_json: bool) -> None:
        _list_sanctions(server, f"{name}s", room, as_json)

    def impose(server: LocalClient, target: str, room: str | None, **given: Any) -> None:
        server.ask(name, room=room or "*", target=target, **given)
        _say(f"{target} is {done} {f'in {room}' if room else 'on the whole server'}")

    def lift(server: LocalClient, target: str, room: str | None) -> None:
        server.ask(undo, room=room or "*", target=target)
        _say(f"{target} is {undone} {f'in {room}' if room else 'on the whole server'}")

    target = click.argument("target")
    make = group.command
    make("list", help=f"List the {name}s in force.")(_listed(_room(_asks(list_all))))
    make("add", help=f"{name.capitalize()} somebody.")(target(_room(_for(_reason(_asks(impose))))))
    make("remove", help=f"Lift a {name}.")(target(_room(_asks(lift))))


_add_sanctions(ban, "ban", "unban", "banned", "not banned any more")
_add_sanctions(mute, "mute", "unmute", "muted", "not muted any more")


# The server


@click.command()
@click.option("-n", "count", type=click.IntRange(1), default=50, help="How many.  [default: 50]")
@_listed
@_asks
def audit(server: LocalClient, count: int, as_json: bool) -> None:
    """Tell what those with power did lately, the newest last."""
    _show(reversed(list(islice(_acts(server, count), count))), AUDIT_COLUMNS, as_json)


def _acts(server: LocalClient, count: int) -> Iterator[Frame]:
    """Entries of the audit from the newest on."""
    before, more = None, True
    while more:
        reply = server.ask("audit", before=before, limit=min(count, 200))
        yield from reversed(reply["entries"])
        more = reply["more"]
        before = reply["entries"][0]["number"] if more else None


@click.command()
@_listed
@_asks
def stats(server: LocalClient, as_json: bool) -> None:
    """Tell what the server counts."""
    found = server.ask("stats")["stats"]
    if as_json:
        _show([found], (), as_json)
    else:
        rows = [{"name": name, "value": found[name]} for name in sorted(found)]
        _show(rows, ("name", "value"), as_json)


@click.command()
@_listed
@_asks
def sessions(server: LocalClient, as_json: bool) -> None:
    """List everybody connected."""
    found = server.pages("sessions", "sessions", lambda session: session["number"])
    _show(found, SESSION_COLUMNS, as_json)


@click.command()
@click.argument("text")
@_asks
def announce(server: LocalClient, text: str) -> None:
    """Say something to everybody on the server."""
    server.ask("broadcast", room="*", text=text)


@click.command()
@click.argument("seconds", type=duration, required=False)
@click.option("--reason", help="Why; everybody is told.")
@_asks
def shutdown(server: LocalClient, seconds: int | None, reason: str | None) -> None:
    """Tell everybody that the server stops, and stop it, now or after SECONDS."""
    server.ask("shutdown", seconds=seconds, reason=reason)
    _say(f"the server stops in {seconds} s" if seconds else "the server stops")


@click.command()
@click.argument(
    "level",
    type=click.Choice(["none", "registrations", "accounts", "moderators"]),
    required=False,
)
@_asks
def lockdown(server: LocalClient, level: str | None) -> None:
    """Tell who may come in, or change it.

    registrations: no new accounts; accounts: no guests; moderators: nobody but those with power.
    """
    click.echo(server.ask("lockdown", level=level)["level"])


COMMANDS = (user, room, ban, mute, audit, stats, sessions, announce, shutdown, lockdown)
"""What this adds to the command `chat-server`."""


def _say(line: str) -> None:
    from chat_server.loglines import harmless

    click.echo(harmless(line), err=True)


def _fail(message: str, code: int) -> NoReturn:
    _say(f"chat-server: {message}")
    sys.exit(code)
