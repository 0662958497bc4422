"""The answers about accounts."""

from __future__ import annotations

from chat_schema.moderation_replies import ServerRole
from chat_schema.names import User
from chat_schema.reply import Ok


class ChallengeOk(Ok):
    """What to sign: see PROTOCOL.md, "Keys". `server` is the name of the server."""

    nonce: str
    server: str


class IdentityOk(Ok):
    """Who you are now, and what you may do on the whole server (nothing special: absent).

    `rooms` are those you are in now: as somebody else you may be refused where you were.
    """

    user: User
    role: ServerRole | None = None
    rooms: list[str]


class KeyOk(Ok):
    """The public key by which one can log in; empty for none."""

    public: str


class IgnoresOk(Ok):
    """Whom you ignore, by nick where they are known."""

    users: list[User]
