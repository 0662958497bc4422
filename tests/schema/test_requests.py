"""Reading requests: what is taken, what is refused, with which code, and what a refusal says.

Numbers of hostile cases stand in the ids of the tests, so that a failure names its case.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from chat_schema import limits, names, requests
from chat_schema.errors import ERRORS, Refused
from chat_schema.requests import REQUESTS, read_request, refusal_of
from tests.support import strategies
from tests.support.specimens import FULL, MINIMAL

SECRET = "hunter2-open-sesame"

FIELDS = [(type_, field) for type_, fields in FULL.items() for field in ["id", *fields]]


def body_of(value: object) -> bytes:
    """The JSON of a value."""
    return json.dumps(value).encode()


def read(**fields: Any) -> requests.AnyRequest:
    """Read a request with these fields."""
    return read_request(body_of(fields))


def outcome_of(body: bytes) -> requests.AnyRequest | Refused:
    """The request in the body, or why there is none."""
    try:
        return read_request(body)
    except Refused as refused:
        return refused


def refusal(body: bytes) -> Refused:
    """How the body is refused; fail where it is not."""
    with pytest.raises(Refused) as caught:
        read_request(body)
    return caught.value


def refusal_to(**fields: Any) -> Refused:
    """How a request with these fields is refused."""
    return refusal(body_of(fields))


# What is taken


def test_there_is_an_example_of_every_request() -> None:
    """The examples here cover what the schema has, neither more nor less."""
    assert set(MINIMAL) == set(FULL) == set(REQUESTS)


@pytest.mark.parametrize("type_", MINIMAL)
def test_a_request_needs_only_its_required_fields(type_: str) -> None:
    """Whatever may be left out is None then."""
    request = read(type=type_, **MINIMAL[type_])
    assert type(request) is REQUESTS[type_]
    assert request.model_dump(exclude_none=True) == {"type": type_, **MINIMAL[type_]}


@pytest.mark.parametrize("type_", FULL)
def test_a_request_takes_all_its_fields(type_: str) -> None:
    """Every field arrives as it was sent, and no other field exists."""
    request = read(type=type_, id="7", **FULL[type_])
    assert request.model_dump() == {"type": type_, "id": "7", **FULL[type_]}


@pytest.mark.parametrize("type_", FULL)
def test_null_means_absent(type_: str) -> None:
    """An optional field that is null is as if it were not there."""
    optional = {field: None for field in [*FULL[type_], "id"] if field not in MINIMAL[type_]}
    assert read(type=type_, **MINIMAL[type_], **optional) == read(type=type_, **MINIMAL[type_])


@pytest.mark.parametrize(("type_", "field"), [(t, f) for t in MINIMAL for f in MINIMAL[t]])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_required_field_is_missed(type_: str, field: str, how: str) -> None:
    """A required field that is absent or null is refused as missing, by its name."""
    fields = {**MINIMAL[type_], field: None}
    if how == "absent":
        del fields[field]
    refused = refusal_to(type=type_, id="7", **fields)
    assert (refused.code, refused.field, refused.re) == ("field.missing", field, "7")


@pytest.mark.parametrize("how", ["absent", "null"])
def test_the_type_is_missed(how: str) -> None:
    """No type and a type of null are the same: a missing field."""
    fields = {"id": "7"} if how == "absent" else {"id": "7", "type": None}
    refused = refusal_to(**fields)
    assert (refused.code, refused.field, refused.re) == ("field.missing", "type", "7")


@given(st.dictionaries(strategies.nicks.map("x-".__add__), strategies.json_values, max_size=4))
def test_unknown_fields_are_kept(extra: dict[str, Any]) -> None:
    """The reply can name them, because the request still has them, by name and value."""
    assert read(type="ping", **extra).model_extra == json.loads(json.dumps(extra))


@given(
    strategies.rooms, strategies.texts, strategies.maybe_cids, strategies.maybe_ids, st.booleans()
)
def test_whatever_the_rules_allow_is_read_as_it_was_sent(
    room: str, text: str, cid: str | None, id_: str | None, ascii_only: bool
) -> None:
    """Any allowed message arrives unchanged, escaped by the sender or not."""
    fields = {"type": "broadcast", "id": id_, "room": room, "text": text, "cid": cid}
    body = json.dumps(fields, ensure_ascii=ascii_only).encode()
    assert read_request(body).model_dump() == fields


# What is refused, and how


@given(st.binary())
@example(b"\xff")
@example(b'{"type":"ping","x":' + b"9" * 5000 + b"}")
@example(b'{"type":"history","room":"a","limit":' + b"9" * 4000 + b"}")
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    """Nothing but Refused comes out, with a code of the registry."""
    outcome = outcome_of(body)
    assert not isinstance(outcome, Refused) or outcome.code in ERRORS


field_names = st.sampled_from(sorted({field for _, field in FIELDS})) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
wild_objects = st.dictionaries(field_names, strategies.json_values, max_size=6).flatmap(
    lambda fields: st.sampled_from([*REQUESTS, "", "x"]).map(
        lambda type_: {"type": type_, **fields}
    )
)


@given(wild_objects | strategies.json_values)
def test_any_json_is_a_request_or_refused(value: object) -> None:
    """Whatever the fields hold: Refused with a code of the registry, and `re` where usable."""
    outcome = outcome_of(body_of(value))
    if isinstance(outcome, Refused):
        assert outcome.code in ERRORS
        assert outcome.re == usable_id(value)
    else:
        assert outcome.id == usable_id(value)


def usable_id(value: object) -> str | None:
    """The id that a reply can carry."""
    id_ = value.get("id") if isinstance(value, dict) else None
    return id_ if isinstance(id_, str) and 1 <= len(id_) <= limits.ID_CHARACTERS else None


BROKEN = {
    "20-truncated": b'{"type":"ping","id":"7"',
    "20-nothing": b"",
    "20-two-documents": b'{"type":"ping"}{"type":"ping"}',
    "20-two-documents-in-lines": b'{"type":"ping"}\n{"type":"ping"}',
    "20-byte-order-mark": b'\xef\xbb\xbf{"type":"ping"}',
    "20-comment": b'{"type":"ping"} // hello',
    "20-comment-inside": b'{/* hello */"type":"ping"}',
    "20-trailing-comma": b'{"type":"ping",}',
    "20-single-quotes": b"{'type':'ping'}",
    "21-array": b'[{"type":"ping"}]',
    "21-string": b'"ping"',
    "21-number": b"7",
    "21-true": b"true",
    "21-null": b"null",
    "22-nesting-200": b'{"type":"ping","x":' + b"[" * 200 + b"]" * 200 + b"}",
    "22-nesting-100000": b'{"type":"ping","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "22-nesting-100000-of-objects": b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    "22-nesting-100000-unclosed": b"[" * 60_000,
    "23-nan": b'{"type":"ping","x":NaN}',
    "23-infinity": b'{"type":"ping","x":-Infinity}',
    "23-1e400": b'{"type":"ping","x":1e400}',
    "23-1e400-deep-inside": b'{"type":"ping","x":[{"y":[-1e400]}]}',
    "23-beyond-2-53": b'{"type":"ping","x":9007199254740992}',
    "23-below-minus-2-53": b'{"type":"ping","x":-9007199254740992}',
    "23-beyond-2-63": b'{"type":"ping","x":[9223372036854775808]}',
    "23-5000-digits": b'{"type":"ping","x":' + b"9" * 5000 + b"}",
    "28-lone-high-surrogate": rb'{"type":"ping","id":"\ud800"}',
    "28-lone-low-surrogate": rb'{"type":"ping","x":"\udc00"}',
    "28-surrogates-in-the-wrong-order": rb'{"type":"ping","x":"\udc00\ud800"}',
    "28-lone-surrogate-in-a-name": rb'{"type":"ping","\ud800":1}',
    "28-surrogate-as-utf-8": b'{"type":"ping","id":"\xed\xa0\x80"}',
    "28-overlong-utf-8": b'{"type":"ping","id":"\xc0\xaf"}',
    "28-overlong-nul": b'{"type":"ping","id":"\xc0\x80"}',
    "28-raw-nul": b'{"type":"ping","id":"\x00"}',
    "28-nul-behind-the-object": b'{"type":"ping"}\x00',
    "28-utf-16": '{"type":"ping"}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=[f"case-{name}" for name in BROKEN])
def test_what_is_no_sound_json_object_is_an_invalid_frame(body: bytes) -> None:
    """One code for all of it, not fatal by itself."""
    refused = refusal(body)
    assert refused.code == "frame.invalid"
    assert not refused.fatal


@pytest.mark.parametrize("innermost", ["[]", "{}", "1", '"x"', "null"])
def test_case_22_sixteen_levels_of_nesting_are_allowed(innermost: str) -> None:
    """The request is the first level; what is not an object or array is no level."""
    containers = 13 if innermost in ("[]", "{}") else 14
    body = '{"type":"ping","x":[' + "[" * containers + innermost + "]" * containers + "]}"
    assert read_request(body.encode()).type == "ping"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"y":', "}")])
def test_case_22_seventeen_levels_of_nesting_are_refused(opening: str, closing: str) -> None:
    """Objects and arrays count alike."""
    body = '{"type":"ping","id":"7","x":' + opening * 16 + "1" + closing * 16 + "}"
    refused = refusal(body.encode())
    assert (refused.code, refused.re) == ("frame.invalid", "7")


@pytest.mark.parametrize("number", [limits.SAFE_INTEGER, -limits.SAFE_INTEGER, 0, 0.1, 1e300])
def test_case_23_numbers_that_everybody_reads_alike_are_allowed(number: float) -> None:
    """The bound is 2^53-1 on both sides, and itself allowed."""
    assert read(type="ping", x=number).model_extra == {"x": number}


DUPLICATES = {
    "24-id": (b'{"type":"ping","id":"first","id":"last"}', {"type": "ping", "id": "last"}),
    "24-type": (b'{"type":"quit","type":"ping"}', {"type": "ping"}),
    "24-room": (b'{"type":"join","room":"a","room":"b"}', {"type": "join", "room": "b"}),
    "24-null-last": (b'{"type":"ping","id":"first","id":null}', {"type": "ping"}),
    "24-unknown": (b'{"type":"ping","x":1,"x":2}', {"type": "ping", "x": 2}),
    "24-escaped": (
        rb'{"type":"ping","id":"first","\u0069d":"last"}',
        {"type": "ping", "id": "last"},
    ),
}


@pytest.mark.parametrize(
    ("body", "fields"), DUPLICATES.values(), ids=[f"case-{name}" for name in DUPLICATES]
)
def test_of_duplicate_keys_the_last_one_counts(body: bytes, fields: dict[str, Any]) -> None:
    """Pinned, because JSON leaves it open."""
    assert read_request(body).model_dump(exclude_none=True) == fields


def test_case_25_ten_thousand_unknown_fields_are_only_unknown() -> None:
    """Many fields are no fault; the frame's size is their bound."""
    request = read(type="ping", **{f"x{number}": 0 for number in range(10_000)})
    assert request.model_extra is not None
    assert len(request.model_extra) == 10_000


