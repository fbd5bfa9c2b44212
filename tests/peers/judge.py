"""Two listings of one device laid side by side, and a reason for every difference.

What both list at the same place must have the same serial, version or value. What only one lists
needs a reason that this module can prove from the device's own JSON, from what the peer asked for,
or from the rest of our answer. A difference without one is unexplained, and a test fails.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.peers.followed import clean
from tests.peers.theirs import Entry, Listing, System, reading_place

Tree = Mapping[str, Any]
Ours = Mapping[str, Any]

UNEXPLAINED = "UNEXPLAINED"
PASCAL = {"PSI": 6894.757293168, "kPa": 1000.0}
SAME_UNIT = {
    "C": ("Cel",),
    "Celsius": ("Cel",),
    "degrees": ("Cel",),
    "Percent": ("%",),
    "kW": ("kW.h",),
}
BLANK = {"", "n/a", "none", "null", "undefined", "unknown"}


class Difference(NamedTuple):
    """`side` is who lists it: "peer", "iolaus", or "both" where they say different things."""

    side: str
    uri: str
    name: str
    reason: str


class Verdict(NamedTuple):
    agreed: int
    differences: tuple[Difference, ...]
    failed: str = ""

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        return tuple(each for each in self.differences if each.reason == UNEXPLAINED)


def judge(listing: Listing, ours: Mapping[str, Any], reasons: Reasons) -> Verdict:
    """`ours` is place -> our entry."""
    if listing.failed:
        return Verdict(0, (), listing.failed)
    agreed, differences, met = 0, [], set[str]()
    for entry in listing.entries:
        mine = ours.get(entry.uri)
        if mine is not None:
            met.add(entry.uri)
        reason = reasons.of_pair(entry, mine) if mine is not None else reasons.of_theirs(entry)
        if reason is None:
            agreed += 1
        else:
            side = "peer" if mine is None else "both"
            differences.append(Difference(side, entry.uri, entry.name, reason))
    for uri, mine in ours.items():
        if uri not in met and uri not in reasons.nameless:
            reason = reasons.of_ours(uri, mine, listing.asked)
            differences.append(Difference("iolaus", uri, str(mine["name"]), reason))
    return Verdict(agreed, tuple(differences))


class Reasons:
    """Why listings differ; `None` means that they agree. `nameless`: places of ours that a peer's
    line without a place stands for."""

    def __init__(self, tree: Tree, ours: Ours) -> None:
        self.tree, self.ours = tree, ours
        self.nameless: set[str] = set()

    def of_pair(self, entry: Entry, mine: Mapping[str, Any]) -> str | None:
        raise NotImplementedError

    def of_theirs(self, entry: Entry) -> str | None:
        raise NotImplementedError

    def of_ours(self, uri: str, mine: Mapping[str, Any], asked: frozenset[str]) -> str:
        raise NotImplementedError

    def body(self, uri: str) -> Any:
        """The device's own JSON at `uri#/pointer`."""
        found: Any = self.tree.get(clean(uri))
        for step in uri.partition("#")[2].split("/")[1:]:
            found = found[int(step)] if isinstance(found, list) else (found or {}).get(step)
        return found

    def absent(self, uri: str) -> bool:
        """Whether the thing that holds this place says it is not there."""
        while uri:
            body = self.body(uri)
            if isinstance(body, dict) and (body.get("Status") or {}).get("State") == "Absent":
                return True
            uri = uri.rpartition("/")[0] if "#/" in uri else ""
        return False


