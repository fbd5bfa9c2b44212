"""A room of the devices' own joins the catalogue with what it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from iolaus.sim.catalogue import catalogue
from iolaus.sim.catalogue.entry import Argument
from iolaus.sim.catalogue.rooms_of_devices import device_rooms, entry_of
from iolaus.sim.catalogue.strike import Order, Striking
from tests.sim.catalogue.stage import CPU, staged


@dataclass
class Flaw:
    title: str = "it hums"
    what: str = "It hums all the time."
    source: str = "behaviours.md 4"
    arguments: Any = field(default_factory=lambda: {"hertz": 50.0})
    humming: dict[str, float] = field(default_factory=dict)

    def strike(self, device: Any, **given: Any) -> None:
        self.humming[device.name] = given["hertz"]

    def mend(self, device: Any, **given: Any) -> None:
        assert given["hertz"] == self.humming.pop(device.name)


async def test_a_flaw_is_struck_on_each_device_and_mended() -> None:
    flaw = Flaw()
    entry = entry_of("hums", flaw, room="firmware")
    assert (entry.sources, entry.complete({})) == ([], {"hertz": 50.0})
    async with staged() as on:
        known = catalogue()
        assert isinstance(known, dict)
        known["hums"] = entry
        try:
            striking = Striking(on.hall)
            await striking.strike(Order(fault="hums", select="role=node", given={"hertz": "60"}))
            assert flaw.humming[CPU] == 60.0
            assert len(flaw.humming) == 4
            await striking.mend("hums")
            assert not flaw.humming
        finally:
            del known["hums"]


def test_arguments_may_be_told_in_full() -> None:
    argument = Argument(name="hertz", what="how fast", usual=50.0)
    flaw = Flaw(source="4: staged", arguments=[argument, "no argument"])
    entry = entry_of("hums", flaw, room="manners")
    assert entry.arguments == [argument]
    assert entry.sources == ["4: staged"]
    assert all(each.room in ("firmware", "manners") for each in device_rooms())
