"""Auth: passwords, signatures, and the administrator's password."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha512
from pathlib import Path
from statistics import median

import argon2
import pytest
from argon2 import extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from chat_server.auth import NO_KEY, Auth
from chat_server.config import ConfigError
from chat_server.settings import Admin
from chat_server.settings import Auth as Terms
from tests.support.keys import PRIVATE, PUBLIC, sign

CHEAP = Terms(hash_kib=8, hash_passes=1)
"""Passwords are hashed in no time."""

SECRET = "correct horse"


def auth(terms: Terms = CHEAP, password: str | None = None) -> Auth:
    """An Auth of its own."""
    return Auth(terms, Admin.model_validate({"password": password}))


# Passwords


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128))
def test_a_password_is_that_of_its_hash_and_of_no_other(password: str) -> None:
    """Whatever characters people choose."""
    judge = auth()
    hash = judge.hash(password)
    assert judge.check(hash, password)
    assert not judge.check(hash, password + "x")
    assert not judge.check(hash, "")


def test_the_hash_is_argon2id_with_the_parameters_of_the_settings() -> None:
    """In the string format that other programs read; the default is what OWASP advises."""
    assert auth(Terms()).hash(SECRET).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (
        auth(Terms(hash_kib=16, hash_passes=3))
        .hash(SECRET)
        .startswith("$argon2id$v=19$m=16,t=3,p=1$")
    )


def test_two_hashes_of_a_password_differ() -> None:
    """Who reads the database cannot see who has the same password."""
    judge = auth()
    assert judge.hash(SECRET) != judge.hash(SECRET)


def test_a_letter_is_the_same_however_it_was_typed() -> None:
    """One keyboard sends an accented letter, another the letter and its accent (RFC 8265)."""
    judge = auth()
    assert judge.check(judge.hash("caf\u00e9 noir"), "cafe\u0301 noir")


def test_a_hash_with_other_parameters_is_good_and_outdated() -> None:
    """The operator may raise them; nobody has to choose another password."""
    before, after = auth(), auth(Terms(hash_kib=16, hash_passes=1))
    hash = before.hash(SECRET)
    assert after.check(hash, SECRET)
    assert after.outdated(hash)
    assert not before.outdated(hash)


@pytest.mark.parametrize("password", ["", SECRET])
def test_no_password_is_that_of_an_account_without_one(password: str) -> None:
    """Nor that of an account that does not exist."""
    assert not auth().check("", password)


# H9: login time tells nothing


def test_h9_an_unknown_account_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash with the same parameters, whoever is asked for, right or wrong."""
    computed: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, hash: str, password: str) -> bool:
        computed.append(extract_parameters(hash))
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    judge = auth(Terms(hash_kib=64, hash_passes=2))
    known = judge.hash(SECRET)
    works = []
    for hash, password in ((known, SECRET), (known, "a guess"), ("", "a guess")):
        judge.check(hash, password)
        works.append(tuple(computed))
        computed.clear()
    assert works[0] == works[1] == works[2] == (extract_parameters(known),)


def test_h9_an_unknown_account_takes_as_long() -> None:
    """Medians of samples taken in turn; without the dummy one is a thousand times the other."""
    judge = auth(Terms(hash_kib=1024, hash_passes=2))
    known = judge.hash(SECRET)
    samples = [(_taken(judge, known), _taken(judge, "")) for _ in range(41)]
    ratio = median(one for one, _ in samples) / median(other for _, other in samples)
    assert 1 / 2 < ratio < 2


def _taken(judge: Auth, hash: str) -> float:
    begun = time.perf_counter()
    judge.check(hash, "a guess")
    return time.perf_counter() - begun


# The administrator's password


def test_what_was_read_anew_holds_from_then_on() -> None:
    """The parameters, what the operator allows, and the administrator's password."""
    judge = auth(password=SECRET)
    judge.take_over(auth(Terms(hash_kib=16, hash_passes=1, plain_passwords=True), "another one"))
    assert judge.hash(SECRET).startswith("$argon2id$v=19$m=16,t=1,p=1$")
    assert not judge.check("", SECRET)
    assert judge.plain_passwords
    assert (judge.elevate(SECRET), judge.elevate("another one")) == (False, True)


