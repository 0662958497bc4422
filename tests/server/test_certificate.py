"""A certificate for trying: its files, its names, and what it never replaces."""

from __future__ import annotations

import stat
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from chat_server.certificate import DAYS, Made, make


def read(made: Made) -> x509.Certificate:
    """The certificate in the file."""
    return x509.load_pem_x509_certificate(made.cert.read_bytes())


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """And so is the folder, where it was made for this."""
    made = make(tmp_path / "a" / "b")
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700


def test_it_is_for_the_names_given_and_for_this_machine(tmp_path: Path) -> None:
    """Names of hosts, in letters of any alphabet, and addresses; each once."""
    names = ("chat.example", "192.0.2.1", "bücher.example", "localhost")
    found = read(make(tmp_path, names)).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert found.value.get_values_for_type(x509.DNSName) == [
        "chat.example", "xn--bcher-kva.example", "localhost",
    ]  # fmt: skip
    assert found.value.get_values_for_type(x509.IPAddress) == [
        ip_address("192.0.2.1"), ip_address("127.0.0.1"), ip_address("::1"),
    ]  # fmt: skip


def test_it_is_valid_for_a_year_and_an_hour_ago(tmp_path: Path) -> None:
    """The clocks of two machines differ."""
    cert = read(make(tmp_path))
    lasting = cert.not_valid_after_utc - cert.not_valid_before_utc
    assert lasting == timedelta(days=DAYS, hours=1)


@pytest.mark.parametrize("there", ["cert.pem", "key.pem"])
def test_nothing_is_replaced_and_nothing_half_is_left(tmp_path: Path, there: str) -> None:
    """Neither file is touched when one of them is there."""
    (tmp_path / there).write_text("mine")
    with pytest.raises(FileExistsError):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64])
def test_what_can_be_no_name_is_refused(tmp_path: Path, name: str) -> None:
    """Before a file is made."""
    with pytest.raises(ValueError, match=r"empty|label|long"):
        make(tmp_path / "new", (name,))
    assert not (tmp_path / "new").exists()


def test_every_one_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Two that were made are two servers."""
    assert make(tmp_path / "one").fingerprint != make(tmp_path / "two").fingerprint
