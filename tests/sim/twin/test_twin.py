"""The plant behind the devices: one truth on every reading, and what is done to it is felt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.device import Device
from iolaus.sim.hall_life import Life
from iolaus.sim.twin.serve import Twin, serve_twin
from tests.sim.twin.conftest import small_hall

TRAYS = [f"h1-r01-u{n:02}" for n in (8, 9, 10)]
SHELVES = ["h1-r01-ps1", "h1-r01-ps2"]


def life(devices: Sequence[Device], name: str) -> Life:
    found = next(device.live for device in devices if device.name == name)
    assert isinstance(found, Life)
    return found


def device(devices: Sequence[Device], name: str) -> Device:
    return next(each for each in devices if each.name == name)


def read(devices: Sequence[Device], name: str, word: str) -> Any:
    return life(devices, name).value(word, 0.0)


def test_everything_that_burns_feeds_or_cools_is_in_the_plant(twin: Twin) -> None:
    wiring = twin.wiring
    assert wiring.topology.nodes == 6 + 2 + 1
    assert wiring.topology.racks == 4  # three, and the row's own equipment
    assert wiring.supply["h1-r01-ps1"] == wiring.supply["h1-r01-bbu1"]
    assert wiring.supply["h1-r01-ps1"] != wiring.supply["h1-r02-ps1"]
    assert wiring.supply["h1-r03-pdu1"] != wiring.supply["h1-r03-pdu2"]
    assert wiring.loop == {"h1-a-cdu1": 0}
    truth = twin.truth()
    assert truth["off"] == truth["dark"] == truth["over_limit"] == truth["tripped"] == []
    assert truth["hottest_c"] < 95.0


def test_sums_agree_wherever_one_looks(devices: Sequence[Device], twin: Twin) -> None:
    trays = sum(read(devices, name, "node_w.0") for name in TRAYS)
    shelves = sum(read(devices, name, "shelf_out_w") for name in SHELVES)
    assert shelves == pytest.approx(trays, rel=1e-3)
    gpus = sum(read(devices, TRAYS[0], f"gpu_w.{n}") for n in range(4))
    assert read(devices, TRAYS[0], "gpus_w") == pytest.approx(gpus)
    node = twin.wiring.nodes[TRAYS[0]][0]
    assert gpus == pytest.approx(float(twin.plant.gpus.node_w[node]), rel=1e-4)
    assert read(devices, "h1-a-cdu1", "supply_c") == float(twin.plant.coolant.supply_c[0])


def test_building_side_reads_the_same_plant(
    devices: Sequence[Device], twin: Twin, clock: JumpClock
) -> None:
    building = LivePlant.of(devices, clock)
    power = building.read("h1-r01", "power_w")
    assert power == pytest.approx(sum(read(devices, name, "node_w.0") for name in TRAYS), rel=1e-6)
    building.isolate("h1-r01", "liquid", isolated=True)
    before = life(devices, TRAYS[0]).part_c(0, 0.0, rise=0.0, kind="gpu")
    twin.advance(20.0)
    assert life(devices, TRAYS[0]).part_c(0, 0.0, rise=0.0, kind="gpu") > before + 5.0


def test_limit_that_is_written_is_kept(devices: Sequence[Device], twin: Twin) -> None:
    name = TRAYS[1]
    persona = life(devices, name).persona
    path, part = next((p, w) for p, w in persona.caps.items() if w.startswith("gpu"))
    target = device(devices, name)
    resource = target.kept(path)
    assert resource is not None
    change = {"PowerLimitWatts": {"SetPoint": 700, "ControlMode": "Automatic"}}
    if "SetPoint" in resource:
        change = {"SetPoint": 700}  # type: ignore[dict-item]
    target.patch(path, change)
    twin.advance(3.0)
    slot = int(part.partition(".")[2] or 0)
    assert read(devices, name, f"gpu_w.{slot}") <= 701.0


def test_host_that_is_switched_off_is_off(devices: Sequence[Device], twin: Twin) -> None:
    name = "h1-r03-u04"
    target = device(devices, name)
    busy = read(devices, name, "node_w.0")
    target.patch(life(devices, name).persona.systems[0], {"PowerState": "Off"})
    twin.advance(2.0)
    assert read(devices, name, "node_w.0") < busy / 10
    assert read(devices, name, "gpu_c.0") is None
    assert twin.truth()["off"] == [name]
    target.patch(life(devices, name).persona.systems[0], {"PowerState": "On"})
    twin.advance(60.0)
    assert twin.truth()["off"] == []
    assert read(devices, name, "node_w.0") > busy / 4


class Socket:
    """The device's place on the network."""

    def __init__(self) -> None:
        self.is_up = True

    def down(self, how: str) -> None:
        self.is_up = how == "refuse"  # it listens again when it has booted

    def up(self) -> None:
        self.is_up = True

    def reissue(self) -> None: ...

    def shown(self) -> bytes:
        return b""

    def install(self, pem: bytes) -> None: ...


