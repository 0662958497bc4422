"""PROTOCOL.md against the code: every example is parsed, every table compared both ways."""

from __future__ import annotations

import ast
import base64
import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ValidationError

from chat_schema import (
    PROTOCOL_LEVEL,
    events,
    limits,
    moderation_events,
    moderation_replies,
    names,
    replies,
    requests,
)
from chat_schema.errors import ERRORS
from chat_schema.framing import FrameDecoder, encode_frame
from chat_server.commands.registry import ROWS
from chat_server.config import Settings
from chat_server.domain.attempts import ACCOUNT_PATIENCE, ADDRESS_PATIENCE
from chat_server.domain.meters import LATELY, PATIENCE
from chat_server.domain.rights import Rank
from chat_server.journal.base import CID_DAYS
from chat_server.journal.memory import CIDS
from tests.support.document import ROOT, Document, blocks, tables
from tests.support.specimens import FULL, MINIMAL

PROTOCOL = Document("PROTOCOL.md")


def _plain(annotation: Any) -> Any:
    """The type behind constraints and `None`."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


LABELS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    names.User: "user",
    requests.Resume: "true or object",
    requests.Credentials: "login",
    replies.Rate: "rate",
    moderation_events.Settings: "mode",
    moderation_replies.AccountEntry: "account",
    list[str]: "list of strings",
    list[names.User]: "list of users",
    list[replies.RoomEntry]: "list of rooms",
    list[dict[str, Any]]: "list of events",
    list[moderation_replies.Officer]: "list of officers",
    list[moderation_replies.Sanction]: "list of sanctions",
    list[moderation_replies.SessionEntry]: "list of sessions",
    list[moderation_replies.AuditEntry]: "list of deeds",
    list[moderation_replies.AccountEntry]: "list of accounts",
    dict[str, int | float | str]: "object",
    tuple[int, int]: "list of two integers",
    _plain(names.Cursor): "cursor",
    _plain(requests.Resume.model_fields["rooms"].annotation): "object of cursors",
}


OBJECTS: dict[str, type[BaseModel]] = {
    "login": requests.Credentials,
    "rate": replies.Rate,
    "officer": moderation_replies.Officer,
    "mode": moderation_events.Settings,
    "sanction": moderation_replies.Sanction,
    "act": moderation_events.Act,
    "session": moderation_replies.SessionEntry,
    "deed": moderation_replies.AuditEntry,
    "account": moderation_replies.AccountEntry,
}
"""The sections of what stands inside of frames."""


def _label(annotation: Any) -> str:
    plain = _plain(annotation)
    if get_origin(plain) is Literal:
        return " | ".join(get_args(plain))
    return LABELS.get(plain) or ("object" if issubclass(plain, BaseModel) else str(plain))


def _fields(model: type[BaseModel], *without: str) -> list[tuple[str, str, str]]:
    """Name, type and presence of each field, as the document has them."""
    rows = []
    for name, field in model.model_fields.items():
        if name not in without:
            optional = type(None) in get_args(field.annotation)
            rows.append((name, _label(field.annotation), "no" if optional else "yes"))
    return rows


def _documented(table: list[list[str]]) -> list[tuple[str, str, str]]:
    assert all(row[3] for row in table), "every field has a meaning"
    return [(row[0], row[1], row[2]) for row in table]


@pytest.mark.parametrize("type_", requests.REQUESTS)
def test_request_tables_say_what_the_models_say(type_: str) -> None:
    """Each request's section has its fields and its reply's fields: no more, no fewer."""
    section = PROTOCOL.section(f"Request {type_}")
    expected = [_fields(requests.REQUESTS[type_], "type", "id")]
    alike = re.search(r"^Reply: that of \[(\w+)\]\(#request-\1\)\.$", section, re.MULTILINE)
    if alike is not None:
        assert replies.REPLIES[type_] is replies.REPLIES[alike[1]]
    elif type_ in replies.REPLIES:
        expected.append(_fields(replies.REPLIES[type_], "type", "re", "ignored"))
    assert [_documented(table) for table in tables(section)] == [rows for rows in expected if rows]


def test_the_tables_of_coming_back_say_what_the_models_say() -> None:
    """What `resume` holds in hello and in welcome: no more, no fewer."""
    found = tables(PROTOCOL.section("Coming back"))
    expected = [_fields(requests.Resume), _fields(replies.Resumption)]
    assert [_documented(table) for table in found] == expected


@pytest.mark.parametrize("type_", events.EVENTS)
def test_event_tables_say_what_the_models_say(type_: str) -> None:
    """Each event's section has its fields: no more, no fewer."""
    heading = "Bye" if type_ == "bye" else f"Event {type_}"
    [found] = tables(PROTOCOL.section(heading))
    model = events.EVENTS[type_]
    shared = moderation_events.Act.model_fields if issubclass(model, moderation_events.Act) else ()
    assert _documented(found) == _fields(model, "type", *shared)


