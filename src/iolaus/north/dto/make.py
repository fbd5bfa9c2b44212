"""Model values become views: the only place where the flat JSON is made.

`Frame` holds what all objects of one endpoint share (target, report, sight, names), worked out
once. Assets are made at once, parts only when somebody asks: most requests want nodes, and a node
has a hundred sensors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from iolaus.model.asset import (
    Asset,
    AssetKind,
    Component,
    Firmware,
    PowerLimit,
    Reading,
    Report,
)
from iolaus.model.condition import (
    Sight,
    blindness,
    conditions,
    effective,
    endpoint_conditions,
    last_seen,
)
from iolaus.model.endpoint import Condition, Target
from iolaus.model.fact import value_of
from iolaus.model.naming import asset_names, distinct, endpoint_name, slug
from iolaus.north.dto.views import (
    AssetView,
    CapabilityView,
    ComponentView,
    ConditionView,
    DeviationView,
    EndpointView,
    FirmwareLine,
    FirmwareView,
    SensorView,
)

COUNTED: Final = ("cpu", "gpu", "memory", "nic", "dpu", "drive", "psu", "fan")
_REASONED: Final = ("vendor", "model", "serial")
_REASONED_NODE: Final = (
    *_REASONED,
    "sku",
    "uuid",
    "hostname",
    "memory_gib",
    "bmc_firmware",
    "power_limit_w",
)
Part = TypeVar("Part", Component, Reading, Firmware, PowerLimit)


class Frame:
    """Everything of one endpoint that its views are made from. `readings` and `assets` are the
    merged ones (hot values over the last report); `more` are conditions that rooms add, by the
    asset's key."""

    def __init__(
        self,
        *,
        target: Target,
        sight: Sight,
        assets: Iterable[Asset] = (),
        readings: Iterable[Reading] = (),
        names: Mapping[str, str] | None = None,
        conflicts: Mapping[str, str] | None = None,
        called: str | None = None,
        more: Mapping[str, tuple[Condition, ...]] | None = None,
    ) -> None:
        self.target, self.sight = target, sight
        self.assets, self.readings = tuple(assets), tuple(readings)
        self.names = names if names is not None else asset_names(target, self.assets)
        self.conflicts = conflicts or {}
        self.more = more or {}
        self.called = called or endpoint_name(target)
        self.blind = blindness(sight)

    @property
    def report(self) -> Report | None:
        return self.sight.report

    @cached_property
    def components_of(self) -> Mapping[str, list[Component]]:
        return _by_asset(self.report.components if self.report else ())

    @cached_property
    def readings_of(self) -> Mapping[str, list[Reading]]:
        return _by_asset(self.readings)

    @cached_property
    def firmware_of(self) -> Mapping[str, list[Firmware]]:
        return _by_asset(self.report.firmware if self.report else ())

    @cached_property
    def limits_of(self) -> Mapping[str, list[PowerLimit]]:
        return _by_asset(self.report.power_limits if self.report else ())

    @cached_property
    def deviations_of(self) -> Mapping[str, int]:
        """Deviations by asset key: by the longest resource that is a prefix, else the first."""
        counts: dict[str, int] = defaultdict(int)
        owners = [(uri, a.key) for a in self.assets for uri in a.resources]
        owners.sort(key=lambda pair: -len(pair[0]))
        first = min(self.assets, key=lambda a: len(self.names[a.key]), default=None)
        for each in self.report.deviations if self.report else ():
            owner = next((key for uri, key in owners if each.uri.startswith(uri)), None)
            if owner or first:
                counts[owner or (first.key if first else "")] += 1
        return counts

    def labels(self, asset: Asset | None) -> dict[str, str]:
        return labels_of(self.target, asset)

    def age_s(self, at: float | None) -> float | None:
        return None if at is None else round(max(0.0, self.sight.now - at), 3)

    def is_stale(self, at: float, interval_s: float) -> bool:
        return bool(self.blind) or self.sight.is_stale(at, interval_s=interval_s)

    @property
    def slow_is_stale(self) -> bool:
        at = self.report.observed_at if self.report else 0.0
        return self.is_stale(at, self.sight.slow_interval_s)


