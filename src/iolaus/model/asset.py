"""Assets, their components and readings: one shape over every vendor's dialect.

An asset is what an operator points at: a node, a switch, a power shelf. One endpoint (management
controller) may carry several (two hosts behind one BMC), and one asset may be spread over several
resources of it (a tray whose GPUs sit on a second ComputerSystem). Everything here is a frozen
value; `None` means not known, and the reason stands in `gaps` or in the fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from iolaus.model.evidence import Attester
from iolaus.model.fact import Conflict, Health, Known, PowerState, Unknown

PowerFact = Known[PowerState] | Unknown | Conflict[PowerState]
HealthFact = Known[Health] | Unknown | Conflict[Health]


class AssetKind(StrEnum):
    NODE = "node"
    DPU = "dpu"
    SWITCH = "switch"
    POWER_SHELF = "powershelf"
    PDU = "pdu"
    CDU = "cdu"
    LEAK = "leak"
    CHASSIS = "chassis"


class ComponentKind(StrEnum):
    """What is counted in a node (`counts` uses exactly these words), and what is only listed."""

    CPU = "cpu"
    GPU = "gpu"
    MEMORY = "memory"
    NIC = "nic"
    DPU = "dpu"
    DRIVE = "drive"
    PSU = "psu"
    FAN = "fan"
    ACCELERATOR = "accelerator"
    PUMP = "pump"
    OUTLET = "outlet"
    CIRCUIT = "circuit"
    BATTERY = "battery"
    LEAK_DETECTOR = "leakdetector"
    SWITCH = "switch"
    BOARD = "board"
    BMC = "bmc"
    OTHER = "other"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Composite identity. Blank, zero and placeholder values are None, never matched on."""

    uuid: str | None = None
    serial: str | None = None
    part_number: str | None = None
    sku: str | None = None
    asset_tag: str | None = None
    macs: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where it stands, as the device or the operator says. `u` is the lowest rack unit."""

    hall: str | None = None
    row: str | None = None
    rack: str | None = None
    u: int | None = None
    slot: str | None = None
    label: str | None = None


class Component(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of an asset. `uri` is its resource; `readings` are scalars read with the inventory
    (`temperature_c`, `power_w`, `capacity_gib`, `speed_rpm` ...: the unit is in the name)."""

    name: str
    kind: ComponentKind
    asset: str
    uri: str
    location: str | None = None
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    part_number: str | None = None
    firmware: str | None = None
    health: str | None = None
    state: str | None = None
    uuid: str | None = None
    readings: Mapping[str, float] = {}


class Reading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One sensor's value at one time. `value` None means not known, and `reason` says why.

    `quantity` is a Redfish ReadingType ("Temperature", "Power", ...), `unit` its unit,
    `status` the device's verdict ("OK", "Warning", "Critical" or None), `limits` the thresholds
    that the device reports, by Redfish name in snake case (`upper_critical` ...). `every_s` is
    how often it is read or told where that is less often than its endpoint is polled (0: not).
    `role` is the normalised meaning where it is known: "node_power", "inlet_temperature",
    "coolant_supply_temperature", "coolant_flow", "leak" ... (empty: none).
    """

    name: str
    asset: str
    uri: str
    quantity: str
    unit: str
    value: float | None
    at: float
    component: str | None = None
    status: str | None = None
    reason: str = ""
    role: str = ""
    limits: Mapping[str, float] = {}
    every_s: float = 0.0


class Firmware(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One entry of the firmware inventory. `component` is its Redfish Id; `version` is trimmed;
    `software_id` is what its maker calls it (SoftwareId).

    `kind` is what it is the firmware of, in one word where that is certain ("bmc", "bios", "erot",
    "cpld", "nic", "gpu", "psu" ...); `scheme` how its maker orders versions; `bank` is "" for what
    runs, "backup" for the other bank, "staged" for what a reset activates; `booted_by` is the URI
    of the manager that lists it among its images and can be told to boot another ("": none).
    `health` is what the device says of it in one of Redfish's words."""

    component: str
    name: str
    version: str | None
    asset: str
    uri: str
    updateable: bool | None = None
    state: str | None = None
    vendor: str | None = None
    related: tuple[str, ...] = ()
    kind: str = ""
    scheme: str = ""
    bank: str = ""
    booted_by: str = ""
    software_id: str = ""
    health: str | None = None


class PowerLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A power cap as the device shows it, whatever the dialect that says so."""

    asset: str
    uri: str
    dialect: str
    """"control", "environment_metrics" or "power_control"."""
    limit_w: float | None
    enabled: bool | None = None
    min_w: float | None = None
    max_w: float | None = None
    component: str | None = None


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the capability matrix: proved by reading `uri`, never assumed from a vendor.

    `name` is a fixed word ("inventory", "sensors", "power_cap.control", "update.simple",
    "update.multipart", "events.sse", "telemetry", "attestation.spdm", "bios", "logs" ...).
    """

    name: str
    asset: str
    uri: str
    proof: str = ""


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device departs from the standard or from plausibility. Counted, never raised."""

    uri: str
    pointer: str
    rule: str
    detail: str = ""


class Setting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One BIOS attribute: what is applied, and what is staged (None: nothing is). `normal` is the
    name that means the same on every make, and `words` pairs of its value there and here."""

    asset: str
    name: str
    value: str | int | float | bool | None
    staged: str | int | float | bool | None = None
    normal: str = ""
    words: tuple[tuple[str, str | int | float | bool], ...] = ()


class ManagerSetting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One setting of a management controller or of how its host boots, by a fixed name
    ("ntp.servers", "services.ssh", "boot.order", "secureBoot.enabled" ...). A list is a tuple of
    text. `value` None means not known, and `reason` says why; `staged` waits for a reset."""

    name: str
    value: str | int | float | bool | tuple[str, ...] | None
    uri: str
    staged: str | int | float | bool | tuple[str, ...] | None = None
    reason: str = ""
    asset: str | None = None


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    uri: str
    subject: str | None = None
    issuer: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    fingerprint: str | None = None
    usage: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Hosts that it is for (subjectAltName, RFC 5280 section 4.2.1.6); none where it says none."""
    key: str | None = None
    """"RSA 2048", "EC secp256r1": its public key."""


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`at` is our receive time; `created` is the device's own word, which may be wrong."""

    uri: str
    entry_id: str
    severity: str
    message: str
    at: float
    created: str | None = None
    message_id: str | None = None
    origin: str | None = None


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is stable within the endpoint ("Systems/System_0"); `resources` are all the URIs that
    make it up, the primary one first. `counts` holds None for a class that could not be read.
    `gaps` maps a field name to the reason why it is None."""

    key: str
    kind: AssetKind
    resources: tuple[str, ...]
    identity: Identity
    power_state: PowerFact
    health: HealthFact
    observed_at: float
    vendor: str | None = None
    model: str | None = None
    hostname: str | None = None
    counts: Mapping[str, int | None] = {}
    memory_gib: float | None = None
    bmc_firmware: str | None = None
    capabilities: tuple[str, ...] = ()
    place: Place = Place()
    readings: Mapping[str, float] = {}
    raw: Mapping[str, str] = {}
    gaps: Mapping[str, str] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that one full reading of one endpoint says. `hot` lists the URIs of the hot set."""

    endpoint: str
    driver: str
    redfish_version: str | None
    observed_at: float
    assets: tuple[Asset, ...]
    components: tuple[Component, ...] = ()
    readings: tuple[Reading, ...] = ()
    firmware: tuple[Firmware, ...] = ()
    power_limits: tuple[PowerLimit, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    settings: tuple[Setting, ...] = ()
    manager_settings: tuple[ManagerSetting, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    attesters: tuple[Attester, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    hot: tuple[str, ...] = ()
    requests: int = 0
    duration_s: float = 0.0
    clock_skew_s: float | None = None
    service_uuid: str | None = None
    partial: Mapping[str, str] = {}
    """URI -> why it could not be read, for every part of the tree that is missing here."""

    @property
    def began_at(self) -> float:
        """What happened after this may not be in it, whenever it was read to its end."""
        return self.observed_at - self.duration_s


class HotUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass over the hot set says: per asset key, and the readings it covered. `unlike`
    says in what the device is not that of the last full reading ("": in nothing)."""

    endpoint: str
    at: float
    power_states: Mapping[str, PowerFact] = {}
    healths: Mapping[str, HealthFact] = {}
    readings: tuple[Reading, ...] = ()
    unlike: str = ""
