"""Reads the settings from a TOML file, the environment and flags, and knows where each is from.

Rules:
- A flag stands over the environment, that over the file, and that over the default.
- A variable is `CHAT_SERVER__SECTION__KEY`, in any case; an empty one counts as not set. One
  underscore would not do: Kubernetes sets `CHAT_SERVER_PORT` for a service called chat-server.
- Whatever is unknown or ill-typed is an error of one line that names its place, and never repeats
  the value: it may be a secret.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from platformdirs import user_config_path
from pydantic import BaseModel, SecretStr, ValidationError

from chat_server.loglines import harmless
from chat_server.settings import (
    MEMORY,
    Admin,
    Auth,
    Heartbeat,
    History,
    Limits,
    Log,
    Metrics,
    Resume,
    RoomHistory,
    RoomSettings,
    Server,
    Settings,
    Tls,
)

__all__ = [
    "MEMORY", "Admin", "Auth", "ConfigError", "Configuration", "Heartbeat", "History", "Limits",
    "Log", "Metrics", "Resume", "RoomHistory", "RoomSettings", "Server", "Settings", "Tls",
    "default_file", "load", "read",
]  # fmt: skip

PREFIX = "CHAT_SERVER__"
"""What our variables begin with; two underscores stand between the parts of a name."""

FLAGS = {
    "host": "server.host",
    "port": "server.port",
    "data": "server.data",
    "io_threads": "server.io_threads",
    "log_dir": "log.dir",
    "log_format": "log.format",
    "tls_cert": "tls.cert",
    "tls_key": "tls.key",
}
"""The option of `chat-server run` behind which a setting can stand."""

HINTS = {
    "bool_type": ", true or false",
    "tuple_type": ', a list such as ["lobby"]',
    "model_type": "",
}
"""What pydantic's words leave open, by the type of its error."""

Place = tuple[str, ...]
"""The name of a setting, in parts."""


class ConfigError(Exception):
    """A setting that cannot be used; the message is one line that says which and why."""


class Given(NamedTuple):
    """A value that somebody has set, and where."""

    place: Place
    value: Any
    origin: str

    def concerns(self, place: Place) -> bool:
        """Whether this sets `place`, something in it, or what it is in."""
        shared = min(len(self.place), len(place))
        empty = self.value == {} and shared < len(place)
        return self.place[:shared] == place[:shared] and not empty


class Configuration(NamedTuple):
    """The settings, and where those come from that are not left at their defaults."""

    settings: Settings
    given: list[Given]

    def origin(self, place: Place) -> str:
        """The file, variable or flag that sets this; `default` where none does."""
        return _origin(self.given, place) or "default"

    @property
    def origins(self) -> list[str]:
        """Every file, variable and flag that was read, in the order of their rank."""
        return list(dict.fromkeys(given.origin for given in self.given))


def default_file() -> Path | None:
    """The user's configuration file, None where there is none."""
    file = user_config_path("typed-chat") / "server.toml"
    return file if file.exists() else None


def load(file: Path | None, overrides: dict[str, Any]) -> Settings:
    """Return the settings of `file`, with those of `[server]` in `overrides` put over them.

    For programs: the environment is not looked at. Raises ConfigError where the file cannot be
    read or a value is not allowed.
    """
    over = [Given(("server", name), value, "") for name, value in overrides.items()]
    return _settle([*_of_file(file), *over]).settings


def read(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> Configuration:
    """Return what `file`, the variables in `environment` and the options in `flags` say together.

    Options that are None were not given. Raises ConfigError.
    """
    return _settle([*_of_file(file), *_of_environment(environment), *_of_flags(flags)])


def _settle(given: list[Given]) -> Configuration:
    """Put later values over earlier ones and check the whole."""
    values: dict[str, Any] = {}
    for place, value, _ in given:
        _put(values, place, value)
    try:
        return Configuration(Settings.model_validate(values), given)
    except ValidationError as error:
        raise ConfigError(harmless(_explain(error, given))) from None


def _put(values: dict[str, Any], place: Place, value: Any) -> None:
    for part in place[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            return  # a section that is none: the check will say so
    if value == {}:
        values.setdefault(place[-1], value)
    else:
        values[place[-1]] = value


# What is given


def _of_file(file: Path | None) -> Iterator[Given]:
    if file is None:
        return
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None
    yield from _leaves((), values, str(file))


def _of_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    """The values of our variables, in the order of their names: sections before what is in them."""
    for name in sorted(environment):
        if name.upper().startswith(PREFIX):
            place = tuple(name[len(PREFIX) :].lower().split("__"))
            annotation = _annotation(place)
            text = environment[name]
            if text or annotation is None:
                yield from _leaves(place, _value(annotation, text), name)


def _of_flags(flags: Mapping[str, Any]) -> Iterator[Given]:
    for name, value in flags.items():
        if value is not None:
            place = tuple(FLAGS[name].split("."))
            yield Given(place, value, "--" + name.replace("_", "-"))


def _leaves(place: Place, value: Any, origin: str) -> Iterator[Given]:
    """Every value in a table, with its whole name; an empty table is a value."""
    if isinstance(value, dict) and (value or place):
        if not value:
            yield Given(place, value, origin)
        for name, inner in value.items():
            yield from _leaves((*place, name), inner, origin)
    elif place:
        yield Given(place, value, origin)


def _value(annotation: Any, text: str) -> Any:
    """What the text of a variable stands for: itself for a string, otherwise a TOML value."""
    if annotation is None or _takes_text(annotation):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # the check will say what was expected instead


def _annotation(place: Place) -> Any:
    """The type of the setting of this name, None where there is none."""
    annotation: Any = Settings
    for part in place:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(part)
            annotation = field.annotation if field is not None else None
        else:
            return None
    return annotation


def _takes_text(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _takes_text(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(_takes_text(kind) for kind in get_args(annotation))
    return annotation in (str, SecretStr) or origin is Literal


# What is wrong


def _explain(error: ValidationError, given: list[Given]) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = tuple(str(part) for part in first["loc"] if part != "[key]")
    origin = _origin(given, place)
    where = f"{origin}: " if origin else ""
    name = ".".join(place)
    if first["type"] == "extra_forbidden":
        return f"{where}there is no setting {name}{_likely(place)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}{name}: {message[0].lower()}{message[1:]}{HINTS.get(first['type'], '')}"


def _origin(given: list[Given], place: Place) -> str | None:
    """Who set this, or else what is in it or what it is in; the one of the highest rank."""
    exact = (one.origin for one in reversed(given) if one.place == place)
    near = (one.origin for one in reversed(given) if one.concerns(place))
    return next(exact, None) or next(near, None)


def _likely(place: Place) -> str:
    """The setting that was probably meant: of the same section, or else of any."""
    names = list(_names(Settings, ()))
    nearby = [name for name in names if name[:-1] == place[:-1]]
    for candidates in (nearby, names):
        by_key = {name[-1]: name for name in reversed(candidates)}
        if close := get_close_matches(place[-1], by_key, 1):
            return f"; is {'.'.join(by_key[close[0]])} meant?"
    return ""


def _names(model: type[BaseModel], above: Place) -> Iterator[Place]:
    """The name of every section and setting."""
    for name, field in model.model_fields.items():
        yield (*above, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, (*above, name))
