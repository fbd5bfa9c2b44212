"""What recovery needs of a device."""

from __future__ import annotations

from typing import Protocol

from iolaus.drivers.ports import Priority, Reads, Writes
from iolaus.drivers.redfish import RedfishDriver


class Device(Protocol):
    """One device through its lane."""

    async def driver(self) -> RedfishDriver: ...

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...
