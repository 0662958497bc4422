"""Every setting of the server, its default and the reason for it.

A setting is `section.name`: in the file `[limits]` and below it `connections = 16`. The text below
a field is what `chat-server config default` says of it, so every field has one; a field without a
default value has an example. config.py reads them.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from platformdirs import user_data_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from chat_schema import DEFAULT_PORT, limits
from chat_schema.names import RoomName, same_name
from chat_server.journal.base import Retention

MEMORY = ":memory:"
"""Stands for a data folder where nothing is to be kept."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Bytes = Annotated[int, Field(ge=1024)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]


class Section(BaseModel):
    """The base of every section."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Server(Section):
    """Where to listen and what to be called."""

    host: str = "127.0.0.1"
    """Loopback: a chat without passwords is not put on a network by accident."""
    port: Annotated[int, Field(ge=0, le=65_535)] = DEFAULT_PORT
    """0 takes a free port."""
    name: Annotated[str, Field(min_length=1, max_length=64)] = "typed-chat"
    """What `welcome.server` says."""
    motd: Annotated[str, Field(max_length=1000)] | None = Field(default=None, examples=["Be kind."])
    """A message for everyone who connects."""
    io_threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Loop threads. One was fastest in every scenario: README.md, "How fast it is"."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads for what waits; more would only contend for the interpreter."""
    data: str | None = Field(default=None, examples=["/var/lib/typed-chat"])
    """The folder of the database, `:memory:` for none; left out, the user's data folder."""
    durability: Literal["disk", "process"] = "disk"
    """What an acknowledged message survives: a power cut, or only the end of the process."""

    @property
    def folder(self) -> Path | None:
        """The data folder, None where nothing is kept."""
        if self.data == MEMORY:
            return None
        return Path(self.data) if self.data else user_data_path("typed-chat")


class RoomHistory(Section):
    """How much of one room is kept; what is left out is not limited."""

    entries: Count | None = Field(default=None, examples=[5000])
    """The newest so many."""
    days: Annotated[float, Field(gt=0, le=36_500)] | None = Field(default=None, examples=[30])
    """None older than this."""


class History(RoomHistory):
    """How much is kept: everything, unless told otherwise."""

    rooms: dict[RoomName, RoomHistory] = {}
    """Rooms with limits of their own, as `[history.rooms.ops]`."""
    memory_entries: Count = 1000
    """Entries a room where history is in memory: some days of a lively one, under a megabyte."""
    memory_bytes: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    """In all rooms together, in memory: a fraction of the smallest rented machine."""

    def retention(self, room: str) -> Retention:
        """How much of the room of this key is kept."""
        limits = self._by_key.get(room, self)
        return Retention(limits.entries, limits.days)

    @cached_property
    def _by_key(self) -> dict[str, RoomHistory]:
        return {same_name(name): limits for name, limits in self.rooms.items()}


class Resume(Section):
    """What those who lost their connection are granted."""

    seconds: Seconds = 120
    """To come back before others see them leave: a lift, a tunnel, a laptop opened again."""
    events: Count = 500
    """Replayed in one conversation; who missed more pages through history."""


class Heartbeat(Section):
    """Seconds of silence."""

    interval: Seconds = 30
    """Then the server asks: below what home routers and carriers forget (60 s and more)."""
    timeout: Seconds = 75
    """Then it gives up: two questions and some slack."""

    @model_validator(mode="after")
    def _asks_before_giving_up(self) -> Self:
        if self.interval >= self.timeout:
            raise ValueError("interval must be shorter than timeout")
        return self


