"""An ed25519 key pair to log in with: that of PROTOCOL.md, "Keys"."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"


def sign(private: Ed25519PrivateKey, server: str, nick: str, nonce: str) -> str:
    """The signature by which a client logs in, put together as PROTOCOL.md says."""
    text = "\n".join(("typed-chat login", server, nick.lower(), nonce)).encode("ascii")
    return urlsafe_b64encode(private.sign(text)).decode().rstrip("=")
