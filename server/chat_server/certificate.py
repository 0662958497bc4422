"""Makes a certificate for trying: signed by itself, so that clients must be told to trust it.

Rules:
- The key is readable by its owner alone from the first byte; no file is ever replaced.
- P-256: every TLS library knows it, and a handshake costs it least.
- It is its own authority, with the extensions that strict verification wants (RFC 5280).
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 365
"""Until it expires: a trial is over by then."""

HERE = ("localhost", "127.0.0.1", "::1")
"""The names of this machine, which every certificate gets."""


class Made(NamedTuple):
    """What was made: two files, and the key's fingerprint as `chat-client --tls-pin` shows it."""

    cert: Path
    key: Path
    fingerprint: str


def make(folder: Path, names: tuple[str, ...] = (), *, days: float = DAYS) -> Made:
    """Write `cert.pem` and `key.pem` into `folder`, for these names or addresses and this machine.

    The certificate is valid for `days`; fewer than none is one that has expired.
    Raises FileExistsError where there is one of them already, OSError where they cannot be written,
    ValueError where a name can be none.
    """
    secret = ec.generate_private_key(ec.SECP256R1())
    cert = _signed(secret, dict.fromkeys((*names, *HERE)), timedelta(days=days))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Made(folder / "cert.pem", folder / "key.pem", fingerprint_of(cert))
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(made.key, pem, 0o600)
    try:
        _write(made.cert, cert.public_bytes(Encoding.PEM), 0o644)
    except OSError:
        made.key.unlink()
        raise
    return made


def fingerprint_of(cert: x509.Certificate) -> str:
    """The SHA-256 of the public key, as ssh shows it: it outlives the certificate."""
    key = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(sha256(key).digest()).decode().rstrip("=")


def _signed(
    secret: ec.EllipticCurvePrivateKey, names: dict[str, None], lasting: timedelta
) -> x509.Certificate:
    public = secret.public_key()
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "typed-chat for trying")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(whose, whose, public, x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + lasting)
    )
    for extension, critical in _extensions(public, names):
        builder = builder.add_extension(extension, critical)
    return builder.sign(secret, hashes.SHA256())


def _extensions(
    public: ec.EllipticCurvePublicKey, names: dict[str, None]
) -> list[tuple[x509.ExtensionType, bool]]:
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return [
        (x509.SubjectAlternativeName([_name(name) for name in names]), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ]


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if not name.strip("."):
            raise ValueError("the name of a host is empty") from None
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _write(file: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(file, flags, mode), "wb") as stream:
        stream.write(data)
