"""What a drawn machine is given besides: the resources that the manners of its controller need.

A persona draws what its maker's hardware is; how settings are described, which actions a manager
offers and where media are inserted is alike for all, so it is added here to every drawing that has
the resource it belongs to, in the drawing's own style of links.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from iolaus.sim.manners import bios, consoles_drawn, limits, secure_boot, smoothing
from iolaus.sim.manners.certificates import NEEDED, REPLACE, REQUEST
from iolaus.sim.manners.leaks import POLICY
from iolaus.sim.manners.media import EJECT, EMPTY, INSERT
from iolaus.sim.manners.profiles import filled
from iolaus.sim.personas.sketch import slashed
from iolaus.sim.tree import ROOT, canonical

Json = dict[str, Any]
REGISTRIES: Final = f"{ROOT}/Registries"
METRICS: Final = {
    "PowerWatts": ("W", "Power"),
    "TemperatureCelsius": ("Cel", "Temperature"),
    "Rotation": ("RPM", "Rotational"),
}
DEFAULTS: Final = ("ResetAll", "PreserveNetworkAndUsers")


def dressed(drawing: Mapping[str, Json]) -> dict[str, Json]:
    """The drawing with what is missing for manners; what it has already stays."""
    found = deepcopy(dict(drawing))
    added: dict[str, Json] = {}
    _settings(found, added)
    for path in _of_type(found, "Manager"):
        _manager(found[path], path)
        if _has_settings(found, found[path]):
            _media(found[path], path, added)
    for path in _of_type(found, "LogService"):
        if path.startswith(f"{ROOT}/Managers/"):
            _log(found[path], path)
    _reactions(found)
    _limits(found)
    smoothing.draw(found, added)
    secure_boot.draw(found, added)
    _certificates(found, added)
    _metrics(found, added)
    consoles_drawn.draw(found)
    filled(found)
    link = found[ROOT].get("Links", {}).get("Sessions", {}).get("@odata.id", "")
    added = {path: slashed(body) if link.endswith("/") else body for path, body in added.items()}
    return found | {path: body for path, body in added.items() if path not in drawing}


def _settings(found: dict[str, Json], added: dict[str, Json]) -> None:
    registries: dict[str, Json] = {}
    for path in _of_type(found, "Bios"):
        body = found[path]
        name = body.get("AttributeRegistry")
        if not name or "@Redfish.Settings" not in body or not body.get("Attributes"):
            continue
        body["Attributes"] |= bios.OF_OURS
        body.setdefault("Actions", {})["#Bios.ChangePassword"] = _action(
            path, "Bios.ChangePassword"
        )
        registries.setdefault(name, {}).update(body["Attributes"])
    for name, attributes in registries.items():
        path = f"{REGISTRIES}/{name}"
        added[f"{path}/Registry"] = bios.registry_of(name, path, attributes)
        added[path] = {
            "@odata.id": path,
            "@odata.type": "#MessageRegistryFile.v1_1_3.MessageRegistryFile",
            "Id": name,
            "Name": f"{name} Registry",
            "Languages": ["en"],
            "Registry": f"{name}.1.0.0",
            "Location": [{"Language": "en", "Uri": f"{path}/Registry"}],
        }
    if registries:
        added[REGISTRIES] = collection(
            REGISTRIES, "MessageRegistryFile", [f"{REGISTRIES}/{name}" for name in registries]
        )
        found[ROOT]["Registries"] = {"@odata.id": REGISTRIES}


def _manager(body: Json, path: str) -> None:
    name = "Manager.ResetToDefaults"
    offered = _action(path, name) | {"ResetType@Redfish.AllowableValues": list(DEFAULTS)}
    body.setdefault("Actions", {}).setdefault(f"#{name}", offered)


def _reactions(found: dict[str, Json]) -> None:
    """Detectors of machines that have hosts to switch off."""
    if not any("SystemType" in found[path] for path in _of_type(found, "ComputerSystem")):
        return
    for path in _of_type(found, "LeakDetector"):
        found[path] |= {"@odata.type": "#LeakDetector.v1_4_0.LeakDetector", **POLICY}


def _limits(found: dict[str, Json]) -> None:
    for path in _of_type(found, "Processor"):
        metrics = found.get(f"{path}/EnvironmentMetrics", {})
        limit = metrics.get("PowerLimitWatts")
        if isinstance(limit, dict) and found[path].get("Manufacturer") == "NVIDIA":
            metrics.setdefault("Oem", limits.oem(limit))


def _certificates(found: dict[str, Json], added: dict[str, Json]) -> None:
    service = f"{ROOT}/CertificateService"
    protocols = _of_type(found, "ManagerNetworkProtocol")
    if not protocols:
        return
    if service not in found:
        found[service] = {
            "@odata.id": service,
            "@odata.type": "#CertificateService.v1_0_4.CertificateService",
            "Id": "CertificateService",
            "Name": "Certificate Service",
        }
        found[ROOT]["CertificateService"] = {"@odata.id": service}
    for name in (REQUEST, REPLACE):
        found[service].setdefault("Actions", {}).setdefault(f"#{name}", _action(service, name))
    wanted = f"{service}/GenerateCSRActionInfo"
    found[service]["Actions"][f"#{REQUEST}"]["@Redfish.ActionInfo"] = wanted
    added[wanted] = _parameters(wanted)
    place = f"{protocols[0]}/HTTPS/Certificates"
    found[protocols[0]].setdefault("HTTPS", {})["Certificates"] = {"@odata.id": place}
    added[place] = collection(place, "Certificate", [f"{place}/1"])
    where = f"{service}/CertificateLocations"
    found[service].setdefault("CertificateLocations", {"@odata.id": where})
    added[where] = {
        "@odata.id": where,
        "@odata.type": "#CertificateLocations.v1_0_4.CertificateLocations",
        "Id": "CertificateLocations",
        "Name": "Certificate Locations",
        "Links": {"Certificates": [{"@odata.id": f"{place}/1"}]},
    }
    added[f"{place}/1"] = {
        "@odata.id": f"{place}/1",
        "@odata.type": "#Certificate.v1_7_0.Certificate",
        "Id": "1",
        "Name": "HTTPS Certificate",
        "CertificateType": "PEM",
        "CertificateUsageTypes": ["Web"],
    }


def _parameters(path: str) -> Json:
    """What a signing request asks for."""
    asked = dict.fromkeys(NEEDED, True) | {"KeyPairAlgorithm": False, "KeyCurveId": False}
    told = [{"Name": name, "Required": need, "DataType": "String"} for name, need in asked.items()]
    told.append({"Name": "CertificateCollection", "Required": True, "DataType": "Object"})
    return {
        "@odata.id": path,
        "@odata.type": "#ActionInfo.v1_4_0.ActionInfo",
        "Id": path.rpartition("/")[2],
        "Name": "Parameters of GenerateCSR",
        "Parameters": told,
    }


def _metrics(found: dict[str, Json], added: dict[str, Json]) -> None:
    service = f"{ROOT}/TelemetryService"
    if service not in found:
        return
    place, members = f"{service}/MetricDefinitions", []
    for name, (unit, kind) in METRICS.items():
        sensors = [p for p in _of_type(found, "Sensor") if found[p].get("ReadingType") == kind]
        if sensors:
            path = f"{place}/{name}"
            members.append(path)
            added[path] = {
                "@odata.id": path,
                "@odata.type": "#MetricDefinition.v1_3_5.MetricDefinition",
                "Id": name,
                "Name": name,
                "MetricType": "Gauge",
                "MetricDataType": "Decimal",
                "Implementation": "PhysicalSensor",
                "Units": unit,
                "MetricProperties": [f"{sensor}#/Reading" for sensor in sensors],
            }
    added[place] = collection(place, "MetricDefinition", members)
    found[service].setdefault("MetricDefinitions", {"@odata.id": place})


def _log(body: Json, path: str) -> None:
    name = "LogService.CollectDiagnosticData"
    offered = _action(path, name) | {"DiagnosticDataType@Redfish.AllowableValues": ["Manager"]}
    body.setdefault("Actions", {}).setdefault(f"#{name}", offered)


def _has_settings(found: Mapping[str, Json], manager: Json) -> bool:
    """Whether it manages a host that has a BIOS."""
    systems = manager.get("Links", {}).get("ManagerForServers") or ()
    hosts = [canonical(each["@odata.id"]) for each in systems]
    return any("Bios" in found.get(host, {}) for host in hosts)


def _media(body: Json, path: str, added: dict[str, Json]) -> None:
    place = f"{path}/VirtualMedia"
    body.setdefault("VirtualMedia", {"@odata.id": place})
    added[place] = collection(place, "VirtualMedia", [f"{place}/Cd"])
    added[f"{place}/Cd"] = {
        "@odata.id": f"{place}/Cd",
        "@odata.type": "#VirtualMedia.v1_6_0.VirtualMedia",
        "Id": "Cd",
        "Name": "Virtual Removable Media",
        "MediaTypes": ["CD", "DVD"],
        "WriteProtected": True,
        **EMPTY,
        "Actions": {f"#{name}": _action(f"{place}/Cd", name) for name in (INSERT, EJECT)},
    }


def _action(path: str, name: str) -> Json:
    return {"target": f"{path}/Actions/{name}"}


def collection(path: str, kind: str, members: list[str]) -> Json:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind} Collection",
        "Members": [{"@odata.id": member} for member in members],
        "Members@odata.count": len(members),
    }


def _of_type(drawing: Mapping[str, Json], kind: str) -> list[str]:
    head = f"#{kind}."
    return [p for p, body in drawing.items() if str(body.get("@odata.type")).startswith(head)]
