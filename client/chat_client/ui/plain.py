"""The line view: append-only, one event a line, at a prompt on a terminal or through a pipe.

Rules:
- Everything that arrives is printed on the client's reading thread, so lines stand in the order
  of the stream; the main thread only reads input and asks.
- On a terminal what is being typed stays below what arrives, and what is not acknowledged above
  it. In a pipe each line of input is answered before the next is read, and the exit code tells
  whether all went well.
- Nothing typed is lost: what was not sent is shown again, with the reason. Secrets are not shown.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from chat_client import lines
from chat_client.client import Client
from chat_client.command import Help, Secret, UsageError
from chat_client.commands import interpret, may_be_kept, say
from chat_client.cursors import Restarted
from chat_client.escape import escape
from chat_client.keeper import QUIT, Event, Reply
from chat_client.keys import KeyTrouble
from chat_client.link import Back, Link
from chat_client.pace import Pace
from chat_client.pending import Pending, text_of
from chat_client.place import LOBBY, Place
from chat_client.recent import SHOWN, Recent
from chat_client.room_commands import with_password
from chat_client.tenancy import Tenancy
from chat_client.transport import Disconnected
from chat_client.ui.endings import (
    EX_INTERRUPTED,
    EX_NEGATIVE,
    EX_REFUSED,
    EX_UNREADABLE,
    report,
    report_end,
)
from chat_client.ui.entrance import Entrance, Wish
from chat_client.ui.piped import plain_text
from chat_client.ui.questions import Questions
from chat_client.unanswered import UNSURE
from chat_schema import replies, requests
from chat_schema.errors import Refused
from chat_schema.names import User, same_name

if TYPE_CHECKING:
    from chat_client.ui.prompt import Prompt

PIPE_GIVES_UP = 60.0
"""Seconds without a connection after which a script is told: a restart is over by then."""

UNCERTAIN = frozenset({UNSURE, "server.storage"})
"""Refusals after which a message may have been kept all the same."""

LEVEL_OF_IGNORES = 3
"""The protocol level from which on a server knows whom one ignores."""


class Plain:
    """One user's chat as lines; `run` returns the exit code."""

    def __init__(self, wish: Wish, *, interactive: bool, commands: bool) -> None:
        """With `commands` lines that begin with a slash are obeyed, otherwise they are said."""
        self._wish = wish
        self._interactive = interactive
        self._commands = commands
        self._place = Place(User(uid="", nick=wish.nick or ""))
        self._tenancy = Tenancy(wish.host, wish.port, self._complain)
        self._pending = Pending()
        self._recent = Recent()
        self._failed = False
        self._unanswered = 0
        self._settled = threading.Condition()
        self._ended: Disconnected | None = None
        self._input: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._questions = Questions(self._hidden, interactive=interactive)
        self._prompt: Prompt | None = None
        self._client: Client | None = None

    def run(self) -> int:
        """Connect and chat until the input, the user or the server ends it."""
        try:
            self._client = client = self._connect()
        except Disconnected as ended:
            return report_end(ended, self._wish.host)
        except Refused as refused:
            self._complain(lines.of_refusal(refused))
            return EX_REFUSED
        except (KeyTrouble, OSError) as trouble:
            return report(str(trouble), EX_UNREADABLE)
        try:
            self._converse(client)
        except KeyboardInterrupt:
            return EX_INTERRUPTED
        except Disconnected as ended:
            self._ended = ended
        finally:
            self._leave(client)
        if self._ended is not None and self._ended.code != QUIT:
            return report_end(self._ended, self._wish.host)
        return EX_NEGATIVE if self._failed and not self._interactive else 0

    # Connecting

    def _connect(self) -> Client:
        """Connect as the wish says, asking where a person can be asked."""
        make = partial(
            Client,
            on_event=self._on_event,
            on_link=self._on_link,
            on_end=self._on_end,
            give_up=math.inf if self._interactive else PIPE_GIVES_UP,
        )
        entrance = Entrance(
            self._wish, self._tenancy, make, self._complain, interactive=self._interactive
        )
        return entrance.enter()

    def _converse(self, client: Client) -> None:
        self._place.enter(client.welcome)
        self._show(self._greeting(client))
        self._tenancy.begin(client)
        self._ask_ignores(client)
        for room in self._rooms(client):
            self._ask(client, requests.Join(room=room))
        pace = Pace(client.welcome.limits.messages)
        source = self._typed(client) if self._interactive else self._piped(pace)
        for line in source:
            self._ask_what_waits(client)
            if not self._do(client, line):
                return

    def _greeting(self, client: Client) -> list[str]:
        host, port = self._wish.host, self._wish.port
        server, nick = escape(client.welcome.server), escape(client.user.nick)
        hello = f"-- {server} at {host}:{port} knows you as {nick}; /help for help"
        kept = ["-- your stay was kept: the same name, the same rooms"]
        motd = [f"-- {escape(client.welcome.motd)}"] if client.welcome.motd else []
        return [hello, *(kept if client.resumed else []), *motd]

    def _rooms(self, client: Client) -> list[str]:
        """The rooms to enter, the one to look at last: a pipe talks in the lobby."""
        kept = self._tenancy.rooms(client)
        others = [room for room in kept if room.lower() != LOBBY]
        return kept if kept and self._interactive else [*others, LOBBY]

    def _leave(self, client: Client) -> None:
        """Say goodbye; where nobody hears it, the stay is left for the next program."""
        heard = not client.away
        client.close()
        self._tenancy.end(over=heard)

    # Input: on the main thread

    def _typed(self, client: Client) -> Iterator[str]:
        from chat_client.ui.prompt import Prompt

        self._prompt = Prompt(
            self._pending.lines,
            lambda: self._prompt_text(client),
            may_be_kept,
            self._questions.waits,
        )
        if self._ended is not None:
            self._prompt.end()
        return self._prompt.lines()

    def _prompt_text(self, client: Client) -> str:
        room = f" #{escape(self._place.room)}" if self._place.room else ""
        away = " (offline)" if client.away else ""
        return f"[{escape(self._place.user.nick)}{room}{away}] "

    def _piped(self, pace: Pace) -> Iterator[str]:
        """Lines of standard input, each once the one before is answered and it may be said."""
        threading.Thread(target=self._read_input, name="chat-input", daemon=True).start()
        self._wait_settled()
        while (line := self._input.get()) is not None and self._ended is None:
            pace.wait(line)
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
            if isinstance(action, Secret):
                action = self._questions.answer(action)
        except UsageError as error:
            self._fail(error)
            return True
        match action:
            case Help(text):
                self._show(text)
            case requests.Quit():
                return False
            case requests.Request():
                self._ask(client, action)
        return True

    def _fail(self, error: UsageError) -> None:
        self._failed = True
        self._complain([f"!! {escape(str(error))}"])

    # Secrets: on the main thread

    def _ask_what_waits(self, client: Client) -> None:
        """Ask for the passwords of rooms that have refused us without."""
        for secret in self._questions.taken():
            try:
                self._ask(client, self._questions.answer(secret))
            except UsageError as error:
                self._fail(error)

    def _hidden(self, text: str) -> str | None:
        """A secret from the prompt, or the next line of a pipe."""
        if self._prompt is not None:
            return self._prompt.hidden(f"{escape(text.removesuffix(': '))}{self._wish.warning}: ")
        line = self._input.get()
        if line is None:
            self._input.put(None)  # the end is the end also for who asks next
        return line

    def _ask_ignores(self, client: Client) -> None:
        """Learn whom the user ignores; who has just come as a guest ignores nobody."""
        known = client.user.registered or client.resumed
        if known and client.welcome.level >= LEVEL_OF_IGNORES:
            client.submit(requests.Ignores(), self._ignores_arrived)

    def _ignores_arrived(self, future: Future[Reply]) -> None:
        if future.exception() is None:
            self._place.note_reply(future.result())

    def _ask(self, client: Client, request: requests.Request) -> None:
        with self._settled:
            self._unanswered += 1
        self._pending.add(request)
        if client.away and not text_of(request):
            self._complain(["-- this is asked when the connection is back"])
        client.submit(request, lambda future: self._answered(client, request, future))

    def _wait_settled(self) -> None:
        with self._settled:
            self._settled.wait_for(lambda: self._unanswered == 0 or self._ended is not None)

    # Output: on the reading thread

    def _on_event(self, event: Event) -> None:
        if self._recent.hold(event):
            return
        mine = self._pending.arrived(event)
        shown = lines.of_event(event, self._place)
        if mine and self._interactive and shown:
            shown[-1] += " ✓"
        self._show(shown)
        self._place.note_event(event)
        self._refresh()
        if isinstance(event, Restarted):
            self._show_recent(event.room, event.head, 1)

    def _on_link(self, link: Link) -> None:
        self._complain(lines.of_link(link))
        if isinstance(link, Back) and self._client is not None:
            if self._place.elevated:
                self._complain(["-- you are no administrator any more: /admin"])
            self._place.enter(self._client.welcome)
            self._tenancy.keep(self._place)
        self._refresh()

    def _answered(self, client: Client, request: requests.Request, future: Future[Reply]) -> None:
        self._pending.settle(request)
        error = future.exception()
        if error is not None:
            self._report_failure(request, error)
        else:
            self._note(client, request, future.result())
        self._refresh()
        with self._settled:
            self._unanswered -= 1
            self._settled.notify_all()

    def _note(self, client: Client, request: requests.Request, reply: Reply) -> None:
        """Take in and show a good answer, and ask what follows from it."""
        new = isinstance(reply, replies.JoinOk) and same_name(reply.room) not in self._place.rooms
        self._place.note_reply(reply)
        self._tenancy.keep(self._place)
        recent = SHOWN if self._interactive else 0
        self._show(lines.of_reply(request, reply, self._place, recent=recent))
        if isinstance(reply, replies.JoinOk) and new:
            self._show_recent(reply.room, reply.seq, reply.history.oldest)
        if isinstance(reply, replies.IdentityOk):
            self._ask_ignores(client)
        if (following := self._place.follow_up(reply)) is not None:
            self._ask(client, following)

    def _report_failure(self, request: requests.Request, error: BaseException) -> None:
        """Say why, and give back what was typed."""
        certain = False
        if isinstance(error, Refused):
            self._failed = True
            self._complain(lines.of_refusal(error))
            certain = error.code not in UNCERTAIN
            if error.code == "room.password" and isinstance(request, requests.Join):
                self._ask_room_password(request)
        if text := text_of(request):
            head = "this was not sent" if certain else "this may not have been sent"
            self._complain([f"!! {head}:", *text])

    def _ask_room_password(self, request: requests.Join) -> None:
        """Have it asked for, where a person can be asked."""
        if self._interactive:
            self._questions.wait_for(with_password(request))
        else:
            self._complain(["-- /join ROOM password takes it from the next line"])
        if self._prompt is not None:
            self._prompt.look()

    def _show_recent(self, room: str, head: int, oldest: int) -> None:
        """Ask for a room's last messages, and let its live ones wait until they are shown."""
        if not self._interactive or self._client is None:
            return
        request = self._recent.begin(room, head, oldest)
        if request is not None:
            self._client.submit(request, lambda future: self._recent_arrived(room, future))

    def _recent_arrived(self, room: str, future: Future[Reply]) -> None:
        reply = future.result() if future.exception() is None else None
        if isinstance(reply, replies.HistoryOk):
            self._show(lines.of_recent(reply, self._place))
        for event in self._recent.end(room):
            self._on_event(event)

    def _on_end(self, reason: Disconnected) -> None:
        with self._settled:
            self._ended = reason
            self._settled.notify_all()
        self._input.put(None)
        if self._prompt is not None:
            self._prompt.end()

    def _refresh(self) -> None:
        if self._prompt is not None:
            self._prompt.refresh()

    def _show(self, text: list[str]) -> None:
        try:
            for line in text:
                print(line, flush=True)
        except BrokenPipeError:  # nobody reads any more, as in `chat-client | head`: end quietly
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._on_end(Disconnected(QUIT, "The output was closed."))

    def _complain(self, text: list[str]) -> None:
        """Show what went wrong: beside the rest on a terminal, apart from it in a pipe."""
        if self._interactive:
            self._show(text)
        for line in [] if self._interactive else text:
            print(line, file=sys.stderr, flush=True)
