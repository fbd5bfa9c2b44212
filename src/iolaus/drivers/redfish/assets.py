"""Which resources make which asset: the rules by which one endpoint becomes nodes and devices.

Redfish does not say "this is a node". A tray shows its accelerators on a second ComputerSystem, a
blade enclosure shows four hosts behind one controller, a smart NIC shows a system of its own, and
a power shelf shows none. The rules go by evidence, never by a name:

1. A member of the Systems collection is a host, unless its SystemType says it is virtual (skipped:
   it is no hardware) or a DPU (an asset of its own). Composed systems are nodes: they are what the
   operator boots, and own the resource-block parts that they list.
2. A system that shows nothing a host has (no BIOS, boot, host name, operating system) beside
   one that does, is that host's satellite if it carries accelerators or the host's own processors.
3. A chassis belongs to the system that it and only it links to, with all it contains. Where no
   link joins the two, the same Id does.
4. What several nodes or switches share becomes a chassis asset (an enclosure, its supplies, fans).
5. Without systems: PowerDistribution, CoolingUnit, Switch, then the chassis tell what it is.
   Switches that stand in one box are its chips and the box is the switch: that is what an operator
   points at. Beside a host a switch is a part of the host or of its enclosure, never an asset.
6. A chassis that holds the chassis of one asset only, and is no rack, is that asset's.
7. What nobody claims belongs to the only asset, or to the chassis asset, or to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.chassis import (
    MAIN_CHASSIS,
    box_of,
    chassis_of,
    linked,
    parents_of,
    path_out,
    roots,
)
from iolaus.drivers.redfish.harvest import (
    ROOT,
    Found,
    Harvest,
    Ownership,
    links_in,
    order,
    type_of,
    word,
)
from iolaus.model.asset import AssetKind

HOST_EVIDENCE: Final = (
    "Bios",
    "BiosVersion",
    "BootProgress",
    "SecureBoot",
    "HostName",
    "OperatingSystem",
    "VirtualMedia",
    "SerialConsole",
    "HostingRoles",
)
BOOT_EVIDENCE: Final = ("BootOptions", "BootOrder", "BootSourceOverrideEnabled")
VIRTUAL: Final = frozenset({"Virtual", "OS", "VirtuallyPartitioned"})
ACCELERATORS: Final = frozenset({"GPU", "FPGA", "Accelerator", "DSP"})
NETWORK_SWITCHES: Final = frozenset({"NVLink", "Ethernet", "InfiniBand"})
RANKS: Final = tuple(AssetKind)
EQUIPMENT: Final[Mapping[str, AssetKind]] = {
    "PowerShelf": AssetKind.POWER_SHELF,
    "BatteryShelf": AssetKind.POWER_SHELF,
}


class Group(msgspec.Struct, kw_only=True):
    """The resources of one asset: `primary` names it, `systems` are its ComputerSystems,
    `switches` the chips of a switch that is a box of several."""

    key: str
    kind: AssetKind
    primary: str
    systems: list[str] = []
    switches: list[str] = []
    chassis: list[str] = []
    managers: list[str] = []

    @property
    def resources(self) -> tuple[str, ...]:
        """All URIs that make it up, the primary one first."""
        parts = (*self.systems, *self.switches, *self.chassis, *self.managers)
        return tuple(dict.fromkeys((self.primary, *parts)))


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    """All assets of one endpoint, who owns what, and the systems that are no hardware."""

    groups: tuple[Group, ...]
    owned: Ownership
    virtual: tuple[str, ...] = ()


def key_of(uri: str) -> str:
    return uri.removeprefix(f"{ROOT}/")


def survey(harvest: Harvest) -> Hall:
    """Find the endpoint's assets. Pure; never raises, whatever the payloads hold."""
    physical, virtual = _systems(harvest)
    groups = _hosts(harvest, physical)
    groups += _equipment(harvest)
    if not groups:
        groups = _switches(harvest) or _bare_chassis(harvest)
    _give_chassis(harvest, groups)
    groups += _shared_chassis(harvest, groups)
    _give_managers(harvest, groups)
    claims = dict.fromkeys(virtual, "") | _claims(harvest, groups)
    groups.sort(key=lambda group: (RANKS.index(group.kind), order(group.primary)))
    owned = Ownership(claims, fallback=_fallback(groups))
    return Hall(groups=tuple(groups), owned=owned, virtual=tuple(virtual))


