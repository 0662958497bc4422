"""The settings as text: the file of the defaults with the reasons, and what is in force.

Both are TOML: the first can be saved and edited, the second read by programs.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from chat_server import settings
from chat_server.config import Configuration, Place
from chat_server.settings import Settings

HEAD = """\
# Every setting of chat-server, what it is for, and its default.
#
# Take the # away from a line to change it. What is left out keeps its default, also when that
# changes in a later version. The environment (CHAT_SERVER__SECTION__KEY) and flags stand over this.
"""

SECRET = "***"
"""Stands for a value that nobody is shown."""

_BARE = re.compile("[A-Za-z0-9_-]+")

NOT_SET = "# not set"
"""Behind a line whose value is an example, because there is no default."""


def commented_defaults() -> str:
    """A configuration file in which nothing is set, with every setting in a comment."""
    reasons = _reasons()
    blocks = [HEAD.rstrip()]
    for name, field in Settings.model_fields.items():
        model = _section(field.annotation)
        assert model is not None, "a setting is in a section"
        blocks.append(f"\n[{name}]\n" + "\n".join(_comment(model.__doc__)))
        blocks += _of_section(name, model, reasons)
    return "\n".join(blocks) + "\n"


def in_force(configuration: Configuration, *, origins: bool) -> Iterator[str]:
    """Yield a line for each setting, `section.name = value`, with where it is from if asked."""
    for place, value in _leaves((), configuration.settings):
        name = ".".join(part if _BARE.fullmatch(part) else _toml(part) for part in place)
        line = f"# {name} is not set" if value is None else f"{name} = {_toml(value)}"
        yield f"{line}  # {configuration.origin(place)}" if origins else line


def _of_section(name: str, model: type[BaseModel], reasons: dict[str, str]) -> Iterator[str]:
    """The settings of a section, those with a table of their own last, as TOML wants it."""
    tables = []
    for key, field in model.model_fields.items():
        reason = "\n".join(_comment(_reason(model, key, reasons)))
        kinds = [kind for kind in get_args(field.annotation) if _section(kind)]
        if kinds and field.default == {}:
            tables.append(f"\n{reason}\n#[{name}.{key}.ops]\n" + "\n".join(_lines(kinds[0])))
        else:
            yield f"\n{reason}\n{_line(key, field)}"
    yield from tables


def _lines(model: type[BaseModel]) -> list[str]:
    return [_line(key, field) for key, field in model.model_fields.items()]


def _line(key: str, field: FieldInfo) -> str:
    if field.default is not None:
        return f"#{key} = {_toml(field.default)}"
    example = field.examples[0] if field.examples else ""
    return f"#{key} = {_toml(example)}  {NOT_SET}"


def _comment(text: str | None) -> list[str]:
    return [f"# {line}".rstrip() for line in inspect.cleandoc(text or "").splitlines()]


def _reason(model: type[BaseModel], key: str, reasons: dict[str, str]) -> str:
    """What stands below the field in the class that declares it."""
    found = [reasons.get(f"{owner.__name__}.{key}") for owner in model.__mro__]
    return next(filter(None, found), "")


def _reasons() -> dict[str, str]:
    """The text below each field, by class and name; read from the source, only when asked for.

    pydantic offers the same (`use_attribute_docstrings`) and takes 0.1 s for it at every start.
    """
    reasons = {}
    for node in ast.parse(inspect.getsource(settings)).body:
        body = node.body if isinstance(node, ast.ClassDef) else []
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(node, ast.ClassDef)
                reasons[f"{node.name}.{ast.unparse(field.target)}"] = ast.literal_eval(text.value)
    return reasons


def _leaves(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    """Every setting with its value; of rooms with limits of their own, those limits."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _leaves((*place, name), getattr(value, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves((*place, name), inner)
    else:
        yield place, value


def _section(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _toml(value: Any) -> str:
    """A value as TOML writes it; its strings are those of JSON, but for one character."""
    if isinstance(value, SecretStr):
        return json.dumps(SECRET)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
