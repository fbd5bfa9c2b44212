"""Faults as clients see them that others wrote: sushy, redfish, pymodbus, aiomqtt."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest
import redfish
import sushy
from pymodbus.client import AsyncModbusTcpClient

from iolaus.sim.building.serve import Building, BuildingOptions, serve_building
from iolaus.sim.catalogue import catalogue
from iolaus.sim.catalogue.rooms.trust import FAULTS as TRUST
from tests.sim.catalogue.stage import CPU, SHELF, SYSTEM, TRAY, Stage, staged, until

PASSWORD = "iolaus-sim"
V1 = "/redfish/v1"


def quietly(ask: Callable[[str], Any], url: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ask(url)


async def asked(on: Stage, ask: Callable[[str], Any]) -> Any:
    return await asyncio.to_thread(quietly, ask, on.url)


# sushy


def a_system(url: str) -> Any:
    auth = sushy.auth.BasicAuth("root", PASSWORD)
    root = sushy.Sushy(url, auth=auth, verify=False)
    (system,) = root.get_system_collection().get_members()
    return system


def power_off(url: str) -> str:
    system = a_system(url)
    system.reset_system(sushy.ResetType.FORCE_OFF)
    for _ in range(20):
        system.refresh(force=True)
    return str(system.power_state)


async def test_sushy_is_told_that_all_is_well_and_nothing_happens() -> None:
    async with staged() as on:
        await on.strike("accepts-and-ignores", CPU)
        assert await asked(on, power_off) == str(sushy.PowerState.ON)
        await on.mend()
        assert await asked(on, power_off) != str(sushy.PowerState.ON)


async def test_sushy_cannot_read_who_it_is() -> None:
    async with staged() as on:
        await on.strike("unreachable", CPU)
        with pytest.raises(sushy.exceptions.SushyError):
            await asked(on, a_system)
        await on.mend()
        first = (await asked(on, a_system)).serial_number
        await on.strike("board-swapped", CPU)
        assert (await asked(on, a_system)).serial_number != first


async def test_sushy_is_refused_while_busy() -> None:
    async with staged() as on:
        await on.strike("refused-after-power-off", CPU, given={"times": 50})
        with pytest.raises(sushy.exceptions.SushyError):
            await asked(on, power_off)
        await on.mend()
        await asked(on, power_off)


# redfish


def session(url: str) -> int:
    client = redfish.redfish_client(base_url=url, username="root", password=PASSWORD, max_retry=1)
    client.login(auth="session")
    try:
        return int(client.get(SYSTEM).status)
    finally:
        client.logout()


async def test_the_standard_bodys_client_has_no_session_left() -> None:
    async with staged() as on:
        assert await asked(on, session) == 200
        await on.strike("sessions-full", CPU)
        with pytest.raises(Exception, match=r"503|[Ss]ession"):
            await asked(on, session)
        await on.mend()
        assert await asked(on, session) == 200


# roots of trust


@pytest.mark.parametrize("name", [entry.name for entry in TRUST if entry.name.startswith("spdm")])
async def test_lies_of_roots_of_trust_are_told_and_stop(name: str) -> None:
    async with staged() as on:
        on.name = TRAY
        given = {"of": "h1-r01-u09"} if "swapped" in name else {}
        assert not await lies(on)
        await on.strike(name, TRAY, given=given)
        assert await lies(on) == {name.replace("-", "_")}
        await on.mend(name)
        assert not await lies(on)


async def lies(on: Stage) -> set[str]:
    roots = (await on.tell("GET", f"/devices/{on.name}/roots"))["roots"]
    return {
        lie if isinstance(lie, str) else lie["kind"] for r in roots.values() for lie in r["lies"]
    }


# the building side


@asynccontextmanager
async def built() -> AsyncIterator[tuple[Stage, Building]]:
    async with staged() as on:
        options = BuildingOptions(baud=0, serial=False)
        async with serve_building(on.hall.devices, options=options) as building:
            on.oracle.beside = {"building": building}
            yield on, building


async def shelf_answers(building: Building) -> bool:
    where: Mapping[str, Any] = building.addresses()[SHELF]
    host, _, port = where["modbus"].rpartition(":")
    client = AsyncModbusTcpClient(host, port=int(port), timeout=5, retries=0)
    try:
        assert await client.connect()
        unit = int(next(iter(where["units"])))
        return not (await client.read_holding_registers(0, count=1, device_id=unit)).isError()
    except Exception:  # noqa: BLE001 - whatever the client makes of silence
        return False
    finally:
        client.close()


async def test_a_modbus_client_and_an_mqtt_client_see_the_building_side_fail() -> None:
    async with built() as (on, building):
        assert await shelf_answers(building)
        for fault, select in (("modbus-busy", SHELF), ("link-loss", SHELF)):
            struck = await on.strike(fault, select)
            assert not await shelf_answers(building), fault
            await on.mend(struck["id"])
            assert await shelf_answers(building), fault
        told = building.told()
        host, _, port = told["mqtt"].rpartition(":")
        password = building.broker.accounts["viewer"].password
        async with aiomqtt.Client(host, int(port), username="viewer", password=password) as client:
            await client.subscribe("BMS/v1/PUB/Value/#")

            async def quality_is(good: bool) -> None:
                async with asyncio.timeout(90):
                    async for message in client.messages:
                        if (b'"quality": 1' in spaced(message.payload)) is good:
                            return

            await quality_is(good=True)
            await on.strike("bms-bad-quality")
            await quality_is(good=False)


async def test_the_building_sides_own_equipment_fails() -> None:
    async with built() as (on, _):

        async def reads(thing: str, point: str) -> Any:
            body = {"thing": thing, "point": point}
            return (await on.tell("POST", "/beside/building/read", body))["value"]

        async def pump_ok() -> bool:
            return bool(await reads("h1-a-cdu1", "pump_ok.0"))

        assert await pump_ok()
        await on.strike("pump-loss")
        assert not await pump_ok()
        await on.mend("pump-loss")
        assert await pump_ok()
        await on.strike("leak-rack", "rack=h1-r01")
        assert await reads("h1-r01", "leak")
        await on.mend()
        assert not await reads("h1-r01", "leak")
        assert await reads(SHELF, "psu_ac.0")
        await on.strike("feed-loss", SHELF)
        assert not await reads(SHELF, "psu_ac.0")
        await on.mend()
        assert await reads(SHELF, "psu_ac.0")


def spaced(payload: object) -> bytes:
    return (
        payload.replace(b'":', b'": ').replace(b":  ", b": ") if isinstance(payload, bytes) else b""
    )


async def test_every_fault_is_struck_and_mended_somewhere() -> None:
    """All that a hall without a plant and a building side can play, on everything, at once."""
    async with staged() as on:
        for name, entry in catalogue().items():
            if entry.needs or entry.name in NEEDS_PLANT or entry.name in ROUGH:
                continue
            await on.strike(name, "rack=h1-r01")
        await on.mend()
        assert (await on.tell("GET", "/faults"))["on"] == []
        fronts = [place.front.faults for place in on.hall.places.values()]
        assert not any(front.armed or front.bends for front in fronts)

        async def well() -> bool:
            on.name = CPU
            return not await on.quiet(seconds=5.0)

        await until(well, "it answers again")


NEEDS_PLANT = frozenset(
    {"feed-loss", "breaker-open", "battery-dead", "battery-empty", "pump-loss", "flow-blocked"}
    | {"node-blocked", "fan-loss", "room-cooling-loss", "facility-warm", "leak-rack", "straggler"}
)
ROUGH = frozenset({"address-changes"})
"""Moves a device to another address while others hold it down."""
