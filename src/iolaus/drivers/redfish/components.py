"""The parts of every asset, and how many of each kind there are.

Counting is where fleets get lied to. The rules:

- One resource is one part. A serial never merges two resources of one kind: real fleets and
  samples are full of repeated serials.
- What is Absent is not there and is not listed. What is Disabled is listed and not counted.
- Supplies and fans come from the modern subsystem of a chassis where it lists any, else from the
  legacy arrays; a legacy entry whose serial a modern one carries is the same supply.
- A processor without a type is a CPU. Cores and threads are not parts. GPUs are Processor
  resources; only where an endpoint shows none, PCIe functions of a compute accelerator class are.
- Where a node's second system shows a processor of the same type in the same socket as the
  first, and not two different serials, it is the same processor.
- A drive shown both under a chassis and under a storage with one Id and one serial is one drive.
- Every Memory resource with capacity counts, a GPU's own included; `memory_gib` is the host's.
- A switch's ports count by the size of their collection; its chips, where it has several, are
  parts of kind `switch`.
- Every NetworkAdapter counts as a nic, a DPU's included. SimpleStorage devices, PCIe devices,
  storage controllers and sub-chassis are listed and not counted.
- A class whose collection or member could not be read counts as None, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.assets import Group, Hall
from iolaus.drivers.redfish.chassis import MAIN_CHASSIS, chassis_of, parents_of
from iolaus.drivers.redfish.harvest import Harvest, links_in, type_of, word
from iolaus.drivers.redfish.repairs import HEALTHS
from iolaus.model.asset import AssetKind, Component, ComponentKind

COUNTED: Final = (
    ComponentKind.CPU,
    ComponentKind.GPU,
    ComponentKind.MEMORY,
    ComponentKind.NIC,
    ComponentKind.DPU,
    ComponentKind.DRIVE,
    ComponentKind.PSU,
    ComponentKind.FAN,
)
KINDS: Final[Mapping[str, ComponentKind]] = {
    "Memory": ComponentKind.MEMORY,
    "Drive": ComponentKind.DRIVE,
    "NetworkAdapter": ComponentKind.NIC,
    "PowerSupply": ComponentKind.PSU,
    "Fan": ComponentKind.FAN,
    "Pump": ComponentKind.PUMP,
    "Battery": ComponentKind.BATTERY,
    "Outlet": ComponentKind.OUTLET,
    "Circuit": ComponentKind.CIRCUIT,
    "LeakDetector": ComponentKind.LEAK_DETECTOR,
    "Manager": ComponentKind.BMC,
    "PCIeDevice": ComponentKind.OTHER,
    "Switch": ComponentKind.SWITCH,
}
PROCESSORS: Final[Mapping[str, ComponentKind | None]] = {
    "CPU": ComponentKind.CPU,
    "GPU": ComponentKind.GPU,
    "FPGA": ComponentKind.ACCELERATOR,
    "DSP": ComponentKind.ACCELERATOR,
    "Accelerator": ComponentKind.ACCELERATOR,
    "Core": None,
    "Thread": None,
}
INLINE: Final = (
    ("Power", "PowerSupplies", "PowerSupply", ComponentKind.PSU),
    ("Thermal", "Fans", "Fan", ComponentKind.FAN),
    ("Storage", "StorageControllers", "", ComponentKind.OTHER),
    ("SimpleStorage", "Devices", "", ComponentKind.OTHER),
)
"""(resource type, array property, modern type that takes precedence, kind)."""

NOT_THERE: Final = frozenset({"Absent"})
NOT_COUNTED: Final = frozenset({"Absent", "Disabled"})
COMPUTE_CLASSES: Final = re.compile(r"^0x(12|0302)[0-9a-f]{2,4}$")
SMART: Final = re.compile(r"\b(DPU|SmartNIC)\b", re.IGNORECASE)
READINGS: Final[Mapping[str, tuple[str, float]]] = {
    "CapacityMiB": ("capacity_gib", 1 / 1024),
    "CapacityBytes": ("capacity_gib", 1 / 1024**3),
    "PowerCapacityWatts": ("power_capacity_w", 1.0),
    "TotalCores": ("cores", 1.0),
    "MaxSpeedMHz": ("speed_mhz", 1.0),
    "PredictedMediaLifeLeftPercent": ("life_left_percent", 1.0),
}
TYPE_WORDS: Final = frozenset(
    {
        "processor",
        "processors",
        "memory",
        "dimmslot",
        "drive",
        "manager",
        "networkadapter",
        "chassis",
    }
    | {"powersupply", "powersupplybay", "fan", "pciedevice", "pciedevices"}
)
UNREAD: Final = re.compile(
    r"/(Processors|Memory|Drives|NetworkAdapters|PowerSupplies|Fans)(/[^/]+)?$"
    r"|/(Power|PowerSubsystem|Thermal|ThermalSubsystem|Storage|Storage/[^/]+)$"
)
UNREAD_KINDS: Final[Mapping[str, tuple[ComponentKind, ...]]] = {
    "Processors": (ComponentKind.CPU, ComponentKind.GPU),
    "Memory": (ComponentKind.MEMORY,),
    "Drives": (ComponentKind.DRIVE,),
    "Storage": (ComponentKind.DRIVE,),
    "NetworkAdapters": (ComponentKind.NIC,),
    "PowerSupplies": (ComponentKind.PSU,),
    "Power": (ComponentKind.PSU,),
    "PowerSubsystem": (ComponentKind.PSU,),
    "Fans": (ComponentKind.FAN,),
    "Thermal": (ComponentKind.FAN,),
    "ThermalSubsystem": (ComponentKind.FAN,),
}


def components(harvest: Harvest, hall: Hall) -> tuple[Component, ...]:
    """All parts that are there, each once, named uniquely within its asset and kind."""
    found = [
        *_processors(harvest, hall),
        *_accelerator_devices(harvest, hall),
        *_modern(harvest, hall),
        *_inline(harvest, hall),
        *_boards(harvest, hall),
    ]
    return tuple(_named(found))


def counts(
    harvest: Harvest, hall: Hall, found: Iterable[Component]
) -> dict[str, dict[str, int | None]]:
    """Per asset key, how many parts of each counted kind; None where the class was not read.
    The key "" holds what belongs to no asset."""
    table = {key: dict.fromkeys(COUNTED, 0) for key in ["", *(g.key for g in hall.groups)]}
    for part in found:
        if part.kind in COUNTED and part.state not in NOT_COUNTED:
            table[part.asset][part.kind] += 1
    _count_smart(hall, found, table)
    told: dict[str, dict[str, int | None]] = {
        key: {str(kind): number for kind, number in row.items()} for key, row in table.items()
    }
    for group in hall.groups:
        if group.kind is AssetKind.SWITCH:
            told[group.key] |= _of_switch(harvest, hall, group, found)
    for key, kind, _ in unread(harvest, hall):
        if table[key][kind] == 0 or not kind.value:
            told[key][kind] = None
    return told


def _count_smart(
    hall: Hall, found: Iterable[Component], table: dict[str, dict[ComponentKind, int]]
) -> None:
    """A host's DPUs: those that show a system of their own, else the adapters that say so."""
    nodes = [group.key for group in hall.groups if group.kind is AssetKind.NODE]
    dpus = sum(group.kind is AssetKind.DPU for group in hall.groups)
    for part in found:
        said = f"{part.model} {part.name}"
        if part.kind is ComponentKind.NIC and SMART.search(said) and not dpus:
            table[part.asset][ComponentKind.DPU] += 1
    if len(nodes) == 1:
        table[nodes[0]][ComponentKind.DPU] += dpus


