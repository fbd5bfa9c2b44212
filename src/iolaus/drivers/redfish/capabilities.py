"""The capability matrix: what each asset can do, proved by what was read and by nothing else.

A vendor's name proves nothing: firmware, licences and privileges decide. So each row of the table
below is a question put to a resource that was read, and the answer, with the resource's URI and
the words that prove it, is the cell. A capability without proof is absent, which means "not
shown", not "cannot". Whoever acts still meets the device's refusal; the matrix only saves asking.

The names are fixed, lower-case words with dots (tests compare them; rooms plan by them):

inventory  processors  memory  storage  network_adapters  pcie
sensors.modern  sensors.legacy  environment_metrics  thermal_subsystem  power_subsystem
power_cap.control  power_cap.environment_metrics  power_cap.power_control  controls
power.state  power.reset  power.restart.graceful  power.restart.force  manager.reset
boot.override  boot.options  boot.time  virtual_media
console.serial  console.graphical  bios  bios.staged  bios.registry  secure_boot  tpm
attestation.spdm  attestation.tpm  leak_detection  liquid_cooling  power_distribution  outlets
outlets.control  circuits  circuits.control  locate
and for the service as a whole (asset ""):
update.simple  update.multipart  update.push  update.start  firmware.inventory
telemetry.metric_reports  telemetry.triggers  events.subscribe  events.sse  logs  certificates
accounts  sessions  tasks  jobs  composition  aggregation
query.expand  query.select  query.filter  query.only  query.excerpt
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from iolaus.drivers.redfish._text import clean, items, mapping, texts
from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in
from iolaus.model.asset import Capability

SYSTEM_RESET: Final = "#ComputerSystem.Reset"
Payload = Mapping[str, Any]
Proof = Callable[[Payload], str]
"""A question to a resource: the words that prove it, "" where nothing does."""


class Row(NamedTuple):
    name: str
    types: tuple[str, ...]
    proof: Proof
    service: bool = False


def _is_read(payload: Payload) -> str:
    return clean(payload.get("@odata.type"), 64).lstrip("#") or "read"


def _link(*names: str) -> Proof:
    """The resource links to one of these."""

    def proof(payload: Payload) -> str:
        found = (uri for name in names for uri in links_in(payload.get(name)))
        return next((f"links to {uri}" for uri in found), "")

    return proof


def _text(name: str) -> Proof:
    def proof(payload: Payload) -> str:
        word = clean(payload.get(name), 128)
        return f"{name} {word}" if word else ""

    return proof


def _allowed(action: Mapping[str, Any]) -> str:
    """The allowable values of an action's parameters, or where they are told."""
    for name, values in action.items():
        if isinstance(name, str) and name.endswith("@Redfish.AllowableValues"):
            return f": {', '.join(texts(values))}"
    told = clean(action.get("@Redfish.ActionInfo"), 128)
    return f": values in {told}" if told else ""


def _action(name: str) -> Proof:
    def proof(payload: Payload) -> str:
        action = mapping(mapping(payload.get("Actions")).get(name))
        return f"{name}{_allowed(action)}" if clean(action.get("target")) else ""

    return proof


def _takes(name: str, word: str) -> Proof:
    """The action says inline that its ResetType may be this word."""

    def proof(payload: Payload) -> str:
        action = mapping(mapping(payload.get("Actions")).get(name))
        known = texts(action.get("ResetType@Redfish.AllowableValues"))
        return f"{name}: {word}" if word in known else ""

    return proof


def _boot_override(payload: Payload) -> str:
    boot = mapping(payload.get("Boot"))
    if "BootSourceOverrideTarget" not in boot and "BootSourceOverrideEnabled" not in boot:
        return ""
    return f"Boot{_allowed(boot)}"


def _boot_time(payload: Payload) -> str:
    """It tells when the host started last."""
    progress = mapping(payload.get("BootProgress"))
    if clean(payload.get("LastResetTime"), 64):
        return "LastResetTime"
    return "BootProgress/LastStateTime" if clean(progress.get("LastStateTime"), 64) else ""


def _serial(payload: Payload) -> str:
    """`SerialConsole` lists protocols as objects on a system, as names on a manager."""
    console = mapping(payload.get("SerialConsole")) or mapping(payload.get("CommandShell"))
    named = texts(console.get("ConnectTypesSupported"))
    enabled = tuple(
        name
        for name, each in console.items()
        if mapping(each).get("ServiceEnabled") is True and isinstance(name, str)
    )
    if console.get("ServiceEnabled") is False:
        return ""
    return f"SerialConsole: {', '.join(named or enabled)}" if named or enabled else ""


def _graphical(payload: Payload) -> str:
    console = mapping(payload.get("GraphicalConsole"))
    named = texts(console.get("ConnectTypesSupported"))
    return f"GraphicalConsole: {', '.join(named)}" if named else ""


