"""What those who look after a room did, as lines: who did what to whom, why, and until when."""

from __future__ import annotations

from chat_client import dates
from chat_client.escape import escape
from chat_schema import events
from chat_schema.moderation_events import AnyAct, Settings
from chat_schema.names import User

OFFICES = {"owner": "an owner", "moderator": "a moderator", "none": "nobody special"}

DEEDS = {
    "kick": "{who} kicked {target}",
    "ban": "{who} banned {target} {until}",
    "unban": "{who} lifted the ban of {target}",
    "mute": "{who} muted {target} {until}",
    "unmute": "{who} let {target} speak again",
    "promote": "{who} made {target} {office}",
    "demote": "{who} took the office of {target}",
    "invite": "{who} invited {target}",
}
OWN_DEEDS = {
    **DEEDS,
    "promote": "{who} became {office}",
    "demote": "{who} gave up looking after the room",
}
"""What is told where somebody did it to themselves, or it came to them."""

DEEDS_TO_US = {
    **DEEDS,
    "unban": "{who} lifted your ban",
    "demote": "{who} took your office",
    "invite": "{who} invites you: /join {room}",
}
"""What is told to whom it concerns."""


def told(act: AnyAct, me: User) -> str:
    """The sentence that tells of an act to the user `me`; the room stands before it."""
    why = f": {escape(act.reason)}" if act.reason else ""
    return f"{_deed(act, me)}{why}"


def _deed(act: AnyAct, me: User) -> str:
    who = name(act.user, me)
    if isinstance(act, events.Mode):
        return f"{who} set the room: {settings(act.mode)}"
    pattern = _patterns(act, me)[act.type]
    target = "an address" if act.target is None else name(act.target, me)
    until = dates.term(getattr(act, "until", None), act.ts)
    office = OFFICES[getattr(act, "role", "none")]
    room = escape(act.room)
    return pattern.format(who=who, target=target, until=until, office=office, room=room)


def _patterns(act: AnyAct, me: User) -> dict[str, str]:
    target = None if isinstance(act, events.Mode) or act.target is None else act.target.uid
    if target == act.user.uid:
        return OWN_DEEDS
    return DEEDS_TO_US if target == me.uid else DEEDS


def settings(mode: Settings) -> str:
    """How a room is set, in words."""
    named = [
        ("moderators speak", mode.moderated),
        ("accounts enter", mode.members_only),
        ("the invited enter", mode.invite_only),
        ("a password is needed", mode.password),
    ]
    words = [text if text.startswith("a ") else f"only {text}" for text, on in named if on]
    slow = [f"slow mode of {mode.slow} s"] if mode.slow else []
    return ", ".join([*words, *slow]) or "open to everybody"


def name(user: User, me: User) -> str:
    """Somebody, or `you`."""
    return "you" if user.uid == me.uid else escape(user.nick)
