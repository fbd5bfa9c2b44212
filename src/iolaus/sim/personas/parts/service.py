"""What every management controller serves besides its hardware: root, sessions, accounts, events,
tasks, updates, its own Manager and its logs.

The parts differ by maker in which of them exist, in their ids and in what they advertise; those
differences are arguments. Dynamic behaviour (logging in, tasks, subscriptions) is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    at,
    ok,
    own_address,
    own_mac,
    own_name,
    own_serial,
    own_time,
    own_uuid,
    uri,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """One entry of the firmware inventory. `key` is its Id; a `serial` of None is left out."""

    key: str
    version: str | None
    name: str = "Software Inventory"
    maker: str | None = None
    updateable: bool = True
    related: Sequence[str] = ()
    state: str = "Enabled"
    release: str | None = None


REGISTRIES = (
    "Base", "Environmental", "Platform", "Power", "ResourceEvent", "SensorEvent", "TaskEvent",
    "Update",
)  # fmt: skip
TYPES = (
    "Chassis", "ComputerSystem", "LeakDetector", "LogEntry", "Manager", "Outlet", "PowerSupply",
    "Processor", "Sensor", "SoftwareInventory", "Task",
)  # fmt: skip
ROLES: Mapping[str, Sequence[str]] = {
    "Administrator": (
        "Login",
        "ConfigureManager",
        "ConfigureUsers",
        "ConfigureComponents",
        "ConfigureSelf",
    ),
    "Operator": ("Login", "ConfigureComponents", "ConfigureSelf"),
    "ReadOnly": ("Login", "ConfigureSelf"),
}


def root(
    s: Sketch,
    *,
    redfish: str,
    product: str | None = None,
    vendor: str | None = None,
    expand: bool = False,
    select: bool = False,
    services: Sequence[str],
    oem: Json | None = None,
) -> None:
    """The service root. `services` are properties of it, which point at the path of that name
    ("Tasks" at TaskService)."""
    paths = {"Tasks": "TaskService"}
    s.put(
        "",
        "ServiceRoot",
        "Root Service",
        RedfishVersion=redfish,
        UUID=own_uuid("service"),
        Product=product,
        Vendor=vendor,
        ProtocolFeaturesSupported=features(expand=expand, select=select),
        Links={"Sessions": at("SessionService/Sessions")},
        Oem=oem,
        **{name: at(paths.get(name, name)) for name in services},
    )
    body = s.peek("")
    body["Id"] = "RootService"
    body["@odata.id"] = "/redfish/v1/"


def features(*, expand: bool, select: bool) -> Json:
    queries: Json = dict.fromkeys(("ExpandAll", "Levels", "Links", "NoLinks"), expand)
    return {
        "ExcerptQuery": False,
        "ExpandQuery": queries | ({"MaxLevels": 6} if expand else {}),
        "FilterQuery": False,
        "OnlyMemberQuery": expand,
        "SelectQuery": select,
    }


def sessions(s: Sketch, *, timeout_s: int = 1800) -> None:
    s.put(
        "SessionService",
        "SessionService",
        "Session Service",
        ServiceEnabled=True,
        SessionTimeout=timeout_s,
        Sessions=at("SessionService/Sessions"),
        Status=ok(),
    )
    s.collect("SessionService/Sessions", "Session", "Session Collection")


def accounts(s: Sketch, *, administrator: str = "root", account: str = "root") -> None:
    """One administrator; `account` is the Id of the account resource."""
    s.put(
        "AccountService",
        "AccountService",
        "Account Service",
        ServiceEnabled=True,
        MinPasswordLength=8,
        MaxPasswordLength=20,
        AccountLockoutThreshold=0,
        AccountLockoutDuration=300,
        Accounts=at("AccountService/Accounts"),
        Roles=at("AccountService/Roles"),
        Status=ok(),
    )
    s.collect("AccountService/Accounts", "ManagerAccount", "Accounts Collection")
    s.put(
        f"AccountService/Accounts/{account}",
        "ManagerAccount",
        "User Account",
        UserName=administrator,
        Password=None,
        Enabled=True,
        Locked=False,
        RoleId="Administrator",
        AccountTypes=["Redfish"],
        Links={"Role": at("AccountService/Roles/Administrator")},
    )
    s.collect("AccountService/Roles", "Role", "Roles Collection")
    for role, privileges in ROLES.items():
        s.put(
            f"AccountService/Roles/{role}",
            "Role",
            "User Role",
            IsPredefined=True,
            RoleId=role,
            AssignedPrivileges=list(privileges),
        )


def events(s: Sketch, *, sse: bool, formats: Sequence[str] = ("Event",)) -> None:
    s.put(
        "EventService",
        "EventService",
        "Event Service",
        ServiceEnabled=True,
        DeliveryRetryAttempts=3,
        DeliveryRetryIntervalSeconds=30,
        EventFormatTypes=list(formats),
        **_filters(sse=sse),
        ServerSentEventUri=uri("EventService/SSE") if sse else None,
        Subscriptions=at("EventService/Subscriptions"),
        Status=ok(),
        Actions={
            "#EventService.SubmitTestEvent": {
                "target": uri("EventService/Actions/EventService.SubmitTestEvent")
            }
        },
    )
    s.collect("EventService/Subscriptions", "EventDestination", "Event Subscriptions")


def _filters(*, sse: bool) -> Json:
    """By what a listener may choose among events."""
    streamed = {
        **dict.fromkeys(("EventFormatType", "EventType", "MessageId", "OriginResource"), True),
        **dict.fromkeys(("MetricReportDefinition", "RegistryPrefix", "ResourceType"), True),
        "SubordinateResources": True,
    }
    return {
        "RegistryPrefixes": list(REGISTRIES),
        "ResourceTypes": list(TYPES),
        "Severities": ["OK", "Warning", "Critical"],
        "SubordinateResourcesSupported": True,
        "ExcludeMessageId": True,
        "ExcludeRegistryPrefix": True,
        **({"SSEFilterPropertiesSupported": streamed} if sse else {}),
    }


def tasks(s: Sketch) -> None:
    s.put(
        "TaskService",
        "TaskService",
        "Task Service",
        ServiceEnabled=True,
        CompletedTaskOverWritePolicy="Oldest",
        LifeCycleEventOnTaskStateChange=True,
        DateTime=own_time(),
        Tasks=at("TaskService/Tasks"),
        Status=ok(),
    )
    s.collect("TaskService/Tasks", "Task", "Task Collection")


def updates(
    s: Sketch,
    entries: Sequence[Firmware],
    *,
    multipart: bool,
    push: bool = True,
    start: bool = False,
    times: Sequence[str] = (),
) -> list[str]:
    """UpdateService with its inventory; gives the paths of the entries. `start`: an update can be
    held until it is started; `times`: when it may be applied."""
    supported = {
        "@odata.type": "#Settings.v1_3_0.OperationApplyTimeSupport",
        "SupportedValues": list(times),
    }
    held = {
        "#UpdateService.StartUpdate": {
            "target": uri("UpdateService/Actions/UpdateService.StartUpdate")
        }
    }
    s.put(
        "UpdateService",
        "UpdateService",
        "Update Service",
        ServiceEnabled=True,
        HttpPushUri=uri("UpdateService/update") if push else None,
        MultipartHttpPushUri=uri("UpdateService/update-multipart") if multipart else None,
        MaxImageSizeBytes=67108864,
        FirmwareInventory=at("UpdateService/FirmwareInventory"),
        Status=ok(),
        Actions={
            "#UpdateService.SimpleUpdate": {
                "target": uri("UpdateService/Actions/UpdateService.SimpleUpdate"),
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS", "SCP"],
                **({"@Redfish.OperationApplyTimeSupport": supported} if times else {}),
            },
            **(held if start else {}),
        },
    )
    s.collect("UpdateService/FirmwareInventory", "SoftwareInventory", "Firmware Inventory")
    return [firmware(s, entry) for entry in entries]


def firmware(s: Sketch, entry: Firmware) -> str:
    return s.put(
        f"UpdateService/FirmwareInventory/{entry.key}",
        "SoftwareInventory",
        entry.name,
        SoftwareId=entry.key if entry.maker is None else f"{entry.maker}:{entry.key}",
        Manufacturer=entry.maker,
        Version=entry.version,
        ReleaseDate=entry.release,
        Updateable=entry.updateable,
        WriteProtected=False,
        RelatedItem=all_at(entry.related) if entry.related else None,
        Status=ok() if entry.state == "Enabled" else {"State": entry.state},
    )


def manager(
    s: Sketch,
    key: str,
    *,
    model: str,
    firmware_version: str,
    systems: Sequence[str],
    chassis: Sequence[str],
    nic: str,
    oui: str,
    manufacturer: str | None = None,
    name: str = "Manager",
    kind: str = "BMC",
    logs: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    oem: Json | None = None,
    images: Sequence[str] = (),
    **fields: Any,
) -> str:
    """The controller itself, its network port and its logs (log id -> (severity, message)s).
    `images` are the inventory's entries of its banks, the one that runs first."""
    path = f"Managers/{key}"
    s.collect("Managers", "Manager", "Manager Collection")
    s.put(
        path,
        "Manager",
        name,
        ManagerType=kind,
        Manufacturer=manufacturer,
        Model=model,
        FirmwareVersion=firmware_version,
        UUID=own_uuid(f"manager/{key}"),
        ServiceEntryPointUUID=own_uuid("service"),
        DateTime=own_time(),
        DateTimeLocalOffset="+00:00",
        PowerState="On",
        Status=ok(),
        EthernetInterfaces=at(f"{path}/EthernetInterfaces"),
        NetworkProtocol=at(f"{path}/NetworkProtocol"),
        LogServices=at(f"{path}/LogServices") if logs else None,
        Links={
            "ManagerForServers": all_at(systems),
            "ManagerForChassis": all_at(chassis),
            **({"ManagerInChassis": at(chassis[0])} if chassis else {}),
            **_banks(images),
        },
        Actions={
            "#Manager.Reset": {
                "target": uri(f"{path}/Actions/Manager.Reset"),
                "ResetType@Redfish.AllowableValues": ["GracefulRestart", "ForceRestart"],
            }
        },
        Oem=oem,
        **fields,
    )
    manager_network(s, path, nic, oui=oui)
    for log, entries in (logs or {}).items():
        log_service(s, f"{path}/LogServices", log, entries)
    return path


