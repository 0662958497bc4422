"""The base of every good answer; the answers are in replies.py and the files beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """The base of the objects inside of answers."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Ok(Part):
    """The request was done. `ignored` names fields of the request that the server does not know."""

    type: Literal["ok"] = "ok"
    re: str
    ignored: list[str] | None = None
