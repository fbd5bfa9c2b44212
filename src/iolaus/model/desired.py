"""What good looks like: the baseline that an operator writes, as values.

The names in a file are these names in camel case. A file holds what was wanted and nothing that a
server fills in; unknown keys are errors. What is not named is not compared: a baseline that says
nothing of a component leaves it alone.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec

API_VERSION: Final = "iolaus.dev/v1"
NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"
Name = Annotated[str, msgspec.Meta(pattern=NAME, description="lower case, digits, . and -")]
Duration = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9]+(s|m|h|d))+$", description='such as "90s", "30m", "1h30m", "2d"'
    ),
]
Share = (
    Annotated[int, msgspec.Meta(ge=1)]
    | Annotated[str, msgspec.Meta(pattern=r"^(100|[1-9]?[0-9])(\.[0-9]+)?%$")]
)
"""A number of nodes or a percentage of them."""
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{64}$")]
Scalar = str | int | float | bool
Words = str | list[str]


class Wanted(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Everything of a baseline: camel case outside, and nothing that we do not know."""


class ApplyTime(StrEnum):
    """Redfish `Settings.OperationApplyTime` (DSP0266 section 9.11)."""

    IMMEDIATE = "Immediate"
    ON_RESET = "OnReset"
    AT_WINDOW = "AtMaintenanceWindowStart"
    IN_WINDOW_ON_RESET = "InMaintenanceWindowOnReset"


class NodeSelector(Wanted, frozen=True, kw_only=True):
    """All of `match_labels` must hold (labels and fields of the node); `expression` is a selector
    of the command line's grammar. Both empty: no node; a forgotten selector changes nothing."""

    match_labels: dict[str, str] = {}
    expression: str = ""


class ComponentMatch(Wanted, frozen=True, kw_only=True):
    """Which firmware is meant: by class (`component: bmc`) or id (`FW_BMC_0`, `*` allowed), by the
    kind of part, and by who made it. One word or several."""

    component: Words = []
    kind: Words = []
    vendor: Words = []
    model: Words = []


class ImageRef(Wanted, frozen=True, kw_only=True):
    """A file of the image folder, or a URI that the device can fetch; its hash is checked."""

    file: str = ""
    uri: str = ""
    sha256: Sha256


class ComponentWant(Wanted, frozen=True, kw_only=True):
    """`version` is a version or a constraint (">=1.7,<2"). `after` names components (by the word
    of their match) that are brought to their version first. `reset` is what activates it."""

    match: ComponentMatch
    version: Annotated[str, msgspec.Meta(min_length=1)]
    image: ImageRef | None = None
    apply_time: ApplyTime = ApplyTime.IMMEDIATE
    after: list[str] = []
    scheme: Literal["", "dotted", "suffix", "hex", "date", "exact"] = ""
    reset: Literal["", "none", "manager", "graceful", "force", "powercycle"] = ""


class FirmwareWant(Wanted, frozen=True, kw_only=True):
    components: list[ComponentWant] = []
    allow_downgrade: bool = False


class BiosWant(Wanted, frozen=True, kw_only=True):
    """`normalized` are names that mean the same on every make; `raw` are the maker's own."""

    normalized: dict[str, Scalar] = {}
    raw: dict[str, Scalar] = {}


class SyslogWant(Wanted, frozen=True, kw_only=True):
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    tls: bool | None = None


class AccountsWant(Wanted, frozen=True, kw_only=True):
    """`rotate_every` makes a password's age a finding; `only` are the accounts that may exist."""

    rotate_every: Duration | None = None
    only: list[str] | None = None
    lockout_threshold: Annotated[int, msgspec.Meta(ge=0)] | None = None


class CertificateWant(Wanted, frozen=True, kw_only=True):
    """Renewed when it ends within `renew_before`, signed by the authority named."""

    authority: str
    renew_before: Duration = "30d"


class BootWant(Wanted, frozen=True, kw_only=True):
    order: list[str] | None = None


class BmcWant(Wanted, frozen=True, kw_only=True):
    ntp: list[str] | None = None
    syslog: SyslogWant | None = None
    services: dict[str, bool] = {}
    accounts: AccountsWant | None = None
    certificate: CertificateWant | None = None
    boot: BootWant | None = None
    power_restore_policy: Literal["AlwaysOn", "AlwaysOff", "LastState"] | None = None