@pytest.mark.parametrize(
    "name",
    ["__class__", "__dict__", "__pydantic_extra__", "model_config", "model_fields", "model_copy"],
)
def test_case_25_unknown_fields_cannot_touch_the_request_itself(name: str) -> None:
    """A field with the name of an attribute is data like any other."""
    body = body_of({"type": "join", "room": "general", name: {"room": "other"}})
    request = read_request(body)
    assert type(request) is requests.Join
    assert request.room == "general"
    assert request.model_extra == {name: {"room": "other"}}


ILL_TYPED = {
    "26-object-for-a-string": ("join", "room", {"name": "general"}),
    "26-array-for-a-string": ("join", "room", ["general"]),
    "26-number-for-a-string": ("join", "room", 7),
    "26-true-for-a-string": ("join", "room", True),
    "26-true-for-1": ("hello", "version", True),
    "26-string-for-1": ("hello", "version", "1"),
    "26-float-for-1": ("hello", "version", 1.0),
    "26-object-for-1": ("hello", "version", {}),
    "26-number-for-a-type": ("ping", "type", 7),
    "26-true-for-a-type": ("ping", "type", True),
    "26-object-for-a-type": ("ping", "type", {}),
    "26-array-for-a-type": ("ping", "type", ["ping"]),
    "26-number-for-an-id": ("ping", "id", 7),
    "26-object-for-an-id": ("ping", "id", {}),
    "26-number-for-a-nick": ("nick", "nick", 7),
    "26-number-for-a-text": ("broadcast", "text", 7),
    "26-number-for-a-cid": ("broadcast", "cid", 7),
    "23-version-beyond-2-53": ("hello", "version", 2**53),
    "23-version-beyond-2-63": ("hello", "version", 2**64),
    "82-limit-of-a-billion": ("history", "limit", 10**9),
    "82-limit-of-nothing": ("history", "limit", 0),
    "82-negative-limit": ("history", "limit", -1),
    "82-negative-number": ("history", "after", -1),
    "82-number-beyond-2-53": ("history", "before", 2**53),
    "42-empty-id": ("ping", "id", ""),
    "42-id-longer-by-one": ("ping", "id", "x" * 65),
    "40-control-character-in-a-cid": ("broadcast", "cid", "a\0b"),
    "42-empty-cid": ("broadcast", "cid", ""),
    "42-cid-longer-by-one": ("broadcast", "cid", "x" * 65),
    "82-hits-by-the-thousand": ("search", "limit", 1000),
    "82-no-hits": ("search", "limit", 0),
    "82-hits-before-nothing": ("search", "before", -1),
    "82-hits-before-2-53": ("search", "before", 2**53),
    "26-true-for-hits": ("search", "limit", True),
    "26-number-for-a-query": ("search", "text", 7),
    "42-client-longer-by-one": ("hello", "client", "x" * 65),
    "40-escape-in-the-client-name": ("hello", "client", "a\x1b[2J"),
}


