"""Random material for property tests: what the wire allows, and what it does not."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from chat_schema import limits, names, requests

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
IN_NAMES = LETTERS_AND_DIGITS + "_.-"
ALLOWED_CONTROL = "\t\n"


def _identifiers(longest: int) -> st.SearchStrategy[str]:
    rest = st.text(IN_NAMES, max_size=longest - 1)
    return st.builds(str.__add__, st.sampled_from(LETTERS_AND_DIGITS), rest)


def _without_control(allowed: str) -> st.SearchStrategy[str]:
    anything = st.characters(exclude_categories=["Cc", "Cs"])
    return st.one_of(anything, st.sampled_from(allowed)) if allowed else anything


nicks = _identifiers(limits.NICK_CHARACTERS)
rooms = _identifiers(limits.ROOM_CHARACTERS)
uids = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=13)
flags = st.none() | st.booleans()
users = st.builds(names.User, uid=uids, nick=nicks, registered=flags, bot=flags)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=limits.ID_CHARACTERS)
"""Request ids: any characters at all, control characters too."""
cids = st.text(_without_control(""), min_size=1, max_size=limits.ID_CHARACTERS)
maybe_cids = st.none() | cids
texts = st.text(_without_control(ALLOWED_CONTROL), min_size=1, max_size=200)
topics = st.text(_without_control(""), max_size=limits.TOPIC_CHARACTERS)
dates = st.datetimes().map(lambda date: f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03}Z")
sequences = st.integers(0, limits.SAFE_INTEGER)
maybe_ids = st.none() | ids
tokens = st.text(LETTERS_AND_DIGITS + "_-", min_size=1, max_size=limits.TOKEN_CHARACTERS)
epochs = st.text(LETTERS_AND_DIGITS + ".", max_size=limits.EPOCH_CHARACTERS)
cursors = st.tuples(epochs, sequences)
conversations = rooms | st.just(names.EVERYONE) | st.builds(names.conversation_of, uids, uids)
resumes = st.builds(
    requests.Resume,
    token=st.none() | tokens,
    rooms=st.none() | st.dictionaries(conversations, cursors, max_size=8),
)
"""Every wish to come back, with and without a token, with and without cursors."""

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-limits.SAFE_INTEGER, limits.SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Any JSON that every library reads alike."""
