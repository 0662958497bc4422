"""The chat client: `chat-client` on a command line, `Client` in a program.

with Client(nick="robin") as client:
    client.join("lobby")
    client.say("lobby", "Hello, everybody.")
    for event in client.events():
        ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chat_client.client import Client
    from chat_client.tls import Tls
    from chat_client.transport import Disconnected
    from chat_schema.errors import Refused

__all__ = ["Client", "Disconnected", "Refused", "Tls"]


def __getattr__(name: str) -> Any:
    """Import the library when it is asked for, so that `chat-client --help` answers at once."""
    if name == "Client":
        from chat_client.client import Client

        return Client
    if name == "Disconnected":
        from chat_client.transport import Disconnected

        return Disconnected
    if name == "Refused":
        from chat_schema.errors import Refused

        return Refused
    if name == "Tls":
        from chat_client.tls import Tls

        return Tls
    raise AttributeError(name)
