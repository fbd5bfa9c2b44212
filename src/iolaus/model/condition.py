"""Conditions: what can be said of an asset now, with the reason and the next step.

A value on a screen is believed, so the one lie this module exists to prevent is a green light that
nobody has checked lately. A fact is good only while its endpoint answers and while it is not older
than two polls of its own set (the hot set is polled every few seconds, the rest with the
inventory); after that it is unknown, with the time of the last sight as the reason. A leak is the
exception in the other direction: losing the detector never clears it.

Everything is a pure function of what is held and of `now` (seconds since 1970).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from iolaus.model.asset import (
    Asset,
    AssetKind,
    Component,
    ComponentKind,
    HealthFact,
    Reading,
    Report,
)
from iolaus.model.endpoint import Condition, EndpointStatus, Reach
from iolaus.model.fact import Conflict, Health, Known, PowerState, Unknown, reason_of

T = TypeVar("T")
STALE_AFTER_POLLS: Final = 2
CLOCK_TOLERANCE_S: Final = 60.0
POWERED: Final = frozenset({AssetKind.NODE, AssetKind.DPU, AssetKind.SWITCH})
LEAK_ROLE: Final = "leak"
NEEDED: Final = frozenset({"vendor", "model", "serial", "power_state", "health"})
"""Fields that an operator acts by; with them the counts of parts, and the UUID of a host."""
HOSTS: Final = frozenset({AssetKind.NODE, AssetKind.DPU})


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """From where an asset is judged: the endpoint's status and last report, the time, how often
    the hot set and the rest are polled, and which URIs are the hot set."""

    now: float
    interval_s: float
    slow_interval_s: float = 900.0
    status: EndpointStatus | None = None
    report: Report | None = None
    hot: frozenset[str] = frozenset()

    def is_stale(self, at: float, *, interval_s: float | None = None) -> bool:
        return self.now - at > STALE_AFTER_POLLS * (interval_s or self.interval_s)

    def asset_interval_s(self, asset: Asset) -> float:
        """How often power state and health of this asset are asked for."""
        return self._interval_s(asset.resources, last_seen(asset))

    def reading_interval_s(self, reading: Reading) -> float:
        return max(self._interval_s((reading.uri,), reading.at), reading.every_s)

    def _interval_s(self, uris: Iterable[str], at: float) -> float:
        if self.report is None or at > self.report.observed_at:
            return self.interval_s
        is_hot = any(uri.partition("#")[0] in self.hot for uri in uris)
        return self.interval_s if is_hot else self.slow_interval_s


def say_age(seconds: float) -> str:
    """ "41 s", "12 min", "3 h", "5 d": for sentences."""
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def blindness(sight: Sight) -> str:
    """Why nothing can be known of this endpoint now; empty when it answers us."""
    status = sight.status
    if status is None:
        return "not tried yet"
    if status.reach is Reach.REACHABLE:
        return ""
    tail = f": {status.last_error}" if status.last_error else ""
    return f"{status.reach.value} for {say_age(sight.now - status.since)}{tail}"


def effective(
    fact: Known[T] | Unknown | Conflict[T], sight: Sight, *, interval_s: float | None = None
) -> Known[T] | Unknown | Conflict[T]:
    """The fact as it may be believed now: unknown when blind or older than two polls."""
    if isinstance(fact, Unknown):
        return fact
    if why := blindness(sight):
        return Unknown(reason=why, at=fact.at)
    if sight.is_stale(fact.at, interval_s=interval_s):
        age = say_age(sight.now - fact.at)
        return Unknown(reason=f"last seen {age} ago, more than two polls", at=fact.at)
    return fact


def conditions(
    asset: Asset,
    sight: Sight,
    *,
    readings: Iterable[Reading] = (),
    components: Iterable[Component] = (),
    conflict: str = "",
) -> tuple[Condition, ...]:
    """All conditions of an asset. `conflict` tells of two claims to one identity, if any."""
    interval_s = sight.asset_interval_s(asset)
    leak = leak_condition(asset.kind, sight, readings=readings, components=components)
    powered = asset.kind in POWERED or isinstance(asset.power_state, Known)
    return tuple(
        each
        for each in (
            reachable(sight),
            fresh(sight, seen_at=last_seen(asset), interval_s=interval_s),
            healthy(asset.health, sight, interval_s=interval_s),
            powered_on(asset, sight, interval_s=interval_s) if powered else None,
            identity_known(asset, conflict=conflict),
            leak,
            clock_sane(sight),
            inventory_complete(sight),
            *((fields_known(asset.gaps, kind=asset.kind),) if asset.gaps else ()),
        )
        if each is not None
    )


def endpoint_conditions(sight: Sight) -> tuple[Condition, ...]:
    """The conditions of an endpoint as such."""
    seen = sight.report.observed_at if sight.report else None
    answered = sight.status.answered_at if sight.status else None
    latest = max((at for at in (seen, answered) if at is not None), default=None)
    return (
        reachable(sight),
        fresh(sight, seen_at=latest),
        clock_sane(sight),
        inventory_complete(sight),
    )


def last_seen(asset: Asset) -> float:
    """When any of the asset's facts was last confirmed."""
    facts = (asset.power_state, asset.health)
    return max(asset.observed_at, *(f.at for f in facts if not isinstance(f, Unknown)), 0.0)


