"""Leaks as objects: a controller, a sensor or a bare part can be what detects one.

Whatever a device calls it, an operator asks one question of each: leak, dry, or silent? Silence is
its own answer here (`state` null), because a detector that is not heard is not dry.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from iolaus.model.asset import AssetKind, ComponentKind
from iolaus.model.condition import leak_verdict
from iolaus.model.naming import distinct
from iolaus.north.dto.make import Frame, component_views, sensor_views
from iolaus.north.dto.views import AssetView, ComponentView, ConditionView, LeakView, SensorView


def leak_views(frame: Frame, assets: Sequence[AssetView]) -> list[LeakView]:
    """Leak controllers, and every detector (a reading with the role "leak", or a component that
    is a detector and has no such reading)."""
    by_name = {each.name: each for each in assets}
    found = [_leak_asset(each) for each in assets if each.kind == AssetKind.LEAK.value]
    heard = set()
    for view in sensor_views(frame):
        if view.role == "leak":
            heard |= {view.uri, view.component, view.name}
            found.append(_leak_of_sensor(view, by_name[view.node], frame))
    found.extend(
        _leak_of_part(part, by_name[part.node])
        for part in component_views(frame)
        if part.type == ComponentKind.LEAK_DETECTOR.value and not heard & {part.uri, part.name}
    )
    ids = distinct(each.id for each in found)
    return [msgspec.structs.replace(each, id=ident) for each, ident in zip(found, ids, strict=True)]


def _leak_asset(view: AssetView) -> LeakView:
    verdict = next((c.status for c in view.conditions if c.type == "LeakFree"), "Unknown")
    return LeakView(
        name=view.name,
        kind="leak",
        labels=view.labels,
        node=view.name,
        vendor=view.vendor,
        model=view.model,
        serial=view.serial,
        health=view.health,
        state={"True": "dry", "False": "leak"}.get(verdict),
        endpoint=view.endpoint,
        capabilities=view.capabilities,
        conditions=view.conditions,
        counts=view.counts,
        readings=view.readings,
        observed_at=view.observed_at,
        age_s=view.age_s,
        stale=view.stale,
        id=view.name,
    )


def _leak_of_sensor(sensor: SensorView, owner: AssetView, frame: Frame) -> LeakView:
    reading = next(r for r in frame.readings if (r.uri, r.name) == (sensor.uri, sensor.name))
    verdict = leak_verdict(reading)
    is_dry = verdict is False and not sensor.stale
    state = "leak" if verdict else ("dry" if is_dry else None)
    return msgspec.structs.replace(
        _leak_asset(owner),
        name=sensor.name,
        node=owner.name,
        health=sensor.status,
        state=state,
        capabilities=(),
        conditions=(_leak_word(state, sensor),),
        counts={},
        readings={} if sensor.value is None else {"leak": sensor.value},
        vendor=None,
        model=None,
        serial=None,
        observed_at=sensor.observed_at,
        age_s=sensor.age_s,
        stale=sensor.stale,
        id=sensor.id,
    )


def _leak_word(state: str | None, sensor: SensorView) -> ConditionView:
    status = {"leak": "False", "dry": "True"}.get(state or "", "Unknown")
    reason = {"leak": "LeakDetected", "dry": "Dry"}.get(state or "", "DetectorSilent")
    why = sensor.reason or ("not heard for too long" if sensor.stale else "gives no state")
    return ConditionView(
        type="LeakFree",
        status=status,
        reason=reason,
        message="" if state else why,
        next_step="" if state == "dry" else "look on site; unknown is not dry.",
    )


def _leak_of_part(part: ComponentView, owner: AssetView) -> LeakView:
    return msgspec.structs.replace(
        _leak_asset(owner),
        name=part.name,
        node=owner.name,
        vendor=part.vendor,
        model=part.model,
        serial=part.serial,
        health=part.health,
        state=None,
        capabilities=(),
        conditions=(
            ConditionView(
                type="LeakFree",
                status="Unknown",
                reason="DetectorSilent",
                message=part.reason or "the detector gives no state",
                next_step="look on site; unknown is not dry.",
            ),
        ),
        counts={},
        readings=part.readings,
        observed_at=part.observed_at,
        age_s=part.age_s,
        stale=part.stale,
        id=part.id,
    )