class Inventory(Reasons):
    def of_pair(self, entry: Entry, mine: Mapping[str, Any]) -> str | None:
        if blank(entry.said) == blank(mine["serial"]):
            return None
        if clean(entry.uri) != entry.asked_at:
            return "a resource names another as itself; the peer takes its word"
        if mine["serial"] is None and _filler(entry.said):
            return "a placeholder serial is unknown to us"
        return UNEXPLAINED

    def of_theirs(self, entry: Entry) -> str | None:
        if entry.state == "Absent" or self.absent(entry.uri):
            return "an empty slot, listed by the peer"
        if entry.kind == "Chassis":
            return self._chassis(entry)
        if entry.kind == "PCIeDevices" and self._same_device(entry):
            return "the PCIe side of a part that we list once"
        if entry.kind == "Processors" and self._twin(entry):
            return "the host's processor shown again by its baseboard"
        return UNEXPLAINED

    def _chassis(self, entry: Entry) -> str:
        """A chassis that is the machine itself, or that machines stand in."""
        body = self.body(entry.uri) or {}
        inside = [clean(each["@odata.id"]) for each in _links(body, "Contains")]
        around = any(
            clean((self.tree[uri].get("Links") or {}).get("ContainedBy", {}).get("@odata.id", ""))
            == entry.uri
            for uri in self._systems_chassis()
        )
        if inside or around or not _links(body, "ContainedBy"):
            return "a chassis that is the asset, or that it stands in"
        if entry.uri in self._systems_chassis() or _links(body, "ComputerSystems"):
            return "a chassis that is the asset, or that it stands in"
        return UNEXPLAINED

    def _systems_chassis(self) -> set[str]:
        return {
            clean(link["@odata.id"])
            for uri, body in self.tree.items()
            if "ComputerSystem." in str(body.get("@odata.type"))
            for link in _links(body, "Chassis")
            if clean(link["@odata.id"]) in self.tree
        }

    def _same_device(self, entry: Entry) -> bool:
        """Another component of ours with the same serial, or the device behind one of them."""
        device = entry.uri
        parts = [part["uri"] for part in self.ours["components"]]
        pointing = (self.tree.get(clean(part)) for part in parts)
        serials = {part["serial"] for part in self.ours["components"] if part["serial"]}
        listed = {uri.rpartition("/")[2] for uri in parts if "/PCIeDevices/" in uri}
        return (
            blank(entry.said) in serials
            or device.rpartition("/")[2] in listed
            or any(device in _targets(body) for body in pointing)
        )

    def _twin(self, entry: Entry) -> bool:
        body = self.body(entry.uri) or {}
        return any(
            (self.tree.get(part["uri"]) or {}).get("Socket") == body.get("Socket")
            for part in self.ours["components"]
            if part["type"] == "cpu" and body.get("Socket")
        )

    def of_ours(self, uri: str, mine: Mapping[str, Any], asked: frozenset[str]) -> str:
        kind = mine["type"]
        if kind in ("psu", "fan", "bmc", "battery", "outlet", "circuit", "pump", "leakdetector"):
            return f"the peer's inventory lists no parts of the kind {kind}"
        if clean(uri) not in asked:
            return "the peer never reads it: no chassis leads it there"
        if "#/" in uri:
            return "an entry of an array that the peer reads and does not list"
        if clean((self.body(uri) or {}).get("@odata.id", uri)) != clean(uri):
            return "a resource names another as itself; the peer takes its word"
        return UNEXPLAINED


class Sensors(Reasons):
    def __init__(self, tree: Tree, ours: Ours) -> None:
        super().__init__(tree, ours)
        self._mine = {reading_place(each["uri"]): each for each in ours["sensors"]}

    def of_pair(self, entry: Entry, mine: Mapping[str, Any]) -> str | None:
        if not _same_name(entry, mine):
            return UNEXPLAINED
        if mine["value"] is None and not isinstance(entry.said, float):
            return None
        if mine["value"] is None:
            return f"unknown to us, because {_why(mine['reason'])}"
        if not isinstance(entry.said, float):
            return "the peer prints the state where it knows no property for the value"
        factor = _factor(entry.kind, mine["unit"])
        if factor and math.isclose(entry.said * factor, mine["value"], rel_tol=1e-6):
            return None
        return UNEXPLAINED

    def of_theirs(self, entry: Entry) -> str | None:
        if not isinstance(entry.said, float):
            return self._valueless(entry)
        if self.absent(entry.uri):
            return "the sensor of an empty slot, listed by the peer"
        if entry.uri.endswith("/PowerCapacityWatts"):
            holder = entry.uri.removesuffix("/PowerCapacityWatts")
            known = {part["uri"]: part["readings"] for part in self.ours["components"]}
            if known.get(holder, {}).get("power_capacity_w") == entry.said:
                return "a rating, listed by us with the component"
        if entry.uri.endswith("#/EnergykWh"):
            return self._energy(entry)
        return UNEXPLAINED

    def _valueless(self, entry: Entry) -> str | None:
        """A line without a number: a state, an empty slot, or a value nobody knows."""
        unknown = {
            place
            for place, each in self._mine.items()
            if each["value"] is None and each["name"] == entry.name and each["unit"] == entry.kind
        }
        if entry.said is None and unknown - self.nameless:
            self.nameless.add(min(unknown - self.nameless))
            return None
        if self.absent(entry.uri) or entry.state == "Absent":
            return "the sensor of an empty slot, listed by the peer"
        if entry.said is None:
            return "an excerpt without a value, printed by the peer"
        return "a part's state, not a measurement" if not entry.kind else UNEXPLAINED

    def _energy(self, entry: Entry) -> str:
        joules = self.body(entry.uri.replace("EnergykWh", "EnergyJoules"))
        source = reading_place((joules or {}).get("DataSourceUri", ""))
        mine = self._mine.get(source) or self._mine.get(entry.uri.replace("kWh", "Joules"))
        if mine is not None and math.isclose(mine["value"] or 0, entry.said * 3.6e6, rel_tol=0.2):
            return "the same energy in joules, listed once by us"
        return UNEXPLAINED

    def of_ours(self, uri: str, mine: Mapping[str, Any], asked: frozenset[str]) -> str:
        resource, _, pointer = uri.partition("#")
        if resource not in asked:
            legacy = resource.endswith(("/Power", "/Thermal"))
            if legacy:
                return "the peer skips Power and Thermal where a chassis has anything newer"
            return "the peer does not read this resource"
        if pointer.startswith("/PowerControl"):
            return "the peer skips PowerControl"
        if re.fullmatch(r"/(ApparentVA|ReactiveVAR|PowerFactor|SpeedRPM|PhaseAngle\w*)", pointer):
            return "a further value of a sensor, of which the peer lists one"
        if resource.endswith("Metrics") or "/Fans/" in resource:
            return "a property of a metrics resource that the peer does not list"
        return UNEXPLAINED


