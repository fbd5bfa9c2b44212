"""What people, programs and agents see: flat JSON made from model values.

One shape serves REST (`status`), the command line (`-o json`) and `iolaus inspect`, so a script
written against one works with the others. Unknown is null and its reason stands in `conditions`;
every number carries its unit in its name or beside it; every object says how old it is.
"""

from iolaus.north.dto.inspection import inspect_view
from iolaus.north.dto.views import (
    AssetView,
    CapabilityView,
    ComponentView,
    ConditionView,
    DeviationView,
    EndpointView,
    EventView,
    FirmwareLine,
    FirmwareView,
    HallView,
    LeakView,
    RackView,
    SensorView,
)

__all__ = [
    "AssetView",
    "CapabilityView",
    "ComponentView",
    "ConditionView",
    "DeviationView",
    "EndpointView",
    "EventView",
    "FirmwareLine",
    "FirmwareView",
    "HallView",
    "LeakView",
    "RackView",
    "SensorView",
    "inspect_view",
]
