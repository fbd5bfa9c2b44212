"""Physical faults that the building side's own equipment can play where no plant is stepped.

Each is a few questions to what stands beside the devices: a value forced on a thing, a rack's pan
made wet. Mending asks the same with the other value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from iolaus.sim.catalogue.entry import Mend, Scene

MODULES: Final = 6
Asking = tuple[str, dict[str, Any]]
Questions = Callable[[Scene, bool], Iterator[Asking]]


def _forced(word: str, *, every: bool = False) -> Questions:
    """A switch of so many modules of each thing selected."""

    def ask(scene: Scene, on: bool) -> Iterator[Asking]:
        count = MODULES if every else int(scene.given.get("amount") or 1)
        for place in scene.places:
            for n in range(count):
                point = f"{word}.{n}"
                yield "set", {"thing": place.device.name, "point": point, "value": float(on)}

    return ask


def _racks(verb: str, word: str) -> Questions:
    def ask(scene: Scene, on: bool) -> Iterator[Asking]:
        racks = {place.device.labels.get("rack") for place in scene.places} - {None}
        for rack in sorted(str(each) for each in racks):
            yield verb, {"rack": rack, word: on}

    return ask


BUILT: Final[Mapping[str, Questions]] = {
    "leak-rack": _racks("spill", "wet"),
    "pump-loss": _forced("pump_broken"),
    "feed-loss": _forced("ac_loss_forced", every=True),
}


async def on_the_building(name: str, scene: Scene) -> Mend:
    building = scene.beside["building"]

    async def ask(on: bool) -> None:
        for verb, body in BUILT[name](scene, on):
            await building.asked(verb, body)

    await ask(on=True)

    async def mend() -> None:
        await ask(on=False)

    return mend
