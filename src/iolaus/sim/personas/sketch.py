"""Drawing a machine: how a persona says what its management controller serves.

A persona is drawn once and shared by every device of its kind, so nothing that differs between
two devices may stand in it. What differs is left open as a marker, which the device's own tree
fills in when a resource is read: serial numbers, UUIDs, MAC addresses and its place (`own_*`),
and values that move (`live`). Markers are plain strings, so a drawing stays JSON and can be
checked against the DMTF's schemas after filling in.

Paths are written without "/redfish/v1/". Collections fill themselves from the resources drawn
below them, in the order of drawing, so a member count can never be wrong by accident. A maker's
mistake is drawn as a mistake and listed among the persona's quirks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = dict[str, Any]
ROOT: Final = "/redfish/v1"
OPEN, CLOSE = "\u2039", "\u203a"

VERSIONS: Final[Mapping[str, str]] = {
    "AccountService": "v1_11_0",
    "Battery": "v1_2_0",
    "BatteryMetrics": "v1_0_0",
    "Bios": "v1_2_0",
    "Certificate": "v1_9_0",
    "CertificateService": "v1_0_4",
    "Chassis": "v1_22_0",
    "Circuit": "v1_7_0",
    "ComponentIntegrity": "v1_2_0",
    "ComputerSystem": "v1_20_0",
    "Control": "v1_3_0",
    "CoolantConnector": "v1_0_1",
    "CoolingLoop": "v1_0_2",
    "CoolingUnit": "v1_1_0",
    "Drive": "v1_17_0",
    "EnvironmentMetrics": "v1_3_0",
    "EthernetInterface": "v1_9_0",
    "EventService": "v1_10_0",
    "Fabric": "v1_3_0",
    "Fan": "v1_5_0",
    "Filter": "v1_0_0",
    "LeakDetection": "v1_0_0",
    "LeakDetector": "v1_1_0",
    "LogEntry": "v1_15_0",
    "LogService": "v1_4_0",
    "Manager": "v1_17_0",
    "ManagerAccount": "v1_10_0",
    "ManagerNetworkProtocol": "v1_9_0",
    "Memory": "v1_19_0",
    "MetricReport": "v1_5_0",
    "MetricReportDefinition": "v1_4_2",
    "NetworkAdapter": "v1_9_0",
    "NetworkDeviceFunction": "v1_9_0",
    "Outlet": "v1_4_0",
    "PCIeDevice": "v1_12_0",
    "PCIeFunction": "v1_5_0",
    "Port": "v1_10_0",
    "PortMetrics": "v1_5_0",
    "Power": "v1_7_1",
    "PowerDistribution": "v1_4_0",
    "PowerDistributionMetrics": "v1_3_0",
    "PowerEquipment": "v1_2_0",
    "PowerSubsystem": "v1_1_0",
    "PowerSupply": "v1_5_0",
    "PowerSupplyMetrics": "v1_1_0",
    "Processor": "v1_18_0",
    "ProcessorMetrics": "v1_6_0",
    "Pump": "v1_0_1",
    "Reservoir": "v1_0_0",
    "Role": "v1_3_1",
    "SecureBoot": "v1_1_0",
    "Sensor": "v1_7_0",
    "ServiceRoot": "v1_15_0",
    "SessionService": "v1_1_8",
    "SoftwareInventory": "v1_10_0",
    "Storage": "v1_15_0",
    "StorageController": "v1_7_0",
    "Switch": "v1_9_0",
    "TaskService": "v1_2_0",
    "TelemetryService": "v1_3_1",
    "Thermal": "v1_7_1",
    "ThermalEquipment": "v1_0_0",
    "ThermalMetrics": "v1_0_1",
    "ThermalSubsystem": "v1_3_0",
    "TrustedComponent": "v1_3_0",
    "UpdateService": "v1_14_0",
    "VirtualMedia": "v1_6_0",
    "Volume": "v1_9_0",
}


def ok(**more: Any) -> Json:
    return {"State": "Enabled", "Health": "OK", **more}


def uri(path: str) -> str:
    return f"{ROOT}/{path}"


def at(path: str) -> Json:
    """A link."""
    return {"@odata.id": uri(path)}


def all_at(paths: Iterable[str]) -> list[Json]:
    return [at(path) for path in paths]


def own_serial(pattern: str, key: str) -> str:
    """A serial number: '#' is a digit, '@' a capital letter, '*' either."""
    return f"{OPEN}serial|{pattern}|{key}{CLOSE}"


def own_uuid(key: str) -> str:
    return f"{OPEN}uuid|{key}{CLOSE}"


def own_mac(oui: str, key: str) -> str:
    """A MAC address below the maker's prefix, as "B8:3F:D2"."""
    return f"{OPEN}mac|{oui}|{key}{CLOSE}"


