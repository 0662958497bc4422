"""The bounds of the wire, each with its reason; a server announces them in `welcome.limits`."""

from __future__ import annotations

FRAME_BEFORE_WELCOME = 16 * 1024
"""Bytes of a body from a stranger: a hello that resumes RESUMED conversations still fits."""

FRAME_TO_SERVER = 64 * 1024
"""Bytes of a body from a client: the longest text, escaped character by character, still fits."""

FRAME_TO_CLIENT = 1024 * 1024
"""Bytes of a body from the server: a full page of history; clients may refuse anything longer."""

TEXT_CHARACTERS = 4000
"""Characters of a message. Four bytes each at most, so no text exceeds 16 KiB of UTF-8."""

TOPIC_CHARACTERS = 400
"""Characters of a topic: one or two lines at the head of a window."""

NICK_CHARACTERS = 32
"""Characters of a nick: fits a column of any terminal."""

ROOM_CHARACTERS = 64
"""Characters of a room name."""

ID_CHARACTERS = 64
"""Characters of a request's `id` and of a `cid`: a UUID with a prefix."""

HISTORY_PAGE = 200
"""Events in one page of history; a page is also cut at half of FRAME_TO_CLIENT bytes."""

SEARCH_CHARACTERS = 200
"""Characters of what is searched for: a long sentence."""

SEARCH_PAGE = 100
"""Hits in one reply to a search."""

RESUMED = 100
"""Conversations that one hello can resume: every room a client may be in, and as many whispers."""

TOKEN_CHARACTERS = 64
"""Characters of a resume token at most: 256 random bits take 43."""

EPOCH_CHARACTERS = 32
"""Characters of an epoch at most."""

LIST_PAGE = 500
"""Rooms or users in one reply; the rest follows with `after`."""

MEMBERS_IN_JOIN = 100
"""Members named in the reply to a join; `count` has the true number, `users` the others."""

ROOMS_PER_CLIENT = 50
"""Rooms one connection may be in at a time."""

NESTING = 16
"""Levels of objects and arrays in a body: the protocol itself needs four."""

SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON library reads exactly (I-JSON, RFC 7493)."""

PASSWORD_SHORTEST = 8
"""Characters of a password at least; what NIST SP 800-63B asks for where people choose it."""

PASSWORD_LONGEST = 128
"""Characters of a password at most: any passphrase, and hashing it costs no more."""

REASON_CHARACTERS = 200
"""Characters of a reason: it is shown on a line, beside who did what to whom."""

SANCTION_SECONDS = 10 * 366 * 24 * 3600
"""Seconds of the longest ban that is not for ever: ten years."""

SLOW_SECONDS = 3600
"""Seconds that slow mode can ask for between two messages of one person."""

SHUTDOWN_SECONDS = 24 * 3600
"""Seconds that a shutdown can be put off: a day."""

AUDIT_PAGE = 200
"""Entries of the audit in one reply."""

STAFF = 100
"""Owners and moderators of a room, together: they are in the reply to a join."""
