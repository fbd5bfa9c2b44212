"""What stands where in a Redfish tree, and what is called how: facts of the standard, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iolaus.sim.personas.sketch import VERSIONS

COLLECTIONS: Final[Mapping[str, str]] = {
    "Systems": "ComputerSystem",
    "Chassis": "Chassis",
    "Managers": "Manager",
    "Fabrics": "Fabric",
    "Processors": "Processor",
    "Memory": "Memory",
    "Storage": "Storage",
    "SimpleStorage": "SimpleStorage",
    "NetworkAdapters": "NetworkAdapter",
    "NetworkInterfaces": "NetworkInterface",
    "PCIeDevices": "PCIeDevice",
    "PCIeFunctions": "PCIeFunction",
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
    "Ports": "Port",
    "FirmwareInventory": "SoftwareInventory",
    "SoftwareInventory": "SoftwareInventory",
    "PowerShelves": "PowerDistribution",
    "RackPDUs": "PowerDistribution",
    "FloorPDUs": "PowerDistribution",
    "Outlets": "Outlet",
    "Mains": "Circuit",
    "Branches": "Circuit",
    "Feeds": "Circuit",
    "CDUs": "CoolingUnit",
    "HeatExchangers": "CoolingUnit",
    "ImmersionUnits": "CoolingUnit",
    "CoolingLoops": "CoolingLoop",
    "Sessions": "Session",
    "Tasks": "Task",
    "Subscriptions": "EventDestination",
    "Drives": "Drive",
}
SINGLES: Final[Mapping[str, str]] = {"v1": "ServiceRoot"}
METERED: Final[Mapping[str, tuple[str, str]]] = {
    "outlet_power": ("", "PowerWatts"),
    "outlet_current": ("", "CurrentAmps"),
    "circuit_power": ("", "PowerWatts"),
    "circuit_current": ("", "CurrentAmps"),
    "pump_speed": ("", "PumpSpeedPercent"),
    "battery_charge": ("/Metrics", "ChargePercent"),
    "psu_input_power": ("/Metrics", "InputPowerWatts"),
    "psu_output_power": ("/Metrics", "OutputPowerWatts"),
    "psu_temperature": ("/Metrics", "TemperatureCelsius"),
}
"""Role of a part's sensor -> (below the part, property) of the excerpt that says so."""

CONNECTED: Final[Mapping[str, str]] = {
    "supply_temperature": "SupplyTemperatureCelsius",
    "return_temperature": "ReturnTemperatureCelsius",
    "delta_temperature": "DeltaTemperatureCelsius",
    "flow": "FlowLitersPerMinute",
    "supply_pressure": "SupplyPressurekPa",
    "return_pressure": "ReturnPressurekPa",
    "delta_pressure": "DeltaPressurekPa",
}
SIDES: Final[Mapping[str, str]] = {
    "facility": "PrimaryCoolantConnectors/1",
    "coolant": "SecondaryCoolantConnectors/1",
}
WHOLE: Final = frozenset(
    {"node_power", "switch_power", "dpu_power", "cdu_power", "chassis_power", "shelf_output_power"}
)
EQUIPMENT: Final[Mapping[str, tuple[str, str | None]]] = {
    "powershelf": ("/redfish/v1/PowerEquipment/PowerShelves", "PowerShelf"),
    "pdu": ("/redfish/v1/PowerEquipment/RackPDUs", "RackPDU"),
    "cdu": ("/redfish/v1/ThermalEquipment/CDUs", "CDU"),
}
PROCESSORS: Final = {"cpu": "CPU", "gpu": "GPU", "accelerator": "Accelerator"}
KINDS: Final[Mapping[str, Mapping[str, tuple[str, float]]]] = {
    "memory": {"capacity_gib": ("CapacityMiB", 1024.0)},
    "drive": {
        "capacity_gib": ("CapacityBytes", 1024.0**3),
        "life_left_percent": ("PredictedMediaLifeLeftPercent", 1.0),
    },
    "psu": {"power_capacity_w": ("PowerCapacityWatts", 1.0)},
    "cpu": {"cores": ("TotalCores", 1.0), "speed_mhz": ("MaxSpeedMHz", 1.0)},
    "gpu": {"speed_mhz": ("MaxSpeedMHz", 1.0)},
}
"""Readings of a part: reading -> (property, factor)."""

LEAKS: Final[Mapping[float, str]] = {0.0: "OK", 1.0: "Warning", 2.0: "Critical"}
LEGACY: Final[Mapping[str, str]] = {
    "Temperatures": "ReadingCelsius",
    "Voltages": "ReadingVolts",
    "PowerControl": "PowerConsumedWatts",
    "PowerSupplies": "LastPowerOutputWatts",
}
LIMITS: Final = frozenset(
    {"UpperCritical", "UpperCaution", "UpperFatal", "LowerCritical", "LowerCaution", "LowerFatal"}
)
CONTEXTS: Final[Mapping[str, str]] = {
    "inlet_temperature": "Intake",
    "exhaust_temperature": "Exhaust",
    "ambient_temperature": "Room",
    "coolant_supply_temperature": "LiquidInlet",
    "coolant_return_temperature": "LiquidOutlet",
    "coolant_supply_pressure": "LiquidInlet",
    "coolant_return_pressure": "LiquidOutlet",
    "memory_temperature": "Memory",
    "cpu_temperature": "CPU",
    "gpu_temperature": "GPU",
    "cpu_power": "CPU",
    "gpu_power": "GPU",
    "asic_temperature": "ASIC",
    "asic_power": "ASIC",
    "fan_speed": "Fan",
}
RESETS: Final = [
    "On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "PowerCycle",
]  # fmt: skip


def type_at(uri: str) -> str:
    """The schema of what stands at this URI, by the names on its way."""
    above, _, last = uri.rpartition("/")
    holder = above.rpartition("/")[2]
    if holder in COLLECTIONS and not (last in COLLECTIONS and holder in SINGLES):
        return COLLECTIONS[holder]
    if last == "Drives" and "/Storage/" in uri:
        return "DriveCollection"
    if last in COLLECTIONS:
        return f"{COLLECTIONS[last]}Collection"
    if last == "Metrics":
        return f"{COLLECTIONS.get(above.rpartition('/')[0].rpartition('/')[2], 'Port')}Metrics"
    return SINGLES.get(last, last)


def version_of(kind: str) -> str:
    return VERSIONS.get(kind, "v1_0_0")