@pytest.mark.parametrize(
    ("type_", "field", "value"), ILL_TYPED.values(), ids=[f"case-{name}" for name in ILL_TYPED]
)
def test_an_ill_typed_field_is_refused_by_its_name(type_: str, field: str, value: object) -> None:
    """Nothing is converted: what is not of its type, size and range is refused."""
    refused = refusal_to(**{"type": type_, **MINIMAL[type_], field: value})
    assert (refused.code, refused.field) == ("field.invalid", field)


@pytest.mark.parametrize(
    "type_",
    ["", "JOIN", "x" * 60_000],
    ids=["empty", "upper-case", "60000-characters"],
)
def test_case_27_an_unknown_type_is_refused_and_not_echoed(type_: str) -> None:
    """The refusal names the types that there are, and stays short."""
    refused = refusal_to(type=type_, id="7")
    assert (refused.code, refused.re, refused.fatal) == ("type.unknown", "7", False)
    assert "broadcast" in refused.message
    assert len(refused.message) < 600


def test_case_28_nul_is_refused_in_text_and_allowed_in_an_id() -> None:
    """An id is only handed back; a text is shown to people."""
    assert read(type="ping", id="\0").id == "\0"
    assert refusal_to(type="broadcast", room="a", text="\0").code == "message.invalid"


