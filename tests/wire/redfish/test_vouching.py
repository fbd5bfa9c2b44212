"""Endpoints whose services say the same of themselves vouch for each other's `$expand`."""

from __future__ import annotations

import asyncio
from typing import Any

from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.redfish.expand import VOUCHED, Expander, Verdicts, service_of
from iolaus.wire.redfish.port import Answer

URI = "/redfish/v1/Chassis/1/Sensors"
QUERY = "?$expand=.($levels=1)"
ROOT: dict[str, Any] = {
    "Vendor": "Acme",
    "Product": "BMC",
    "RedfishVersion": "1.18.0",
    "ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True, "Levels": True}},
}
SENSORS = {f"{URI}/{n}": {"@odata.id": f"{URI}/{n}", "Name": n} for n in "abcd"}


class Device:
    """A collection of four, and what its `$expand` gives."""

    def __init__(self, *, expanded: list[dict[str, Any]] | None = None) -> None:
        inline = list(SENSORS.values()) if expanded is None else expanded
        links = [{"@odata.id": uri} for uri in SENSORS]
        self.pages: dict[str, dict[str, Any]] = {URI: _page(links), URI + QUERY: _page(inline)}
        self.pages |= SENSORS
        self.asked: list[str] = []

    async def get(self, uri: str) -> Answer:
        self.asked.append(uri)
        await asyncio.sleep(0)
        if uri not in self.pages:
            raise DeviceRefused("no", operation="GET", subject=uri, code="No", next_step="-")
        return Answer(uri=uri, status=200, body=self.pages[uri], headers={}, at=0.0, elapsed_s=0.0)

    async def read(self, shared: Verdicts, root: dict[str, Any] = ROOT) -> dict[str, Any]:
        by = Expander(shared)
        by.learn(root)
        return dict(await by.members(self.get, URI, on_gap=lambda *_: None))


def _page(members: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Members": members, "Members@odata.count": len(SENSORS)}


async def test_the_second_of_a_make_is_not_probed() -> None:
    shared, second = Verdicts(), Device()
    await Device().read(shared)
    assert await second.read(shared) == SENSORS
    assert second.asked == [URI + QUERY]


async def test_who_begins_together_waits_for_the_one_that_probes() -> None:
    shared, devices = Verdicts(), [Device() for _ in range(20)]
    found = await asyncio.gather(*(device.read(shared) for device in devices))
    assert all(each == SENSORS for each in found)
    assert sum(len(device.asked) > 1 for device in devices) == 1


async def test_a_verdict_is_proved_anew_after_so_many() -> None:
    shared, devices = Verdicts(), [Device() for _ in range(2 * VOUCHED + 2)]
    for device in devices:
        await device.read(shared)
    probed = [n for n, device in enumerate(devices) if len(device.asked) > 1]
    assert probed == [0, VOUCHED + 1]


async def test_one_that_loses_is_not_tried_at_the_next() -> None:
    shared, second = Verdicts(), Device()
    await Device(expanded=[{"@odata.id": uri, "Id": "x"} for uri in SENSORS]).read(shared)
    assert await second.read(shared) == SENSORS
    assert URI + QUERY not in second.asked


async def test_nobody_vouches_for_an_answer_that_lacks_a_member_or_its_content() -> None:
    for expanded in (list(SENSORS.values())[:3], [{"@odata.id": uri} for uri in SENSORS]):
        shared = Verdicts()
        await Device().read(shared)
        assert await Device(expanded=expanded).read(shared) == SENSORS


async def test_another_firmware_or_a_service_without_a_maker_is_probed() -> None:
    shared = Verdicts()
    await Device().read(shared)
    for root in (ROOT | {"RedfishVersion": "1.19.0"}, {**ROOT, "Vendor": None}):
        other = Device()
        assert await other.read(shared, root) == SENSORS
        assert len(other.asked) > 1
    assert service_of({}) is None


async def test_a_prober_that_fails_lets_the_others_go_on() -> None:
    shared, broken = Verdicts(), Device()
    broken.pages = {}
    waiting = [Device() for _ in range(3)]
    failed, *found = await asyncio.gather(
        broken.read(shared), *(each.read(shared) for each in waiting), return_exceptions=True
    )
    assert isinstance(failed, DeviceRefused)
    assert all(each == SENSORS for each in found)
