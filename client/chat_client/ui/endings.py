"""How a program ends: what is said of it on standard error, and with which code it exits.

The codes above 63 are those of sysexits.h, which scripts know.
"""

from __future__ import annotations

import sys

from chat_client.escape import escape
from chat_client.transport import Disconnected
from chat_client.ui.entrance import LOOPBACK

EX_NEGATIVE = 1
EX_UNREADABLE = 66
EX_UNAVAILABLE = 69
EX_LATER = 75
EX_PROTOCOL = 76
EX_REFUSED = 77
EX_INTERRUPTED = 130

EXIT_CODES = {
    "connection.untrusted": EX_REFUSED,
    "auth.failed": EX_REFUSED,
    "server.kicked": EX_REFUSED,
    "server.banned": EX_REFUSED,
    "session.revoked": EX_REFUSED,
    "rate.connections": EX_LATER,
    "server.full": EX_LATER,
    "protocol.version": EX_PROTOCOL,
    "connection.garbled": EX_PROTOCOL,
}
"""Ends of a connection that are not simply an unreachable server."""


def report_end(ended: Disconnected, host: str) -> int:
    """Say why the conversation with a host has ended; return the exit code."""
    code = report(ended.message, EXIT_CODES.get(ended.code, EX_UNAVAILABLE))
    if ended.code == "connection.refused" and host in LOOPBACK:
        print("Is a server running there? `chat-server run` starts one.", file=sys.stderr)
    return code


def report(message: str, code: int) -> int:
    """Say what ends the program; return the exit code, which is given."""
    print(f"chat-client: {escape(message)}", file=sys.stderr)
    return code
