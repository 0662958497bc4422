"""How far somebody's rights reach; each rank has those of the ones before it."""

from __future__ import annotations

from enum import IntEnum


class Rank(IntEnum):
    """In the order of power: of MODERATOR and OWNER, in one room or, by their account, in all."""

    STRANGER = 0
    """Connected, not welcomed."""
    GUEST = 1
    ACCOUNT = 2
    MODERATOR = 3
    OWNER = 4
    ADMIN = 5
    OPERATOR = 6
    """Whoever runs the server, on its own machine."""
