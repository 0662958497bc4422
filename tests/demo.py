"""A demonstration: scripted people on a server of their own; prints what one of them sees.

    python -m tests.demo

Exits 0 when the conversation went as it should, leaves nothing running.
"""

from __future__ import annotations

import sys

from chat_client import lines
from chat_client.client import Client
from chat_client.place import Place
from chat_schema.errors import Refused
from chat_server import ChatServer


class Actor:
    """Somebody on the stage: a client, and what they have seen so far as lines."""

    def __init__(self, port: int, nick: str | None) -> None:
        self.client = Client(port=port, nick=nick)

    def seen(self) -> list[str]:
        """The lines of everything that arrived since the last look."""
        self.client.ping()
        arrived = self.client.events(timeout=0)
        place = Place(self.client.user)
        return [line for event in arrived for line in lines.of_event(event, place)]


def main() -> int:
    """Play the conversation; return the exit code."""
    with ChatServer(port=0) as server:
        port = server.address[1]
        print(f"A server listens on 127.0.0.1:{port}. What bob sees:\n")
        alice, bob, guest = Actor(port, "alice"), Actor(port, "bob"), Actor(port, None)
        alice.client.join("garden")  # the first in a room owns it
        bob.client.join("garden")
        _play(alice.client, guest.client)
        transcript = bob.seen()
        _show(transcript)
        print("\nA second alice, in any case, is refused:")
        refused = _refusal(port, "ALICE")
        _show(lines.of_refusal(refused))
        for actor in (alice, bob, guest):
            actor.client.close()
    return 0 if _complete(transcript) and refused.code == "nick.taken" else 1


def _play(alice: Client, guest: Client) -> None:
    guest.join("garden")
    alice.say("garden", "Hello everybody, and welcome.")
    guest.say("garden", "/me waves")
    guest.nick("carol")
    alice.topic("garden", "First things first")
    alice.whisper("bob", "Only you can read this.")
    alice.join("dev")
    alice.say("dev", "Bob is not in this room and does not see this.")
    alice.care.kick("garden", "carol", "it is late")
    alice.close()


def _refusal(port: int, nick: str) -> Refused:
    with Client(port=port, nick="alice"):
        try:
            Client(port=port, nick=nick).close()
        except Refused as refused:
            return refused
    raise SystemExit("a taken nick was given away")


def _complete(transcript: list[str]) -> bool:
    text = "\n".join(transcript)
    told = ("joined", "welcome", "* guest_1 waves", "carol", "First", "Only you", "late", "quit")
    return all(word in text for word in told) and "does not see" not in text


def _show(text: list[str]) -> None:
    for line in text:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
