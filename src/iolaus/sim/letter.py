"""The protocol to the letter (DSP0266): what the standard asks of every answer, and many makers
leave out. Machines of a hall keep to it (`Options.to_the_letter`); recorded ones answer as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.tree import Page

READ: Final = "GET, HEAD, OPTIONS"
SCHEMAS: Final = "http://redfish.dmtf.org/schemas/v1"
FIXED: Final = frozenset(
    (
        *("AccelerationFunction", "ActionInfo", "Aggregate", "Application"),
        *("AttributeRegistry", "BatteryMetrics", "CertificateLocations"),
        *("CompositionReservation", "ConnectionMethod", "Container", "ContainerImage"),
        *("DriveMetrics", "Event", "HeaterMetrics", "JobDocument", "JobExecutor"),
        *("JsonSchemaFile", "KeyService", "LeakDetection", "License", "LogEntry"),
        *("ManagerDiagnosticData", "MediaController", "MemoryDomain", "MemoryMetrics"),
        *("MessageRegistry", "MessageRegistryFile", "MetricReport", "NetworkAdapterMetrics"),
        *("NetworkDeviceFunctionMetrics", "NetworkInterface", "OperatingConfig"),
        *("OperatingSystem", "PortMetrics", "PowerDistributionMetrics", "PowerEquipment"),
        *("PowerSupplyMetrics", "PrivilegeRegistry", "Privileges", "ProcessorMetrics"),
        *("SecureBootDatabase", "ServiceConditions", "ServiceRoot", "Session", "Signature"),
        *("SimpleStorage", "StorageControllerMetrics", "StorageMetrics", "SwitchMetrics"),
        *("Task", "TelemetryData", "ThermalEquipment", "ThermalMetrics", "USBController"),
        *("UpdateServiceCapabilities", "VirtualCXLSwitch"),
    )
)
"""Kinds of resource that hold nothing to write: the schemas say that they are not updatable."""

_TYPE: Final = re.compile(rb'"@odata\.type":\s*"#([A-Za-z0-9_.]+)"')
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">\n'
)
_TAIL: Final = (
    '<edmx:DataServices>\n<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" '
    'Namespace="Service">\n<EntityContainer Name="Service" Extends="{root}.ServiceContainer"/>\n'
    "</Schema>\n</edmx:DataServices>\n</edmx:Edmx>\n"
)


def kind_of(page: Page) -> str:
    """ "Chassis" of "#Chassis.v1_22_0.Chassis"; "" where no type is told."""
    return _typed(page).partition(".")[0]


def link_of(page: Page) -> str:
    """The Link header: where the schema of the resource stands (8.3)."""
    typed = _typed(page).rpartition(".")[0]
    return f"<{SCHEMAS}/{typed}.json>; rel=describedby" if typed else ""


def metadata_of(device: Device) -> bytes:
    """The OData metadata document: every standard schema that the service uses (8.4.1)."""
    standard = [path for path in device.paths() if "/Oem/" not in path]
    pages = (device.page(path) for path in standard)
    spaces = {_typed(page).rpartition(".")[0] for page in pages if page is not None} - {""}
    root = next((name for name in sorted(spaces) if name.startswith("ServiceRoot.")), "ServiceRoot")
    return "".join((_HEAD, *_references(spaces), _TAIL.format(root=root))).encode()


def _references(spaces: Iterable[str]) -> Iterable[str]:
    versions: dict[str, set[str]] = {}
    for space in spaces:
        versions.setdefault(space.partition(".")[0], set()).add(space)
    for name, used in sorted(versions.items()):
        includes = "".join(f'<edmx:Include Namespace="{each}"/>' for each in sorted(used | {name}))
        yield f'<edmx:Reference Uri="{SCHEMAS}/{name}_v1.xml">{includes}</edmx:Reference>\n'


def _typed(page: Page) -> str:
    found = _TYPE.search(page.body)
    return found[1].decode("ascii") if found else ""
