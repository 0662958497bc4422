"""The keys of servers as they were first seen: kept, compared, never replaced."""

from __future__ import annotations

import ssl
import stat
import threading
from pathlib import Path

import pytest

from chat_client.pins import PinChanged, check, default_file, fingerprint_of
from chat_server.certificate import make

SERVER = "chat.example:5555"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not there yet, in a folder that is not either."""
    return tmp_path / "state" / "pins"


def test_the_first_key_is_written_down_for_the_user_alone(file: Path) -> None:
    """And it is told that it was the first."""
    assert check(file, SERVER, "SHA256:one")
    assert file.read_text() == "chat.example:5555 SHA256:one\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_same_key_is_no_news(file: Path) -> None:
    """However often it is seen, it stands there once."""
    check(file, SERVER, "SHA256:one")
    assert not check(file, SERVER, "SHA256:one")
    assert file.read_text().count("\n") == 1


def test_another_key_ends_it_and_is_not_written_down(file: Path) -> None:
    """The message has both, the server and the file."""
    check(file, SERVER, "SHA256:one")
    for _ in range(2):
        with pytest.raises(PinChanged) as changed:
            check(file, SERVER, "SHA256:two")
        for part in ("SHA256:one", "SHA256:two", SERVER, str(file)):
            assert part in str(changed.value)
    assert not check(file, SERVER, "SHA256:one")


def test_each_port_of_each_host_has_its_own_key(file: Path) -> None:
    """Also where one name begins with another."""
    check(file, SERVER, "SHA256:one")
    assert check(file, "chat.example:55", "SHA256:two")
    assert check(file, "at.example:5555", "SHA256:three")
    assert not check(file, SERVER, "SHA256:one")


@pytest.mark.parametrize("rest", ["", " ", " nonsense", " SHA256:one two"])
def test_a_line_that_makes_no_sense_is_not_the_key(file: Path, rest: str) -> None:
    """Whoever spoilt the file does not get a stranger trusted."""
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\n" + f"{SERVER}{rest}\n".encode())
    with pytest.raises(PinChanged):
        check(file, SERVER, "SHA256:one")


def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    """Not a first time."""
    (tmp_path / "pins").mkdir()
    with pytest.raises(OSError, match="directory"):
        check(tmp_path / "pins", SERVER, "SHA256:one")


def test_of_programs_that_begin_at_once_one_is_the_first(file: Path) -> None:
    """The others compare with what it saw."""
    start = threading.Barrier(8)
    firsts: list[str] = []
    refused: list[str] = []

    def begin(fingerprint: str) -> None:
        start.wait()
        try:
            if check(file, SERVER, fingerprint):
                firsts.append(fingerprint)
        except PinChanged:
            refused.append(fingerprint)

    threads = [threading.Thread(target=begin, args=(f"SHA256:{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(firsts), len(refused)) == (1, 7)


def test_client_and_server_show_the_same_fingerprint(tmp_path: Path) -> None:
    """So that an operator can read it out on the telephone."""
    made = make(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(made.cert.read_text())
    assert fingerprint_of(der) == made.fingerprint
    assert len(made.fingerprint) == len("SHA256:") + 43


def test_what_is_no_certificate_has_no_fingerprint() -> None:
    """An error that says so."""
    with pytest.raises(ValueError, match="parsing"):
        fingerprint_of(b"no certificate")


def test_the_users_file_is_in_their_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside their stays."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_file() == tmp_path / "typed-chat" / "pins"
