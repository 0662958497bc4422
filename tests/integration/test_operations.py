"""The server as its operator runs it: settings, reloading, logs, metrics, the doctor, the end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, certificate, config
from chat_server.doctor import examine
from chat_server.settings import Settings
from tests.support.peer import Peer, kinds
from tests.support.program import BIN, PATIENCE, ServerProgram, run_program

MEMORY = ("--data", ":memory:")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file."""
    path = tmp_path / "chat.toml"
    path.write_text("[server]\nmotd = 'First.'\n")
    return path


def motd(server: ServerProgram) -> Any:
    """How the server greets now."""
    with Peer(server.address) as peer:
        return peer.ask("hello").get("motd")


def hang_up(server: ServerProgram) -> None:
    """Have the settings read again."""
    server.process.send_signal(signal.SIGHUP)


# Settings


def test_the_environment_and_the_user_s_file_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable stands over the file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CHAT_SERVER__SERVER__MOTD", "From the environment.")
    (tmp_path / "typed-chat").mkdir()
    user_file = tmp_path / "typed-chat" / "server.toml"
    user_file.write_text("[server]\nmotd = 'From the file.'\nname = 'hall'\n")
    with ServerProgram(*MEMORY) as server, Peer(server.address) as peer:
        welcome = peer.ask("hello")
    assert (welcome["motd"], welcome["server"]) == ("From the environment.", "hall")
    checked = run_program("chat-server", "config", "check")
    expected = f"the settings are sound: {user_file}, CHAT_SERVER__SERVER__MOTD\n"
    assert (checked.returncode, checked.stdout) == (0, expected)


def test_the_defaults_can_be_saved_and_checked(tmp_path: Path) -> None:
    """What `config default` writes is a sound file."""
    path = tmp_path / "server.toml"
    path.write_text(run_program("chat-server", "config", "default").stdout)
    assert run_program("chat-server", "config", "check", "--config", str(path)).returncode == 0


def test_case_120_a_check_says_in_one_line_what_is_wrong(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 78; nothing is started."""
    file.write_text("[log]\nformt = 'json'\n")
    for command in (["config", "check"], ["config", "show"], ["run"]):
        done = run_program("chat-server", *command, "--config", str(file))
        expected = f"chat-server: {file}: there is no setting log.formt; is log.format meant?\n"
        assert (done.returncode, done.stdout, done.stderr) == (78, "", expected)
    monkeypatch.setenv("CHAT_SERVER__SERVER__PORT", "many")
    done = run_program("chat-server", "run", *MEMORY)
    assert done.returncode == 78
    assert done.stderr.startswith("chat-server: CHAT_SERVER__SERVER__PORT: server.port: ")


def test_show_tells_where_each_value_is_from_and_no_secret(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For whoever wonders why."""
    monkeypatch.setenv("CHAT_SERVER__ADMIN__PASSWORD", "hunter2")
    shown = run_program("chat-server", "config", "show", "--origin", "--config", str(file)).stdout
    assert f'server.motd = "First."  # {file}\n' in shown
    assert 'admin.password = "***"  # CHAT_SERVER__ADMIN__PASSWORD\n' in shown
    assert "hunter2" not in shown


def test_case_120_a_folder_for_logs_that_cannot_be_had(tmp_path: Path) -> None:
    """Exit 73, one line."""
    (tmp_path / "log").touch()
    done = run_program("chat-server", "run", *MEMORY, "--log-dir", str(tmp_path / "log"))
    expected = f"chat-server: cannot log into {tmp_path / 'log'}: File exists\n"
    assert (done.returncode, done.stderr) == (73, expected)


# Signals


def test_sighup_takes_up_what_has_changed(file: Path) -> None:
    """For who comes from now on; nobody is disconnected, and what must wait is named."""
    with ServerProgram(*MEMORY, "--config", str(file)) as server:
        with Peer.welcomed(server.address, "alice") as alice:
            file.write_text("[server]\nmotd = 'Second.'\nworkers = 7\n[history]\ndays = 1\n")
            hang_up(server)
            assert "reloaded" in server.await_line("reloaded|nothing was")
            assert "server.workers, history.days" in server.await_line("restart")
            assert motd(server) == "Second."
            assert alice.ask("ping")["type"] == "ok"


def test_case_120_sighup_with_a_bad_file_keeps_everything(file: Path) -> None:
    """One line says why; the next good file is taken up."""
    with ServerProgram(*MEMORY, "--config", str(file)) as server:
        for bad, why in (("[server", "is not TOML"), ("[log]\ndir = 7", "log.dir")):
            file.write_text(bad)
            hang_up(server)
            assert why in server.await_line("nothing was reloaded")
        file.unlink()
        hang_up(server)
        assert "No such file" in server.await_line("nothing was reloaded")
        assert motd(server) == "First."
        file.write_text("[server]\nmotd = 'Third.'\n")
        hang_up(server)
        server.await_line("info reloaded")
        assert motd(server) == "Third."


def test_sighup_takes_another_password_of_the_administrator(file: Path, tmp_path: Path) -> None:
    """For those connected too; one that cannot be read changes nothing."""
    cheap = "[auth]\nhash_kib = 8\nhash_passes = 1\n[admin]\n"
    file.write_text(f"{cheap}password = 'the former'\n")
    options = (*MEMORY, "--no-limits", "--config", str(file))
    with ServerProgram(*options) as server, Peer.welcomed(server.address) as peer:
        file.write_text(f"[server]\nmotd = 'No.'\n{cheap}password_file = '{tmp_path / 'none'}'\n")
        hang_up(server)
        server.await_line("nothing was reloaded")
        assert motd(server) is None
        file.write_text(f"{cheap}password = 'the latter'\n")
        hang_up(server)
        server.await_line("info reloaded")
        assert peer.ask("elevate", password="the former")["code"] == "auth.failed"
        assert peer.ask("elevate", password="the latter")["type"] == "ok"


def test_sighup_changes_the_log(file: Path, tmp_path: Path) -> None:
    """Its folder, and how much of it; the file of the day is opened anew."""
    with ServerProgram(*MEMORY, "--config", str(file)) as server:
        file.write_text(f"[log]\ndir = '{tmp_path / 'log'}'\nformat = 'json'\n")
        hang_up(server)
        server.await_line('"event": "reloaded"')
        with Peer.welcomed(server.address, "alice"):
            server.await_line('"connected"')
        [path] = (tmp_path / "log").iterdir()
        path.rename(path.with_suffix(".old"))
        hang_up(server)
        server.await_line('"event": "reloaded"')
        assert server.stop()[0] == 0
    events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert events[0] == "reloaded"
    assert events[-2:] == ["stopping", "stopped"]


def test_case_121_sigterm_during_the_start_stops_it() -> None:
    """Whenever it comes: before anything is there, or drained and with exit 0."""
    for delay in range(12):
        process = subprocess.Popen(
            [BIN / "chat-server", "run", "--port", "0", *MEMORY],
            stderr=subprocess.PIPE,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay / 20 + 0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, -signal.SIGTERM)
        assert "Traceback" not in errors
        assert process.returncode == 0 or "listening" not in errors


def test_case_121_a_second_sigterm_ends_a_drain_at_once() -> None:
    """With a client that takes nothing, which a drain would wait for."""
    with ServerProgram(*MEMORY) as server, Peer.welcomed(server.address) as peer:
        server.process.send_signal(signal.SIGTERM)
        while peer.receive()["type"] != "bye":
            pass
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) in (0, 128 + signal.SIGTERM)