class Limits(Section):
    """Bounds on what one client or address can take from the others."""

    connections: Count = 16
    """At once from one address: a household or a small office."""
    new_connections: Count = 32
    """New ones from one address in `new_connections_window`: reconnecting after a bad minute."""
    new_connections_window: Seconds = 600
    """Ten minutes."""
    exempt_loopback: bool = True
    """Connections from this machine are its owner's affair."""
    hello_timeout: Seconds = 10
    """A client knows what to say before it connects."""
    frame_timeout: Seconds = 30
    """64 KiB in that time is 2 KiB a second: slower than any modem still in use."""
    outbox_before_welcome: Bytes = 8 * 1024
    """A few errors and the welcome; a stranger who reads nothing costs no more."""
    outbox_soft: Bytes = 256 * 1024
    """Over this a client is warned and not read: it cannot make its own flood."""
    outbox_soft_grace: Seconds = 10
    """How long a client may stay over the soft limit: a lift ride, a tunnel."""
    outbox_hard: Bytes = 1024 * 1024
    """Over this it is given up at once: ten thousand of these are 10 GiB."""
    outbox_stall: Seconds = 15
    """Without a byte taken in this time, nobody is reading."""
    rooms: Count = 10_000
    """Rooms on the server; the one empty longest gives way to a new one."""
    rooms_per_client: Annotated[int, Field(ge=1, le=limits.ROOMS_PER_CLIENT)] = (
        limits.ROOMS_PER_CLIENT
    )
    """Rooms one client may be in at a time."""
    stays: Count = 16
    """Stays held without a connection for one address: who floods cannot squat nicks."""
    owned_rooms: Count = 20
    """Rooms one account owns for good, each kept while it does; it owns more while it is there."""
    text: Annotated[int, Field(ge=1, le=limits.TEXT_CHARACTERS)] = limits.TEXT_CHARACTERS
    """Characters of a message."""
    messages_burst: Count = 10
    """Messages at once, each 1 and 1 more per KiB beyond the first: a pasted block is one."""
    messages_per_second: Rate = 5
    """After that: faster than anybody types, slower than anybody can bear for long."""
    joins_burst: Count = 20
    """Joins and changes of nick at once: a client that returns to all its rooms."""
    joins_per_minute: Rate = 10
    """After that: everybody in a room is told of each."""
    reads_burst: Count = 20
    """Pages of history, lists and searches at once: a client that fills its gaps."""
    reads_per_minute: Rate = 24
    """After that: four in ten seconds, each a walk through the disk."""
    flood_mute: Seconds = 30
    """How long who goes on after warnings and refusals is muted."""
    logins_per_minute: Rate = 5
    """Attempts for one address and account; more are delayed, nobody is locked out."""
    waiting_jobs: Count = 256
    """Slow requests behind the workers: at 10 ms each, a wait of a second or so."""

    @model_validator(mode="after")
    def _warns_before_giving_up(self) -> Self:
        if self.outbox_soft > self.outbox_hard:
            raise ValueError("outbox_soft must not exceed outbox_hard")
        return self


class Auth(Section):
    """How people show who they are."""

    plain_passwords: bool = False
    """Take passwords over a plain connection from another machine: the network can read them."""
    hash_kib: Annotated[int, Field(ge=8, le=4 * 1024 * 1024)] = 19 * 1024
    """Memory of one password hash: with `hash_passes`, what OWASP advises for Argon2id."""
    hash_passes: Annotated[int, Field(ge=1, le=100)] = 2
    """Passes over it."""
    hashes_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """More would take the cores from those who talk."""
    hashes_waiting: Count = 64
    """Behind them: a few seconds' worth; more are told to come again."""


class Admin(Section):
    """How somebody becomes administrator with a password; without either, only by their account."""

    password: Annotated[SecretStr, Field(min_length=1)] | None = None
    """For a try, or from the environment; a file is not seen in the list of processes."""
    password_file: str | None = Field(default=None, examples=["/etc/typed-chat/admin-password"])
    """A file whose first line is the password."""


class RoomSettings(Section):
    """What rooms begin with."""

    ownerless: Annotated[tuple[RoomName, ...], Field(strict=False)] = ("lobby",)
    """Rooms that nobody owns for having come first: everybody's, looked after by the server's."""


class Log(Section):
    """What is written down of what happens; secrets and whispers never are."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """From here on; `info` is what happens, `warning` only what should not."""
    format: Literal["text", "json"] = "text"
    """`json`: one object a line, for programs."""
    dir: str | None = Field(default=None, examples=["/var/log/typed-chat"])
    """A folder for one file a day, beside standard error."""
    keep_days: Count = 30
    """Days until a file is deleted."""
    messages: bool = False
    """Write down what is said in rooms too; tell your users."""
    waiting: Count = 10_000
    """Lines that may wait for a slow disk; more are dropped and counted."""


class Metrics(Section):
    """Where Prometheus asks, and whoever wants to know whether the server is well."""

    host: str = "127.0.0.1"
    """This machine: who can ask here needs no password."""
    port: Annotated[int, Field(ge=0, le=65_535)] | None = Field(default=None, examples=[9555])
    """Left out, nowhere; 0 takes a free one."""


class Tls(Section):
    """Encryption, recognised by the first byte, on the same port; without `cert` there is none."""

    cert: str | None = Field(default=None, examples=["/etc/typed-chat/cert.pem"])
    """The certificate and its chain, PEM."""
    key: str | None = Field(default=None, examples=["/etc/typed-chat/key.pem"])
    """Its private key, PEM; left out, it is in the same file."""
    required: bool = False
    """Refuse plain connections from other machines."""


class Settings(Section):
    """All settings."""

    server: Server = Server()
    history: History = History()
    resume: Resume = Resume()
    heartbeat: Heartbeat = Heartbeat()
    limits: Limits = Limits()
    auth: Auth = Auth()
    admin: Admin = Admin()
    rooms: RoomSettings = RoomSettings()
    log: Log = Log()
    metrics: Metrics = Metrics()
    tls: Tls = Tls()
