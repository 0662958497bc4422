"""What administrators ask; `accounts` and `account` are for the operator's socket alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chat_schema import limits, names
from chat_schema.request import Request


class Elevate(Request):
    """Becomes administrator for the rest of the connection."""

    type: Literal["elevate"] = "elevate"
    password: names.Password = Field(repr=False)


class Sessions(Request):
    """Lists every connection, a page at a time."""

    type: Literal["sessions"] = "sessions"
    after: names.Sequence | None = None


class Rename(Request):
    """Gives somebody else another nick."""

    type: Literal["rename"] = "rename"
    target: names.Nick
    nick: names.Nick


class Shutdown(Request):
    """Stops the server after some seconds, once everybody was told."""

    type: Literal["shutdown"] = "shutdown"
    seconds: Annotated[int, Field(ge=0, le=limits.SHUTDOWN_SECONDS)] | None = None
    reason: names.Reason | None = None


class Stats(Request):
    """Tells what the server counts."""

    type: Literal["stats"] = "stats"


class Lockdown(Request):
    """Tells who may come in, after changing it where `level` is given."""

    type: Literal["lockdown"] = "lockdown"
    level: Literal["none", "registrations", "accounts", "moderators"] | None = None


class Audit(Request):
    """Lists what those with power did, the newest page first, or the one before a number."""

    type: Literal["audit"] = "audit"
    before: names.Sequence | None = None
    limit: Annotated[int, Field(ge=1, le=limits.AUDIT_PAGE)] | None = None


class Accounts(Request):
    """Lists the accounts, a page at a time."""

    type: Literal["accounts"] = "accounts"
    after: names.Nick | None = None


class Account(Request):
    """Tells of an account, after changing what is given, or removes it."""

    type: Literal["account"] = "account"
    nick: names.Nick
    role: Literal["user", "moderator", "admin"] | None = None
    password: names.Password | None = Field(default=None, repr=False)
    remove: bool | None = None