def test_a_server_ends_with_its_terminal() -> None:
    """Else nobody could stop it: the port would be taken for ever."""
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execv(BIN / "chat-server", ["chat-server", "run", "--port", "0", *MEMORY])
    seen = b""
    while b"nothing is kept" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# Logs


def lines(folder: Path) -> list[dict[str, Any]]:
    """What is in the file of the day."""
    texts = [path.read_text() for path in sorted(folder.iterdir())]
    return [json.loads(line) for line in "".join(texts).splitlines()]


def test_what_happens_is_in_a_file_a_line_each(tmp_path: Path, file: Path) -> None:
    """Who came, from where, called what, into which room, out of it, and why they went."""
    file.write_text("[log]\nmessages = true\nformat = 'json'\n")
    options = (*MEMORY, "--log-dir", str(tmp_path / "log"), "--config", str(file))
    with ServerProgram(*options) as server:
        with Peer.welcomed(server.address, "alice") as alice, Peer.welcomed(server.address, "bob"):
            alice.ask("nick", nick="carol")
            alice.ask("join", room="dev")
            alice.ask("broadcast", room="dev", text="a\nb \u202e")
            alice.ask("whisper", to="bob", text="between us")
            alice.ask("leave", room="dev")
            alice.ask("quit")
        server.stop()
    found = lines(tmp_path / "log")
    told = [line for line in found if line.get("nick") in ("alice", "carol")]
    assert [line["event"] for line in told] == [
        "connected", "nick", "join", "message", "leave", "ended",
    ]  # fmt: skip
    assert told[0]["address"] == told[-1]["address"] == "127.0.0.1"
    assert (told[1]["old"], told[1]["nick"]) == ("alice", "carol")
    assert (told[3]["room"], told[3]["text"]) == ("dev", "a\nb \u202e")
    assert told[-1]["reason"] == "quit"
    assert "between us" not in json.dumps(found)
    own = [line["event"] for line in found if line["event"] in ("started", "stopping", "stopped")]
    assert own == ["started", "stopping", "stopped"]
    assert (found[0]["event"], found[-1]["event"]) == ("started", "stopped")