def _banks(images: Sequence[str]) -> Json:
    places = [f"UpdateService/FirmwareInventory/{each}" for each in images]
    if not places:
        return {}
    return {"ActiveSoftwareImage": at(places[0]), "SoftwareImages": all_at(places)}


def manager_network(s: Sketch, path: str, nic: str, *, oui: str) -> None:
    s.collect(f"{path}/EthernetInterfaces", "EthernetInterface", "Manager Ethernet Interfaces")
    s.put(
        f"{path}/EthernetInterfaces/{nic}",
        "EthernetInterface",
        "Manager Ethernet Interface",
        InterfaceEnabled=True,
        LinkStatus="LinkUp",
        SpeedMbps=1000,
        FullDuplex=True,
        MACAddress=own_mac(oui, "bmc"),
        PermanentMACAddress=own_mac(oui, "bmc"),
        HostName=own_name(),
        IPv4Addresses=[
            {
                "Address": own_address(),
                "AddressOrigin": "DHCP",
                "SubnetMask": "255.0.0.0",
                "Gateway": "127.0.0.1",
            }
        ],
        NameServers=[],
        Status=ok(),
    )
    s.put(
        f"{path}/NetworkProtocol",
        "ManagerNetworkProtocol",
        "Manager Network Protocol",
        HostName=own_name(),
        FQDN=own_name(),
        HTTP={"ProtocolEnabled": False, "Port": 80},
        HTTPS={"ProtocolEnabled": True, "Port": 443},
        IPMI={"ProtocolEnabled": False, "Port": 623},
        SSH={"ProtocolEnabled": True, "Port": 22},
        NTP={"ProtocolEnabled": True, "NTPServers": ["time.example"]},
        Status=ok(),
    )


