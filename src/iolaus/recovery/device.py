"""What recovery needs of a device."""

from __future__ import annotations

from typing import Protocol

from iolaus.drivers.ports import Priority, Reads, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import PolicyRefused
from iolaus.model.endpoint import Mode, Target


class Device(Protocol):
    """One device through its lane."""

    async def driver(self) -> RedfishDriver: ...

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


def must_be_managed(target: Target, *, what: str, operation: str, node: str) -> None:
    """Raises `PolicyRefused` for an endpoint that nobody said managed; `what` is what of it is
    needed for the node."""
    if target.mode is Mode.MANAGED:
        return
    name = target.name or target.address
    raise PolicyRefused(
        f"{what}: its endpoint {name} may only be read",
        operation=operation,
        subject=node,
        code="ReadOnly",
        next_step=f"say that it may be changed: iolaus manage {name}",
    )