def labels_of(target: Target, asset: Asset | None) -> dict[str, str]:
    """Where it says that it is, and what its operator calls it, who is right."""
    place = asset.place if asset else None
    found = {
        name: str(value)
        for name in ("hall", "row", "rack", "u", "slot")
        if place and (value := getattr(place, name)) is not None
    }
    return {**found, **target.labels}


def when(at: float | None) -> datetime | None:
    """None also for a time that no calendar has (a device may say anything)."""
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def condition_views(found: Iterable[Condition]) -> tuple[ConditionView, ...]:
    return tuple(
        ConditionView(
            type=each.type,
            status=each.status,
            reason=each.reason,
            message=each.message,
            next_step=each.next_step,
            since=when(each.since),
        )
        for each in found
    )


def asset_conditions(asset: Asset, frame: Frame) -> tuple[Condition, ...]:
    """All that is said of an asset, rooms included."""
    found = conditions(
        asset,
        frame.sight,
        readings=frame.readings_of.get(asset.key, ()),
        components=frame.components_of.get(asset.key, ()),
        conflict=frame.conflicts.get(asset.key, ""),
    )
    return (*found, *frame.more.get(asset.key, ()))


def asset_view(asset: Asset, frame: Frame) -> AssetView:
    sight, report = frame.sight, frame.report
    interval_s = sight.asset_interval_s(asset)
    seen_at = last_seen(asset)
    limit_w = limit_of(frame.limits_of.get(asset.key, ()))
    asset = with_reasons(asset, has_limit=limit_w is not None)
    identity = asset.identity
    return AssetView(
        name=frame.names[asset.key],
        kind=asset.kind.value,
        labels=frame.labels(asset),
        vendor=asset.vendor,
        model=asset.model,
        serial=identity.serial,
        sku=identity.sku,
        uuid=identity.uuid,
        hostname=asset.hostname,
        power_state=value_of(effective(asset.power_state, sight, interval_s=interval_s)),
        health=value_of(effective(asset.health, sight, interval_s=interval_s)),
        counts=counts_of(asset),
        memory_gib=asset.memory_gib,
        endpoint=frame.target.address,
        redfish_version=report.redfish_version if report else None,
        bmc_firmware=asset.bmc_firmware,
        capabilities=asset.capabilities,
        conditions=condition_views(asset_conditions(asset, frame)),
        firmware=tuple(firmware_line(each) for each in frame.firmware_of.get(asset.key, ())),
        deviations=frame.deviations_of.get(asset.key, 0),
        observed_at=when(seen_at),
        age_s=frame.age_s(seen_at),
        stale=frame.is_stale(seen_at, interval_s),
        readings=summary_readings(asset, frame),
        part_number=identity.part_number,
        asset_tag=identity.asset_tag,
        power_limit_w=limit_w,
        raw=asset.raw,
    )


def counts_of(asset: Asset) -> Mapping[str, int | None]:
    if asset.kind is not AssetKind.NODE:
        return asset.counts
    return {**dict.fromkeys(COUNTED, None), **asset.counts}


def with_reasons(asset: Asset, *, has_limit: bool) -> Asset:
    """The asset with a reason for every field that will be null."""
    values = {
        **{name: getattr(asset.identity, name) for name in ("serial", "sku", "uuid")},
        "power_limit_w": "shown" if has_limit else None,
        **{n: getattr(asset, n) for n in ("vendor", "model", "hostname")},
        "memory_gib": asset.memory_gib,
        "bmc_firmware": asset.bmc_firmware,
    }
    names = _REASONED_NODE if asset.kind is AssetKind.NODE else _REASONED
    gaps = {name: "not reported by the device" for name in names if values[name] is None}
    gaps |= {f"counts.{n}": "not read" for n, count in counts_of(asset).items() if count is None}
    return msgspec.structs.replace(asset, gaps={**gaps, **asset.gaps})