def log_service(
    s: Sketch, parent: str, key: str, entries: Sequence[tuple[str, str]], *, size: int = 1024
) -> None:
    """A log with its first entries, oldest first."""
    s.collect(parent, "LogService", "Log Services")
    path = f"{parent}/{key}"
    s.put(
        path,
        "LogService",
        f"{key} Log Service",
        ServiceEnabled=True,
        OverWritePolicy="WrapsWhenFull",
        MaxNumberOfRecords=size,
        DateTime=own_time(),
        Entries=at(f"{path}/Entries"),
        Status=ok(),
        Actions={"#LogService.ClearLog": {"target": uri(f"{path}/Actions/LogService.ClearLog")}},
    )
    s.collect(f"{path}/Entries", "LogEntry", f"{key} Log Entries")
    for number, (severity, message) in enumerate(entries, start=1):
        s.put(
            f"{path}/Entries/{number}",
            "LogEntry",
            f"Log Entry {number}",
            EntryType="Event",
            Severity=severity,
            Message=message,
            MessageId="Platform.1.0.Notice",
            Created=f"2026-0{number % 9 + 1}-{number % 27 + 1:02}T0{number % 10}:15:00+00:00",
        )


def certificates(s: Sketch) -> None:
    action = "CertificateService.ReplaceCertificate"
    target = uri(f"CertificateService/Actions/{action}")
    s.put("CertificateService", "CertificateService", "Certificate Service",
          Actions={f"#{action}": {"target": target}})  # fmt: skip


