"""Racks cut off and given back: what is asked of a building, and whether it says that it is so.

A request is a level that stands until a person takes it back; nothing here does so by itself. What
is not confirmed in time is told once, as an event, and goes on being asked. Given back is in the
order that harms nothing, liquid before electricity, and only what the building then says counts:
it may refuse, as long as its own detectors are not dry. No machine is switched on by it; whether
one starts by itself when it has power again is its own setting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from iolaus.energy.documents import seconds
from iolaus.energy.ports import IsolationRequest, Medium
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust, PolicyRefused
from iolaus.model.building import BuildingSpec
from iolaus.observe.building import Building

log = structlog.get_logger(__name__)
LOOK_S: Final = 0.1
BACK: Final = (Medium.LIQUID, Medium.ELECTRICAL)
Record = Callable[[str, str, str], None]
"""Takes an event's kind, severity and message."""


class Isolating:
    """`theirs` gives the building's name of a rack. Is `energy.ports.AsksBuilding`."""

    def __init__(
        self,
        link: Building,
        spec: BuildingSpec,
        *,
        clock: Clock,
        theirs: Callable[[str], str],
        record: Record,
    ) -> None:
        self._link, self._spec, self._clock = link, spec, clock
        self._theirs, self._record = theirs, record
        self.unconfirmed: dict[tuple[str, str], float] = {}
        self.asking: dict[tuple[str, str], asyncio.Task[bool]] = {}

    async def isolate(self, request: IsolationRequest) -> bool:
        """Ask the building to cut a rack off; True once it says that it is so. Who asks again
        while one waits gets the same answer. What is not confirmed in time is an event."""
        key = (request.rack, request.medium.value)
        task = self.asking.get(key)
        if task is None or task.done():
            task = self.asking[key] = asyncio.create_task(self._isolate(request))
        return await asyncio.shield(task)

    async def release(self, rack: str, *, because: str) -> bool:
        """Take back what was asked of a rack, at a person's word. Whether the building says that
        it is cut off from nothing any more. Raises `PolicyRefused` where asking is not allowed,
        `DeviceRefused` where the building takes no request for this rack, `DeviceSilent` where its
        broker does not hear us."""
        if "isolation" not in self._spec.allow:
            raise _not_allowed(rack)
        offered = [medium for medium in BACK if self._is_offered(rack, medium)]
        if not offered:
            raise _not_offered(rack)
        for medium in offered:
            if (task := self.asking.pop((rack, medium.value), None)) is not None:
                task.cancel()
            self.unconfirmed.pop((rack, medium.value), None)
            await self._link.release(self._theirs(rack), medium.value)
            if not await self._is_back(rack, medium):
                what = f"{medium.value} isolation of {rack}"
                why = f"the building was told that {what} may end, and does not say that it has"
                self._record("IsolationNotReleased", "Warning", f"{why} ({because})")
                return False
        self._record("IsolationReleased", "OK", f"the building gave {rack} back ({because})")
        return True

    def _is_offered(self, rack: str, medium: Medium) -> bool:
        try:
            self._link.bms.request_path(self._theirs(rack), medium.value)
        except DeviceRefused:
            return False
        return True

    async def _is_back(self, rack: str, medium: Medium) -> bool:
        until = self._clock.monotonic() + seconds(self._spec.acknowledge)
        while self._clock.monotonic() < until:
            now = self._clock.monotonic()
            if self._link.bms.isolated(self._theirs(rack), medium.value, now) is False:
                return True
            await self._clock.sleep(LOOK_S)
        return False

    async def _isolate(self, request: IsolationRequest) -> bool:
        what = f"{request.medium.value} isolation of {request.rack}"
        if "isolation" not in self._spec.allow:
            return self._unconfirmed(request, f"{what} is needed, and is not allowed to be asked")
        within_s = seconds(self._spec.acknowledge)
        try:
            done = await self._link.isolated(
                self._theirs(request.rack), request.medium.value, within_s=within_s
            )
        except IolausError as error:
            return self._unconfirmed(request, f"{what} could not be asked: {error.message}")
        if not done:
            why = f"{what} was asked, and not confirmed in {within_s:g} s"
            return self._unconfirmed(request, why)
        self.unconfirmed.pop((request.rack, request.medium.value), None)
        self._record("RackIsolated", "Critical", f"the building confirms {what}")
        return True

    def _unconfirmed(self, request: IsolationRequest, why: str) -> bool:
        key = (request.rack, request.medium.value)
        if key not in self.unconfirmed:
            self.unconfirmed[key] = self._clock.now()
            log.error("isolation_not_confirmed", rack=request.rack, why=why)
            self._record("IsolationNotConfirmed", "Critical", f"{why} ({request.because})")
        return False


def _not_allowed(rack: str) -> PolicyRefused:
    return PolicyRefused(
        "the building may not be asked for isolations",
        operation="release isolation",
        subject=rack,
        code="NotAllowed",
        next_step="add `isolation` to `allow` of the Building in power.yaml; docs/building.md.",
    )


def _not_offered(rack: str) -> OperatorMust:
    return OperatorMust(
        "the building takes no request of ours about it",
        operation="release isolation",
        subject=rack,
        code="BuildingOffersNot",
        next_step="ask whoever runs the building system; docs/building.md says what it publishes.",
    )
