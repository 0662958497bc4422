"""What a client asks about its account: having one, showing that it is theirs, and whom to ignore.

Rules:
- Passwords and signatures are never part of a model's `repr`, so that no log can hold them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chat_schema import names
from chat_schema.request import Request


class Challenge(Request):
    """Asks for a number to sign, used once, on this connection."""

    type: Literal["challenge"] = "challenge"


class Login(Request):
    """Becomes the person of an account, by its password or by a signature of the challenge."""

    type: Literal["login"] = "login"
    nick: names.Nick
    password: names.Password | None = Field(default=None, repr=False)
    signature: names.Signature | None = Field(default=None, repr=False)


class Register(Request):
    """Makes the nick one has an account, which nobody else can take from then on."""

    type: Literal["register"] = "register"
    password: names.Password = Field(repr=False)


class Logout(Request):
    """Becomes a guest again."""

    type: Literal["logout"] = "logout"


class Passwd(Request):
    """Changes the password of one's account; its other sessions end."""

    type: Literal["passwd"] = "passwd"
    old: names.Password = Field(repr=False)
    new: names.Password = Field(repr=False)


class Key(Request):
    """Tells, sets or (with the empty string) removes the key by which one may log in."""

    type: Literal["key"] = "key"
    public: names.PublicKey | None = None


class Unregister(Request):
    """Gives one's account up; the nick is free for anybody."""

    type: Literal["unregister"] = "unregister"
    password: names.Password = Field(repr=False)


class Ignore(Request):
    """Takes no whispers and invitations from somebody any more."""

    type: Literal["ignore"] = "ignore"
    target: names.Nick


class Unignore(Request):
    """Takes whispers and invitations from somebody again."""

    type: Literal["unignore"] = "unignore"
    target: names.Nick


class Ignores(Request):
    """Lists whom one ignores."""

    type: Literal["ignores"] = "ignores"
