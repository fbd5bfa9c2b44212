"""A PDU over SNMP v2c and v3 with a stock client: read, walked, switched, refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    Integer32,
    ObjectIdentity,
    ObjectType,
    OctetString,
    SnmpEngine,
    UdpTransportTarget,
    UsmUserData,
    bulk_walk_cmd,
    get_cmd,
    set_cmd,
    usmAesCfb128Protocol,
    usmHMAC192SHA256AuthProtocol,
)

from iolaus.sim.building.faults import Faults
from iolaus.sim.building.lives import LivePlant
from iolaus.sim.building.plant import Gear
from iolaus.sim.building.snmp_serve import SnmpDoors
from iolaus.sim.building.snmp_tree import PRODUCT, PduTree
from iolaus.sim.device import Device
from tests.sim.building.hand_clock import HandClock

PDU = "h1-r03-pdu1"
INLET_W = "1.3.6.1.4.1.13742.6.5.2.3.1.4.1.1.5"
STATE, SWITCH = "1.3.6.1.4.1.13742.6.4.1.2.1.3.1.1", "1.3.6.1.4.1.13742.6.4.1.2.1.2.1.1"
NAME = "1.3.6.1.2.1.1.5.0"


@pytest.fixture
def pdus(plant: LivePlant) -> Sequence[Gear]:
    return list(plant.floor.of("pdu"))


@pytest.fixture
async def doors(
    plant: LivePlant, pdus: Sequence[Gear], clock: HandClock, faults: Faults
) -> AsyncIterator[SnmpDoors]:
    found = SnmpDoors(plant, clock=clock, faults=faults)
    found.open(pdus)
    try:
        yield found
    finally:
        await found.close()


class Client:
    def __init__(self, host: str, doors: SnmpDoors, auth: CommunityData | UsmUserData) -> None:
        self._place, self._auth = (host, doors.port), auth
        self._engine = SnmpEngine()

    async def _target(self) -> UdpTransportTarget:
        return await UdpTransportTarget.create(self._place, timeout=3, retries=0)

    async def get(self, *oids: str) -> list[Any]:
        asked = [ObjectType(ObjectIdentity(oid)) for oid in oids]
        return self._done(
            await get_cmd(
                self._engine, self._auth, await self._target(), ContextData(), *asked,
                lookupMib=False,
            )
        )  # fmt: skip

    async def set(self, oid: str, value: Any) -> list[Any]:
        asked = ObjectType(ObjectIdentity(oid), value)
        return self._done(
            await set_cmd(
                self._engine, self._auth, await self._target(), ContextData(), asked,
                lookupMib=False,
            )
        )  # fmt: skip

    async def walk(self, oid: str) -> dict[tuple[int, ...], Any]:
        found = {}
        start = ObjectType(ObjectIdentity(oid))
        async for answer in bulk_walk_cmd(
            self._engine, self._auth, await self._target(), ContextData(), 0, 25, start,
            lookupMib=False, lexicographicMode=False,
        ):  # fmt: skip
            for name, value in self._done(answer, raw=True):
                found[tuple(name)] = value
        return found

    def _done(self, answer: Any, *, raw: bool = False) -> list[Any]:
        indication, status, _, bound = answer
        if indication:
            raise ConnectionError(str(indication))
        if status:
            raise PermissionError(status.prettyPrint())
        return list(bound) if raw else [value for _, value in bound]

    def close(self) -> None:
        self._engine.close_dispatcher()


Opened = Callable[[Gear, str], Client]


@pytest.fixture
async def client(doors: SnmpDoors) -> AsyncIterator[Opened]:
    opened: list[Client] = []

    def open_client(gear: Gear, kind: str) -> Client:
        opened.append(made(doors, gear, kind))
        return opened[-1]

    yield open_client
    for each in opened:
        each.close()
    await asyncio.sleep(0)


def made(doors: SnmpDoors, gear: Gear, kind: str) -> Client:
    access = doors.access
    if kind == "v3":
        auth: CommunityData | UsmUserData = UsmUserData(
            access.user, access.auth, access.privacy,
            authProtocol=usmHMAC192SHA256AuthProtocol, privProtocol=usmAesCfb128Protocol,
        )  # fmt: skip
    else:
        auth = CommunityData(getattr(access, kind, kind), mpModel=1)
    return Client(gear.host, doors, auth)


@pytest.mark.parametrize("kind", ["read", "v3"])
async def test_every_object_is_walked(
    client: Opened, pdus: Sequence[Gear], plant: LivePlant, clock: HandClock, faults: Faults,
    kind: str,
) -> None:  # fmt: skip
    tree = PduTree(pdus[0], plant, clock=clock, faults=faults, cycle=lambda name, n: None)
    asked = client(pdus[0], kind)
    found = await asked.walk("1.3.6.1.4.1.13742.6")
    wanted = [oid for oid in tree._order if oid[: len(PRODUCT)] == PRODUCT]
    assert list(found) == wanted
    for oid, value in found.items():
        assert value == tree.get(oid), oid


async def test_values_are_those_of_the_plant(
    client: Opened, pdus: Sequence[Gear], plant: LivePlant
) -> None:
    for gear in pdus:
        asked = client(gear, "read")
        name, watts = await asked.get(NAME, INLET_W)
        assert name.prettyPrint() == gear.name
        assert int(watts) == round(plant.read(gear.name, "in_w") or -1)


@pytest.mark.parametrize("kind", ["write", "v3"])
async def test_outlets_are_switched_for_every_protocol(
    client: Opened, pdus: Sequence[Gear], devices: Sequence[Device], clock: HandClock, kind: str
) -> None:
    asked = client(pdus[0], kind)
    assert await asked.get(STATE) == [7]
    await asked.set(SWITCH, Integer32(0))
    assert await asked.get(STATE) == [8]
    device = next(d for d in devices if d.name == PDU)
    outlet = device.get("/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/1")
    assert outlet is not None
    assert outlet["PowerState"] == "Off"
    device.patch("/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/1", {"PowerState": "On"})
    assert await asked.get(STATE) == [7]
    await asked.set(SWITCH, Integer32(2))
    while not clock.sleepers:
        await asked.get(STATE)
    assert await asked.get(STATE) == [8]
    await clock.advance(5.0)
    assert await asked.get(STATE) == [7]


async def test_refusals(client: Opened, pdus: Sequence[Gear]) -> None:
    reader, writer = (client(pdus[0], kind) for kind in ("read", "write"))
    stranger = client(pdus[0], "guess")
    with pytest.raises(PermissionError, match="noAccess"):
        await reader.set(SWITCH, Integer32(0))
    assert await reader.get(STATE) == [7]
    with pytest.raises(PermissionError, match="wrongValue"):
        await writer.set(SWITCH, Integer32(9))
    with pytest.raises(PermissionError, match="wrongType"):
        await writer.set(SWITCH, OctetString("off"))
    with pytest.raises(PermissionError, match="notWritable"):
        await writer.set(STATE, Integer32(8))
    (missing,) = await reader.get("1.3.6.1.4.1.13742.6.99.0")
    assert missing.__class__.__name__ == "NoSuchInstance"
    with pytest.raises(ConnectionError):
        await stranger.get(NAME)


async def test_stale_and_silent(
    client: Opened, pdus: Sequence[Gear], clock: HandClock, faults: Faults
) -> None:
    asked = client(pdus[0], "read")
    faults.arm("stale-values", thing=PDU, what="snmp")
    before = await asked.get(INLET_W)
    await clock.advance(37.0)
    assert await asked.get(INLET_W) == before
    faults.disarm()
    assert await asked.get(INLET_W) != before
    faults.arm("link-loss", thing=PDU, what="snmp")
    with pytest.raises(ConnectionError):
        await asked.get(INLET_W)