def _of_switch(
    harvest: Harvest, hall: Hall, group: Group, found: Iterable[Component]
) -> dict[str, int | None]:
    """Its ports, and the chips where there are several. A class that it does not have is left
    out; ports of a collection that was not read are not known."""
    chips = sum(p.kind is ComponentKind.SWITCH and p.asset == group.key for p in found)
    told: dict[str, int | None] = {str(ComponentKind.SWITCH): chips} if chips else {}
    ports: list[int | None] = []
    for uri, payload in harvest.of_type("Switch"):
        if hall.owned.owner(uri) == group.key:
            ports += [_size(harvest.get(each)) for each in links_in(payload.get("Ports"))]
    known = [number for number in ports if number is not None]
    if ports:
        told["port"] = sum(known) if len(known) == len(ports) else None
    return told


def _size(collection: Payload | None) -> int | None:
    """How many members a collection says that it has."""
    said = (collection or {}).get("Members@odata.count")
    members = (collection or {}).get("Members")
    if isinstance(said, int) and not isinstance(said, bool) and said >= 0:
        return said
    return len(members) if isinstance(members, list) else None


def unread(harvest: Harvest, hall: Hall) -> Iterator[tuple[str, ComponentKind, str]]:
    """(asset key, kind, reason) of every class whose resources could not be read."""
    for uri, reason in harvest.gaps.items():
        match = UNREAD.search(uri)
        if match:
            name = (match[1] or match[3]).partition("/")[0]
            for kind in UNREAD_KINDS[name]:
                yield hall.owned.owner(uri), kind, reason


