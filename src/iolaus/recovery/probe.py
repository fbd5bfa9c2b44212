"""One node asked afresh: what its controller answers now, of itself and of its host.

The picture of the hall is as old as its polls, and it does not hold what only somebody who is to
bring a node back wants to know: an update that runs for hours, a firmware entry that is broken, a
way to the host that is dead while all else answers. A few reads tell; what cannot be read is left
as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import Reads
from iolaus.drivers.redfish._text import clean, mapping
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.drivers.redfish.logs import moment_of
from iolaus.kernel.errors import FAILURES, DeviceLied, DeviceRefused, DeviceSilent, IolausError
from iolaus.model.asset import Asset
from iolaus.model.reach import Controller, NodeSight
from iolaus.wire.redfish.task import State, read_task

OFF: Final = frozenset({"Off", "PoweringOff"})
_BROKEN: Final = "Critical"


async def probe(
    device: Reads,
    asset: Asset,
    sight: NodeSight,
    *,
    now: float,
    skew_s: float = 0.0,
    wedged_after_s: float,
    spare: Collection[str] = (),
    crowded: bool = False,
) -> NodeSight:
    """The sight with what its controller says now. `spare` are firmware entries of other banks,
    which may be broken and harm nobody. Never raises for what a device does."""
    try:
        system = (await device.get(asset.resources[0])).body
    except IolausError as error:
        controller, said = _failed(error)
        return msgspec.structs.replace(
            sight, controller=controller, said=said, since=sight.since or now, at=now, on=None
        )
    half = await _half(device, system)
    state = clean(system.get("PowerState"), 32)
    controller = Controller.HALF if half else Controller.CROWDED if crowded else Controller.ANSWERS
    stuck = await wedged(device, now=now + skew_s, after_s=wedged_after_s)
    broken = await _broken(device, spare)
    return msgspec.structs.replace(
        sight,
        controller=controller,
        said=half,
        at=now,
        on=state not in OFF if state else None,
        wedged=sight.wedged if stuck is None else stuck,
        broken=sight.broken if broken is None else broken,
    )


def _failed(error: IolausError) -> tuple[Controller, str]:
    if isinstance(error, DeviceSilent):
        return Controller.SILENT, error.message
    if isinstance(error, DeviceRefused) and error.status in (401, 403):
        return Controller.REFUSES, error.message
    if isinstance(error, DeviceRefused) and error.code == "NoSessionSlots":
        return Controller.CROWDED, error.message
    if isinstance(error, DeviceRefused) and error.status >= 500:
        return Controller.HALF, error.message
    return Controller.UNKNOWN, error.message


async def _half(device: Reads, system: Mapping[str, Any]) -> str:
    """Why its way to the host is dead: its BIOS is asked through it. Empty: it is not."""
    for uri in links_in(system.get("Bios")):
        try:
            await device.get(uri)
        except DeviceRefused as error:
            if error.status >= 500:
                return f"its BIOS cannot be read (HTTP {error.status}): the way to the host is dead"
        except (DeviceSilent, DeviceLied):
            return ""
    return ""


async def wedged(device: Reads, *, now: float, after_s: float) -> str | None:
    """The task that runs for too long, in words; "" where none does, None where that cannot be
    told. `now` is by the device's clock."""
    tasks, whole = await _below(device, "Tasks", "Tasks")
    for uri, payload in tasks:
        task = read_task(uri, payload)
        began = moment_of(payload.get("StartTime"))
        if task.state is State.RUNNING and began is not None and now - began >= after_s:
            percent = "" if task.percent is None else f" at {task.percent} %"
            minutes = (now - began) / 60
            return f"{clean(payload.get('Name'), 64) or uri}{percent} for {minutes:.0f} min"
    return "" if whole else None


async def _broken(device: Reads, spare: Collection[str]) -> tuple[str, ...] | None:
    entries, whole = await _below(device, "UpdateService", "FirmwareInventory")
    found = tuple(
        clean(payload.get("Id"), 64) or uri
        for uri, payload in entries
        if mapping(payload.get("Status")).get("Health") == _BROKEN and uri not in spare
    )
    return found if found or whole else None


async def _below(
    device: Reads, service: str, collection: str
) -> tuple[list[tuple[str, Mapping[str, Any]]], bool]:
    """Members of a service's collection, and whether that is all there are; none where it has
    none."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    gaps: list[str] = []
    try:
        root = (await device.get(ROOT)).body
        for place in links_in(root.get(service)):
            for uri in links_in((await device.get(place)).body.get(collection)):
                found += await device.members(uri, on_gap=lambda gap, _: gaps.append(gap))
    except FAILURES:
        return found, False
    return found, not gaps
