"""A house among peers that are not ours: a broker behind TLS, a Modbus server on a serial line.

What is on the wire is wrong as it is in halls: another certificate than the one that was pinned,
check sums that do not fit, flags that stay, a unit that is gone, one that takes its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.app.bms import OURS, StockBms, document, stock_bms
from tests.app.test_joined import Heard, until
from tests.wire.modbus.stock import Gear, on_line

from iolaus.app.house import House, HouseOptions, open_house
from iolaus.energy.ports import Grade, Sense
from iolaus.model.endpoint import Reach, Target
from iolaus.observe.building import Building
from iolaus.observe.collect import Periods
from iolaus.sim.tls import Authority, server_context
from iolaus.store.secrets import Secrets
from iolaus.wire.modbus.address import parse_bus
from iolaus.wire.modbus.bus import Rates
from iolaus.wire.modbus.health import UnitState

FEED, PART = (Sense.FEED, "h1-a"), (Sense.REDUNDANCY, "h1-r01-ps1 mains")
FAST = Rates(fast_s=0.1, medium_s=0.2, slow_s=2.0)


@contextlib.asynccontextmanager
async def behind_tls(port: int) -> AsyncIterator[tuple[int, str]]:
    """A door of TLS before a broker: its port, and the fingerprint that it shows."""
    leaf = Authority().leaf(host="127.0.0.1", name="bms")
    tasks = set[asyncio.Task[None]]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, out = await asyncio.open_connection("127.0.0.1", port)
        both = [asyncio.create_task(carry(reader, out)), asyncio.create_task(carry(inside, writer))]
        tasks.update(both)

    server = await asyncio.start_server(met, "127.0.0.1", 0, ssl=server_context(leaf))
    try:
        yield server.sockets[0].getsockname()[1], leaf.fingerprint
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def house_of(folder: Path, bms: StockBms, port: int, pin: str) -> AsyncIterator[House]:
    folder.mkdir(mode=0o700)
    password = bms.broker.accounts[OURS].password
    Secrets(folder / "secrets").put("building", user=OURS, password=password)
    told = document(port, broker=f"mqtts://127.0.0.1:{port}", fingerprint=pin)
    (folder / "power.yaml").write_text(json.dumps(told))
    async with open_house(HouseOptions(state_dir=folder, periods=Periods(hot_s=0.3))) as house:
        house.begin_all(spread=False)
        yield house


def link_of(house: House) -> Building:
    assert house.joining.joined is not None
    return house.joining.joined.link


async def test_a_broker_is_believed_by_its_pin_and_no_other_hears_our_password(
    tmp_path: Path,
) -> None:
    async with stock_bms() as bms, behind_tls(bms.broker.port) as (port, pin):
        async with house_of(tmp_path / "one", bms, port, pin) as house:
            link = link_of(house)
            await until(lambda: not link.why_lost())
            await bms.rack("h1-r01")
            await until(lambda: len(link.bms.values) >= 5)
        async with house_of(tmp_path / "two", bms, port, "0" * 64) as house:
            refused = link_of(house)
            await until(lambda: "another certificate" in refused.link.trouble)
            status, address = house.state.facts.status_of, str(refused.link.address)
            await until(lambda: status(address))
            found = status(address)
            assert found is not None
            assert found.reach is not Reach.REACHABLE
            assert pin in found.last_error
            assert refused.link.connections == 0


@contextlib.asynccontextmanager
async def shelf(folder: Path, gear: Gear) -> AsyncIterator[tuple[House, Heard]]:
    """A house that reads two rectifiers of a rack on a serial line."""
    options = HouseOptions(state_dir=folder, periods=Periods(hot_s=0.5), registers=FAST)
    async with on_line(gear) as path, open_house(options) as house:
        heard = house.power.gear.edges = Heard()
        house.state.facts.put_target(
            Target(
                address=str(parse_bus(f"modbus+rtu://{path}?unit=192,193")),
                name="h1-r01-ps1",
                labels={"hall": "h1", "rack": "h1-r01", "row": "a", "feed": "h1-a"},
            )
        )
        house.begin_all(spread=False)
        await until(lambda: heard.grade(*FEED) is Grade.GOOD)
        yield house, heard


def rectifiers() -> Gear:
    gear = Gear()
    for unit in (192, 193):
        lines = {"signals": 0xC0, "busbar_voltage_least": 50 * 1024}
        gear.put(unit, "hpr-psu", {"serial": f"S{unit}", **lines})
    return gear


@pytest.mark.soak
async def test_a_rack_hears_of_its_mains_through_a_bad_line(tmp_path: Path) -> None:
    gear, turn = rectifiers(), iter(range(1_000_000))
    async with shelf(tmp_path, gear) as (house, heard):
        ((_, bus),) = house.buses.all()
        gear.set(192, "hpr-psu", input_alarms=1 << 8)
        await until(lambda: heard.grade(*PART) is Grade.CRITICAL)
        assert heard.grade(*FEED) is Grade.GOOD

        gear.garble = lambda _: next(turn) % 4 == 0
        gear.set(193, "hpr-psu", signals=0x80)
        await until(lambda: heard.grade(*FEED) is Grade.CRITICAL)
        await until(lambda: bus.crc_errors >= 3)

        gear.garble = lambda unit: unit == 193
        await until(lambda: bus.units[193].health.state is UnitState.NOISY)
        await until(lambda: heard.grade(*FEED) is Grade.UNKNOWN)
        assert heard.grade(*PART) is Grade.CRITICAL
        gear.garble, gear.delay_s[193] = lambda _: False, 0.2
        gear.set(193, "hpr-psu", signals=0xC0)
        await until(lambda: heard.grade(*FEED) is Grade.GOOD)

        gear.silent.add(193)
        await until(lambda: bus.units[193].health.state is UnitState.GONE)
        await until(lambda: heard.grade(*FEED) is Grade.UNKNOWN)

        told = [e for e in house.state.facts.events(limit=100) if "ac not ok" in e.message]
        assert [each.kind for each in told] == ["GearAlarmSet"]
        assert gear.written == []
