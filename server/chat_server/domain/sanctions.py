"""Bans and mutes: whom they bind, for how long, and how they are found again.

Rules:
- Seconds since 1970 come from whoever calls; there is no clock here.
- Asking changes nothing, so any thread may ask; but `drop_over` and whatever else changes
  something is called under the hub's lock.
- A person's address binds guests, and accounts made later than the sanction, by its block: the
  innocent behind the same router, who have had an account for longer, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import ceil
from typing import Any, NamedTuple

from chat_schema.errors import Refused
from chat_schema.names import same_name

SANCTIONS = 500
"""Bans, or mutes, of one room at a time: with the longest reasons they fit one reply."""

ADDRESSES = 16
"""Addresses of one person that a sanction binds; who has more of them renews them anyway."""

Network = IPv4Network | IPv6Network


class Applicant(NamedTuple):
    """Who asks to enter or to speak; `address` is a block as `addresses.block_of` gives it.

    `account_since` is when their account was made, in seconds since 1970; None for guests.
    """

    uid: str
    nick: str
    account_since: float | None
    address: str


@dataclass(frozen=True, slots=True)
class Sanction:
    """A ban or a mute, named `id`, by `by` (a nick), from `since` until `until` or until lifted.

    Against a person it has `nick`, `uid` and the blocks they were at; against an address or a
    network `network`, in the form of `network_of`.
    """

    id: str
    by: str
    since: float
    nick: str | None = None
    uid: str | None = None
    addresses: tuple[str, ...] = ()
    network: str | None = None
    reason: str | None = None
    until: float | None = None

    def over(self, now: float) -> bool:
        """Whether it has come to its end."""
        return self.until is not None and self.until <= now

    def matches(self, applicant: Applicant, *, by_address: bool = True) -> bool:
        """Whether it binds them; without `by_address` only as the person they are."""
        if self.uid is not None and self.uid == applicant.uid:
            return True
        guest = applicant.account_since is None
        if guest and self.nick is not None and same_name(self.nick) == same_name(applicant.nick):
            return True
        younger = applicant.account_since is None or applicant.account_since >= self.since
        return by_address and younger and self._covers(applicant.address)

    def called(self, name: str) -> bool:
        """Whether `name` names it: its id, its nick in any case, or its network."""
        if self.nick is not None and same_name(self.nick) == same_name(name):
            return True
        return name == self.id or (self.network is not None and self.network == network_of(name))

    def replaces(self, other: Sanction) -> bool:
        """Whether it is against the same person, or the same network, and so instead of it."""
        if self.uid is not None:
            return self.uid == other.uid
        return self.network is not None and self.network == other.network

    def left(self, now: float) -> float | None:
        """Seconds until it is over, None where it is not until it is lifted."""
        return None if self.until is None else max(0.1, ceil(10 * (self.until - now)) / 10)

    def words(self, now: float) -> str:
        """How long it lasts and why, for the end of a sentence to whom it binds."""
        left = f" for another {_span(self.until - now)}" if self.until is not None else ""
        return left + (f": {self.reason}" if self.reason else ".")

    def _covers(self, block: str) -> bool:
        if block in self.addresses:
            return True
        return self.network is not None and covers(self.network, block)


class Sanctions:
    """The bans, or the mutes, of one room or of the server, the oldest first."""

    def __init__(self, found: Iterable[Sanction] = ()) -> None:
        self._all = tuple(found)

    def __bool__(self) -> bool:
        return bool(self._all)

    def __iter__(self) -> Iterator[Sanction]:
        return iter(self._all)

    def in_force(self, now: float) -> list[Sanction]:
        """Those that are not over, the oldest first."""
        return [found for found in self._all if not found.over(now)]

    def drop_over(self, now: float) -> None:
        """Forget those that are over."""
        if any(found.over(now) for found in self._all):
            self._all = tuple(self.in_force(now))

    def impose(self, sanction: Sanction) -> None:
        """Add one, in the place of one against the same, whose addresses it binds too.

        Those that are over by its beginning are dropped. Raises Refused where there are too many.
        """
        earlier = self.in_force(sanction.since)
        others = [found for found in earlier if not sanction.replaces(found)]
        if len(others) >= SANCTIONS:
            text = f"There are {SANCTIONS} already, the most there may be; lift some."
            raise Refused("server.busy", text, limit=SANCTIONS)
        for found in earlier:
            if found not in others:
                addresses = dict.fromkeys((*sanction.addresses, *found.addresses))
                sanction = replace(sanction, addresses=tuple(addresses)[:ADDRESSES])
        self._all = (*others, sanction)

    def named(self, name: str, now: float, uid: str | None = None) -> list[Sanction]:
        """Those in force that `name`, an id, nick or network, names, or that are against `uid`."""
        return [
            found
            for found in self.in_force(now)
            if found.called(name) or (uid is not None and found.uid == uid)
        ]

    def lift(self, ids: Iterable[str]) -> None:
        """Take away those of these ids."""
        gone = frozenset(ids)
        self._all = tuple(found for found in self._all if found.id not in gone)

    def against(
        self, applicant: Applicant, now: float, *, by_address: bool = True
    ) -> Sanction | None:
        """The first in force that binds them."""
        for found in self._all:
            if not found.over(now) and found.matches(applicant, by_address=by_address):
                return found
        return None

    def as_records(self) -> list[dict[str, Any]]:
        """All of them as plain dicts for the journal."""
        return [asdict(found) for found in self._all]

    @classmethod
    def from_records(cls, records: Iterable[dict[str, Any]]) -> Sanctions:
        """As `as_records` gave them, through JSON or not."""
        return cls(
            Sanction(**{**record, "addresses": tuple(record.get("addresses", ()))})
            for record in records
        )


def _span(seconds: float) -> str:
    """A time to wait as people say it, never shorter than it is."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds > 2 * size:
            return f"{ceil(seconds / size)} {unit}"
    return f"{max(1, ceil(seconds))} s"


def network_of(text: str) -> str | None:
    """The address or network that `text` is, in its one canonical form; None where it is none.

    Bits beyond the prefix are dropped; what is IPv4 mapped into IPv6 is that IPv4.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= _MAPPED:
            network = IPv4Network((mapped, network.prefixlen - _MAPPED))
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def covers(network: str, block: str) -> bool:
    """Whether a network, in the form of `network_of`, holds anything of a block.

    Of IPv6 a block is a whole /64: who has one address of it has them all.
    """
    one, other = _parsed(network), _parsed(block_network(block))
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def block_network(block: str) -> str:
    """A block as an address or network that people can read."""
    return block if "." in block else str(ip_network(f"{block}::/64"))


@lru_cache(maxsize=4096)
def _parsed(network: str) -> Network:
    """Parsed once: every message in a room with mutes may ask."""
    return ip_network(network)


_MAPPED = 96
"""Bits of the prefix under which IPv6 holds all IPv4 addresses."""
