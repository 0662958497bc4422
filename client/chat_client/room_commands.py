"""The commands of those who look after a room; most act on the whole server with a first `*`."""

from __future__ import annotations

import re
from typing import Any

from chat_client.command import (
    DURATIONS,
    SCOPE,
    Action,
    Command,
    Question,
    Secret,
    UsageError,
    first_word,
    only_scope,
    only_word,
    reason_of,
    room_name,
    sanction,
    scoped,
    seconds_of,
)
from chat_client.place import Place
from chat_schema import requests

FLAGS = {"moderated": "moderated", "members": "members_only", "invite": "invite_only"}
"""What is switched on and off, as it is typed and as it is called on the wire."""

FLAG = re.compile(r"([+-]?)(moderated|members|invite)")
SLOW = re.compile(r"-slow|\+?slow=([0-9]{1,4}|(?:[0-9]{1,4}[smh])+)")
PASSWORD = re.compile(r"([+-]?)password")

NAMED = "moderated, members, invite, slow=10s and password, with a `-` before what ends"
"""The flags, for who has typed something else."""

MODES = (
    "Flags: moderated (only moderators speak), members (only accounts enter), invite (only who",
    "was invited enters), slow=10s (a pause between messages of one person), password (asked for",
    "on entering; you type it where nobody sees it). `-` in front takes one away: -invite -slow.",
)


def _kick(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    target, reason = first_word(words, BY_NAME["kick"].usage)
    return requests.Kick(room=room, target=target, reason=reason_of(reason))


def _ban(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    target, more = first_word(words, BY_NAME["ban"].usage)
    return requests.Ban(room=room, target=target, **_fields(more))


def _unban(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    return requests.Unban(room=room, target=only_word(words, BY_NAME["unban"].usage))


def _bans(place: Place, rest: str) -> Action:
    return requests.Bans(room=only_scope(place, rest))


def _mute(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    target, more = first_word(words, BY_NAME["mute"].usage)
    return requests.Mute(room=room, target=target, **_fields(more))


def _unmute(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    return requests.Unmute(room=room, target=only_word(words, BY_NAME["unmute"].usage))


def _mutes(place: Place, rest: str) -> Action:
    return requests.Mutes(room=only_scope(place, rest))


def _mods(place: Place, rest: str) -> Action:
    return requests.Mods(room=only_scope(place, rest))


def _promote(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    target, role = first_word(words, BY_NAME["promote"].usage)
    if role not in ("", "moderator", "owner"):
        raise UsageError(f"Usage: {BY_NAME['promote'].usage}")
    return requests.Promote(room=room, target=target, role=_role(role))


def _role(word: str) -> Any:
    return word or None


def _demote(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    return requests.Demote(room=room, target=only_word(words, BY_NAME["demote"].usage))


def _invite(place: Place, rest: str) -> Action:
    room, words = scoped(place, rest)
    return requests.Invite(room=room, target=only_word(words, BY_NAME["invite"].usage))


def _fields(words: str) -> dict[str, Any]:
    return dict(sanction(words))


def _mode(place: Place, rest: str) -> Action:
    words = rest.split()
    room = here_or_named(place, words)
    fields: dict[str, Any] = {"room": room}
    asks = False
    for word in words:
        if (found := PASSWORD.fullmatch(word.lower())) is not None:
            asks = found[1] != "-"
            fields |= {} if asks else {"password": ""}
        else:
            fields |= _flag(word.lower())
    if not asks:
        return requests.Mode(**fields)
    question = Question(f"New password of #{room}: ", new=True)
    return Secret((question,), lambda password: requests.Mode(**fields, password=password))


def here_or_named(place: Place, words: list[str]) -> str:
    """Take a first word `#ROOM` out of the words; without it, the room the user looks at."""
    named = words.pop(0) if words and words[0].startswith("#") else ""
    return only_scope(place, named)


def _flag(word: str) -> dict[str, object]:
    """The field that a flag sets; what is none is not repeated: it may be a password."""
    if (found := FLAG.fullmatch(word)) is not None:
        return {FLAGS[found[2]]: found[1] != "-"}
    if (found := SLOW.fullmatch(word)) is not None:
        return {"slow": seconds_of(found[1] or "0", 1)}
    raise UsageError(f"A word in this line is no flag: there are {NAMED}.")


def _reveals_mode(words: list[str]) -> bool:
    """Whether a line about a password has words that are no flags."""
    flags = (FLAG, SLOW, PASSWORD)
    return any(
        not word.startswith("#") and not any(flag.fullmatch(word.lower()) for flag in flags)
        for word in words
    )


def join(place: Place, rest: str) -> Action:
    """Enter a room; with `password` behind it, that is asked for first."""
    room, more = first_word(rest, "/join ROOM [password]")
    request = requests.Join(room=room_name(room))
    if not more:
        return request
    if more.lower() != "password":
        raise UsageError(
            "After the room only the word `password` may stand, which has it asked for where "
            "nobody sees it. Nothing was sent."
        )
    return with_password(request)


def with_password(request: requests.Join) -> Secret:
    """The same wish, with the room's password."""
    question = Question(f"Password of #{request.room}: ")
    return Secret((question,), lambda password: requests.Join(room=request.room, password=password))


def reveals_join(words: list[str]) -> bool:
    """Whether a second word is something else than it may be."""
    return len(words) > 1 and [word.lower() for word in words[1:]] != ["password"]


COMMANDS = (
    Command(
        "kick", "NICK [REASON]", "Put somebody out of the room.", "/kick bob spam", _kick,
        theme="room", more=(SCOPE,),
    ),
    Command(
        "ban", "NICK|ADDRESS [DURATION] [REASON]", "Put somebody out for good, or for a while.",
        "/ban bob 2h spam", _ban, theme="room", more=(*DURATIONS, SCOPE),
    ),
    Command(
        "unban", "NICK|ADDRESS|#NUMBER", "Lift a ban.", "/unban #7", _unban, theme="room",
        more=(SCOPE,),
    ),
    Command("bans", "[ROOM|*]", "List the bans.", "/bans", _bans, theme="room"),
    Command(
        "mute", "NICK [DURATION] [REASON]", "Let somebody read, not speak.", "/mute bob 10m",
        _mute, theme="room", more=(*DURATIONS, SCOPE),
    ),
    Command(
        "unmute", "NICK", "Let them speak again.", "/unmute bob", _unmute, theme="room",
        more=(SCOPE,),
    ),
    Command(
        "mutes", "[ROOM|*]", "List who may not speak.", "/mutes *", _mutes, ("mutelist",),
        theme="room",
    ),
    Command("mods", "[ROOM]", "List who looks after the room.", "/mods", _mods, theme="room"),
    Command(
        "promote", "NICK [owner]", "Make somebody a moderator, or an owner.", "/promote bob owner",
        _promote, ("mod",), theme="room",
    ),
    Command(
        "demote", "NICK", "Take their office; your own, too.", "/demote bob", _demote, ("unmod",),
        theme="room",
    ),
    Command(
        "invite", "NICK", "Let somebody into a room that is closed.", "/invite bob", _invite,
        theme="room",
    ),
    Command(
        "mode", "[FLAG...]", "Show how the room is set, or set it.", "/mode +invite slow=10s",
        _mode, theme="room", more=MODES, reveals=_reveals_mode,
    ),
)  # fmt: skip
"""In the order of /help."""

BY_NAME = {command.name: command for command in COMMANDS}
