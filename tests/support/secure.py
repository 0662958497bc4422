"""The other ends of TLS: in memory, on a socket, and OpenSSL's own program."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import ssl
import subprocess
from typing import Self

from chat_server.certificate import Made
from chat_server.net.tls import TlsContext
from tests.support.peer import PATIENCE, Peer


def context_of(made: Made, *, required: bool = False) -> TlsContext:
    """What a server with this certificate offers."""
    return TlsContext(str(made.cert), str(made.key), required)


def client_context(maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client's context that trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = maximum
    return context


class MemoryClient:
    """A TLS client whose bytes a test carries; `heard` is what it decrypted.

    `shaken` says that the handshake is done for it, `told` that it got a `close_notify`, and
    `error` is what it found wrong.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._machine = (context or client_context()).wrap_bio(self._incoming, self._outgoing)
        self.heard = bytearray()
        self.shaken = False
        self.told = False
        self.error: ssl.SSLError | None = None

    def out(self) -> bytes:
        """What it wants to be sent."""
        if not self.shaken:
            self._advance()
        return self._outgoing.read()

    def say(self, data: bytes) -> bytes:
        """Encrypt."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._machine.write(rest) :]
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """Its `close_notify`."""
        with contextlib.suppress(ssl.SSLError):  # it wants to read the other's
            self._machine.unwrap()
        return self._outgoing.read()

    def take(self, data: bytes) -> None:
        """Take what the server sent."""
        self._incoming.write(data)
        self._advance()

    def _advance(self) -> None:
        try:
            if not self.shaken:
                self._machine.do_handshake()
                self.shaken = True
            while piece := self._machine.read(65536):
                self.heard += piece
            self.told = True
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:  # both have said it
            self.told = True
        except ssl.SSLError as error:
            self.error = error


class SecurePeer(Peer):
    """A peer that speaks TLS, from its first byte on."""

    def __init__(self, address: tuple[str, int], nick: str | None = None) -> None:
        super().__init__(address, nick)
        # the handshake ends with a write of ours, and hello is the next: not to wait between them
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = client_context().wrap_socket(self.socket)


class OpenSsl:
    """`openssl s_client` with these options; what is written to it leaves encrypted."""

    def __init__(self, address: tuple[str, int], *options: str) -> None:
        program = shutil.which("openssl")
        assert program, "this test needs the program openssl: apt install openssl"
        self.process = subprocess.Popen(
            [program, "s_client", "-connect", f"{address[0]}:{address[1]}", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def write(self, data: bytes) -> None:
        """Have it send this."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def read_until(self, mark: bytes) -> bytes:
        """Read what it writes until this stands there."""
        assert self.process.stdout is not None
        return _until(self.process.stdout.fileno(), mark)

    def errors_until(self, mark: bytes) -> bytes:
        """Read what it complains of until this stands there."""
        assert self.process.stderr is not None
        return _until(self.process.stderr.fileno(), mark)

    def finish(self) -> tuple[bytes, bytes]:
        """End its input; return what it still writes and its errors."""
        return self.process.communicate(timeout=PATIENCE)


def _until(descriptor: int, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        assert select.select([descriptor], [], [], PATIENCE)[0], data
        piece = os.read(descriptor, 65536)
        assert piece, data
        data += piece
    return data
