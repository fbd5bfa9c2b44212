"""A machine drawn from what somebody knows of it: the flat facts of an endpoint as a Redfish tree.

Who has discovered a machine knows its parts, sensors and firmware by their URIs, but not its
answers word for word. A likeness puts each fact back at its URI, with the type that the URI's
place says, and adds what holds them together: collections, links, the services that a client
expects. It is an approximation: what nobody asked for is not there, and what was out of line in
the original is in line here.

`Facts` are plain objects with the field names of `iolaus inspect -o json`; nothing of the product
is used to read them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from iolaus.sim.rehearsal.places import (
    CONNECTED,
    CONTEXTS,
    EQUIPMENT,
    KINDS,
    LEAKS,
    LEGACY,
    LIMITS,
    METERED,
    PROCESSORS,
    RESETS,
    SIDES,
    WHOLE,
    type_at,
    version_of,
)
from iolaus.sim.tree import ROOT, Resource, canonical

Fact = Mapping[str, Any]
SYSTEMS, CHASSIS, MANAGERS = f"{ROOT}/Systems", f"{ROOT}/Chassis", f"{ROOT}/Managers"
INVENTORY: Final = f"{ROOT}/UpdateService/FirmwareInventory"


class Facts(NamedTuple):
    """What is known of one endpoint. Each asset has a `name`, a `kind` and what else is known;
    all else says by `node` which asset it belongs to, and by `uri` where it was read."""

    assets: Sequence[Fact]
    components: Sequence[Fact] = ()
    sensors: Sequence[Fact] = ()
    firmware: Sequence[Fact] = ()


def likeness(facts: Facts) -> dict[str, Resource]:
    """URI -> resource. Never raises, whatever the facts lack."""
    drawing = Drawing(facts)
    for asset in facts.assets:
        drawing.asset(asset)
    for part in facts.components:
        drawing.component(part)
    for sensor in facts.sensors:
        drawing.sensor(sensor)
    for entry in facts.firmware:
        drawing.entry(entry)
    drawing.services()
    drawing.join()
    return drawing.resources


class Drawing:
    def __init__(self, facts: Facts) -> None:
        self.resources: dict[str, Resource] = {ROOT: {}}
        self._facts = facts
        self._lists: dict[str, dict[str, dict[int, Resource]]] = defaultdict(dict)
        self._boards = {page_of(p["uri"]) for p in facts.components if p.get("type") == "board"}
        self._primary = {asset["name"]: self._place(asset) for asset in facts.assets}
        self._parts = {(p["node"], p["name"]): page_of(p["uri"]) for p in facts.components}

    # One fact each

    def asset(self, asset: Fact) -> None:
        uri, kind = self._primary[asset["name"]], asset["kind"]
        found = self.at(uri)
        found |= known(
            Manufacturer=raw(asset, "vendor"),
            Model=raw(asset, "model") or asset.get("model"),
            SerialNumber=asset.get("serial"),
            UUID=asset.get("uuid"),
            SKU=asset.get("sku"),
            PartNumber=asset.get("part_number"),
            AssetTag=asset.get("asset_tag"),
            PowerState=asset.get("power_state") or "On",
        )
        found["Status"] = status(asset.get("health"), "Enabled")
        if uri.startswith(f"{SYSTEMS}/"):
            self._system(uri, asset, found)
        elif kind in EQUIPMENT:
            found |= known(EquipmentType=EQUIPMENT[kind][1])
        self._chassis_of(asset["name"], uri, kind)
        for n, chip in enumerate(self._chips(asset)):
            total, chips = asset.get("counts", {}).get("port") or 0, len(self._chips(asset))
            self._ports(asset, chip, total // chips + (total % chips if n == 0 else 0))

    def component(self, part: Fact) -> None:
        found = self._fact_at(part["uri"], name=part["name"])
        found |= known(
            Manufacturer=part.get("vendor"),
            Model=part.get("model"),
            SerialNumber=part.get("serial"),
            PartNumber=part.get("part_number"),
            FirmwareVersion=part.get("firmware"),
            UUID=part.get("uuid"),
        )
        found["Status"] = status(part.get("health"), part.get("state"))
        kind, readings = str(part.get("type")), part.get("readings") or {}
        found |= dict(_sized(kind, readings))
        if kind == "memory" and ("GPU" in part["uri"] or "HBM" in str(part["name"])):
            found["MemoryDeviceType"] = "HBM3E"
        if kind in PROCESSORS:
            found["ProcessorType"] = PROCESSORS[kind]
        if kind == "board":
            found["ChassisType"] = "Module"
        if part.get("location"):
            found["Location"] = {"PartLocation": {"ServiceLabel": part["location"]}}

    def sensor(self, sensor: Fact) -> None:
        uri, value, quantity = sensor["uri"], sensor.get("value"), sensor["quantity"]
        if quantity == "Leak":
            found = self._fact_at(uri, name=sensor["name"])
            found["DetectorState"] = LEAKS.get(value) if value is not None else "Unavailable"
            found["Status"] = status(sensor.get("status"), "Enabled")
            return
        page, _, pointer = uri.partition("#")
        if pointer:
            self._excerpt(canonical(page), pointer, sensor)
            return
        found = self._fact_at(uri, name=sensor["name"])
        found |= {"ReadingType": quantity, "ReadingUnits": sensor.get("unit"), "Reading": value}
        found["Status"] = status(sensor.get("status"), "Enabled")
        found |= known(PhysicalContext=CONTEXTS.get(str(sensor.get("role"))))
        part = self._parts.get((sensor["node"], sensor.get("component")))
        found |= known(RelatedItem=[at(part)] if part else None)
        found |= known(Thresholds=dict(_thresholds(sensor.get("limits") or {})) or None)
        self._metered(canonical(page), sensor, part)

    def entry(self, entry: Fact) -> None:
        page = self._fact_at(entry["uri"], name=entry["component"])
        page |= {"Version": entry.get("version"), "Updateable": entry.get("updateable")}
        page |= known(Manufacturer=entry.get("vendor"))
        page["Status"] = status("OK", entry.get("state"))
        if len(self._primary) > 1 and (owner := self._primary.get(str(entry["node"]))):
            page["RelatedItem"] = [at(owner)]

    # What holds them together

    def services(self) -> None:
        first = self._facts.assets[0] if self._facts.assets else {}
        root = self.at(ROOT)
        version = first.get("redfish_version") or "1.15.0"
        root |= {"Id": "RootService", "Name": "Root Service", "RedfishVersion": version}
        root |= known(Vendor=raw(first, "vendor"), Product=first.get("model"))
        root["Links"] = {"Sessions": at(f"{ROOT}/SessionService/Sessions")}
        self.at(f"{ROOT}/SessionService/Sessions")
        self.at(f"{ROOT}/TaskService/Tasks")
        self.at(f"{ROOT}/EventService/Subscriptions")
        events = self.at(f"{ROOT}/EventService")
        events |= {"ServiceEnabled": True, "ServerSentEventUri": f"{ROOT}/EventService/SSE"}
        self._manager(first)
        if any(INVENTORY in uri for uri in self.resources):
            action = f"{ROOT}/UpdateService/Actions/UpdateService.SimpleUpdate"
            simple = {"#UpdateService.SimpleUpdate": {"target": action}}
            self.at(f"{ROOT}/UpdateService").update(ServiceEnabled=True, Actions=simple)

    def join(self) -> None:
        """Every resource is below another, and is listed or linked there."""
        for page, arrays in self._lists.items():
            for name, entries in arrays.items():
                last = max(entries)
                self.at(page)[name] = [entries.get(n, {}) for n in range(last + 1)]
        for uri in list(self.resources):
            self._ancestors(uri)
        for uri in sorted(self.resources, key=lambda each: each.count("/")):
            if uri != ROOT:
                self._listed(uri)
        for body in self.resources.values():
            if "Members" in body:
                body.setdefault("Members@odata.count", len(body["Members"]))

    def at(self, uri: str) -> Resource:
        """The resource there, begun if need be."""
        found = self.resources.setdefault(uri, {})
        if "@odata.id" not in found:
            kind = type_at(uri)
            collection = kind.endswith("Collection")
            typed = f"#{kind}.{kind}" if collection else f"#{kind}.{version_of(kind)}.{kind}"
            last = uri.rpartition("/")[2]
            found |= {"@odata.id": uri, "@odata.type": typed, "Id": last, "Name": last}
            if collection:
                found["Members"] = []
        return found

    def _fact_at(self, uri: str, *, name: str) -> Resource:
        """A resource by itself, or an entry in an array of a legacy table."""
        page, _, pointer = uri.partition("#")
        if not pointer:
            found = self.at(canonical(page))
            found["Name"] = name
            return found
        parts = pointer.strip("/").split("/")
        entry = self._slot(canonical(page), parts[0], parts[1] if len(parts) > 1 else "0")
        entry.setdefault("Name", name)
        return entry

    def _slot(self, page: str, array: str, index: str) -> Resource:
        self.at(page)
        entries = self._lists[page].setdefault(array, {})
        return entries.setdefault(int(index) if index.isdigit() and len(index) < 4 else 0, {})

    def _excerpt(self, page: str, pointer: str, sensor: Fact) -> None:
        """A value inside another resource: of a legacy table, or an excerpt of a sensor."""
        parts, value = pointer.strip("/").split("/"), sensor.get("value")
        if len(parts) > 1 and parts[1].isdigit():
            entry = self._slot(page, parts[0], parts[1])
            name = parts[2] if len(parts) > 2 else LEGACY.get(parts[0], "Reading")
            entry |= {name: value, "Status": status(sensor.get("status"), "Enabled")}
            if len(parts) == 2:
                entry["Name"] = sensor["name"]
            entry |= known(
                PhysicalContext=CONTEXTS.get(str(sensor.get("role"))),
                ReadingUnits=sensor.get("unit") if name == "Reading" else None,
            )
            return
        found = self.at(page)
        for part in parts[:-1]:
            found = found.setdefault(part, {})
        found[parts[-1]] = {"Reading": value}

    def _metered(self, uri: str, sensor: Fact, part: str | None) -> None:
        """The excerpt that says what a sensor measures: a part, or the whole machine's power."""
        role, excerpt = str(sensor.get("role")), {"DataSourceUri": uri}
        value = {**excerpt, "Reading": sensor.get("value")}
        owner = self._primary.get(str(sensor["node"]), "")
        if part and role in METERED:
            tail, name = METERED[role]
            self.at(f"{part}{tail}")[name] = value
        elif "ThermalEquipment" in owner and (place := connected(role)):
            self.at(f"{owner}/{place[0]}")[place[1]] = value
        elif role == "pdu_power" and owner:
            self.at(f"{owner}/Metrics")["PowerWatts"] = value
        elif role in WHOLE:
            self.at(f"{uri.partition('/Sensors/')[0]}/EnvironmentMetrics")["PowerWatts"] = value

    def _system(self, uri: str, asset: Fact, found: Resource) -> None:
        found["SystemType"] = "DPU" if asset["kind"] == "dpu" else "Physical"
        found["HostName"] = asset.get("hostname") or asset["name"]
        found |= known(
            MemorySummary={"TotalSystemMemoryGiB": asset["memory_gib"]}
            if asset.get("memory_gib")
            else None
        )
        reset = {"target": f"{uri}/Actions/ComputerSystem.Reset"}
        reset["ResetType@Redfish.AllowableValues"] = RESETS  # type: ignore[assignment]
        found["Actions"] = {"#ComputerSystem.Reset": reset}

    def _chassis_of(self, name: str, uri: str, kind: str) -> None:
        """The chassis in which its parts and sensors stand are its own."""
        mine = [c for c, owner in self._owners(CHASSIS).items() if owner == name and c != uri]
        if uri.startswith(f"{CHASSIS}/"):
            self.at(uri)["ChassisType"] = "Shelf" if kind == "powershelf" else "RackMount"
            outer = {"ContainedBy": at(uri)}
            for chassis in mine:
                self.at(chassis).setdefault("Links", {}).update(outer)
            return
        for chassis in mine:
            if chassis not in self._boards:
                self.at(chassis).setdefault("ChassisType", "RackMount")
        shared = [u for n, u in self._primary.items() if n != name and u.startswith(CHASSIS)]
        linked = [at(chassis) for chassis in (*mine, *shared)]
        self.at(uri).setdefault("Links", {})["Chassis"] = linked

    def _chips(self, asset: Fact) -> list[str]:
        """The switches of a switch: its chips, or itself."""
        if asset["kind"] != "switch":
            return []
        parts = [p for p in self._facts.components if p["node"] == asset["name"]]
        chips = [canonical(p["uri"]) for p in parts if p.get("type") == "switch"]
        return chips or [f"{ROOT}/Fabrics/Fabric/Switches/1"]

    def _ports(self, asset: Fact, switch: str, count: int) -> None:
        chip = self.at(switch)
        chip.setdefault("SwitchType", "Ethernet" if "thernet" in switch else "NVLink")
        chip.setdefault("Status", status(asset.get("health"), "Enabled"))
        owner = next((u for u in self._primary.values() if u.startswith(CHASSIS)), None)
        chip.setdefault("Links", {}).update(known(Chassis=at(owner) if owner else None))
        ports = self.at(f"{switch}/Ports")
        ports["Members"] = [at(f"{switch}/Ports/{n}") for n in range(count)]

    def _manager(self, first: Fact) -> None:
        managers = [u for u in self.resources if u.rpartition("/")[0] == MANAGERS]
        manager = self.at(managers[0] if managers else f"{MANAGERS}/BMC")
        manager |= known(ManagerType="BMC", FirmwareVersion=first.get("bmc_firmware"))
        manager.setdefault("Status", status("OK", "Enabled"))
        systems = [u for u in self.resources if u.rpartition("/")[0] == SYSTEMS]
        manager["Links"] = {"ManagerForServers": [at(uri) for uri in systems]}

    def _place(self, asset: Fact) -> str:
        """Where the asset itself stands, by where most of what is its own stands."""
        kind, name = asset["kind"], asset["name"]
        if asset.get("uri"):
            return canonical(asset["uri"])
        if kind in EQUIPMENT:
            place = EQUIPMENT[kind][0]
            return next(iter(self._below(place, name)), f"{place}/1")
        if kind in ("node", "dpu") or (kind == "switch" and self._below(SYSTEMS, name)):
            hosts = self._below(SYSTEMS, name) or [f"{SYSTEMS}/1"]
            return min(hosts, key=lambda uri: self._accelerators(uri))
        return next((c for c in self._below(CHASSIS, name) if c not in self._boards),
                    f"{CHASSIS}/1")  # fmt: skip

    def _accelerators(self, system: str) -> float:
        """The share of its parts that are accelerators: a satellite has most."""
        parts = [p for p in self._facts.components if str(p["uri"]).startswith(f"{system}/")]
        bad = [p for p in parts if p.get("type") in ("gpu", "accelerator") or "GPU" in p["name"]]
        return len(bad) / len(parts) if parts else 1.0

    def _below(self, place: str, name: str) -> list[str]:
        """The members of this place that are the asset's, most of it first."""
        counted: Counter[str] = Counter()
        for fact in (*self._facts.components, *self._facts.sensors):
            if fact["node"] == name and (member := member_of(str(fact["uri"]), place)):
                counted[member] += 1
        return [uri for uri, _ in counted.most_common()]

    def _owners(self, place: str) -> dict[str, str]:
        """By member of this place: the asset that most of its contents belong to."""
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for fact in (*self._facts.components, *self._facts.sensors):
            if member := member_of(str(fact["uri"]), place):
                counted[member][str(fact["node"])] += 1
        return {member: owners.most_common(1)[0][0] for member, owners in counted.items()}

    def _ancestors(self, uri: str) -> None:
        above = uri.rpartition("/")[0]
        while above.startswith(ROOT) and above not in self.resources:
            self.at(above)
            above = above.rpartition("/")[0]

    def _listed(self, uri: str) -> None:
        above, _, last = uri.rpartition("/")
        holder = self.resources.get(above)
        if holder is None:
            return
        if "Members" in holder:
            link = at(uri)
            if link not in holder["Members"]:
                holder["Members"].append(link)
        elif last == "Drives" and "/Storage/" in above:
            members = [u for u in self.resources if u.rpartition("/")[0] == uri]
            holder["Drives"] = [at(member) for member in members]
        else:
            holder.setdefault({"TaskService": "Tasks"}.get(last, last), at(uri))