def _processors(harvest: Harvest, hall: Hall) -> Iterator[Component]:
    twins = _twins(harvest, hall) | _told_again(harvest)
    for uri, payload in harvest.of_type("Processor"):
        said = word(payload, "ProcessorType").strip() or "CPU"
        kind = PROCESSORS.get(said, ComponentKind.OTHER)
        if kind is not None and "/SubProcessors/" not in uri and uri not in twins:
            yield from _component(uri, payload, kind, hall)


def _told_again(harvest: Harvest) -> set[str]:
    """Processors outside the systems that a system shows too, by their serial."""
    inside, outside = set[str](), dict[str, str]()
    for uri, payload in harvest.of_type("Processor"):
        serial = names.telling(payload.get("SerialNumber"))
        if serial and uri.startswith("/redfish/v1/Systems/"):
            inside.add(serial)
        elif serial:
            outside[uri] = serial
    return {uri for uri, serial in outside.items() if serial in inside}


def _twins(harvest: Harvest, hall: Hall) -> set[str]:
    """The processors that a second system shows again."""
    found = set[str]()
    for group in hall.groups:
        seen: dict[tuple[object, str], object] = {}
        for system in dict.fromkeys((group.primary, *group.systems)):
            mine: dict[tuple[object, str], object] = {}
            for uri, payload in harvest.under(system, "Processor"):
                socket = names.telling(payload.get("Socket"))
                if socket is None:
                    continue
                seat = (word(payload, "ProcessorType"), socket)
                serial = names.telling(payload.get("SerialNumber"))
                if seat in seen and (serial is None or seen[seat] in (None, serial)):
                    found.add(uri)
                mine.setdefault(seat, serial)
            seen = mine | seen
    return found


def _accelerator_devices(harvest: Harvest, hall: Hall) -> Iterator[Component]:
    """GPUs that only their PCIe function tells."""
    if any(word(p, "ProcessorType") == "GPU" for _, p in harvest.of_type("Processor")):
        return
    devices: dict[str, Payload] = {}
    for uri, function in harvest.of_type("PCIeFunction"):
        device = uri.partition("/PCIeFunctions/")[0]
        code = (names.text(function.get("ClassCode")) or "").lower()
        if COMPUTE_CLASSES.match(code) and device in harvest.resources:
            devices[device] = harvest.resources[device]
    for uri, payload in devices.items():
        yield from _component(uri, payload, ComponentKind.GPU, hall)


