"""The fields themselves. Their descriptions are the reference: `iolaus explain` and the OpenAPI
document print them, so there is no second place to keep them true.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(description="Unique among its kind; what you type.")]
Labels = Annotated[
    Mapping[str, str],
    Meta(description="The operator's labels, and hall, row, rack and u where they are known."),
]
Health = Annotated[
    str | None,
    Meta(description="OK, Warning, Critical; null while it is not known, stale or unreachable."),
]
Observed = Annotated[
    datetime | None, Meta(description="When the newest fact shown here was read (our clock, UTC).")
]
Age = Annotated[
    float | None, Meta(description="Seconds since observed_at; null if nothing was ever read.")
]
Stale = Annotated[bool, Meta(description="Older than two polls, or the endpoint does not answer.")]
Endpoint = Annotated[str, Meta(description="Address of the management controller that says so.")]
Owner = Annotated[str, Meta(description="Name of the node or device that it is part of.")]
Vendor = Annotated[str | None, Meta(description="The maker's usual name.")]
Model = Annotated[str | None, Meta(description="The maker's model name.")]
Serial = Annotated[str | None, Meta(description="Serial number, if one is reported.")]
Readings = Annotated[
    Mapping[str, float], Meta(description="Summary values; the unit is in the name.")
]
Uri = Annotated[str, Meta(description="The resource on the device that says so.")]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What every object shows."""

    name: Name
    kind: str
    labels: Labels = {}


