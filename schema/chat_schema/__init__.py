"""The wire of typed-chat: framing, names, requests, events, replies and errors.

Shared by the server and every client. Nothing in this package does I/O, starts a thread or reads
a clock; it imports pydantic and nothing else. PROTOCOL.md says the same in prose, and the tests
compare the two in both directions.
"""

PROTOCOL_VERSION = 1
"""The major version. Peers of another major cannot talk; everything within one is additive."""

PROTOCOL_LEVEL = 3
"""Grows by one with every visible addition; keys the changelog at the end of PROTOCOL.md."""

DEFAULT_PORT = 5555
"""Where a server listens and a client connects when nobody says otherwise."""
