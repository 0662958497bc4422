"""The line view: append-only, one event a line, at a prompt on a terminal or through a pipe.

Rules:
- Everything that arrives is printed on the client's reading thread, so lines stand in the order
  of the stream; the main thread only reads input and asks.
- On a terminal, prompt_toolkit keeps what is being typed below what arrives. In a pipe each line of
  input is answered before the next is read, and the exit code tells whether all went well.
"""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING

from chat_client import lines
from chat_client.client import Client, Event, Reply
from chat_client.commands import Help, UsageError, interpret, say
from chat_client.escape import escape
from chat_client.place import LOBBY, Place
from chat_client.transport import Disconnected
from chat_schema import requests
from chat_schema.errors import Refused
from chat_schema.names import CONTROL, User

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

ESCAPE_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
"""What programs write to colour and move: CSI, OSC, and the short ones (ECMA-48)."""

CONTROLS = re.compile(rf"[{CONTROL}\n]")
"""Everything else that a message may not hold."""

EX_NEGATIVE = 1
EX_UNAVAILABLE = 69
EX_LATER = 75
EX_PROTOCOL = 76
EX_REFUSED = 77
EX_INTERRUPTED = 130

EXIT_CODES = {
    "rate.connections": EX_LATER,
    "server.full": EX_LATER,
    "protocol.version": EX_PROTOCOL,
    "connection.garbled": EX_PROTOCOL,
}
"""Ends of a connection that are not simply an unreachable server."""


