"""Updates and settings that do not do what they say: behaviours 2, 3, 4, 9 and 11.

The engine's tasks have the flaws of long work; inventories and settings are shown otherwise than
they are. What really runs is in the oracle's truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from iolaus.sim.auth import Account
from iolaus.sim.catalogue.entry import Argument, Entry, Given, Strike
from iolaus.sim.catalogue.lives import changed, ill, owners, undo_all
from iolaus.sim.catalogue.rules import bending, changing, preset
from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet, compose
from iolaus.sim.faults import Bend
from iolaus.sim.patch import settings_of
from iolaus.sim.tree import ROOT, Resource, canonical, links

INVENTORY: Final = f"{ROOT}/UpdateService/FirmwareInventory"
RUNS: Final = "firmware of GET /truth/NAME is what runs."
LATE: Final = Argument(name="seconds", what="how much later", unit="s", usual=180.0)
Undo = Callable[[], None]


def entry(words: str, name: str, title: str, what: str, **more: Any) -> Entry:
    sources = tuple(words.split("; ")) if words else ()
    return Entry(name=name, title=title, what=what, room="updates", sources=sources, **more)


def flawed(flaw: str) -> Strike:
    def change(device: Device, given: Given) -> Undo:
        device.tasks.flaws.add(flaw)
        if "seconds" in given:
            device.tasks.late_s = float(given["seconds"])
        return lambda: device.tasks.flaws.discard(flaw)

    return changing(change)


def _broken(device: Device, given: Given) -> Undo:
    """An update of one component stopped half-way, and so did the component."""
    entries = [canonical(u) for u in links(device.kept(INVENTORY) or {}, "Members")]
    wanted = str(given["component"]).lower()
    path = next((e for e in entries if wanted in e.rpartition("/")[2].lower()), "")
    path = path or next(iter(entries), "")
    if not path:
        return lambda: None
    broken = {"State": "UnavailableOffline", "Health": "Critical"}
    text = f"The update of {path.rpartition('/')[2]} failed: the image was written in part."
    entry_back = changed(device, path, {"Version": "0.0.0-partial", "Status": broken})
    hurt = [ill(device, place, "Critical") for place in owners(device)]
    device.emit({"EventType": "Alert", "Severity": "Critical", "Message": text,
                 "OriginOfCondition": {"@odata.id": path}})  # fmt: skip
    mended = _Mended(path, hurt)
    device.effects = compose(mended, device.effects)

    def undo() -> None:
        if mended.hurt:
            entry_back()
        mended.heal()

    return undo


class _Mended(Quiet):
    """What was broken is sound again once it runs a whole image."""

    def __init__(self, path: str, hurt: list[Undo]) -> None:
        self.path, self.hurt = path, hurt

    def flashed(self, device: Device, path: str, *, resets: bool) -> None:
        del device, resets
        if path == self.path:
            self.heal()

    def heal(self) -> None:
        undo_all(self.hurt)
        self.hurt = []


# inventories


def _renamed(device: Device, given: Given) -> Undo:
    """Every entry of the firmware inventory goes by another id."""
    moves = []
    for uri in list(links(device.kept(INVENTORY) or {}, "Members")):
        old = canonical(uri)
        new = f"{INVENTORY}/{given['prefix']}{old.rpartition('/')[2]}"
        _move(device, old, new)
        moves.append((new, old))

    def undo() -> None:
        for new, old in moves:
            _move(device, new, old)

    return undo


def _move(device: Device, old: str, new: str) -> None:
    found = device.kept(old)
    if found is not None:
        device.delist(INVENTORY, old)
        device.remove(old)
        device.put(new, {**found, "@odata.id": new, "Id": new.rpartition("/")[2]})
        device.enlist(INVENTORY, new)


def _only_when_on(device: Device, given: Given) -> Bend:
    """Collections leave their network adapters out while every host is off."""
    del given

    def bend(path: str, found: Resource) -> Resource:
        if not path.endswith(("/NetworkAdapters", INVENTORY)) or _on(device):
            return found
        members = found.get("Members") if path == INVENTORY else []
        left = [m for m in members or [] if not _nic(str(m.get("@odata.id")))]
        return {**found, "Members": left, "Members@odata.count": len(left)}

    return bend


def _on(device: Device) -> bool:
    systems = links(device.kept(f"{ROOT}/Systems") or {}, "Members")
    return any((device.kept(canonical(u)) or {}).get("PowerState") != "Off" for u in systems)


def _nic(uri: str) -> bool:
    last = uri.rpartition("/")[2].upper()
    return any(word in last for word in ("NIC", "CX", "ETH", "NETWORK", "IB_"))


# settings


def _mirrored(device: Device, given: Given) -> Bend:
    """What is staged lists every attribute, changed or not."""
    del given

    def bend(path: str, found: Resource) -> Resource:
        applied = settings_of(device).get(path)
        real = (device.kept(applied) or {}).get("Attributes") if applied else None
        staged = found.get("Attributes")
        if not isinstance(real, dict) or not isinstance(staged, dict):
            return found
        return {**found, "Attributes": {**real, **staged}}

    return bend


def _appearing(device: Device, given: Given) -> Bend:
    """The last attribute is hidden until the first has another value than now."""
    del given
    first = {path: _attributes(device, path) for path in settings_of(device).values()}

    def bend(path: str, found: Resource) -> Resource:
        before, now = first.get(path), found.get("Attributes")
        if not before or not isinstance(now, dict):
            return found
        name, last = next(iter(before)), next(reversed(before))
        hidden = {last} if now.get(name) == before[name] else set()
        return {**found, "Attributes": {k: v for k, v in now.items() if k not in hidden}}

    return bend


def _attributes(device: Device, path: str) -> Resource:
    found = (device.kept(path) or {}).get("Attributes")
    return dict(found) if isinstance(found, dict) else {}


class Dropping(Quiet):
    """Drops a write of the applied value while another is staged."""

    def __init__(self) -> None:
        self.over = False

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        applied = settings_of(device).get(path)
        if self.over or applied is None or before is None or after is None:
            return
        real = _attributes(device, applied)
        old, new = (dict(each.get("Attributes") or {}) for each in (before, after))
        back = {
            name: old[name]
            for name in old
            if name in real and new.get(name) == real[name] != old[name]
        }
        if back:
            device.later(0.0, lambda: self._put_back(device, path, applied, back))

    @staticmethod
    def _put_back(device: Device, path: str, applied: str, back: Resource) -> None:
        device.patch(path, {"Attributes": back})
        staged = device.staged.setdefault(applied, {})
        staged["Attributes"] = {**(staged.get("Attributes") or {}), **back}


def _drops(device: Device, given: Given) -> Undo:
    del given
    found = Dropping()
    device.effects = compose(device.effects, found)

    def undo() -> None:
        found.over = True

    return undo


# accounts


def _factory(device: Device, given: Given) -> Undo:
    """As after a flash: the accounts are the maker's, and every session is gone."""
    before = device.gate.accounts
    device.gate.accounts = {str(given["user"]): Account(str(given["password"]))}
    device.gate.drop_all()

    def undo() -> None:
        device.gate.accounts = before

    return undo


