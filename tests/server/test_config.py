"""Settings: defaults, files, flags, and one clear line for whatever is wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from chat_schema import DEFAULT_PORT
from chat_server.config import (
    ConfigError,
    Configuration,
    RoomHistory,
    Settings,
    default_file,
    load,
    read,
)
from chat_server.reloading import LIVE, restart_needed
from chat_server.settings_text import NOT_SET, commented_defaults, in_force


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


# The environment


def settled(environment: dict[str, str], file: Path | None = None, **flags: Any) -> Configuration:
    """What a file, variables and flags say together."""
    return read(file, environment, flags)


def mistake(environment: dict[str, str], file: Path | None = None, **flags: Any) -> str:
    """The one line that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        settled(environment, file, **flags)
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_a_flag_stands_over_the_environment_over_the_file_over_the_default(file: Path) -> None:
    """And each is known as where its value is from."""
    file.write_text('[server]\nport = 1\nname = "hall"\nmotd = "Hi."\n')
    variables = {"CHAT_SERVER__SERVER__PORT": "2", "CHAT_SERVER__SERVER__NAME": "attic"}
    both = settled(variables, file, port=3, host=None)
    server = both.settings.server
    assert (server.port, server.name, server.motd) == (3, "attic", "Hi.")
    origins = [both.origin(("server", name)) for name in ("port", "name", "motd", "host")]
    assert origins == ["--port", "CHAT_SERVER__SERVER__NAME", str(file), "default"]
    assert both.origins == [str(file), *sorted(variables), "--port"]


def test_a_variable_is_a_toml_value_or_a_text() -> None:
    """As the setting is one or the other; in any case."""
    settings = settled(
        {
            "CHAT_SERVER__SERVER__NAME": "7",
            "CHAT_SERVER__SERVER__DURABILITY": "process",
            "CHAT_SERVER__LIMITS__EXEMPT_LOOPBACK": "false",
            "chat_server__limits__hello_timeout": "2.5",
            "CHAT_SERVER__HISTORY__DAYS": "30",
            "CHAT_SERVER__HISTORY__ROOMS__OPS__ENTRIES": "5000",
            "CHAT_SERVER__ROOMS__OWNERLESS": '["hall", "lobby"]',
            "CHAT_SERVER__ADMIN__PASSWORD": "1234",
            "CHAT_SERVER__TLS": '{cert = "c.pem"}',
            "CHAT_SERVER__TLS__REQUIRED": "true",
        }
    ).settings
    assert (settings.server.name, settings.server.durability) == ("7", "process")
    assert (settings.limits.exempt_loopback, settings.limits.hello_timeout) == (False, 2.5)
    assert settings.history.retention("ops") == (5000, None)
    assert settings.rooms.ownerless == ("hall", "lobby")
    assert settings.admin.password is not None
    assert settings.admin.password.get_secret_value() == "1234"
    assert (settings.tls.cert, settings.tls.required) == ("c.pem", True)


def test_an_empty_variable_is_not_set() -> None:
    """So that `${PASSWORD:-}` is no password, and not the empty one."""
    empty = {"CHAT_SERVER__ADMIN__PASSWORD": "", "CHAT_SERVER__METRICS__PORT": ""}
    assert settled(empty).settings == Settings()


def test_what_kubernetes_sets_is_not_ours() -> None:
    """A service called chat-server gives every container such variables."""
    theirs = {"CHAT_SERVER_PORT": "tcp://10.0.0.7:5555", "CHAT_SERVER_SERVICE_HOST": "10.0.0.7"}
    assert settled(theirs).settings == Settings()


