"""Strikings made of fault rules: armed at the front of every device concerned, by their own id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iolaus.sim.catalogue.entry import Given, Mend, Scene, Strike, nothing
from iolaus.sim.device import Device
from iolaus.sim.faults import Bend
from iolaus.sim.presets import PRESETS
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Place

Rules = Iterable[Mapping[str, Any]]
READS = ["GET", "HEAD"]


def armed(make: Callable[[Given], Rules]) -> Strike:
    """The same rules on every device."""

    async def strike(scene: Scene) -> Mend:
        rules = parse_rules(_named(make(scene.given), scene.key), source="catalogue")
        for place in scene.places:
            for rule in rules:
                place.front.faults.arm(rule)
        return disarming(scene)

    return strike


def armed_each(make: Callable[[Given, Device, str], Rules]) -> Strike:
    """Rules of each device's own; `make` is told the striking's id, too."""

    async def strike(scene: Scene) -> Mend:
        for place in scene.places:
            items = _named(make(scene.given, place.device, scene.key), scene.key)
            for rule in parse_rules(items, source="catalogue"):
                place.front.faults.arm(rule)
        return disarming(scene)

    return strike


def preset(name: str) -> Strike:
    return armed(lambda _given: PRESETS[name].rules)


def disarming(scene: Scene) -> Mend:
    async def mend() -> None:
        for place in scene.places:
            place.front.faults.disarm(scene.key)

    return mend


def changing(change: Callable[[Device, Given], Callable[[], None]]) -> Strike:
    """A striking that changes something of each device; `change` gives what takes it back."""

    async def strike(scene: Scene) -> Mend:
        undo = [change(place.device, scene.given) for place in scene.places]

        async def mend() -> None:
            for back in undo:
                back()

        return mend

    return strike


def bending(make: Callable[[Device, Given], Bend]) -> Strike:
    """A lie about what is read, made for each device; its truth stays what it is."""

    async def strike(scene: Scene) -> Mend:
        for place in scene.places:
            place.front.faults.bends[scene.key] = make(place.device, scene.given)

        async def mend() -> None:
            for place in scene.places:
                place.front.faults.bends.pop(scene.key, None)

        return mend

    return strike


def once(act: Callable[[Place, Given], None]) -> Strike:
    """An act and no state: there is nothing to mend."""

    async def strike(scene: Scene) -> Mend:
        for place in scene.places:
            act(place, scene.given)
        return nothing

    return strike


def _named(rules: Rules, key: str) -> list[Mapping[str, Any]]:
    return [{**rule, "id": key} for rule in rules]