class AttestWant(Wanted, frozen=True, kw_only=True):
    reference_values: list[str] = []
    max_age: Duration = "1h"
    on_fail: Literal["report", "pause", "quarantine"] = "report"


class SecurityWant(Wanted, frozen=True, kw_only=True):
    secure_boot: Literal["required", "off"] | None = None
    attest: AttestWant | None = None


class DrainWant(Wanted, frozen=True, kw_only=True):
    adapter: str
    timeout: Duration = "1h"
    on_timeout: Literal["skip", "fail"] = "skip"


class WindowWant(Wanted, frozen=True, kw_only=True):
    cron: str
    duration: Duration
    tz: str = "UTC"


class WaveWant(Wanted, frozen=True, kw_only=True):
    """`max` nodes in all, or everything left in batches of `batch`."""

    name: Name
    max: Share | None = None
    batch: Share | None = None
    soak: Duration = "0s"


class LimitsWant(Wanted, frozen=True, kw_only=True):
    max_unavailable: Share | None = None
    max_dark_racks: Annotated[int, msgspec.Meta(ge=0)] | None = None
    keep_power_redundancy: Literal["N", "N+1", "2N"] | None = None
    per_domain: dict[str, Annotated[int, msgspec.Meta(ge=1)] | Literal["atomic"]] = {}
    bricks: Annotated[int, msgspec.Meta(ge=0)] = 1


class GateWant(Wanted, frozen=True, kw_only=True):
    """An expression over the roll-out's numbers, or a command whose exit code decides."""

    name: Name
    expr: str = ""
    command: list[str] = []


class ApprovalWant(Wanted, frozen=True, kw_only=True):
    group: str
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class OnFailureWant(Wanted, frozen=True, kw_only=True):
    node: Literal["rollback", "leave"] = "rollback"
    wave: Literal["pause", "continue", "abort"] = "pause"


class RolloutWant(Wanted, frozen=True, kw_only=True):
    drain: DrainWant | None = None
    window: WindowWant | None = None
    waves: list[WaveWant] = []
    limits: LimitsWant = msgspec.field(default_factory=LimitsWant)
    gates: list[GateWant] = []
    approvals: list[ApprovalWant] = []
    on_failure: OnFailureWant = msgspec.field(default_factory=OnFailureWant)


class Excused(Wanted, frozen=True, kw_only=True):
    """A departure that somebody answers for, until a day. `items` are subjects of drift
    ("firmware/bmc", "bios/*")."""

    selector: NodeSelector
    items: Annotated[list[str], msgspec.Meta(min_length=1)]
    owner: Annotated[str, msgspec.Meta(min_length=1)]
    expires: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$")]
    reason: str = ""


class BaselineSpec(Wanted, frozen=True, kw_only=True):
    selector: NodeSelector
    firmware: FirmwareWant = msgspec.field(default_factory=FirmwareWant)
    bios: BiosWant = msgspec.field(default_factory=BiosWant)
    bmc: BmcWant = msgspec.field(default_factory=BmcWant)
    security: SecurityWant = msgspec.field(default_factory=SecurityWant)
    exceptions: list[Excused] = []
    remediation: Literal["observe", "plan", "auto"] = "observe"
    rollout: RolloutWant = msgspec.field(default_factory=RolloutWant)


class Metadata(Wanted, frozen=True, kw_only=True):
    name: Name
    labels: dict[str, str] = {}


class Baseline(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["Baseline"]
    metadata: Metadata
    spec: BaselineSpec

    @property
    def name(self) -> str:
        return self.metadata.name


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline as the server keeps it. `generation` grows with every change of the spec;
    `source` is where it came from (a file's name, "api", a Git commit)."""

    baseline: Baseline
    generation: int
    at: float
    by: str = ""
    source: str = ""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a baseline file."""
    found = msgspec.json.schema(Baseline)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def seconds_of(duration: Duration) -> float:
    """Of a duration as a file has it."""
    size = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    parts = re.findall(r"([0-9]+)([smhd])", duration)
    return float(sum(int(count) * size[unit] for count, unit in parts))


def words(given: Words) -> tuple[str, ...]:
    """One word or several, as several."""
    return (given,) if isinstance(given, str) else tuple(given)
