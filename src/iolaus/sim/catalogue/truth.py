"""What really is, apart from what devices say: powered, running, leaking, over a limit.

Read behind the devices' fronts, where no fault rule reaches: the power state that is in force, the
firmware that runs, the moisture that is there. What is served beside the devices (the plant) adds
its own truth under its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.hall_life import Life
from iolaus.sim.personas.persona import Persona
from iolaus.sim.tree import ROOT, Resource, canonical, links

INVENTORY: Final = f"{ROOT}/UpdateService/FirmwareInventory"
DRY: Final = "OK"
SLACK: Final = 1.02
TURN: Final = 100


def device_truth(device: Device) -> Resource:
    """One device: the power of its hosts, what it draws and may draw, its detectors, what runs."""
    found: Resource = {
        "name": device.name,
        "address": device.address,
        "power": dict(_power(device)),
        "firmware": dict(_firmware(device)),
        "leaking": [],
        "over_limit": False,
    }
    life = life_of(device)
    if life is not None:
        found |= _lived(life, device.clock.now())
    tell = getattr(device.effects, "truth", None)
    if tell is not None:
        found |= tell(device)
    return found


async def hall_truth(devices: Iterable[Device]) -> Resource:
    """Names, over all devices: hosts that are off, what leaks, what draws more than it may. Others
    have their turn in between: a hall is large."""
    off, leaking, over, count = list[str](), list[str](), list[str](), 0
    for device in devices:
        count += 1
        if count % TURN == 0:
            await asyncio.sleep(0)
        power = dict(_power(device))
        if power and "On" not in power.values():
            off.append(device.name)
        life = life_of(device)
        lived = _lived(life, device.clock.now()) if life is not None else {}
        if lived.get("leaking"):
            leaking.append(device.name)
        if lived.get("over_limit"):
            over.append(device.name)
    return {"devices": count, "off": off, "leaking": leaking, "over_limit": over}


def life_of(device: Device) -> Life | None:
    """The life behind a device of a hall; None for one that was only recorded."""
    return device.live if isinstance(device.live, Life) else None


def persona_of(device: Device) -> Persona | None:
    found = life_of(device)
    return found.persona if found is not None else None


def _power(device: Device) -> Iterator[tuple[str, str]]:
    for uri in links(device.kept(f"{ROOT}/Systems") or {}, "Members"):
        system = device.get(uri) or {}
        if "PowerState" in system:
            yield canonical(uri), str(system["PowerState"])


def _firmware(device: Device) -> Iterator[tuple[str, str | None]]:
    for uri in links(device.kept(INVENTORY) or {}, "Members"):
        entry = device.get(uri) or {}
        yield str(entry.get("Id", uri)), entry.get("Version")


def _lived(life: Life, t: float) -> Resource:
    watts, limit = life.own_w(t), life.limit.get("node")
    return {
        "on": list(life.on),
        "draws_w": watts,
        "limit_w": limit,
        "over_limit": limit is not None and watts > limit * SLACK,
        "leaking": [n for n, state in life.wear.leaks.items() if state != DRY],
    }
