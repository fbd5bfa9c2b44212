"""Which links a full reading follows, and what lies behind them.

A Redfish tree is a graph of thousands of resources, most of which say nothing about hardware.
Walking every link costs minutes on a real controller and drags in schemas, registries, log
entries and one resource per processor core. So the crawl follows only links known by name, listed
here as data: what is behind the name is a collection or a single resource, and for a few names
the walk goes on only from some types (a DIMM's EnvironmentMetrics is not worth a request). A
switch's ports are counted by their collection, which is read as one resource and not walked.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

COLLECTIONS: Final = MappingProxyType(
    {
        "Systems": "ComputerSystem",
        "Chassis": "Chassis",
        "Managers": "Manager",
        "Fabrics": "Fabric",
        "ResourceBlocks": "ResourceBlock",
        "ComponentIntegrity": "ComponentIntegrity",
        "Processors": "Processor",
        "Memory": "Memory",
        "Storage": "Storage",
        "SimpleStorage": "SimpleStorage",
        "Drives": "Drive",
        "NetworkAdapters": "NetworkAdapter",
        "PCIeDevices": "PCIeDevice",
        "EthernetInterfaces": "EthernetInterface",
        "PowerSupplies": "PowerSupply",
        "Batteries": "Battery",
        "Fans": "Fan",
        "Pumps": "Pump",
        "Sensors": "Sensor",
        "Controls": "Control",
        "LeakDetectors": "LeakDetector",
        "Reservoirs": "Reservoir",
        "PrimaryCoolantConnectors": "CoolantConnector",
        "SecondaryCoolantConnectors": "CoolantConnector",
        "Switches": "Switch",
        "LogServices": "LogService",
        "TrustedComponents": "TrustedComponent",
        "FirmwareInventory": "SoftwareInventory",
        "SoftwareInventory": "SoftwareInventory",
        "PowerShelves": "PowerDistribution",
        "RackPDUs": "PowerDistribution",
        "FloorPDUs": "PowerDistribution",
        "TransferSwitches": "PowerDistribution",
        "Switchgear": "PowerDistribution",
        "ElectricalBuses": "PowerDistribution",
        "Outlets": "Outlet",
        "Mains": "Circuit",
        "Branches": "Circuit",
        "Feeds": "Circuit",
        "Subfeeds": "Circuit",
        "CDUs": "CoolingUnit",
        "HeatExchangers": "CoolingUnit",
        "ImmersionUnits": "CoolingUnit",
        "RPUs": "CoolingUnit",
        "CoolingLoops": "CoolingLoop",
        "ComputerSystems": "ComputerSystem",
        "Certificates": "Certificate",
        "Accounts": "ManagerAccount",
        "Subscriptions": "EventDestination",
    }
)
"""Link name -> type of the collection's members."""

SINGLES: Final = MappingProxyType(
    {
        "PowerEquipment": "PowerEquipment",
        "ThermalEquipment": "ThermalEquipment",
        "UpdateService": "UpdateService",
        "CompositionService": "CompositionService",
        "TelemetryService": "TelemetryService",
        "EventService": "EventService",
        "AccountService": "AccountService",
        "Bios": "Bios",
        "SecureBoot": "SecureBoot",
        "Power": "Power",
        "Thermal": "Thermal",
        "PowerSubsystem": "PowerSubsystem",
        "ThermalSubsystem": "ThermalSubsystem",
        "ThermalMetrics": "ThermalMetrics",
        "EnvironmentMetrics": "EnvironmentMetrics",
        "LeakDetection": "LeakDetection",
        "Ports": "",
        "NetworkProtocol": "ManagerNetworkProtocol",
        "Metrics": "",
        "SettingsObject": "",
    }
)
"""Link name -> type of the resource ("": several types)."""

ONLY_FROM: Final = MappingProxyType(
    {
        "EnvironmentMetrics": frozenset(
            {"Chassis", "Processor", "Switch", "CoolingUnit", "PowerDistribution"}
        ),
        "Ports": frozenset({"Switch"}),
        "Metrics": frozenset({"PowerSupply", "PowerDistribution", "Battery"}),
        "EthernetInterfaces": frozenset({"ComputerSystem"}),
        "PCIeDevices": frozenset({"Chassis"}),
        "Storage": frozenset({"ServiceRoot", "ComputerSystem", "ResourceBlock"}),
        "ComputerSystems": frozenset({"ResourceBlock"}),
        "Systems": frozenset({"ServiceRoot"}),
        "Managers": frozenset({"ServiceRoot"}),
        "Chassis": frozenset({"ServiceRoot"}),
        "Processors": frozenset({"ComputerSystem", "Chassis", "ResourceBlock", "NetworkAdapter"}),
        "Memory": frozenset({"ComputerSystem", "Chassis", "ResourceBlock"}),
        "LogServices": frozenset({"ComputerSystem", "Chassis", "Manager"}),
        "Controls": frozenset({"Chassis"}),
        "Certificates": frozenset({"ManagerNetworkProtocol"}),
        "SettingsObject": frozenset({"Bios"}),
        "AccountService": frozenset({"ServiceRoot"}),
        "Accounts": frozenset({"AccountService"}),
        "Subscriptions": frozenset({"EventService"}),
        "Sensors": frozenset({"Chassis", "PowerDistribution", "CoolingUnit", "ServiceRoot"}),
    }
)
"""Names that lead on only from these types; every other name leads on from any type."""

CROSS_LINKS: Final = MappingProxyType(
    {
        "Drives": "Drive",
        "Chassis": "Chassis",
        "Contains": "Chassis",
        "ContainedBy": "Chassis",
        "ComputerSystems": "ComputerSystem",
        "ManagedBy": "Manager",
        "Processors": "Processor",
        "Memory": "Memory",
        "NetworkAdapters": "NetworkAdapter",
        "NetworkAdapter": "NetworkAdapter",
        "PowerSupplies": "PowerSupply",
        "Fans": "Fan",
        "Switches": "Switch",
        "ResourceBlocks": "ResourceBlock",
        "Enclosures": "Chassis",
        "ActiveSoftwareImage": "SoftwareInventory",
        "SoftwareImages": "SoftwareInventory",
    }
)
"""Names inside `Links` (or arrays of links) that may name hardware which no collection lists."""

LAST_RESORTS: Final = MappingProxyType(
    {
        "NetworkInterfaces": ("NetworkInterface", "NetworkAdapter"),
        "PCIeDevices": ("PCIeDevice", "PCIeDevice"),
    }
)
"""Links of a system that are followed only where no resource of the second type was found; behind
them stands the first type."""

STANDARD_ROOTS: Final = ("Systems", "Chassis", "Managers", "UpdateService", "Fabrics")
"""What a service is assumed to have where its root does not say."""
