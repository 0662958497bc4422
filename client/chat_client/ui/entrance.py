"""The way in: connecting as whom the user wants to be, asking them where something is wrong.

Rules:
- A person is asked for a password, or for another nick; a script is told, and ends.
- A password is read where it is not echoed, from a file, or from the first line of the input; it
  is kept in memory only.
"""

from __future__ import annotations

import getpass
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chat_client import lines
from chat_client.client import Client
from chat_client.escape import escape
from chat_client.tenancy import Tenancy
from chat_client.tls import Tls
from chat_schema.errors import Refused

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts to which nobody else can listen."""

WITH_PASSWORD = frozenset({"nick.reserved", "server.locked", "auth.failed"})
"""Refusals that a password, or another one, may turn."""


@dataclass(frozen=True)
class Wish:
    """Where to chat, as whom, and how that is shown.

    `login`: ask for the password of the account `nick` at once. `key` is the file of a private key.
    """

    host: str
    port: int
    nick: str | None = None
    tls: Tls | None = None
    login: bool = False
    password_file: Path | None = None
    key: Path | None = None

    @property
    def warning(self) -> str:
        """What stands before the colon of a question for a secret."""
        safe = self.tls is not None or self.host in LOOPBACK
        return "" if safe else " (others can read this connection)"


class Entrance:
    """Makes the client of a wish; `make` is given nick, token, password and key."""

    def __init__(
        self,
        wish: Wish,
        tenancy: Tenancy,
        make: Callable[..., Client],
        show: Callable[[list[str]], None],
        *,
        interactive: bool,
    ) -> None:
        self._wish = wish
        self._tenancy = tenancy
        self._make = partial(make, wish.host, wish.port, tls=wish.tls)
        self._show = show
        self._interactive = interactive
        self._nick = wish.nick
        self._password: str | None = None

    def enter(self) -> Client:
        """Connect; raise Disconnected, Refused where nobody can be asked, or KeyTrouble."""
        self._password = self._given_password()
        while True:
            try:
                return self._make(
                    nick=self._nick,
                    token=self._tenancy.take(self._nick),
                    password=self._password,
                    key=self._wish.key if self._password is None else None,
                )
            except Refused as refused:
                self._tenancy.release()
                if not self._can_help(refused):
                    raise
                self._show(lines.of_refusal(refused, asking=True))
                self._ask(refused)

    def _given_password(self) -> str | None:
        file = self._wish.password_file
        if file is not None:
            return _password_in(file, self._show)
        if not self._wish.login:
            return None
        return self._hidden() if self._interactive else sys.stdin.readline().rstrip("\r\n")

    def _can_help(self, refused: Refused) -> bool:
        if not self._interactive or self._wish.key is not None:
            return False
        return refused.code.startswith("nick.") or refused.code in WITH_PASSWORD

    def _ask(self, refused: Refused) -> None:
        """Ask for a password where that may help, and for another nick where none is given."""
        self._password = None
        try:
            if self._nick is not None and refused.code in WITH_PASSWORD:
                self._password = self._hidden(" (empty for another nick)")
            if self._password is None:
                self._ask_nick(refused)
        except EOFError:
            print()
            raise refused from None

    def _ask_nick(self, refused: Refused) -> None:
        """The refusal stands where the user gives up."""
        answer = input("Another nick (empty for a guest's, /quit to leave): ").strip()
        if answer == "/quit":
            raise refused
        self._nick = answer or None

    def _hidden(self, hint: str = "") -> str | None:
        nick = escape(self._nick or "")
        return getpass.getpass(f"Password for {nick}{hint}{self._wish.warning}: ") or None


def _password_in(file: Path, show: Callable[[list[str]], None]) -> str:
    """The first line of a file; raises OSError where it cannot be read."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        others = stat.S_IRWXG | stat.S_IRWXO
        if stat.S_IMODE(file.stat().st_mode) & others:
            show([f"-- others on this machine can read {escape(str(file))}: chmod 600"])
        return stream.readline().rstrip("\r\n")