def test_the_administrators_password_elevates() -> None:
    """And nothing else does."""
    judge = auth(password=SECRET)
    assert judge.elevates
    assert judge.elevate(SECRET)
    assert not judge.elevate("a guess")


def test_without_a_password_nothing_elevates() -> None:
    """There is no administrator then."""
    assert not auth().elevates
    assert not auth().elevate("")
    assert not auth().elevate(SECRET)


def test_the_administrators_password_is_held_as_a_hash_only() -> None:
    """Who reads the memory of this object finds no password."""
    judge = auth(password=SECRET)
    assert SECRET not in repr(vars(judge))
    assert "$argon2id$" in repr(vars(judge))


@pytest.mark.parametrize("text", [SECRET, SECRET + "\n", SECRET + "\r\nmore\n"])
def test_the_password_can_be_the_first_line_of_a_file(tmp_path: Path, text: str) -> None:
    """As an editor or a secret store leaves it."""
    file = tmp_path / "password"
    file.write_text(text, newline="")
    judge = Auth(CHEAP, Admin(password_file=str(file)))
    assert judge.elevate(SECRET)


def _missing(file: Path) -> None:
    pass


def _empty(file: Path) -> None:
    file.write_text("\n" + SECRET)


def _no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe" + SECRET.encode())


@pytest.mark.parametrize("prepare", [_missing, _empty, _no_text, Path.mkdir])
def test_case_120_a_password_file_that_is_none_is_one_clear_line(
    tmp_path: Path, prepare: Callable[[Path], None]
) -> None:
    """With the setting and the file; never with what is in it."""
    file = tmp_path / "password"
    prepare(file)
    with pytest.raises(ConfigError) as caught:
        Auth(CHEAP, Admin(password_file=str(file)))
    words = str(caught.value)
    assert words.startswith("admin.password_file: ")
    assert str(file) in words
    assert "\n" not in words
    assert SECRET not in words


# Keys


NONCE = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"


def test_what_is_signed_is_as_the_protocol_says() -> None:
    """The bytes and the signature of the table in PROTOCOL.md, "Keys"."""
    text = Auth.to_sign("typed-chat", "Alice", NONCE)
    assert text == b"typed-chat login\ntyped-chat\nalice\n" + NONCE.encode()
    signature = (
        "t1YhJLq2cSDbq3kczU4oYx6gEomF4qUk55qvgMX2OBiU8xjNX6vCWzxQ2PnKUw3MuGQtOZPLj_ocsB95j_meCQ"
    )
    assert sign(PRIVATE, "typed-chat", "Alice", NONCE) == signature
    assert Auth.signed(PUBLIC, text, signature)


@pytest.mark.parametrize(
    ("server", "nick", "nonce"),
    [("another", "alice", NONCE), ("typed-chat", "bob", NONCE), ("typed-chat", "alice", "A" * 43)],
)
def test_a_signature_is_for_one_server_one_account_one_challenge(
    server: str, nick: str, nonce: str
) -> None:
    """What was signed for one is worth nothing to another."""
    signature = sign(PRIVATE, "typed-chat", "alice", NONCE)
    assert not Auth.signed(PUBLIC, Auth.to_sign(server, nick, nonce), signature)


@given(st.text("abcXYZ019-_", min_size=86, max_size=86))
def test_no_signature_is_good_without_a_key(signature: str) -> None:
    """Nor that of any other key; none raises anything."""
    text = Auth.to_sign("typed-chat", "alice", NONCE)
    assert not Auth.signed("", text, signature)
    assert not Auth.signed(PUBLIC, text, signature)


def test_the_point_in_the_place_of_a_key_proves_nothing() -> None:
    """Its private half is known to everybody, the number one, so anybody can sign for it."""
    point, text = urlsafe_b64decode(NO_KEY + "="), b"text"
    challenge = int.from_bytes(sha512(point + point + text).digest(), "little")
    scalar = (1 + challenge) % (2**252 + 27742317777372353535851937790883648493)
    forged = urlsafe_b64encode(point + scalar.to_bytes(32, "little")).decode().rstrip("=")
    assert Auth.signed(NO_KEY, text, forged)
    assert not Auth.signed("", text, forged)
