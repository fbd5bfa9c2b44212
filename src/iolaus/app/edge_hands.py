"""The doors of an edge to real controllers: caps, power and detectors, each through its lane.

An answer is what the device was read to be afterwards, whatever it said to the write; where nobody
knows, the answer is None. Nothing here is raised to the edge: it has a rule for silence. An
endpoint that is not managed is read and never written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from iolaus.drivers.ports import CapsPower, Priority, Reads, SetsPower, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.energy.ports import Event, Grade, IsolationRequest, Sense
from iolaus.energy.seats import Seat
from iolaus.kernel.errors import IolausError
from iolaus.model.endpoint import Mode, Target

log = structlog.get_logger(__name__)
WITHIN_S: Final = 3.0
"""A command that takes longer is given up: the edge has counted it as failed by then."""
STATES: Final[Mapping[object, Grade]] = {
    "OK": Grade.GOOD,
    "Warning": Grade.WARNING,
    "Critical": Grade.CRITICAL,
}


class Device(Protocol):
    async def driver(self, *, afresh: bool = False) -> RedfishDriver: ...

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


class Hands:
    """`seats` is by node and may be replaced; `target_of` gives an address's target as it is now.
    Is `energy.ports.CapsNodes` and `CutsPower`."""

    def __init__(
        self,
        *,
        open_device: Callable[[Target], Device],
        target_of: Callable[[str], Target | None],
    ) -> None:
        self._open, self._target_of = open_device, target_of
        self.seats: dict[str, Seat] = {}
        self._failing: set[str] = set()

    async def read_cap(self, node: str) -> float | None:
        seat, device = self._reach(node)
        if seat is None or device is None or seat.cap_uri is None:
            return None
        try:
            driver: CapsPower = await device.driver()
            cap = await driver.read_cap(
                device.at(Priority.CONTROL, timeout_s=WITHIN_S), seat.cap_uri
            )
        except IolausError as error:
            self._failed(node, "read cap", error)
            return None
        self._failing.discard(node)
        return seat.nameplate_w if cap.watts is None else cap.watts

    async def write_cap(self, node: str, watts: float, *, safety: bool) -> float | None:
        seat, device = self._reach(node)
        if seat is None or device is None or seat.cap_uri is None:
            return None
        if not self._may_write(seat):
            return await self.read_cap(node)
        priority = Priority.SAFETY if safety else Priority.CONTROL
        try:
            driver: CapsPower = await device.driver()
            writer = device.writer(priority, deadline_s=WITHIN_S)
            await driver.set_cap(writer, seat.cap_uri, watts, insist=safety)
        except IolausError as error:
            self._failed(node, "write cap", error)
        return await self.read_cap(node)

    async def ensure_floor(self, node: str, watts: float) -> float | None:
        """The floor that the device keeps by itself, put in place where it has a place for one.
        None where it has none, or nobody knows."""
        seat, device = self._reach(node)
        if seat is None or device is None or seat.cap_uri is None:
            return None
        try:
            driver: CapsPower = await device.driver()
            writer = device.writer(Priority.CONTROL, deadline_s=WITHIN_S)
            floor_w = (await driver.read_cap(writer, seat.cap_uri)).floor_w
            if floor_w is None or floor_w == watts or not self._may_write(seat):
                return floor_w
            await driver.set_floor(writer, seat.cap_uri, watts)
            return (await driver.read_cap(writer, seat.cap_uri)).floor_w
        except IolausError as error:
            self._failed(node, "keep floor", error)
            return None

    async def power_off(self, node: str) -> bool | None:
        seat, device = self._reach(node)
        if seat is None or device is None:
            return None
        if not self._may_write(seat):
            log.warning("a reflex may not switch this node off: it is not managed", node=node)
            return None
        writer = device.writer(Priority.SAFETY, deadline_s=WITHIN_S)
        off = True
        for system in seat.systems:
            try:
                driver: SetsPower = await device.driver()
                await driver.set_power(writer, system, "ForceOff")
                off &= (await writer.get(system)).body.get("PowerState") == "Off"
            except IolausError as error:
                self._failed(node, "power off", error)
                return None
        return off

    async def look(self, seat: Seat, uri: str) -> Event | None:
        """One leak detector, read at once. None where the URI is none."""
        target = self._target_of(seat.address)
        subject = f"{seat.name}/{uri.rpartition('/')[2]}"
        if target is None or subject not in seat.detectors:
            return None
        path, _, pointer = uri.partition("#")
        device = self._open(target).at(Priority.SAFETY, timeout_s=WITHIN_S)
        try:
            async with asyncio.timeout(WITHIN_S):
                state = _pointed((await device.get(path)).body, pointer).get("DetectorState")
        except TimeoutError:
            why = f"it did not answer in {WITHIN_S:g} s"
            return Event(sense=Sense.LEAK, subject=subject, grade=Grade.UNKNOWN, because=why)
        except IolausError as error:
            return Event(
                sense=Sense.LEAK, subject=subject, grade=Grade.UNKNOWN, because=error.message
            )
        grade = STATES.get(state if isinstance(state, str) else None, Grade.UNKNOWN)
        return Event(sense=Sense.LEAK, subject=subject, grade=grade)

    def _reach(self, node: str) -> tuple[Seat | None, Device | None]:
        seat = self.seats.get(node)
        target = self._target_of(seat.address) if seat else None
        return seat, self._open(target) if target else None

    def _may_write(self, seat: Seat) -> bool:
        target = self._target_of(seat.address)
        return target is not None and target.mode is Mode.MANAGED

    def _failed(self, node: str, operation: str, error: IolausError) -> None:
        """One line when a node stops answering, until it answers again."""
        if node not in self._failing:
            self._failing.add(node)
            log.warning(
                "an edge's command failed", node=node, operation=operation, error=str(error)
            )


def _pointed(body: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    """The part of a resource that a fragment (RFC 6901) names; {} where there is none."""
    found: Any = body
    for step in pointer.split("/")[1:]:
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return {}
    return found if isinstance(found, Mapping) else {}


class NoBuilding:
    """Where no building system is joined: the request is told, and nobody confirms it."""

    async def isolate(self, request: IsolationRequest) -> bool:
        log.warning(
            "a rack should be isolated and no building system is joined",
            rack=request.rack,
            medium=request.medium,
            because=request.because,
        )
        return False