async def test_rack_without_power_is_dark_until_it_has_some(
    devices: Sequence[Device], twin: Twin
) -> None:
    for each in devices:
        each.socket = Socket()
    whom = {"fault": "breaker-open", "devices": ["h1-r03-pdu1", "h1-r03-pdu2"], "key": "k"}
    await twin.asked("strike", whom)
    twin.advance(1.0)
    dark = (await twin.asked("truth", {}))["dark"]
    assert dark == ["h1-r03-u04", "h1-r03-u12", "h1-r03-u30"]
    down = [each.name for each in devices if isinstance(s := each.socket, Socket) and not s.is_up]
    assert down == dark
    assert read(devices, "h1-r03-u04", "node_w.0") == 0.0
    await twin.asked("mend", whom)
    twin.advance(1.0)
    assert (await twin.asked("truth", {}))["dark"] == []
    assert all(each.socket.is_up for each in devices if isinstance(each.socket, Socket))


async def test_one_strip_of_two_is_a_step_on_the_other(
    devices: Sequence[Device], twin: Twin
) -> None:
    before = float(twin.plant.supply.out_w[twin.wiring.supply["h1-r03-pdu2"]])
    await twin.asked("strike", {"fault": "breaker-open", "devices": ["h1-r03-pdu1"], "key": "k"})
    twin.advance(1.0)
    after = float(twin.plant.supply.out_w[twin.wiring.supply["h1-r03-pdu2"]])
    assert after > 1.5 * before
    assert twin.truth()["dark"] == []


def switch_outlet(devices: Sequence[Device], strip: str, number: int, state: str) -> None:
    on = device(devices, strip)
    (path,) = (p for p in on.tree.paths() if p.endswith(f"/Outlets/{number}"))
    on.patch(path, {"PowerState": state})


async def test_an_outlet_carries_its_machine_and_cuts_it_off(
    devices: Sequence[Device], twin: Twin
) -> None:
    for each in devices:
        each.socket = Socket()
    node, strips = "h1-r03-u04", ("h1-r03-pdu1", "h1-r03-pdu2")
    twin.advance(1.0)
    half = [read(devices, strip, "outlet_w.0") for strip in strips]
    assert half[0] == pytest.approx(half[1])
    assert sum(half) == pytest.approx(read(devices, node, "node_w.0"), rel=1e-3)
    switch_outlet(devices, strips[0], 1, "Off")
    twin.advance(1.0)
    assert read(devices, strips[0], "outlet_w.0") == 0.0
    whole = read(devices, strips[1], "outlet_w.0")
    assert whole == pytest.approx(read(devices, node, "node_w.0"), rel=1e-3)
    assert twin.truth()["dark"] == []
    switch_outlet(devices, strips[1], 1, "Off")
    twin.advance(1.0)
    assert twin.truth()["dark"] == [node]
    off = [each.name for each in devices if isinstance(s := each.socket, Socket) and not s.is_up]
    assert off == [node]
    switch_outlet(devices, strips[0], 1, "On")
    twin.advance(1.0)
    assert twin.truth()["dark"] == []


