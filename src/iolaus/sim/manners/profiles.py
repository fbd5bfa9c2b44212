"""What the OCP's baseline profiles ask of every controller, and a drawing need not repeat.

A value that a persona draws itself stays; only what is absent is filled in, by kind of resource, in
words that are true of the simulated machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.sim.personas.sketch import own_name
from iolaus.sim.tree import ROOT

Json = dict[str, Any]
EVENT_KINDS: Final = ("ComputerSystem", "Chassis", "Manager", "Sensor", "UpdateService")
ASKED: Final[Mapping[str, Json]] = {
    "AccountService": {"SupportedAccountTypes": ["Redfish"]},
    "ComputerSystem": {"AssetTag": ""},
    "EthernetInterface": {
        "InterfaceEnabled": True,
        "HostName": own_name(),
        "FQDN": own_name(),
        "NameServers": [],
        "IPv4Addresses": [],
    },
    "EventService": {
        "ExcludeMessageId": False,
        "ExcludeRegistryPrefix": False,
        "IncludeOriginOfConditionSupported": True,
        "RegistryPrefixes": [],
        "ResourceTypes": list(EVENT_KINDS),
        "SubordinateResourcesSupported": False,
    },
    "LogService": {"LogEntryType": "Event"},
    "ManagerAccount": {"Password": None},
}


def filled(found: dict[str, Json]) -> None:
    """Fill in what is absent."""
    vendor = found[ROOT].get("Vendor")
    _related(found)
    for path, body in found.items():
        kind = str(body.get("@odata.type", "#")).lstrip("#").partition(".")[0]
        for name, value in ASKED.get(kind, {}).items():
            body.setdefault(name, value)
        if kind == "SoftwareInventory" and vendor:
            body.setdefault("Manufacturer", vendor)
        elif kind == "Chassis" and "IndicatorLED" not in body:
            body.setdefault("LocationIndicatorActive", False)
        elif kind == "ManagerNetworkProtocol" and "NTP" in body:
            body["NTP"].setdefault("Port", 123)
        elif kind == "ComputerSystem" and "Boot" in body:
            _boot(body["Boot"])
        elif path == ROOT:
            body.get("ProtocolFeaturesSupported", {}).setdefault("MultipleHTTPRequests", True)


def _related(found: dict[str, Json]) -> None:
    """If no entry of the firmware says what it is for, the managers' own do."""
    entries = [b for b in found.values() if "#SoftwareInventory." in str(b.get("@odata.type"))]
    if any("RelatedItem" in entry for entry in entries):
        return
    for manager in [b for b in found.values() if "#Manager." in str(b.get("@odata.type"))]:
        for entry in entries:
            if entry.get("Version") == manager.get("FirmwareVersion"):
                entry["RelatedItem"] = [{"@odata.id": manager["@odata.id"]}]


def _boot(boot: Json) -> None:
    boot.setdefault("UefiTargetBootSourceOverride", None)
    if "BootSourceOverrideEnabled" in boot:
        words = ["Disabled", "Once", "Continuous"]
        boot.setdefault("BootSourceOverrideEnabled@Redfish.AllowableValues", words)
