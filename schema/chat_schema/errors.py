"""The error registry: every code that can be on the wire, what it means, and whether it ends it.

Codes are for programs, lower-case and dotted, and never reused; messages are for people and may
change. The table in PROTOCOL.md is compared with this registry in both directions.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class ErrorCode(NamedTuple):
    """One row: `fatal` closes the connection, `retryable` may succeed later unchanged.

    `reconnect` is what the `bye` after a fatal one advises.
    """

    meaning: str
    fatal: bool = False
    retryable: bool = False
    reconnect: Literal["now", "later", "never"] = "never"


ERRORS: dict[str, ErrorCode] = {
    "frame.too_large": ErrorCode("the header announces more bytes than the limit", fatal=True),
    "frame.invalid": ErrorCode("the body is not one JSON object; the fourth time is fatal"),
    "frame.timeout": ErrorCode(
        "a frame that had begun was not completed in time", fatal=True, reconnect="later"
    ),
    "protocol.hello_timeout": ErrorCode("no hello arrived in time", fatal=True, reconnect="later"),
    "protocol.hello_required": ErrorCode("only hello is allowed before welcome"),
    "protocol.already_welcome": ErrorCode("a second hello on one connection"),
    "protocol.version": ErrorCode("the server does not speak this major version", fatal=True),
    "type.unknown": ErrorCode("no request has this type"),
    "field.missing": ErrorCode("a required field is absent or null"),
    "field.invalid": ErrorCode("a field has the wrong type, size or value"),
    "nick.invalid": ErrorCode("the nick breaks the rules for nicks"),
    "nick.taken": ErrorCode("somebody has this nick, perhaps in another case"),
    "nick.reserved": ErrorCode("nobody gets this nick, or it is an account's: log in"),
    "room.invalid": ErrorCode("the name breaks the rules for rooms"),
    "room.not_member": ErrorCode("you are not in this room, or there is none of this name"),
    "room.limit": ErrorCode("you are in as many rooms as a client may be"),
    "user.offline": ErrorCode("nobody with this nick is online"),
    "user.self": ErrorCode("nobody does that to themselves"),
    "message.empty": ErrorCode("the text has no character"),
    "message.too_long": ErrorCode("the text has more characters than `limit`; nothing was cut"),
    "message.invalid": ErrorCode("the text holds a control character"),
    "history.range": ErrorCode("after and before exclude each other"),
    "cid.conflict": ErrorCode("this `cid` was used for another message; nothing was sent"),
    "permission.denied": ErrorCode("you do not have the right"),
    "user.unknown": ErrorCode("nobody of this name is online or has an account"),
    "user.absent": ErrorCode("they are not in the room"),
    "user.ignores": ErrorCode("they do not take whispers and invitations from you"),
    "auth.failed": ErrorCode("the name, or what should prove that it is yours, is not right"),
    "auth.required": ErrorCode("this needs an account: log in"),
    "auth.already": ErrorCode("you are logged in already"),
    "auth.insecure": ErrorCode("no password over a connection that others can read: use TLS"),
    "auth.weak": ErrorCode("the new password is shorter than `limit`, or the nick itself"),
    "room.banned": ErrorCode("you are banned from the room"),
    "room.muted": ErrorCode("you are muted in the room", retryable=True),
    "room.moderated": ErrorCode("only moderators speak in the room"),
    "room.slow": ErrorCode("the room is in slow mode: wait", retryable=True),
    "room.password": ErrorCode("the room needs its password"),
    "room.invite_only": ErrorCode("only those who were invited may enter"),
    "room.members_only": ErrorCode("only those with an account may enter"),
    "room.no_ban": ErrorCode("no ban or mute like this is in force"),
    "rate.messages": ErrorCode("too many messages; nothing was sent", retryable=True),
    "rate.muted": ErrorCode("muted for a moment for too many messages", retryable=True),
    "rate.joins": ErrorCode("too many joins and changes of nick", retryable=True),
    "rate.reads": ErrorCode("too many lists, pages of history and searches", retryable=True),
    "rate.logins": ErrorCode("too many attempts from your address", retryable=True),
    "server.muted": ErrorCode("an administrator has muted you", retryable=True),
    "server.locked": ErrorCode("the server lets in fewer people at present", retryable=True),
    "server.kicked": ErrorCode("an administrator ended your connection", fatal=True),
    "server.banned": ErrorCode("you are banned from the server", fatal=True),
    "session.revoked": ErrorCode(
        "the account was removed, or its password or key changed", fatal=True
    ),
    "rate.connections": ErrorCode(
        "too many connections from one address", fatal=True, retryable=True, reconnect="later"
    ),
    "tls.required": ErrorCode("this server wants TLS from other machines", fatal=True),
    "server.full": ErrorCode(
        "the server has as many clients as it can", fatal=True, retryable=True, reconnect="later"
    ),
    "server.busy": ErrorCode("a queue inside the server is full; nothing was done", retryable=True),
    "server.storage": ErrorCode(
        "the server cannot store at present; it promises nothing about this request",
        retryable=True,
    ),
    "server.internal": ErrorCode("a fault of the server; the incident is in its log"),
    "server.shutdown": ErrorCode(
        "the server is stopping", fatal=True, retryable=True, reconnect="later"
    ),
    "session.replaced": ErrorCode("the stay was taken up on another connection", fatal=True),
    "client.slow": ErrorCode(
        "the client did not read what it was sent", fatal=True, reconnect="now"
    ),
    "client.timeout": ErrorCode("nothing was heard from the client", fatal=True, reconnect="now"),
    "client.quit": ErrorCode("the client asked to leave", fatal=True),
}


class Refused(Exception):
    """A request that was not done, with the wire's code; raised on both sides of the wire.

    `code` is a key of ERRORS (a client may meet newer ones). `re` is the id of the request, None
    where it had none. The other attributes are the error frame's fields of the same name.
    """

    def __init__(  # noqa: PLR0913 - one parameter per field of the error frame
        self,
        code: str,
        message: str,
        *,
        re: str | None = None,
        fatal: bool | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        field: str | None = None,
        limit: int | None = None,
        size: int | None = None,
        versions: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message)
        row = ERRORS.get(code)
        self.code = code
        self.message = message
        self.re = re
        self.fatal = fatal if fatal is not None else bool(row and row.fatal)
        self.retryable = retryable if retryable is not None else bool(row and row.retryable)
        self.retry_after = retry_after
        self.field = field
        self.limit = limit
        self.size = size
        self.versions = versions