WRONG_VALUES = {
    "list": [SECRET],
    "object": {SECRET: SECRET},
    "long": SECRET * 500,
    "esc": SECRET + "\x1b",
    "bel": f"\x07{SECRET}",
}
FREE = {"id", "password", "old", "new"}
"""Fields in which any character may be."""

WRONG_FIELDS = [
    (type_, field, how)
    for type_, field in FIELDS
    for how in WRONG_VALUES
    if how not in ("esc", "bel") or field not in FREE
    if how != "object" or field not in ("resume", "login")  # there, an object belongs
]


@pytest.mark.parametrize(("type_", "field", "how"), WRONG_FIELDS)
def test_case_29_a_refusal_never_repeats_the_input(type_: str, field: str, how: str) -> None:
    """Whatever is wrong with a field that holds a secret, the refusal does not say the secret."""
    fields = {"type": type_, "password": SECRET, **FULL[type_], field: WRONG_VALUES[how]}
    refused = refusal_to(**fields)
    assert SECRET not in json.dumps([refused.code, refused.message, refused.field, refused.args])


@pytest.mark.parametrize(
    "body",
    [
        f'{{"type":"hello","password":"{SECRET}"'.encode(),
        f'{{"type":"hello","{SECRET}":NaN}}'.encode(),
        f'{{"type":"{SECRET}"}}'.encode(),
        f'"{SECRET}"'.encode(),
        SECRET.encode(),
    ],
)
def test_case_29_an_invalid_frame_is_not_repeated_either(body: bytes) -> None:
    """Not as text, and not as the exception behind the exception."""
    refused = refusal(body)
    assert SECRET not in refused.message
    assert refused.__suppress_context__
    assert refused.__cause__ is None


CONTROL_CHARACTERS = {
    "nul": "\0",
    "bel": "\a",
    "backspace": "\b",
    "cr": "\r",
    "esc": "\x1b",
    "osc-52": "\x1b]52;c;aGk=\x07",
    "vt": "\v",
    "del": "\x7f",
    "c1-csi": "\x9b",
    "nel": "\x85",
}
"""What a terminal would obey."""

BIDI = {"rlo": "\u202e", "lri": "\u2066", "rlm": "\u200f", "zero-width-space": "\u200b"}
"""What changes how a line is read."""

AIMED = (
    "ignore", "unignore", "kick", "mute", "unmute", "promote", "demote", "invite", "rename",
)  # fmt: skip
"""Requests whose target is a nick and nothing else."""

GOVERNED = (
    "kick", "ban", "unban", "bans", "mute", "unmute", "mutes", "mods", "promote", "demote",
    "invite", "mode",
)  # fmt: skip
"""Requests about a room, of those who look after it."""

