"""The base of every event; the events themselves are in events.py and the file beside it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """The base of every event."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")
