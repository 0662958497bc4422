"""How many connections one address may hold and begin; whoever calls brings the time."""

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


class Addresses:
    """Counts connections by address; a whole IPv6 /64 is one, since one person has all of it."""

    def __init__(self, limits: AddressLimits | None) -> None:
        self._limits = limits
        self._open: dict[str, int] = {}
        self._begun: dict[str, deque[float]] = {}

    def admit(self, address: str, now: float) -> None:
        """Count one more connection, or raise Refused with `retry_after`."""
        limits = self._limits
        if limits is None or (limits.exempt_loopback and _parse(address).is_loopback):
            return
        block = _block(address)
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
        block = _block(address)
        left = self._open.get(block, 0) - 1
        if left > 0:
            self._open[block] = left
        else:
            self._open.pop(block, None)

    def tidy(self, now: float) -> None:
        """Forget addresses that have been quiet for a window."""
        if self._limits is None:
            return
        for block, begun in list(self._begun.items()):
            _forget_before(begun, now - self._limits.window)
            if not begun:
                del self._begun[block]


def _block(address: str) -> str:
    parsed = _parse(address)
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else str(parsed)


def _parse(address: str) -> IPv4Address | IPv6Address:
    """The address; an IPv4 address that came over IPv6 is that IPv4 address."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped


def _forget_before(begun: deque[float], moment: float) -> None:
    while begun and begun[0] <= moment:
        begun.popleft()