class Images(Reasons):
    def of_pair(self, entry: Entry, mine: Mapping[str, Any]) -> str | None:
        if tidy(entry.said) == tidy(mine["version"]):
            return None
        said = str(entry.said or "").strip(" \x00\x14").lower()
        if mine["version"] is None and (said in BLANK or not said.strip("0. ")):
            return "a placeholder version is unknown to us"
        return UNEXPLAINED

    def of_theirs(self, entry: Entry) -> str | None:
        return UNEXPLAINED

    def of_ours(self, uri: str, mine: Mapping[str, Any], asked: frozenset[str]) -> str:
        if clean(uri) in asked:
            return UNEXPLAINED
        if "/SoftwareInventory/" in uri:
            return "software, which the peer lists in another command"
        return "an image that only a component links to"


def systems(found: tuple[System, ...] | str, ours: Ours, tree: Tree) -> Verdict:
    """Power and identity of each system against the node that it is or belongs to."""
    if isinstance(found, str):
        return Verdict(0, (), found)
    nodes = [*ours["nodes"], *(d for d in ours["devices"] if d["kind"] in ("dpu", "switch"))]
    agreed, differences = 0, []
    for system in found:
        reason = _system_reason(system, nodes, tree)
        if reason is None:
            agreed += 1
        else:
            differences.append(Difference("peer", system.uri, system.serial or "", reason))
    return Verdict(agreed, tuple(differences))


def _system_reason(system: System, nodes: Iterable[Ours], tree: Tree) -> str | None:
    body = tree.get(system.uri) or {}
    if any(_same_system(system, node) for node in nodes):
        return None
    if body.get("SystemType") in ("Virtual", "OS") or body.get("VirtualMachines"):
        return "a virtual machine is no hardware"
    marks = ("Bios", "SecureBoot", "HostName", "BootProgress")
    if not any(mark in body for mark in marks) and "Processors" in body:
        return "a baseboard's system, part of the node beside it"
    return UNEXPLAINED


def _same_system(system: System, node: Ours) -> bool:
    """The same power state; and where both name a UUID, a serial or a model, the same one."""
    told = (system.uuid, system.serial, system.model)
    known = (node["uuid"], node["serial"], node["raw"].get("model"))
    return node["power_state"] == (blank(system.power)) and all(
        blank(theirs) is None or mine is None or str(blank(theirs)).lower() == mine.lower()
        for theirs, mine in zip(told, known, strict=True)
    )


def blank(value: object) -> str | None:
    """Text as compared: trimmed, and None where nothing was said."""
    text = " ".join(str(value).split()) if value is not None else ""
    return None if text.lower() in BLANK else text


def tidy(value: object) -> str:
    return " ".join(str(value or "").split())


def _filler(said: object) -> bool:
    """What nobody filled in: one character again and again, or a row of digits."""
    bare = re.sub(r"\W", "", str(said or ""))
    return len(set(bare)) <= 1 or bare in "01234567890"


def _why(reason: str) -> str:
    return "the sensor is not enabled" if reason.startswith("the sensor is ") else reason


def _same_name(entry: Entry, mine: Mapping[str, Any]) -> bool:
    """The device's own name for it stands in ours; the peer may add the property, we a number. A
    metrics resource gives its values no names: everyone makes up their own."""
    if clean(entry.uri).endswith("Metrics"):
        return True
    last = entry.uri.rpartition("/")[2]
    said = entry.name.removesuffix(last).strip() or entry.name
    return tidy(said).lower() in tidy(mine["name"]).lower()


def _factor(theirs: str, ours: str) -> float | None:
    """What turns a value in the unit as the device wrote it into ours; None: another quantity."""
    if theirs in ("", ours) or ours in SAME_UNIT.get(theirs, ()):
        return 1.0
    return PASCAL.get(theirs) if ours == "Pa" else None


def _links(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = (body.get("Links") or {}).get(name)
    found = found if isinstance(found, list) else [found]
    return [each for each in found if isinstance(each, dict) and "@odata.id" in each]


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "@odata.id" in value:
            yield clean(value["@odata.id"])
        for inner in value.values():
            yield from _targets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _targets(inner)
