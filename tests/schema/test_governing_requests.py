"""Requests about accounts, of moderators and of administrators: their bounds, and their secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from chat_schema import limits, requests
from chat_schema.errors import Refused
from chat_schema.replies import Error
from chat_schema.requests import REQUESTS, read_request, refusal_of
from tests.support import strategies
from tests.support.specimens import FULL, MINIMAL

SECRET = "hunter2-open-sesame"
SECRETS = {"password", "old", "new", "signature", "token"}
"""Fields, at any depth, whose value only the server may see."""


def read(type_: str, **fields: Any) -> requests.AnyRequest:
    """Read the least request of a type, with these fields besides or instead."""
    return read_request(json.dumps({"type": type_, **MINIMAL[type_], **fields}).encode())


def refusal_to(type_: str, **fields: Any) -> Refused:
    """How such a request is refused."""
    with pytest.raises(Refused) as caught:
        read(type_, **fields)
    return caught.value


# Secrets


def secret_places() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every field of every request whose name says that it holds a secret, nested ones too."""
    for type_, fields in FULL.items():
        for name, value in fields.items():
            if name in SECRETS:
                yield type_, (name,)
            if isinstance(value, dict):
                yield from ((type_, (name, inner)) for inner in value if inner in SECRETS)


PLACES = list(secret_places())


def with_secret(type_: str, place: tuple[str, ...], secret: object) -> dict[str, Any]:
    """The whole request of a type with something put into one place."""
    fields: dict[str, Any] = json.loads(json.dumps({"type": type_, "id": "7", **FULL[type_]}))
    inner = fields
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = secret
    return fields


def test_the_places_of_secrets_are_found() -> None:
    """Or the tests below would look at nothing."""
    assert {
        ("hello", ("login", "password")),
        ("hello", ("login", "signature")),
        ("hello", ("resume", "token")),
        ("join", ("password",)),
        ("login", ("password",)),
        ("login", ("signature",)),
        ("register", ("password",)),
        ("passwd", ("old",)),
        ("passwd", ("new",)),
        ("unregister", ("password",)),
        ("mode", ("password",)),
        ("elevate", ("password",)),
        ("account", ("password",)),
    } == set(PLACES)


@pytest.mark.parametrize(("type_", "place"), PLACES)
@given(letters=st.text("abcdefXYZ", min_size=10, max_size=10))
def test_a_secret_is_not_shown_with_its_request(
    type_: str, place: tuple[str, ...], letters: str
) -> None:
    """Whoever writes a request into a log writes no secret: not by repr, str or format."""
    secret = (f"{letters}-_7" * 7)[:86] if place[-1] == "signature" else f"{letters}-_7"
    request = read_request(json.dumps(with_secret(type_, place, secret)).encode())
    assert secret in request.model_dump_json()
    assert secret not in f"{request!r} {request} {request:}"


@pytest.mark.parametrize(("type_", "place"), PLACES)
@given(wrong=strategies.json_values)
def test_case_29_no_refusal_repeats_what_stood_where_a_secret_belongs(
    type_: str, place: tuple[str, ...], wrong: object
) -> None:
    """Whatever is wrong with it: neither what is raised nor the error frame says it."""
    planted: Any = [SECRET, {SECRET: wrong}]
    with pytest.raises(Refused) as caught:
        read_request(json.dumps(with_secret(type_, place, planted)).encode())
    frame = Error.from_refused(caught.value).model_dump_json()
    assert SECRET not in f"{caught.value!r} {caught.value.args} {frame}"


@pytest.mark.parametrize(("type_", "place"), PLACES)
@pytest.mark.parametrize("fault", ["too long", "another field"])
def test_case_29_no_refusal_repeats_a_secret(
    type_: str, place: tuple[str, ...], fault: str
) -> None:
    """Not when it is too long, and not when something else is wrong with its request."""
    fields = with_secret(type_, place, SECRET * 500 if fault == "too long" else SECRET)
    if fault == "another field":
        fields |= dict.fromkeys(MINIMAL[type_], 7) | {"id": [SECRET]}
    with pytest.raises(Refused) as caught:
        read_request(json.dumps(fields).encode())
    frame = Error.from_refused(caught.value).model_dump_json()
    assert SECRET not in f"{caught.value!r} {caught.value.args} {frame}"


