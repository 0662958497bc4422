"""The chat server: `chat-server run` on a command line, `ChatServer` in a program or a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chat_server.app import ChatServer

__all__ = ["ChatServer"]


def __getattr__(name: str) -> Any:
    """Import the server when it is asked for, so that `chat-server --help` answers at once."""
    if name == "ChatServer":
        from chat_server.app import ChatServer

        return ChatServer
    raise AttributeError(name)
