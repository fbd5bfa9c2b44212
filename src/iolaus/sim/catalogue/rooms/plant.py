"""What befalls the plant: power, cooling and leaks, by the names of `sim/physics/faults.py`.

Where a plant is stepped beside the devices ("twin"), it is struck there, and all that follows is
physics. In a hall without one the faults that concern one machine alone are played on its life,
and some on the equipment of the building side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.catalogue import lives
from iolaus.sim.catalogue.built import BUILT, on_the_building
from iolaus.sim.catalogue.entry import Argument, Entry, Mend, Scene, Strike
from iolaus.sim.catalogue.rules import armed, changing
from iolaus.sim.personas.persona import Persona
from iolaus.sim.physics.faults import FAULTS as PHYSICS
from iolaus.sim.physics.faults import Fault

TWIN: Final = "twin"
ENERGY: Final = "energy: "
KINDS: Final = {
    "nodes": frozenset({"node"}),
    "supplies": frozenset({"powershelf", "pdu"}),
    "loops": frozenset({"cdu"}),
    "sites": frozenset({"node", "switch", "cdu", "leak"}),
}
SELECTS: Final = {
    "nodes": "nodes",
    "supplies": "power shelves and PDUs",
    "loops": "coolant units",
    "racks": "racks: those in which a selected machine stands",
    "zones": "the rooms in which selected machines stand",
    "sites": "the detectors of the selected machines",
}


SUITS: Final[Mapping[str, Callable[[Persona], bool]]] = {
    "leak-tray": lambda persona: bool(persona.leaks),
    "leak-floor": lambda persona: bool(persona.leaks),
    "detector-fault": lambda persona: bool(persona.leaks),
    "detector-silent": lambda persona: bool(persona.leaks),
    "gpu-lost": lambda persona: persona.body.gpus > 0,
}


SHOWN: Final = frozenset({"psu-loss", "gpu-lost"})
"""Whose trouble shows on a resource of its own, beside what the plant makes of it."""


class Row(NamedTuple):
    title: str
    sources: tuple[str, ...]
    seen: str


def _row(title: str, source: str, seen: str) -> Row:
    return Row(title, (ENERGY + source,) if source else (), seen)


ROWS: Final = {
    "feed-loss": _row("a feed is lost", "feed lost", "Input voltage of its shelves is 0."),
    "breaker-open": _row("a breaker opens", "feed lost", "What hangs on it is without input."),
    "psu-loss": _row("supplies give up", "PSU redundancy lost",
                     "A PowerSupply is Critical with LossOfInput; the others carry more."),
    "battery-dead": _row("a battery is dead", "", "It neither charges nor discharges."),
    "battery-empty": _row("a battery is nearly empty", "battery discharging",
                          "State of charge falls on Modbus and in the battery shelf."),
    "pump-loss": _row("pumps stop", "pump or flow lost", "Flow falls; the other pumps speed up."),
    "flow-blocked": _row("a rack's branch is clogged", "pump or flow lost",
                         "The rack's return temperature rises."),
    "node-blocked": _row("a node's cold plates are clogged", "pump or flow lost",
                         "Its GPU temperatures rise."),
    "fan-loss": _row("fans stand", "", "Fan speeds are 0; temperatures rise."),
    "room-cooling-loss": _row("air handlers fail", "", "Inlet temperatures rise."),
    "facility-warm": _row("the facility's water is warm", "", "Supply temperatures rise."),
    "leak-tray": _row("a tray leaks", "tray leak: warning / critical",
                      "DetectorState is Warning, then Critical; Health of the tray follows."),
    "leak-rack": _row("a rack's manifold leaks", "rack leak",
                      "The building system publishes the rack's leak point."),
    "leak-floor": _row("a pipe leaks under a rack", "rack leak", "The leak rope is Critical."),
    "detector-fault": _row("a leak detector is broken", "sensor fault or silence",
                           "Its State is UnavailableOffline; DetectorState is null."),
    "detector-silent": _row("a leak detector says nothing", "sensor fault or silence",
                            "DetectorState and Status are null."),
    "straggler": _row("one node computes slower", "", "The job's step takes longer."),
    "gpu-lost": _row("a GPU falls off the bus", "", "The Processor is UnavailableOffline."),
}  # fmt: skip


def _strike(fault: Fault) -> Strike:
    async def strike(scene: Scene) -> Mend:
        if TWIN in scene.beside:
            return await _on_the_plant(fault, scene)
        if "building" in scene.beside and fault.name in BUILT:
            return await on_the_building(fault.name, scene)
        if fault.name in lives.CHANGES:
            return await changing(lives.CHANGES[fault.name])(scene)
        if fault.name in lives.RULES:
            return await armed(lives.RULES[fault.name])(scene)
        raise OperatorMust(
            "this hall has no plant that is stepped",
            operation="strike",
            subject=fault.name,
            code="HallLacks",
            next_step="serve the hall with its physics, or take one of "
            f"{', '.join(sorted([*lives.CHANGES, *lives.RULES]))}.",
        )

    return strike


async def _on_the_plant(fault: Fault, scene: Scene) -> Mend:
    plant = scene.beside[TWIN]
    names = [place.device.name for place in scene.places]
    whom = {"fault": fault.name, "devices": names, "key": scene.key}
    await plant.asked("strike", {**whom, "amount": scene.given.get("amount")})
    shown = await changing(lives.CHANGES[fault.name])(scene) if fault.name in SHOWN else None

    async def mend() -> None:
        await plant.asked("mend", whom)
        if shown is not None:
            await shown()

    return mend


def _entry(fault: Fault) -> Entry:
    row = ROWS[fault.name]
    amount = Argument(name="amount", what=fault.amount, usual=fault.usual)
    return Entry(
        name=fault.name,
        title=row.title,
        what=f"{fault.what[0].upper()}{fault.what[1:]}. What follows from it follows by the "
        "plant's physics.",
        room="plant",
        strike=_strike(fault),
        sources=row.sources,
        arguments=(amount,) if fault.amount else (),
        fits=SELECTS[fault.befalls],
        kinds=KINDS.get(fault.befalls, frozenset()),
        suits=SUITS.get(fault.name),
        seen=row.seen,
        oracle="GET /truth: what leaks, what is powered, what is over its limit.",
    )


FAULTS: Final = tuple(_entry(fault) for fault in PHYSICS.values())
