"""A server in a process of its own whose counters can be asked for."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from tests.chaos.wire import Address

PATIENCE = 20.0
"""Seconds for the process to begin, to answer and to end."""


class Stand:
    """A `ChatServer` on `data`, with `limits` other than the defaults; use it with `with`."""

    def __init__(self, data: Path, **limits: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, str(data), limits))
        self._process.start()
        theirs.close()
        self.address: Address = tuple(self._hear())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def counts(self) -> dict[str, int]:
        """What the server has counted until now."""
        self._pipe.send("counts")
        return dict(self._hear())

    def stop(self) -> None:
        """End the server in an orderly way, by force if need be."""
        if not self._process.is_alive():
            return
        self._pipe.send("stop")
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _hear(self) -> Any:
        if not self._pipe.poll(PATIENCE):
            self._process.kill()
            raise RuntimeError(f"the server's process was silent for {PATIENCE:.0f} s")
        return self._pipe.recv()


def _serve(pipe: Connection, data: str, limits: dict[str, Any]) -> None:
    from chat_server import config
    from chat_server.app import ChatServer

    settings = config.Settings(
        server=config.Server(port=0, data=data), limits=config.Limits(**limits)
    )
    with ChatServer(settings, unlimited=True) as server:
        pipe.send(server.address)
        while pipe.recv() == "counts":
            pipe.send(server.telemetry.counts())
