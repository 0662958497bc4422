"""TLS below a connection: the socket's own face, and a certificate that can be replaced.

Rules:
- Only TLS 1.3. It is recognised by its first byte, on the same port: a legal frame begins with 0.
- `TlsSocket` stands where the socket stood: `recv`, `send`, `shutdown`, `close`, `fileno`. It never
  waits, and what it cannot do yet is BlockingIOError. Only the connection's loop may call it.
- The TLS machine works in memory (MemoryBIO), and not on the socket, for three reasons. OpenSSL on
  a socket must be given the same bytes again after a send that was blocked, and an outbox may drop
  what waits. A read can want to write, and a write to read; in memory neither waits for the other.
  And the first bytes, by which we know that it is TLS, can be handed over once they are read.
- `recv` decrypts all that one read of the kernel brought: nothing stays inside that no selector
  would tell of. Where an end came with it, `over` says that another `recv` tells of that.
- Bytes that the kernel does not take stay here, at most a PORTION of them encrypted; then `blocked`
  is called, and `push` sends them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable
from ipaddress import ip_address

HANDSHAKE = b"\x16"
"""The first byte of a TLS connection: a record of the handshake (RFC 8446, 5.1)."""

PORTION = 64 * 1024
"""Bytes encrypted before they are sent: four records, and less than the kernel takes at a time."""

RECORD = 16 * 1024
"""Bytes of a record at most: what one read from the TLS machine brings."""


OTHER_KEY = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""OpenSSL's reasons when a key belongs to another certificate."""


class TlsRefused(Exception):
    """A certificate or its key cannot be used; the message is one line that says which and why."""


class HandshakeUnfinished(ConnectionError):
    """Nothing can be said to a client before the handshake is done."""


class TlsContext:
    """What new connections are secured with; any thread may call anything here.

    `required` refuses plain connections from other machines. Without `cert` there is no TLS.
    Raises TlsRefused where the files cannot be used.
    """

    def __init__(self, cert: str | None, key: str | None = None, required: bool = False) -> None:
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self.required = False
        self.reload(cert, key, required)

    def reload(self, cert: str | None, key: str | None, required: bool) -> None:
        """Read the files again, for connections made from now on; the others go on as they are.

        Raises TlsRefused where they cannot be used: then all stays as it was.
        """
        if required and cert is None:
            raise TlsRefused("tls.required needs a certificate: set tls.cert")
        context = _context(cert, key) if cert is not None else None
        with self._lock:
            self._context = context
            self.required = required

    @property
    def offered(self) -> bool:
        """Whether a connection may begin with TLS."""
        return self._context is not None

    def refuses(self, address: str) -> bool:
        """Whether a plain connection from this address is refused."""
        return self.required and not _is_loopback(address)

    def wrap(
        self, sock: socket.socket, first: bytes, blocked: Callable[[], None]
    ) -> TlsSocket | None:
        """Speak TLS on `sock` if its `first` bytes, which were read already, are TLS."""
        context = self._context
        if context is None or first[:1] != HANDSHAKE:
            return None
        return TlsSocket(sock, context, first, blocked)


