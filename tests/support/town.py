"""People on different loops and addresses of a playbook's server: guests, accounts, an admin."""

from __future__ import annotations

from chat_server.settings import Auth
from tests.support.playbook import Actor, Frame, Playbook

PASSWORD = "correct horse"
AUTH = Auth(hash_kib=8, hash_passes=1, plain_passwords=True)


class Town:
    """A server whose people are on different loops and, unless a test says so, addresses."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self._come = 0

    def stranger(self, address: str | None = None) -> Actor:
        """Somebody who has said nothing yet."""
        self._come += 1
        loop = self._come % len(self.book.loops)
        return self.book.stranger(loop, address or f"198.51.100.{self._come}")

    def person(self, nick: str, *rooms: str, address: str | None = None) -> Actor:
        """A guest in these rooms."""
        actor = self.stranger(address)
        assert actor.asks("hello", nick=nick)["type"] == "welcome"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        self.book.forget()
        return actor

    def account(self, nick: str, *rooms: str) -> Actor:
        """Somebody with an account, in these rooms."""
        actor = self.person(nick)
        assert actor.asks("register", password=PASSWORD)["type"] == "ok"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        self.book.forget()
        return actor

    def again(self, nick: str, *rooms: str) -> Actor:
        """Another session of an account."""
        actor = self.stranger()
        reply = actor.asks("hello", login={"nick": nick, "password": PASSWORD})
        assert reply["type"] == "welcome"
        for room in rooms:
            assert actor.asks("join", room=room)["type"] == "ok"
        self.book.forget()
        return actor

    def admin(self, nick: str = "root_of_all") -> Actor:
        """An administrator."""
        actor = self.person(nick)
        actor.session.elevated = True
        return actor


def code(reply: Frame) -> str | None:
    """The code of a refusal."""
    return reply.get("code")
