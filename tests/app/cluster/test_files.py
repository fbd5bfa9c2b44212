"""Operators' files: what one core acknowledged is not undone by the next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iolaus.app.asking_less import TARGETS_FILE
from iolaus.app.cluster.files import FILES, Files
from iolaus.bus.memory import LocalTrunk, Memory
from iolaus.bus.port import BusAway
from iolaus.kernel.clock import JumpClock
from iolaus.store.secrets import Secrets


class Core:
    """One process's directory. All have the key."""

    def __init__(self, memory: Memory, folder: Path, key: Path) -> None:
        folder.mkdir()
        shutil.copy(key, folder / "secrets.key")
        self.folder, clock = folder, JumpClock()
        self.trunk = LocalTrunk(memory, clock)
        self.files = Files(
            table=self.trunk.table(FILES),
            directory=folder,
            secrets=Secrets(folder / "secrets"),
            clock=clock,
        )

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def cores(tmp_path: Path) -> tuple[Core, Core]:
    Secrets(tmp_path / "secrets").put("one", user="u", password="p")
    memory, key = Memory(), tmp_path / "secrets.key"
    return Core(memory, tmp_path / "a", key), Core(memory, tmp_path / "b", key)


async def test_what_one_gave_the_next_has(cores: tuple[Core, Core]) -> None:
    one, other = cores
    await one.files.begin()
    for name in ("tokens.json", TARGETS_FILE):
        one.write(name, "1")
    await one.files.give()
    await other.files.begin()
    await other.files.fetch()
    assert other.text("tokens.json") == other.text(TARGETS_FILE) == "1"


async def test_one_that_begins_to_lead_without_the_bus_gives_nothing_old(
    cores: tuple[Core, Core],
) -> None:
    one, other = cores
    await one.files.begin()
    for name in ("tokens.json", "policy.yaml"):
        one.write(name, "1")
    await one.files.give()
    await other.files.fetch()
    for name in ("tokens.json", "policy.yaml"):
        one.write(name, "2")
    await one.files.give()
    other.trunk.reached = False
    await other.files.begin()
    other.write("policy.yaml", "3")
    with pytest.raises(BusAway):
        await other.files.give()
    assert other.text("tokens.json") == "1"
    other.trunk.reached = True
    await other.files.give()
    assert (other.text("tokens.json"), other.text("policy.yaml")) == ("2", "3")
    await one.files.begin()
    await one.files.fetch()
    assert (one.text("tokens.json"), one.text("policy.yaml")) == ("2", "3")
