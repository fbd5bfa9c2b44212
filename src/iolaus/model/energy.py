"""What an operator writes of power: the plant as it was built, and the policies it is held by.

`Plant` says what feeds and cools what (names may be host ranges, so a row of racks is one line).
`PowerPolicy` says how much of it may be used, by whom first, and whether Iolaus may act on it.
`LeakPolicy` says what a leak, lost flow or heat leads to, and `Building` (`model.building`) who
tells us of the rest of the house. Camel case outside, unknown keys refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from iolaus.model.building import BuildingDocument
from iolaus.model.desired import ApprovalWant, Duration, Metadata, NodeSelector, Wanted

Power = (
    Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    | Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})? ?(W|kW|MW)$",
            description='a number of watts, or such as "132 kW", "1.5 MW"',
        ),
    ]
)
Limit = (
    Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    | Annotated[
        str,
        msgspec.Meta(
            pattern=r"^(none|[0-9]{1,12}(\.[0-9]{1,6})? ?(W|kW|MW))$",
            description='a number of watts, such as "132 kW", or "none" for no limit of its own',
        ),
    ]
)
Part = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,4})?)%$", description='such as "1.5%", "30%"'
    ),
]
Ranged = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=200, description="a name, or such as h1-r[01-16]"),
]
Priority = Annotated[int, msgspec.Meta(ge=0, le=3)]
Mode = Literal["observe", "advise", "control"]
_UNITS: Final = {"W": 1.0, "kW": 1e3, "MW": 1e6}


class DomainWant(Wanted, frozen=True, kw_only=True):
    """What has a limit. `limit` is what it may carry ("none": nothing of its own; not written:
    unknown); `standby` are other domains that can carry it; `overhead` is what it carries without
    any cap, and `efficiency` how much of what it draws arrives below."""

    name: Ranged
    kind: Literal[
        "site", "feed", "transformer", "breaker", "busway", "hall", "row", "shelf", "rack"
    ]
    parent: Ranged | None = None
    standby: list[Ranged] = []
    limit: Limit | None = None
    overhead: Power | None = None
    efficiency: Part | None = None


class LoadWant(Wanted, frozen=True, kw_only=True):
    """Nodes with a cap: those that the selector selects among the discovered, or a name that
    nobody has discovered yet, with its rack. What is written counts beside what a device says."""

    selector: NodeSelector = msgspec.field(default_factory=NodeSelector)
    name: Ranged | None = None
    rack: str | None = None
    floor: Power | None = None
    nameplate: Power | None = None
    idle: Power | None = None
    job: str | None = None


class LoopWant(Wanted, frozen=True, kw_only=True):
    name: str
    units: list[Ranged] = []
    racks: list[Ranged] = []


class ZoneWant(Wanted, frozen=True, kw_only=True):
    name: str
    kind: Literal["tray", "rack", "loop", "unit"]
    members: list[Ranged] = []


class PlantSpec(Wanted, frozen=True, kw_only=True):
    domains: list[DomainWant] = []
    loads: list[LoadWant] = []
    loops: list[LoopWant] = []
    zones: list[ZoneWant] = []


class LimitWant(Wanted, frozen=True, kw_only=True):
    """Less than the plant could: the lower counts. `reserve` is kept back beside the guard."""

    domain: Ranged
    limit: Power | None = None
    guard: Part | None = None
    reserve: Power | None = None
    redundancy: Literal["alone", "shared"] | None = None


class PriorityWant(Wanted, frozen=True, kw_only=True):
    """0 is the lowest, 3 the highest; who is not named has 1. The last that fits counts."""

    selector: NodeSelector
    priority: Priority


class FloorWant(Wanted, frozen=True, kw_only=True):
    """The lowest cap of these nodes, and the one their devices keep when nobody speaks to them."""

    selector: NodeSelector
    floor: Power


class ModeWant(Wanted, frozen=True, kw_only=True):
    """Another mode for these racks, or for all of a hall. The last row that fits counts."""

    mode: Mode
    racks: Ranged | None = None
    hall: str | None = None


class RechargeWant(Wanted, frozen=True, kw_only=True):
    """How batteries charge after they carried the load: each unit with `perUnit` at most, `reserve`
    set aside for it before anything above the floors, and starts spread over `spread`."""

    per_unit: Power = "150 W"
    least: Power = "10 W"
    reserve: Power = 0.0
    spread: Duration = "5m"


Celsius = Annotated[float, msgspec.Meta(ge=0, le=60)]
Kelvins = Annotated[float, msgspec.Meta(gt=0, le=60)]


class CoolantWant(Wanted, frozen=True, kw_only=True):
    """The guardrails of what is asked of coolant units, in degrees Celsius and kelvins: never out
    of `leastC` to `mostC` or nearer to the dew point than `dryK`; warmer by `stepK` while the
    hottest die has more than `ampleK` left, colder where it has less than `tightK`."""

    least_c: Celsius = 20.0
    most_c: Celsius = 40.0
    dry_k: Kelvins = 2.0
    ample_k: Kelvins = 20.0
    tight_k: Kelvins = 12.0
    step_k: Kelvins = 1.0
    up_every: Duration = "5m"
    down_every: Duration = "1m"


class SmoothingWant(Wanted, frozen=True, kw_only=True):
    """The site's power may change by `rampPerSecond`; what is steeper is smoothed by the GPUs' own
    profiles, until it was calm for `calm`."""

    ramp_per_second: Power
    calm: Duration = "5m"


class PowerPolicySpec(Wanted, frozen=True, kw_only=True):
    mode: Mode = "observe"
    modes: list[ModeWant] = []
    redundancy: Literal["alone", "shared"] = "alone"
    fairness: Literal["node", "job"] = "node"
    headroom: bool = True
    guard: Part = "1.5%"
    cap_error: Part = "1%"
    deadband: Part = "1%"
    writes_per_minute: Annotated[int, msgspec.Meta(ge=1, le=60)] = 6
    lease: Duration = "3s"
    period: Duration = "1s"
    silent: Duration = "3s"
    ramp_up_per_second: Power | None = None
    ramp_down_per_second: Power | None = None
    limits: list[LimitWant] = []
    priorities: list[PriorityWant] = []
    floors: list[FloorWant] = []
    recharge: RechargeWant | None = None
    coolant: CoolantWant | None = None
    smoothing: SmoothingWant | None = None
    approvals: list[ApprovalWant] = []


class LeakPolicySpec(Wanted, frozen=True, kw_only=True):
    """A warning counts when `warningVotes` detectors of a zone agree, or one for `warningDwell`;
    one critical detector is enough, always. Less coolant than `flowMinLpm` (L/min) through a unit
    or a rack is lost flow; where it is not said, flow that ceased is."""

    mode: Mode = "observe"
    modes: list[ModeWant] = []
    warning_votes: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    warning_dwell: Duration = "10s"
    warning_cap: Part = "50%"
    drain: bool = True
    power_off: bool = True
    isolate: bool = True
    flow_cap: Part = "30%"
    flow_min_lpm: Annotated[float, msgspec.Meta(ge=0)] | None = None
    coolant_max_c: Annotated[float, msgspec.Meta(ge=0, le=100)] = 45.0
    die_max_c: Annotated[float, msgspec.Meta(ge=0, le=150)] = 90.0
    supply_worst_c: Annotated[float, msgspec.Meta(ge=0, le=100)] = 45.0
    approvals: list[ApprovalWant] = []


class PlantDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["Plant"]
    metadata: Metadata
    spec: PlantSpec


class PowerPolicyDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["PowerPolicy"]
    metadata: Metadata
    spec: PowerPolicySpec


class LeakPolicyDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["LeakPolicy"]
    metadata: Metadata
    spec: LeakPolicySpec


EnergyDocument = PlantDocument | PowerPolicyDocument | LeakPolicyDocument | BuildingDocument
DOCUMENTS: Final[dict[str, type[EnergyDocument]]] = {
    "Plant": PlantDocument,
    "PowerPolicy": PowerPolicyDocument,
    "LeakPolicy": LeakPolicyDocument,
    "Building": BuildingDocument,
}


def watts(power: Limit) -> float:
    """Any way of writing a power, in watts; "none" is infinite."""
    if power == "none":
        return float("inf")
    if isinstance(power, str):
        number, unit = re.split(r"(?<=[0-9]) ?(?=[WkM])", power, maxsplit=1)
        return float(number) * _UNITS[unit]
    return float(power)


def part(text: Part) -> float:
    """A percentage as a fraction of one."""
    return float(text.rstrip("%")) / 100.0


def energy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a file of any of the four."""
    kinds, parts = msgspec.json.schema_components(DOCUMENTS.values(), ref_template="#/$defs/{name}")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, "anyOf": list(kinds), "$defs": parts}
