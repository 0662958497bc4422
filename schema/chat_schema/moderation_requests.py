"""What those who look after a room ask; with the room `*`, an administrator acts on the server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chat_schema import limits, names
from chat_schema.request import Request

Flag = bool | None
Seconds = Annotated[int, Field(ge=1, le=limits.SANCTION_SECONDS)]


class Kick(Request):
    """Puts somebody out of the room, or off the server."""

    type: Literal["kick"] = "kick"
    room: names.Destination
    target: names.Nick
    reason: names.Reason | None = None


class Ban(Request):
    """Puts somebody out and keeps them out; without `seconds`, until they are unbanned."""

    type: Literal["ban"] = "ban"
    room: names.Destination
    target: names.Target
    seconds: Seconds | None = None
    reason: names.Reason | None = None


class Unban(Request):
    """Lifts a ban, named by its nick, address or number."""

    type: Literal["unban"] = "unban"
    room: names.Destination
    target: names.Target


class Bans(Request):
    """Lists the bans that are in force."""

    type: Literal["bans"] = "bans"
    room: names.Destination


class Mute(Request):
    """Lets somebody read and not speak; without `seconds`, until they are unmuted."""

    type: Literal["mute"] = "mute"
    room: names.Destination
    target: names.Nick
    seconds: Seconds | None = None
    reason: names.Reason | None = None


class Unmute(Request):
    """Lets somebody speak again."""

    type: Literal["unmute"] = "unmute"
    room: names.Destination
    target: names.Nick


class Mutes(Request):
    """Lists who may not speak."""

    type: Literal["mutes"] = "mutes"
    room: names.Destination


class Mods(Request):
    """Lists who looks after the room."""

    type: Literal["mods"] = "mods"
    room: names.RoomName


class Promote(Request):
    """Makes somebody a moderator, or an owner."""

    type: Literal["promote"] = "promote"
    room: names.RoomName
    target: names.Nick
    role: Literal["moderator", "owner"] | None = None


class Demote(Request):
    """Takes somebody's office in the room."""

    type: Literal["demote"] = "demote"
    room: names.RoomName
    target: names.Nick


class Invite(Request):
    """Lets somebody enter a room that is closed to them."""

    type: Literal["invite"] = "invite"
    room: names.RoomName
    target: names.Nick


class Mode(Request):
    """Tells how the room is set, after changing what is given; an empty password removes it."""

    type: Literal["mode"] = "mode"
    room: names.RoomName
    moderated: Flag = None
    members_only: Flag = None
    invite_only: Flag = None
    password: Annotated[names.RoomPassword | None, Field(repr=False)] = None
    slow: Annotated[int, Field(ge=0, le=limits.SLOW_SECONDS)] | None = None