def _power_state(payload: Payload) -> str:
    word = payload.get("PowerState")
    return f"PowerState {clean(word, 32)}" if isinstance(word, str) and word else ""


def _control(payload: Payload) -> str:
    return "ControlType Power" if payload.get("ControlType") == "Power" else ""


def _metrics_limit(payload: Payload) -> str:
    limit = mapping(payload.get("PowerLimitWatts"))
    return "PowerLimitWatts" if limit else ""


def _legacy_limit(payload: Payload) -> str:
    entries = payload.get("PowerControl")
    for index, each in enumerate(entries if isinstance(entries, list) else ()):
        if "LimitInWatts" in mapping(mapping(each).get("PowerLimit")):
            return f"PowerControl/{index}/PowerLimit"
    return ""


def _staged(payload: Payload) -> str:
    staged = mapping(payload.get("@Redfish.Settings")).get("SettingsObject")
    return next((f"SettingsObject {uri}" for uri in links_in(staged)), "")


def _integrity(kind: str) -> Proof:
    def proof(payload: Payload) -> str:
        if payload.get("ComponentIntegrityType") != kind:
            return ""
        if payload.get("ComponentIntegrityEnabled") is False:
            return ""
        version = clean(payload.get("ComponentIntegrityTypeVersion"), 32)
        return f"ComponentIntegrityType {kind} {version}".strip()

    return proof


def _trusted_modules(payload: Payload) -> str:
    for held in items(payload.get("TrustedModules"), 16):
        if clean(held.get("InterfaceType")) and mapping(held.get("Status")).get("State") not in (
            "Absent",
            "Disabled",
        ):
            return f"TrustedModules {clean(held.get('InterfaceType'), 32)}"
    return ""


def _tpm_component(payload: Payload) -> str:
    kind = clean(payload.get("TrustedComponentType"), 32)
    return f"TrustedComponentType {kind}" if "TPM" in clean(payload.get("Name")).upper() else ""


def _enabled_sse(payload: Payload) -> str:
    word = clean(payload.get("ServerSentEventUri"), 256)
    return f"ServerSentEventUri {word}" if word else ""


def _subscribe(payload: Payload) -> str:
    if payload.get("ServiceEnabled") is False:
        return ""
    return _link("Subscriptions")(payload)


def _query(name: str) -> Proof:
    def proof(payload: Payload) -> str:
        held = mapping(payload.get("ProtocolFeaturesSupported")).get(name)
        if isinstance(held, Mapping):
            said = [key for key, value in held.items() if value is True]
            return f"{name}: {', '.join(map(str, said))}" if said else ""
        return name if held is True else ""

    return proof


def _sessions(payload: Payload) -> str:
    """Sessions are linked twice: by the service and, for logging in, inside `Links`."""
    return _link("SessionService")(payload) or _link("Sessions")(mapping(payload.get("Links")))


