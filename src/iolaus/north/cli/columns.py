"""Which columns each kind shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.north.cli.cells import (
    UNKNOWN,
    Column,
    Flat,
    age,
    at,
    column,
    health,
    power,
    second,
    short_age,
    text,
    watts,
)
from iolaus.north.kinds import Kind

CLAIMS: Final = frozenset({"version-in-package", "version-in-no-package"})
QUIET: Final = CLAIMS | {"measurement-unreferenced"}
"""Findings that are no reason for anything."""


def _value(row: Flat) -> str:
    value, unit = row.get("value"), row.get("unit") or ""
    unit = "" if unit == "1" else unit
    return UNKNOWN if value is None else f"{text(value)} {unit}".rstrip()


def _healths(row: Flat) -> str:
    counts = row.get("health") or {}
    words = [f"{number} {word}" for word, number in counts.items() if number]
    return ", ".join(words) or UNKNOWN


def _told(row: Flat, kind: str, other: str) -> str:
    return str(next((c["reason"] for c in row.get("conditions") or () if c["type"] == kind), other))


def _gpus(row: Flat) -> str:
    number = at(row, "counts.gpu")
    return UNKNOWN if number is None else str(number)


def _purpose(row: Flat) -> str:
    """A baseline, or what somebody asked for."""
    return text(row.get("asked") or row.get("baseline"))


def _baselines(row: Flat) -> str:
    return text(",".join(row.get("baselines") or ()))


def _departures(row: Flat) -> str:
    """The subjects of what must be looked at, the first three by name."""
    found = [each["subject"] for each in row.get("items") or () if each["outcome"] != "absent"]
    found = list(dict.fromkeys(found))
    more = f" +{len(found) - 3}" if len(found) > 3 else ""
    return text(",".join(found[:3])) + more


def _names(found: list[Flat] | None) -> str:
    return _few([each["name"] for each in found or ()])


def _few(found: list[str] | None) -> str:
    """The first, and how many more there are."""
    listed = found or []
    return text(listed[0] + (f" +{len(listed) - 1}" if len(listed) > 1 else "")) if listed else "-"


def _kept(row: Flat) -> str:
    """Of a cap that a person holds: whether, and why not."""
    kept = row.get("kept")
    return ": ".join(filter(None, ("unknown" if kept is None else text(kept), row.get("why"))))


def _otherwise(row: Any) -> str:
    """Racks and halls with another mode."""
    return text(", ".join(f"{where} {mode}" for where, mode in row.get("modes", {}).items()))


_AWAY: Final = ("running", "rolling-back")
_BAD: Final = ("failed", "lost")


def _counted(row: Flat, *states: str) -> str:
    return str(sum(row["counts"].get(state, 0) for state in states))


def _bad(row: Flat) -> str:
    """What was rolled back is as it was asked to be where all of it is undone."""
    is_asked = row["state"] in ("undoing", "undone")
    return _counted(row, *_BAD, *(() if is_asked else ("rolled-back",)))


def _blocked(row: Flat) -> str:
    """By something, or by the want of an image."""
    return str(sum(row["fates"].get(fate, 0) for fate in ("blocked", "no-image")))


def _approvals(row: Flat) -> str:
    given = sum(min(len(each["by"]), each["needed"]) for each in row["approvals"])
    needed = sum(each["needed"] for each in row["approvals"])
    return f"{given} of {needed}" if needed else "none needed"


def _budgets(row: Flat) -> str:
    return text(",".join(f"{name}={count}" for name, count in row["budgets"].items()))


def _when(row: Flat) -> str:
    return short_age(row.get("age_s"))


def _finding(row: Flat) -> str:
    """The first finding of what is not as it should be, by its code."""
    if row.get("summary") == "trusted":
        return UNKNOWN
    found = [each["code"] for each in row.get("findings") or ()]
    return text(next((code for code in found if code not in QUIET), None))


def _claimed(row: Flat) -> str:
    """The packages that hold what is reported; a claim, and no proof."""
    found = [
        text(each["detail"].get("package", "none"))
        for each in row.get("findings") or ()
        if each["code"] in CLAIMS
    ]
    return text(",".join(dict.fromkeys(found)))


def _standing(row: Flat) -> str:
    """What counts by policy, with who lets it pass."""
    owners = sorted({str(each["owner"]) for each in row.get("waived") or ()})
    word = text(row.get("standing"))
    return f"{word} ({','.join(owners)})" if owners and word == "waived" else word


def _plain(*names: str, wide: bool = False, right: bool = False) -> tuple[Column, ...]:
    return tuple(column(name.upper(), name, wide=wide, right=right) for name in names)


NAME: Final = column("NAME", "name")
IDENT: Final = column("NAME", "id")
NODE: Final = column("NODE", "node")
VENDOR: Final = column("VENDOR", "vendor")
MODEL: Final = column("MODEL", "model")
SERIAL: Final = column("SERIAL", "serial", wide=True)
HEALTH: Final = Column(title="HEALTH", cell=health)
AGE: Final = Column(title="AGE", cell=age, right=True)
RACK: Final = column("RACK", "labels.rack")
BY: Final = column("ENDPOINT", "endpoint", wide=True)

_ASSET: Final = (NAME, RACK, VENDOR, MODEL, HEALTH)
POWER: Final = Column(title="POWER", cell=power)
_ASSET_TAIL: Final = (SERIAL, column("FIRMWARE", "bmc_firmware", wide=True), BY, AGE)
_PART: Final = (
    IDENT,
    column("TYPE", "type"),
    VENDOR,
    MODEL,
    HEALTH,
    column("FIRMWARE", "firmware"),
    column("LOCATION", "location", wide=True),
    SERIAL,
    column("PART", "part_number", wide=True),
    AGE,
)
_PLACE: Final = (
    column("NODES", "nodes", right=True),
    column("DEVICES", "devices", right=True),
    Column(title="HEALTH", cell=_healths),
    column("ON", "powered_on", right=True),
    Column(title="POWER", cell=watts("power_w"), right=True),
    column("OF", "power_known", right=True, wide=True),
    column("INLET_C", "inlet_c", right=True),
    column("LEAKS", "leaks", right=True),
    AGE,
)

_INLET: Final = column("INLET_C", "readings.inlet_temperature_c", right=True)


def _draw(reading: str, *, title: str = "DRAW", wide: bool = False) -> Column:
    return Column(title=title, cell=watts(f"readings.{reading}"), right=True, wide=wide)


_ROLLS: Final = (
    NAME,
    column("STATE", "state"),
    Column(title="FOR", cell=_purpose),
    column("WAVE", "wave"),
    Column(title="DONE", cell=lambda row: f"{_counted(row, 'done')}/{row['total']}", right=True),
    Column(title="RUNNING", cell=lambda row: _counted(row, *_AWAY), right=True),
    Column(title="BAD", cell=_bad, right=True),
    Column(title="BUDGETS", cell=_budgets, wide=True),
    column("BY", "by", wide=True),
    AGE,
    column("REASON", "reason"),
)
COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "node": (
        NAME,
        RACK,
        VENDOR,
        MODEL,
        Column(title="POWER", cell=power),
        HEALTH,
        Column(title="GPU", cell=_gpus, right=True),
        Column(title="DRAW", cell=watts("readings.node_power_w"), right=True),
        column("CPU", "counts.cpu", right=True, wide=True),
        column("MEMORY_GIB", "memory_gib", right=True, wide=True),
        column("HOSTNAME", "hostname", wide=True),
        Column(title="DRAINED", cell=lambda row: _told(row, "Drained", "no").lower(), wide=True),
        Column(title="REACH", cell=lambda row: _told(row, "Reach", UNKNOWN), wide=True),
        column("DEVIATIONS", "deviations", right=True, wide=True),
        *_ASSET_TAIL,
    ),
    "component": _PART,
    "gpu": _PART,
    "nic": _PART,
    "rack": (NAME, column("HALL", "hall"), *_PLACE),
    "hall": (NAME, column("RACKS", "racks", right=True), *_PLACE),
    "sensor": (
        IDENT,
        column("COMPONENT", "component", wide=True),
        column("QUANTITY", "quantity"),
        Column(title="VALUE", cell=_value, right=True),
        column("STATUS", "status"),
        column("ROLE", "role", wide=True),
        column("WHY", "reason", wide=True),
        AGE,
    ),
    "leak": (
        IDENT,
        RACK,
        Column(title="STATE", cell=lambda row: text(row.get("state") or "Unknown")),
        HEALTH,
        BY,
        AGE,
    ),
    "firmware": (
        IDENT,
        column("COMPONENT", "component"),
        column("VERSION", "version"),
        column("UPDATEABLE", "updateable"),
        column("STATE", "state", wide=True),
        column("TITLE", "name", wide=True),
        AGE,
    ),
    "endpoint": (
        NAME,
        column("ADDRESS", "address"),
        Column(title="STATE", cell=lambda row: text(row.get("state") or "untried")),
        column("DRIVER", "driver"),
        column("LATENCY_MS", "latency_ms", right=True),
        column("SESSIONS", "sessions", right=True),
        column("ERROR", "last_error"),
        column("MODE", "mode", wide=True),
        column("REDFISH", "redfish_version", wide=True),
        column("DEVIATIONS", "deviations", right=True, wide=True),
        AGE,
    ),
    "event": (
        Column(title="AGE", cell=_when, right=True),
        column("TYPE", "type"),
        column("SEVERITY", "severity"),
        column("NODE", "node"),
        column("MESSAGE", "message"),
        column("AT", "at", wide=True),
        column("ENDPOINT", "endpoint", wide=True),
        column("NAME", "name", wide=True),
    ),
    "cdu": (
        *_ASSET,
        column("FLOW_LPM", "readings.coolant_flow_lpm", right=True),
        column("SUPPLY_C", "readings.coolant_supply_temperature_c", right=True),
        column("RETURN_C", "readings.coolant_return_temperature_c", right=True),
        column("HEAT_KW", "readings.heat_removed_kw", right=True),
        column("SUPPLY_KPA", "readings.coolant_supply_pressure_kpa", right=True, wide=True),
        column("LEVEL_%", "readings.coolant_level_percent", right=True, wide=True),
        column("FACILITY_C", "readings.facility_supply_temperature_c", right=True, wide=True),
        column("FACILITY_LPM", "readings.facility_flow_lpm", right=True, wide=True),
        *_ASSET_TAIL,
    ),
    "switch": (
        *_ASSET,
        POWER,
        column("PORTS", "counts.port", right=True),
        _draw("switch_power_w"),
        _INLET,
        column("ASIC_C", "readings.asic_temperature_c", right=True),
        column("PSU", "counts.psu", right=True, wide=True),
        column("FAN", "counts.fan", right=True, wide=True),
        *_ASSET_TAIL,
    ),
    "powershelf": (
        *_ASSET,
        POWER,
        _draw("shelf_output_power_w", title="OUTPUT"),
        column("PSU", "counts.psu", right=True),
        column("CHARGE_%", "readings.battery_charge_percent", right=True),
        _INLET,
        _draw("shelf_input_power_w", title="INPUT", wide=True),
        *_ASSET_TAIL,
    ),
    "pdu": (
        *_ASSET,
        POWER,
        _draw("pdu_power_w"),
        column("MOST_A", "readings.circuit_current_a", right=True, wide=True),
        *_ASSET_TAIL,
    ),
    "dpu": (*_ASSET, POWER, _draw("dpu_power_w"), *_ASSET_TAIL),
    "plant": (
        NAME,
        column("TYPE", "type"),
        column("PARENT", "parent"),
        Column(title="STANDBY", cell=lambda row: _few(row.get("standby"))),
        column("LIMIT", "limit"),
        column("LIMIT_W", "limit_w", right=True),
        column("LOADS", "loads", right=True),
        column("FLOOR_W", "floor_w", right=True),
        column("NAMEPLATE_W", "nameplate_w", right=True),
        Column(title="CONFLICTS", cell=lambda row: text(len(row.get("conflicts", ()))), right=True),
        Column(title="GAPS", cell=lambda row: text(len(row.get("gaps", ()))), right=True),
        column("SOURCE", "source", wide=True),
    ),
    "powerpolicy": (
        NAME,
        column("TYPE", "type"),
        column("TITLE", "title"),
        column("MODE", "mode"),
        Column(title="OTHERWISE", cell=_otherwise),
    ),
    "sitepower": (
        NAME,
        column("LOOP", "loop"),
        column("LIMIT_W", "limit_w", right=True),
        column("CHARGED_W", "charged_w", right=True),
        Column(title="TARGETS", cell=lambda row: text(len(row.get("targets", ()))), right=True),
        column("IT_W", "it_w", right=True),
        column("UNMEASURED", "unmeasured", right=True),
        column("PUE", "pue", right=True),
        column("WUE", "wue_l_kwh", right=True),
    ),
    "powerchange": (
        NAME,
        column("STATE", "state"),
        Column(title="CHANGES", cell=lambda row: _few(row.get("changes"))),
        column("BY", "by"),
        column("MISSING", "missing", right=True),
        column("ENDED BY", "ended_by", wide=True),
        column("SOURCE", "source", wide=True),
        AGE,
    ),
    "member": tuple(
        column(word.upper(), word)
        for word in ("name", "role", "site", "state", "endpoints", "waiting", "silent_s", "host")
    ),
    "edge": (
        NAME,
        column("MODE", "mode"),
        column("REFLEXES", "reflexes", wide=True),
        column("STATE", "state"),
        Column(title="EPOCH/SEQ", cell=lambda row: f"{row['epoch']}/{row['seq']}", wide=True),
        Column(title="BUDGET", cell=watts("budget_w"), right=True),
        Column(title="GRANTED", cell=watts("granted_w"), right=True),
        Column(title="MEASURED", cell=watts("measured_w"), right=True),
        Column(title="LIMIT", cell=watts("limit_w"), right=True),
        Column(title="FLOOR", cell=watts("floor_w"), right=True, wide=True),
        Column(title="LATCHED", cell=lambda row: _names(row.get("latched"))),
        Column(title="HOLDS", cell=lambda row: _names(row.get("holds")), wide=True),
        Column(title="UNKNOWN", cell=lambda row: text(len(row.get("unknown", ()))), right=True),
        column("P50_MS", "tick_p50_ms", right=True, wide=True),
        column("P99_MS", "tick_p99_ms", right=True, wide=True),
        column("LAPSES", "lapses", right=True, wide=True),
        column("FALLBACK_S", "fallback_s", right=True, wide=True),
        Column(title="NODES", cell=lambda row: _few(row.get("nodes")), wide=True),
        column("BECAUSE", "because", wide=True),
    ),
    "candidate": (
        NAME,
        *_plain("state", "reason"),
        Column(title="STANDS", cell=lambda row: "yes" if row["stands"] else ""),
        *_plain("serial", "model", "address"),
        *_plain("list", "mac", "message", "next_step", wide=True),
        AGE,
    ),
    "expected": (
        NAME,
        *_plain("nodes", "seen", "handed_over", "standing", right=True),
        *_plain("approval", "approved_by"),
        AGE,
    ),
    "retirement": (NAME, *_plain("node", "state", "serial", "model", "by"), AGE),
    "point": (*_plain("about", "type", "value", "unit", "state", "quality", "reason"), AGE, NAME),
    "powercap": (
        NAME,
        column("RACK", "rack"),
        Column(title="CAP", cell=watts("watts"), right=True),
        Column(title="IN_FORCE", cell=watts("in_force_w"), right=True),
        Column(title="DRAWS", cell=watts("draws_w"), right=True),
        Column(title="FLOOR", cell=watts("floor_w"), right=True, wide=True),
        Column(title="UNTIL", cell=lambda row: text(second(row.get("until")))),
        *_plain("by", "reason"),
        AGE,
        Column(title="KEPT", cell=_kept),
        column("NEXT_STEP", "next_step", wide=True),
    ),
    "reference": (
        NAME,
        Column(title="OF", cell=lambda row: _few(row.get("parts"))),
        Column(title="VERSION", cell=lambda row: _few(row.get("versions"))),
        column("KIND", "type"),
        column("STATE", "state"),
        column("SIGNER", "signer"),
        column("UNTIL", "not_after"),
        column("VALUES", "values", right=True, wide=True),
        column("BY", "by", wide=True),
        column("SOURCE", "source", wide=True),
        column("SHA256", "sha256", wide=True),
        AGE,
    ),
    "baseline": (
        NAME,
        column("GENERATION", "generation", right=True),
        column("NODES", "selects", right=True),
        column("IN_SYNC", "in_sync", right=True),
        column("DRIFTED", "drifted", right=True),
        column("STAGED", "staged", right=True),
        column("UNKNOWN", "unknown", right=True),
        column("EXCUSED", "excused", right=True),
        column("REMEDIATION", "remediation", wide=True),
        column("BY", "by", wide=True),
        column("SOURCE", "source", wide=True),
        AGE,
    ),
    "drift": (
        NAME,
        RACK,
        column("KIND", "node_kind", wide=True),
        column("STATE", "state"),
        Column(title="BASELINE", cell=_baselines),
        column("COMPARED", "compared", right=True),
        Column(title="DEPARTURES", cell=_departures),
        AGE,
    ),
    "plan": (
        NAME,
        column("STATE", "state"),
        Column(title="FOR", cell=_purpose),
        column("GENERATION", "generation", right=True, wide=True),
        column("UPDATE", "fates.update", right=True),
        column("NO_OP", "fates.no-op", right=True),
        Column(title="BLOCKED", cell=_blocked, right=True),
        Column(title="WAVES", cell=lambda row: str(len(row["waves"])), right=True),
        Column(title="APPROVALS", cell=_approvals),
        column("BY", "by"),
        column("PARENT", "parent", wide=True),
        AGE,
    ),
    "rollout": _ROLLS,
    "recovery": _ROLLS,
    "hardening": (
        NAME,
        column("STATE", "state"),
        column("HIGH", "high", right=True),
        column("MEDIUM", "medium", right=True),
        column("LOW", "low", right=True),
        column("UNKNOWN", "unknown", right=True),
        column("SOUND", "sound", right=True, wide=True),
        AGE,
        column("WEAK", "weak"),
    ),
    "advisory": (
        NAME,
        column("SEVERITY", "severity"),
        column("SCORE", "score", right=True, wide=True),
        column("AFFECTED", "affected", right=True),
        column("UNKNOWN", "unknown", right=True),
        column("FIXED", "fixed", right=True),
        column("PUBLISHER", "publisher", wide=True),
        column("REVISED", "revised", wide=True),
        AGE,
        Column(title="TITLE", cell=lambda row: text(row["title"])[:60]),
    ),
    "alarm": (
        NAME,
        column("PRIORITY", "priority"),
        column("STATE", "state"),
        Column(title="EXPLAINS", cell=lambda row: text(row["explains"] or None), right=True),
        column("MESSAGE", "message"),
        column("TIMES", "times", right=True, wide=True),
        column("BY", "acknowledged_by", wide=True),
        column("HIDDEN BY", "hidden_by", wide=True),
        column("NEXT STEP", "next_step", wide=True),
        AGE,
    ),
    "suppression": (
        column("HOW", "how"),
        column("WHAT", "subject"),
        Column(title="HIDES", cell=lambda row: text(row["hides"]), right=True),
        Column(title="CODES", cell=lambda row: ",".join(row["codes"]) or "-"),
        column("WHERE", "where", wide=True),
        column("WHEN", "when", wide=True),
        column("BY", "by"),
        Column(title="UNTIL", cell=lambda row: text(row["until"]) if row["in_force"] else "over"),
        column("WHY", "why"),
    ),
    "drain": (
        NAME,
        column("STATE", "state"),
        column("ADAPTER", "adapter"),
        column("BY", "by"),
        column("REASON", "reason"),
        column("DETAIL", "detail"),
        column("REMAINING", "remaining", wide=True),
        AGE,
    ),
    "attestation": (
        IDENT,
        RACK,
        column("SUMMARY", "summary"),
        Column(title="BY_POLICY", cell=_standing),
        column("EVIDENCE", "evidence"),
        column("SIGNATURE", "signature"),
        column("IDENTITY", "identity"),
        column("REFERENCE", "reference"),
        column("LIFECYCLE", "lifecycle"),
        column("PROPOSED", "proposal", wide=True),
        column("PROTOCOL", "protocol", wide=True),
        column("SUBJECT", "subject", wide=True),
        column("PIN", "pin", wide=True),
        Column(title="CLAIMED_IN", cell=_claimed, wide=True),
        Column(title="WHY", cell=_finding),
        AGE,
    ),
    "chassis": (*_ASSET, POWER, _draw("chassis_power_w"), _INLET, *_ASSET_TAIL),
}
_DEVICE: Final = (*_ASSET, POWER, *_ASSET_TAIL)


GROUP_COLUMNS: Final = (
    NAME,
    column("BY_POLICY", "standing"),
    column("SUMMARY", "summary"),
    column("NODES", "nodes", right=True),
    column("COMPONENTS", "components", right=True),
    *(column(word.upper(), word, right=True) for word in
      ("trusted", "waived", "verified", "unknown", "untrusted")),
    AGE,
    Column(title="WHY", cell=lambda row: text(row.get("why"))),
)  # fmt: skip
"""Of verdicts that are counted by place."""


def columns_of(kind: Kind, *, wide: bool) -> tuple[Column, ...]:
    return tuple(each for each in COLUMNS.get(kind.name, _DEVICE) if wide or not each.wide)