@pytest.mark.parametrize("name", OBJECTS)
def test_the_tables_of_objects_say_what_the_models_say(name: str) -> None:
    """What stands inside of frames, and what all acts have, is documented whole."""
    [found] = tables(PROTOCOL.section(f"Object {name}"))
    assert _documented(found) == _fields(OBJECTS[name], "type")


def test_the_error_reply_is_documented_whole() -> None:
    """The fields of an error are those of its model."""
    [found] = tables(PROTOCOL.section("Error replies"))
    assert _documented(found) == _fields(replies.Error, "type")


def test_a_user_is_documented_whole() -> None:
    """The fields of a user are those of its model."""
    [found] = tables(PROTOCOL.section("People, rooms, time, text"))
    assert _documented(found) == _fields(names.User)


def test_every_type_has_a_section_and_no_section_is_left_over() -> None:
    """Requests and events in the document are those of the code."""
    headings = PROTOCOL.headings()
    documented = {head.split()[1] for head in headings if head.startswith("Request ")}
    announced = {head.split()[1] for head in headings if head.startswith("Event ")} | {"bye"}
    assert documented == set(requests.REQUESTS) == set(ROWS)
    assert announced == set(events.EVENTS)
    assert {head.split()[1] for head in headings if head.startswith("Object ")} == set(OBJECTS)


def test_the_error_table_is_the_registry() -> None:
    """Codes, meanings and consequences agree, in order."""
    [found] = tables(PROTOCOL.section("Errors"))
    assert found == [
        [
            f"`{code}`",
            row.meaning,
            "yes" if row.fatal else "no",
            "yes" if row.retryable else "no",
            row.reconnect if row.fatal else "",
        ]
        for code, row in ERRORS.items()
    ]


ANNOUNCED = {
    "limits.text",
    "limits.rooms_per_client",
    "limits.messages_burst",
    "limits.messages_per_second",
    "limits.joins_burst",
    "limits.joins_per_minute",
    "limits.reads_burst",
    "limits.reads_per_minute",
}
"""Settings that a client reads in the welcome."""

UNFELT = {"limits.exempt_loopback", "auth.hash_kib", "auth.hash_passes"}
"""Settings that no client can tell from others: the first is said beside another."""


def test_the_limits_are_those_the_server_announces() -> None:
    """The first table of limits is `welcome.limits` as the defaults make it."""
    announced, _ = tables(PROTOCOL.section("Limits"))
    rates = Settings().limits
    expected = replies.Limits(
        messages=replies.Rate(burst=rates.messages_burst, per_second=rates.messages_per_second),
        joins=_per_minute(rates.joins_burst, rates.joins_per_minute),
        reads=_per_minute(rates.reads_burst, rates.reads_per_minute),
    )
    values = {row[0]: json.loads(row[1].strip("`")) for row in announced}
    assert values == expected.model_dump()
    assert list(values) == list(replies.Limits.model_fields)


def _per_minute(burst: int, rate: float) -> replies.Rate:
    return replies.Rate(burst=burst, per_second=round(rate / 60, 3))


def test_the_settings_a_client_can_feel_are_all_named() -> None:
    """The second table of limits holds settings with their defaults, and leaves none out."""
    _, settings = tables(PROTOCOL.section("Limits"))
    defaults = Settings().model_dump()
    for name, value, _ in settings:
        section, _, key = name.partition(".")
        assert value == _shown(defaults[section][key]), name
    felt = {f"{part}.{key}" for part in ("limits", "auth", "rooms") for key in defaults[part]}
    assert felt - ANNOUNCED - UNFELT <= {row[0] for row in settings}