class ConditionView(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about an object, with the reason and what to do."""

    type: Annotated[str, Meta(description="What is stated, e.g. Reachable, Fresh, Healthy.")]
    status: Annotated[str, Meta(description="True, False or Unknown.")]
    reason: Annotated[str, Meta(description="One CamelCase word that a program can match.")] = ""
    message: Annotated[str, Meta(description="The reason as a sentence.")] = ""
    next_step: Annotated[str, Meta(description="What to do about it; may be empty.")] = ""
    since: Annotated[
        datetime | None, Meta(description="Since when it holds, where that is known.")
    ] = None


class FirmwareLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One firmware of a node or device."""

    component: Annotated[str, Meta(description="What it runs on: the inventory entry's id.")]
    version: Annotated[str | None, Meta(description="As the device reports it, trimmed.")]
    updateable: Annotated[bool | None, Meta(description="Whether the device says it can be.")]
    state: Annotated[str | None, Meta(description="Redfish state: Enabled, Disabled ...")]


class AssetView(View, frozen=True, kw_only=True):
    """A node, switch, power shelf, PDU, CDU, DPU, leak controller or chassis."""

    vendor: Vendor
    model: Model
    serial: Serial
    sku: Annotated[str | None, Meta(description="The maker's order number.")]
    uuid: Annotated[str | None, Meta(description="UUID that the device reports.")]
    hostname: Annotated[str | None, Meta(description="Host name that the device reports.")]
    power_state: Annotated[
        str | None, Meta(description="On, Off, PoweringOn, PoweringOff, Paused; null: not known.")
    ]
    health: Health
    counts: Annotated[
        Mapping[str, int | None],
        Meta(description="Present parts by class; null: that class could not be read."),
    ]
    memory_gib: Annotated[float | None, Meta(description="Memory of the host in GiB.")]
    endpoint: Endpoint
    redfish_version: Annotated[str | None, Meta(description="Redfish version of the service.")]
    bmc_firmware: Annotated[str | None, Meta(description="Firmware version of the controller.")]
    capabilities: Annotated[
        tuple[str, ...], Meta(description="What it was proved to offer, by reading it.")
    ]
    conditions: Annotated[
        tuple[ConditionView, ...], Meta(description="What holds now, why, and what to do.")
    ]
    firmware: Annotated[tuple[FirmwareLine, ...], Meta(description="Its firmware inventory.")]
    deviations: Annotated[
        int, Meta(description="How often its answers depart from the standard or plausibility.")
    ]
    observed_at: Observed
    age_s: Age
    stale: Stale
    readings: Readings = {}
    part_number: Annotated[str | None, Meta(description="The maker's part number.")] = None
    asset_tag: Annotated[str | None, Meta(description="Tag that an owner set on it.")] = None
    power_limit_w: Annotated[
        float | None, Meta(description="The cap on the whole asset in watts, if one is shown.")
    ] = None
    raw: Annotated[
        Mapping[str, str], Meta(description="The device's own strings where ours differ.")
    ] = {}


class ComponentView(View, frozen=True, kw_only=True, gc=False):
    """A part of a node or device: GPU, NIC, drive, power supply, fan ..."""

    node: Owner
    type: Annotated[str, Meta(description="cpu, gpu, memory, nic, drive, psu, fan ...")]
    vendor: Vendor
    model: Model
    serial: Serial
    part_number: Annotated[str | None, Meta(description="The maker's part number.")]
    firmware: Annotated[str | None, Meta(description="Its firmware version, if reported.")]
    health: Health
    location: Annotated[str | None, Meta(description="Slot or place, as the device says.")]
    readings: Readings
    observed_at: Observed
    age_s: Age
    stale: Stale
    state: Annotated[str | None, Meta(description="Redfish state: Enabled, Standby ...")] = None
    uuid: Annotated[str | None, Meta(description="UUID that the part reports.")] = None
    id: Annotated[str, Meta(description="Unique among all components: node:part.")] = ""
    uri: Uri = ""
    reason: Annotated[str, Meta(description="Why the health is null; empty if it is not.")] = ""


class SensorView(View, frozen=True, kw_only=True, gc=False):
    """One sensor and its last value."""

    node: Owner
    component: Annotated[str | None, Meta(description="The part it belongs to, if known.")]
    quantity: Annotated[str, Meta(description="What it measures, by Redfish ReadingType.")]
    unit: Annotated[str, Meta(description="Unit of value and limits (UCUM as Redfish has it).")]
    value: Annotated[float | None, Meta(description="The last value; null: not known.")]
    status: Annotated[
        str | None, Meta(description="The device's verdict: OK, Warning, Critical; null: none.")
    ]
    limits: Annotated[Mapping[str, float], Meta(description="Thresholds that the device shows.")]
    observed_at: Observed
    age_s: Age
    stale: Stale
    reason: Annotated[str, Meta(description="Why the value is null; empty if it is not.")] = ""
    role: Annotated[str, Meta(description="Normalised meaning, e.g. node_power; may be empty.")] = (
        ""
    )
    id: Annotated[str, Meta(description="Unique among all sensors: node:sensor.")] = ""
    uri: Uri = ""


class LeakView(View, frozen=True, kw_only=True):
    """A leak controller, or one detector of a device."""

    node: Owner
    vendor: Vendor
    model: Model
    serial: Serial
    health: Health
    state: Annotated[
        str | None,
        Meta(description="leak or dry; null while the detector is silent. Unknown is not dry."),
    ]
    endpoint: Endpoint
    capabilities: tuple[str, ...]
    conditions: tuple[ConditionView, ...]
    counts: Mapping[str, int | None]
    readings: Readings
    observed_at: Observed
    age_s: Age
    stale: Stale
    id: Annotated[str, Meta(description="Unique among all leak detectors: node:detector.")] = ""


class FirmwareView(View, frozen=True, kw_only=True, gc=False):
    """One entry of a firmware inventory."""

    node: Owner
    component: Annotated[str, Meta(description="What it runs on: the inventory entry's id.")]
    version: Annotated[str | None, Meta(description="As the device reports it, trimmed.")]
    updateable: Annotated[bool | None, Meta(description="Whether the device says it can be.")]
    state: Annotated[str | None, Meta(description="Redfish state: Enabled, Disabled ...")]
    vendor: Vendor
    observed_at: Observed
    age_s: Age
    stale: Stale
    id: Annotated[str, Meta(description="Unique among all firmware: node:component.")] = ""
    uri: Uri = ""


class EndpointView(View, frozen=True, kw_only=True):
    """A management controller's address, and what became of trying to reach it."""

    address: Annotated[str, Meta(description="https://host[:port]; the key of the endpoint.")]
    protocol: Annotated[str, Meta(description="What is spoken to it.")]
    state: Annotated[
        str | None,
        Meta(description="reachable, unauthenticated, unreachable, unsupported; null: untried."),
    ]
    driver: Annotated[str | None, Meta(description="Which driver reads it.")]
    latency_ms: Annotated[float | None, Meta(description="Time of its last answer in ms.")]
    in_flight: Annotated[int, Meta(description="Requests to it under way.")]
    sessions: Annotated[int, Meta(description="Sessions that we hold on it: never over one.")]
    last_error: Annotated[str | None, Meta(description="What went wrong last; null: nothing.")]
    age_s: Annotated[float | None, Meta(description="Seconds since it last answered.")]
    next_step: Annotated[str, Meta(description="What to do about the error; may be empty.")]
    mode: Annotated[str, Meta(description="read-only or managed.")]
    stale: Stale
    conditions: tuple[ConditionView, ...]
    assets: Annotated[tuple[str, ...], Meta(description="Names of what it carries.")]
    redfish_version: str | None
    certificate: Annotated[str | None, Meta(description="SHA-256 of the certificate it shows.")]
    clock_skew_s: Annotated[float | None, Meta(description="Its clock minus ours, seconds.")]
    deviations: Annotated[int, Meta(description="Departures from the standard in its answers.")]
    unread: Annotated[int, Meta(description="Parts of its tree that could not be read.")]
    requests: Annotated[int | None, Meta(description="Requests that the last inventory took.")]
    collection_s: Annotated[float | None, Meta(description="Seconds the last inventory took.")]
    observed_at: Observed


class RackView(View, frozen=True, kw_only=True):
    """A rack: the things whose label `rack` says so."""

    hall: str | None
    nodes: int
    devices: Annotated[int, Meta(description="Everything in it that is not a node.")]
    health: Annotated[
        Mapping[str, int], Meta(description="How many are OK, Warning, Critical, Unknown.")
    ]
    powered_on: int
    power_w: Annotated[
        float | None, Meta(description="Sum of what its nodes draw; null: none is known.")
    ]
    power_known: Annotated[int, Meta(description="Of how many nodes power_w is the sum.")]
    inlet_c: Annotated[float | None, Meta(description="Hottest known inlet, Celsius.")]
    leaks: Annotated[int, Meta(description="Things that say leak.")]
    stale: bool
    age_s: Annotated[float | None, Meta(description="Age of the oldest thing in it, seconds.")]


class HallView(View, frozen=True, kw_only=True):
    """A hall: the things whose label `hall` says so."""

    racks: int
    nodes: int
    devices: int
    health: Mapping[str, int]
    powered_on: int
    power_w: float | None
    power_known: int
    inlet_c: float | None
    leaks: int
    stale: bool
    age_s: float | None


class EventView(View, frozen=True, kw_only=True):
    """Something that happened, by our own receive time."""

    at: datetime
    age_s: float
    type: Annotated[str, Meta(description="A CamelCase word: EndpointLost, FirmwareChanged ...")]
    severity: str
    message: str
    endpoint: Endpoint
    node: Annotated[str | None, Meta(description="The asset it concerns, if known.")]
    component: str | None
    origin: Annotated[str | None, Meta(description="The resource on the device, if known.")]
    before: str | None
    after: str | None


class CapabilityView(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the capability matrix, with what proves it."""

    name: str
    node: Owner
    uri: Uri
    proof: str


class DeviationView(msgspec.Struct, frozen=True, kw_only=True):
    """Where the device departs from the standard or from plausibility."""

    uri: Uri
    pointer: Annotated[str, Meta(description="Where in the resource (JSON pointer).")]
    rule: str
    detail: str