FAULTS: Final = (
    entry("2: a task vanishes", "tasks-vanish", "tasks answer 404",
          "Every task and every monitor answers 404, from the first look on.",
          strike=preset("tasks-vanish"), seen="GET on a Task answers 404.", oracle=RUNS),
    entry("2: 404 after completion", "task-gone-when-done", "a task is gone once it is done",
          "A task that has ended is 404, and so is its monitor; what it did is done.",
          strike=flawed("gone"), seen="GET on the Task answers 200, then 404.", oracle=RUNS),
    entry("2: a GET on the monitor deletes it", "monitor-deletes-task",
          "a look at the monitor deletes the task",
          "The monitor tells the end once; after that the task is 404.",
          strike=flawed("monitor"), seen="The second GET on the monitor answers 404.",
          oracle=RUNS),
    entry("3: a task lies: 100 % Completed but Critical", "task-completed-critical",
          "a task ends at 100 %, Completed and Critical",
          "The task says Completed and 100 %, with a Critical status, and nothing was done.",
          strike=flawed("critical"), seen="TaskState Completed, TaskStatus Critical; the old "
          "version.", oracle=RUNS),
    entry("3: a task lies", "tasks-lie", "tasks are complete at once, and critical",
          "Every task says Completed, 100 % and Critical from the first look on, while the work "
          "goes on and is done.",
          strike=preset("tasks-lie"), seen="TaskStatus Critical; later the new version.",
          oracle=RUNS),
    entry("3: `New` for ever", "task-new-forever", "a task stays New for ever",
          "The task is New with 0 % and never begins.",
          strike=flawed("new"), seen="TaskState New.", oracle=RUNS),
    entry("3: staged only", "update-staged-only", "an update is staged and not active",
          "The task ends well, but the new version waits for a reboot of the controller.",
          strike=flawed("staged"), seen="Completed and OK; the old version until Manager.Reset.",
          oracle=RUNS),
    entry("", "broken-update", "an update stopped half-way",
          "An update of one component has stopped in the middle: the entry says so, with a version "
          "that is none, and the machine is Critical, until a whole image of it runs. Mending puts "
          "the old firmware back.",
          strike=changing(_broken),
          arguments=(Argument(name="component", what="part of an inventory Id", usual="bmc"),),
          seen="The SoftwareInventory is Critical with Version 0.0.0-partial; so is Health.",
          oracle=RUNS),
    entry("4: the new version appears minutes late", "version-late",
          "the new version appears minutes late",
          "The task ends well; the inventory shows the old version for minutes.",
          strike=flawed("late"), arguments=(LATE,), seen="Completed; the new version later.",
          oracle=RUNS),
    entry("4: inventory ids get renamed", "inventory-ids-renamed",
          "firmware entries have other ids",
          "Every entry of the firmware inventory goes by another id; the old ones are 404.",
          strike=changing(_renamed),
          arguments=(Argument(name="prefix", what="put before each id", usual="Installed-"),),
          seen="FirmwareInventory lists other ids.", oracle=RUNS),
    entry("4: the NIC is listed only when the host is on", "nic-only-when-on",
          "NICs are listed only while the host is on",
          "Network adapters and their firmware are not listed while every host is off.",
          strike=bending(_only_when_on), kinds=frozenset({"node", "dpu"}),
          seen="NetworkAdapters is empty while PowerState is Off.",
          oracle="The adapters are in the device's truth."),
    entry("9: staged against applied settings; 9: a write equal to the applied value is dropped "
          "while another is staged", "staged-equal-dropped",
          "a write of the applied value is dropped",
          "While a setting is staged, writing back the value that applies is answered with 200 "
          "and dropped: the staged value stays.",
          strike=changing(_drops), seen="Settings shows the staged value after the PATCH.",
          oracle="GET /devices/NAME/truth has both."),
    entry("9: pending lists mirror everything", "pending-mirrors",
          "what is pending lists everything",
          "The staged settings list every attribute, those that nobody changed too.",
          strike=bending(_mirrored), seen="Bios/Settings has as many Attributes as Bios.",
          oracle="GET /devices/NAME/truth has what was really staged."),
    entry("9: attributes appear only after others are set", "attributes-appear",
          "an attribute appears only after another is set",
          "The last BIOS attribute is not there until the first has another value.",
          strike=bending(_appearing), seen="Bios.Attributes lacks its last name.",
          oracle="The attribute is in the device's truth."),
    entry("11: a flash resets accounts to factory", "accounts-reset",
          "a flash resets the accounts",
          "As after a flash: the accounts are the maker's again, and every session is gone.",
          strike=changing(_factory),
          arguments=(
              Argument(name="user", what="the maker's account", usual="admin"),
              Argument(name="password", what="its password", usual="factory-default"),
          ),
          seen="Our account answers 401; the maker's works.",
          oracle="auth_failures of GET /devices/NAME."),
)  # fmt: skip
