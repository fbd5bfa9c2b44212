"""GPU power limits that stay and limits for one run, in the dialect of the boards that have them.

Two requests stand beside the limit in force: a persistent one, which holds over every restart, and
a one-shot one, which holds until a host next starts and then gives way to the persistent one. Both
become the set point that the physics behind the device obeys.
"""

from __future__ import annotations

from typing import Any, Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tree import Resource

PERSISTENT: Final = "RequestedPersistentPowerLimitWatts"
ONE_SHOT: Final = "RequestedOneshotPowerLimitWatts"


class Limits(Quiet):
    """`passing` are the metrics whose limit is for one run."""

    __slots__ = ("passing",)

    def __init__(self) -> None:
        self.passing: set[str] = set()

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        wanted = oem_of(ask.body)
        held = device.kept(ask.path) or {}
        if ask.method != "PATCH" or len(ask.body) != 1 or PERSISTENT not in oem_of(held):
            return None
        for name, value in wanted.items():
            if name not in (PERSISTENT, ONE_SHOT):
                return refused(400, "PropertyNotWritable", name[:80])
            if not _fits(value, held["PowerLimitWatts"]):
                return refused(400, "PropertyValueOutOfRange", str(value)[:80], name)
        return self._set(device, ask.path, wanted) if wanted else None

    def booted(self, device: Device, path: str) -> None:
        del path
        for metrics in list(self.passing):
            self.passing.discard(metrics)
            standing = oem_of(device.kept(metrics) or {}).get(PERSISTENT)
            device.patch(metrics, {"PowerLimitWatts": {"SetPoint": standing}})
            device.put(metrics, _told(device, metrics, {ONE_SHOT: None}))

    def _set(self, device: Device, path: str, wanted: Resource) -> Outcome:
        device.put(path, _told(device, path, wanted))
        if ONE_SHOT in wanted:
            self.passing.add(path)
        if ONE_SHOT in wanted or path not in self.passing:
            watts = wanted.get(ONE_SHOT, wanted.get(PERSISTENT))
            device.patch(path, {"PowerLimitWatts": {"SetPoint": watts}})
        return Outcome(status=200, body=device.get(path))


def oem_of(body: Resource) -> Resource:
    oem: Any = body.get("Oem")
    found = oem.get("Nvidia") if isinstance(oem, dict) else None
    return found if isinstance(found, dict) else {}


def _told(device: Device, path: str, changes: Resource) -> Resource:
    held = device.kept(path) or {}
    stays = {"PowerLimitPersistency": True} if PERSISTENT in changes else {}
    return {**held, "Oem": {"Nvidia": {**oem_of(held), **changes, **stays}}}


def _fits(value: Any, limit: Resource) -> bool:
    low, high = limit.get("AllowableMin", 0), limit.get("AllowableMax", 1e9)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high


def oem(limit: Resource) -> Resource:
    """What the drawing of a GPU's metrics says."""
    return {
        "Nvidia": {
            "@odata.type": "#NvidiaEnvironmentMetrics.v1_2_0.NvidiaEnvironmentMetrics",
            "PowerLimitPersistency": False,
            PERSISTENT: limit.get("SetPoint"),
            ONE_SHOT: None,
        }
    }
