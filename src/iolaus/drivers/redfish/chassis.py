"""Where things stand: the chassis of a device, what stands in what, and which of them is a machine.

A chassis may be a rack, a machine, or a board within one, and the links that say which contains
which are told from either side, or from one, or not at all. All answers here are pure functions of
the links that were read; a circle of containment ends where it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish.harvest import Harvest, type_of, word

HOLDERS: Final = frozenset(
    {
        "Rack",
        "Enclosure",
        "RackMount",
        "RackGroup",
        "Row",
        "Pod",
        "Shelf",
        "StandAlone",
        "Drawer",
        "StorageEnclosure",
        "HeatExchanger",
        "ImmersionTank",
    }
)
MAIN_CHASSIS: Final = HOLDERS | {"Blade", "Sled", "Tray"}
"""Chassis that stand for a whole machine; all other types are parts of one."""

PLACES: Final = frozenset({"Rack", "RackGroup", "Row", "Pod"})
"""Chassis that say where machines stand, and are none."""


def linked(harvest: Harvest, payload: Payload, name: str, kind: str) -> list[str]:
    return [u for u, p in harvest.follow(payload, name) if type_of(p) == kind]


def chassis_of(harvest: Harvest, uri: str, payload: Payload) -> list[str]:
    """The chassis a resource links to, and those that link to it alone."""
    found = dict.fromkeys(linked(harvest, payload, "Chassis", "Chassis"))
    for each, chassis in harvest.of_type("Chassis"):
        for name in ("ComputerSystems", "Switches", "PowerDistribution", "CoolingUnits"):
            targets = {u for u, _ in harvest.follow(chassis, name)}
            if targets == {uri}:
                found[each] = None
    return list(found) or _namesake(harvest, uri)


def _namesake(harvest: Harvest, uri: str) -> list[str]:
    """The chassis with the same Id as a resource that no link joins to any chassis."""
    name = uri.rpartition("/")[2]
    return [
        u
        for u, p in harvest.of_type("Chassis")
        if u.endswith(f"/Chassis/{name}") and not p.get("Links")
    ]


def parents_of(harvest: Harvest) -> dict[str, str]:
    """Chassis -> the chassis that contains it, told from either side."""
    parents: dict[str, str] = {}
    for uri, payload in harvest.of_type("Chassis"):
        for outer in linked(harvest, payload, "ContainedBy", "Chassis"):
            if outer != uri:
                parents.setdefault(uri, outer)
        for inner in linked(harvest, payload, "Contains", "Chassis"):
            if inner != uri:
                parents.setdefault(inner, uri)
    return parents


def roots(harvest: Harvest) -> list[str]:
    """The chassis that stand in no other; of these the holders, else the main ones, else all."""
    parents = parents_of(harvest)
    outer = [uri for uri, _ in harvest.of_type("Chassis") if parents.get(uri) is None]
    for wanted in (HOLDERS, MAIN_CHASSIS):
        main = [u for u in outer if word(harvest.resources[u], "ChassisType") in wanted]
        if main:
            return main
    return outer


def box_of(harvest: Harvest, parents: Mapping[str, str], uri: str, payload: Payload) -> str:
    """The machine that a switch stands in: the nearest chassis that stands for one, else the
    outermost; where nothing says, the only one there is. "" for none."""
    near = linked(harvest, payload, "Chassis", "Chassis") + [
        each
        for each, chassis in harvest.of_type("Chassis")
        if uri in {u for u, _ in harvest.follow(chassis, "Switches")}
    ]
    for start in near:
        path = path_out(harvest, parents, start)
        for each in path:
            if word(harvest.resources[each], "ChassisType") in MAIN_CHASSIS:
                return each
        if path:
            return path[-1]
    only = [] if near else roots(harvest)
    return only[0] if len(only) == 1 and not is_place(harvest, only[0]) else ""


def path_out(harvest: Harvest, parents: Mapping[str, str], start: str) -> list[str]:
    """A chassis and what it stands in, from the inside out, up to the rack."""
    path: list[str] = []
    at: str | None = start
    while at is not None and at not in path and not is_place(harvest, at):
        path.append(at)
        at = parents.get(at)
    return path


def is_place(harvest: Harvest, chassis: str) -> bool:
    return word(harvest.resources[chassis], "ChassisType") in PLACES
