"""The day and the place in which a test reads dates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from chat_client import dates


@contextmanager
def greenwich(monkeypatch: pytest.MonkeyPatch, ts: str) -> Iterator[None]:
    """Let here be Greenwich, and today the day of this date."""
    day = datetime.fromisoformat(ts).date()
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "TZ", "UTC")
        patch.setattr(dates, "today", lambda: day)
        time.tzset()
        yield
    time.tzset()
