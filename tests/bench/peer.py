"""The servers that can be measured: ours, and those of Debian that are installed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.bench.server import Contender, ServerError

_NGIRCD = """\
[Global]
Name = irc.test
Info = bench
AdminInfo1 = bench
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxPenaltyTime = 0
PingTimeout = 600
[Options]
DNS = no
Ident = no
PAM = no
"""

_INSPIRCD = """\
<server name="irc.test" description="bench" network="bench">
<admin name="bench" nick="bench" email="bench@example.org">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" timeout="60" pingfreq="10m" hardsendq="100M" softsendq="50M" recvq="10M"
 threshold="100000000" commandrate="100000000" fakelag="no" localmax="20000" globalmax="20000"
 maxchans="100" useident="no" resolvehostnames="no" maxconnwarn="no">
<performance netbuffersize="10240" somaxconn="1024" softlimit="20000" quietbursts="yes">
<options allowzerolimit="yes">
<pid file="{folder}/inspircd.pid">
<path configdir="{folder}" datadir="{folder}" logdir="{folder}" moduledir="{modules}">
"""

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
"""Daemons live where the PATH of an ordinary user does not always go."""


_OUR_NAME = "typed-chat, "
_WHERE = {"memory": "in memory", "disk": "on disk", "process": "on disk unsynced"}
OURS = tuple(_WHERE)
"""What our server can be asked to do with messages: the durability that it then promises."""


def ours(durability: str, io_threads: int | None = None) -> Contender:
    """Our server with one of the durabilities, and perhaps with so many loop threads."""
    threads = "" if io_threads is None else f", io={io_threads}"
    options = [] if io_threads is None else ["--io-threads", str(io_threads)]

    def command(folder: Path, _port: int) -> list[str]:
        file = folder / "chat.toml"
        data = ":memory:" if durability == "memory" else str(folder / "data")
        unsynced = 'durability = "process"' if durability == "process" else ""
        # the peers write no line for who comes and goes either
        file.write_text(f'[server]\n{unsynced}\n[log]\nlevel = "warning"\n')
        where = ["--data", data, "--config", str(file)]
        return [_our_command(), "run", "--port", "0", "--no-limits", *where, *options]

    return Contender(
        name=f"{_OUR_NAME}{_WHERE[durability]}{threads}",
        dialect="chat",
        command=command,
        ready=r"listening on \S+:(\d+)$",
        at_once=128,
        peer=False,
        usual=r"^(nothing|everything) is kept",
    )


def short_name(name: str) -> str:
    """What tells a server of ours from the others of ours, or the name of a peer."""
    return name.removeprefix(_OUR_NAME)


def _our_command() -> str:
    command = shutil.which("chat-server", path=str(Path(sys.executable).parent))
    if command := command or shutil.which("chat-server"):
        return command
    raise ServerError("chat-server is not installed: pip install -e .")


def _find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=_PATH)


def _ngircd() -> Contender | None:
    program = _find("ngircd")
    if program is None:
        return None

    def command(folder: Path, port: int) -> list[str]:
        file = folder / "ngircd.conf"
        file.write_text(_NGIRCD.format(port=port))
        return [program, "-n", "-f", str(file)]

    # Its backlog is 10: who finds it full tries again after a second.
    return Contender("ngircd", "irc", command, r"Now listening on \S+:(\d+)", at_once=8)


def _inspircd() -> Contender | None:
    program = _find("inspircd")
    modules = next(Path("/usr/lib").glob("**/inspircd*/modules"), None)
    if program is None or modules is None:
        return None

    def command(folder: Path, port: int) -> list[str]:
        file = folder / "inspircd.conf"
        file.write_text(_INSPIRCD.format(port=port, folder=folder, modules=modules))
        return [program, "--config", str(file), "--nofork", "--runasroot"]

    # It lets people in once a second, so all who want in had better be there by then.
    return Contender("inspircd", "irc", command, r"is now running as", at_once=1000)


def _nats() -> Contender | None:
    program = _find("nats-server")
    if program is None:
        return None

    def command(_folder: Path, _port: int) -> list[str]:
        return [program, "-a", "127.0.0.1", "-p", "-1"]

    return Contender("nats", "nats", command, r"client connections on \S+:(\d+)", at_once=128)


_PEERS = {"inspircd": _inspircd, "ngircd": _ngircd, "nats": _nats}
NAMES = tuple(_PEERS)


def find(name: str) -> Contender | None:
    """The peer of that name, if it is installed."""
    return _PEERS[name]()