def connected(role: str) -> tuple[str, str] | None:
    """(below a coolant unit, property) of the excerpt for a reading of its coolant."""
    if role == "heat_removed":
        return SIDES["coolant"], "HeatRemovedkW"
    if role == "coolant_level":
        return "Reservoirs/1", "FluidLevelPercent"
    side, _, what = role.partition("_")
    return (SIDES[side], CONNECTED[what]) if side in SIDES and what in CONNECTED else None


def page_of(uri: str) -> str:
    return canonical(str(uri).partition("#")[0])


def member_of(uri: str, place: str) -> str:
    """The member of a collection that this URI is of or below; "" if it is neither."""
    if not uri.startswith(f"{place}/"):
        return ""
    return f"{place}/{uri.removeprefix(f'{place}/').partition('/')[0].partition('#')[0]}"


def at(uri: str) -> Resource:
    return {"@odata.id": uri}


def known(**fields: Any) -> Resource:
    return {name: value for name, value in fields.items() if value is not None}


def raw(asset: Fact, field: str) -> Any:
    """The device's own word where it is kept, else ours."""
    return (asset.get("raw") or {}).get(field) or asset.get(field)


def status(health: Any, state: Any) -> Resource:
    return {"State": state or "Enabled", "Health": health}


def _sized(kind: str, readings: Mapping[str, float]) -> Iterator[tuple[str, Any]]:
    for name, (field, factor) in KINDS.get(kind, {}).items():
        if name in readings:
            yield field, round(readings[name] * factor)


def _thresholds(limits: Mapping[str, float]) -> Iterator[tuple[str, Resource]]:
    for name, value in limits.items():
        word = "".join(part.capitalize() for part in name.split("_"))
        if word in LIMITS:
            yield word, {"Reading": value}


def shape_of(resources: Mapping[str, Resource]) -> frozenset[str]:
    """What two machines of one kind have in common: resources, models, firmware, and what is
    amiss or off."""
    found = set(resources)
    for uri, body in resources.items():
        state = body.get("Status")
        health = state.get("Health") if isinstance(state, dict) else None
        if health not in (None, "OK"):
            found.add(f"{uri} {health}")
        for name in ("Version", "Model", "DetectorState"):
            found |= {f"{uri} {name} {body[name]}"} if name in body else set()
        if body.get("PowerState") == "Off":
            found.add(f"{uri} is off")
    return frozenset(found)
