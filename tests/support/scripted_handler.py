"""A handler of frames that notes what it hears and does what a test told it to do."""

from __future__ import annotations

from collections.abc import Callable

from chat_server.net.connection import Connection
from chat_server.net.handler import Fault


class ScriptedHandler:
    """Notes every call in `heard`; `on_frame` gets each body after it was noted."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.heard: list[str] = []
        self.faults: list[tuple[Fault, int | None, int | None]] = []
        self.reasons: list[str] = []
        self.on_frame: Callable[[bytes], None] = _do_nothing
        self.on_resumed: Callable[[], None] = _do_nothing_at_all

    def frame(self, body: bytes) -> None:
        """Take one body."""
        self.heard.append(body.decode())
        self.on_frame(body)

    def fault(self, fault: Fault, *, size: int | None = None, limit: int | None = None) -> None:
        """Note the fault and close with its name."""
        self.faults.append((fault, size, limit))
        self.connection.close(fault.value.encode(), fault.value)

    def silent(self) -> None:
        """Ask."""
        self.heard.append("(silent)")
        self.connection.send(b"ping?")

    def slow(self) -> None:
        """Warn."""
        self.heard.append("(slow)")

    def resumed(self) -> None:
        """Go on."""
        self.heard.append("(resumed)")
        self.on_resumed()

    def input_over(self) -> None:
        """Say goodbye."""
        self.heard.append("(over)")
        self.connection.close(b"goodbye", "over")

    def ended(self, reason: str) -> None:
        """Note why."""
        self.reasons.append(reason)


def _do_nothing(body: bytes) -> None:
    pass


def _do_nothing_at_all() -> None:
    pass
