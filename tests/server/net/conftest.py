"""A certificate that all tests of TLS share: making one takes a moment."""

from __future__ import annotations

import pytest

from chat_server.certificate import Made, make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A certificate for this machine."""
    return make(tmp_path_factory.mktemp("certificate"))
