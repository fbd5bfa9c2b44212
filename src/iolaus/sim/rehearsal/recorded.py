"""A recorded machine as a persona: what a capture says, with what must not stand still moving.

A replay says the same for ever. A twin lives: its sensors move round the values that were
recorded and follow the power of its hosts, and whoever is seated twice has a serial number of its
own. So readings become values that are left open ("near.12"), and serial numbers, UUIDs and MAC
addresses become words that each seat fills in for itself, of the same look as those recorded.
With `keep` the recorded words stay, for one machine that shall be itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from iolaus.sim.personas.persona import Body, Near, Persona
from iolaus.sim.personas.sketch import (
    CLOSE,
    OPEN,
    Json,
    live,
    own_address,
    own_mac,
    own_serial,
    own_uuid,
)
from iolaus.sim.tree import ROOT, Resource, canonical, links

SERIALS: Final = frozenset({"SerialNumber", "ChassisSerialNumber", "BoardSerialNumber"})
UUIDS: Final = frozenset({"UUID", "ServiceEntryPointUUID", "SystemUUID"})
MACS: Final = frozenset({"MACAddress", "PermanentMACAddress", "FactoryMacAddress"})
ADDRESSES: Final = frozenset({"Address"})
PLAIN: Final[Mapping[str, str]] = {
    "ReadingCelsius": "Temperature",
    "ReadingVolts": "Voltage",
    "PowerConsumedWatts": "Power",
    "PowerInputWatts": "Power",
    "PowerOutputWatts": "Power",
    "LastPowerOutputWatts": "Power",
    "LineInputVoltage": "Voltage",
}
EXCERPTS: Final[Mapping[str, str]] = {
    "PowerWatts": "Power",
    "TemperatureCelsius": "Temperature",
    "EnergykWh": "EnergykWh",
    "FanSpeedsPercent": "Percent",
    "SpeedPercent": "Percent",
    "InputVoltage": "Voltage",
    "InputCurrentAmps": "Current",
    "InputPowerWatts": "Power",
    "OutputPowerWatts": "Power",
    "CurrentAmps": "Current",
    "Voltage": "Voltage",
}
MOVES: Final = frozenset(
    {"Power", "Temperature", "Voltage", "Current", "Rotational", "Fan", "EnergykWh", "EnergyJoules"}
    | {"Humidity", "LiquidFlow", "LiquidFlowLPM", "PressureKiloPascals", "PressurekPa", "Percent"}
)
SHORTEST: Final = 6
PLACES: Final[tuple[tuple[str, str, str], ...]] = (
    ("PowerEquipment/PowerShelves", "powershelf", "shelf"),
    ("PowerEquipment/RackPDUs", "pdu", "pdu"),
    ("PowerEquipment/FloorPDUs", "pdu", "pdu"),
    ("ThermalEquipment/CDUs", "cdu", "cdu"),
)
_HEX: Final = re.compile(r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$")
_ODD: Final = frozenset({"", "NA", "N/A", "NONE", "UNKNOWN", "NULL", "TO BE FILLED BY O.E.M."})


def recorded(
    resources: Mapping[str, Resource],
    *,
    name: str,
    kind: str = "",
    height_u: int = 1,
    keep: bool = False,
) -> Persona:
    """A persona that lives as this tree was recorded. `kind` "" is read off the tree."""
    systems = tuple(canonical(uri) for uri in members(resources, f"{ROOT}/Systems"))
    found_kind, family = kind_of(resources, systems)
    made = Making(resources=resources, keep=keep)
    drawn = made.draw()
    first = resources.get(systems[0], {}) if systems else _first(resources)
    watts = made.whole_w
    hosts = max(1, len(systems))
    body = Body(family=family, hosts=hosts, base_w=watts, standby_w=0.05 * watts)
    return Persona(
        name=name,
        title=f"as recorded: {first.get('Model') or name}",
        kind=kind or found_kind,
        make=str(first.get("Manufacturer") or "-"),
        model=str(first.get("Model") or "-"),
        height_u=height_u,
        draw=lambda: drawn,
        body=body,
        counts={},
        systems=systems,
        near=tuple(made.near),
        off=frozenset(
            n for n, uri in enumerate(systems) if resources.get(uri, {}).get("PowerState") == "Off"
        ),
    )


def members(resources: Mapping[str, Resource], path: str) -> list[str]:
    return list(links(resources.get(path, {}), "Members"))


def kind_of(resources: Mapping[str, Resource], systems: tuple[str, ...]) -> tuple[str, str]:
    """The operator's word and the physics' family for what is recorded here."""
    if systems:
        types = {str(resources.get(uri, {}).get("SystemType")) for uri in systems}
        return ("dpu" if types == {"DPU"} else "node"), "node"
    for place, kind, family in PLACES:
        if members(resources, f"{ROOT}/{place}"):
            return kind, family
    if any("/Switches/" in path for path in resources):
        return "switch", "switch"
    leaky = any("/LeakDetectors/" in path for path in resources)
    return ("leak" if leaky else "chassis"), "still"


def _first(resources: Mapping[str, Resource]) -> Resource:
    place = next(iter(members(resources, f"{ROOT}/Chassis")), "")
    return resources.get(canonical(place), {}) if place else {}


@dataclass(slots=True)
class Making:
    """One capture becoming a drawing: readings are numbered, own words are found and replaced."""

    resources: Mapping[str, Resource]
    keep: bool
    near: list[Near] = field(default_factory=list)
    whole_w: float = 0.0
    _words: dict[str, str] = field(default_factory=dict)
    _sensors: dict[str, str] = field(default_factory=dict)
    _parts: re.Pattern[str] | None = None

    def draw(self) -> dict[str, Json]:
        if not self.keep:
            self._words = dict(own_words(self.resources))
            long = [re.escape(word) for word in self._words if len(word) >= SHORTEST]
            self._parts = (
                re.compile("|".join(sorted(long, key=len, reverse=True))) if long else None
            )
        sensors = [p for p, r in self.resources.items() if kind_is(r, "Sensor")]
        for path in sensors:
            self._sensor(path)
        return {path: self._made(path, body) for path, body in self.resources.items()}

    def _sensor(self, path: str) -> None:
        body = self.resources[path]
        quantity = str(body.get("ReadingType") or "")
        value = body.get("Reading")
        if is_number(value) and quantity in MOVES:
            self._sensors[path] = self._open(quantity, float(value))

    def _open(self, quantity: str, value: float) -> str:
        self.near.append(Near(quantity, value))
        if quantity == "Power":
            self.whole_w = max(self.whole_w, value)
        return live(f"near.{len(self.near) - 1}", digits_of(value))

    def _made(self, path: str, body: Resource) -> Json:
        made: Json = self._walked(body, "")
        if path in self._sensors:
            made["Reading"] = self._sensors[path]
        return made

    def _walked(self, found: Any, key: str) -> Any:
        if isinstance(found, dict):
            made = {name: self._walked(value, name) for name, value in found.items()}
            return made | dict(self._moving(found, key))
        if isinstance(found, list):
            return [self._walked(value, key) for value in found]
        if isinstance(found, str):
            return self._worded(found, key)
        return found

    def _moving(self, found: Resource, key: str) -> Iterator[tuple[str, str]]:
        """The readings of a legacy table or of an excerpt."""
        for name, quantity in PLAIN.items():
            value = found.get(name)
            if is_number(value) and value:
                yield name, self._open(quantity, float(value))
        reading = found.get("Reading")
        if not is_number(reading) or kind_is(found, "Sensor"):
            return
        source = canonical(str(found.get("DataSourceUri") or "/"))
        if source in self._sensors:
            yield "Reading", self._sensors[source]
        elif key in EXCERPTS or "ReadingUnits" in found:
            yield "Reading", self._open(EXCERPTS.get(key, "Rotational"), float(reading))

    def _worded(self, text: str, key: str) -> str:
        if self.keep or key.startswith("@odata") or text.startswith("/redfish"):
            return text.replace(OPEN, "").replace(CLOSE, "")
        if text in self._words:
            return self._words[text]
        if self._parts is not None and len(text) >= SHORTEST:
            return self._parts.sub(lambda match: self._words[match[0]], text)
        return text


def own_words(resources: Mapping[str, Resource]) -> Iterator[tuple[str, str]]:
    """Recorded words that are one machine's own, and the markers that stand for them."""
    seen: set[str] = set()
    for key, text in _identities(list(resources.values())):
        if text in seen or text.upper() in _ODD or not text.strip("0-: "):
            continue
        seen.add(text)
        word = f"w{len(seen)}"
        if key in SERIALS:
            yield text, own_serial(pattern_of(text), word)
        elif key in UUIDS:
            yield text, own_uuid(word)
        elif _HEX.match(text):
            yield text, own_mac(text[:8].replace("-", ":").upper(), word)
        elif key in ADDRESSES and text.count(".") == 3 and not text.startswith("127."):
            yield text, own_address()


def _identities(found: Any) -> Iterator[tuple[str, str]]:
    if isinstance(found, list):
        for item in found:
            yield from _identities(item)
    elif isinstance(found, dict):
        for key, value in found.items():
            if isinstance(value, str) and key in SERIALS | UUIDS | MACS | ADDRESSES:
                yield key, value.strip()
            else:
                yield from _identities(value)


def pattern_of(text: str) -> str:
    """The look of a serial number: `#` for a digit, `@` for a capital letter."""
    looks = "".join("#" if c.isdigit() else "@" if c.isalpha() else c for c in text)
    return re.sub(rf"[|{OPEN}{CLOSE}]", "-", looks)


def kind_is(resource: Resource, kind: str) -> bool:
    return str(resource.get("@odata.type", "")).startswith(f"#{kind}.")


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def digits_of(value: float) -> int:
    text = f"{value:.6f}".rstrip("0")
    return min(3, len(text.partition(".")[2]))