def certificate(s: Sketch, path: str, *, subject: str, key: str) -> str:
    """A certificate as text: a stand-in body, since nothing is signed in a drawing."""
    name = {"CommonName": subject, "Organization": "Iolaus Simulation", "Country": "US"}
    return s.put(
        path,
        "Certificate",
        f"{subject} Certificate",
        CertificateType="PEM",
        SerialNumber=own_serial("##:##:##:##:##:##:##:##", key),
        Subject=name,
        Issuer={**name, "CommonName": "Simulated Device Root"},
        ValidNotBefore="2025-01-01T00:00:00Z",
        ValidNotAfter="2035-01-01T00:00:00Z",
        KeyUsage=["DigitalSignature"],
    )


def telemetry(s: Sketch, reports: Mapping[str, Sequence[tuple[str, str, str]]]) -> None:
    """TelemetryService; report id -> (MetricId, live marker, property URI)s."""
    base = "TelemetryService"
    s.put(
        base,
        "TelemetryService",
        "Telemetry Service",
        ServiceEnabled=True,
        MaxReports=16,
        MinCollectionInterval="PT1S",
        MetricReports=at(f"{base}/MetricReports"),
        MetricReportDefinitions=at(f"{base}/MetricReportDefinitions"),
        Status=ok(),
    )
    s.collect(f"{base}/MetricReports", "MetricReport", "Metric Reports")
    s.collect(f"{base}/MetricReportDefinitions", "MetricReportDefinition", "Definitions")
    for key, values in reports.items():
        definition = s.put(
            f"{base}/MetricReportDefinitions/{key}",
            "MetricReportDefinition",
            f"{key} definition",
            MetricReportDefinitionType="Periodic",
            MetricReportDefinitionEnabled=True,
            MetricReport=at(f"{base}/MetricReports/{key}"),
            ReportActions=["LogToMetricReportsCollection"],
            Schedule={"RecurrenceInterval": "PT10S"},
            Status=ok(),
        )
        s.put(
            f"{base}/MetricReports/{key}",
            "MetricReport",
            f"{key} report",
            MetricReportDefinition=at(definition),
            Timestamp=own_time(),
            MetricValues=[
                {"MetricId": metric, "MetricValue": value, "MetricProperty": where}
                for metric, value, where in values
            ],
        )