class TlsSocket:
    """A socket on which only TLS is spoken; `blocked` is told when the kernel takes no more.

    `established` says that the handshake is done, `waiting` that the kernel has not taken all yet.
    `over` says that `recv` has an end to tell of that no selector reports.
    """

    __slots__ = (
        "_blocked", "_broken", "_ended", "_incoming", "_machine", "_outgoing", "_rest", "_socket",
        "established", "over",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        first: bytes,
        blocked: Callable[[], None],
    ) -> None:
        self.established = False
        self.over = False
        self._socket = sock
        self._blocked = blocked
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._machine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._rest = memoryview(b"")
        self._ended = False
        self._broken = False
        self._incoming.write(first)

    def fileno(self) -> int:
        """The descriptor, for the selector."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether encrypted bytes wait for the kernel."""
        return bool(self._rest)

    # Reading

    def recv(self, size: int) -> bytes:
        """What has arrived, decrypted; empty at the end of the stream.

        `size` bounds what is read from the kernel at a time. Raises BlockingIOError where that is
        not enough to go on, ssl.SSLError where it is not TLS, OSError as a socket does.
        """
        if self._ended:
            return self._socket.recv(size)  # nobody looks into it any more: only its end counts
        if self._broken:
            raise ssl.SSLError("a record is not sound")
        if not (self.over or self._incoming.pending):  # what is in there is the first bytes
            self._take(self._socket.recv(size))
        if not self.established:
            self._shake_hands()
        return self._decrypt()

    def _take(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _shake_hands(self) -> None:
        try:
            self._machine.do_handshake()
            self.established = True
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        finally:
            self._pass_on()  # our part of it, or the alert that says what is wrong

    def _decrypt(self) -> bytes:
        """Everything that can be decrypted; an end behind it is left for the next call."""
        machine, incoming = self._machine, self._incoming
        pieces = []
        self.over = False
        try:
            pieces.append(machine.read(RECORD))
            while pieces[-1] and (incoming.pending or machine.pending()):
                pieces.append(machine.read(RECORD))
            self.over = len(pieces) > 1 and not pieces[-1]
        except ssl.SSLWantReadError:
            if not pieces:
                raise BlockingIOError from None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.over = bool(pieces)
        except ssl.SSLError:
            if not pieces:
                raise
            self.over = self._broken = True  # the machine would not say it twice
        finally:
            self._pass_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # Writing

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt and send; return how much of `data` was taken, which is never sent again.

        Raises BlockingIOError where nothing was, HandshakeUnfinished before there is a key.
        """
        if not self.established:
            raise HandshakeUnfinished
        if self._rest:
            self.push()
            if self._rest:
                raise BlockingIOError
        if len(data) <= RECORD:
            self._machine.write(data)
            self._pass_on()
            return len(data)
        return self._send_portions(memoryview(data))

    def _send_portions(self, data: memoryview) -> int:
        taken = 0
        while taken < len(data) and not self._rest:
            end = min(taken + PORTION, len(data))
            while taken < end:
                taken += self._machine.write(data[taken:end])
            self._pass_on()
        return taken

    def push(self) -> int:
        """Send what waits, as much as the kernel takes; return how many bytes that were.

        Raises OSError as a socket does, but not that it would have to wait.
        """
        sent = self._try(self._rest) if self._rest else 0
        self._rest = self._rest[sent:]
        return sent

    def _pass_on(self) -> None:
        """Send what the TLS machine wants to be sent; what the kernel leaves waits for `push`."""
        if not self._outgoing.pending:
            return
        data = self._outgoing.read()
        if self._rest:
            self._rest = memoryview(bytes(self._rest) + data)
            return
        sent = self._try(data)
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._blocked()

    def _try(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    # The end

    def shutdown(self, how: int) -> None:
        """Say that nothing more will be sent, in TLS as far as the kernel takes it, and below."""
        self._say_goodbye()
        self._socket.shutdown(how)

    def close(self) -> None:
        """Be gone; who is told nothing else is told goodbye."""
        self._say_goodbye()
        self._socket.close()
        del self._blocked  # without cycles the dead go at once

    def _say_goodbye(self) -> None:
        """Send `close_notify`, once; after that nothing of what comes is looked into."""
        if self._ended or not self.established or self._rest:
            return
        self._ended = True
        with contextlib.suppress(OSError):  # it wants to read theirs too, or there is nobody left
            self._machine.unwrap()
        with contextlib.suppress(OSError):
            self._socket.send(self._outgoing.read())


def _is_loopback(address: str) -> bool:
    parsed = ip_address(address.partition("%")[0])
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _context(cert: str, key: str | None) -> ssl.SSLContext:
    """A context with this certificate; raise TlsRefused where that cannot be."""
    for file in (cert, key or cert):
        _require_readable(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nothing is resumed: a handshake costs a millisecond
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise TlsRefused(_why(error, cert, key)) from None
    return context


def _require_readable(file: str) -> None:
    try:
        os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TlsRefused(f"cannot read {file}: {reason}") from None


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")


def _why(error: Exception, cert: str, key: str | None) -> str:
    where = f"{cert} with {key}" if key is not None else cert
    reason = getattr(error, "reason", None)
    if reason in OTHER_KEY:
        return f"the key in {key or cert} is not that of the certificate in {cert}"
    if "PEM lib" in str(error):
        return f"no certificate with its key, in PEM, is in {where}"
    words = reason or getattr(error, "strerror", None) or str(error)
    return f"cannot use {where} for TLS: {words.lower().replace('_', ' ')}"
