"""What stays until it is treated: hosts and controllers that hang, a way to the host that is lost.

The softest treatment that helps is the argument `cure`; what is softer is accepted, and nothing
comes of it. Mending the fault ends it at once, as a technician would.
"""

from __future__ import annotations

from typing import Any, Final

from iolaus.sim.ailments import CURES, Restarts, beside, hang_controller, hang_host
from iolaus.sim.catalogue.entry import Argument, Entry, Given, Mend, Scene
from iolaus.sim.catalogue.lives import psu_loss
from iolaus.sim.catalogue.rooms.standing import host_dead
from iolaus.sim.catalogue.rules import changing, disarming
from iolaus.sim.cords import kill_outlets
from iolaus.sim.device import Device
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Place

WAYS: Final = ("manager", "mains", "never")


def entry(name: str, title: str, what: str, **more: Any) -> Entry:
    return Entry(name=name, title=title, what=what, room="standing", **more)


def _hang(device: Device, given: Given) -> Any:
    return hang_host(device, str(given["cure"]))


async def _lost(scene: Scene) -> Mend:
    cure = str(scene.given["cure"])
    undo = [_lose(place, scene.key, cure) for place in scene.places]
    disarm = disarming(scene)

    async def mend() -> None:
        for back in undo:
            back()
        await disarm()

    return mend


async def _outlets(scene: Scene) -> Mend:
    cure, most = str(scene.given["cure"]), int(scene.given["cords"])
    strips = scene.hall.devices
    undo = [kill_outlets(p.device, strips, cure=cure, most=most) for p in scene.places]

    async def mend() -> None:
        for back in undo:
            back()

    return mend


async def _switch(scene: Scene) -> Mend:
    """Nothing comes through any more; what stands behind it goes on."""
    own = scene.given["own"] == "silent"
    gone = [p.device for p in scene.places if own or p.device.labels.get("role") != "switch"]
    for device in gone:
        device.down("silence")

    async def mend() -> None:
        for device in gone:
            device.up()

    return mend


def _lose(place: Place, key: str, cure: str) -> Any:
    items = [{**rule, "id": key} for rule in host_dead({})]
    for rule in parse_rules(items, source="catalogue"):
        place.front.faults.arm(rule)

    def restarted(dark: bool) -> None:
        if cure == "manager" or (cure == "mains" and dark):
            place.front.faults.disarm(key)

    return beside(place.device, Restarts(restarted), lambda: None)


FAULTS: Final = (
    entry(
        "host-hangs", "the host hangs",
        "The host has power and runs nothing any more; its controller sees nothing of that. It "
        "comes back when it is treated hard enough.",
        strike=changing(_hang), kinds=frozenset({"node"}),
        arguments=(
            Argument(name="cure", what="the softest that helps", usual="force-restart",
                     choices=CURES),
        ),
        seen="PowerState stays On; a graceful restart answers 204 and nothing happens.",
        oracle="host_hangs of GET /truth/NAME.",
    ),
    entry(
        "controller-hangs", "the controller hangs",
        "The controller takes connections and says nothing, until all its power was taken away "
        "and given back; its host goes on.",
        strike=changing(lambda device, _: hang_controller(device)),
        seen="A connection is accepted and never answered.",
        oracle="controller_hangs of GET /truth/NAME.",
    ),
    entry(
        "host-path-lost", "the way to the host is lost for now",
        "As with host-path-dead, until the controller is restarted, or its mains was gone.",
        strike=_lost, kinds=frozenset({"node"}),
        arguments=(
            Argument(name="cure", what="the softest that helps", usual="manager", choices=WAYS),
        ),
        seen="Reading is null; POST ComputerSystem.Reset answers 500.",
        oracle="faults of GET /devices/NAME has it until then.",
    ),
    entry(
        "switch-dead", "a rack's management switch passes nothing on",
        "The machines selected are silent, and go on: their switch is dead, or its uplink. "
        "A switch among them answers still, if it has a way of its own. Select a rack: "
        "-l rack=h1-r07.",
        strike=_switch,
        arguments=(
            Argument(name="own", what="what the switch does itself", usual="silent",
                     choices=("silent", "answers")),
        ),
        seen="Connections are accepted and never answered, those of the switch as well.",
        oracle="power of GET /truth/NAME is On.",
    ),
    entry(
        "supply-dead", "a supply of the machine is dead",
        "So many of its own power supplies give up; the others carry it.",
        strike=changing(psu_loss), kinds=frozenset({"node"}),
        arguments=(Argument(name="amount", what="how many", usual=1.0),),
        seen="A PowerSupply is Critical and UnavailableOffline; the machine runs on.",
        oracle="The PowerSupply's Status is the truth.",
    ),
    entry(
        "outlet-dead", "its outlets give nothing",
        "The outlets that a machine is plugged into (its label outlets) say that they are on and "
        "give nothing: the relay sticks, or a fuse is gone.",
        strike=_outlets, fits="machines on a strip's outlets",
        arguments=(
            Argument(name="cure", what="switched off and on it gives power again, or never does",
                     usual="never", choices=("cycle", "never")),
            Argument(name="cords", what="so many of its outlets (0: all)", usual=0.0),
        ),
        seen="The Outlet is On and PowerWatts is 0; the machine is silent when none is left.",
        oracle="power in GET /truth/NAME is Off.",
    ),
)  # fmt: skip