NAMED = [
    ("join", "room", "room.invalid"),
    ("leave", "room", "room.invalid"),
    ("topic", "room", "room.invalid"),
    ("broadcast", "room", "room.invalid"),
    ("users", "room", "room.invalid"),
    ("history", "room", "room.invalid"),
    ("nick", "nick", "nick.invalid"),
    ("hello", "nick", "nick.invalid"),
    ("whisper", "to", "nick.invalid"),
    ("search", "room", "room.invalid"),
    ("search", "sender", "field.invalid"),
    ("rooms", "after", "field.invalid"),
    ("users", "after", "field.invalid"),
    ("login", "nick", "nick.invalid"),
    ("rename", "nick", "nick.invalid"),
    ("account", "nick", "nick.invalid"),
    ("accounts", "after", "field.invalid"),
    *((type_, "target", "field.invalid") for type_ in AIMED),
    *((type_, "room", "room.invalid") for type_ in GOVERNED),
]
"""Every field that holds a name, with the code for a bad one."""


@pytest.mark.parametrize(("type_", "field", "code"), NAMED)
@pytest.mark.parametrize(
    "character",
    [
        *CONTROL_CHARACTERS.values(),
        *BIDI.values(),
        "\n",
        "\t",
        " ",
        "#",
        "é",
        "\u0430",
        "\u0301",
        "👩",
    ],
    ids=lambda character: f"case-40-{ord(character[0]):x}",
)
def test_names_are_ascii_letters_digits_and_three_signs(
    type_: str, field: str, code: str, character: str
) -> None:
    """Anything else in a name, at its end too, is refused."""
    for name in (f"a{character}b", f"a{character}", f"{character}a"):
        refused = refusal_to(**{"type": type_, **MINIMAL[type_], field: name})
        assert (refused.code, refused.field) == (code, field)


@pytest.mark.parametrize(("type_", "field", "code"), NAMED)
def test_case_42_names_have_a_length(type_: str, field: str, code: str) -> None:
    """The longest name is taken, one character more and none at all are refused."""
    is_room = code == "room.invalid" or type_ == "rooms"
    longest = limits.ROOM_CHARACTERS if is_room else limits.NICK_CHARACTERS
    assert read(**{"type": type_, **MINIMAL[type_], field: "x" * longest})
    for name in ("x" * (longest + 1), ""):
        assert refusal_to(**{"type": type_, **MINIMAL[type_], field: name}).code == code


@pytest.mark.parametrize(("type_", "field", "code"), NAMED)
@pytest.mark.parametrize("first", [".", "-", "_"])
def test_names_begin_with_a_letter_or_digit(type_: str, field: str, code: str, first: str) -> None:
    """So a name is never mistaken for an option, a file or a sign."""
    assert refusal_to(**{"type": type_, **MINIMAL[type_], field: f"{first}a"}).code == code


@pytest.mark.parametrize("character", CONTROL_CHARACTERS.values(), ids=CONTROL_CHARACTERS)
@pytest.mark.parametrize("type_", ["broadcast", "whisper", "search"])
def test_case_40_control_characters_are_refused_in_text(type_: str, character: str) -> None:
    """A terminal would obey them, so they are not on the wire at all."""
    refused = refusal_to(**{"type": type_, **MINIMAL[type_], "text": f"a{character}b"})
    assert (refused.code, refused.field) == ("message.invalid", "text")


@pytest.mark.parametrize("character", [*CONTROL_CHARACTERS.values(), "\n", "\t"])
def test_case_40_a_topic_is_one_line_without_control_characters(character: str) -> None:
    """Newline and tab are refused too."""
    refused = refusal_to(type="topic", room="a", topic=f"a{character}b")
    assert (refused.code, refused.field) == ("message.invalid", "topic")


TEXTS = {
    "40-bidi-is-text": "\u202eolleh",
    "43-zalgo": "z" + "\u0301" * 3999,
    "43-wide-emoji": "👩‍👩‍👧‍👦" * 500,
    "43-newlines": "\n" * 4000,
    "4000-characters": "x" * 4000,
    "4000-characters-of-four-bytes": "😀" * 4000,
    "one-character": "x",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=[f"case-{name}" for name in TEXTS])
def test_text_is_counted_in_characters_and_otherwise_free(text: str) -> None:
    """What is odd but harmless on the wire is taken; showing it is the client's art."""
    request = read(type="broadcast", room="a", text=text)
    assert request.model_dump()["text"] == text


def test_the_longest_text_fits_into_a_frame_in_every_way_to_write_it() -> None:
    """4,000 characters, each as two escapes, with the longest other fields: under the limit."""
    longest = {
        "type": "broadcast",
        "id": "\0" * limits.ID_CHARACTERS,
        "room": "r" * limits.ROOM_CHARACTERS,
        "text": "😀" * limits.TEXT_CHARACTERS,
        "cid": "😀" * limits.ID_CHARACTERS,
    }
    assert len(json.dumps(longest, ensure_ascii=True)) <= limits.FRAME_TO_SERVER


