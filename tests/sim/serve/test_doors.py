from __future__ import annotations

import aiohttp

from iolaus.sim.server import Hall
from tests.sim.engine.tree import device


async def test_devices_answer_and_refuse_while_a_process_of_its_own_listens() -> None:
    hall = Hall([device(name="one"), device(name="two")], apart=True)
    await hall.start()
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            for name in ("one", "two"):
                async with session.get(f"{hall[name].address}/redfish/v1") as answer:
                    assert answer.status == 200
            place = hall.places["one"]
            place.down("refuse")
            await place.settled()
            place.up()
            await place.settled()
            async with session.get(f"{hall['one'].address}/redfish/v1") as answer:
                assert answer.status == 200
            assert hall["one"].counters.connections == 2
        finally:
            await hall.stop()
