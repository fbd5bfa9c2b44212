"""Drives told to erase themselves (Drive.SecureErase, DSP0268), and followed to the end of it.

All of them work side by side, each by its own task. The quickest way that a drive offers is taken:
throwing away its key is as final as writing over it, and takes seconds. A drive that is at it
already, because somebody asked before a crash, is not asked again but followed. What is told in the
end is the device's word: nothing that can be read shows what a drive holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from iolaus.drivers.ports import Writes
from iolaus.drivers.redfish._text import clean, items
from iolaus.drivers.redfish.harvest import links_in
from iolaus.drivers.redfish.write.actions import act, allowed
from iolaus.drivers.redfish.write.wipe import Found, each_place
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.errors import is_transient
from iolaus.wire.redfish.task import State, follow

WAY: Final = "SanitizationType"
WAYS: Final = ("CryptographicErase", "BlockErase", "Overwrite")
"""The quickest first."""
AT_WORK: Final = frozenset({"sanitize", "secureerase", "secure erase"})
POLL_S: Final = 1.0
_LONG_S: Final = 86_400.0


class Begun(NamedTuple):
    """A drive at work. `task` "": it named none."""

    uri: str
    way: str
    task: str


async def erase_drives(device: Writes, clock: Clock, *, poll_s: float = POLL_S) -> dict[str, Any]:
    """Have every drive erased that offers it, until all are through; what each said by "wiped"
    (a sentence by URI), and "not_offered". Raises what the first refusal in passing raises, and
    `DeviceRefused` that names every drive which was not erased."""
    begun, not_offered, failed = [], [], dict[str, str]()
    async for found in each_place(device, "drives"):
        if found.offer is None:
            not_offered.append(found.uri)
            continue
        try:
            begun.append(_at_work(found) or await _begin(device, found))
        except DeviceRefused as refused:
            if is_transient(refused):
                raise
            failed[found.uri] = refused.message
    wiped = dict[str, str]()
    async with asyncio.TaskGroup() as group:
        ends = {b: group.create_task(_ended(device, clock, b, poll_s)) for b in begun}
    for each, end in ends.items():
        done, told = end.result()
        (wiped if done else failed)[each.uri] = told
    if failed:
        raise _not_erased(device, failed)
    return {"wiped": wiped, "not_offered": not_offered}


async def _begin(device: Writes, found: Found) -> Begun:
    assert found.offer is not None, "only who offers it is asked"
    offers = await allowed(device, found.offer, WAY)
    way = next((each for each in WAYS if each in offers), "")
    receipt = await act(device, found.offer, {WAY: way} if way else {})
    return Begun(found.uri, way, receipt.task or "")


def _at_work(found: Found) -> Begun | None:
    for operation in _operations(found.seen.body):
        tasks = links_in(operation.get("AssociatedTask"))
        return Begun(found.uri, "", next(tasks, ""))
    return None


def _operations(drive: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those by which it erases itself now."""
    return [
        each
        for each in items(drive.get("Operations"))
        if {clean(each.get(k)).lower() for k in ("Operation", "OperationName")} & AT_WORK
    ]


async def _ended(device: Writes, clock: Clock, begun: Begun, poll_s: float) -> tuple[bool, str]:
    """Whether it was erased, and the device's words for it. The others go on where one cannot be
    followed."""
    try:
        return await _followed(device, clock, begun, poll_s)
    except DeviceRefused as refused:
        return False, f"it cannot be followed: {refused.message}"


async def _followed(device: Writes, clock: Clock, begun: Begun, poll_s: float) -> tuple[bool, str]:
    if begun.task:
        progress = await follow(device.get, begun.task, clock, deadline_s=_LONG_S, poll_s=poll_s)
        told = "; ".join(progress.messages) or progress.raw_state or ""
        if progress.state is State.SUCCEEDED:
            return True, f"{begun.task} is {progress.raw_state or 'over'}{_by(begun.way)}"
        if progress.state is State.GONE:
            return False, f"{begun.task} is gone, and nothing tells whether it was erased"
        return False, f"{begun.task} is {progress.state.value}: {told}"
    while await _works(device, begun.uri):
        await clock.sleep(poll_s)
    return True, f"it took the order and names no task{_by(begun.way)}"


async def _works(device: Writes, uri: str) -> bool:
    """One that cannot be read now is not through."""
    try:
        return bool(_operations((await device.get(uri)).body))
    except (DeviceSilent, DeviceLied):
        return True
    except DeviceRefused as refused:
        if is_transient(refused):
            return True
        raise


def _by(way: str) -> str:
    return f" ({way})" if way else ""


def _not_erased(device: Writes, failed: Mapping[str, str]) -> DeviceRefused:
    return DeviceRefused(
        "; ".join(f"{uri}: {why}" for uri, why in sorted(failed.items())),
        operation="erase",
        subject=device.address,
        code="NotErased",
        status=0,
        next_step="take the drive out and destroy it, or erase it by other means; then plan again "
        "without --erase-drives.",
    )