def test_text_longer_than_allowed_says_limit_and_size() -> None:
    """So that a client can tell how much to leave out."""
    refused = refusal_to(type="broadcast", id="7", room="a", text="x" * 4001)
    assert (refused.code, refused.limit, refused.size) == ("message.too_long", 4000, 4001)
    assert refused.re == "7"


def test_a_topic_longer_than_allowed_says_limit_and_size() -> None:
    """The same rule, another number."""
    refused = refusal_to(type="topic", room="a", topic="x" * 401)
    assert (refused.code, refused.limit, refused.size) == ("message.too_long", 400, 401)


def test_a_query_longer_than_allowed_says_limit_and_size() -> None:
    """What is searched for is shorter than what is said."""
    assert read(type="search", text="x" * 200).type == "search"
    refused = refusal_to(type="search", text="x" * 201)
    assert (refused.code, refused.limit, refused.size) == ("message.too_long", 200, 201)


def test_nothing_to_search_for_is_refused() -> None:
    """An empty query would find everything."""
    assert refusal_to(type="search", text="").code == "message.empty"


def test_an_empty_text_is_no_message_and_an_empty_topic_clears() -> None:
    """The same empty string means different things."""
    assert refusal_to(type="broadcast", room="a", text="").code == "message.empty"
    assert read(type="topic", room="a", topic="").model_dump()["topic"] == ""


CONVERSATIONS = {"general": True, "*": True, "dm:u1:u2": True, "dm:U1:u2": False, "dm:u1": False}


@pytest.mark.parametrize("type_", ["history", "search"])
@pytest.mark.parametrize(("room", "allowed"), CONVERSATIONS.items())
def test_conversations_of_every_kind_can_be_read(type_: str, room: str, allowed: bool) -> None:
    """A room, everyone, or a whisper conversation; not half a conversation."""
    fields = {**MINIMAL[type_], "room": room}
    if allowed:
        assert read(type=type_, **fields).model_dump()["room"] == room
    else:
        assert refusal_to(type=type_, **fields).code == "room.invalid"


@pytest.mark.parametrize("type_", ["join", "leave", "topic", "users", "history", "broadcast"])
def test_a_whisper_conversation_is_no_room(type_: str) -> None:
    """Only its history can be read; everyone is only broadcast to and read."""
    if type_ not in ("history", "broadcast"):
        assert refusal_to(type=type_, room="*").code == "room.invalid"
    if type_ != "history":
        fields = {**MINIMAL[type_], "room": "dm:u1:u2"}
        assert refusal_to(type=type_, **fields).code == "room.invalid"


# Coming back


def resume_of(value: object) -> requests.Resume | None:
    """How a hello that says `value` in `resume` is understood."""
    hello = read(type="hello", resume=value)
    assert isinstance(hello, requests.Hello)
    return hello.resume


@pytest.mark.parametrize("value", [True, {}, {"token": None, "rooms": None}])
def test_a_wish_to_come_back_later_needs_no_particulars(value: object) -> None:
    """`true` and the empty object ask for a token and say nothing else."""
    assert resume_of(value) == requests.Resume()


@pytest.mark.parametrize("value", [False, None])
def test_whoever_does_not_wish_to_come_back_gets_no_token(value: object) -> None:
    """`false` is the same as saying nothing."""
    assert resume_of(value) is None


def test_rooms_need_no_token_and_a_token_no_rooms() -> None:
    """A token alone is the wish of a program started anew; cursors alone outlive their token."""
    assert resume_of({"token": "t"}) == requests.Resume(token="t")
    assert resume_of({"rooms": {}}) == requests.Resume(rooms={})
    rooms = {"dev": ("e", 1)}
    assert resume_of({"rooms": {"dev": ["e", 1]}}) == requests.Resume(rooms=rooms)


@given(strategies.resumes)
def test_every_wish_to_come_back_arrives_as_it_was_made(resume: requests.Resume) -> None:
    """Tokens, conversations and cursors of any allowed form, escaped by the sender or not."""
    body = requests.Hello(resume=resume).model_dump_json(exclude_none=True)
    for form in (body, json.dumps(json.loads(body))):
        hello = read_request(form.encode())
        assert isinstance(hello, requests.Hello)
        assert hello.resume == resume


