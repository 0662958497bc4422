"""The base of every request; the requests themselves are in requests.py and the files beside it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from chat_schema import names


class Request(BaseModel):
    """The base of every request; with an `id` it gets exactly one reply, without one no `ok`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    type: str
    id: names.RequestId | None = None
