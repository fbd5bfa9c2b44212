"""A small hand-written device, with one of everything the engine plays."""

from __future__ import annotations

from typing import Any

from iolaus.sim.device import Device, Options
from iolaus.sim.tree import Template, TemplateTree

V1 = "/redfish/v1"
QUICK = Options(power_on_s=0.05, power_off_s=0.02, graceful_off_s=0.05, bmc_reset_s=0.2, task_s=0.1)


def ref(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def collection(path: str, *names: str) -> dict[str, Any]:
    return {
        "@odata.type": "#Collection.Collection",
        "Name": path.rpartition("/")[2],
        "Members": [ref(f"{path}/{name}") for name in names],
        "Members@odata.count": len(names),
    }


def action(path: str, name: str, **allowed: list[str]) -> dict[str, Any]:
    values = {f"{key}@Redfish.AllowableValues": value for key, value in allowed.items()}
    return {f"#{name}": {"target": f"{path}/Actions/{name}", **values}}


_RESETS = ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "PowerCycle", "Nmi"]
_SYSTEM = f"{V1}/Systems/1"
_CHASSIS = f"{V1}/Chassis/1"
_OK = {"State": "Enabled", "Health": "OK"}

RESOURCES: dict[str, dict[str, Any]] = {
    V1: {
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root",
        "RedfishVersion": "1.15.0",
        "UUID": "${uuid}",
        "ProtocolFeaturesSupported": {
            "ExpandQuery": {
                "ExpandAll": True,
                "Levels": True,
                "MaxLevels": 2,
                "Links": True,
                "NoLinks": True,
            },
            "SelectQuery": True,
            "OnlyMemberQuery": True,
        },
        "Systems": ref(f"{V1}/Systems"),
        "Chassis": ref(f"{V1}/Chassis"),
        "Managers": ref(f"{V1}/Managers"),
        "SessionService": ref(f"{V1}/SessionService"),
        "AccountService": ref(f"{V1}/AccountService"),
        "EventService": ref(f"{V1}/EventService"),
        "UpdateService": ref(f"{V1}/UpdateService"),
        "Tasks": ref(f"{V1}/TaskService"),
        "Links": {"Sessions": ref(f"{V1}/SessionService/Sessions")},
    },
    f"{V1}/Systems": collection(f"{V1}/Systems", "1"),
    _SYSTEM: {
        "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
        "@odata.etag": '"first"',
        "Id": "1",
        "Name": "System",
        "Manufacturer": "Example",
        "Model": "E-1",
        "SerialNumber": "${serial}",
        "UUID": "${uuid}",
        "AssetTag": "",
        "IndicatorLED": "Off",
        "PowerState": "On",
        "Status": _OK,
        "Boot": {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd"],
        },
        "Bios": ref(f"{_SYSTEM}/Bios"),
        "Processors": ref(f"{_SYSTEM}/Processors"),
        "Links": {"Chassis": [ref(_CHASSIS)], "ManagedBy": [ref(f"{V1}/Managers/1")]},
        "Actions": action(_SYSTEM, "ComputerSystem.Reset", ResetType=_RESETS),
    },
    f"{_SYSTEM}/Processors": collection(f"{_SYSTEM}/Processors", "0", "1", "2", "3", "4"),
    **{
        f"{_SYSTEM}/Processors/{n}": {"Id": str(n), "Name": f"CPU {n}", "Status": _OK}
        for n in range(5)
    },
    f"{_SYSTEM}/Bios": {
        "Id": "Bios",
        "Name": "BIOS",
        "Attributes": {"Smt": "Enabled", "Cores": 8},
        "@Redfish.Settings": {"SettingsObject": ref(f"{_SYSTEM}/Bios/Settings")},
    },
    f"{_SYSTEM}/Bios/Settings": {"Id": "Settings", "Name": "Staged", "Attributes": {}},
    f"{V1}/Chassis": collection(f"{V1}/Chassis", "1"),
    _CHASSIS: {
        "@odata.type": "#Chassis.v1_25_0.Chassis",
        "Id": "1",
        "Name": "Chassis",
        "PowerState": "On",
        "LocationIndicatorActive": False,
        "Links": {"ComputerSystems": [ref(_SYSTEM)]},
        "Sensors": ref(f"{_CHASSIS}/Sensors"),
    },
    f"{_CHASSIS}/EnvironmentMetrics": {
        "Id": "EnvironmentMetrics",
        "Name": "Environment",
        "PowerLimitWatts": {
            "DataSourceUri": f"{_CHASSIS}/Controls/Limit",
            "SetPoint": 1000,
            "AllowableMin": 300,
            "AllowableMax": 1200,
            "ControlMode": "Automatic",
        },
    },
    f"{_CHASSIS}/Controls/Limit": {
        "Id": "Limit",
        "Name": "Limit",
        "SetPoint": 1000,
        "AllowableMin": 300,
        "AllowableMax": 1200,
        "ControlMode": "Automatic",
    },
    f"{_CHASSIS}/Sensors": collection(f"{_CHASSIS}/Sensors", "inlet"),
    f"{_CHASSIS}/Sensors/inlet": {
        "Id": "inlet",
        "Name": "Inlet",
        "Reading": 22.5,
        "ReadingUnits": "Cel",
        "Status": _OK,
    },
    f"{V1}/Managers": collection(f"{V1}/Managers", "1"),
    f"{V1}/Managers/1": {
        "@odata.type": "#Manager.v1_19_0.Manager",
        "Id": "1",
        "Name": "Manager",
        "LogServices": ref(f"{V1}/Managers/1/LogServices"),
        "Actions": action(f"{V1}/Managers/1", "Manager.Reset", ResetType=["ForceRestart"]),
    },
    f"{V1}/Managers/1/LogServices": collection(f"{V1}/Managers/1/LogServices", "Log"),
    f"{V1}/Managers/1/LogServices/Log": {
        "Id": "Log",
        "Name": "Log",
        "Entries": ref(f"{V1}/Managers/1/LogServices/Log/Entries"),
        "Actions": action(f"{V1}/Managers/1/LogServices/Log", "LogService.ClearLog"),
    },
    f"{V1}/Managers/1/LogServices/Log/Entries": collection(
        f"{V1}/Managers/1/LogServices/Log/Entries", "1"
    ),
    f"{V1}/Managers/1/LogServices/Log/Entries/1": {"Id": "1", "Name": "Entry", "Message": "Hot"},
    f"{V1}/SessionService": {
        "@odata.type": "#SessionService.v1_1_9.SessionService",
        "Id": "SessionService",
        "Name": "Sessions",
        "ServiceEnabled": True,
        "SessionTimeout": 1800,
        "Sessions": ref(f"{V1}/SessionService/Sessions"),
    },
    f"{V1}/SessionService/Sessions": collection(f"{V1}/SessionService/Sessions"),
    f"{V1}/AccountService": {
        "Id": "AccountService",
        "Name": "Accounts",
        "Accounts": ref(f"{V1}/AccountService/Accounts"),
    },
    f"{V1}/AccountService/Accounts": collection(f"{V1}/AccountService/Accounts", "root"),
    f"{V1}/AccountService/Accounts/root": {
        "Id": "root",
        "Name": "Account",
        "UserName": "root",
        "Password": None,
        "RoleId": "Administrator",
        "Enabled": True,
    },
    f"{V1}/EventService": {
        "@odata.type": "#EventService.v1_10_0.EventService",
        "Id": "EventService",
        "Name": "Events",
        "ServiceEnabled": True,
        "ServerSentEventUri": f"{V1}/EventService/SSE",
        "Subscriptions": ref(f"{V1}/EventService/Subscriptions"),
        "Actions": action(f"{V1}/EventService", "EventService.SubmitTestEvent"),
    },
    f"{V1}/EventService/Subscriptions": collection(f"{V1}/EventService/Subscriptions"),
    f"{V1}/UpdateService": {
        "@odata.type": "#UpdateService.v1_14_0.UpdateService",
        "Id": "UpdateService",
        "Name": "Updates",
        "HttpPushUri": f"{V1}/UpdateService/push",
        "FirmwareInventory": ref(f"{V1}/UpdateService/FirmwareInventory"),
        "Actions": action(f"{V1}/UpdateService", "UpdateService.SimpleUpdate"),
    },
    f"{V1}/UpdateService/FirmwareInventory": collection(
        f"{V1}/UpdateService/FirmwareInventory", "bmc"
    ),
    f"{V1}/UpdateService/FirmwareInventory/bmc": {
        "Id": "bmc",
        "Name": "BMC",
        "Version": "1.0.0",
        "Updateable": True,
    },
    f"{V1}/TaskService": {
        "Id": "TaskService",
        "Name": "Tasks",
        "Tasks": ref(f"{V1}/TaskService/Tasks"),
    },
    f"{V1}/TaskService/Tasks": collection(f"{V1}/TaskService/Tasks"),
    f"{V1}/PowerEquipment/RackPDUs/1/Outlets/A1": {
        "Id": "A1",
        "Name": "Outlet",
        "PowerState": "On",
        "Actions": action(
            f"{V1}/PowerEquipment/RackPDUs/1/Outlets/A1",
            "Outlet.PowerControl",
            PowerState=["On", "Off", "PowerCycle"],
        ),
    },
}
TEMPLATE = Template.of(RESOURCES)


def device(name: str = "n1", **more: Any) -> Device:
    words = {"serial": f"S-{name}", "uuid": f"00000000-0000-4000-8000-{name:0>12}"}
    more.setdefault("options", QUICK)
    return Device(TemplateTree(TEMPLATE, words), name=name, **more)