def summary_readings(asset: Asset, frame: Frame) -> Mapping[str, float]:
    """The asset's own summary values, and its fresh readings that have a role: of several, the
    power of parts is summed and of all else the one to worry about is shown."""
    found: dict[str, float] = {}
    told = [each for each in frame.readings_of.get(asset.key, ()) if each.role]
    for each in told:
        if each.value is not None and not reading_is_stale(each, frame):
            name = reading_name(each)
            adds = each.quantity == "Power" and each.component is not None
            before = found.get(name)
            if before is None:
                found[name] = each.value
            else:
                worse = min if each.role in _WORSE_LOW else max
                found[name] = before + each.value if adds else worse(before, each.value)
    if found.get("leak") == 0 and any(e.role == "leak" and e.value is None for e in told):
        del found["leak"]
    covered = {name for each in told for name in (each.role, reading_name(each))}
    own = {name: value for name, value in asset.readings.items() if name not in covered}
    return {**own, **{name: round(value, 3) for name, value in found.items()}}


_WORSE_LOW: Final = frozenset({"battery_charge", "coolant_level"})


def reading_name(reading: Reading) -> str:
    """ "node_power" in W -> "node_power_w"."""
    suffix = _SUFFIX.get(reading.unit, "")
    is_there = not suffix or reading.role.endswith(suffix)
    return reading.role if is_there else reading.role + suffix


_SUFFIX: Final = {
    "W": "_w",
    "Cel": "_c",
    "RPM": "_rpm",
    "V": "_v",
    "A": "_a",
    "L/min": "_lpm",
    "L/s": "_l_s",
    "kPa": "_kpa",
    "Pa": "_pa",
    "%": "_percent",
    "J": "_j",
    "kW.h": "_kwh",
    "Hz": "_hz",
    "kW": "_kw",
}


def reading_is_stale(reading: Reading, frame: Frame) -> bool:
    return frame.is_stale(reading.at, frame.sight.reading_interval_s(reading))


def firmware_line(firmware: Firmware) -> FirmwareLine:
    return FirmwareLine(
        component=firmware.component,
        version=firmware.version,
        updateable=firmware.updateable,
        state=firmware.state,
    )


def component_views(frame: Frame) -> list[ComponentView]:
    stale = frame.slow_is_stale
    at = frame.report.observed_at if frame.report else None
    why = frame.blind or "read too long ago"
    found = []
    for part, ident, name, labels in _named(frame, frame.components_of):
        found.append(
            ComponentView(
                name=part.name,
                kind="component",
                labels=labels,
                node=name,
                type=part.kind.value,
                vendor=part.vendor,
                model=part.model,
                serial=part.serial,
                part_number=part.part_number,
                firmware=part.firmware,
                health=None if stale else part.health,
                location=part.location,
                readings=part.readings,
                observed_at=when(at),
                age_s=frame.age_s(at),
                stale=stale,
                state=part.state,
                uuid=part.uuid,
                id=ident,
                uri=part.uri,
                reason=why if stale else ("" if part.health else "not reported by the device"),
            )
        )
    return found


def sensor_views(frame: Frame) -> list[SensorView]:
    return [
        _sensor_view(part, frame, labels=labels, owner=name, ident=ident)
        for part, ident, name, labels in _named(frame, frame.readings_of)
    ]


def _sensor_view(
    reading: Reading, frame: Frame, *, labels: Mapping[str, str], owner: str, ident: str
) -> SensorView:
    stale = reading_is_stale(reading, frame)
    reason = reading.reason or ("not reported by the device" if reading.value is None else "")
    return SensorView(
        name=reading.name,
        kind="sensor",
        labels=labels,
        node=owner,
        component=reading.component,
        quantity=reading.quantity,
        unit=reading.unit,
        value=reading.value,
        status=None if stale else reading.status,
        limits=reading.limits,
        observed_at=when(reading.at),
        age_s=frame.age_s(reading.at),
        stale=stale,
        reason=reason,
        role=reading.role,
        id=ident,
        uri=reading.uri,
    )


