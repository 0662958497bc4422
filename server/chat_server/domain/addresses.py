"""How many connections and held stays one address may have; whoever calls brings the time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import ceil

from chat_schema.errors import Refused


@dataclass(frozen=True)
class AddressLimits:
    """At most `at_once` connections, and `per_window` new ones in `window` seconds."""

    at_once: int
    per_window: int
    window: float
    exempt_loopback: bool


@dataclass(frozen=True)
class StayLimits:
    """At most `at_once` stays held without a connection for one address."""

    at_once: int
    exempt_loopback: bool


class Stays:
    """Counts the stays that are held without a connection, by the address each came from.

    A stay is named by its token's digest; it counts once, however often it is held and taken up.
    """

    def __init__(self, limits: StayLimits | None) -> None:
        self._limits = limits
        self._blocks: dict[str, str] = {}
        self._held: dict[str, int] = {}

    def hold(self, stay: str, address: str) -> bool:
        """Count a stay; False, and nothing is counted, where its address holds too many."""
        limits = self._limits
        if limits is None or (limits.exempt_loopback and _parse(address).is_loopback):
            return True
        self.release(stay)
        block = block_of(address)
        if self._held.get(block, 0) >= limits.at_once:
            return False
        self._blocks[stay] = block
        self._held[block] = self._held.get(block, 0) + 1
        return True

    def release(self, stay: str) -> None:
        """Count a stay no longer: it was taken up, or is over; not counted is no fault."""
        block = self._blocks.pop(stay, None)
        if block is not None:
            _count_down(self._held, block)


class Addresses:
    """Counts connections by address; a whole IPv6 /64 is one, since one person has all of it."""

    def __init__(self, limits: AddressLimits | None) -> None:
        self.limits = limits
        self._open: dict[str, int] = {}
        self._begun: dict[str, deque[float]] = {}

    def admit(self, address: str, now: float) -> None:
        """Count one more connection, or raise Refused with `retry_after`."""
        limits = self.limits
        if limits is None or (limits.exempt_loopback and _parse(address).is_loopback):
            return
        block = block_of(address)
        begun = self._begun.setdefault(block, deque())
        _forget_before(begun, now - limits.window)
        if self._open.get(block, 0) >= limits.at_once:
            raise Refused(
                "rate.connections",
                f"Your address holds {limits.at_once} connections, the most it may.",
                limit=limits.at_once,
            )
        if len(begun) >= limits.per_window:
            raise Refused(
                "rate.connections",
                f"Your address began {limits.per_window} connections lately; wait a little.",
                limit=limits.per_window,
                retry_after=ceil(10 * (begun[0] + limits.window - now)) / 10,
            )
        begun.append(now)
        self._open[block] = self._open.get(block, 0) + 1

    def release(self, address: str) -> None:
        """Count one connection less, where it was counted."""
        block = block_of(address)
        left = self._open.get(block, 0) - 1
        if left > 0:
            self._open[block] = left
        else:
            self._open.pop(block, None)

    def tidy(self, now: float) -> None:
        """Forget addresses that have been quiet for a window."""
        if self.limits is None:
            return
        for block, begun in list(self._begun.items()):
            _forget_before(begun, now - self.limits.window)
            if not begun:
                del self._begun[block]


def block_of(address: str) -> str:
    """What counts as one address: that of IPv4, mapped into IPv6 or not, or the IPv6 /64.

    The latter as its first four groups in full. Raises ValueError where it is no address.
    """
    parsed = _parse(address)
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else str(parsed)


def is_loopback_block(block: str) -> bool:
    """Whether a block is one of this machine."""
    return block.startswith("127.") or block == block_of("::1")


def is_loopback(address: str) -> bool:
    """Whether it is this machine's own. Raises ValueError where it is no address."""
    return _parse(address).is_loopback


def _parse(address: str) -> IPv4Address | IPv6Address:
    """The address; an IPv4 address that came over IPv6 is that IPv4 address."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped


def _count_down(counts: dict[str, int], block: str) -> None:
    left = counts.get(block, 0) - 1
    if left > 0:
        counts[block] = left
    else:
        counts.pop(block, None)


def _forget_before(begun: deque[float], moment: float) -> None:
    while begun and begun[0] <= moment:
        begun.popleft()
