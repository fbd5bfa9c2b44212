"""What a reading means: "node_power", "inlet_temperature", "leak" - found by structure first.

Operators ask for the inlet temperature, not for "24-P/S Zone". Three sources tell the meaning, in
this order: where the value stands (the `SupplyTemperatureCelsius` of a coolant connector needs no
guess), what the sensor says of itself (`PhysicalContext`, the processor it is related to), and,
last, its name, by the tables below: names are data, and a wrong guess is worse than no role.

A role that an asset has only once (its total power, its inlet) goes to the strongest claim, of
equals to the one nearest to the machine as a whole: a blade's own intake is not its module's. Such
a reading is of the whole, and belongs to no component.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from iolaus.drivers.redfish._sightings import Sighting
from iolaus.drivers.redfish._text import REMEMBERED, clean, mapping
from iolaus.drivers.redfish.chassis import parents_of
from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in, normal
from iolaus.model.asset import AssetKind, Reading

STRUCTURE, WATCHED, CONTEXT, NAME = range(4)


class Role(NamedTuple):
    """`strength`: the smaller, the surer."""

    name: str
    strength: int


NO_ROLE: Final = Role("", NAME)


class Scene(NamedTuple):
    """What roles need to know of the whole: which chassis is a machine and not a part of one,
    what each processor is, which chassis carries just one, which power sensors a chassis-wide
    power `Control` watches, and which chassis stands in which."""

    kinds: Mapping[str, AssetKind]
    owner: Callable[[str], str]
    machines: frozenset[str]
    processors: Mapping[str, str]
    lone: Mapping[str, str]
    watched: frozenset[str]
    parents: Mapping[str, str]

    def kind(self, uri: str) -> AssetKind:
        """The kind of the asset that a resource belongs to."""
        return self.kinds.get(self.owner(uri), AssetKind.NODE)

    def is_whole(self, about: str) -> bool:
        """Whether a resource stands for its asset and not for a part of it."""
        if about in self.machines or about == f"{ROOT}/{self.owner(about)}":
            return True
        outer = self.parents.get(about)
        alone = outer is None or self.owner(outer) != self.owner(about)
        return alone and about == place_of(about) and self.kind(about) is not AssetKind.NODE

    def depth(self, uri: str) -> int:
        """How deep inside its asset the chassis of a reading stands; 0 is the asset itself."""
        at, seen = place_of(uri), set[str]()
        while at not in self.machines and at not in seen and at in self.parents:
            if self.owner(self.parents[at]) != self.owner(at):
                break
            seen.add(at)
            at = self.parents[at]
        return len(seen)


def _processor_class(payload: Mapping[str, object]) -> str:
    word = clean(payload.get("ProcessorType"), 32)
    return {"CPU": "cpu", "GPU": "gpu", "Accelerator": "gpu"}.get(word, "")


def _watched(harvest: Harvest) -> Iterable[str]:
    for _, payload in harvest.of_type("Control"):
        if payload.get("ControlType") == "Power" and payload.get("PhysicalContext") == "Chassis":
            yield normal(mapping(payload.get("Sensor")).get("DataSourceUri"))


def scene(harvest: Harvest, owner: Callable[[str], str], kinds: Mapping[str, AssetKind]) -> Scene:
    processors = {uri: _processor_class(payload) for uri, payload in harvest.of_type("Processor")}
    machines: set[str] = set()
    lone: dict[str, str] = {}
    for _, payload in harvest.of_type("ComputerSystem"):
        machines.update(links_in(mapping(payload.get("Links")).get("Chassis")))
    for uri, payload in harvest.of_type("Chassis"):
        carried = list(links_in(mapping(payload.get("Links")).get("Processors")))
        if len(carried) == 1 and carried[0] in processors:
            lone[uri] = carried[0]
    return Scene(
        kinds=kinds,
        owner=owner,
        machines=frozenset(machines),
        processors=processors,
        lone=lone,
        watched=frozenset(_watched(harvest)),
        parents=parents_of(harvest),
    )


@lru_cache(maxsize=REMEMBERED)
def place_of(uri: str) -> str:
    """The chassis, system or equipment that a resource stands in, by its path."""
    parts = uri.split("#", 1)[0].split("/")
    return "/".join(parts[: 6 if len(parts) > 3 and parts[3].endswith("Equipment") else 5])


_EXACT: Final = MappingProxyType(
    {
        ("CoolantConnector", "/SupplyTemperatureCelsius"): "coolant_supply_temperature",
        ("CoolantConnector", "/ReturnTemperatureCelsius"): "coolant_return_temperature",
        ("CoolantConnector", "/DeltaTemperatureCelsius"): "coolant_delta_temperature",
        ("CoolantConnector", "/FlowLitersPerMinute"): "coolant_flow",
        ("CoolantConnector", "/SupplyPressurekPa"): "coolant_supply_pressure",
        ("CoolantConnector", "/ReturnPressurekPa"): "coolant_return_pressure",
        ("CoolantConnector", "/DeltaPressurekPa"): "coolant_delta_pressure",
        ("CoolantConnector", "/HeatRemovedkW"): "heat_removed",
        ("PowerSupplyMetrics", "/InputPowerWatts"): "psu_input_power",
        ("PowerSupplyMetrics", "/OutputPowerWatts"): "psu_output_power",
        ("PowerSupplyMetrics", "/TemperatureCelsius"): "psu_temperature",
        ("ThermalMetrics", "/TemperatureSummaryCelsius/Intake"): "inlet_temperature",
        ("ThermalMetrics", "/TemperatureSummaryCelsius/Exhaust"): "exhaust_temperature",
        ("ThermalMetrics", "/TemperatureSummaryCelsius/Ambient"): "ambient_temperature",
        ("Outlet", "/PowerWatts"): "outlet_power",
        ("Outlet", "/CurrentAmps"): "outlet_current",
        ("Circuit", "/PowerWatts"): "circuit_power",
        ("Circuit", "/CurrentAmps"): "circuit_current",
        ("Pump", "/PumpSpeedPercent"): "pump_speed",
        ("Fan", "/SpeedPercent"): "fan_speed",
        ("Fan", "/SpeedPercent/SpeedRPM"): "fan_speed",
        ("Reservoir", "/FluidLevelPercent"): "coolant_level",
        ("BatteryMetrics", "/ChargePercent"): "battery_charge",
    }
)
_WHOLE: Final = MappingProxyType(
    {
        AssetKind.NODE: "node_power",
        AssetKind.DPU: "dpu_power",
        AssetKind.SWITCH: "switch_power",
        AssetKind.POWER_SHELF: "shelf_output_power",
        AssetKind.PDU: "pdu_power",
        AssetKind.CDU: "cdu_power",
        AssetKind.CHASSIS: "chassis_power",
    }
)
WHOLE: Final = frozenset(_WHOLE.values())
"""Roles of an asset's power as a whole."""