def _modern(harvest: Harvest, hall: Hall) -> Iterator[Component]:
    again = _drives_again(harvest) | {group.primary for group in hall.groups}
    for name, kind in KINDS.items():
        for uri, payload in harvest.of_type(name):
            if uri not in again:
                yield from _component(uri, payload, kind, hall)


def _drives_again(harvest: Harvest) -> set[str]:
    """Drives under a chassis that a storage shows too."""
    seen: set[tuple[str | None, str]] = set()
    chassis: list[tuple[str, str | None, str]] = []
    for uri, payload in harvest.of_type("Drive"):
        serial = names.telling(payload.get("SerialNumber"))
        if serial is None:
            continue
        if uri.startswith("/redfish/v1/Chassis/"):
            chassis.append((uri, names.text(payload.get("Id")), serial))
        elif uri.startswith("/redfish/v1/Systems/"):
            seen.add((names.text(payload.get("Id")), serial))
    return {uri for uri, name, serial in chassis if (name, serial) in seen}


def _inline(harvest: Harvest, hall: Hall) -> Iterator[Component]:
    """Parts that stand in an array of another resource."""
    for kind_name, array, modern, kind in INLINE:
        serials = {names.telling(p.get("SerialNumber")) for _, p in harvest.of_type(modern)} - {
            None
        }
        for uri, payload in harvest.of_type(kind_name):
            if modern and harvest.under(uri.rpartition("/")[0], modern):
                continue
            for index, entry in enumerate(_entries(payload.get(array))):
                if names.telling(entry.get("SerialNumber")) not in serials and set(entry) - {
                    "@odata.id"
                }:
                    yield from _component(f"{uri}#/{array}/{index}", entry, kind, hall)


def _entries(value: object) -> Iterator[Payload]:
    for each in value if isinstance(value, list) else ():
        yield each if isinstance(each, dict) else {}


def _boards(harvest: Harvest, hall: Hall) -> Iterator[Component]:
    """Modules, cards, cages and boards that stand as chassis of their own inside an asset."""
    primary = {group.primary for group in hall.groups}
    itself, inside = set(_machines(harvest, hall)), parents_of(harvest)
    enclosures = {group.key for group in hall.groups if group.kind is AssetKind.CHASSIS}
    for uri, payload in harvest.of_type("Chassis"):
        part = word(payload, "ChassisType") not in {"", *MAIN_CHASSIS}
        within = uri in inside or hall.owned.owner(uri) in enclosures
        if uri not in primary and (part or (within and uri not in itself)):
            yield from _component(uri, payload, ComponentKind.BOARD, hall)


def _machines(harvest: Harvest, hall: Hall) -> Iterator[str]:
    """The chassis that an asset is, and not one of its parts."""
    for group in hall.groups:
        for uri in (group.primary, *group.systems):
            yield from chassis_of(harvest, uri, harvest.resources.get(uri, {}))


def _component(uri: str, payload: Payload, kind: ComponentKind, hall: Hall) -> Iterator[Component]:
    status = payload.get("Status")
    status = status if isinstance(status, dict) else {}
    state = names.text(status.get("State"))
    if state in NOT_THERE or (kind is ComponentKind.MEMORY and payload.get("CapacityMiB") == 0):
        return
    yield Component(
        name=_said(uri, payload),
        kind=kind,
        asset=hall.owned.owner(uri),
        uri=uri,
        location=location(payload),
        vendor=names.maker(payload.get("Manufacturer")),
        model=names.telling(payload.get("Model")),
        serial=names.telling(payload.get("SerialNumber")),
        part_number=names.telling(payload.get("PartNumber")),
        firmware=firmware_of(payload),
        health=said if (said := names.text(status.get("Health"))) in HEALTHS else None,
        state=state,
        uuid=names.uuid(payload.get("UUID")),
        readings=_readings(payload),
    )


