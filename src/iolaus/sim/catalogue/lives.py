"""Physical faults where no plant is stepped: played on the devices' own lives.

A hall without a plant has machines that live each for themselves (`hall_life`). What befalls one
of them alone can be played on its wear: a leak in its tray, a supply that gives up, a GPU that
falls off. What spreads (a loop, a feed, a room) needs the plant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from iolaus.sim.catalogue.entry import Given
from iolaus.sim.catalogue.truth import life_of
from iolaus.sim.device import Device
from iolaus.sim.tree import ROOT, Resource, canonical, links

Undo = Callable[[], None]
Change = Callable[[Device, Given], Undo]
DEAD: Final[Resource] = {"Health": "Critical", "State": "UnavailableOffline"}
DRIP_LPM: Final = 0.1
GPUS: Final = frozenset({"GPU", "Accelerator"})


def leak(device: Device, given: Given) -> Undo:
    """Its last detector (the lowest) is wet: Warning for a drip, else Critical."""
    life = life_of(device)
    if life is None or not life.persona.leaks:
        return _nothing
    level = "Warning" if float(given.get("amount") or 1.0) <= DRIP_LPM else "Critical"
    n, before = len(life.persona.leaks) - 1, life.wear
    life.wear = replace(before, leaks={**before.leaks, n: level})
    undo = [ill(device, path, level) for path in owners(device)]
    device.emit(
        {
            "EventType": "Alert",
            "Severity": level,
            "Message": f"Leak detected by {life.persona.leaks[n]}.",
        }
    )

    def dry() -> None:
        life.wear = replace(life.wear, leaks=before.leaks)
        undo_all(undo)

    return dry


def psu_loss(device: Device, given: Given) -> Undo:
    """So many of its supplies have no input any more."""
    life, lost = life_of(device), int(given.get("amount") or 1)
    supplies = [path for path in device.paths() if "/PowerSupplies/" in path]
    supplies = [p for p in supplies if p.rpartition("/PowerSupplies/")[2].count("/") == 0]
    undo = [_dead(device, path) for path in supplies[:lost]]
    if not supplies:
        undo = [_dead_in(device, p, lost) for p in device.paths() if p.endswith("/Power")]
    if life is not None:
        before = life.wear
        life.wear = replace(before, dead_psus=before.dead_psus | frozenset(range(lost)))
    warned = [ill(device, path, "Warning") for path in owners(device)]

    def back() -> None:
        if life is not None:
            life.wear = replace(life.wear, dead_psus=before.dead_psus)
        undo_all([*undo, *warned])

    return back


def gpu_lost(device: Device, given: Given) -> Undo:
    """The GPU of this slot is there no more."""
    slot = int(given.get("amount") or 0)
    gpus = [
        path
        for path in device.paths()
        if path.count("/Processors/") == 1
        and (device.kept(path) or {}).get("ProcessorType") in GPUS
    ]
    gone = {"State": "UnavailableOffline", "Health": "Critical"}
    return changed(device, gpus[slot], {"Status": gone}) if slot < len(gpus) else _nothing


def unheard(state: str | None) -> Callable[[Given], Iterable[Mapping[str, Any]]]:
    """Rules by which leak detectors say that they are broken, or nothing at all."""
    merge = {"DetectorState": None, "Status": {"State": state, "Health": None}}
    return lambda _given: [{"effect": "replace", "only": "LeakDetector", "merge": merge}]


CHANGES: Final[Mapping[str, Change]] = {
    "leak-tray": leak,
    "leak-floor": leak,
    "psu-loss": psu_loss,
    "gpu-lost": gpu_lost,
}
RULES: Final = {"detector-fault": unheard("UnavailableOffline"), "detector-silent": unheard(None)}


def owners(device: Device) -> list[str]:
    """What a part's trouble shows at: its first system and its first chassis."""
    found = []
    for place in ("Systems", "Chassis"):
        members = list(links(device.kept(f"{ROOT}/{place}") or {}, "Members"))
        found += [canonical(uri) for uri in members[-1:] if place == "Systems"]
        found += [canonical(uri) for uri in members[:1] if place == "Chassis"]
    return found


def ill(device: Device, path: str, level: str) -> Undo:
    return changed(device, path, {"Status": {"Health": level, "HealthRollup": level}})


def _dead(device: Device, path: str) -> Undo:
    return changed(device, path, {"LineInputStatus": "LossOfInput", "Status": DEAD})


def _dead_in(device: Device, path: str, lost: int) -> Undo:
    """Where supplies stand in a list of the chassis' Power."""
    supplies = list((device.kept(path) or {}).get("PowerSupplies") or [])
    supplies[:lost] = [{**each, "Status": DEAD} for each in supplies[:lost]]
    return changed(device, path, {"PowerSupplies": supplies})


def changed(device: Device, path: str, changes: Resource) -> Undo:
    before = device.kept(path)
    if before is None:
        return _nothing
    device.patch(path, changes)
    old = {name: before.get(name) for name in changes}

    def back() -> None:
        device.patch(path, old)

    return back


def undo_all(undo: Iterable[Undo]) -> None:
    for each in undo:
        each()


def _nothing() -> None:
    """Nothing was changed."""
