"""Who looks after a room, and whom it lets in and lets speak.

Rules:
- Seconds since 1970 come from whoever calls; there is no clock here.
- Whoever calls holds the hub's lock; only lists are read without it. What is over is dropped when
  somebody asks to enter or to speak.
- Guests hold offices while they are in the room, accounts for good.
- The server has a Policy too: its bans, its mutes, and `lockdown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chat_schema import limits
from chat_schema.errors import Refused
from chat_server.domain.modes import Mode, Secret
from chat_server.domain.rights import Rank
from chat_server.domain.sanctions import Applicant, Sanction, Sanctions

if TYPE_CHECKING:
    from chat_server.domain.people import Person

__all__ = ["Applicant", "Mode", "Policy", "Sanction", "Secret"]

INVITED = 500
"""Invitations that a room remembers; the oldest gives way."""


class Policy:
    """One room's, or the server's.

    `owners` and `moderators` are names by uid, in the order of appointment, `invited` those who may
    enter whatever the mode; `registered` has the uids of accounts among them, but for those who own
    enough rooms: they hold an office as guests do (ownership.py). What is `ownerless`
    nobody owns for having come first or being there, and it is never forgotten.
    """

    def __init__(self) -> None:
        self.ownerless = False
        self.owners: dict[str, str] = {}
        self.moderators: dict[str, str] = {}
        self.invited: dict[str, str] = {}
        self.registered: set[str] = set()
        self.bans = Sanctions()
        self.mutes = Sanctions()
        self.mode = Mode()
        self.lockdown = "none"
        self._numbered = 0

    # Asked

    def rank(self, uid: str) -> Rank:
        """The office somebody holds here; GUEST for none."""
        if uid in self.owners:
            return Rank.OWNER
        return Rank.MODERATOR if uid in self.moderators else Rank.GUEST

    @property
    def guarded(self) -> bool:
        """Whether there is anything by which `refuse_speech` could refuse."""
        return bool(self.mutes or self.mode.moderated or self.mode.slow)

    @property
    def forgettable(self) -> bool:
        """Whether it ends when the last member leaves: no account owns the room."""
        return not self.ownerless and not self.lasting_owners

    @property
    def lasting_owners(self) -> frozenset[str]:
        """The accounts that own the room for good."""
        return frozenset(uid for uid in self.owners if uid in self.registered)

    @property
    def blank(self) -> bool:
        """Whether there is nothing worth keeping."""
        settled = self.bans or self.mutes or self.mode != Mode() or self.lockdown != "none"
        return not (settled or self.owners or self.moderators or self.invited)

    @property
    def guests(self) -> list[str]:
        """Who holds an office for as long as they are in the room."""
        return [uid for uid in (*self.owners, *self.moderators) if uid not in self.registered]

    def refuse_entry(
        self, applicant: Applicant, password: str | None, now: float, staff: bool = False
    ) -> Refused | None:
        """Why somebody may not enter, None where they may; `staff` look after the whole server.

        Those who look after the room are staff too: an address does not keep them out.
        """
        self.bans.drop_over(now)
        staff = staff or self.rank(applicant.uid) >= Rank.MODERATOR
        ban = self.bans.against(applicant, now, by_address=not staff)
        if ban is not None:
            text = f"You are banned from the room{ban.words(now)}"
            return Refused("room.banned", text, retry_after=ban.left(now))
        if staff or applicant.uid in self.invited:
            return None
        return self.mode.refuse_entry(applicant, password)

    def refuse_speech(
        self, applicant: Applicant, rank: Rank, now: float, last: float | None
    ) -> Refused | None:
        """Why somebody of this rank may not speak now, None where they may.

        `last` is when they spoke here before. Staff are bound by nothing but a mute that was spoken
        against them.
        """
        self.mutes.drop_over(now)
        muted = self.refuse_muted(applicant, rank, now)
        if muted is not None or rank >= Rank.MODERATOR:
            return muted
        return self.mode.refuse_speech(now, last)

    def refuse_muted(self, applicant: Applicant, rank: Rank, now: float) -> Refused | None:
        """Why somebody of this rank is to be silent, None where no mute binds them.

        Changes nothing: it may be asked without the lock.
        """
        mute = self.mutes.against(applicant, now, by_address=rank < Rank.MODERATOR)
        if mute is None:
            return None
        text = f"You are muted in the room{mute.words(now)}"
        return Refused("room.muted", text, retry_after=mute.left(now))

    # Offices

    def enter(self, uid: str, name: str, *, registered: bool) -> bool:
        """Let who enters own what nobody owns; return whether they do since now."""
        if self.owners or self.ownerless:
            return False
        self._hold(uid, name, Rank.OWNER, registered)
        return True

    def appoint(self, uid: str, name: str, rank: Rank, *, registered: bool) -> None:
        """Make somebody MODERATOR or OWNER; raise Refused where there are as many as may be."""
        others = (self.owners.keys() | self.moderators.keys()) - {uid}
        if len(others) >= limits.STAFF:
            text = f"The room has {limits.STAFF} owners and moderators, the most it may."
            raise Refused("server.busy", text, limit=limits.STAFF)
        self._hold(uid, name, rank, registered)

    def leave(self, uid: str, members: Mapping[str, Person]) -> str | None:
        """Take note that somebody has left; return who owns the room now in their place.

        A guest's office ends. That of the last owner passes on to one of the `members` that are
        left, who stand in the order of entering.
        """
        return None if uid in self.registered else self.dismiss(uid, members)

    def dismiss(self, uid: str, members: Mapping[str, Person]) -> str | None:
        """Take somebody's office; return who owns the room now in their place, as `leave` does."""
        owned = uid in self.owners
        self._take_office(uid)
        self._forget_if_unused(uid)
        return self.pass_on(uid, members) if owned else None

    def pass_on(self, uid: str, members: Mapping[str, Person]) -> str | None:
        """Have the first moderator own what nobody owns, else who is there longest, but not `uid`.

        Returns who owns it now; None where somebody did, or nobody is there.
        """
        banned = {ban.uid for ban in self.bans}  # one may be on the way out
        heirs = [other for other in members if other != uid and other not in banned]
        if self.owners or self.ownerless or not heirs:
            return None
        heir = next((other for other in self.moderators if other in heirs), heirs[0])
        person = members[heir]
        self.enter(heir, person.nick, registered=person.account is not None)
        return heir

    def register(self, uid: str, name: str) -> None:
        """Take note that a guest has an account now: what they hold they hold for good."""
        for held in (self.owners, self.moderators, self.invited):
            if uid in held:
                held[uid] = name
                self.registered.add(uid)

    def invite(self, uid: str, name: str, *, registered: bool) -> None:
        """Let somebody enter whatever the mode is; a ban stays a ban."""
        self.invited.pop(uid, None)
        self.invited[uid] = name
        if registered:
            self.registered.add(uid)
        while len(self.invited) > INVITED:
            self.uninvite(next(iter(self.invited)))

    def uninvite(self, uid: str) -> None:
        """Let an invitation be none any more: who was put out does not come back by it."""
        self.invited.pop(uid, None)
        self._forget_if_unused(uid)

    def next_id(self) -> str:
        """The name of the next ban or mute."""
        self._numbered += 1
        return f"#{self._numbered}"

    # Kept

    def as_record(self) -> dict[str, Any]:
        """All of it, as JSON can hold it: guests too can outlive a restart."""
        return {
            "owners": self.owners,
            "moderators": self.moderators,
            "invited": self.invited,
            "registered": sorted(self.registered),
            "bans": self.bans.as_records(),
            "mutes": self.mutes.as_records(),
            "mode": asdict(self.mode),
            "lockdown": self.lockdown,
            "numbered": self._numbered,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Policy:
        """As `as_record` gave it, through JSON or not."""
        policy = cls()
        policy.owners = dict(record.get("owners", {}))
        policy.moderators = dict(record.get("moderators", {}))
        policy.invited = dict(record.get("invited", {}))
        policy.registered = set(record.get("registered", ()))
        policy.bans = Sanctions.from_records(record["bans"])
        policy.mutes = Sanctions.from_records(record["mutes"])
        policy.mode = Mode.from_record(record["mode"])
        policy.lockdown = record["lockdown"]
        policy._numbered = record["numbered"]
        return policy

    def _hold(self, uid: str, name: str, rank: Rank, registered: bool) -> None:
        self._take_office(uid)
        (self.owners if rank >= Rank.OWNER else self.moderators)[uid] = name
        if registered:
            self.registered.add(uid)

    def _take_office(self, uid: str) -> None:
        self.owners.pop(uid, None)
        self.moderators.pop(uid, None)

    def _forget_if_unused(self, uid: str) -> None:
        if not any(uid in held for held in (self.owners, self.moderators, self.invited)):
            self.registered.discard(uid)