NO_RESUME = {
    "26-number": (7, "resume"),
    "26-one-for-true": (1, "resume"),
    "26-string-for-true": ("true", "resume"),
    "26-array": ([], "resume"),
    "26-number-for-a-token": ({"token": 7}, "resume.token"),
    "26-object-for-a-token": ({"token": {}}, "resume.token"),
    "42-empty-token": ({"token": ""}, "resume.token"),
    "42-token-longer-by-one": ({"token": "x" * 65}, "resume.token"),
    "40-token-with-a-line": ({"token": "a\nb"}, "resume.token"),
    "40-token-ending-in-a-line": ({"token": "a\n"}, "resume.token"),
    "40-token-with-another-alphabet": ({"token": "tok\u0435n"}, "resume.token"),
    "26-array-for-rooms": ({"rooms": [["dev", "e", 1]]}, "resume.rooms"),
    "26-true-for-rooms": ({"rooms": True}, "resume.rooms"),
    "42-too-many-rooms": (
        {"rooms": {f"r{number}": ["e", 1] for number in range(limits.RESUMED + 1)}},
        "resume.rooms",
    ),
    "40-room-with-a-blank": ({"rooms": {"a b": ["e", 1]}}, "resume.rooms"),
    "40-room-with-a-sign": ({"rooms": {"#dev": ["e", 1]}}, "resume.rooms"),
    "40-half-a-conversation": ({"rooms": {"dm:u1": ["e", 1]}}, "resume.rooms"),
    "42-room-longer-by-one": ({"rooms": {"r" * 65: ["e", 1]}}, "resume.rooms"),
    "26-number-for-a-cursor": ({"rooms": {"dev": 7}}, "resume.rooms"),
    "26-null-for-a-cursor": ({"rooms": {"dev": None}}, "resume.rooms"),
    "26-object-for-a-cursor": ({"rooms": {"dev": {"epoch": "e", "seq": 1}}}, "resume.rooms"),
    "42-cursor-of-nothing": ({"rooms": {"dev": []}}, "resume.rooms"),
    "42-cursor-of-one": ({"rooms": {"dev": ["e"]}}, "resume.rooms"),
    "42-cursor-of-three": ({"rooms": {"dev": ["e", 1, 2]}}, "resume.rooms"),
    "26-cursor-in-the-wrong-order": ({"rooms": {"dev": [1, "e"]}}, "resume.rooms"),
    "26-number-for-an-epoch": ({"rooms": {"dev": [1, 1]}}, "resume.rooms"),
    "26-null-for-an-epoch": ({"rooms": {"dev": [None, 1]}}, "resume.rooms"),
    "40-epoch-with-a-blank": ({"rooms": {"dev": ["e e", 1]}}, "resume.rooms"),
    "42-epoch-longer-by-one": ({"rooms": {"dev": ["e" * 33, 1]}}, "resume.rooms"),
    "26-string-for-a-seq": ({"rooms": {"dev": ["e", "1"]}}, "resume.rooms"),
    "26-true-for-a-seq": ({"rooms": {"dev": ["e", True]}}, "resume.rooms"),
    "26-float-for-a-seq": ({"rooms": {"dev": ["e", 1.0]}}, "resume.rooms"),
    "82-negative-seq": ({"rooms": {"dev": ["e", -1]}}, "resume.rooms"),
    "82-seq-beyond-2-53": ({"rooms": {"dev": ["e", 2**53]}}, "resume.rooms"),
}


@pytest.mark.parametrize(
    ("value", "field"), NO_RESUME.values(), ids=[f"case-{name}" for name in NO_RESUME]
)
def test_an_ill_made_resume_is_a_fault_of_its_field(value: object, field: str) -> None:
    """The field at fault is named, with the request; the frame itself was sound."""
    refused = refusal_to(type="hello", id="7", resume=value)
    assert (refused.code, refused.field, refused.re) == ("field.invalid", field, "7")


def test_too_many_rooms_to_come_back_to_are_told_how_many_may_be() -> None:
    """One hundred are taken."""
    rooms = {f"r{number}": ["e", 1] for number in range(limits.RESUMED)}
    resume = resume_of({"rooms": rooms})
    assert resume is not None
    assert len(resume.rooms or ()) == limits.RESUMED
    assert refusal_to(type="hello", resume={"rooms": {**rooms, "x": ["e", 1]}}).limit == 100


@pytest.mark.parametrize(
    "resume",
    [
        {"token": SECRET + "!"},
        {"rooms": {SECRET + "!": ["e", 1]}},
        {"rooms": {SECRET: [SECRET + "!", 1]}},
        {"rooms": {SECRET: {SECRET: SECRET}}},
        {"rooms": SECRET},
        SECRET,
    ],
)
def test_case_29_an_ill_made_resume_is_not_repeated(resume: object) -> None:
    """Neither a token nor where one might stand by mistake, names of rooms included."""
    refused = refusal_to(type="hello", resume=resume)
    assert SECRET not in json.dumps([refused.message, refused.field])


