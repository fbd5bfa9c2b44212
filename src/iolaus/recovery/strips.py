"""Outlets that feed a node, asked and switched at their strips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from iolaus.drivers.ports import Priority
from iolaus.drivers.redfish._text import mapping
from iolaus.kernel.errors import FAILURES, OperatorMust
from iolaus.model.endpoint import Target
from iolaus.model.naming import endpoint_name
from iolaus.model.reach import OutletSight
from iolaus.recovery.device import Device, must_be_managed
from iolaus.recovery.probe import OFF
from iolaus.recovery.sighting import Outlet, outlets_of
from iolaus.store.facts import Facts
from iolaus.store.held import Held

DEADLINE_S: Final = 60.0


class Strips:
    """Of the hall."""

    def __init__(self, facts: Facts, open_device: Callable[[Target], Device]) -> None:
        self._facts, self._open = facts, open_device

    async def read(self, held: Held) -> list[OutletSight]:
        """Those of a node, each asked at its strip."""
        found = list(outlets_of(held, self._known()))
        return list(await asyncio.gather(*(self._outlet(outlet, strip) for outlet, strip in found)))

    async def switch(self, held: Held, how: str, *, operation: str, node: str) -> dict[str, Any]:
        """All of them: a node with two cords is dark when both are. Raises `OperatorMust` where one
        is not known, `PolicyRefused` where one may not be written to."""
        told: dict[str, Any] = {}
        for outlet, strip in outlets_of(held, self._known()):
            if strip is None or not outlet.uri:
                raise _none(f"outlet {outlet.name} is not known here", operation, node)
            must_be_managed(
                strip.target, what=f"outlet {outlet.name}", operation=operation, node=node
            )
            device = self._open(strip.target)
            writes = device.writer(Priority.LIFECYCLE, deadline_s=DEADLINE_S)
            receipt = await (await device.driver()).set_power(writes, outlet.uri, how)
            told[outlet.name] = receipt.status
        if not told:
            raise _none("no outlet of it is known", operation, node)
        return {"outlets": told}

    def _known(self) -> dict[str, Held]:
        return {endpoint_name(each.target): each for each in self._facts.all_held()}

    async def _outlet(self, outlet: Outlet, strip: Held | None) -> OutletSight:
        if strip is None or not outlet.uri:
            return OutletSight(name=outlet.name)
        try:
            answer = await self._open(strip.target).at(Priority.LIFECYCLE).get(outlet.uri)
        except FAILURES:
            return OutletSight(name=outlet.name)
        state = answer.body.get("PowerState")
        watts = mapping(answer.body.get("PowerWatts")).get("Reading")
        return OutletSight(
            name=outlet.name,
            on=None if not isinstance(state, str) else state not in OFF,
            watts=float(watts) if isinstance(watts, int | float) else None,
            at=answer.at,
        )


def _none(why: str, operation: str, node: str) -> OperatorMust:
    return OperatorMust(
        why, operation=operation, subject=node, code="NoOutlet", next_step="do it by hand."
    )
