"""A building as a device: what it told of its points, as one asset with a reading a point.

The building speaks by itself, so nothing is asked here: an inventory says what points there are,
a hot pass what is newer than the last one. A point without good quality, not repeated, or of a
building whose heartbeat stopped has no value and a reason. Points that come or go are a new
inventory, which the hot pass asks for in the way that any device does whose tree changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from iolaus.drivers.ports import Reads
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent
from iolaus.model.asset import (
    Asset,
    AssetKind,
    Capability,
    HotUpdate,
    Identity,
    LogEntry,
    Reading,
    Report,
)
from iolaus.model.fact import Health, Known, Unknown
from iolaus.wire.dsx.bms import AGAIN_S, Bms
from iolaus.wire.dsx.point import Metadata

KEY: Final = "building"
UNITS: Final[Mapping[str, tuple[str, str, float]]] = {
    "C": ("Temperature", "Cel", 1.0),
    "kW": ("Power", "W", 1000.0),
    "W": ("Power", "W", 1.0),
    "LPM": ("LiquidFlowLPM", "L/min", 1.0),
    "kPa": ("PressurekPa", "kPa", 1.0),
    "%": ("Percent", "%", 1.0),
    "V": ("Voltage", "V", 1.0),
    "A": ("Current", "A", 1.0),
    "Hz": ("Frequency", "Hz", 1.0),
}
"""Of the contract's units: what is measured, our unit, and how many of ours are one of theirs."""


class DsxDriver:
    """Of one broker's building. `why_lost` says why it cannot be believed; empty while it can."""

    name: Final = "dsx"

    def __init__(
        self, address: str, bms: Bms, clock: Clock, *, why_lost: Callable[[], str]
    ) -> None:
        self.address, self.bms, self._clock, self._why_lost = address, bms, clock, why_lost
        self._told: dict[str, Reading] = {}

    async def inventory(self, device: Reads | None = None) -> Report:
        """Raises `DeviceSilent` while nothing of it can be believed."""
        del device
        self._must_speak()
        now, at = self._clock.monotonic(), self._clock.now()
        self._told = {path: self._reading(path, now, at) for path in self.bms.metadata}
        return Report(
            endpoint=self.address,
            driver=self.name,
            redfish_version=None,
            observed_at=at,
            assets=(self._asset(at),),
            readings=tuple(self._told.values()),
            capabilities=(
                Capability(name="sensors", asset=KEY, uri="/", proof="metadata were heard"),
            ),
            partial={f"/{path}": "values without metadata are not used" for path in self.bms.aside},
        )

    async def hot(self, device: Reads | None, last: Report) -> HotUpdate:
        """What is new since the last pass. Raises as `inventory`."""
        del device
        self._must_speak()
        now, at = self._clock.monotonic(), self._clock.now()
        news = []
        for path in self.bms.metadata:
            reading, before = self._reading(path, now, at), self._told.get(path)
            same = before is not None and (before.value, before.reason) == (
                reading.value,
                reading.reason,
            )
            if not same or (before is not None and reading.at - before.at >= AGAIN_S / 2):
                self._told[path] = reading
                news.append(reading)
        return HotUpdate(
            endpoint=last.endpoint,
            at=at,
            healths={KEY: Known(value=Health.OK, at=at)},
            readings=tuple(news),
        )

    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        """A building's system keeps its log to itself."""
        del device, since, limit
        return ()

    def _must_speak(self) -> None:
        if why := self._why_lost():
            raise DeviceSilent(
                why,
                operation="read",
                subject=self.address,
                code="BuildingLinkLost",
                next_step="check the broker and the building system; see docs/building.md.",
            )

    def _asset(self, at: float) -> Asset:
        said = {"power_state": "a building has none"}
        return Asset(
            key=KEY,
            kind=AssetKind.CHASSIS,
            resources=("/",),
            identity=Identity(),
            power_state=Unknown(reason=said["power_state"], at=at, source=self.address),
            health=Known(value=Health.OK, at=at),
            observed_at=at,
            model="building management system",
            counts={"points": len(self.bms.metadata)},
            capabilities=("sensors",),
        )

    def _reading(self, path: str, now: float, at: float) -> Reading:
        known, shown = self.bms.metadata[path], self.bms.shown(path, now)
        quantity, unit, factor = UNITS.get(known.unit, ("", known.unit, 1.0))
        value = None if shown.value is None else shown.value * factor
        return Reading(
            name=named(known),
            asset=KEY,
            uri=f"/{path}",
            quantity=quantity,
            unit=unit,
            value=value,
            at=at if shown.at is None else shown.at,
            component=known.about,
            reason=shown.reason,
            every_s=AGAIN_S,
        )


def named(known: Metadata) -> str:
    """What a person calls a point: "cdu1 liquid temperature (Secondary, Supply)"."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in known.point_type).strip()
    where = f" ({', '.join(known.area)})" if known.area else ""
    phase = f" {known.phase}" if known.phase else ""
    setpoint = " set point" if known.is_setpoint else ""
    return f"{known.name} {words}{setpoint}{phase}{where}"
