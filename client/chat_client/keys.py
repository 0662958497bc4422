"""Keys to log in by: made, read from files, and used to sign. `cryptography` is imported when used.

Rules:
- A private key is an ed25519 key in a PEM or OpenSSH file without a passphrase, made for its
  owner's eyes alone. It is sent nowhere; what is sent is a signature.
- What is signed names the server and the account, so that it is of no use elsewhere: see
  PROTOCOL.md, "Keys".
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from chat_schema.names import same_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PURPOSE = "typed-chat login"
"""What a signature is for: the first line of what is signed."""

LONGEST = 64 * 1024
"""Bytes of a key's file that are read: an ed25519 key takes 400."""


class KeyTrouble(Exception):
    """A file that is no key as we need it; the message says what is wrong."""


class PrivateKey:
    """A key that signs for its owner."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def read(cls, file: Path) -> PrivateKey:
        """Read a private key; raises KeyTrouble."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        data = _read(file)
        ssh = b"OPENSSH" in data
        load = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
        try:
            key = load(data, password=None)
        except TypeError:
            raise KeyTrouble(f"{file} needs a passphrase; a key to log in by has none.") from None
        except Exception:  # whatever a parser of keys finds wrong, it is no key for us
            raise KeyTrouble(f"{file} is no private key in PEM or OpenSSH format.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyTrouble(f"{file} is not an ed25519 key.")
        return cls(key)

    @property
    def public(self) -> str:
        """The public half, as the wire has it."""
        return _public(self._key.public_key())

    def sign(self, server: str, nick: str, nonce: str) -> str:
        """The signature that logs in to the account `nick` of this server, for one nonce."""
        text = "\n".join((PURPOSE, server, same_name(nick), nonce))
        return _base64(self._key.sign(text.encode()))


def public_in(file: Path) -> str:
    """The public key in a file as ssh-keygen and `make` write it, or PEM; raises KeyTrouble."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(file)
    if b"PRIVATE" in data:
        return PrivateKey.read(file).public
    pem = data.lstrip().startswith(b"-----")
    load = serialization.load_pem_public_key if pem else serialization.load_ssh_public_key
    try:
        key = load(data)
    except Exception:  # as above
        raise KeyTrouble(f"{file} is no public key in PEM or OpenSSH format.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyTrouble(f"{file} is not an ed25519 key.")
    return _public(key)


def make(file: Path) -> str:
    """Make a key in `file` and its public half in `file`.pub; return the latter for the wire.

    Raises KeyTrouble where one of them exists or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    _create(file, private, 0o600)
    _create(file.with_name(f"{file.name}.pub"), public + b"\n", 0o644)
    return _public(key.public_key())


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(LONGEST)
    except OSError as error:
        raise KeyTrouble(f"{file} cannot be read: {_reason(error)}.") from None


def _create(file: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except OSError as error:
        raise KeyTrouble(f"{file} cannot be made: {_reason(error)}.") from None
    with open(descriptor, "wb") as stream:
        stream.write(data)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _public(key: Ed25519PublicKey) -> str:
    return _base64(key.public_bytes_raw())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
