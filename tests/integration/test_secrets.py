"""Case H8: what is secret is found nowhere but where it belongs.

Secrets of every kind are planted into a running server, sound requests and broken ones; then its
logs, its database, its refusals and its command line are searched for them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chat_schema.framing import encode_frame
from tests.support.peer import Frame, Peer
from tests.support.program import PATIENCE, ServerProgram, run_program

PASSWORDS = {
    "first": "planted-first-password",
    "second": "planted-second-password",
    "wrong": "planted-wrong-password",
    "weak": "plant3d",
    "room": "planted-room-password",
    "wrong room": "planted-room-guess",
    "admin": "planted-admin-password",
    "wrong admin": "planted-admin-guess",
    "broken": "planted-in-a-broken-frame",
}
WHISPER = "planted whisper"
SAID = "said for everybody to hear"


class Recorder(Peer):
    """A peer that keeps every frame it was sent."""

    def __init__(self, address: tuple[str, int], nick: str | None = None) -> None:
        super().__init__(address, nick)
        self.frames: list[Frame] = []

    def receive(self) -> Frame:
        """The next frame, which is kept."""
        frame = super().receive()
        self.frames.append(frame)
        return frame


class Planted:
    """What was planted, and every refusal that came of it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.signatures: list[str] = []
        self.errors: list[Frame] = []

    @property
    def secrets(self) -> list[str]:
        """What the database must not have, nor anything else."""
        return [*PASSWORDS.values(), *self.tokens, *self.signatures]


def plant(server: ServerProgram) -> Planted:
    """Use every request that has a secret, rightly, wrongly, and in frames that are broken."""
    planted = Planted()
    with ExitStack() as stack:
        alice, bob, carol = (stack.enter_context(Recorder(server.address)) for _ in range(3))
        hello = alice.ask("hello", nick="alice", resume=True)
        planted.tokens.append(hello["resume"]["token"])
        bob.ask("hello", nick="bob")
        accounts(planted, alice, hello["server"])
        rooms(alice, bob)
        administration(alice)
        broken(planted, bob)
        carol.ask("hello", login={"nick": "alice", "password": PASSWORDS["wrong"]})
        carol.ask("hello", login={"nick": "alice", "password": PASSWORDS["second"]}, resume=True)
        planted.tokens.append(carol.frames[-1]["resume"]["token"])
        carol.send("quit", id="q")
        carol.rest()
        every = [*alice.frames, *bob.frames, *carol.frames]
        planted.errors = [frame for frame in every if frame["type"] in ("error", "bye")]
    with Recorder(server.address) as again:
        resume = {"token": planted.tokens[0]}
        assert again.ask("hello", nick="alice", resume=resume)["resume"]["resumed"]
    return planted


def accounts(planted: Planted, alice: Peer, server: str) -> None:
    """An account from its beginning, with every way to show whose it is."""
    assert alice.ask("register", password=PASSWORDS["weak"])["code"] == "auth.weak"
    assert alice.ask("register", password=PASSWORDS["first"])["type"] == "ok"
    wrong = alice.ask("passwd", old=PASSWORDS["wrong"], new=PASSWORDS["second"])
    assert wrong["code"] == "auth.failed"
    changed = alice.ask("passwd", old=PASSWORDS["first"], new=PASSWORDS["second"])
    assert changed["type"] == "ok"
    private = Ed25519PrivateKey.generate()
    alice.ask("key", public=base64url(private.public_key().public_bytes_raw()))
    for type_ in ("logout", "logout"):
        alice.ask(type_)
    for password in (PASSWORDS["wrong"], PASSWORDS["first"]):
        assert alice.ask("login", nick="alice", password=password)["code"] == "auth.failed"
    nonce = alice.ask("challenge")["nonce"]
    signature = base64url(private.sign(f"typed-chat login\n{server}\nalice\n{nonce}".encode()))
    planted.signatures.append(signature)
    assert alice.ask("login", nick="alice", signature=signature)["type"] == "ok"
    wrong = alice.ask("unregister", password=PASSWORDS["wrong"])
    assert wrong["code"] == "auth.failed"


def rooms(alice: Peer, bob: Peer) -> None:
    """A room with a password, and whispers."""
    alice.ask("join", room="den")
    assert alice.ask("mode", room="den", password=PASSWORDS["room"])["type"] == "ok"
    guess = bob.ask("join", room="den", password=PASSWORDS["wrong room"])
    assert guess["code"] == "room.password"
    assert bob.ask("join", room="den", password=PASSWORDS["room"])["type"] == "ok"
    assert bob.ask("broadcast", room="den", text=SAID)["type"] == "ok"
    assert bob.ask("whisper", to="alice", text=WHISPER)["type"] == "ok"
    assert bob.ask("whisper", to="nobody", text=WHISPER)["code"] == "user.offline"


