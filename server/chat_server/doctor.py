"""Looks at everything a server needs, and says of each whether it is well and what to do.

Rules:
- A doctor changes nothing: what it tries, it takes back.
- Each check says one thing, and never stops the ones behind it.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, NamedTuple

from chat_server.journal.database import DatabaseRefused, check
from chat_server.journal.folder import DATABASE, others_write
from chat_server.loglines import harmless
from chat_server.net.listener import listen
from chat_server.net.tls import TlsContext, TlsRefused
from chat_server.settings import Server, Settings, Tls

OLDEST_SQLITE = (3, 37)
"""The first that has everything the tables use; Debian 12 has 3.40."""

ROOM_LEFT = 1024**3
"""Bytes free on the disk below which we warn: some three million messages."""

DESCRIPTORS = 4096
"""Below this a few thousand clients are too many; systems give up to a million."""

EXPIRY = timedelta(days=14)
"""A certificate that ends sooner should have been renewed by now."""

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this program was written no clock can be right."""


class Finding(NamedTuple):
    """What a check has found, and what to do about it where it is not `ok`."""

    verdict: Literal["ok", "warn", "FAIL"]
    text: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f": {self.advice}" if self.advice else ""
        return harmless(f"{self.verdict:<4}  {self.text}{advice}")


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what there is to say, in the order in which to set it right."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _versions,
        _clock,
        _descriptors,
        lambda: _folder(settings.server.folder),
        lambda: _address(settings.server, settings.server.folder),
        lambda: _certificate(settings.tls),
        lambda: _exposure(settings),
    ]
    for examined in checks:
        try:
            yield from examined()
        except OSError as error:
            yield Finding("FAIL", f"{error.filename or 'the system'}: {error.strerror}")


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", f"Python {python}")
    sqlite = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        least = ".".join(map(str, OLDEST_SQLITE))
        yield Finding("FAIL", sqlite, f"use a Python with SQLite {least} or newer")
    else:
        yield Finding("ok", sqlite)


def _clock() -> Iterator[Finding]:
    now = datetime.now(UTC)
    if now < BEGINNING:
        yield Finding("FAIL", f"the clock says {now:%Y-%m-%d}", "set it; messages carry its date")
    else:
        yield Finding("ok", f"the clock says {now:%Y-%m-%d %H:%M} UTC")


def _descriptors() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        advice = "raise it (LimitNOFILE= in systemd) for more clients than that"
        yield Finding("warn", f"{hard} descriptors", advice)
    else:
        yield Finding("ok", "descriptors for thousands of clients")


# The data folder


def _folder(folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        yield Finding("warn", "nothing is kept on disk", 'leave out `data = ":memory:"` to keep it')
        return
    if not folder.exists():
        yield from _future(folder)
        return
    if not folder.is_dir():
        yield Finding("FAIL", f"{folder} is no folder", "name another with server.data")
        return
    yield from _permissions(folder)
    yield _writable(folder)
    yield _space(folder)
    yield from _database(folder / DATABASE)


def _future(folder: Path) -> Iterator[Finding]:
    """A folder that a start would make: below what exists."""
    above = next(parent for parent in folder.parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        yield Finding("ok", f"the data folder {folder} is made at the first start")
        yield _space(above)
    else:
        yield Finding("FAIL", f"{folder} cannot be made", f"let this user write in {above}")


def _permissions(folder: Path) -> Iterator[Finding]:
    if others_write(folder):
        yield Finding("FAIL", f"others can write in {folder}", f"chmod 700 {folder}")
        return
    for path in (folder, folder / DATABASE):
        if path.exists() and path.stat().st_mode & 0o077:
            mode = "700" if path is folder else "600"
            yield Finding("warn", f"others can read {path}", f"chmod {mode} {path}")


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding("ok", f"the data folder {folder} can be written")
    except OSError as error:
        return Finding("FAIL", f"{folder}: {error.strerror}", f"chown it to uid {os.getuid()}")


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free where {folder} is"
    return Finding("ok", text) if free >= ROOM_LEFT else Finding("warn", text, "make room")


def _database(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("ok", "there is no database yet")
        return
    try:
        check(path, quick=True)
    except DatabaseRefused as error:
        yield Finding("FAIL", str(error), "restore a backup: chat-server restore FILE")
    else:
        yield Finding("ok", f"the database is sound ({path.stat().st_size:,} bytes)")


def is_served(folder: Path | None) -> bool:
    """Whether a server uses the folder now."""
    if folder is None or not (folder / "lock").exists():
        return False
    descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


# The network


def _address(server: Server, folder: Path | None) -> Iterator[Finding]:
    where = f"{server.host}:{server.port}"
    served = is_served(folder)
    try:
        listen(server.host, server.port).close()
    except OSError as error:
        if served and _answers(server):
            yield Finding("ok", f"a server is running, and answers on {where}")
        else:
            advice = "another program has it; choose another with --port"
            yield Finding("FAIL", f"cannot listen on {where}: {error.strerror or error}", advice)
        return
    if served:
        advice = "it listens elsewhere, or has stopped accepting; see its log"
        yield Finding("warn", f"a server uses {folder}, but nobody listens on {where}", advice)
    else:
        yield Finding("ok", f"no server is running, and {where} is free")


def _answers(server: Server) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)
    try:
        socket.create_connection((host, server.port), timeout=2).close()
    except OSError:
        return False
    return True


def _certificate(tls: Tls) -> Iterator[Finding]:
    try:
        TlsContext(tls.cert, tls.key, tls.required)
    except TlsRefused as error:
        yield Finding("FAIL", str(error), "or make one for trying: chat-server cert dev")
        return
    if tls.cert is None:
        return
    key = Path(tls.key or tls.cert)
    if key.stat().st_mode & 0o077:
        yield Finding("warn", f"others can read the key {key}", f"chmod 600 {key}")
    yield _dates(Path(tls.cert))


def _dates(file: Path) -> Finding:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    now, end = datetime.now(UTC), certificate.not_valid_after_utc
    text = f"the certificate is valid until {end:%Y-%m-%d}"
    if now < certificate.not_valid_before_utc:
        return Finding("FAIL", "the certificate is not valid yet", "compare the clock")
    if now >= end:
        return Finding("FAIL", f"the certificate ended on {end:%Y-%m-%d}", "renew it")
    return Finding("ok", text) if end - now > EXPIRY else Finding("warn", text, "renew it")


def _exposure(settings: Settings) -> Iterator[Finding]:
    if _is_loopback(settings.server.host):
        yield Finding("ok", "only this machine can connect")
    elif settings.tls.cert is None:
        advice = "set tls.cert: what people say can be read on the way, and logging in is refused"
        if settings.auth.plain_passwords:
            advice = "set tls.cert: everything, passwords too, can be read on the way"
        yield Finding("warn", f"{settings.server.host} is open to others without TLS", advice)
    elif settings.auth.plain_passwords:
        advice = "leave auth.plain_passwords out: with TLS nobody needs it"
        yield Finding("warn", "passwords are taken over plain connections", advice)
    else:
        yield Finding("ok", "others can connect, with TLS")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
