"""The keys of servers as they were first seen: one line each in a file of the user.

Rules:
- A key that is another one than before ends it: nothing is ever replaced here. Who knows that the
  server has a new key deletes the line.
- A line of this server that cannot be understood is not its key either.
- Looking and writing down are one step under the file's lock: two programs that begin at once
  agree on what was seen first.
"""

from __future__ import annotations

import base64
import fcntl
import os
from hashlib import sha256
from pathlib import Path

from platformdirs import user_state_path

LONGEST = 1024 * 1024
"""Bytes of a file that is read: ten thousand servers."""


class PinChanged(Exception):
    """The server's key is not the one that was seen first; the message tells both and the file."""


def default_file() -> Path:
    """Where the keys are kept that this user has seen."""
    return user_state_path("typed-chat", appauthor=False) / "pins"


def fingerprint_of(certificate: bytes) -> str:
    """The SHA-256 of the public key in a certificate (DER), as ssh shows it.

    Raises ValueError where it is none.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = x509.load_der_x509_certificate(certificate).public_key()
    key = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(sha256(key).digest()).decode().rstrip("=")


def check(file: Path, server: str, fingerprint: str) -> bool:
    """Hold the key of `server` (`host:port`) against the one seen first; True: this is the first.

    Raises PinChanged, or OSError where the file cannot be used.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(file, flags, 0o600), "a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        seen = _seen(stream.read(LONGEST), server)
        if seen is None:
            stream.write(f"{server} {fingerprint}\n".encode())
    if seen is not None and seen != fingerprint:
        raise PinChanged(_words(file, server, seen, fingerprint))
    return seen is None


def _seen(text: bytes, server: str) -> str | None:
    """What stands behind the server's name, None where that is nowhere."""
    for line in text.decode("utf-8", "replace").splitlines():
        name, _, rest = line.partition(" ")
        if name == server:
            return rest.strip()
    return None


def _words(file: Path, server: str, seen: str, fingerprint: str) -> str:
    return (
        f"The key of {server} is not the one it had before. Somebody may be reading along, "
        f"or the server was given a new key: ask its operator. Before: {seen or 'unreadable'}. "
        f"Now: {fingerprint}. If the new one is right, delete the line of {server} in {file}."
    )