def reachable(sight: Sight) -> Condition:
    status = sight.status
    if status is None:
        return Condition(
            type="Reachable",
            status="Unknown",
            reason="NotTried",
            message="no attempt has been made yet",
            next_step="wait for the first poll, or run: iolaus describe endpoint",
        )
    if status.reach is Reach.REACHABLE:
        took = "" if status.latency_ms is None else f" in {status.latency_ms:.0f} ms"
        return Condition(
            type="Reachable",
            status="True",
            reason="Answered",
            message=f"answered{took}",
            since=status.since,
        )
    return Condition(
        type="Reachable",
        status="False",
        reason=_REACH_REASON[status.reach],
        message=status.last_error or blindness(sight),
        next_step=status.next_step or _REACH_NEXT[status.reach],
        since=status.since,
    )


_REACH_REASON: Final = {
    Reach.UNREACHABLE: "NoAnswer",
    Reach.UNAUTHENTICATED: "CredentialRefused",
    Reach.UNSUPPORTED: "NotUnderstood",
}
_REACH_NEXT: Final = {
    Reach.UNREACHABLE: "check the controller's power and its management network.",
    Reach.UNAUTHENTICATED: "run iolaus discover again with the right --user and --password-file.",
    Reach.UNSUPPORTED: "check the address; run iolaus inspect on it to see what answers.",
}


def fresh(sight: Sight, *, seen_at: float | None, interval_s: float | None = None) -> Condition:
    interval_s = interval_s or sight.interval_s
    if seen_at is None:
        return Condition(
            type="Fresh",
            status="Unknown",
            reason="NeverSeen",
            message="nothing has been read from it yet",
            next_step="see the condition Reachable.",
        )
    age = sight.now - seen_at
    if not sight.is_stale(seen_at, interval_s=interval_s):
        return Condition(
            type="Fresh", status="True", reason="Polled", message=f"seen {say_age(age)} ago"
        )
    return Condition(
        type="Fresh",
        status="False",
        reason="Stale",
        message=f"last seen {say_age(age)} ago; polled every {interval_s:.0f} s",
        next_step="see the condition Reachable, and iolaus top nodes --sort age.",
        since=seen_at + STALE_AFTER_POLLS * interval_s,
    )


def healthy(fact: HealthFact, sight: Sight, *, interval_s: float | None = None) -> Condition:
    seen = effective(fact, sight, interval_s=interval_s)
    if not isinstance(seen, Known):
        return Condition(
            type="Healthy",
            status="Unknown",
            reason="Conflict" if isinstance(seen, Conflict) else "NotKnown",
            message=reason_of(seen),
            next_step="see the conditions Reachable and Fresh.",
        )
    if seen.value is Health.OK:
        return Condition(type="Healthy", status="True", reason="OK", message="the device says OK")
    return Condition(
        type="Healthy",
        status="False",
        reason=str(seen.value),
        message=f"the device says {seen.value}",
        next_step="look at its events and at components with a health other than OK.",
    )


def powered_on(asset: Asset, sight: Sight, *, interval_s: float | None = None) -> Condition:
    seen = effective(asset.power_state, sight, interval_s=interval_s)
    if not isinstance(seen, Known):
        return Condition(
            type="PoweredOn", status="Unknown", reason="NotKnown", message=reason_of(seen)
        )
    is_on = seen.value is PowerState.ON
    return Condition(type="PoweredOn", status="True" if is_on else "False", reason=str(seen.value))


def identity_known(asset: Asset, *, conflict: str = "") -> Condition:
    if conflict:
        return Condition(
            type="IdentityKnown",
            status="False",
            reason="Conflict",
            message=conflict,
            next_step="find out which device is which; see iolaus events for IdentityConflict.",
        )
    known = [name for name in ("uuid", "serial") if getattr(asset.identity, name)]
    if known:
        return Condition(
            type="IdentityKnown",
            status="True",
            reason="Reported",
            message=f"{' and '.join(known)} reported",
        )
    return Condition(
        type="IdentityKnown",
        status="Unknown",
        reason="NotReported",
        message="neither a serial number nor a UUID is reported",
        next_step="label the target by hand; a swap of this device cannot be noticed.",
    )