def _systems(harvest: Harvest) -> tuple[list[Found], list[str]]:
    """The physical and the virtual members of the Systems collection."""
    members = {
        uri: payload
        for collection in links_in(harvest.root.get("Systems")) or ()
        for uri, payload in harvest.members(collection)
        if type_of(payload) in {"", "ComputerSystem"}
    }
    listed = list(members.items()) or [
        f for f in harvest.of_type("ComputerSystem") if f[0].rpartition("/")[0].endswith("/Systems")
    ]
    listed = [(u, p) for u, p in listed if not _pseudo(u, p)]
    virtual = [u for u, p in listed if word(p, "SystemType") in VIRTUAL]
    return [(u, p) for u, p in listed if u not in virtual], virtual


def _pseudo(uri: str, payload: Payload) -> bool:
    """A settings or capabilities object that stands where a system might."""
    annotated = any(isinstance(n, str) and n.endswith("@Redfish.RequiredOnCreate") for n in payload)
    return annotated or uri.rpartition("/")[2] in {"Settings", "Capabilities"}


def _hosts(harvest: Harvest, systems: list[Found]) -> list[Group]:
    dpus = [(u, p) for u, p in systems if _is_dpu(harvest, u, p)]
    rest = [(u, p) for u, p in systems if (u, p) not in dpus]
    hosts = [(u, p) for u, p in rest if _is_host(p)]
    groups = [_group(u, _host_kind(harvest)) for u, _ in hosts]
    for uri, payload in rest:
        if not _is_host(payload):
            host = _host_of(harvest, uri, payload, groups[: len(hosts)])
            if host is None:
                groups.append(_group(uri, _host_kind(harvest)))
            else:
                host.systems.append(uri)
    return groups + [_group(uri, AssetKind.DPU) for uri, _ in dpus]


def _group(uri: str, kind: AssetKind) -> Group:
    system = [uri] if kind in {AssetKind.NODE, AssetKind.DPU} or "/Systems/" in uri else []
    return Group(key=key_of(uri), kind=kind, primary=uri, systems=system)


def _is_dpu(harvest: Harvest, uri: str, payload: Payload) -> bool:
    """It says so; or all it stands on is a card that carries network adapters; or there is such a
    card, and no chassis of a whole machine, on the endpoint."""
    if word(payload, "SystemType") == "DPU":
        return True
    said = f"{payload.get('Model')} {payload.get('Name')} {payload.get('Description')}".split()
    if "DPU" in (word.strip("().,") for word in said):
        return True
    chassis = chassis_of(harvest, uri, payload)
    if chassis and all(_is_network_card(harvest, each) for each in chassis):
        return True
    everything = [u for u, _ in harvest.of_type("Chassis")]
    machines = any(word(harvest.resources[u], "ChassisType") in MAIN_CHASSIS for u in everything)
    return not machines and any(_is_network_card(harvest, each) for each in everything)


def _is_network_card(harvest: Harvest, uri: str) -> bool:
    card = word(harvest.resources[uri], "ChassisType") == "Card"
    return card and bool(harvest.under(uri, "NetworkAdapter"))


def _is_host(payload: Payload) -> bool:
    boot = payload.get("Boot")
    boots = isinstance(boot, dict) and any(boot.get(name) for name in BOOT_EVIDENCE)
    return boots or any(payload.get(name) not in (None, "", [], {}) for name in HOST_EVIDENCE)


def _host_kind(harvest: Harvest) -> AssetKind:
    """A switch tray has a small host of its own: it is a switch if it switches and computes not."""
    switches = [
        p for _, p in harvest.of_type("Switch") if word(p, "SwitchType") in NETWORK_SWITCHES
    ]
    gpus = any(word(p, "ProcessorType") == "GPU" for _, p in harvest.of_type("Processor"))
    return AssetKind.SWITCH if switches and not gpus else AssetKind.NODE


def _host_of(harvest: Harvest, uri: str, payload: Payload, hosts: list[Group]) -> Group | None:
    """The host that this system is a satellite of: the only one, or the one it shares a chassis
    or a manager with. None: it stands alone."""
    processors = [p for _, p in harvest.under(uri, "Processor")]
    satellite = any(word(p, "ProcessorType") in ACCELERATORS for p in processors)
    if not satellite and processors:
        satellite = all(_twin(harvest, p, hosts) for p in processors)
    if not satellite:
        return None
    if len(hosts) == 1:
        return hosts[0]
    mine = {*chassis_of(harvest, uri, payload), *managers_of(harvest, uri, payload)}
    for host in hosts:
        theirs = harvest.resources[host.primary]
        if mine & {
            *chassis_of(harvest, host.primary, theirs),
            *managers_of(harvest, host.primary, theirs),
        }:
            return host
    return None


