"""The error registry, and the way of a refusal over the wire and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from chat_schema.errors import ERRORS, ErrorCode, Refused
from chat_schema.replies import Error

FAMILIES = {
    "auth", "cid", "client", "field", "file", "frame", "history", "message", "nick", "permission",
    "protocol", "rate", "room", "server", "session", "tls", "type", "user",
}  # fmt: skip
"""The first words that codes may have."""

ATTRIBUTES = (
    "code", "message", "re", "fatal", "retryable", "retry_after", "field", "limit", "size",
    "versions",
)  # fmt: skip

refusals = st.builds(
    Refused,
    st.sampled_from(sorted(ERRORS)),
    st.text(st.characters(exclude_categories=["Cs"])),
    re=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
    fatal=st.none() | st.booleans(),
    retryable=st.none() | st.booleans(),
    retry_after=st.none() | st.integers(0, 600) | st.floats(0, 600),
    field=st.none() | st.sampled_from(["room", "text"]),
    limit=st.none() | st.integers(0, 10**6),
    size=st.none() | st.integers(0, 10**6),
    versions=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)


def attributes_of(refused: Refused) -> dict[str, object]:
    """Everything a refusal says."""
    return {name: getattr(refused, name) for name in ATTRIBUTES}


@pytest.mark.parametrize("code", ERRORS)
def test_codes_are_two_lower_case_words_of_a_known_family(code: str) -> None:
    """Codes are for programs: one form for all of them."""
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", code)
    assert code.split(".", maxsplit=1)[0] in FAMILIES


@pytest.mark.parametrize(("code", "row"), ERRORS.items(), ids=ERRORS)
def test_every_code_means_something_of_its_own(code: str, row: ErrorCode) -> None:
    """A meaning in one line, unlike every other."""
    assert row.meaning
    assert "\n" not in row.meaning
    assert [other for other in ERRORS if ERRORS[other].meaning == row.meaning] == [code]


@pytest.mark.parametrize("code", ERRORS)
def test_only_fatal_codes_advise_when_to_reconnect(code: str) -> None:
    """Where the connection goes on there is nothing to advise."""
    row = ERRORS[code]
    assert row.fatal or row.reconnect == "never"


@pytest.mark.parametrize("code", ERRORS)
def test_what_is_fatal_and_retryable_advises_to_come_back(code: str) -> None:
    """A client told that trying again may help is not told never to come back."""
    row = ERRORS[code]
    assert not (row.fatal and row.retryable) or row.reconnect != "never"


@pytest.mark.parametrize(("code", "row"), ERRORS.items(), ids=ERRORS)
def test_a_refusal_has_the_flags_of_its_row(code: str, row: ErrorCode) -> None:
    """Unless it is told otherwise."""
    refused = Refused(code, "no")
    assert (refused.fatal, refused.retryable) == (row.fatal, row.retryable)
    other = Refused(code, "no", fatal=not row.fatal, retryable=not row.retryable)
    assert (other.fatal, other.retryable) == (not row.fatal, not row.retryable)


def test_a_code_of_a_later_level_is_not_fatal() -> None:
    """A client may meet codes it does not know; what the frame says of them holds."""
    refused = Refused("user.unheard_of", "no")
    assert (refused.fatal, refused.retryable) == (False, False)


def test_what_could_not_be_stored_may_be_sent_again() -> None:
    """On the same connection, and the same: only a `cid` tells the two apart."""
    row = ERRORS["server.storage"]
    assert (row.fatal, row.retryable) == (False, True)


def test_a_cid_used_for_something_else_is_refused_for_good() -> None:
    """Sending it again would say something else again."""
    row = ERRORS["cid.conflict"]
    assert (row.fatal, row.retryable) == (False, False)


def test_whoever_was_replaced_does_not_come_back() -> None:
    """Or two programs with one token would throw each other out forever."""
    row = ERRORS["session.replaced"]
    assert (row.fatal, row.retryable, row.reconnect) == (True, False, "never")


def test_a_refusal_prints_as_its_message() -> None:
    """So `str` of it can be shown to people."""
    assert str(Refused("user.self", "You cannot whisper to yourself.")) == (
        "You cannot whisper to yourself."
    )


@given(refusals)
def test_a_refusal_survives_the_way_over_the_wire(refused: Refused) -> None:
    """Refused to Error to bytes to Error to Refused: every attribute is the same."""
    body = Error.from_refused(refused).model_dump_json(exclude_none=True).encode()
    back = Error.model_validate_json(body).to_refused()
    assert attributes_of(back) == attributes_of(refused)


@given(refusals)
def test_an_error_can_be_read_from_decoded_json(refused: Refused) -> None:
    """A client that has parsed the frame already reads the same error."""
    body = Error.from_refused(refused).model_dump_json(exclude_none=True).encode()
    assert Error.model_validate(from_json(body)) == Error.model_validate_json(body)


@given(refusals)
def test_an_error_never_says_null(refused: Refused) -> None:
    """What there is nothing to say of is left out."""
    body = Error.from_refused(refused).model_dump_json(exclude_none=True).encode()
    assert None not in from_json(body).values()


def test_an_error_of_a_later_level_is_read() -> None:
    """Unknown code, unknown fields: still an error with its code."""
    error = Error.model_validate_json(
        '{"type":"error","re":"7","code":"poll.closed","message":"m","since":3}'
    )
    assert error.to_refused().code == "poll.closed"
    assert error.to_refused().re == "7"