def test_programs_do_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in a test is what the test says."""
    monkeypatch.setenv("CHAT_SERVER__SERVER__PORT", "7")
    assert load(None, {}) == Settings()


WRONG = {
    "SERVER__PROT": ("1", "there is no setting server.prot; is server.port meant?"),
    "PORT": ("1", "there is no setting port; is server.port meant?"),
    "SEVER__PORT": ("1", "there is no setting sever; is server meant?"),
    "SERVER__CONNECTIONS": ("1", "is limits.connections meant?"),
    "SERVER__ZZZ": ("", "there is no setting server.zzz"),
    "SERVER__PORT": ("http", "server.port: input should be a valid integer"),
    "SERVER": ("7", "server: input should be a valid dictionary"),
    "SERVER__PORT__X": ("7", "server.port: input should be a valid integer"),
    "LIMITS__EXEMPT_LOOPBACK": ("yes", "valid boolean, true or false"),
    "ROOMS__OWNERLESS": ("lobby", 'valid tuple, a list such as ["lobby"]'),
    "LOG__FORMAT": ("xml", "log.format: input should be 'text' or 'json'"),
    "HISTORY__ROOMS__OPS__HOURS": ("1", "history.rooms.ops.hours"),
    "": ("1", "there is no setting"),
}


@pytest.mark.parametrize(("name", "text", "expected"), [(n, *rest) for n, rest in WRONG.items()])
def test_case_120_a_wrong_variable_is_named(name: str, text: str, expected: str) -> None:
    """With the setting that was probably meant, or what it takes."""
    message = mistake({f"CHAT_SERVER__{name}": text})
    assert message.startswith(f"CHAT_SERVER__{name}: ")
    assert expected in message


def test_case_120_a_mistake_below_is_told_although_something_stands_over_it(file: Path) -> None:
    """A section that is none in the file stays an error of the file."""
    file.write_text("server = 7\n")
    assert mistake({"CHAT_SERVER__SERVER__PORT": "1"}, file).startswith(str(file))


def test_a_wrong_value_is_not_repeated() -> None:
    """It may be a password in the wrong place."""
    assert "hunter2" not in mistake({"CHAT_SERVER__SERVER__PORT": "hunter2"})
    assert "hunter2" not in mistake({"CHAT_SERVER__ADMIN__PASSWORD_FILE__X": "hunter2"})


def test_a_name_that_moves_a_terminal_is_escaped(file: Path) -> None:
    """In the file too."""
    file.write_text('"a\\n\\u001b[31m" = 1\n')
    assert "\\n\\u001b[31m" in mistake({}, file)


def test_the_user_s_file_is_read_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among the user's settings, as the platform has them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_file() is None
    (tmp_path / "typed-chat").mkdir()
    file = tmp_path / "typed-chat" / "server.toml"
    file.touch()
    assert default_file() == file


# Settings as text


def uncommented() -> str:
    """The file of the defaults with every line in force that has a default."""
    lines = commented_defaults().splitlines()
    return "\n".join(
        re.sub(r"^#(?=[a-z_]+ = |\[)", "", line) for line in lines if NOT_SET not in line
    )


def test_the_file_of_the_defaults_changes_nothing(file: Path) -> None:
    """As it is, and with every # taken away."""
    file.write_text(commented_defaults())
    assert load(file, {}) == Settings()
    file.write_text(uncommented())
    settings = load(file, {})
    assert settings.history.rooms.pop("ops") == RoomHistory()
    assert settings == Settings()


def leaves(model: type[BaseModel], above: str) -> list[tuple[str, Any]]:
    """Every setting of a section with its field."""
    return [(f"{above}.{name}", field) for name, field in model.model_fields.items()]


SETTINGS = [leaf for name, model in sections() for leaf in leaves(model, name)]


@pytest.mark.parametrize(("name", "field"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_every_setting_is_in_the_file_with_its_reason(name: str, field: Any) -> None:
    """A comment above it, its default behind it."""
    section, _, key = name.partition(".")
    part = commented_defaults().partition(f"\n[{section}]\n")[2].partition("\n\n[")[0]
    found = re.search(rf"\n\n(# .+\n)+#(\[{section}\.)?{key}( =|\.)", part)
    assert found, part


EXAMPLES = [(name, field) for name, field in SETTINGS if field.examples]


@pytest.mark.parametrize(("name", "field"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_every_example_is_allowed(name: str, field: Any) -> None:
    """Who takes the # away gets a server that starts."""
    section, _, key = name.partition(".")
    changed = Settings.model_validate({section: {key: field.examples[0]}})
    assert getattr(getattr(changed, section), key) == field.examples[0]


def test_what_has_no_default_has_an_example() -> None:
    """All but the password, which nobody should copy."""
    bare = [name for name, field in SETTINGS if field.default is None and not field.examples]
    assert bare == ["admin.password"]


def test_what_is_in_force_is_toml_and_says_where_it_is_from(file: Path) -> None:
    """One setting a line; a secret is not shown; a room of any name is one."""
    file.write_text('[history.rooms.ops]\ndays = 1\n[history.rooms."a.b"]\nentries = 2\n')
    both = settled({"CHAT_SERVER__ADMIN__PASSWORD": "hunter2"}, file, port=7)
    lines = list(in_force(both, origins=True))
    assert "server.port = 7  # --port" in lines
    assert f"history.rooms.ops.days = 1.0  # {file}" in lines
    assert 'admin.password = "***"  # CHAT_SERVER__ADMIN__PASSWORD' in lines
    assert "# server.motd is not set  # default" in lines
    read_back = tomllib.loads("\n".join(in_force(both, origins=False)))
    assert read_back["history"]["rooms"]["a.b"] == {"entries": 2}
    assert "hunter2" not in "\n".join(lines)


# Reloading


def test_what_needs_a_restart_is_named() -> None:
    """What can be taken up at once is not."""
    new = Settings.model_validate(
        {
            "server": {"port": 1, "motd": "Hi."},
            "log": {"level": "debug", "waiting": 1},
            "history": {"rooms": {"ops": {"days": 1}}},
            "admin": {"password": "new"},
        }
    )
    assert restart_needed(Settings(), new) == ["server.port", "history.rooms", "log.waiting"]
    assert restart_needed(new, new) == []


def test_everything_that_can_be_taken_up_is_a_setting() -> None:
    """A name that was changed is changed here too."""
    names = {name for name, _ in SETTINGS} | set(Settings.model_fields)
    assert set(LIVE) <= names
