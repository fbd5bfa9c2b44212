"""Reading a seat's tree as a client would see it, without the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from iolaus.kernel.clock import JumpClock
from iolaus.sim.device import Device, Latency
from iolaus.sim.hall import Seat, Spot
from iolaus.sim.hall_wear import Wear
from iolaus.sim.personas.persona import Persona

Json = dict[str, Any]
LABELS = {"site": "t", "hall": "h1", "row": "a", "rack": "h1-r01", "u": "3", "height": "1"}


def seat_of(persona: Persona, *, address: str = "127.16.0.1", seed: int = 1) -> Seat:
    spot = Spot(f"{persona.name}-{address}", persona, {**LABELS, "role": persona.kind})
    return Seat(spot, address=address, seed=seed, latency=Latency(), wear=Wear())


def device_of(seat: Seat) -> Device:
    return seat.device(clock=JumpClock())


def resources_of(device: Device) -> dict[str, Json]:
    return {path: device.get(path) or {} for path in device.paths()}


def links(value: Any) -> Iterator[str]:
    """Every URI that a body points at, its own @odata.id included."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in (
                "@odata.id",
                "DataSourceUri",
                "TargetComponentURI",
                "MetricProperty",
                "Uri",
                "@Redfish.ActionInfo",
            ):
                yield str(inner).split("#")[0].rstrip("/")
            else:
                yield from links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from links(inner)


WORDS = {
    "Memory": "memory",
    "Drive": "drive",
    "NetworkAdapter": "nic",
    "PowerSupply": "psu",
    "Fan": "fan",
    "SoftwareInventory": "firmware",
    "LeakDetector": "leakdetector",
    "Outlet": "outlet",
    "Circuit": "circuit",
    "Pump": "pump",
    "Battery": "battery",
}


def counted(resources: dict[str, Json]) -> dict[str, int]:
    """What is in the machine, counted from nothing but the resources' types and states."""
    found: Counter[str] = Counter()
    old: Counter[str] = Counter()
    for body in resources.values():
        kind = str(body["@odata.type"]).rsplit(".", 1)[-1]
        if kind == "Power":
            old["psu"] += present(body.get("PowerSupplies", []))
        elif kind == "Thermal":
            old["fan"] += present(body.get("Fans", []))
        elif kind == "Processor" and present([body]):
            found[str(body["ProcessorType"]).lower()] += 1
        elif kind in WORDS and present([body]):
            found[WORDS[kind]] += 1
        elif kind == "Port" and "/Fabrics/" in body["@odata.id"]:
            found["port"] += 1
    return {**old, **found}


def present(bodies: list[Json]) -> int:
    return sum(body.get("Status", {}).get("State") not in ("Absent", "Disabled") for body in bodies)