def firmware_views(frame: Frame) -> list[FirmwareView]:
    at = frame.report.observed_at if frame.report else None
    return [
        FirmwareView(
            name=part.name,
            kind="firmware",
            labels=labels,
            node=name,
            component=part.component,
            version=part.version,
            updateable=part.updateable,
            state=part.state,
            vendor=part.vendor,
            observed_at=when(at),
            age_s=frame.age_s(at),
            stale=frame.slow_is_stale,
            id=ident,
            uri=part.uri,
        )
        for part, ident, name, labels in _named(frame, frame.firmware_of)
    ]


def endpoint_view(frame: Frame) -> EndpointView:
    target, status, report = frame.target, frame.sight.status, frame.report
    answered_at = status.answered_at if status else None
    read_at = report.observed_at if report else None
    seen_at = answered_at if answered_at is not None else read_at
    return EndpointView(
        name=frame.called,
        kind="endpoint",
        labels=dict(target.labels),
        address=target.address,
        protocol=status.protocol if status else "redfish",
        state=status.reach.value if status else None,
        driver=(status.driver if status else None) or (report.driver if report else None),
        latency_ms=status.latency_ms if status else None,
        in_flight=status.in_flight if status else 0,
        sessions=status.sessions if status else 0,
        last_error=(status.last_error or None) if status else None,
        age_s=frame.age_s(seen_at),
        next_step=status.next_step if status else "",
        mode=target.mode.value,
        stale=seen_at is None or frame.is_stale(seen_at, frame.sight.interval_s),
        conditions=condition_views(endpoint_conditions(frame.sight)),
        assets=tuple(frame.names[each.key] for each in frame.assets),
        redfish_version=report.redfish_version if report else None,
        certificate=(status.certificate if status else None) or target.fingerprint,
        clock_skew_s=report.clock_skew_s if report else None,
        deviations=len(report.deviations) if report else 0,
        unread=len(report.partial) if report else 0,
        requests=report.requests if report else None,
        collection_s=report.duration_s if report else None,
        observed_at=when(seen_at),
    )


def capability_views(frame: Frame) -> list[CapabilityView]:
    found = frame.report.capabilities if frame.report else ()
    return [
        CapabilityView(
            name=each.name, node=frame.names.get(each.asset, ""), uri=each.uri, proof=each.proof
        )
        for each in found
    ]


def deviation_views(frame: Frame) -> list[DeviationView]:
    found = frame.report.deviations if frame.report else ()
    return [
        DeviationView(uri=each.uri, pointer=each.pointer, rule=each.rule, detail=each.detail)
        for each in found
    ]


def limit_of(limits: Iterable[PowerLimit]) -> float | None:
    """The cap on the whole asset: what limits only a component is left out."""
    whole = [
        each.limit_w for each in limits if each.component is None and each.enabled is not False
    ]
    return next((limit for limit in whole if limit is not None), None)


def _by_asset(parts: Iterable[Part]) -> dict[str, list[Part]]:
    grouped: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        grouped[part.asset].append(part)
    return grouped


class Owned(NamedTuple, Generic[Part]):
    """A part with its own unique id (`asset:part`), and its asset's name and labels."""

    part: Part
    id: str
    owner: str
    labels: Mapping[str, str]


def _named(frame: Frame, parts_of: Mapping[str, list[Part]]) -> Iterable[Owned[Part]]:
    for asset in sorted(frame.assets, key=lambda each: frame.names[each.key]):
        parts = parts_of.get(asset.key, [])
        name, labels = frame.names[asset.key], frame.labels(asset)
        slugs = distinct(slug(_part_name(part)) for part in parts)
        for part, ident in sorted(zip(parts, slugs, strict=True), key=lambda pair: pair[1]):
            yield Owned(part, f"{name}:{ident}", name, labels)


def _part_name(part: Component | Reading | Firmware | PowerLimit) -> str:
    if isinstance(part, Firmware):
        return part.component
    return part.asset if isinstance(part, PowerLimit) else part.name
