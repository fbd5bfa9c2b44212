"""Eyes and hands of a push: handing the image over, and reading what came of it at the component.

A task is a rumour, but a task that failed is believed: nothing is restarted for an image that was
not taken. What a push became stands in its receipt, in the journal too, for a life that did not
send it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from iolaus.drivers.ports import Image, Priority, Reads
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import FAILURES, DeviceRefused
from iolaus.model.asset import Asset, Report
from iolaus.model.plan import NodePlan, Step
from iolaus.model.reach import NodeSight
from iolaus.model.version import same
from iolaus.recovery.device import Device
from iolaus.recovery.reflash import BY_ITSELF, RUNS
from iolaus.wire.redfish.task import State, read_task

Receipt = Mapping[str, Any]
Value = tuple[bool | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """`checked` gives the file of a name and a SHA-256, its bytes being those; `sent` the receipt
    that journals have of a push to a node (its uid), of the recovery that its steps begin with, to
    a component."""

    checked: Callable[[str, str], Awaitable[Path]]
    sent: Callable[[str, str, str], Awaitable[Receipt | None]]


class Reflashing:
    """Of all nodes."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._receipts: dict[tuple[str, str], Receipt] = {}

    async def push(self, device: Device, step: Step) -> dict[str, Any]:
        """Hand it over, by force; the receipt. Raises `OperatorMust` for a file that changed."""
        given = step.action.arguments
        path = await self._images.checked(str(given["file"]), str(given["sha256"]))
        image = Image(
            name=path.name, path=str(path), uri=given.get("fetch"), sha256=str(given["sha256"])
        )
        driver, writes = await device.driver(), device.writer(Priority.LIFECYCLE)
        when = _when(await driver.apply_times(writes), str(given["kind"]))
        targets = [str(uri) for uri in given["targets"]]
        receipt = await driver.update(writes, image, targets, apply_time=when, force=True)
        told: dict[str, Any] = msgspec.to_builtins(receipt)
        told["component"] = given["component"]
        self._receipts[_key(step)] = told
        return told

    async def look(
        self,
        subject: str,
        device: Device,
        known: tuple[Report, Asset],
        where: tuple[NodePlan, Step, NodeSight],
    ) -> Value:
        """Whether the component runs what was pushed, or at least was given it (None: it cannot be
        told), and what to tell where not."""
        node, step, seen = where
        reads = device.at(Priority.LIFECYCLE)
        try:
            found = await _runs(await device.driver(), reads, known, step.action.arguments, seen)
            if subject == RUNS or found[0]:
                return found
            return await _taken(reads, await self._receipt(node.uid, step))
        except FAILURES as error:
            return None, error.message

    async def _receipt(self, uid: str, step: Step) -> Receipt | None:
        """Of the push that a step is or rests on."""
        key = _key(step)
        if key not in self._receipts:
            found = await self._images.sent(uid, *key)
            if found is not None:
                self._receipts[key] = found
        return self._receipts.get(key)


def _when(offered: Sequence[str], kind: str) -> str | None:
    """With the restart that follows, where one does and it may be chosen."""
    wanted = ("Immediate",) if kind in BY_ITSELF else ("OnReset", "Immediate")
    return next((each for each in wanted if each in offered), None)


def _key(step: Step) -> tuple[str, str]:
    """What the ids of a node's steps in one recovery begin with, and the component."""
    place, _, last = step.id.rpartition("/")
    return f"{place}/{last.partition('-')[0]}", str(step.action.arguments["component"])


async def _runs(
    driver: RedfishDriver,
    device: Reads,
    known: tuple[Report, Asset],
    given: Mapping[str, Any],
    seen: NodeSight,
) -> Value:
    component = str(given["component"])
    if component in seen.broken:
        return False, f"{component} is still broken"
    subject = f"firmware/{component}"
    spots = await driver.spots(device, *known, [subject])
    version = spots.values.get(subject)
    if not isinstance(version, str):
        return None, spots.reasons.get(subject, f"{component} shows no version")
    right = same(version, str(given["version"]), scheme=str(given.get("scheme", "")))
    return right, f"{component} is {version}"


async def _taken(device: Reads, receipt: Receipt | None) -> Value:
    """By the task that it became."""
    if receipt is None:
        return False, "whether it took the image is not known"
    if not (uri := receipt.get("task")):
        return True, ""
    try:
        task = read_task(uri, (await device.get(uri)).body)
    except DeviceRefused as error:
        if error.status != 404:
            raise
        return False, "its task is gone, and the component does not run it"
    good = task.state is State.SUCCEEDED and task.health != "Critical"
    why = f": {task.messages[-1]}" if task.messages and not good else ""
    return good, f"its task is {task.raw_state}{why}"
