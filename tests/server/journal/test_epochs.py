"""When histories begin anew: only where something that was handed on may be gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat_server.journal import epochs
from chat_server.journal.base import Durability
from chat_server.journal.database import open_writer
from chat_server.journal.sqlite import SqliteJournal
from tests.server.journal.test_contract import Desk
from tests.support.workshop import EVERYTHING, days_ago, said

ROOMS = ("a", "dm:u1:u2", "*")


class Machine:
    """A computer with a journal that can be killed, and that can be booted again."""

    def __init__(self, folder: Path, boot: Path) -> None:
        self._folder = folder
        self._boot = boot
        self._runs = 0
        self._stack = ExitStack()
        boot.write_text("boot 1\n")

    def start(self, durability: Durability) -> Desk:
        """Open the journal of this folder."""
        path = self._folder / "chat.db"
        journal = SqliteJournal(path, durability, lambda room: EVERYTHING, days_ago)
        self._stack.callback(journal.close)
        return Desk(journal)

    def kill(self) -> None:
        """Go on with what the disk holds now; who writes there writes to nobody any more."""
        self._runs += 1
        copy = self._folder.with_name(f"run-{self._runs}")
        shutil.copytree(self._folder, copy)
        self._folder = copy

    def boot(self) -> None:
        """Start the machine anew."""
        self._boot.write_text(f"boot {self._runs + 2}\n")

    def close(self) -> None:
        """End everything."""
        self._stack.close()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """One that says which run of itself this is."""
    monkeypatch.setattr(epochs, "BOOT", tmp_path / "boot_id")
    (tmp_path / "data").mkdir()
    machine = Machine(tmp_path / "data", tmp_path / "boot_id")
    yield machine
    machine.close()


def epochs_of(desk: Desk) -> list[str]:
    """The epoch of each room."""
    return [desk.journal.position(room).epoch for room in ROOMS]


def speak(desk: Desk) -> list[str]:
    """Say something in each room, and return their epochs."""
    desk.settle(*(said(room, "hello") for room in ROOMS))
    return epochs_of(desk)


Ending = Callable[[Machine, Desk], None]


def cleanly(machine: Machine, desk: Desk) -> None:
    """As a server ends that is asked to."""
    desk.journal.close()


def killed(machine: Machine, desk: Desk) -> None:
    """The process ends, the machine goes on."""
    machine.kill()


def power_cut(machine: Machine, desk: Desk) -> None:
    """Both end."""
    machine.kill()
    machine.boot()


def cleanly_then_boot(machine: Machine, desk: Desk) -> None:
    """The process ends as it should, then the machine."""
    desk.journal.close()
    machine.boot()


@pytest.mark.parametrize(
    ("durability", "ending"),
    [
        ("disk", cleanly),
        ("disk", killed),
        ("disk", power_cut),
        ("process", cleanly),
        ("process", killed),
        ("process", cleanly_then_boot),
    ],
)
@pytest.mark.parametrize("after", ["disk", "process"])
def test_where_nothing_can_be_lost_the_epochs_stay(
    machine: Machine, durability: Durability, ending: Ending, after: Durability
) -> None:
    """Whatever happens with durability disk; with process, unless the machine ended too."""
    desk = machine.start(durability)
    before = speak(desk)
    ending(machine, desk)
    desk = machine.start(after)
    assert epochs_of(desk) == before
    assert [desk.journal.position(room).head for room in ROOMS] == [1, 1, 1]


@pytest.mark.parametrize("after", ["disk", "process"])
def test_after_a_power_cut_without_syncs_every_room_begins_anew(
    machine: Machine, after: Durability
) -> None:
    """Numbers may be given again; what is there can be read, under other epochs."""
    desk = machine.start("process")
    before = speak(desk)
    power_cut(machine, desk)
    desk = machine.start(after)
    assert not set(epochs_of(desk)) & set(before)
    assert len(desk.read("a", after=0).bodies) == 1


def test_what_was_renewed_stays_as_it_is_then(machine: Machine) -> None:
    """Once is enough; a later unclean end on the same run of the machine changes nothing."""
    desk = machine.start("process")
    speak(desk)
    power_cut(machine, desk)
    renewed = epochs_of(machine.start("process"))
    machine.kill()
    assert epochs_of(machine.start("process")) == renewed


def test_disk_after_process_needs_no_note(machine: Machine) -> None:
    """A run that syncs takes back what the one before has noted."""
    desk = machine.start("process")
    before = speak(desk)
    killed(machine, desk)
    desk = machine.start("disk")
    power_cut(machine, desk)
    assert epochs_of(machine.start("process")) == before


def test_where_the_machine_does_not_say_every_unclean_end_counts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been a power cut."""
    monkeypatch.setattr(epochs, "BOOT", Path("/nonexistent"))
    desk = machine.start("process")
    before = speak(desk)
    killed(machine, desk)
    assert not set(epochs_of(machine.start("process"))) & set(before)


def test_where_the_machine_does_not_say_a_clean_end_counts_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what it is."""
    monkeypatch.setattr(epochs, "BOOT", Path("/nonexistent"))
    desk = machine.start("process")
    before = speak(desk)
    cleanly(machine, desk)
    assert epochs_of(machine.start("process")) == before


def test_a_room_without_entries_keeps_its_epoch_too(machine: Machine) -> None:
    """Who was told of it finds it again; after a power cut without syncs it is another one."""
    desk = machine.start("process")
    before = desk.journal.position("empty").epoch
    cleanly(machine, desk)
    desk = machine.start("process")
    assert desk.journal.position("empty").epoch == before
    desk.settle(said("empty", "no more"))
    assert desk.journal.position("empty").epoch == before
    told = desk.journal.position("next").epoch
    power_cut(machine, desk)
    assert machine.start("process").journal.position("next").epoch != told


def test_renewed_epochs_differ_from_each_other(tmp_path: Path) -> None:
    """And are short enough for the wire."""
    connection = open_writer(tmp_path / "chat.db", "disk")
    rows = [(str(number), str(number), "", "old", 0) for number in range(50)]
    connection.executemany(
        "insert into rooms (key, name, topic, epoch, pruned) values (?, ?, ?, ?, ?)", rows
    )
    epochs.renew(connection)
    found = [row[0] for row in connection.execute("select epoch from rooms")]
    connection.close()
    assert len(set(found)) == 50
    assert "old" not in found
    assert all(0 < len(epoch) <= 32 for epoch in found)