async def test_leak_is_seen_by_its_detector_first_and_told(
    devices: Sequence[Device], twin: Twin
) -> None:
    name = TRAYS[2]
    whom = {"fault": "leak-tray", "devices": [name], "key": "k", "amount": 0.6}
    assert read(devices, name, "leak.0") == "OK"
    await twin.asked("strike", whom)
    twin.advance(3.5)
    assert read(devices, name, "leak.0") in ("Warning", "Critical")
    twin.advance(30.0)
    assert read(devices, name, "leak.0") == "Critical"
    assert read(devices, TRAYS[0], "leak.0") == "OK"
    system = life(devices, name).persona.systems[0]
    assert (device(devices, name).get(system) or {})["Status"]["Health"] == "Critical"
    assert twin.truth()["leaking"] == [name]
    await twin.asked("mend", whom)
    twin.advance(1.0)
    assert read(devices, name, "leak.0") == "OK"
    assert twin.truth()["wet"] == []
    assert (device(devices, name).get(system) or {})["Status"]["Health"] == "OK"


async def test_water_on_the_floor_is_the_rope_s(devices: Sequence[Device], twin: Twin) -> None:
    whom = {"fault": "leak-floor", "devices": ["h1-r01-u08"], "key": "k", "amount": 30.0}
    await twin.asked("strike", whom)
    twin.advance(30.0)
    assert read(devices, "h1-a-rope1", "leak.0") == "Critical"
    assert read(devices, "h1-r01-u08", "leak.0") == "OK"


async def test_silent_detector_says_nothing(devices: Sequence[Device], twin: Twin) -> None:
    whom = {"fault": "detector-silent", "devices": [TRAYS[0]], "key": "k"}
    await twin.asked("strike", whom)
    assert read(devices, TRAYS[0], "leak.0") is None
    assert read(devices, TRAYS[0], "leak_v.0") is None


async def test_what_is_not_known_is_refused(twin: Twin) -> None:
    with pytest.raises(ValueError, match="unknown verb"):
        await twin.asked("burn", {})
    with pytest.raises(OperatorMust, match="no such physical fault"):
        await twin.asked("strike", {"fault": "flood", "devices": [], "key": "k"})


def test_energy_is_what_was_drawn(devices: Sequence[Device], twin: Twin) -> None:
    name = TRAYS[0]
    before, drawn = read(devices, name, "node_kwh"), 0.0
    for _ in range(100):
        twin.step()
        drawn += read(devices, name, "node_w.0") * 0.1 / 3.6e6
    assert read(devices, name, "node_kwh") - before == pytest.approx(drawn, rel=1e-6)


def test_same_seed_same_run(clock: JumpClock) -> None:
    def run(seed: int) -> Twin:
        found = Twin(small_hall(clock), clock=clock, seed=seed)
        found.advance(5.0)
        found.strike("pump-loss", ["h1-a-cdu1"], "k", None)
        found.advance(20.0)
        return found

    first, second, other = run(7), run(7), run(8)
    assert np.array_equal(first.plant.gpus.power_w, second.plant.gpus.power_w)
    assert np.array_equal(first.plant.heat.die_c, second.plant.heat.die_c)
    assert first.plant.supply.grid_w == second.plant.supply.grid_w
    assert not np.array_equal(first.plant.gpus.power_w, other.plant.gpus.power_w)


async def test_it_keeps_step_with_the_clock(devices: Sequence[Device], clock: JumpClock) -> None:
    async with serve_twin(devices, clock=clock, seed=7) as twin:
        began = twin.plant.t_s
        await clock.sleep(30.0)
        await asyncio.sleep(0)
        assert twin.plant.t_s - began == pytest.approx(30.0, abs=0.3)
        assert twin.told()["nodes"] == 9


def together(clock: JumpClock, work: str) -> float:
    """How much the power of two trays of a row moves together within two minutes."""
    twin = Twin(small_hall(clock), clock=clock, seed=3, works={("h1", "a"): work})
    first, second = (twin.wiring.nodes[name][0] for name in TRAYS[:2])
    seen = []
    for _ in range(1200):
        twin.plant.step(0.1)
        seen.append(twin.plant.gpus.node_w[[first, second]].copy())
    return float(np.asarray(np.corrcoef(np.array(seen).T))[0, 1])


def test_a_row_trains_in_step_or_serves_each_at_its_own_arrivals(clock: JumpClock) -> None:
    assert together(clock, "training") > 0.9
    assert together(clock, "serving") < 0.6
