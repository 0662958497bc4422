"""The constrained strings and numbers of the wire: nicks, rooms, ids, text, user.

Identifiers are ASCII on purpose: two names that look alike are alike, so nobody can pass for
somebody else with a letter from another alphabet. Text is Unicode.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chat_schema import limits

NICK_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,{limits.NICK_CHARACTERS - 1}}}$"
ROOM_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,{limits.ROOM_CHARACTERS - 1}}}$"
EVERYONE = "*"
"""Stands for the whole server where a room is expected."""

CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""The control characters (Unicode category Cc) that text may not hold: all but tab and newline."""

RESERVED_NICKS = frozenset({"server", "system", "admin", "root", "everyone", "here", "all", "me"})
"""Nicks nobody gets, in any case: a message from one of them would be believed."""

Nick = Annotated[str, StringConstraints(pattern=NICK_PATTERN)]
RoomName = Annotated[str, StringConstraints(pattern=ROOM_PATTERN)]
Destination = Annotated[str, StringConstraints(pattern=rf"^\*$|{ROOM_PATTERN}")]
"""A room, or `*` for everyone on the server."""

Conversation = Annotated[
    str, StringConstraints(pattern=rf"^\*$|^dm:[a-z0-9]{{1,32}}:[a-z0-9]{{1,32}}$|{ROOM_PATTERN}")
]
"""Whatever has numbered events: a room, `*`, or a whisper conversation `dm:<uid>:<uid>`."""

RequestId = Annotated[str, StringConstraints(min_length=1, max_length=limits.ID_CHARACTERS)]
ClientMessageId = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=limits.ID_CHARACTERS, pattern=rf"^[^{CONTROL}\t\n]*$"
    ),
]
Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=limits.TEXT_CHARACTERS, pattern=rf"^[^{CONTROL}]*$"),
]
Topic = Annotated[
    str, StringConstraints(max_length=limits.TOPIC_CHARACTERS, pattern=rf"^[^{CONTROL}\t\n]*$")
]
ClientName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=rf"^[^{CONTROL}\t\n]*$")
]
"""What a program calls itself, as `chat-client/1.0`."""

Query = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=limits.SEARCH_CHARACTERS, pattern=rf"^[^{CONTROL}]*$"
    ),
]
"""What somebody searches for: words, nothing in it is an operator."""

Token = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=limits.TOKEN_CHARACTERS, pattern=r"^[A-Za-z0-9_-]+$"
    ),
]
"""The secret by which a stay is taken up again."""

Password = Annotated[str, StringConstraints(min_length=1, max_length=limits.PASSWORD_LONGEST)]
"""A secret; how long a new one has to be is checked where it is chosen."""

RoomPassword = Annotated[str, StringConstraints(max_length=limits.PASSWORD_LONGEST)]

PublicKey = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]{43})?$")]
"""The 32 bytes of an ed25519 public key in base64url without padding; empty for none."""

Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")]
"""The 64 bytes of an ed25519 signature in base64url without padding."""

Reason = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=limits.REASON_CHARACTERS, pattern=rf"^[^{CONTROL}\t\n]*$"
    ),
]

Target = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:#][A-Za-z0-9_.:/-]{0,63}$")]
"""A nick, an address, a network as `192.0.2.0/24`, or a ban as `#7`."""

Epoch = Annotated[
    str,
    StringConstraints(max_length=limits.EPOCH_CHARACTERS, pattern=r"^[A-Za-z0-9.]*$"),
]

Sequence = Annotated[int, Field(ge=0, le=limits.SAFE_INTEGER)]
Cursor = Annotated[tuple[Epoch, Sequence], Field(strict=False)]
"""How far a conversation was seen: its epoch and the newest number, as `["27c93906",42]`."""

PageSize = Annotated[int, Field(ge=1, le=limits.HISTORY_PAGE)]


class User(BaseModel):
    """A person or bot as everybody sees them; clients key on `uid`, never on `nick`.

    What is not true is left out: every message carries a user, and a third of these bytes.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    uid: str
    nick: str
    registered: bool | None = None
    bot: bool | None = None


def same_name(name: str) -> str:
    """Return the form under which nicks and rooms are compared: two are one if this is equal."""
    return name.lower()  # identifiers are ASCII: lower() is the whole of case folding


def uids_of(conversation: str) -> list[str]:
    """Return the two uids of a whisper conversation."""
    return conversation.split(":")[1:]


def conversation_of(one: str, other: str) -> str:
    """Return the name of the whisper conversation of two uids, the same from both sides."""
    lower, higher = sorted((one, other))
    return f"dm:{lower}:{higher}"
