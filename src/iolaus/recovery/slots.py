"""The slot of a rack manager that a node sits in: whether it may be reset, and its reset.

A bay feeds what sits in it, a shelf feeds a rack. So a slot is reset only if it is a bay of one
machine by its kind, nothing stands below it, no other system is linked to it, and nobody else says
that it sits there; otherwise a person goes. Which slot a node sits in nobody can tell from outside:
the operator writes it as a label of the target (`slot`: "h1-r07-rmc/Bay3", a rack manager and the
chassis' id there).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.drivers.ports import Priority
from iolaus.drivers.redfish._text import mapping
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.kernel.errors import FAILURES, OperatorMust
from iolaus.model.endpoint import Target
from iolaus.model.naming import endpoint_name
from iolaus.recovery.device import Device, must_be_managed
from iolaus.recovery.sighting import NODES, SLOT
from iolaus.store.facts import Facts
from iolaus.store.held import Held

DEADLINE_S: Final = 60.0
FEEDS_ONE: Final = frozenset({"Sled", "Blade", "Card", "Cartridge", "Module", "Component"})
"""ChassisType of what holds one machine; drawers, shelves, enclosures and racks hold several."""
RESET: Final = "#Chassis.Reset"


class Slot(NamedTuple):
    """`why` it may not be reset for this node; "": it feeds this node alone."""

    name: str
    uri: str = ""
    why: str = ""


class Slots:
    """Of the hall."""

    def __init__(self, facts: Facts, open_device: Callable[[Target], Device]) -> None:
        self._facts, self._open = facts, open_device

    async def of(self, held: Held) -> Slot | None:
        """As its rack manager tells now; None where no label says which it is."""
        name = held.target.labels.get(SLOT, "")
        manager, slash, chassis = name.partition("/")
        if not slash:
            return None
        there = self._called(manager)
        if there is None:
            return Slot(name, why=f"{manager} is not known here")
        if others := self._others(held, name):
            return Slot(name, why=f"it feeds {', '.join(others[:3])} as well")
        reads = self._open(there.target).at(Priority.LIFECYCLE)
        try:
            root = (await reads.get(ROOT)).body
            for place in links_in(root.get("Chassis")):
                for uri in links_in((await reads.get(place)).body.get("Members")):
                    if uri.rstrip("/").rpartition("/")[2] == chassis:
                        return Slot(name, uri, alone((await reads.get(uri)).body))
        except FAILURES as error:
            return Slot(name, why=f"{manager}: {error.message}")
        return Slot(name, why=f"{manager} shows no {chassis}")

    async def cycle(self, held: Held, *, node: str) -> dict[str, Any]:
        """Power-cycle it once. Raises `OperatorMust` where it feeds others or is not known,
        `PolicyRefused` where its rack manager may not be written to."""
        slot = await self.of(held)
        if slot is None or slot.why:
            told = slot.why if slot else "no label says in which slot it sits"
            raise OperatorMust(
                told, operation="slot", subject=node, code="NoSlot", next_step="do it by hand."
            )
        there = self._called(slot.name.partition("/")[0])
        assert there is not None, "it was found a moment ago"
        must_be_managed(there.target, what=f"slot {slot.name}", operation="slot", node=node)
        device = self._open(there.target)
        writes = device.writer(Priority.LIFECYCLE, deadline_s=DEADLINE_S)
        receipt = await (await device.driver()).set_power(writes, slot.uri, "PowerCycle")
        told_: dict[str, Any] = msgspec.to_builtins(receipt)
        return told_

    def _called(self, name: str) -> Held | None:
        every = self._facts.all_held()
        return next((each for each in every if endpoint_name(each.target) == name), None)

    def _others(self, held: Held, name: str) -> list[str]:
        """Whoever else sits there: other endpoints, and other nodes of this one."""
        sharing = [
            endpoint_name(each.target)
            for each in self._facts.all_held()
            if each.target.labels.get(SLOT) == name and each.target.address != held.target.address
        ]
        mine = [asset for asset in held.assets.values() if asset.kind in NODES]
        return sharing + [asset.key for asset in mine[1:]]


def alone(chassis: Mapping[str, Any]) -> str:
    """Why a chassis does not feed one machine alone, as it tells; "": it does. Pure."""
    kind, links = chassis.get("ChassisType"), mapping(chassis.get("Links"))
    if kind not in FEEDS_ONE:
        return f"it is a {kind or 'chassis of unknown kind'}, which may feed others"
    if below := list(links_in(links.get("Contains"))):
        return f"{len(below)} other chassis are in it"
    if len(list(links_in(links.get("ComputerSystems")))) > 1:
        return "it holds several systems"
    if RESET not in mapping(chassis.get("Actions")):
        return "its rack manager does not reset it"
    return ""