_LIQUID: Final = ("CoolingUnit", "CoolingLoop", "CoolantConnector", "Pump", "Reservoir")
TABLE: Final = (
    Row("inventory", ("ComputerSystem", "Chassis", "PowerDistribution", "CoolingUnit"), _is_read),
    Row("processors", ("Processor",), _is_read),
    Row("memory", ("Memory",), _is_read),
    Row("storage", ("Storage", "SimpleStorage", "Drive"), _is_read),
    Row("network_adapters", ("NetworkAdapter",), _is_read),
    Row("pcie", ("PCIeDevice",), _is_read),
    Row("sensors.modern", ("Sensor",), _is_read),
    Row("sensors.legacy", ("Thermal", "Power"), _is_read),
    Row("environment_metrics", ("EnvironmentMetrics",), _is_read),
    Row("thermal_subsystem", ("ThermalSubsystem",), _is_read),
    Row("power_subsystem", ("PowerSubsystem",), _is_read),
    Row("power_cap.control", ("Control",), _control),
    Row("power_cap.environment_metrics", ("EnvironmentMetrics",), _metrics_limit),
    Row("power_cap.power_control", ("Power",), _legacy_limit),
    Row("controls", ("Control",), _is_read),
    Row("power.state", ("ComputerSystem", "Chassis", "PowerDistribution"), _power_state),
    Row("power.reset", ("ComputerSystem",), _action(SYSTEM_RESET)),
    Row("power.reset", ("Chassis",), _action("#Chassis.Reset")),
    Row("power.restart.graceful", ("ComputerSystem",), _takes(SYSTEM_RESET, "GracefulRestart")),
    Row("power.restart.force", ("ComputerSystem",), _takes(SYSTEM_RESET, "ForceRestart")),
    Row("manager.reset", ("Manager",), _action("#Manager.Reset")),
    Row("boot.override", ("ComputerSystem",), _boot_override),
    Row(
        "boot.options", ("ComputerSystem",), lambda p: _link("BootOptions")(mapping(p.get("Boot")))
    ),
    Row("boot.time", ("ComputerSystem",), _boot_time),
    Row("virtual_media", ("ComputerSystem", "Manager"), _link("VirtualMedia")),
    Row("console.serial", ("ComputerSystem", "Manager"), _serial),
    Row("console.graphical", ("ComputerSystem", "Manager"), _graphical),
    Row("bios", ("Bios",), lambda p: "Attributes" if mapping(p.get("Attributes")) else ""),
    Row("bios.staged", ("Bios",), _staged),
    Row("bios.registry", ("Bios",), _text("AttributeRegistry")),
    Row("secure_boot", ("SecureBoot",), _is_read),
    Row("tpm", ("ComputerSystem",), _trusted_modules),
    Row("tpm", ("TrustedComponent",), _tpm_component),
    Row("attestation.spdm", ("ComponentIntegrity",), _integrity("SPDM")),
    Row("attestation.tpm", ("ComponentIntegrity",), _integrity("TPM")),
    Row("leak_detection", ("LeakDetector", "LeakDetection"), _is_read),
    Row("liquid_cooling", _LIQUID, _is_read),
    Row("power_distribution", ("PowerDistribution",), _is_read),
    Row("outlets", ("Outlet",), _is_read),
    Row("outlets.control", ("Outlet",), _action("#Outlet.PowerControl")),
    Row("circuits", ("Circuit",), _is_read),
    Row("circuits.control", ("Circuit",), _action("#Circuit.BreakerControl")),
    Row(
        "locate",
        ("ComputerSystem", "Chassis"),
        lambda p: "LocationIndicatorActive" if "LocationIndicatorActive" in p else "",
    ),
    Row("update.simple", ("UpdateService",), _action("#UpdateService.SimpleUpdate"), True),
    Row("update.start", ("UpdateService",), _action("#UpdateService.StartUpdate"), True),
    Row("update.multipart", ("UpdateService",), _text("MultipartHttpPushUri"), True),
    Row("update.push", ("UpdateService",), _text("HttpPushUri"), True),
    Row("firmware.inventory", ("SoftwareInventory",), _is_read, True),
    Row("telemetry.metric_reports", ("TelemetryService",), _link("MetricReports"), True),
    Row("telemetry.triggers", ("TelemetryService",), _link("Triggers"), True),
    Row("events.subscribe", ("EventService",), _subscribe, True),
    Row("events.sse", ("EventService",), _enabled_sse, True),
    Row("logs", ("LogService",), _link("Entries"), True),
    Row("certificates", ("Certificate",), _is_read, True),
    Row("certificates", ("ServiceRoot",), _link("CertificateService"), True),
    Row("accounts", ("ServiceRoot",), _link("AccountService"), True),
    Row("sessions", ("ServiceRoot",), _sessions, True),
    Row("tasks", ("ServiceRoot",), _link("Tasks"), True),
    Row("jobs", ("ServiceRoot",), _link("JobService"), True),
    Row("composition", ("ServiceRoot",), _link("CompositionService"), True),
    Row("aggregation", ("ServiceRoot",), _link("AggregationService"), True),
    Row("query.expand", ("ServiceRoot",), _query("ExpandQuery"), True),
    Row("query.select", ("ServiceRoot",), _query("SelectQuery"), True),
    Row("query.filter", ("ServiceRoot",), _query("FilterQuery"), True),
    Row("query.only", ("ServiceRoot",), _query("OnlyMemberQuery"), True),
    Row("query.excerpt", ("ServiceRoot",), _query("ExcerptQuery"), True),
)
NAMES: Final = frozenset(row.name for row in TABLE)


def _resources(harvest: Harvest, types: tuple[str, ...]) -> Iterable[tuple[str, Payload]]:
    """The root answers as a ServiceRoot even where the device forgot its type."""
    if types == ("ServiceRoot",):
        return [(ROOT, harvest.root)] if harvest.root else []
    return harvest.of_type(*types)


def _cells(row: Row, harvest: Harvest, owner: Callable[[str], str]) -> Iterator[Capability]:
    """One cell per asset: the first resource that proves it."""
    seen: set[str] = set()
    for uri, payload in _resources(harvest, row.types):
        asset = "" if row.service else owner(uri)
        if asset not in seen:
            proof = row.proof(payload)
            if proof:
                seen.add(asset)
                yield Capability(name=row.name, asset=asset, uri=uri, proof=proof[:512])


def read_capabilities(harvest: Harvest, owner: Callable[[str], str]) -> tuple[Capability, ...]:
    """The matrix of one endpoint. Pure; never raises. An asset of "" is the service itself."""
    held: dict[tuple[str, str], Capability] = {}
    for row in TABLE:
        for cell in _cells(row, harvest, owner):
            held.setdefault((cell.asset, cell.name), cell)
    return tuple(held.values())


def names_of(capabilities: Iterable[Capability], asset: str) -> tuple[str, ...]:
    """All that an asset can do: its own capabilities and the service's, sorted."""
    return tuple(sorted({each.name for each in capabilities if each.asset in (asset, "")}))
