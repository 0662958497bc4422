"""Random material for property tests: what the wire allows, and what it does not."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from chat_schema import limits, moderation_events, moderation_replies, names, requests

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
passwords = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=limits.PASSWORD_LONGEST
)
"""Any characters at all: a password is hashed, not shown."""
BASE64URL = LETTERS_AND_DIGITS + "_-"
signatures = st.text(BASE64URL, min_size=86, max_size=86)
public_keys = st.text(BASE64URL, min_size=43, max_size=43)
credentials = st.builds(
    requests.Credentials,
    nick=nicks,
    password=st.none() | passwords,
    signature=st.none() | signatures,
)
"""Every login in a hello, sensible or not."""
reasons = st.text(_without_control(""), min_size=1, max_size=limits.REASON_CHARACTERS)
settings = st.builds(
    moderation_events.Settings,
    moderated=flags,
    members_only=flags,
    invite_only=flags,
    password=flags,
    slow=st.none() | st.integers(0, limits.SLOW_SECONDS),
)
_act = {
    "room": rooms,
    "seq": sequences,
    "ts": dates,
    "user": users,
    "reason": st.none() | reasons,
}
_until = {"until": st.none() | dates}
roles = st.sampled_from(["none", "moderator", "owner"])
acts = st.one_of(
    st.builds(moderation_events.Kick, **_act, target=users),
    st.builds(moderation_events.Ban, **_act, **_until, target=st.none() | users),
    st.builds(moderation_events.Unban, **_act, target=st.none() | users),
    st.builds(moderation_events.Mute, **_act, **_until, target=users),
    st.builds(moderation_events.Unmute, **_act, target=users),
    st.builds(moderation_events.Promote, **_act, target=users, role=roles),
    st.builds(moderation_events.Demote, **_act, target=users),
    st.builds(moderation_events.Invite, **_act, target=users),
    st.builds(moderation_events.Mode, **_act, mode=settings),
)
"""Every act of those who look after rooms."""
sanctions = st.builds(
    moderation_replies.Sanction,
    id=st.integers(1, 10**6).map("#{}".format),
    nick=st.none() | nicks,
    uid=st.none() | uids,
    network=st.none() | st.ip_addresses().map(str),
    address=flags,
    by=nicks,
    reason=st.none() | reasons,
    since=dates,
    until=st.none() | dates,
)
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