def _said(uri: str, payload: Payload) -> str:
    """A part's Name, unless that is only the name of its type."""
    said = names.text(payload.get("Name"))
    bare = (said or "").replace(" ", "").lower()
    plain = bare in TYPE_WORDS or bare == type_of(payload).lower()
    return uri.rpartition("/")[2] if said is None or plain else said


def location(payload: Mapping[str, Any]) -> str | None:
    """Where a part sits, in the device's own words."""
    for name in ("Location", "PhysicalLocation"):
        place = payload.get(name)
        place = place[0] if isinstance(place, list) and place else place
        if isinstance(place, dict):
            part = place.get("PartLocation")
            label = part.get("ServiceLabel") if isinstance(part, dict) else None
            found = names.telling(label) or names.telling(place.get("Info"))
            if found:
                return found
    for name in ("DeviceLocator", "Socket", "ServiceLabel"):
        found = names.telling(payload.get(name))
        if found:
            return found
    return None


def firmware_of(payload: Mapping[str, Any]) -> str | None:
    """The version a part runs, wherever its type keeps it."""
    for name in ("FirmwareVersion", "Revision", "FirmwareRevision"):
        found = names.version(payload.get(name))
        if found:
            return found
    for controller in _entries(payload.get("Controllers")):
        found = names.version(controller.get("FirmwarePackageVersion"))
        if found:
            return found
    return None


def _readings(payload: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, (reading, factor) in READINGS.items():
        value = payload.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            found[reading] = round(value * factor, 3)
    return found


def memory_gib(harvest: Harvest, group: Group) -> float | None:
    """The host's memory: the sum over its modules without the GPUs' own, else its summary."""
    total = 0.0
    for system in dict.fromkeys((group.primary, *group.systems)):
        payload = harvest.resources.get(system, {})
        for _, module in harvest.follow(payload, "Memory") or harvest.under(system, "Memory"):
            if type_of(module) == "Memory" and not _of_gpu(harvest, module) and _present(module):
                total += _readings(module).get("capacity_gib", 0.0)
    if total:
        return round(total, 3)
    summary = harvest.resources.get(group.primary, {}).get("MemorySummary")
    told = summary.get("TotalSystemMemoryGiB") if isinstance(summary, dict) else None
    return float(told) if isinstance(told, int | float) and told > 0 else None


def _present(module: Payload) -> bool:
    status = module.get("Status")
    return not isinstance(status, dict) or word(status, "State") not in NOT_COUNTED


def _of_gpu(harvest: Harvest, module: Payload) -> bool:
    if "HBM" in (names.text(module.get("MemoryDeviceType")) or "").upper():
        return True
    owners = harvest.follow(module, "Processors")
    return bool(owners) and all(word(p, "ProcessorType") == "GPU" for _, p in owners)


def _named(found: list[Component]) -> Iterator[Component]:
    """Give each part a name of its own among its kind: its Name, place, Id or URI."""
    groups: dict[tuple[str, ComponentKind], list[Component]] = {}
    for part in found:
        groups.setdefault((part.asset, part.kind), []).append(part)
    chosen: dict[int, str] = {}
    for parts in groups.values():
        for candidates in _candidates(parts):
            if len(set(candidates)) == len(parts) and all(candidates):
                break
        for part, name in zip(parts, candidates, strict=True):
            chosen[id(part)] = f"{part.kind}{name}" if name.isdecimal() else name or part.uri
    yield from (_rename(part, chosen[id(part)]) for part in found)


def _candidates(parts: list[Component]) -> Iterator[list[str]]:
    yield [part.name for part in parts]
    yield [part.location or "" for part in parts]
    yield [part.uri.rpartition("/")[2] for part in parts]
    yield ["/".join(part.uri.split("/")[-3::2]) for part in parts]
    yield [part.uri.removeprefix("/redfish/v1/") for part in parts]


def _rename(part: Component, name: str) -> Component:
    if name == part.name:
        return part
    fields = {field: getattr(part, field) for field in part.__struct_fields__}
    return Component(**{**fields, "name": name})