def test_without_being_told_to_it_writes_nothing_of_what_is_said(tmp_path: Path) -> None:
    """The default."""
    with ServerProgram(*MEMORY, "--log-dir", str(tmp_path / "log")) as server:
        with Peer.welcomed(server.address, "alice") as alice:
            alice.ask("join", room="dev")
            alice.ask("broadcast", room="dev", text="heard by nobody")
        server.stop()
    [path] = (tmp_path / "log").iterdir()
    assert "info join" in path.read_text()
    assert "heard by nobody" not in path.read_text() + server.log


def test_case_124_a_log_that_hangs_stalls_nobody(tmp_path: Path) -> None:
    """A pipe that nobody reads in the place of the file: chat goes on, and so does the end."""
    folder = tmp_path / "log"
    folder.mkdir()
    for days in (0, 86_400):
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + days))
        os.mkfifo(folder / f"chat-{day}.log")
    with ServerProgram(*MEMORY, "--no-limits", "--log-dir", str(folder)) as server:
        with Peer.welcomed(server.address, "alice") as alice:
            alice.ask("join", room="dev")
            for _ in range(50):
                assert alice.ask("broadcast", room="dev", text="hi")["type"] == "ok"
        assert server.stop()[0] == 0


def test_case_124_standard_error_that_nobody_reads_stalls_nobody(tmp_path: Path) -> None:
    """More lines than the pipe takes; what was dropped is counted."""
    file = tmp_path / "chat.toml"
    file.write_text("[log]\nwaiting = 10\n")
    with ServerProgram(*MEMORY, "--no-limits", "--config", str(file)) as server:
        with Peer.welcomed(server.address, "alice") as alice:
            for number in range(2000):
                assert alice.ask("nick", nick=f"alice{number:015}")["type"] == "ok"
        assert server.stop()[0] == 0
    assert re.search(r"warning dropped lines=\d{3}", server.log)


def test_case_86_who_is_turned_away_again_and_again_fills_no_log(file: Path) -> None:
    """Some lines, then a count."""
    file.write_text("[limits]\nexempt_loopback = false\nnew_connections = 1\n")
    with ServerProgram(*MEMORY, "--config", str(file)) as server:
        with Peer.welcomed(server.address):
            for _ in range(100):
                with Peer(server.address) as peer:
                    assert kinds(peer.rest())[-1] == "bye"
        server.stop()
    assert server.log.count("info rejected address=127.0.0.1") == 20


def test_a_folder_that_others_can_read_is_warned_of_once(tmp_path: Path) -> None:
    """A new one is closed to them."""
    folder = tmp_path / "data"
    with ServerProgram("--data", str(folder)) as server:
        server.stop()
    assert "can read" not in server.log
    folder.chmod(0o755)
    with ServerProgram("--data", str(folder)) as server:
        server.stop()
    assert server.log.count(f"others on this machine can read {folder}") == 1


