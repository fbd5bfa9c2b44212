"""Striking and mending as such: ids, durations, refusals, whom it befalls, what the oracle says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.sim.building.faults import CATALOGUE as BUILDING
from iolaus.sim.building.faults import Faults
from iolaus.sim.catalogue import catalogue, fault_of
from iolaus.sim.catalogue.rooms.building import ROWS
from iolaus.sim.catalogue.script import duration_s, parse_script, play
from iolaus.sim.catalogue.strike import Order, Striking
from iolaus.sim.device import Device
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import parse_site
from iolaus.sim.server import Hall
from iolaus.sim.tree import fingerprint
from tests.sim.catalogue.stage import CPU, CPU_2, SITE, SYSTEM, TRAY, Stage, staged, until

SCRIPT = """
apiVersion: iolaus.dev/v1
kind: FaultScript
metadata: {name: afternoon}
steps:
  - {at: 2m, mend: dark}
  - {at: 10s, break: leak-tray, select: h1-r01-u08, for: 60s, with: {amount: 0.5}}
  - {at: 30s, break: silent, select: "role=node,rack=h1-r02", id: dark}
  - {at: 3m, break: bms-deaf}
"""


async def test_a_fault_befalls_whom_the_selector_means_and_whom_it_fits() -> None:
    async with staged() as on:
        assert (await on.strike("unreachable", "rack=h1-r02,role=node"))["on"] == [CPU, CPU_2]
        assert (await on.strike("second-system", "rack=h1-r02"))["on"] == [CPU, CPU_2]
        assert (await on.strike("slow", "nobody"))["on"] == []
        assert (await on.strike("leak-tray", "role=node"))["on"] == [TRAY, "h1-r01-u09"]
        assert len((await on.tell("GET", "/faults"))["on"]) == 4
        mended = await on.mend("unreachable")
        assert [each["fault"] for each in mended["mended"]] == ["unreachable"]
        assert len((await on.mend())["mended"]) == 3
        assert await on.status("GET", SYSTEM) == 200


async def test_a_fault_with_a_duration_mends_itself() -> None:
    async with staged() as on:
        await on.strike("etag-weak", CPU, for_s=0.2)

        async def over() -> bool:
            return not (await on.tell("GET", "/faults"))["on"]

        await until(over, "it is over")
        async with on.ask("GET", SYSTEM) as response:
            assert not response.headers["ETag"].startswith("W/")


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"fault": "acount-locks"}, "account-locks"),
        ({"fault": "slow", "with": {"secnds": 3}}, "seconds"),
        ({"fault": "slow", "with": {"seconds": "long"}}, "number"),
        ({"fault": "silent", "with": {"x": 1}}, "takes no"),
        ({"fault": "silent", "select": "a,,b"}, "comma"),
        ({"fault": "silent", "for_s": -1}, "duration"),
        ({"fault": "bms-deaf"}, "--building"),
        ({"fault": "pump-loss"}, "plant"),
        ({"fault": "silent", "where": "x"}, "where"),
        ({"fault": 5}, "str"),
    ],
)
async def test_what_cannot_be_struck_is_refused_with_the_next_step(
    order: dict[str, Any], says: str
) -> None:
    async with staged() as on:
        told = await on.tell("POST", "/faults", order, status=400)
        assert says in str(told)
        assert (await on.tell("GET", "/faults"))["on"] == []


async def test_an_id_is_taken_once() -> None:
    async with staged() as on:
        await on.strike("silent", CPU, id="mine")
        body = {"fault": "slow", "id": "mine"}
        assert "taken" in (await on.tell("POST", "/faults", body, status=400))["error"]
        assert (await on.mend("mine"))["mended"][0]["on"] == [CPU]


async def test_faults_of_one_device_do_not_mend_each_other() -> None:
    async with staged() as on:
        first = await on.strike("events-duplicate", CPU)
        await on.strike("events-malformed", CPU)
        await on.mend(first["id"])
        assert on.place.device.events.lies == {"malformed"}
        await on.strike("sensors-nan", TRAY)
        await on.strike("etag-weak", TRAY, id="w")
        await on.mend("w")
        assert [a.rule.lie for a in on.hall.places[TRAY].front.faults.armed] == ["nan"]


async def test_who_is_dead_for_two_reasons_stays_dead_for_one() -> None:
    async with staged() as on:
        await on.strike("unreachable", CPU)
        await on.strike("silent", CPU)
        await on.mend("silent")
        assert (await on.tell("GET", f"/devices/{CPU}"))["state"] == "refuse"
        assert await on.quiet()
        await on.mend("unreachable")
        assert not await on.quiet(seconds=30.0)


async def test_the_oracle_tells_the_truth_while_devices_lie() -> None:
    async with staged() as on:
        await on.strike("versions-zero", CPU)
        await on.strike("accepts-and-ignores", CPU)
        reset = f"{SYSTEM}/Actions/ComputerSystem.Reset"
        assert await on.status("POST", reset, json={"ResetType": "ForceOff"}) == 204
        told = await on.tell("GET", f"/truth/{CPU}")
        assert told["power"] == {SYSTEM: "On"}
        assert "0.00" not in told["firmware"].values()
        assert told["draws_w"] > 0
        await on.mend("accepts-and-ignores")
        await on.status("POST", reset, json={"ResetType": "ForceOff"})

        async def off() -> bool:
            return bool((await on.tell("GET", "/truth"))["off"] == [CPU])

        await until(off, "it is off")


# the building side


class Bus:
    """What the building side would be asked, with its real faults behind it."""

    def __init__(self) -> None:
        self.faults = Faults(seed=1)
        self.verbs: list[str] = []

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any:
        self.verbs.append(verb)
        if verb == "arm":
            self.faults.arm(**body)
        elif verb == "disarm":
            self.faults.disarm(body.get("word"))
        return {}


@pytest.mark.parametrize("key", BUILDING)
async def test_building_faults_are_armed_by_their_names(key: str) -> None:
    bus = Bus()
    async with staged(beside={"building": bus}) as on:
        await on.strike(ROWS[key].name, id="a")
        assert bus.faults.strikes(key, "anything", "any point")
        await on.mend("a")
        assert not bus.faults.armed
        await on.strike(ROWS[key].name, "h1-a-cdu1", id="b")
        assert bus.faults.strikes(key, "h1-a-cdu1", "any point")
        assert not bus.faults.strikes(key, "h1-r01-ps1", "any point")


async def test_the_edge_dies_on_the_field_bus_too() -> None:
    bus = Bus()
    async with staged(beside={"building": bus}) as on:
        await on.strike("edge-dies", "rack=h1-r02")
        assert bus.faults.strikes("link-loss", "h1-r02-pdu1", "modbus")
        assert not bus.faults.strikes("link-loss", "h1-r01-ps1", "modbus")
        await on.mend()
        assert not bus.faults.armed
        await on.strike("broker-restarts")
        assert bus.verbs[-1] == "restart-broker"


async def test_a_plant_is_struck_where_there_is_one() -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []

    class Plant:
        async def asked(self, verb: str, body: Mapping[str, Any]) -> Any:
            asked.append((verb, body))

    async with staged(beside={"twin": Plant()}) as on:
        await on.strike("pump-loss", id="p", given={"amount": 2})
        await on.mend("p")
    whom = {"fault": "pump-loss", "devices": ["h1-a-cdu1"], "key": "p"}
    assert asked == [("strike", {**whom, "amount": 2.0}), ("mend", whom)]


# scripts


def test_durations() -> None:
    found = [duration_s(text) for text in ("30s", "5m", "1.5h", "250ms", "7", "soon", "-3s", "")]
    assert found == [30.0, 300.0, 5400.0, 0.25, 7.0, None, None, None]


def page_bytes(device: Device) -> Iterator[bytes]:
    """All that a device says now, but its own certificate, which is new in every process."""
    paths = (path for path in sorted(device.paths()) if "/HTTPS/Certificates/" not in path)
    return (page.body for path in paths if (page := device.page(path)))


async def run_script(clock: JumpClock) -> tuple[list[str], list[str]]:
    """The script on a hall that nobody asks: what was played and on at whole half minutes, and
    what a device said then, to the last bit."""
    devices = hall_devices(parse_site(SITE, source="test"), HallOptions())
    for device in devices:
        device.clock = clock
    hall, said, prints = Hall(devices), list[str](), list[str]()
    await hall.start()
    striking = Striking(hall)
    try:
        playing = asyncio.create_task(
            play(parse_script(SCRIPT, source="s.yaml"), striking, say=said.append)
        )
        for _ in range(7):
            await clock.sleep(29.0)
            on = ",".join(each["id"] for each in striking.on())
            said.append(f"{clock.monotonic():g}: {on}")
            prints.append(fingerprint(b"".join(page_bytes(hall[TRAY]))))
        await playing
    finally:
        striking.stop()
        await hall.stop()
    return said, prints


async def test_a_script_is_the_same_run_every_time() -> None:
    (first, prints), second = [await run_script(JumpClock()) for _ in range(2)]
    assert (first, prints) == second
    assert len(set(prints)) == len(prints), "it lives"
    assert first[:6] == [
        "10 s: leak-tray on 1 devices (leak-tray-1)",
        "29: leak-tray-1",
        "30 s: silent on 2 devices (dark)",
        "58: leak-tray-1,dark",
        "87: dark",
        "116: dark",
    ]
    assert first[6] == "120 s: mended dark"
    assert any("--building" in line for line in first), "a step that fails is told"


@pytest.mark.parametrize(
    ("line", "where", "says"),
    [
        ("- {at: 1s, break: leak-try}", "6:19", "leak-tray"),
        ("- {at: 1s, brake: leak-tray}", "6:12", "break"),
        ("- {at: soon, break: slow}", "6:8", "30s"),
        ("- {at: 1s, break: slow, with: {secs: 3}}", "6:38", "seconds"),
        ("- {at: 1s, break: slow, with: {seconds: x}}", "6:41", "number"),
        ("- {at: 1s, break: slow, for: a while}", "6:30", "30s"),
        ("- {at: 1s, break: slow, select: 'a,,b'}", "6:33", "comma"),
        ("- {at: 1s}", "6:3", "break"),
        ("- {at: 1s, break: slow, mend: slow}", "6:31", "breaks and mends"),
        ("- {at: 1s, break: zzzzzz}", "6:19", "sim faults"),
    ],
)
def test_a_script_that_is_wrong_is_refused_where_it_is_wrong(
    line: str, where: str, says: str
) -> None:
    head = "\n".join(SCRIPT.splitlines()[:5])
    with pytest.raises(OperatorMust) as told:
        parse_script(f"{head}\n{line}\n", source="s.yaml")
    assert told.value.subject == f"s.yaml:{where}"
    assert says in str(told.value)


def test_the_catalogue_says_what_was_meant() -> None:
    with pytest.raises(OperatorMust) as told:
        fault_of("hung-socket")
    assert "hung-sockets" in told.value.next_step
    assert Order(fault="x").given == {}
    assert len(catalogue()) > 90


async def test_a_stage_without_faults_is_quiet() -> None:
    async with staged() as on:
        assert not await Stage.quiet(on, seconds=30.0)