def clock_sane(sight: Sight) -> Condition:
    skew = sight.report.clock_skew_s if sight.report else None
    if skew is None:
        return Condition(
            type="ClockSane",
            status="Unknown",
            reason="NotMeasured",
            message="its clock has not been compared with ours",
        )
    if abs(skew) <= CLOCK_TOLERANCE_S:
        message = f"{round(skew):+d} s from ours"
        return Condition(type="ClockSane", status="True", reason="InStep", message=message)
    side = "ahead of" if skew > 0 else "behind"
    return Condition(
        type="ClockSane",
        status="False",
        reason="Skewed",
        message=f"its clock is {say_age(abs(skew))} {side} ours; its log times are not true",
        next_step="set NTP on the controller.",
    )


def inventory_complete(sight: Sight) -> Condition:
    report = sight.report
    if report is None:
        return Condition(
            type="InventoryComplete",
            status="Unknown",
            reason="NeverRead",
            message="no inventory has been read yet",
            next_step="see the condition Reachable.",
        )
    if not report.partial:
        return Condition(type="InventoryComplete", status="True", reason="AllRead")
    uri, why = next(iter(report.partial.items()))
    more = f" (and {len(report.partial) - 1} more)" if len(report.partial) > 1 else ""
    return Condition(
        type="InventoryComplete",
        status="False",
        reason="PartsUnread",
        message=f"{uri}: {why}{more}",
        next_step="it is tried again at the next inventory; iolaus inspect shows every part.",
    )


def fields_known(gaps: Mapping[str, str], *, kind: AssetKind = AssetKind.NODE) -> Condition:
    """Which fields are null, and why: `gaps` maps field to reason. An asset tag that nobody set
    is told and is no fault; only what an operator needs makes the condition False."""
    wanted = NEEDED | {"uuid"} if kind in HOSTS else NEEDED
    needed = any(name in wanted or name.startswith("counts.") for name in gaps)
    return Condition(
        type="FieldsKnown",
        status="False" if needed else "True",
        reason="NotReported" if needed else "OptionalNotReported",
        message="; ".join(f"{name}: {why}" for name, why in sorted(gaps.items())),
    )


def leak_verdict(reading: Reading) -> bool | None:
    """True: a leak; False: dry; None: the detector does not say."""
    if reading.status in ("Warning", "Critical"):
        return True
    if reading.status == "OK":
        return False
    return None if reading.value is None else reading.value > 0


def leak_condition(
    kind: AssetKind,
    sight: Sight,
    *,
    readings: Iterable[Reading],
    components: Iterable[Component] = (),
) -> Condition | None:
    """None where there is nothing that could detect a leak."""
    detectors = [each for each in readings if each.role == LEAK_ROLE]
    parts = [each for each in components if each.kind is ComponentKind.LEAK_DETECTOR]
    if not detectors and not parts and kind is not AssetKind.LEAK:
        return None
    wet = [each for each in detectors if leak_verdict(each)]
    if wet:
        return _leaking(wet, sight)
    silent = blindness(sight) or _silent_detector(detectors, sight)
    if silent or not detectors:
        return Condition(
            type="LeakFree",
            status="Unknown",
            reason="DetectorSilent",
            message=silent or "no detector has reported",
            next_step="treat it as not dry until the detector is heard again.",
        )
    return Condition(
        type="LeakFree",
        status="True",
        reason="Dry",
        message=f"{len(detectors)} of {len(detectors)} detectors say dry",
    )


def _leaking(wet: Sequence[Reading], sight: Sight) -> Condition:
    newest = max(each.at for each in wet)
    is_old = all(sight.is_stale(r.at, interval_s=sight.reading_interval_s(r)) for r in wet)
    old = blindness(sight) or ("silent since" if is_old else "")
    said = f"last said {say_age(sight.now - newest)} ago; {old}" if old else "now"
    return Condition(
        type="LeakFree",
        status="False",
        reason="LeakDetected",
        message=f"{', '.join(sorted(each.name for each in wet))}: leak ({said})",
        next_step="isolate the loop, then look on site; a leak is cleared only by its detector.",
        since=min(each.at for each in wet),
    )


def _silent_detector(detectors: Sequence[Reading], sight: Sight) -> str:
    for each in detectors:
        if leak_verdict(each) is None:
            return f"{each.name}: {each.reason or 'gives no state'}"
        if sight.is_stale(each.at, interval_s=sight.reading_interval_s(each)):
            return f"{each.name}: silent for {say_age(sight.now - each.at)}"
    return ""
