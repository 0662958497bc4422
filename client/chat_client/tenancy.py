"""The user's stay on disk, as a view uses it: trouble with the file is told in a line, never fatal.

Rules:
- Only who names a nick has a file; a guest comes back as another one.
- `keep` may be called on any thread, but for `take`, `begin` and `end`, which are the view's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from chat_client.client import Client
from chat_client.escape import escape
from chat_client.place import Place
from chat_client.stay import Stay, StayTaken
from chat_schema.names import ROOM_PATTERN, same_name


class Tenancy:
    """Which stay this program may take up, and where it is noted for the next one."""

    def __init__(self, host: str, port: int, complain: Callable[[list[str]], None]) -> None:
        self._address = (host, port)
        self._complain = complain
        self._stay: Stay | None = None
        self._client: Client | None = None

    def take(self, nick: str | None) -> str | None:
        """Hold the file of this nick; return the token that the last program left there."""
        self._stay = None if nick is None else self._hold(nick)
        if self._stay is None:
            return None
        if self._stay.trouble is not None:
            self._complain([f"-- {escape(self._stay.trouble)}"])
        return self._stay.record.token if self._stay.record is not None else None

    def begin(self, client: Client) -> None:
        """Note the stay of a client that is welcome."""
        self._client = client

    def rooms(self, client: Client) -> list[str]:
        """The rooms that were kept, the one looked at last at the end."""
        resume = client.welcome.resume
        named = resume.rooms if resume is not None else []
        kept = {same_name(room): room for room in named if re.fullmatch(ROOM_PATTERN, room)}
        noted = self._stay.record.rooms if self._stay and self._stay.record else []
        order = [same_name(room) for room in noted]
        return [kept[key] for key in sorted(kept, key=lambda key: (key in order, _at(order, key)))]

    def keep(self, place: Place) -> None:
        """Write down who and where the user is."""
        if self._stay is None or self._client is None or self._client.token is None:
            return
        if same_name(place.user.nick) != same_name(self._stay.nick):
            self._move(place.user.nick)
        if self._stay is not None:
            self._write(self._stay, self._client.token, place)

    def release(self) -> None:
        """Nothing came of it: leave the file as it is."""
        if self._stay is not None:
            self._stay.release()
        self._stay = None

    def end(self, *, over: bool) -> None:
        """The program ends; if the stay is not over, the next one may take it up."""
        if self._stay is not None and over:
            self._stay.remove()
        self.release()

    def _hold(self, nick: str) -> Stay | None:
        try:
            return Stay(*self._address, nick)
        except StayTaken:
            return None  # the server will say that the nick is taken
        except OSError as error:
            self._give_up(error)
            return None

    def _move(self, nick: str) -> None:
        """Another nick has another file."""
        self.end(over=True)
        self._stay = self._hold(nick)

    def _write(self, stay: Stay, token: str, place: Place) -> None:
        looked_at = [place.room] if place.room is not None else []
        rooms = [room for room in place.rooms.values() if room not in looked_at]
        try:
            stay.keep(token, place.user.nick, rooms + looked_at)
        except OSError as error:
            self._give_up(error)
            self.release()

    def _give_up(self, error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        self._complain([f"-- your stay cannot be noted on disk ({escape(reason)})"])


def _at(order: list[str], key: str) -> int:
    return order.index(key) if key in order else 0