def own_guid(oui: str, key: str) -> str:
    """An InfiniBand GUID below the maker's prefix."""
    return f"{OPEN}guid|{oui}|{key}{CLOSE}"


def own_name() -> str:
    return f"{OPEN}name{CLOSE}"


def own_address() -> str:
    return f"{OPEN}address{CLOSE}"


def own_time() -> str:
    """The device's own idea of the time."""
    return live_text("time")


def own_label(label: str) -> str:
    """A label of its seat (rack, row, hall) as text."""
    return f"{OPEN}label|{label}{CLOSE}"


def own_number(label: str) -> str:
    """A label of its seat (u) as a number, null where it has none."""
    return f"{OPEN}=label|{label}{CLOSE}"


def live(name: str, digits: int = 1) -> str:
    """A value that moves, as JSON (number, text or null): "gpu_w.3" is the power of GPU 3."""
    return f"{OPEN}=live|{name}|{digits}{CLOSE}"


def live_text(name: str) -> str:
    """A value that moves, inside a text."""
    return f"{OPEN}live|{name}{CLOSE}"


class Sketch:
    """A tree being drawn. `put` adds a resource, `collect` a collection that fills itself."""

    def __init__(self, *, slash: bool = False, **versions: str) -> None:
        """`slash`: every link ends in "/", as some makers write them. `versions` overrule the
        usual schema versions."""
        self._slash = slash
        self._versions = {**VERSIONS, **versions}
        self._drawn: dict[str, Json] = {}
        self._collected: dict[str, list[str]] = {}

    def put(self, path: str, kind: str, name: str, *, below: Any = "", **fields: Any) -> str:
        """Draw the resource `path` of the schema `kind`. A field that is None is left out;
        `below` names properties that link to what stands under this path by the same name."""
        assert path not in self._drawn, f"drawn twice: {path}"
        head: Json = {
            "@odata.id": uri(path),
            "@odata.type": f"#{kind}.{self._versions[kind]}.{kind}",
            "Id": path.rpartition("/")[2],
            "Name": name,
        }
        self._drawn[path] = head | {k: v for k, v in fields.items() if v is not None}
        self._drawn[path] |= {name: at(f"{path}/{name}") for name in below.split()}
        parent = path.rpartition("/")[0]
        if parent in self._collected:
            self._collected[parent].append(path)
        return path

    def piece(
        self, path: str, maker: str, model: str, *, kind: str = "Component", **fields: Any
    ) -> str:
        """A chassis: whatever has a place and a serial number."""
        self.collect("Chassis", "Chassis", "Chassis Collection")
        fields = {"SerialNumber": own_serial("183############", path), "Status": ok(), **fields}
        name = fields.pop("Name", path.rpartition("/")[2])
        return self.put(
            path,
            "Chassis",
            name,
            ChassisType=kind,
            Manufacturer=maker,
            Model=model,
            PowerState=live("power_state"),
            **fields,
        )

    def collect(self, path: str, item: str, name: str = "") -> str:
        """Draw the collection `path` of `item`s; what is put below it becomes its members."""
        if path not in self._collected:
            self._collected[path] = []
            self._drawn[path] = {
                "@odata.id": uri(path),
                "@odata.type": f"#{item}Collection.{item}Collection",
                "Name": name or f"{item} Collection",
            }
        return path

    def field(self, path: str, name: str, value: Any) -> None:
        """Set one more field of a resource already drawn."""
        self._drawn[path][name] = value

    def peek(self, path: str) -> Json:
        return self._drawn[path]

    def every(self, kind: str) -> list[Json]:
        """All resources drawn so far of a schema."""
        head = f"#{kind}."
        return [body for body in self._drawn.values() if body["@odata.type"].startswith(head)]

    def finish(self) -> dict[str, Json]:
        """URI -> resource, the service root as "/redfish/v1"."""
        for path, members in self._collected.items():
            self._drawn[path] |= {
                "Members@odata.count": len(members),
                "Members": all_at(members),
            }
        drawn = {uri(path) if path else ROOT: body for path, body in self._drawn.items()}
        return {path: slashed(body) for path, body in drawn.items()} if self._slash else drawn


def slashed(value: Any) -> Any:
    """The value with a slash at the end of every resource's address in a link."""
    if isinstance(value, dict):
        return {
            name: _slashed_link(inner) if name == "@odata.id" else slashed(inner)
            for name, inner in value.items()
        }
    return [slashed(inner) for inner in value] if isinstance(value, list) else value


def _slashed_link(link: str) -> str:
    address, hash_sign, inside = link.partition("#")
    return f"{address.rstrip('/')}/{hash_sign}{inside}"
