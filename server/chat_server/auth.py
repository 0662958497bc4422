"""Shows that somebody is who they say: password hashes, signatures, the administrator's password.

Rules:
- Hashing takes tens of milliseconds and 19 MiB: call `hash`, `check` and `elevate` in a worker of
  `Services.hashers`, which bounds how many are at it. Any number of threads may.
- Whoever asks for an account that does not exist, or has no password, waits as long as others: one
  hash is computed for each password that is shown, against the account's or against a dummy.
- No password is kept, logged, or part of an error.
"""

from __future__ import annotations

import secrets
import unicodedata
from base64 import b64encode, urlsafe_b64decode
from pathlib import Path
from typing import TYPE_CHECKING

from chat_schema.names import same_name
from chat_server.config import ConfigError
from chat_server.settings import Admin
from chat_server.settings import Auth as Terms

if TYPE_CHECKING:
    from argon2 import PasswordHasher

NO_KEY = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"
"""A point of the curve to compute with where there is no key (its generator); it proves nothing."""


class Auth:
    """Checks what people show; made once. Raises ConfigError for an unreadable password file.

    The administrator's password is hashed here and now, and only the hash is held.
    """

    def __init__(self, terms: Terms, admin: Admin) -> None:
        self.plain_passwords = terms.plain_passwords
        self._terms = terms
        self._dummy = _dummy(terms)
        password = _admin_password(admin)
        self._admin = self.hash(password) if password is not None else ""

    def take_over(self, other: Auth) -> None:
        """Go on with the settings and the administrator's password of another; any thread may.

        Accounts keep their hashes, which are renewed at the next login.
        """
        self.plain_passwords = other.plain_passwords
        self._terms, self._dummy, self._admin = other._terms, other._dummy, other._admin

    def hash(self, password: str) -> str:
        """The hash to keep of a new password, in the PHC string format."""
        return self._hasher.hash(_canonical(password))

    def check(self, hash: str, password: str) -> bool:
        """Whether the password is that of the hash; never that of "", after the same work."""
        from argon2.exceptions import VerifyMismatchError

        try:
            right = self._hasher.verify(hash or self._dummy, _canonical(password))
        except VerifyMismatchError:
            return False
        return right and hash != ""

    def outdated(self, hash: str) -> bool:
        """Whether the hash was made with other parameters than today's: make another."""
        return self._hasher.check_needs_rehash(hash)

    @property
    def elevates(self) -> bool:
        """Whether there is a password of the administrator's."""
        return self._admin != ""

    def elevate(self, password: str) -> bool:
        """Whether this is the administrator's password; never, where there is none."""
        return self.check(self._admin, password)

    @staticmethod
    def to_sign(server: str, nick: str, nonce: str) -> bytes:
        """What is signed to log in, for this server, account and moment: PROTOCOL.md, "Keys"."""
        return f"typed-chat login\n{server}\n{same_name(nick)}\n{nonce}".encode()

    @staticmethod
    def signed(key: str, text: bytes, signature: str) -> bool:
        """Whether the signature is that of the text by the public key; never by "".

        Both are in base64url, as names.PublicKey and names.Signature say. Takes 0.1 ms.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            public = Ed25519PublicKey.from_public_bytes(_decode(key or NO_KEY))
            public.verify(_decode(signature), text)
        except (InvalidSignature, ValueError):
            return False
        return key != ""

    @property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(
            time_cost=self._terms.hash_passes, memory_cost=self._terms.hash_kib, parallelism=1
        )


def _canonical(password: str) -> str:
    """The form that is hashed: keyboards differ in how they compose an ``é`` (RFC 8265)."""
    return unicodedata.normalize("NFC", password)


def _dummy(terms: Terms) -> str:
    """A hash of the same cost that no password has."""
    salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    costs = f"m={terms.hash_kib},t={terms.hash_passes},p=1"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def _admin_password(admin: Admin) -> str | None:
    """The password from the settings, else from the file that they name."""
    if admin.password is not None:
        return admin.password.get_secret_value()
    if admin.password_file is None:
        return None
    try:
        lines = Path(admin.password_file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        reason = f"cannot read {admin.password_file}: {error.strerror}"
        raise ConfigError(f"admin.password_file: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"admin.password_file: {admin.password_file} is not UTF-8") from None
    if not lines or not lines[0]:
        raise ConfigError(f"admin.password_file: {admin.password_file} has an empty first line")
    return lines[0]


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
