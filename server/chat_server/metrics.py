"""What Prometheus and watchdogs ask over HTTP: `/metrics`, `/healthz`, `/readyz`.

Rules:
- Its threads read what the telemetry has and touch nothing of the server.
- Labels are error codes and reasons, never nicks, rooms or addresses: their number is bounded.
- `healthz` fails when the process should be restarted, `readyz` when nobody should be sent here.
- Anybody on this machine may ask: AT_ONCE requests at most, PATIENCE for each, so that they cannot
  take the descriptors of the chat.
- Imported only where a port is set: prometheus_client takes a fifth of a second to come in.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from chat_schema.errors import ERRORS
from chat_server.telemetry import Telemetry

PATIENCE = 5.0
"""Seconds for a whole request, from connecting to the last byte of its answer."""

AT_ONCE = 8
"""Requests that are answered at once: Prometheus, some watchdogs and a person. More are closed."""

GROWING = frozenset({"messages", "log.lost", "incidents"})
"""What only grows until a restart, beside everything that is counted by code or reason."""

LABELS = {"refused": "code", "closed": "reason", "limited": "code"}
"""Counters whose names go on with an error code or a reason."""


class Metrics:
    """An HTTP server in threads of its own; raises OSError where the address cannot be had."""

    def __init__(
        self,
        address: tuple[str, int],
        telemetry: Telemetry,
        *,
        alive: Callable[[], bool],
        ready: Callable[[], bool],
    ) -> None:
        registry = CollectorRegistry()
        registry.register(_Readings(telemetry))
        answers = {
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
            "/healthz": lambda: _verdict(alive()),
            "/readyz": lambda: _verdict(ready()),
        }
        self._server = _Server(address, answers)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self.address = (address[0], self._server.server_port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; may be called without `start`."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


Reply = tuple[int, str, bytes]
Request = socket.socket | tuple[bytes, socket.socket]
Address = Any


def _verdict(good: bool) -> Reply:
    return (200, "text/plain", b"ok\n") if good else (503, "text/plain", b"no\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], answers: dict[str, Callable[[], Reply]]) -> None:
        self.answers = answers
        self._ends: dict[Request, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Request)

    def process_request(self, request: Request, client_address: Address) -> None:
        """Answer on a thread of its own, or close where there are too many."""
        with self._lock:
            room = len(self._ends) < AT_ONCE
            if room:
                self._ends[request] = time.monotonic() + PATIENCE
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Request) -> None:
        """End a request, answered or not; on its thread, or the one that accepts."""
        super().shutdown_request(request)
        with self._lock:
            self._ends.pop(request, None)

    def service_actions(self) -> None:
        """Cut off who takes too long; called twice a second, and after each request."""
        self._cut_off(time.monotonic())

    def server_close(self) -> None:
        """Accept no more, and cut everybody off."""
        super().server_close()
        self._cut_off(float("inf"))

    def _cut_off(self, now: float) -> None:
        """End the waiting of those whose time was over at `now`; their threads close the rest."""
        with self._lock:
            for request, end in self._ends.items():
                if end <= now and isinstance(request, socket.socket):
                    with contextlib.suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who asked is gone, which is no event."""


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE
    server_version = "typed-chat"
    sys_version = ""
    _MISSING: ClassVar[Reply] = (404, "text/plain", b"/metrics /healthz /readyz\n")

    def do_GET(self) -> None:
        """Answer one of the three questions."""
        answer = self.server.answers.get(self.path.partition("?")[0])
        status, kind, body = answer() if answer is not None else self._MISSING
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep every question out of the log."""


class _Readings(Collector):
    """Reads the telemetry when Prometheus asks."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each gauge, and one for each kind of counter."""
        labelled: dict[str, Counter[str]] = {kind: Counter() for kind in LABELS}
        about: dict[str, str] = {}
        for name, value in self._telemetry.stats().items():
            kind, _, rest = name.partition(".")
            if kind in LABELS:
                labelled[kind][rest if rest in ERRORS else "other"] += int(value)
            elif isinstance(value, str):
                about[name] = value
            else:
                yield _family(name, value)
        for kind, counts in labelled.items():
            yield _by_label(kind, counts)
        yield InfoMetricFamily("chat", "What runs.", value=about)


def _by_label(kind: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"chat_{kind}", f"How many were {kind}.", labels=[LABELS[kind]])
    for label, count in counts.items():
        family.add_metric([label], count)
    return family


def _family(name: str, value: float) -> Metric:
    metric = "chat_" + name.replace(".", "_")
    family = CounterMetricFamily if name in GROWING else GaugeMetricFamily
    return family(metric, f"What stats call {name}.", value=value)