def administration(alice: Peer) -> None:
    """The administrator's password, and an act that is kept in the audit."""
    assert alice.ask("elevate", password=PASSWORDS["wrong admin"])["code"] == "auth.failed"
    assert alice.ask("elevate", password=PASSWORDS["admin"])["type"] == "ok"
    assert alice.ask("kick", room="den", target="bob", reason="a reason")["type"] == "ok"
    for type_ in ("sessions", "audit", "stats"):
        said = json.dumps(alice.ask(type_))
        assert not [secret for secret in PASSWORDS.values() if secret in said]


def broken(planted: Planted, bob: Peer) -> None:
    """Frames that are refused, with a secret in them."""
    secret = PASSWORDS["broken"]
    bob.ask("login", nick=secret * 9, password=secret)
    bob.ask("login", nick="alice", password=[secret])
    bob.ask("register", password=secret * 99)
    bob.ask("elevate", password={secret: secret})
    bob.ask(secret, password=secret)
    bob.ask("ping", password=secret)  # unknown there
    bob.ask("hello", resume={"token": secret + "!"})
    for _ in range(4):  # the fourth is fatal
        bob.socket.sendall(encode_frame(f'{{"type":"login","password":"{secret}"'.encode()))
    bob.rest()


def base64url(data: bytes) -> str:
    """In the way of the wire."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Found:
    """What a run has left behind: its log lines, its database, its refusals, its command line."""

    def __init__(self, folder: Path, form: str) -> None:
        self.data, self.logs = folder / "data", folder / "logs"
        config = folder / "server.toml"
        config.write_text(
            f'[log]\nlevel = "debug"\nformat = "{form}"\ndir = "{self.logs}"\nmessages = true\n'
        )
        options = ("--data", str(self.data), "--config", str(config), "--no-limits")
        with ServerProgram(*options) as server:
            self.planted = plant(server)
            command = ["ps", "-ww", "-o", "args=", "-p", str(server.process.pid)]
            self.processes = run_program(*command).stdout
            _, self.errors = server.stop()
            server.process.wait(PATIENCE)
        self.settings = run_program("chat-server", "config", "show", "--config", str(config)).stdout

    @property
    def log(self) -> str:
        """Everything that was logged, to standard error and to files."""
        files = [path.read_text() for path in self.logs.iterdir()]
        assert files
        return "".join([self.errors, *files])

    def written(self) -> Iterator[bytes]:
        """Every file of the data folder."""
        for path in self.data.rglob("*"):
            if path.is_file():
                yield path.read_bytes()


@pytest.fixture(scope="module", params=["text", "json"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """One run for all that is searched, with each form of the log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAT_SERVER__ADMIN__PASSWORD", PASSWORDS["admin"])
        return Found(tmp_path_factory.mktemp("run"), request.param)


def test_nothing_secret_is_logged(found: Found) -> None:
    """No password, token, signature or whisper, at the level that says most."""
    for secret in [*found.planted.secrets, WHISPER]:
        assert secret not in found.log


def test_the_log_was_the_one_to_search(found: Found) -> None:
    """It tells of the same people, and of what they tried."""
    for said in ("alice", "bob", "den", "login_failed"):
        assert said in found.log


def test_what_is_said_in_rooms_is_logged_where_the_operator_wants_it(found: Found) -> None:
    """The setting is on here: even then no whisper was logged."""
    assert SAID in found.log


def test_the_database_has_no_password_and_no_token(found: Found) -> None:
    """Only hashes: who reads the disk becomes nobody else."""
    files = list(found.written())
    assert any(WHISPER.encode() in data for data in files)  # that is history: the right folder
    for secret in found.planted.secrets:
        for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")):
            assert not any(form in data for data in files)


def test_no_refusal_repeats_a_secret(found: Found) -> None:
    """Neither the error replies nor what is said at the end of a connection."""
    assert len(found.planted.errors) > 15
    said = json.dumps(found.planted.errors)
    for secret in [*found.planted.secrets, WHISPER]:
        assert secret not in said


def test_no_secret_is_seen_from_beside(found: Found) -> None:
    """Not in the list of processes, and not where the operator looks at the settings."""
    assert "chat-server" in found.processes
    assert "admin" in found.settings
    for secret in found.planted.secrets:
        assert secret not in found.processes
        assert secret not in found.settings
