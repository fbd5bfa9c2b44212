"""The nouns: one table for REST paths, the command line and `explain`.

A kind is a row here and nothing else; whoever adds one adds no code path to the API or the CLI.
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import Final

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.north.dto.advisories import AdvisoryView
from iolaus.north.dto.alarms import AlarmView, SuppressionView
from iolaus.north.dto.attestation import AttestationView
from iolaus.north.dto.desired import BaselineView, DriftView
from iolaus.north.dto.drains import DrainView
from iolaus.north.dto.edges import EdgeView, PowerCapView
from iolaus.north.dto.hardening import HardeningView
from iolaus.north.dto.members import MemberView
from iolaus.north.dto.onboarding import CandidateView, ExpectedView, RetirementView
from iolaus.north.dto.plant import PlantView
from iolaus.north.dto.points import PointView
from iolaus.north.dto.references import ReferenceView
from iolaus.north.dto.rolls import PlanView, RolloutView
from iolaus.north.dto.ruling import PowerChangeView, PowerPolicyView
from iolaus.north.dto.site import SitePowerView
from iolaus.north.dto.views import (
    AssetView,
    ComponentView,
    EndpointView,
    EventView,
    FirmwareView,
    HallView,
    LeakView,
    RackView,
    SensorView,
    View,
)


class Source(StrEnum):
    """Where the objects of a kind come from."""

    ASSET = "asset"
    COMPONENT = "component"
    SENSOR = "sensor"
    FIRMWARE = "firmware"
    LEAK = "leak"
    ENDPOINT = "endpoint"
    RACK = "rack"
    HALL = "hall"
    EVENT = "event"
    BASELINE = "baseline"
    DRIFT = "drift"
    PLAN = "plan"
    ROLLOUT = "rollout"
    RECOVERY = "recovery"
    ADVISORY = "advisory"
    DRAIN = "drain"
    HARDENING = "hardening"
    REFERENCE = "reference"
    ATTESTATION = "attestation"
    ALARM = "alarm"
    SUPPRESSION = "suppression"
    PLANT = "plant"
    POINT = "point"
    EDGE = "edge"
    POWER_CAP = "powercap"
    POWER_POLICY = "powerpolicy"
    POWER_CHANGE = "powerchange"
    CANDIDATE = "candidate"
    EXPECTED = "expected"
    RETIREMENT = "retirement"
    MEMBER = "member"
    SITE_POWER = "sitepower"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """`types` are the component types that the kind shows (empty: all)."""

    name: str
    plural: str
    object: str
    source: Source
    view: type[View]
    short: str = ""
    types: tuple[str, ...] = ()

    @property
    def list_object(self) -> str:
        return f"{self.object}List"


def _asset(name: str, plural: str, object_: str, short: str = "") -> Kind:
    return Kind(
        name=name, plural=plural, object=object_, source=Source.ASSET, view=AssetView, short=short
    )


def _part(name: str, plural: str, object_: str, *types: str, short: str = "") -> Kind:
    return Kind(
        name=name,
        plural=plural,
        object=object_,
        source=Source.COMPONENT,
        view=ComponentView,
        short=short,
        types=types,
    )


KINDS: Final = (
    _asset("node", "nodes", "Node", "no"),
    Kind(name="rack", plural="racks", object="Rack", source=Source.RACK, view=RackView, short="ra"),
    Kind(name="hall", plural="halls", object="Hall", source=Source.HALL, view=HallView),
    _asset("chassis", "chassis", "Chassis"),
    _part("component", "components", "Component", short="co"),
    _part("gpu", "gpus", "GPU", "gpu", "accelerator"),
    _part("nic", "nics", "NIC", "nic"),
    _asset("dpu", "dpus", "DPU"),
    _asset("switch", "switches", "Switch", "sw"),
    _asset("powershelf", "powershelves", "PowerShelf", "ps"),
    _asset("pdu", "pdus", "PDU"),
    _asset("cdu", "cdus", "CDU"),
    Kind(name="leak", plural="leaks", object="Leak", source=Source.LEAK, view=LeakView),
    Kind(name="sensor", plural="sensors", object="Sensor", source=Source.SENSOR, view=SensorView),
    Kind(
        name="firmware",
        plural="firmware",
        object="Firmware",
        source=Source.FIRMWARE,
        view=FirmwareView,
        short="fw",
    ),
    Kind(
        name="endpoint",
        plural="endpoints",
        object="Endpoint",
        source=Source.ENDPOINT,
        view=EndpointView,
        short="ep",
    ),
    Kind(
        name="event",
        plural="events",
        object="Event",
        source=Source.EVENT,
        view=EventView,
        short="ev",
    ),
    Kind(
        name="baseline",
        plural="baselines",
        object="Baseline",
        source=Source.BASELINE,
        view=BaselineView,
        short="bl",
    ),
    Kind(name="drift", plural="drifts", object="Drift", source=Source.DRIFT, view=DriftView),
    Kind(name="plan", plural="plans", object="Plan", source=Source.PLAN, view=PlanView),
    Kind(
        name="rollout",
        plural="rollouts",
        object="Rollout",
        source=Source.ROLLOUT,
        view=RolloutView,
        short="ro",
    ),
    Kind(
        name="recovery",
        plural="recoveries",
        object="Recovery",
        source=Source.RECOVERY,
        view=RolloutView,
        short="rec",
    ),
    Kind(
        name="advisory",
        plural="advisories",
        object="Advisory",
        source=Source.ADVISORY,
        view=AdvisoryView,
        short="adv",
    ),
    Kind(name="drain", plural="drains", object="Drain", source=Source.DRAIN, view=DrainView),
    Kind(
        name="hardening",
        plural="hardening",
        object="Hardening",
        source=Source.HARDENING,
        view=HardeningView,
        short="hd",
    ),
    Kind(
        name="reference",
        plural="references",
        object="Reference",
        source=Source.REFERENCE,
        view=ReferenceView,
        short="ref",
    ),
    Kind(
        name="attestation",
        plural="attestations",
        object="Attestation",
        source=Source.ATTESTATION,
        view=AttestationView,
        short="at",
    ),
    Kind(
        name="alarm",
        plural="alarms",
        object="Alarm",
        source=Source.ALARM,
        view=AlarmView,
        short="al",
    ),
    Kind(
        name="suppression",
        plural="suppressions",
        object="Suppression",
        source=Source.SUPPRESSION,
        view=SuppressionView,
    ),
    Kind(
        name="plant",
        plural="plant",
        object="PlantDomain",
        source=Source.PLANT,
        view=PlantView,
        short="pl",
    ),
    Kind(
        name="point",
        plural="points",
        object="BuildingPoint",
        source=Source.POINT,
        view=PointView,
        short="pt",
    ),
    Kind(name="edge", plural="edges", object="Edge", source=Source.EDGE, view=EdgeView, short="ed"),
    Kind(
        name="powercap",
        plural="powercaps",
        object="PowerCap",
        source=Source.POWER_CAP,
        view=PowerCapView,
        short="pc",
    ),
    Kind(
        name="powerpolicy",
        plural="powerpolicies",
        object="PowerPolicy",
        source=Source.POWER_POLICY,
        view=PowerPolicyView,
        short="pp",
    ),
    Kind(
        name="powerchange",
        plural="powerchanges",
        object="PowerChange",
        source=Source.POWER_CHANGE,
        view=PowerChangeView,
        short="pch",
    ),
    Kind(
        name="candidate",
        plural="candidates",
        object="Candidate",
        source=Source.CANDIDATE,
        view=CandidateView,
        short="cand",
    ),
    Kind(
        name="expected",
        plural="expected",
        object="ExpectedHardwareStatus",
        source=Source.EXPECTED,
        view=ExpectedView,
        short="exp",
    ),
    Kind(
        name="retirement",
        plural="retirements",
        object="Retirement",
        source=Source.RETIREMENT,
        view=RetirementView,
        short="rt",
    ),
    Kind(
        name="member",
        plural="members",
        object="Member",
        source=Source.MEMBER,
        view=MemberView,
        short="mem",
    ),
    Kind(
        name="sitepower",
        plural="sitepower",
        object="SitePower",
        source=Source.SITE_POWER,
        view=SitePowerView,
        short="sp",
    ),
)
BY_NAME: Final = {word: kind for kind in KINDS for word in (kind.plural, kind.short, kind.name)}
NODE: Final = BY_NAME["node"]


def find_kind(word: str) -> Kind:
    """By singular, plural or short name. Raises `OperatorMust` with the nearest one."""
    kind = BY_NAME.get(word.lower()) if word else None
    if kind is not None:
        return kind
    near = difflib.get_close_matches(word.lower(), [each for each in BY_NAME if each], n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise OperatorMust(
        f"there is no such kind{hint}",
        operation="find kind",
        subject=word,
        code="UnknownKind",
        next_step="use one of: " + " ".join(kind.name for kind in KINDS),
    )
