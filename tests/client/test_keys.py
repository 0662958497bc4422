"""Keys to log in by: what PROTOCOL.md signs, files that are keys, and files that are none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chat_client import keys
from chat_client.keys import KeyTrouble, PrivateKey

SEED = bytes(range(32))
NONCE = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"


def test_what_is_signed_is_what_the_protocol_says() -> None:
    """The example of PROTOCOL.md, "Keys", with the nick in another case."""
    key = PrivateKey(Ed25519PrivateKey.from_private_bytes(SEED))
    assert key.public == "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
    assert key.sign("typed-chat", "Alice", NONCE) == (
        "t1YhJLq2cSDbq3kczU4oYx6gEomF4qUk55qvgMX2OBiU8xjNX6vCWzxQ2PnKUw3MuGQtOZPLj_ocsB95j_meCQ"
    )


def test_a_key_that_was_made_can_be_read(tmp_path: Path) -> None:
    """Both halves, and nobody else may read the private one."""
    file = tmp_path / "key"
    public = keys.make(file)
    assert PrivateKey.read(file).public == keys.public_in(tmp_path / "key.pub") == public
    assert keys.public_in(file) == public
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_key_is_overwritten(tmp_path: Path) -> None:
    """A key that is gone locks its owner out."""
    file = tmp_path / "key"
    keys.make(file)
    before = file.read_bytes()
    with pytest.raises(KeyTrouble, match="file exists"):
        keys.make(file)
    assert file.read_bytes() == before


def test_pem_is_read_too(tmp_path: Path) -> None:
    """As `openssl genpkey -algorithm ed25519` writes it."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    private = tmp_path / "private.pem"
    private.write_bytes(_pem(key))
    public = tmp_path / "public.pem"
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    assert PrivateKey.read(private).public == keys.public_in(public) == PrivateKey(key).public


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")
def test_ssh_keygen_s_keys_are_read(tmp_path: Path) -> None:
    """Who has one already needs no other; one with a passphrase is refused in clear words."""
    for name, phrase in (("plain", ""), ("locked", "a passphrase")):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    assert PrivateKey.read(tmp_path / "plain").public == keys.public_in(tmp_path / "plain.pub")
    with pytest.raises(KeyTrouble, match="passphrase"):
        PrivateKey.read(tmp_path / "locked")


def test_what_is_no_key_is_told_without_its_contents(tmp_path: Path) -> None:
    """Another kind of key, another kind of file, none."""
    other = tmp_path / "other"
    other.write_bytes(_pem(ec.generate_private_key(ec.SECP256R1())))
    text = tmp_path / "text"
    text.write_text("a diary")
    for read in (PrivateKey.read, keys.public_in):
        with pytest.raises(KeyTrouble, match="not an ed25519 key"):
            read(other)
        with pytest.raises(KeyTrouble, match="PEM or OpenSSH") as error:
            read(text)
        assert "diary" not in str(error.value)
        with pytest.raises(KeyTrouble, match="cannot be read: no such file"):
            read(tmp_path / "nothing")


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