def _twin(harvest: Harvest, processor: Payload, hosts: list[Group]) -> bool:
    """Whether a host shows a processor in the same socket."""
    socket = names.telling(processor.get("Socket"))
    return socket is not None and any(
        names.telling(p.get("Socket")) == socket
        for host in hosts
        for _, p in harvest.under(host.primary, "Processor")
    )


def _equipment(harvest: Harvest) -> list[Group]:
    """Power and cooling equipment, by what it says it is."""
    groups = []
    for uri, payload in harvest.of_type("PowerDistribution"):
        kind = EQUIPMENT.get(str(payload.get("EquipmentType")), AssetKind.PDU)
        if "/PowerShelves/" in uri:
            kind = AssetKind.POWER_SHELF
        groups.append(Group(key=key_of(uri), kind=kind, primary=uri))
    for uri, _ in harvest.of_type("CoolingUnit"):
        groups.append(Group(key=key_of(uri), kind=AssetKind.CDU, primary=uri))
    return groups


def _switches(harvest: Harvest) -> list[Group]:
    """Rule 5: one asset per box that holds switches."""
    boxes: dict[str, list[str]] = {}
    parents = parents_of(harvest)
    for uri, payload in harvest.of_type("Switch"):
        boxes.setdefault(box_of(harvest, parents, uri, payload) or uri, []).append(uri)
    return [_switch(box, held) for box, held in boxes.items()]


def _switch(box: str, held: list[str]) -> Group:
    chassis = [box] if box not in held else []
    if len(held) == 1:
        return Group(key=key_of(held[0]), kind=AssetKind.SWITCH, primary=held[0], chassis=chassis)
    return Group(
        key=key_of(box), kind=AssetKind.SWITCH, primary=box, switches=held, chassis=chassis
    )


def _bare_chassis(harvest: Harvest) -> list[Group]:
    """An endpoint that shows nothing but chassis: one asset per root chassis, twins merged."""
    groups: dict[tuple[object, ...], Group] = {}
    for uri in roots(harvest):
        payload = harvest.resources[uri]
        kind = _chassis_kind(harvest, uri, payload)
        serial = names.telling(payload.get("SerialNumber"))
        twin = (serial, payload.get("Model")) if serial else (uri,)
        found = groups.get(_hashable(twin))
        if found is None:
            groups[_hashable(twin)] = Group(key=key_of(uri), kind=kind, primary=uri, chassis=[uri])
        else:
            found.chassis.append(uri)
    return list(groups.values())


def _hashable(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(each) for each in values)


def _chassis_kind(harvest: Harvest, uri: str, payload: Payload) -> AssetKind:
    if word(payload, "ChassisType") == "Shelf" and _has(payload, "PowerSubsystem", "Power"):
        return AssetKind.POWER_SHELF
    if word(payload, "ChassisType") in {"HeatExchanger", "ImmersionTank"}:
        return AssetKind.CDU
    if word(payload, "ChassisType") == "Card" and harvest.under(uri, "NetworkAdapter"):
        return AssetKind.DPU
    if harvest.under(uri, "LeakDetector") and not _has(payload, "Power", "PowerSubsystem"):
        return AssetKind.LEAK
    return AssetKind.CHASSIS


def _has(payload: Payload, *names_: str) -> bool:
    return any(payload.get(name) for name in names_)


def managers_of(harvest: Harvest, uri: str, payload: Payload) -> list[str]:
    found = dict.fromkeys(linked(harvest, payload, "ManagedBy", "Manager"))
    for each, manager in harvest.of_type("Manager"):
        for name in ("ManagerForServers", "ManagerForSwitches", "ManagerForChassis"):
            if uri in {u for u, _ in harvest.follow(manager, name)}:
                found[each] = None
    return list(found)


