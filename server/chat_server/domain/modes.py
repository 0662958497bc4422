"""How a room is set: who may enter and speak by what they are, not by who they are.

Rules:
- Salts come from whoever calls; there is no chance here.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, NamedTuple

from chat_schema.errors import Refused
from chat_schema.moderation_events import Settings
from chat_server.domain.sanctions import Applicant


class Secret(NamedTuple):
    """A room's password as its salted SHA-256.

    A slow hash would protect nothing more: whoever has the database has the room's history, and
    all who enter share the password. And a loop has to compare it, in microseconds.
    """

    salt: str
    digest: str

    @classmethod
    def of(cls, password: str, salt: str) -> Secret:
        """The secret of this password; a salt is used once."""
        return cls(salt, _digest(password, salt))

    def opens(self, password: str | None) -> bool:
        """Whether this is the password; as long in coming whatever is wrong with it."""
        return hmac.compare_digest(self.digest, _digest(password or "", self.salt))


@dataclass(frozen=True, slots=True)
class Mode:
    """How a room is set; `slow` are the seconds between two messages of one person, 0 for none."""

    moderated: bool = False
    members_only: bool = False
    invite_only: bool = False
    slow: int = 0
    password: Secret | None = None

    @property
    def settings(self) -> Settings:
        """The mode as everybody sees it."""
        return Settings(
            moderated=self.moderated or None,
            members_only=self.members_only or None,
            invite_only=self.invite_only or None,
            password=True if self.password is not None else None,
            slow=self.slow or None,
        )

    def refuse_entry(self, applicant: Applicant, password: str | None) -> Refused | None:
        """Why somebody without office or invitation may not enter, None where they may."""
        if self.members_only and applicant.account_since is None:
            return Refused("room.members_only", "Only those with an account may enter the room.")
        if self.invite_only:
            return Refused("room.invite_only", "Only those who were invited may enter the room.")
        if self.password is not None and not self.password.opens(password):
            return Refused("room.password", "The room needs its password.", field="password")
        return None

    def refuse_speech(self, now: float, last: float | None) -> Refused | None:
        """Why somebody without office may not speak at `now`, who spoke at `last` before."""
        if self.moderated:
            return Refused("room.moderated", "Only moderators speak in the room.")
        left = 0.0 if last is None else last + self.slow - now
        if 0 < left <= self.slow:  # more is no wait: the clock was set back
            text = f"The room is in slow mode: one message in {self.slow} s from each."
            return Refused("room.slow", text, retry_after=max(0.1, round(left, 1)))
        return None

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Mode:
        """As `dataclasses.asdict` gave it, through JSON or not."""
        password = record["password"]
        return cls(**{**record, "password": Secret(*password) if password is not None else None})


def _digest(password: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()