def _shown(value: Any) -> str:
    """A default as the table has it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else f"{value:.0f}"


def test_the_numbers_in_the_prose_are_those_of_the_code() -> None:
    """What no table holds is compared where it stands."""
    text = " ".join(PROTOCOL.text.split()).replace("\u2013", "-")
    for said in (
        f"at most {limits.FRAME_BEFORE_WELCOME:,} bytes until you are welcomed",
        f"nested at most {limits.NESTING} levels",
        f"An epoch has at most {limits.EPOCH_CHARACTERS} characters",
        f"your secret, 1-{limits.TOKEN_CHARACTERS} of",
        f"`dm:`; at most {limits.RESUMED} |",
        f"the words, 1-{limits.SEARCH_CHARACTERS} characters",
        f"at most so many, 1-{limits.SEARCH_PAGE};",
        f"for {CID_DAYS} days the same `cid`",
        f"remembers the last {CIDS:,} at most",
        f"for an address by up to {ADDRESS_PATIENCE:.0f} s",
        f"for an account by up to {ACCOUNT_PATIENCE:.0f} s",
        f"Who is refused {PATIENCE} times within {LATELY:.0f} s",
    ):
        assert said in text


def test_the_state_table_is_the_registry() -> None:
    """When and to whom a request is allowed, and what it is counted as, is in the registry."""
    [found] = tables(PROTOCOL.section("States"))
    by_type = {row[0]: row[1:] for row in found[: len(ROWS)]}
    for type_, row in ROWS.items():
        before = "allowed" if row.rank is Rank.STRANGER else "`protocol.hello_required`"
        after = "`protocol.already_welcome`" if type_ == "hello" else "allowed"
        assert by_type.pop(type_) == [before, after, _ranks(type_), row.meter or ""]
    assert not by_type


SPOKEN = {"broadcast": Rank.ADMIN}
"""What is said is looked at by its handler: nothing else is asked so often."""


def _ranks(type_: str) -> str:
    """What the table says of the rank for a request: in a room, in `*`, to change something."""
    row, model = ROWS[type_], requests.REQUESTS[type_]
    if row.rank is Rank.STRANGER:
        return ""
    if row.rank_for is None and type_ not in SPOKEN:
        return row.rank.name.lower()
    if row.rank_for is None:
        return f"{row.rank.name.lower()}, in `*` {SPOKEN[type_].name.lower()}"
    asked, told = (
        model(**{**FULL[type_], "room": "dev"}),
        model(**{**MINIMAL[type_], "room": "dev"}),
    )
    least, most = row.rank_for(told), row.rank_for(asked)
    said = [least.name.lower()]
    if most is not least:
        said.append(f"to change {most.name.lower()}")
    if everywhere := _everywhere(type_):
        said.append(f"in `*` {everywhere.name.lower()}")
    return ", ".join(said)


def _everywhere(type_: str) -> Rank | None:
    """The rank in `*`, where there may be one."""
    row, model = ROWS[type_], requests.REQUESTS[type_]
    assert row.rank_for is not None
    try:
        return row.rank_for(model(**{**MINIMAL[type_], "room": names.EVERYONE}))
    except ValidationError:
        return None


def test_the_reserved_nicks_are_named() -> None:
    """The document lists exactly the nicks that nobody gets."""
    listed = re.search(r"nicks are taken\s+forever: ([^.]*)\.", PROTOCOL.text)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) == names.RESERVED_NICKS


def test_every_error_code_named_anywhere_exists() -> None:
    """No section speaks of a code that the registry lacks."""
    families = "|".join(sorted({code.split(".")[0] for code in ERRORS}))
    named = set(re.findall(rf"`((?:{families})\.[a-z_]+)`", PROTOCOL.text))
    assert named <= set(ERRORS)
    assert set(ERRORS) <= named


def test_every_code_the_code_uses_is_registered() -> None:
    """Each literal code in a Refused is a row of the registry, and each row is used."""
    used = set(_codes_in_source())
    assert used >= set(ERRORS)
    assert used - set(ERRORS) <= SETTINGS | FILES


SETTINGS = {f"{part}.{key}" for part, keys in Settings().model_dump().items() for key in keys}
FILES = {"server.toml"}
"""What looks like a code in the source and is none."""


def _codes_in_source() -> Iterator[str]:
    """Every string constant in the packages that looks like a code of a known family."""
    families = {code.split(".")[0] for code in ERRORS}
    for package in ("schema", "server"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "errors.py":
                yield from _codes_in(path, families)


def _codes_in(path: Path, families: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.fullmatch(r"([a-z]+)\.[a-z_]+", node.value)
            if found and found[1] in families:
                yield node.value


def _examples() -> Iterator[dict[str, Any]]:
    for block in blocks(PROTOCOL.text, "json"):
        for line in block.splitlines():
            yield json.loads(line)


def test_every_example_is_a_frame_of_the_protocol() -> None:
    """Each line of each block parses, has no unknown field, and a reply fits its request."""
    asked: dict[str, str] = {}
    count = 0
    for frame in _examples():
        count += 1
        if "re" in frame:
            _check_reply(frame, asked)
        elif "id" in frame or frame["type"] == "pong":
            request = requests.read_request(json.dumps(frame).encode())
            assert set(request.model_extra or ()) <= {"colour"}
            asked[frame.get("id", "")] = frame["type"]
        else:
            _check_known(frame, events.EVENTS[frame["type"]])
    assert count > len(requests.REQUESTS) + len(events.EVENTS)


def _check_reply(frame: dict[str, Any], asked: dict[str, str]) -> None:
    if frame["type"] == "error":
        _check_known(frame, replies.Error)
        row = ERRORS[frame["code"]]
        assert (frame["fatal"], frame["retryable"]) == (row.fatal, row.retryable)
    else:
        _check_known(frame, replies.REPLIES[asked[frame["re"]]])


def _check_known(frame: dict[str, Any], model: type[BaseModel]) -> None:
    """The model takes the frame and would send exactly these fields."""
    made = model.model_validate_json(json.dumps(frame))
    assert json.loads(made.model_dump_json(exclude_none=True)) == frame


def test_every_type_has_an_example() -> None:
    """A reader sees each request, each reply and each event at least once."""
    shown = {(frame["type"], "re" in frame) for frame in _examples()}
    for type_ in {*requests.REQUESTS, *events.EVENTS}:
        assert (type_, False) in shown
    assert {("welcome", True), ("ok", True), ("error", True)} <= shown


def test_the_hex_of_the_first_frame_is_right() -> None:
    """The byte-by-byte hello is what a frame encoder makes of the JSON beside it."""
    [dump] = blocks(PROTOCOL.section("A client in ten minutes"), "text")
    octets = bytes.fromhex("".join(re.findall(r"^((?:[0-9a-f]{2} )+)", dump, re.MULTILINE)))
    assert octets[4:] == b'{"type":"hello","id":"1","nick":"alice"}'
    assert octets == encode_frame(octets[4:])


def test_the_framing_vectors_do_what_they_say() -> None:
    """Each row of hex is cut, or refused, as its meaning says."""
    outcomes = []
    for octets, _ in tables(PROTOCOL.section("Framing"))[0]:
        decoder = FrameDecoder(limits.FRAME_TO_SERVER)
        bodies = decoder.feed(bytes.fromhex(octets.strip("`")))
        outcomes.append((bodies, decoder.too_large))
    assert outcomes == [
        ([], None),
        ([b'{"type":"pong"}'], None),
        ([b"{}"], None),
        ([b"[]"], None),
        ([], 65_537),
        ([], 1_195_725_856),
    ]


def test_the_vector_of_keys_is_right() -> None:
    """Key, signed bytes and signature of the document belong together, and to the prose beside."""
    section = PROTOCOL.section("Keys")
    [rows] = tables(section)
    seed, public, signed, signature = (row[1].strip("`") for row in rows)
    said = re.search(r"server `(.+)`, the account `(.+)`\s+and the nonce\s+`(.+)`:", section)
    assert said is not None
    lines = ("typed-chat login", said[1], said[2].lower(), said[3])
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    assert bytes.fromhex(signed) == "\n".join(lines).encode("ascii")
    assert private.public_key().public_bytes_raw() == _base64url(public)
    assert private.sign(bytes.fromhex(signed)) == _base64url(signature)
    Ed25519PublicKey.from_public_bytes(_base64url(public)).verify(
        _base64url(signature), bytes.fromhex(signed)
    )


def _base64url(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def test_links_within_the_document_lead_somewhere() -> None:
    """No anchor points to a heading that was renamed."""
    linked = set(re.findall(r"\]\(#([^)]+)\)", PROTOCOL.text))
    assert linked <= PROTOCOL.anchors()


def test_the_changelog_ends_at_the_level_of_the_code() -> None:
    """Who raises the level says in the document what came with it."""
    rows = tables(PROTOCOL.section("Changelog"))[0]
    assert rows[-1][0] == str(PROTOCOL_LEVEL)