def test_a_token_is_not_shown_with_the_request() -> None:
    """Whoever writes a request into a log does not write the token."""
    assert SECRET not in repr(read(type="hello", resume={"token": SECRET}))


@pytest.mark.parametrize(
    "inside", ["NaN", "1e400", "9007199254740992", "[" * 15 + "]" * 15], ids=str
)
def test_unknown_fields_of_resume_are_sound_json_too(inside: str) -> None:
    """What other libraries would read differently is refused at every depth."""
    refused = refusal(f'{{"type":"hello","id":"7","resume":{{"x":{inside}}}}}'.encode())
    assert (refused.code, refused.re) == ("frame.invalid", "7")


def test_unknown_fields_of_resume_are_no_fault() -> None:
    """A later level may say more there, down to the sixteenth level of nesting."""
    body = '{"type":"hello","resume":{"token":"t","x":' + "[" * 14 + "]" * 14 + "}}"
    hello = read_request(body.encode())
    assert isinstance(hello, requests.Hello)
    assert hello.resume is not None
    assert hello.resume.token == "t"


def test_the_longest_hello_fits_into_a_frame_before_the_welcome() -> None:
    """A hundred of the longest names and cursors, in the way of writing that takes most."""
    rooms = {f"{number:064}": ["e" * 32, limits.SAFE_INTEGER] for number in range(limits.RESUMED)}
    longest = {
        "type": "hello",
        "id": "\0" * limits.ID_CHARACTERS,
        "version": limits.SAFE_INTEGER,
        "nick": "n" * limits.NICK_CHARACTERS,
        "client": "😀" * 64,
        "resume": {"token": "t" * limits.TOKEN_CHARACTERS, "rooms": rooms},
    }
    assert read(**longest).type == "hello"
    assert len(json.dumps(longest)) < limits.FRAME_BEFORE_WELCOME == 16 * 1024


# Whose reply it is


@pytest.mark.parametrize("id_", ["7", "x" * 64, "\0", "ä", " "])
def test_a_refusal_carries_the_id_that_the_body_had(id_: str) -> None:
    """Also where something else is wrong."""
    for fields in ({"type": "?"}, {"type": "join"}, {"type": "join", "room": 7}, {}):
        assert refusal_to(id=id_, **fields).re == id_


@pytest.mark.parametrize("id_", [7, "", "x" * 65, None, {}, ["7"]])
def test_a_refusal_carries_no_id_that_cannot_be_one(id_: object) -> None:
    """A wrong id is not handed back."""
    assert refusal_to(id=id_, type="?").re is None


def test_a_frame_with_odd_numbers_is_refused_with_its_id() -> None:
    """The JSON could be read, so the request could be identified."""
    assert refusal(b'{"type":"ping","id":"7","x":1e999}').re == "7"


@pytest.mark.parametrize("model", REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_made_and_read_alike(model: type[requests.Request]) -> None:
    """What a client builds with the model, the server reads as an equal one."""
    type_ = model.model_fields["type"].default
    request = model(id="7", **FULL[type_])
    assert read_request(request.model_dump_json(exclude_none=True).encode()) == request


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"room": "a", "text": ""}, "message.empty"),
        ({"room": "a b", "text": "x"}, "room.invalid"),
        ({"room": "a", "text": "x" * 4001}, "message.too_long"),
        ({"room": "a"}, "field.missing"),
    ],
)
def test_a_request_that_cannot_be_made_is_refused_as_the_server_would(
    fields: dict[str, Any], code: str
) -> None:
    """A client can say the same without asking."""
    with pytest.raises(ValidationError) as caught:
        requests.Broadcast(**fields)
    here, there = refusal_of(caught.value), refusal_to(type="broadcast", **fields)
    assert here.code == there.code == code
    assert (here.field, here.message, here.limit) == (there.field, there.message, there.limit)


def test_requests_do_not_change() -> None:
    """A request can be shared between threads and kept for later."""
    request = requests.Join(room="a")
    with pytest.raises(ValidationError):
        setattr(request, "room", "b")  # noqa: B010 - the type checker would refuse it otherwise


def test_reserved_nicks_are_well_formed() -> None:
    """They are refused as reserved, by the server, not as malformed."""
    for nick in names.RESERVED_NICKS:
        assert read(type="nick", nick=nick).type == "nick"
