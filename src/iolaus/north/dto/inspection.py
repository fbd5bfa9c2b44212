"""`iolaus inspect`: one endpoint as one JSON object, in the same fields as everywhere else."""

from __future__ import annotations

from typing import Any

import msgspec

from iolaus.model.asset import AssetKind, Report
from iolaus.model.condition import Sight
from iolaus.model.endpoint import EndpointStatus, Target
from iolaus.north.dto.make import (
    Frame,
    asset_view,
    capability_views,
    component_views,
    deviation_views,
    endpoint_view,
    firmware_views,
    sensor_views,
)


def inspect_view(
    report: Report, status: EndpointStatus, now: float, *, target: Target | None = None
) -> dict[str, Any]:
    """`{endpoint, nodes, devices, components, sensors, firmware, capabilities, deviations}`,
    ready for any JSON writer. Nothing is stale here: it was read this minute."""
    target = target or Target(address=report.endpoint)
    sight = Sight(now=now, interval_s=900.0, status=status, report=report)
    frame = Frame(target=target, sight=sight, assets=report.assets, readings=report.readings)
    assets = [(asset.kind, asset_view(asset, frame)) for asset in report.assets]
    found = {
        "endpoint": endpoint_view(frame),
        "nodes": [view for kind, view in assets if kind is AssetKind.NODE],
        "devices": [view for kind, view in assets if kind is not AssetKind.NODE],
        "components": component_views(frame),
        "sensors": sensor_views(frame),
        "firmware": firmware_views(frame),
        "capabilities": capability_views(frame),
        "deviations": deviation_views(frame),
    }
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain
