"""TLS for the client: how a server shows who it is, and a socket that two threads may use.

Rules:
- Nothing is said to a server before it has shown who it is: by an authority and its name, or by the
  key that was seen first.
- A TLS object is not for two threads at once. Python before 3.13.1 guards it not at all; later it
  holds a lock while it waits, so that who reads keeps out who writes. So it works in memory here,
  under a lock held for microseconds, and neither waits for the other.
- After the handshake bytes leave on the writing thread alone, in the order in which they were
  encrypted. What reading wants to be sent (an answer to new keys) leaves with the next write.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chat_client import pins
from chat_schema import limits
from chat_schema.framing import FrameDecoder

RECORD = 16 * 1024
"""Bytes of a record at most: what one read from the TLS machine brings."""

CHUNK = 64 * 1024
"""Bytes of one read in the handshake."""

NO_AUTHORITY = frozenset({18, 19, 20, 21})
"""OpenSSL's reasons: signed by itself, or by nobody we know (X509_V_ERR_…, x509_vfy.h)."""

EXPIRED, TOO_EARLY = 10, 9
OTHER_NAME = frozenset({62, 64})


@dataclass(frozen=True)
class Tls:
    """How a server shows who it is.

    `verify`: an authority of the system vouches for the name of the host; `ca` names a file of
    authorities to ask instead. `pin`: it has the key that was seen first, which `pins` keeps (None:
    the user's own file); `on_first` is told in one line what was seen, on the connecting thread.
    """

    mode: Literal["verify", "pin"] = "verify"
    ca: Path | None = None
    pins: Path | None = None
    on_first: Callable[[str], None] | None = None


class Untrusted(Exception):
    """The server cannot show that it is who we want; the message helps further."""


class NoTls(Exception):
    """There is no TLS to be had; the message says why."""


class SecureSocket:
    """A socket on which only TLS is spoken, with a socket's face.

    `recv` is for one thread, `sendall` for one, the rest for all. Errors are OSError.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._machine = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._over = False
        self._broken = False
        self._sending = False
        self.opening = b""

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._socket.fileno()

    @property
    def certificate(self) -> bytes:
        """The server's certificate as DER, once the handshake is done."""
        return self._machine.getpeercert(binary_form=True) or b""

    @property
    def ready(self) -> bool:
        """Whether `recv` has something to tell that poll does not report."""
        return self._over or self._incoming.pending > 0

    def shake_hands(self, timeout: float) -> None:
        """Agree on keys within so many seconds; `opening` is what the server said first.

        Raises ssl.SSLError or OSError; TimeoutError is one of them.
        """
        end = time.monotonic() + timeout
        while not self._step():
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            data = self._socket.recv(CHUNK)
            self.opening = self.opening or data
            self._take(data)
        self._socket.settimeout(None)

    def _step(self) -> bool:
        try:
            self._machine.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._socket.sendall(self._outgoing.read())
        return True

    def recv(self, size: int) -> bytes:
        """Wait for bytes and return them; empty at the end of the stream.

        `size` bounds what is read from the kernel at a time. Raises BlockingIOError where that is
        not enough to decrypt anything.
        """
        if self._broken:
            raise ssl.SSLError("a record is not sound")
        data = None if self.ready else self._socket.recv(size)
        with self._lock:
            if data is not None:
                self._take(data)
            return self._decrypt()

    def _take(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self) -> bytes:
        """Everything that can be decrypted; an end behind it is left for the next call."""
        pieces: list[bytes] = []
        self._over = False
        try:
            while not pieces or (pieces[-1] and self._holds_more):
                pieces.append(self._machine.read(RECORD))
            self._over = len(pieces) > 1 and not pieces[-1]
        except ssl.SSLWantReadError:
            if not pieces:
                raise BlockingIOError from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self._over = bool(pieces)
        except ssl.SSLError:
            if not pieces:
                raise
            self._over = self._broken = True  # the machine would not say it twice
        return b"".join(pieces)

    @property
    def _holds_more(self) -> bool:
        return self._incoming.pending > 0 or self._machine.pending() > 0

    def sendall(self, data: bytes) -> None:
        """Encrypt and send everything; waits for the kernel, but nobody waits for it."""
        with self._lock:
            self._sending = True
            rest = memoryview(data)
            while rest:
                rest = rest[self._machine.write(rest) :]
            encrypted = self._outgoing.read()
        self._socket.sendall(encrypted)
        with self._lock:
            self._sending = False

    def shutdown(self, how: int) -> None:
        """Say that nothing more will be sent, as far as that goes without waiting, and end."""
        with self._lock:
            if not self._sending:  # otherwise it would stand in the middle of a record
                self._say_goodbye()
        self._socket.shutdown(how)

    def _say_goodbye(self) -> None:
        with contextlib.suppress(OSError):  # it wants to read theirs too
            self._machine.unwrap()
        with contextlib.suppress(OSError):
            self._socket.send(self._outgoing.read(), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


def secure(sock: socket.socket, address: tuple[str, int], timeout: float, tls: Tls) -> SecureSocket:
    """Speak TLS on a connected socket with whom we want to speak to at `address`.

    Raises Untrusted or NoTls; then the socket is closed.
    """
    server = f"{address[0]}:{address[1]}"
    try:
        line = SecureSocket(sock, _context(tls), address[0])
        _shake_hands(line, server, timeout)
        if tls.mode == "pin":
            _check_pin(line, server, tls)
    except BaseException:
        sock.close()
        raise
    return line


def _context(tls: Tls) -> ssl.SSLContext:
    if tls.mode == "pin":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the key is looked at after the handshake
    else:
        context = _verifying(tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _verifying(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise Untrusted(f"There is no certificate in {ca}.") from None
    except OSError as error:
        raise Untrusted(f"Cannot read {ca}: {(error.strerror or str(error)).lower()}.") from None


def _shake_hands(line: SecureSocket, server: str, timeout: float) -> None:
    try:
        line.shake_hands(timeout)
    except ssl.SSLCertVerificationError as error:
        raise Untrusted(_why_untrusted(error, server)) from None
    except ssl.SSLError as error:
        raise NoTls(_why_no_tls(error, line.opening, server)) from None
    except OSError as error:
        reason = (error.strerror or str(error) or "no answer").lower()
        raise NoTls(f"{server} ended the TLS handshake: {reason}.") from None


def _check_pin(line: SecureSocket, server: str, tls: Tls) -> None:
    file = tls.pins or pins.default_file()
    try:
        fingerprint = pins.fingerprint_of(line.certificate)
        first = pins.check(file, server, fingerprint)
    except pins.PinChanged as changed:
        raise Untrusted(str(changed)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Untrusted(f"The key of {server} cannot be compared: {reason} ({file}).") from None
    if first and tls.on_first is not None:
        tls.on_first(f"The key of {server} is {fingerprint}; it has to be the same from now on.")


def _why_untrusted(error: ssl.SSLCertVerificationError, server: str) -> str:
    match error.verify_code:
        case code if code in NO_AUTHORITY:
            return (
                f"Nobody whom this machine trusts vouches for the certificate of {server}. If you "
                "know it, name it with --tls-ca FILE, or trust the key it has now with --tls-pin."
            )
        case code if code in OTHER_NAME:
            return (
                f"The certificate of {server} is for another name. Use the name it is for with "
                "--host, or trust the key it has now with --tls-pin."
            )
        case code if code == EXPIRED:
            return f"The certificate of {server} has expired: its operator has to renew it."
        case code if code == TOO_EARLY:
            return f"The certificate of {server} is not valid yet: is the clock here right?"
        case _:
            return f"The certificate of {server} cannot be trusted: {error.verify_message}."


def _why_no_tls(error: ssl.SSLError, opening: bytes, server: str) -> str:
    if opening[:1] == b"\0":  # a frame, where TLS would begin with 0x15 or 0x16
        code, message = _first_words(opening)
        if code == "frame.too_large":
            return f"{server} offers no TLS: leave --tls out, if the network in between is yours."
        return f"{server} answered without TLS: {message}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"The TLS handshake with {server} failed: {reason}."


def _first_words(opening: bytes) -> tuple[str, str]:
    """Code and message of the first frame, which nobody vouches for: words for the user only."""
    with contextlib.suppress(ValueError, IndexError, KeyError, TypeError):
        frame = json.loads(FrameDecoder(limits.FRAME_TO_CLIENT).feed(opening)[0])
        return str(frame["code"]), str(frame["message"])
    return "", "what it said makes no sense."