ONCE: Final = WHOLE | {"inlet_temperature"}
"""Roles that an asset has once."""

_DISTRIBUTION: Final = (
    ("/PowerShelves/", "shelf_output_power"),
    ("PDUs/", "pdu_power"),
    ("/Switchgear/", "switchgear_power"),
    ("/TransferSwitches/", "transfer_switch_power"),
)
_BY_CONTEXT: Final = MappingProxyType(
    {
        ("Temperature", "Intake"): "inlet_temperature",
        ("Temperature", "Exhaust"): "exhaust_temperature",
        ("Temperature", "Room"): "ambient_temperature",
        ("Temperature", "LiquidInlet"): "coolant_supply_temperature",
        ("Temperature", "LiquidOutlet"): "coolant_return_temperature",
        ("PressurekPa", "LiquidInlet"): "coolant_supply_pressure",
        ("PressurekPa", "LiquidOutlet"): "coolant_return_pressure",
        ("Temperature", "Memory"): "memory_temperature",
        ("Temperature", "CPU"): "cpu_temperature",
        ("Temperature", "GPU"): "gpu_temperature",
        ("Temperature", "Accelerator"): "gpu_temperature",
        ("Power", "CPU"): "cpu_power",
        ("Power", "GPU"): "gpu_power",
        ("Power", "Accelerator"): "gpu_power",
        ("Rotational", "Fan"): "fan_speed",
        ("Percent", "Fan"): "fan_speed",
    }
)
_ASIC: Final = MappingProxyType({"Temperature": "asic_temperature", "Power": "asic_power"})
_BY_NAME: Final = tuple(
    (quantity, re.compile(pattern, re.IGNORECASE), role)
    for quantity, pattern, role in (
        ("Temperature", r"\b(inlet|intake|ambient)\b", "inlet_temperature"),
        ("Temperature", r"\b(exhaust|outlet)\b", "exhaust_temperature"),
        ("Temperature", r"\bcpu ?\d*( temp|$)", "cpu_temperature"),
        ("Temperature", r"\bgpu ?\d*( temp|$)", "gpu_temperature"),
        ("Temperature", r"\b(coolant|liquid) (supply|in)", "coolant_supply_temperature"),
        ("Temperature", r"\b(coolant|liquid) (return|out)", "coolant_return_temperature"),
        ("LiquidFlowLPM", r"flow", "coolant_flow"),
        ("Power", r"\bgpu ?\d*( power( \d)?|$)", "gpu_power"),
    )
)
_WHOLE_BY_NAME: Final = re.compile(
    r"^((total|sys(tem)?|node|server|platform|chassis)( board)?( total)?( input| output)? "
    r"?(power|pwr)( consum\w+)?|(system board )?(pwr|power) consumption|"
    r"sum of all currents power|node|system|server)$",
    re.IGNORECASE,
)
_PART: Final = re.compile(
    r"\b(p/?s|psu|power supply|vr\w*|dimm\w*|hsc|nic|pci\w*)\b", re.IGNORECASE
)
_CHIP: Final = re.compile(r"\b[cg]pu ?\d*\b", re.IGNORECASE)
_DIMM: Final = re.compile(r"^(?!.*\bv[dpt]).*\bdimm", re.IGNORECASE)
_NOT_ACTUAL: Final = re.compile(r"limit|margin|target|threshold|tj ?max", re.IGNORECASE)
_MEMORY: Final = re.compile(r"\b(dram|hbm\w*|mem(ory)?)\b", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[_\-.]+")


def _plain_name(sighting: Sighting) -> str:
    return _without_separators(sighting.name)


@lru_cache(maxsize=REMEMBERED)
def _without_separators(name: str) -> str:
    return _SEPARATORS.sub(" ", name)


def _of_part(part: str, sighting: Sighting) -> Role:
    """The role of a processor's power or temperature; its memory is told apart."""
    if _MEMORY.search(_plain_name(sighting)):
        part = f"{part}_memory"
    word = {"Power": "power", "Temperature": "temperature"}.get(sighting.quantity)
    return Role(f"{part}_{word}", STRUCTURE) if word and not sighting.delta else NO_ROLE


def _of_whole(sighting: Sighting, scene: Scene, strength: int) -> Role:
    return Role(_WHOLE.get(scene.kind(sighting.source), ""), strength)


def _of_environment(sighting: Sighting, scene: Scene) -> Role:
    about = sighting.source.rpartition("/")[0]
    part = scene.processors.get(scene.lone.get(about, about), "")
    if part:
        return _of_part(part, sighting)
    if "/Memory/" in about and sighting.quantity == "Temperature":
        return Role("memory_temperature", STRUCTURE)
    if sighting.pointer == "/PowerWatts" and scene.is_whole(about):
        return _of_whole(sighting, scene, STRUCTURE)
    if "/Switches/" in about and scene.kind(about) is AssetKind.SWITCH:
        return Role(_ASIC.get(sighting.quantity, ""), STRUCTURE)
    return NO_ROLE


def _of_control(sighting: Sighting, scene: Scene) -> Role:
    """Legacy PowerControl: the whole, unless it is related to a processor."""
    parts = {scene.processors.get(uri, "") for uri in sighting.related} - {""}
    first = "/PowerControl/0/" in sighting.pointer
    if parts and not first:
        return _of_part(parts.pop(), sighting)
    return _of_whole(sighting, scene, STRUCTURE if first else NAME) if first else NO_ROLE


def _by_structure(sighting: Sighting, scene: Scene) -> Role:
    if sighting.quantity == "Leak":
        return Role("leak", STRUCTURE)
    exact = _EXACT.get((sighting.kind, sighting.pointer))
    if exact:
        primary = "/PrimaryCoolantConnectors/" in sighting.source
        return Role(exact.replace("coolant_", "facility_") if primary else exact, STRUCTURE)
    if sighting.kind == "PowerDistributionMetrics" and sighting.pointer == "/PowerWatts":
        for part, role in _DISTRIBUTION:
            if part in sighting.source:
                return Role(role, STRUCTURE)
    if sighting.kind in ("EnvironmentMetrics", "ProcessorMetrics"):
        return _of_environment(sighting, scene)
    if sighting.kind == "PowerControl":
        return _of_control(sighting, scene)
    if sighting.kind == "PowerSupplies" and sighting.quantity == "Power":
        return Role(
            "psu_input_power" if "Input" in sighting.pointer else "psu_output_power", STRUCTURE
        )
    return Role("fan_speed", STRUCTURE) if sighting.kind == "Fans" else NO_ROLE


def _by_context(sighting: Sighting, scene: Scene) -> Role:
    if sighting.context == "ASIC" and scene.kind(sighting.source) is AssetKind.SWITCH:
        return Role("" if sighting.delta else _ASIC.get(sighting.quantity, ""), CONTEXT)
    role = _BY_CONTEXT.get((sighting.quantity, sighting.context), "")
    if not role or sighting.delta:
        return NO_ROLE
    part = role.partition("_")[0]
    if part in ("cpu", "gpu"):
        return _part_by_context(part, role, sighting, scene)
    return Role(role, CONTEXT)


def _part_by_context(part: str, role: str, sighting: Sighting, scene: Scene) -> Role:
    """Some controllers call every sensor a CPU's: one that is related to the board only, and
    does not have the part in its name, is not believed."""
    name = _plain_name(sighting)
    if _PART.search(name):
        return NO_ROLE
    about = [uri for uri in sighting.related if uri in scene.processors]
    if sighting.related and not about and part not in name.lower().replace("proc", "cpu"):
        return NO_ROLE
    if _MEMORY.search(name):
        return Role(role.replace(part, f"{part}_memory"), CONTEXT)
    return Role(role, CONTEXT)


def is_whole_by_name(sighting: Sighting) -> bool:
    return sighting.quantity == "Power" and bool(_WHOLE_BY_NAME.match(_plain_name(sighting)))


def _by_name(sighting: Sighting, scene: Scene) -> Role:
    name = _plain_name(sighting)
    if is_whole_by_name(sighting):
        output = scene.kinds.get(scene.owner(sighting.source)) is AssetKind.POWER_SHELF
        if output and "input" in name.lower():
            return Role("shelf_input_power", NAME)
        return _of_whole(sighting, scene, NAME)
    if sighting.quantity == "Temperature" and _DIMM.search(name):
        return Role("memory_temperature", NAME)
    board = sighting.context in ("", "Chassis", "SystemBoard", "GPUSubsystem", "CPU", "GPU")
    if not board or _PART.search(name) or sighting.delta:
        return NO_ROLE
    for quantity, pattern, role in _BY_NAME:
        if sighting.quantity == quantity and pattern.search(name):
            part = role in ("inlet_temperature", "exhaust_temperature") and _CHIP.search(name)
            return NO_ROLE if part else Role(role, NAME)
    return NO_ROLE


def role_of(sightings: Iterable[Sighting], scene: Scene) -> Role:
    """The surest role that any sighting of one sensor gives it."""
    seen = tuple(sightings)
    claims = [_by_structure(each, scene) for each in seen]
    if seen[0].key in scene.watched and seen[0].quantity == "Power":
        claims.append(_of_whole(seen[0], scene, WATCHED))
    claims += [_by_context(each, scene) for each in seen]
    claims += [_by_name(each, scene) for each in seen]
    name = _plain_name(seen[0])
    regulator = bool(_PART.search(name))
    sound = (c for c in claims if c.name and not (regulator and c.name[:4] in ("cpu_", "gpu_")))
    best = min(sound, key=lambda c: c.strength, default=NO_ROLE)
    return NO_ROLE if best.name.endswith("_temperature") and _NOT_ACTUAL.search(name) else best


def only_once(
    readings: Iterable[tuple[Reading, int]], depth: Callable[[str], int]
) -> list[Reading]:
    """Leave a role that an asset has once with the strongest claim that has a value, and make
    it a reading of the whole. `depth`: how deep inside its asset a reading's `uri` stands."""
    held = list(readings)
    best: dict[tuple[str, str], tuple[tuple[bool, int, int], int]] = {}
    for index, (reading, strength) in enumerate(held):
        if reading.role in ONCE:
            claim = (reading.value is None, strength, depth(reading.uri)), index
            slot = (reading.asset, reading.role)
            best[slot] = min(best.get(slot, claim), claim)
    kept = {index for _, index in best.values()}
    return [
        reading if reading.role not in ONCE else _settled(reading, won=index in kept)
        for index, (reading, _) in enumerate(held)
    ]


def _settled(reading: Reading, *, won: bool) -> Reading:
    if won:
        return msgspec.structs.replace(reading, component=None)
    return msgspec.structs.replace(reading, role="")
