"""A Modbus bus as a device: what hangs on it as a report, what it says now as a hot update.

The bus reads by itself, all the time, at its own rates; so a hot pass here asks nobody, it says
what is known and how old it is. An inventory looks for units and reads each of them once, whole.
A bus on which nobody answers is a silent device; one silent unit on it is a part that is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from iolaus.drivers.modbus.readings import Now, part_name, readings_of, severity_of
from iolaus.drivers.modbus.things import PARTS, Thing, things_of
from iolaus.drivers.ports import Payload, Reads
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.model.asset import (
    Asset,
    AssetKind,
    Capability,
    Component,
    ComponentKind,
    Firmware,
    HealthFact,
    HotUpdate,
    Identity,
    LogEntry,
    PowerFact,
    Report,
)
from iolaus.model.fact import Health, Known, PowerState, Unknown
from iolaus.wire.modbus.address import BusAddress
from iolaus.wire.modbus.bus import Bus, Unit
from iolaus.wire.modbus.find import find_units
from iolaus.wire.modbus.health import UnitState
from iolaus.wire.redfish.port import Answer

LIVE_V: Final = 10.0
SILENT: Final = (UnitState.GONE, UnitState.UNTRIED)


class ModbusDriver:
    """Of one bus; `device` of the ports is not used, because the bus is its own lane."""

    name: Final = "modbus"

    def __init__(self, bus: Bus, address: BusAddress, clock: Clock) -> None:
        self.bus, self.address, self._clock = bus, address, clock

    async def inventory(self, device: Reads | None = None) -> Report:
        """Look who is there and read all of it. Raises `DeviceSilent` where nobody answers."""
        del device
        began, before = self._clock.monotonic(), self.bus.transactions
        found = await find_units(self.bus, self.address)
        for number, register_map in found.units.items():
            unit = self.bus.add(number, register_map)
            if not unit.samples:
                await self.bus.read_now(unit, register_map.named)
        if not self.bus.units:
            raise self._silent("no unit answers that we know how to read")
        strange = {f"/units/{n}": "fits no register map" for n in found.strange}
        missing = set(self.address.units) - found.units.keys() - set(found.strange)
        strange |= {f"/units/{n}": "it does not answer" for n in sorted(missing)}
        return replace(
            self._report(),
            requests=self.bus.transactions - before,
            duration_s=round(self._clock.monotonic() - began, 3),
            partial=strange,
        )

    async def hot(self, device: Reads | None, last: Report) -> HotUpdate:
        """What is known now. Raises `DeviceSilent` while nobody on the bus answers."""
        del device
        if self.bus.lost:
            raise self._silent(self.bus.trouble or "no unit answers any more")
        now, things = self._now(), things_of(self.bus.units.values())
        known = {asset.key for asset in last.assets}
        ours = [thing for thing in things if thing.key in known]
        return HotUpdate(
            endpoint=last.endpoint,
            at=now.at,
            power_states={thing.key: self._power(thing, now) for thing in ours},
            healths={thing.key: _health(thing, now) for thing in ours},
            readings=tuple(readings_of(self.bus, ours, now)),
        )

    async def logs(self, device: Reads, *, since: str | None, limit: int) -> Sequence[LogEntry]:
        """Such units keep no log."""
        del device, since, limit
        return ()

    def _report(self) -> Report:
        now, things = self._now(), things_of(self.bus.units.values())
        return Report(
            endpoint=str(self.address),
            driver=self.name,
            redfish_version=None,
            observed_at=now.at,
            assets=tuple(self._asset(thing, now) for thing in things),
            components=tuple(_part(t, u) for t in things for u in t.units if part_name(t, u)),
            readings=tuple(readings_of(self.bus, things, now)),
            firmware=tuple(_firmware(t, u) for t in things for u in t.units),
            capabilities=tuple(
                Capability(name=name, asset=thing.key, uri=f"/{thing.key}", proof="read")
                for thing in things
                for name in ("inventory", "sensors")
            ),
        )

    def _asset(self, thing: Thing, now: Now) -> Asset:
        own, modules = thing.own, [unit for _, unit in thing.modules]
        about = own or (modules[0] if modules else None)
        serial = text(own, "serial") if own is not None else None
        kinds = {"psu": "psu", "bbu": "battery"}
        counts = {kinds[thing.family]: len(modules)} if thing.family in kinds else {}
        gap = {} if serial else {"serial": "no management module answers for the shelf"}
        return Asset(
            key=thing.key,
            kind=thing.kind,
            resources=(f"/{thing.key}",),
            identity=Identity(serial=serial, part_number=text(own, "part_number") if own else None),
            power_state=self._power(thing, now),
            health=_health(thing, now),
            observed_at=now.at,
            vendor=text(about, "maker") if about else None,
            model=text(about, "model") if about else None,
            bmc_firmware=text(own, "firmware") if own is not None else None,
            counts=counts,
            capabilities=("inventory", "sensors"),
            gaps={**gap, **({} if about and text(about, "maker") else {"vendor": "not said"})},
        )

    def _power(self, thing: Thing, now: Now) -> PowerFact:
        """On while a module gives voltage, or the coolant unit pumps."""
        source = f"{self.address}/{thing.key}"
        watched = {
            AssetKind.CDU: "coolant_flow",
            AssetKind.POWER_SHELF: "busbar_voltage",
        }[thing.kind]
        least = LIVE_V if thing.kind is AssetKind.POWER_SHELF else 0.0
        for each in readings_of(self.bus, [thing], now):
            if each.role == watched and each.component is None:
                if each.value is None:
                    return Unknown(reason=each.reason, at=now.at, source=source)
                state = PowerState.ON if each.value > least else PowerState.OFF
                return Known(value=state, at=now.at, source=source)
        return Unknown(reason="it has no such register", at=now.at, source=source)

    def _now(self) -> Now:
        return Now(self._clock.monotonic(), self._clock.now())

    def _silent(self, why: str) -> DeviceSilent:
        return DeviceSilent(
            why,
            operation="read",
            subject=str(self.address),
            code="ModbusSilent",
            next_step="check the cable, the unit numbers and the speed; see docs/building.md.",
        )


def _health(thing: Thing, now: Now) -> HealthFact:
    """The worst alarm; a module that is gone is a warning, and all of them gone is unknown."""
    silent = [unit for unit in thing.units if unit.health.state in SILENT]
    if len(silent) == len(thing.units):
        return Unknown(reason=silent[0].health.why(now.mono_s), at=now.at)
    worst = severity_of(unit for unit in thing.units if unit not in silent)
    if silent and worst == "OK":
        worst = "Warning"
    return Known(value=Health(worst), at=now.at)


def text(unit: Unit, name: str) -> str | None:
    """A register of text as it was last read; identity does not age."""
    sample = unit.samples.get(name)
    return sample.value.text if sample is not None else None


def _part(thing: Thing, unit: Unit) -> Component:
    kind = PARTS[unit.map.thing][1] if unit.map.thing in PARTS else ComponentKind.OTHER
    gone = unit.health.state in SILENT
    return Component(
        name=part_name(thing, unit) or thing.key,
        kind=kind,
        asset=thing.key,
        uri=f"/units/{unit.number}",
        location=f"unit {unit.number}",
        vendor=text(unit, "maker"),
        model=text(unit, "model"),
        serial=text(unit, "serial"),
        part_number=text(unit, "part_number"),
        firmware=text(unit, "firmware"),
        health=None if gone else severity_of([unit]),
        state="Absent" if gone else "Enabled",
    )


def _firmware(thing: Thing, unit: Unit) -> Firmware:
    name = part_name(thing, unit) or "controller"
    return Firmware(
        component=name.replace(" ", ""),
        name=name,
        version=text(unit, "firmware"),
        asset=thing.key,
        uri=f"/units/{unit.number}/firmware",
        updateable=False,
        kind=unit.map.thing,
    )


class NoReads:
    """Stands where a driver is given a way to read by URI: a bus has none."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        """Raises `DeviceRefused`."""
        del fresh_s
        raise DeviceRefused(
            "it is read by registers, not by URIs",
            operation="GET",
            subject=f"{self.address}{uri}",
            code="NotOffered",
        )

    async def members(
        self, uri: str, *, on_gap: object, fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        """Raises `DeviceRefused`."""
        del on_gap
        await self.get(uri, fresh_s=fresh_s)
        return ()
