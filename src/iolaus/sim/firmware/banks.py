"""The other bank of a controller: told to boot it, the next reset does (Manager, Links).

`ActiveSoftwareImage` names the entry whose image the controller boots next. A flash changes it, and
so does a PATCH; nothing else runs before the controller starts anew, and then the entries tell
what runs and what stands beside it. A bank that holds nothing whole is refused, and so is one below
the security version that the device was raised to: what a push may not do, a switch may not either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iolaus.sim.effects import Ask
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import ROOT, canonical, target_of

if TYPE_CHECKING:
    from iolaus.sim.device import Device
    from iolaus.sim.firmware.memory import Memory
    from iolaus.sim.firmware.slots import Slot

ACTIVE = "ActiveSoftwareImage"


def told_to_boot(memory: Memory, device: Device, ask: Ask) -> Outcome | None:
    """What a write to a manager's active image brings about; None: it is none."""
    links = ask.body.get("Links")
    if ask.method != "PATCH" or not isinstance(links, dict) or ACTIVE not in links:
        return None
    found = _slot(memory, device, ask.path)
    if found is None:
        return refused(400, "PropertyNotWritable", ACTIVE)
    slot, backup = found
    wanted = canonical(target_of(links, ACTIVE) or "")
    if wanted not in (slot.path, backup):
        return refused(400, "PropertyValueNotInList", wanted[:200], ACTIVE)
    bank = slot.active if wanted == slot.path else slot.other
    image = slot.banks[bank]
    if image is None:
        return refused(400, "ResourceInStandby")
    if image.svn < slot.floor:
        return refused(400, "PropertyValueNotInList", wanted[:200], ACTIVE)
    slot.choose(bank)
    show_next(memory, device, slot)
    return Outcome(status=200, body=device.get(ask.path) or {})


def show_next(memory: Memory, device: Device, slot: Slot) -> None:
    """The manager names the entry whose image the next start boots."""
    backup = memory.backup(device, slot.part)
    wanted = slot.path if slot.chosen == slot.active else backup
    for place in slot.part.mirrors if backup else ():
        path = f"{ROOT}/{place.partition('#')[0]}"
        if ACTIVE in ((device.kept(path) or {}).get("Links") or {}):
            device.patch(path, {"Links": {ACTIVE: {"@odata.id": wanted}}})


def _slot(memory: Memory, device: Device, manager: str) -> tuple[Slot, str] | None:
    """The flash of this manager that shows two banks, and the entry of the other one."""
    if ACTIVE not in ((device.kept(manager) or {}).get("Links") or {}):
        return None
    for here in memory.here(device):
        backup = memory.backup(device, here.part)
        places = (f"{ROOT}/{each.partition('#')[0]}" for each in here.part.mirrors)
        if backup and manager in places:
            return memory.slot(device, here), backup
    return None