@pytest.mark.parametrize("model", REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_cannot_be_made_does_not_say_its_secrets(model: type[BaseModel]) -> None:
    """A client that shows why its own request is wrong shows no password."""
    type_ = model.model_fields["type"].default
    planted = {name: [SECRET] for name in model.model_fields if name != "type"}
    with pytest.raises(ValidationError) as caught:
        model(**planted)
    said = refusal_of(caught.value)
    assert SECRET not in json.dumps([said.message, said.field, type_])


# Bounds

ALLOWED = [
    ("register", "password", "x"),
    ("register", "password", "x" * 128),
    ("register", "password", "\0\n pass word 😀"),
    ("mode", "password", ""),
    ("key", "public", ""),
    ("ban", "target", "192.0.2.7"),
    ("ban", "target", "192.0.2.0/24"),
    ("ban", "target", "2001:db8::/48"),
    ("ban", "target", "::1"),
    ("unban", "target", "#7"),
    ("ban", "seconds", 1),
    ("mute", "seconds", limits.SANCTION_SECONDS),
    ("mode", "slow", 0),
    ("shutdown", "seconds", 0),
    ("kick", "reason", "x" * 200),
    ("kick", "reason", "\u202eright to left"),
    ("kick", "room", "*"),
    ("ban", "room", "*"),
    ("bans", "room", "*"),
    ("mutes", "room", "*"),
]

REFUSED = [
    ("register", "password", ""),
    ("register", "password", "x" * 129),
    ("register", "password", 12345678),
    ("elevate", "password", ""),
    ("elevate", "password", "x" * 129),
    ("mode", "password", "x" * 129),
    ("login", "signature", "A" * 85),
    ("login", "signature", "A" * 87),
    ("login", "signature", "A" * 85 + "="),
    ("login", "signature", "A" * 85 + "+"),
    ("login", "signature", "A" * 86 + "\n"),
    ("key", "public", "A" * 42),
    ("key", "public", "A" * 43 + "="),
    ("ban", "target", ""),
    ("ban", "target", "x" * 65),
    ("ban", "target", "a b"),
    ("ban", "target", "-a"),
    ("ban", "target", "a\x1b[2J"),
    ("unban", "target", "!"),
    ("kick", "target", "192.0.2.0/24"),
    ("mute", "target", "#7"),
    ("ban", "seconds", 0),
    ("ban", "seconds", -1),
    ("ban", "seconds", limits.SANCTION_SECONDS + 1),
    ("ban", "seconds", 10**9),
    ("ban", "seconds", 1.5),
    ("ban", "seconds", True),
    ("mute", "seconds", "60"),
    ("mute", "seconds", 0),
    ("mode", "slow", -1),
    ("mode", "slow", limits.SLOW_SECONDS + 1),
    ("mode", "slow", True),
    ("mode", "moderated", 1),
    ("mode", "moderated", "yes"),
    ("mode", "invite_only", []),
    ("shutdown", "seconds", -1),
    ("shutdown", "seconds", limits.SHUTDOWN_SECONDS + 1),
    ("kick", "reason", ""),
    ("kick", "reason", "x" * 201),
    ("kick", "reason", "two\nlines"),
    ("kick", "reason", "a\ttab"),
    ("ban", "reason", "\x1b]52;c;aGk=\x07"),
    ("mute", "reason", "\x9b2J"),
    ("shutdown", "reason", "\r"),
    ("promote", "role", "admin"),
    ("promote", "role", "none"),
    ("lockdown", "level", "everybody"),
    ("account", "role", "owner"),
    ("account", "remove", "yes"),
    ("sessions", "after", -1),
    ("audit", "limit", 0),
    ("audit", "limit", limits.AUDIT_PAGE + 1),
    ("audit", "before", 2**53),
]


@pytest.mark.parametrize(("type_", "field", "value"), ALLOWED)
def test_what_is_within_the_bounds_arrives_as_it_was_sent(
    type_: str, field: str, value: object
) -> None:
    """The longest, the shortest and the odd."""
    assert getattr(read(type_, **{field: value}), field) == value


@pytest.mark.parametrize(("type_", "field", "value"), REFUSED)
def test_what_is_out_of_bounds_is_refused_by_its_name(
    type_: str, field: str, value: object
) -> None:
    """Cases 26, 40, 42 and 82: nothing is converted, cut or adjusted."""
    refused = refusal_to(type_, **{field: value})
    assert (refused.code, refused.field) == ("field.invalid", field)


@pytest.mark.parametrize("type_", ["mods", "promote", "demote", "invite", "mode", "join"])
def test_offices_and_modes_are_of_one_room(type_: str) -> None:
    """The server as a whole has roles and a lockdown instead."""
    assert refusal_to(type_, room="*").code == "room.invalid"


def test_a_reason_longer_than_allowed_says_limit_and_size() -> None:
    """So that a client can tell how much to leave out."""
    refused = refusal_to("kick", reason="x" * 201)
    assert (refused.limit, refused.size) == (limits.REASON_CHARACTERS, 201)


# The login in a hello


@given(strategies.credentials)
def test_every_login_arrives_as_it_was_made(login: requests.Credentials) -> None:
    """Passwords and signatures of any allowed form, escaped by the sender or not."""
    body = requests.Hello(login=login).model_dump_json(exclude_none=True)
    for form in (body, json.dumps(json.loads(body))):
        hello = read_request(form.encode())
        assert isinstance(hello, requests.Hello)
        assert hello.login == login


@pytest.mark.parametrize(
    ("login", "field"),
    [
        ({"nick": "a b"}, "login.nick"),
        ({"nick": "alice", "password": ""}, "login.password"),
        ({"nick": "alice", "password": 7}, "login.password"),
        ({"nick": "alice", "signature": "x"}, "login.signature"),
        (True, "login"),
        ("alice", "login"),
    ],
)
def test_an_ill_made_login_is_a_fault_of_its_field(login: object, field: str) -> None:
    """The field at fault is named, whatever it holds is not."""
    refused = refusal_to("hello", login=login)
    assert refused.field == field
    assert refused.code == "field.invalid"


@pytest.mark.parametrize("login", [{}, {"password": SECRET}, {"nick": None}])
def test_a_login_needs_a_name(login: object) -> None:
    """The name is missed by its place."""
    refused = refusal_to("hello", login=login)
    assert (refused.code, refused.field) == ("field.missing", "login.nick")


def test_unknown_fields_of_a_login_are_no_fault() -> None:
    """A later level may have other ways to show who one is."""
    hello = read("hello", login={"nick": "alice", "passkey": [1]})
    assert isinstance(hello, requests.Hello)
    assert hello.login == requests.Credentials(nick="alice", passkey=[1])


@pytest.mark.parametrize("inside", ["NaN", "1e400", "9007199254740992", "[" * 15 + "]" * 15])
def test_unknown_fields_of_a_login_are_sound_json_too(inside: str) -> None:
    """What other libraries would read differently is refused at every depth."""
    body = f'{{"type":"hello","id":"7","login":{{"nick":"alice","x":{inside}}}}}'
    with pytest.raises(Refused) as caught:
        read_request(body.encode())
    assert (caught.value.code, caught.value.re) == ("frame.invalid", "7")


def test_the_longest_hello_with_a_login_fits_into_a_frame_before_the_welcome() -> None:
    """Everything that a hello may have, in the way of writing that takes most."""
    rooms = {f"{number:064}": ["e" * 32, limits.SAFE_INTEGER] for number in range(limits.RESUMED)}
    longest = {
        "id": "\0" * limits.ID_CHARACTERS,
        "client": "😀" * 64,
        "login": {
            "nick": "n" * limits.NICK_CHARACTERS,
            "password": "😀" * limits.PASSWORD_LONGEST,
            "signature": "s" * 86,
        },
        "resume": {"token": "t" * limits.TOKEN_CHARACTERS, "rooms": rooms},
    }
    assert read("hello", **longest).type == "hello"
    assert len(json.dumps({"type": "hello", **longest})) < limits.FRAME_BEFORE_WELCOME
