"""The flash of one device: what stands in its banks, what runs, and what is seen of it.

Nothing is kept of a component until its first update; before that, what the inventory says runs.
`wake` is the one place where what runs changes: at once after writing, or when the controller
restarts, a host boots or mains comes back, as the component's kind has it. What is seen follows:
the inventory (after a while, with makers that are late), the entry of the other bank, properties
elsewhere that tell the same version, and the images that roots of trust measure.
"""

from __future__ import annotations

import fnmatch
from dataclasses import replace

from iolaus.sim.device import Device
from iolaus.sim.effects import attentive
from iolaus.sim.firmware.banks import show_next
from iolaus.sim.firmware.choose import Here, Item
from iolaus.sim.firmware.slots import Slot, slot_of
from iolaus.sim.firmware.work import paced
from iolaus.sim.personas.parts.flash import CONTROLLER, NOW, Flash, Part
from iolaus.sim.roots.asking import image_of
from iolaus.sim.roots.firmware import Image
from iolaus.sim.tree import ROOT, Resource, canonical, links

INVENTORY = f"{ROOT}/UpdateService/FirmwareInventory"
BROKEN = {"State": "UnavailableOffline", "Health": "Critical"}
SOUND = {"State": "Enabled", "Health": "OK"}


class Memory:
    __slots__ = ("flash", "flaws", "shows", "slots")

    def __init__(self, flash: Flash) -> None:
        self.flash = flash
        self.slots: dict[str, Slot] = {}
        self.flaws: set[str] = set()
        self.shows = False

    def here(self, device: Device) -> list[Here]:
        """Every component that can be updated, as it runs now."""
        found = []
        for uri in links(device.kept(INVENTORY) or {}, "Members"):
            path = canonical(uri)
            part, body = self.flash.part(path.rpartition("/")[2]), device.kept(path) or {}
            if part is not None and body.get("Updateable") is not False:
                image = device.running.get(path) or image_of(path, body)
                found.append(Here(path, part, image))
        return found

    def slot(self, device: Device, here: Here) -> Slot:
        found = self.slots.get(here.path)
        if found is None:
            backup = self.backup(device, here.part)
            other = here.image
            if backup:
                told = image_of(backup, device.kept(backup))
                other = replace(here.image, version=told.version)
            found = self.slots[here.path] = slot_of(here.path, here.part, here.image, other)
        return found

    def begin(self, device: Device, item: Item) -> None:
        self.slot(device, item.here).begin()

    def finish(self, device: Device, item: Item) -> bool:
        """The image is written; whether it runs at once."""
        slot, image = self.slot(device, item.here), item.image
        if "old-image" in self.flaws and slot.running is not None:
            image = replace(image, build="old", payload=slot.running.data)
        slot.finish(image)
        if slot.part.wakes == CONTROLLER:
            self.shows = True
            self._show_backup(device, slot)
            show_next(self, device, slot)
            self.shows = False
        return slot.part.wakes == NOW

    def wake(self, device: Device, *moments: str) -> bool:
        """Components whose moment this is load what was written. Whether the controller lives."""
        for slot in list(self.slots.values()):
            if slot.part.wakes in moments and (slot.fresh or slot.banks[slot.active] is None):
                self._load(device, slot)
        return all(s.running for s in self.slots.values() if s.part.wakes == CONTROLLER)

    def recover(self, device: Device) -> None:
        """Mains brings a dead controller back with the image that it keeps for this."""
        for slot in self.slots.values():
            if slot.running is None and slot.part.wakes == CONTROLLER:
                slot.banks[0] = slot.running = device.running[slot.path] = slot.golden
                slot.active = slot.chosen = 0
                self.show(device, slot, None)

    def _load(self, device: Device, slot: Slot) -> None:
        before, switched = slot.running, slot.switched
        slot.switched = False
        bad = set() if switched else {"does-not-boot", "bricks-controller"} & self.flaws
        dead = "bricks-controller" in bad and slot.part.wakes == CONTROLLER
        slot.banks = [None for _ in slot.banks] if dead else slot.banks
        took = slot.boot(good=not bad)
        if slot.running is not None:
            device.running[slot.path] = slot.running
        if not took:
            _tell(device, slot.path, "The new image does not boot; another runs.")
        elif before is not None:
            resets = self.flash.resets_accounts and slot.part.wakes == CONTROLLER and not switched
            attentive(device.effects).flashed(device, slot.path, resets=resets)
        wait = paced(device, self.flash.late_s) if took else 0.0
        if wait:
            device.later(wait, lambda: self.show(device, slot, before))
        else:
            self.show(device, slot, before)

    # what is seen

    def show(self, device: Device, slot: Slot, before: Image | None) -> None:
        """The inventory and its mirrors tell what runs."""
        self.shows = True
        image, old = slot.running, before.version if before is not None else ""
        if device.kept(slot.path) is not None:
            known = image is not None
            changes = {"Version": image.version if image else None,
                       "Status": SOUND if known else BROKEN}  # fmt: skip
            device.patch(slot.path, changes)
        if image is not None and image.version != old:
            self._mirror(device, slot, old, image.version)
        self._show_backup(device, slot)
        show_next(self, device, slot)
        if self.flash.renames and image is not None and old:
            self._rename(device, slot, old, image.version)
        self.shows = False

    def _mirror(self, device: Device, slot: Slot, old: str, new: str) -> None:
        for place in slot.part.mirrors:
            path, _, name = place.partition("#")
            if device.kept(f"{ROOT}/{path}") is not None:
                device.patch(f"{ROOT}/{path}", {name: new})
        for uri in links(device.kept(slot.path) or {}, "RelatedItem"):
            found = device.kept(canonical(uri)) or {}
            if found.get("FirmwareVersion") == old:
                device.patch(uri, {"FirmwareVersion": new})

    def _show_backup(self, device: Device, slot: Slot) -> None:
        backup = self.backup(device, slot.part)
        if backup and len(slot.banks) > 1:
            other = slot.banks[slot.other]
            device.patch(backup, {"Version": other.version if other else None})

    def backup(self, device: Device, part: Part) -> str:
        """The entry that shows the other bank; empty where none does."""
        pattern = part.backup
        names = links(device.kept(INVENTORY) or {}, "Members") if pattern else ()
        found = (canonical(uri) for uri in names)
        return next((p for p in found if fnmatch.fnmatchcase(p.rpartition("/")[2], pattern)), "")

    def _rename(self, device: Device, slot: Slot, old: str, new: str) -> None:
        """With some makers the id tells the version, so it is another afterwards."""
        path, found = slot.path, device.kept(slot.path)
        name = path.rpartition("/")[2].replace(old, new)
        if found is None or name == path.rpartition("/")[2]:
            return
        moved = f"{INVENTORY}/{name}"
        device.delist(INVENTORY, path)
        device.remove(path)
        device.put(moved, {**found, "@odata.id": moved, "Id": name})
        device.enlist(INVENTORY, moved)
        slot.path = moved
        self.slots[moved] = self.slots.pop(path)
        device.running[moved] = device.running.pop(path)

    def hide(self, device: Device, on: bool) -> None:
        """The host goes off, or comes on: nobody knows some versions while it is off."""
        if not any(part.hidden for part in self.flash.parts):
            return
        self.shows = True
        for here in self.here(device):
            if here.part.hidden:
                image = device.running.setdefault(here.path, here.image)
                said = {"Version": image.version if on else None,
                        "Status": SOUND if on else {"State": "UnavailableOffline"}}  # fmt: skip
                device.patch(here.path, said)
        self.shows = False

    def truth(self, device: Device) -> Resource:
        return {slot.path.rpartition("/")[2]: _told(slot) for slot in self.slots.values()} | {
            path.rpartition("/")[2]: {"runs": image.version}
            for path, image in device.running.items()
            if path not in self.slots
        }


def _told(slot: Slot) -> Resource:
    return {
        "runs": slot.running.version if slot.running else None,
        "build": slot.running.build if slot.running else None,
        "banks": [bank.version if bank else None for bank in slot.banks],
        "active": slot.active,
        "waits": slot.fresh,
        "floor": slot.floor,
    }


def _tell(device: Device, path: str, text: str) -> None:
    record = {"EventType": "Alert", "Severity": "Critical", "Message": text}
    device.emit({**record, "OriginOfCondition": {"@odata.id": path}})