def _give_chassis(harvest: Harvest, groups: list[Group]) -> None:
    """Each group gets the chassis that it alone is linked with, and all that these contain."""
    parents = parents_of(harvest)
    wanted: dict[str, list[Group]] = {}
    for group in groups:
        for uri in (group.primary, *group.systems):
            payload = harvest.resources.get(uri, {})
            for chassis in dict.fromkeys((*group.chassis, *chassis_of(harvest, uri, payload))):
                if group not in wanted.setdefault(chassis, []):
                    wanted[chassis].append(group)
    for uri, _ in harvest.of_type("Chassis"):
        holder, climbed = uri, set[str]()
        while holder not in wanted and holder in parents and holder not in climbed:
            climbed.add(holder)
            holder = parents[holder]
        takers = wanted.get(holder, [])
        if len(takers) == 1 and uri not in takers[0].chassis:
            takers[0].chassis.append(uri)
    _give_outer_chassis(harvest, parents, groups, wanted)


def _give_outer_chassis(
    harvest: Harvest, parents: Mapping[str, str], groups: list[Group], wanted: Iterable[str]
) -> None:
    """Rule 6. What several groups want is nobody's, and so is what holds it."""
    holders = dict.fromkeys(wanted, "") | {u: group.key for group in groups for u in group.chassis}
    contents: dict[str, set[str]] = {}
    for uri, _ in harvest.of_type("Chassis"):
        for outer in path_out(harvest, parents, uri)[1:] if uri in holders else ():
            contents.setdefault(outer, set()).add(holders[uri])
    for group in groups:
        group.chassis += [
            outer
            for outer, held in contents.items()
            if held == {group.key} and outer not in holders
        ]


def _shared_chassis(harvest: Harvest, groups: list[Group]) -> list[Group]:
    """Rule 4: the main chassis that no single one of several nodes or switches owns."""
    if sum(group.kind in {AssetKind.NODE, AssetKind.SWITCH} for group in groups) < 2:
        return []
    taken = {uri for group in groups for uri in group.chassis}
    left = [uri for uri in roots(harvest) if uri not in taken]
    shared = [
        Group(key=key_of(uri), kind=AssetKind.CHASSIS, primary=uri, chassis=[uri])
        for uri in left
        if word(harvest.resources[uri], "ChassisType") in MAIN_CHASSIS
    ]
    parents = parents_of(harvest)
    for uri, _ in harvest.of_type("Chassis"):
        outer = parents.get(uri)
        for group in shared:
            if outer in group.chassis and uri not in taken and uri not in group.chassis:
                group.chassis.append(uri)
    return shared


def _give_managers(harvest: Harvest, groups: list[Group]) -> None:
    """A manager belongs to the group that it alone manages; a shared one to none."""
    managed: dict[str, list[Group]] = {}
    for group in groups:
        for uri in (group.primary, *group.systems, *group.chassis):
            for manager in managers_of(harvest, uri, harvest.resources.get(uri, {})):
                if group not in managed.setdefault(manager, []):
                    managed[manager].append(group)
    for uri, holders in managed.items():
        nodes = [group for group in holders if group.kind is AssetKind.NODE] or holders
        if len(nodes) == 1:
            nodes[0].managers.append(uri)


def _claims(harvest: Harvest, groups: list[Group]) -> dict[str, str]:
    claims: dict[str, str] = {}
    for group in groups:
        for uri in group.resources:
            claims.setdefault(uri, group.key)
    for group in groups:
        for uri in group.systems:
            for part in _listed_by(harvest, uri):
                claims.setdefault(part, group.key)
    return claims


def _listed_by(harvest: Harvest, system: str) -> Iterable[str]:
    """Parts that a system lists as its own though they stand elsewhere (a composed system's)."""
    payload = harvest.resources.get(system, {})
    for name in ("Processors", "Memory", "Storage", "SimpleStorage", "PCIeDevices"):
        for uri, part in harvest.follow(payload, name):
            yield uri
            if name == "Storage":
                yield from (u for u, _ in harvest.follow(part, "Drives"))
    for _, interface in harvest.follow(payload, "NetworkInterfaces"):
        yield from (u for u, _ in harvest.follow(interface, "NetworkAdapter"))


def _fallback(groups: list[Group]) -> str:
    """Rule 7."""
    nodes = [group for group in groups if group.kind is AssetKind.NODE]
    shared = [group for group in groups if group.kind is AssetKind.CHASSIS]
    for found in (nodes, shared, groups):
        if len(found) == 1:
            return found[0].key
    return shared[0].key if shared else ""
