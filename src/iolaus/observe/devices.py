"""From a target to its device: the lane, the credential, and the driver that its words call for.

Which driver serves a device is read, not configured, and read again with every inventory, because
another device may stand at the address by then. Everything is made when it is first needed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from iolaus.drivers.lane import Lane, Lanes
from iolaus.drivers.ports import DeviceEvent, Priority, Reads, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.events import events
from iolaus.drivers.registry import driver_named, find_driver
from iolaus.model.endpoint import Target
from iolaus.observe.collect import Vitals
from iolaus.wire.redfish.port import Answer, Credential


class Devices:
    """`credential_of` gives what a target's login needs, or None where none is kept."""

    def __init__(
        self, *, lanes: Lanes, credential_of: Callable[[Target], Credential | None]
    ) -> None:
        self._lanes, self._credential_of = lanes, credential_of
        self._drivers: dict[str, RedfishDriver] = {}

    def open(self, target: Target) -> LaneDevice:
        lane = self._lanes.lane(target, self._credential_of(target))
        return LaneDevice(lane, self._drivers)

    def is_served_by(self, address: str, name: str) -> None:
        """Somebody read already which driver an address calls for."""
        self._drivers[address] = driver_named(name)

    async def drop(self, address: str) -> None:
        self._drivers.pop(address, None)
        await self._lanes.drop(address)


class LaneDevice:
    """A device through its lane. `drivers` remembers which driver an address called for."""

    def __init__(self, lane: Lane, drivers: dict[str, RedfishDriver]) -> None:
        self._lane, self._drivers = lane, drivers

    @property
    def address(self) -> str:
        return self._lane.address

    async def driver(self, *, afresh: bool = False) -> RedfishDriver:
        known = self._drivers.get(self._lane.address)
        if known is None or afresh:
            device = self.at(Priority.INVENTORY)
            known = find_driver(await RedfishDriver().identify(device))
            self._drivers[self._lane.address] = known
        return known

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        return self._lane.at(priority, timeout_s=timeout_s)

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes:
        """Reading and writing through the lane. `deadline_s` bounds each request, its wait in the
        queue too; an image without one may take what its size needs."""
        return self._lane.writer(priority, deadline_s=deadline_s)

    def vitals(self) -> Vitals:
        stats = self._lane.stats()
        return Vitals(
            latency_ms=stats.latency_ms,
            in_flight=stats.in_flight,
            sessions=stats.sessions,
            heard_at=stats.heard_at,
        )

    async def fetch(self, uri: str, *, deadline_s: float, max_bytes: int) -> bytes:
        """A file of the device, whole, at the priority of housekeeping."""
        return await self._lane.fetch(
            uri, priority=Priority.LIFECYCLE, deadline_s=deadline_s, max_bytes=max_bytes
        )

    @property
    def crowded(self) -> bool:
        """It had no session to give when it was last asked for one."""
        return self._lane.stats().crowded

    def log_in_anew(self) -> None:
        self._lane.log_in_anew()

    async def write(self, method: str, uri: str, body: Mapping[str, Any] | None) -> Answer:
        """A write of housekeeping: behind control, before telemetry."""
        return await self._lane.write(method, uri, body, priority=Priority.LIFECYCLE)

    def events(self, last_event_id: str | None) -> AsyncGenerator[DeviceEvent, None]:
        return events(self._lane.at(Priority.TELEMETRY), last_event_id=last_event_id)