def test_a_folder_in_which_others_can_write_is_refused(tmp_path: Path) -> None:
    """Exit 73, one line that says what to do; the doctor says the same."""
    tmp_path.chmod(0o777)
    done = run_program("chat-server", "run", "--port", "0", "--data", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (73, 1)
    assert f"chmod 700 {tmp_path}" in done.stderr
    assert verdict(examined(server={"data": str(tmp_path)}), "others can write") == "FAIL"


def test_the_port_of_the_metrics_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog asks there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("CHAT_SERVER__METRICS__PORT", str(port))
    with ServerProgram(*MEMORY):
        address = f"http://127.0.0.1:{port}"
        assert run_program("curl", "-s", f"{address}/healthz").stdout == "ok\n"
        assert "chat_people 0.0" in run_program("curl", "-s", f"{address}/metrics").stdout


# The doctor


def examined(**sections: Any) -> dict[str, str]:
    """What the doctor says, by its first words, of settings that are else harmless."""
    given = {"server": {"data": config.MEMORY, "port": 0, **sections.pop("server", {})}}
    settings = Settings.model_validate(given | sections)
    return {finding.text: finding.verdict for finding in examine(settings)}


def verdict(findings: dict[str, str], text: str) -> str:
    """The verdict on what has this text in it."""
    [found] = [verdict for about, verdict in findings.items() if text in about]
    return found


def test_the_doctor_finds_nothing_wrong_with_a_new_server(tmp_path: Path) -> None:
    """Exit 0, a line for each check, and nothing is made."""
    done = run_program("chat-server", "doctor", "--data", str(tmp_path / "new"))
    assert "FAIL" not in done.stdout.replace("FAIL  cannot listen", "")
    assert all(re.match("(ok  |warn|FAIL)  ", line) for line in done.stdout.splitlines())
    assert not (tmp_path / "new").exists()


def test_the_doctor_says_what_is_wrong_with_the_settings(file: Path) -> None:
    """Exit 1, like everything that is wrong."""
    file.write_text("[server]\nprot = 1\n")
    done = run_program("chat-server", "doctor", "--config", str(file))
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert "FAIL" in done.stdout
    assert "is server.port meant?" in done.stdout


def test_the_doctor_knows_a_running_server(tmp_path: Path) -> None:
    """From a port that another program has."""
    data = str(tmp_path / "data")
    with ChatServer(port=0, data=data) as server:
        where = {"data": data, "port": server.address[1]}
        assert verdict(examined(server=where), "a server is running") == "ok"
        assert verdict(examined(server={"data": data}), "but nobody listens") == "warn"
        elsewhere = {"data": str(tmp_path), "port": server.address[1]}
        assert verdict(examined(server=elsewhere), "cannot listen") == "FAIL"
    assert verdict(examined(server={"data": data}), "no server is running") == "ok"


def test_the_doctor_looks_into_the_data_folder(tmp_path: Path) -> None:
    """Who can read it, and whether the database is sound."""
    data = tmp_path / "data"
    with ChatServer(port=0, data=str(data)):
        pass
    assert verdict(examined(server={"data": str(data)}), "database is sound") == "ok"
    data.chmod(0o750)
    assert verdict(examined(server={"data": str(data)}), "others can read") == "warn"
    content = bytearray((data / "chat.db").read_bytes())
    content[4096:8192] = bytes(4096)
    (data / "chat.db").write_bytes(content)
    assert "FAIL" in examined(server={"data": str(data)}).values()
    (data / "chat.db").unlink()
    data.rename(tmp_path / "elsewhere")
    data.touch()
    assert verdict(examined(server={"data": str(data)}), "is no folder") == "FAIL"


@pytest.mark.parametrize(
    ("sections", "text", "expected"),
    [
        ({}, "only this machine", "ok"),
        ({"server": {"host": "0.0.0.0"}}, "without TLS", "warn"),
        ({"tls": {"cert": "/nowhere.pem"}}, "/nowhere.pem", "FAIL"),
        ({"tls": {"required": True}}, "tls.required", "FAIL"),
        ({}, "nothing is kept", "warn"),
        ({"server": {"host": "192.0.2.1"}}, "cannot listen", "FAIL"),
    ],
)
def test_the_doctor_compares_settings(sections: Any, text: str, expected: str) -> None:
    """What is open to others, and what cannot be."""
    assert verdict(examined(**sections), text) == expected


def test_the_doctor_reads_the_certificate(tmp_path: Path) -> None:
    """Until when it is valid, whether the key is its own, and who can read that."""
    made = certificate.make(tmp_path / "tls", days=365)
    tls = {"cert": str(made.cert), "key": str(made.key)}
    assert verdict(examined(tls=tls), "valid until") == "ok"
    made.key.chmod(0o644)
    assert verdict(examined(tls=tls), "others can read the key") == "warn"
    soon = certificate.make(tmp_path / "soon", days=3)
    assert verdict(examined(tls={**tls, "cert": str(soon.cert)}), str(soon.cert)) == "FAIL"
    tls = {"cert": str(soon.cert), "key": str(soon.key)}
    assert verdict(examined(tls=tls), "valid until") == "warn"


def test_what_becomes_of_accounts_is_written_down_without_secrets(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every event about them, and none of the passwords."""
    monkeypatch.setenv("CHAT_SERVER__ADMIN__PASSWORD", "secret of admins")
    file.write_text("[log]\nformat = 'json'\n[auth]\nhash_kib = 8\nhash_passes = 1\n")
    options = (*MEMORY, "--no-limits", "--log-dir", str(tmp_path / "log"), "--config", str(file))
    first, second = "secret of alice", "another secret"
    with ServerProgram(*options) as server, Peer.welcomed(server.address, "alice") as alice:
        for request, fields in (
            ("register", {"password": first}),
            ("key", {"public": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
            ("passwd", {"old": first, "new": second}),
            ("logout", {}),
            ("login", {"nick": "alice", "password": second}),
            ("elevate", {"password": "secret of admins"}),
            ("unregister", {"password": second}),
        ):
            reply = alice.ask(request, **fields)
            assert reply["type"] == "ok", (request, reply)
        alice.ask("login", nick="alice", password=first)
        alice.ask("elevate", password=first)
        server.stop()
    found = lines(tmp_path / "log")
    assert {line["event"] for line in found} >= {
        "registered", "key", "passwd", "logout", "login", "act", "unregistered", "login_failed",
        "elevate_failed",
    }  # fmt: skip
    assert "secret" not in server.log + json.dumps(found)
