"""Simulated machines of several makes, each through its own lane, with the driver it calls for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from iolaus.drivers.lane import BreakerRules, Lane, LaneRules
from iolaus.drivers.lane.cache import CacheRules
from iolaus.drivers.ports import Priority, Receipt, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.registry import find_driver
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.model.asset import ManagerSetting, Report
from iolaus.sim.device import Device
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall, running
from iolaus.wire.redfish.task import Progress
from tests.drivers.lane.conftest import lane_to
from tests.sim.firmware.stage import machines, until

V1 = "/redfish/v1"
INVENTORY = f"{V1}/UpdateService/FirmwareInventory"
RULES = LaneRules(
    breaker=BreakerRules(pause_s=0.02, pause_max_s=0.05), cache=CacheRules(hold_off_s=0.1)
)
HOSTS = {
    "gb300-tray": "System_0",
    "dl365-cpu": "1",
    "xe9680-h200": "System.Embedded.1",
    "sys-hgx-b200": "1",
    "g893-mi325x": "Self",
}
"""Persona -> the Id of its host; one of each maker."""


class On:
    """One machine, its lane and its driver; `writer` writes at the priority of a roll-out."""

    def __init__(self, hall: Hall, device: Device, lane: Lane, driver: RedfishDriver) -> None:
        self.hall, self.device, self.lane, self.driver = hall, device, lane, driver
        self.writer: Writes = lane.writer(Priority.LIFECYCLE)
        self.system = f"{V1}/Systems/{HOSTS.get(device.name, '1')}"

    def rules(self, *rules: dict[str, Any]) -> None:
        self.hall.inject(*parse_rules(list(rules), source="test"))

    async def inventory(self) -> Report:
        return await self.driver.inventory(self.lane.at(Priority.INVENTORY))

    async def setting(self, name: str) -> ManagerSetting:
        """The first fact of this name, as a fresh inventory tells it."""
        found = (await self.inventory()).manager_settings
        return next(each for each in found if each.name == name)

    async def get(self, uri: str) -> dict[str, Any]:
        return (await self.writer.get(uri)).body

    async def comes(self, uri: str, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until a resource says so, over whatever silence is in between."""

        async def check() -> bool:
            try:
                return is_so(await self.get(uri))
            except (DeviceSilent, DeviceRefused):
                return False

        await until(check)

    async def shows(self, entry: str, version: str) -> None:
        await self.comes(f"{INVENTORY}/{entry}", lambda body: body.get("Version") == version)

    async def ended(self, receipt: Receipt) -> Progress:
        """The task as it was last seen."""
        last = await self.driver.progress(self.writer, receipt)

        async def over() -> bool:
            nonlocal last
            try:
                last = await self.driver.progress(self.writer, receipt)
            except DeviceSilent:
                return False
            return last.over

        await until(over)
        return last

    async def restart(self) -> None:
        """The host starts anew."""
        await self.driver.set_power(self.writer, self.system, "ForceOff")
        await self.comes(self.system, lambda body: body["PowerState"] == "Off")
        await self.driver.set_power(self.writer, self.system, "On")
        await self.comes(self.system, lambda body: body["PowerState"] == "On")


@asynccontextmanager
async def on(persona: str, **options: Any) -> AsyncIterator[On]:
    devices: Sequence[Device] = machines(persona, **options)
    async with running(devices) as hall, lane_to(devices[0], rules=RULES) as lane:
        reads = lane.at(Priority.INVENTORY)
        driver = find_driver(await RedfishDriver().identify(reads))
        yield On(hall, devices[0], lane, driver)