class Plain:
    """One user's chat as lines; `run` returns the exit code."""

    def __init__(
        self, host: str, port: int, nick: str | None, *, interactive: bool, commands: bool
    ) -> None:
        """With `commands` lines that begin with a slash are obeyed, otherwise they are said."""
        self._address = (host, port)
        self._interactive = interactive
        self._commands = commands
        self._place = Place(User(uid="", nick=nick or ""))
        self._failed = False
        self._unanswered = 0
        self._settled = threading.Condition()
        self._ended: Disconnected | None = None
        self._input: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._prompt: PromptSession[str] | None = None

    def run(self) -> int:
        """Connect and chat until the input, the user or the server ends it."""
        try:
            client = self._connect()
        except Disconnected as ended:
            return self._report_end(ended)
        except Refused as refused:
            self._complain(lines.of_refusal(refused))
            return EX_REFUSED
        self._place.user = client.user
        try:
            self._converse(client)
            client.close()
        except KeyboardInterrupt:
            client.close()
            return EX_INTERRUPTED
        except Disconnected as ended:
            self._ended = ended
        if self._ended is not None and self._ended.code != "client.quit":
            return self._report_end(self._ended)
        return EX_NEGATIVE if self._failed and not self._interactive else 0

    # Connecting

    def _connect(self) -> Client:
        """Connect under the nick, asking for another where a person can be asked."""
        nick = self._place.user.nick or None
        while True:
            try:
                return Client(
                    *self._address, nick=nick, on_event=self._on_event, on_end=self._on_end
                )
            except Refused as refused:
                if not (self._interactive and refused.code.startswith("nick.")):
                    raise
                self._show(lines.of_refusal(refused))
                nick = self._ask_nick(refused)

    def _ask_nick(self, refused: Refused) -> str | None:
        """Another nick, None for a guest's; the refusal stands where the user gives up."""
        try:
            answer = input("Another nick (empty for a guest's, /quit to leave): ").strip()
        except EOFError:
            print()
            raise refused from None
        if answer == "/quit":
            raise refused
        return answer or None

    def _converse(self, client: Client) -> None:
        self._show(self._greeting(client))
        self._ask(client, requests.Join(room=LOBBY))
        source = self._typed() if self._interactive else self._piped()
        for line in source:
            if not self._do(client, line):
                return

    def _greeting(self, client: Client) -> list[str]:
        host, port = self._address
        server, nick = escape(client.welcome.server), escape(client.user.nick)
        hello = f"-- {server} at {host}:{port} knows you as {nick}; /help for help"
        return [hello, *([f"-- {escape(client.welcome.motd)}"] if client.welcome.motd else [])]

    # Input: on the main thread

    def _typed(self) -> Iterator[str]:
        """Lines as a person types them, with what arrives printed above."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.patch_stdout import patch_stdout

        self._prompt = PromptSession(erase_when_done=True, key_bindings=_keys())
        with patch_stdout():
            while self._ended is None:
                try:
                    yield self._prompt.prompt(self._prompt_text)
                except EOFError:
                    return

    def _prompt_text(self) -> str:
        room = f" #{escape(self._place.room)}" if self._place.room else ""
        return f"[{escape(self._place.user.nick)}{room}] "

    def _piped(self) -> Iterator[str]:
        """Lines of standard input, each once the one before is answered."""
        threading.Thread(target=self._read_input, name="chat-input", daemon=True).start()
        self._wait_settled()
        while (line := self._input.get()) is not None and self._ended is None:
            yield line
            self._wait_settled()

    def _read_input(self) -> None:
        for line in sys.stdin:
            self._input.put(line.rstrip("\r\n") if self._commands else plain_text(line))
        self._input.put(None)

    def _do(self, client: Client, line: str) -> bool:
        """Do what a line asks; False where it ends the chat."""
        try:
            action = (interpret if self._commands else say)(line, self._place)
        except UsageError as error:
            self._failed = True
            self._complain([f"!! {escape(str(error))}"])
            return True
        match action:
            case Help(text):
                self._show(text)
            case requests.Quit():
                return False
            case requests.Request():
                self._ask(client, action)
        return True

    def _ask(self, client: Client, request: requests.Request) -> None:
        with self._settled:
            self._unanswered += 1
        client.submit(request, lambda future: self._answered(client, request, future))

    def _wait_settled(self) -> None:
        with self._settled:
            self._settled.wait_for(lambda: self._unanswered == 0 or self._ended is not None)

    # Output: on the reading thread

    def _on_event(self, event: Event) -> None:
        self._show(lines.of_event(event, self._place.user))
        self._place.note_event(event)

    def _answered(self, client: Client, request: requests.Request, future: Future[Reply]) -> None:
        error = future.exception()
        if isinstance(error, Refused):
            self._failed = True
            self._complain(lines.of_refusal(error))
        elif error is None:
            reply = future.result()
            self._place.note_reply(reply)
            self._show(lines.of_reply(request, reply, self._place.user))
            if (following := self._place.follow_up(reply)) is not None:
                self._ask(client, following)
        with self._settled:
            self._unanswered -= 1
            self._settled.notify_all()

    def _on_end(self, reason: Disconnected) -> None:
        with self._settled:
            self._ended = reason
            self._settled.notify_all()
        self._input.put(None)
        if self._prompt is not None and self._prompt.app.is_running:
            app = self._prompt.app
            if app.loop is not None:
                app.loop.call_soon_threadsafe(lambda: app.exit(exception=EOFError))

    def _show(self, text: list[str]) -> None:
        try:
            for line in text:
                print(line, flush=True)
        except BrokenPipeError:  # nobody reads any more, as in `chat-client | head`: end quietly
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._on_end(Disconnected("client.quit", "The output was closed."))

    def _complain(self, text: list[str]) -> None:
        """Show what went wrong: beside the rest on a terminal, apart from it in a pipe."""
        if self._interactive:
            self._show(text)
        for line in [] if self._interactive else text:
            print(line, file=sys.stderr, flush=True)

    def _report_end(self, ended: Disconnected) -> int:
        print(f"chat-client: {escape(ended.message)}", file=sys.stderr)
        if ended.code == "connection.refused" and self._address[0] in ("127.0.0.1", "localhost"):
            print("Is a server running there? `chat-server run` starts one.", file=sys.stderr)
        return EXIT_CODES.get(ended.code, EX_UNAVAILABLE)


def plain_text(line: str) -> str:
    """A line of another program's output as a message: without colours and line ends."""
    return CONTROLS.sub("", ESCAPE_SEQUENCES.sub("", line))


def _keys() -> KeyBindings:
    """Ctrl-C clears a line that was begun; on an empty one it ends the chat."""
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    return keys
