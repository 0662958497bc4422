"""Settings: defaults, files, flags, and one clear line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from chat_schema import DEFAULT_PORT
from chat_server.config import ConfigError, Settings, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A place for a configuration file."""
    return tmp_path / "chat.toml"


def complaint(file: Path | None, **overrides: Any) -> str:
    """The one line that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(file, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_a_file_every_setting_has_its_default() -> None:
    """And the server is on loopback alone."""
    settings = load(None, {})
    assert settings == Settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", DEFAULT_PORT)


def test_an_empty_file_changes_nothing(file: Path) -> None:
    """Every section and setting may be left out."""
    file.write_text("")
    assert load(file, {}) == Settings()


def test_a_file_sets_what_it_names(file: Path) -> None:
    """And nothing else."""
    file.write_text('[server]\nname = "hall"\n[limits]\nconnections = 3\nhello_timeout = 2.5\n')
    settings = load(file, {})
    assert settings.server.name == "hall"
    assert (settings.limits.connections, settings.limits.hello_timeout) == (3, 2.5)
    assert settings.limits.rooms == Settings().limits.rooms


def test_a_whole_number_of_seconds_is_one(file: Path) -> None:
    """Nobody has to write 10.0."""
    file.write_text("[limits]\nhello_timeout = 2\n")
    assert load(file, {}).limits.hello_timeout == 2


def test_flags_are_put_over_the_file(file: Path) -> None:
    """What a flag does not name stays as in the file."""
    file.write_text('[server]\nport = 1\nname = "hall"\n')
    settings = load(file, {"port": 2})
    assert (settings.server.port, settings.server.name) == (2, "hall")


def test_settings_do_not_change() -> None:
    """They can be shared between threads."""
    settings = Settings()
    with pytest.raises(ValidationError):
        setattr(settings.server, "port", 1)  # noqa: B010 - the type checker would refuse it


def sections() -> list[tuple[str, type[BaseModel]]]:
    """Every section with its model."""
    return [(name, type(getattr(Settings(), name))) for name in Settings.model_fields]


@pytest.mark.parametrize(("name", "model"), sections())
def test_every_default_is_itself_allowed(name: str, model: type[BaseModel]) -> None:
    """A file that spells out the defaults is a good file."""
    defaults = model().model_dump()
    assert Settings.model_validate({name: defaults}) == Settings()


BAD = {
    "unknown-section": ("[serve]\nport = 1", "there is no setting serve"),
    "unknown-setting": ("[server]\nprot = 1", "there is no setting server.prot"),
    "unknown-top": ("port = 1", "there is no setting port"),
    "section-is-no-section": ("server = 7", "server: "),
    "limits-is-no-section": ("limits = []", "limits: "),
    "too-large": ("[server]\nport = 65536", "server.port: "),
    "negative": ("[limits]\nconnections = -1", "limits.connections: "),
    "zero": ("[limits]\nconnections = 0", "limits.connections: "),
    "string-for-number": ('[server]\nport = "5555"', "server.port: "),
    "true-for-number": ("[limits]\nconnections = true", "limits.connections: "),
    "float-for-whole": ("[limits]\nconnections = 3.0", "limits.connections: "),
    "number-for-string": ("[server]\nname = 7", "server.name: "),
    "string-for-flag": ('[limits]\nexempt_loopback = "yes"', "limits.exempt_loopback: "),
    "number-for-flag": ("[limits]\nexempt_loopback = 1", "limits.exempt_loopback: "),
    "nan": ("[limits]\nhello_timeout = nan", "limits.hello_timeout: "),
    "infinite": ("[heartbeat]\ntimeout = inf", "heartbeat.timeout: "),
    "endless-days": ("[history]\ndays = inf", "history.days: "),
    "days-before-all-dates": ("[history]\ndays = 1e7", "history.days: "),
    "room-by-no-name": ('[history.rooms."a b"]\ndays = 1', "history.rooms."),
    "unknown-rule": ("[history.rooms.ops]\nhours = 1", "history.rooms.ops.hours"),
    "unknown-durability": ('[server]\ndurability = "maybe"', "server.durability: "),
    "no-time-to-return": ("[resume]\nseconds = 0", "resume.seconds: "),
    "no-seconds": ("[heartbeat]\ninterval = 0", "heartbeat.interval: "),
    "empty-name": ('[server]\nname = ""', "server.name: "),
    "no-toml": ("port: 5555", "is not TOML"),
    "twice": ("[server]\n[server]", "is not TOML"),
}


@pytest.mark.parametrize(
    ("text", "expected"), BAD.values(), ids=[f"case-120-{name}" for name in BAD]
)
def test_whatever_is_wrong_is_said_in_one_line_with_its_place(
    file: Path, text: str, expected: str
) -> None:
    """The file, the setting and the rule."""
    file.write_text(text)
    message = complaint(file)
    assert expected in message
    assert str(file) in message


def test_rooms_have_limits_of_their_own_in_any_case(file: Path) -> None:
    """What a room leaves out is not limited; every other room has the general ones."""
    file.write_text("[history]\nentries = 100\ndays = 7\n[history.rooms.OPS]\ndays = 0.5\n")
    history = load(file, {}).history
    assert history.retention("dev") == (100, 7)
    assert history.retention("ops") == (None, 0.5)


def test_without_a_folder_it_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """`:memory:` is none, and a path is that path."""
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert load(None, {}).server.folder == Path("/somewhere/typed-chat")
    assert load(None, {"data": "here"}).server.folder == Path("here")
    assert load(None, {"data": ":memory:"}).server.folder is None


def test_case_120_a_file_that_is_not_text_is_not_toml(file: Path) -> None:
    """Bytes that are no UTF-8."""
    file.write_bytes(b"\xff\xfe\x00")
    assert "is not TOML" in complaint(file)


def test_case_120_a_file_that_is_not_there_is_said_to_be_missing(file: Path) -> None:
    """In the system's words."""
    message = complaint(file)
    assert str(file) in message
    assert "No such file" in message


def test_case_120_a_folder_is_no_file(tmp_path: Path) -> None:
    """It cannot be read, and is said so."""
    assert str(tmp_path) in complaint(tmp_path)


def test_a_flag_that_is_wrong_is_named_without_a_file() -> None:
    """There is none to name."""
    assert complaint(None, port=-1).startswith("server.port: ")
    assert complaint(None, prot=1) == "there is no setting server.prot; is server.port meant?"
