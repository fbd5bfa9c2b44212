"""What a rack PDU says over SNMP: a tree of OIDs with live values and switchable outlets.

OIDs are facts of a published PDU MIB (enterprise 13742, product line 6; unit 1, inlet 1, outlets
from 1): nameplate, sensors with units and decimal digits, outlet state and switching. One subtree,
sorted once; a value is asked of the plant when it is read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pysnmp.proto.rfc1902 import (
    Integer32,
    ObjectIdentifier,
    OctetString,
    TimeTicks,
    Unsigned32,
)

from iolaus.kernel.clock import Clock
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.plant import Gear, Plant

Oid = tuple[int, ...]
SYSTEM: Final[Oid] = (1, 3, 6, 1, 2, 1, 1)
PRODUCT: Final[Oid] = (1, 3, 6, 1, 4, 1, 13742, 6)
INLET_UNITS, INLET_DIGITS = (3, 3, 4, 1, 6, 1, 1), (3, 3, 4, 1, 7, 1, 1)
INLET_VALUE = (5, 2, 3, 1, 4, 1, 1)
OUTLET_UNITS, OUTLET_DIGITS, OUTLET_VALUE = (
    (3, 5, 4, 1, 6, 1),
    (3, 5, 4, 1, 7, 1),
    (5, 4, 3, 1, 4, 1),
)
OUTLET_LABEL, OUTLET_NAME = (3, 5, 3, 1, 2, 1), (3, 5, 3, 1, 3, 1)
OUTLET_SWITCH, OUTLET_STATE = (4, 1, 2, 1, 2, 1), (4, 1, 2, 1, 3, 1)
STATE_ON, STATE_OFF = 7, 8
OFF, ON, CYCLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Sensor:
    """Sensor type by the MIB, the plant's point, unit and decimal digits by the MIB."""

    kind: int
    point: str
    unit: int
    digits: int
    scale: float = 1.0


INLET: Final = (
    Sensor(1, "in_a", 2, 3),
    Sensor(4, "in_v", 1, 0),
    Sensor(5, "in_w", 3, 0),
    Sensor(6, "in_w", 4, 0, 1.01),
    Sensor(8, "pdu_kwh", 5, 0, 1000.0),
    Sensor(23, "hertz", 8, 1),
)
OUTLET: Final = (
    Sensor(1, "outlet_a.{n}", 2, 3),
    Sensor(4, "in_v", 1, 0),
    Sensor(5, "outlet_w.{n}", 3, 0),
)
Get = Callable[[], Any]
Put = Callable[[int], None]


class PduTree:
    """`get`, `after` and `put` for one PDU. `cycle` is told to switch an outlet off and on."""

    def __init__(
        self,
        gear: Gear,
        plant: Plant,
        *,
        clock: Clock,
        faults: Faults,
        cycle: Callable[[str, int], None],
    ) -> None:
        self.gear = gear
        self._plant, self._clock, self._faults, self._cycle = plant, clock, faults, cycle
        self._born = clock.monotonic()
        self._frozen: dict[Oid, Any] = {}
        self._leaves: Mapping[Oid, tuple[Get, Put | None]] = dict(self._all())
        self._order: Sequence[Oid] = sorted(self._leaves)

    def get(self, oid: Oid) -> Any | None:
        """The value; None where there is nothing, or nothing that can be known now."""
        leaf = self._leaves.get(oid)
        if leaf is None:
            return None
        if self._faults.strikes("stale-values", self.gear.name, "snmp"):
            return self._frozen.setdefault(oid, leaf[0]())
        self._frozen.pop(oid, None)
        return leaf[0]()

    def after(self, oid: Oid) -> tuple[Oid, Any] | None:
        """The next OID that has a value."""
        for following in self._order[bisect_right(self._order, oid) :]:
            value = self.get(following)
            if value is not None:
                return following, value
        return None

    def putter(self, oid: Oid) -> Put | None:
        """What writing does; None for what cannot be written."""
        return self._leaves[oid][1] if oid in self._leaves else None

    def __contains__(self, oid: Oid) -> bool:
        return oid in self._leaves

    # Leaves

    def _all(self) -> Iterator[tuple[Oid, tuple[Get, Put | None]]]:
        for oid, get in (*self._nameplate(), *self._inlet()):
            yield oid, (get, None)
        for n in range(self.gear.modules):
            for oid, get in self._outlet(n):
                yield oid, (get, None)
            yield (*PRODUCT, *OUTLET_SWITCH, n + 1), (self._operation(n), self._switch(n))

    def _nameplate(self) -> Iterator[tuple[Oid, Get]]:
        gear = self.gear
        text = f"{gear.make} {gear.model}"
        yield (*SYSTEM, 1, 0), lambda: OctetString(text)
        yield (*SYSTEM, 2, 0), lambda: ObjectIdentifier(PRODUCT)
        yield (*SYSTEM, 3, 0), self._uptime
        yield (*SYSTEM, 5, 0), lambda: OctetString(gear.name)
        yield (*PRODUCT, 3, 1, 0), lambda: Unsigned32(1)
        for column, word in ((2, gear.make), (3, gear.model), (4, gear.serial)):
            yield (*PRODUCT, 3, 2, 1, 1, column, 1), lambda word=word: OctetString(word)  # type: ignore[misc]
        yield (*PRODUCT, 3, 2, 2, 1, 2, 1), lambda: Integer32(1)
        yield (*PRODUCT, 3, 2, 2, 1, 4, 1), lambda: Integer32(gear.modules)
        yield (*PRODUCT, 3, 2, 2, 1, 13, 1), lambda: OctetString(gear.name)

    def _uptime(self) -> Any:
        return TimeTicks(round(100 * (self._clock.monotonic() - self._born)) % 2**32)

    def _inlet(self) -> Iterator[tuple[Oid, Get]]:
        for sensor in INLET:
            yield from self._sensor(sensor, 0, INLET_UNITS, INLET_DIGITS, INLET_VALUE)

    def _outlet(self, n: int) -> Iterator[tuple[Oid, Get]]:
        for sensor in OUTLET:
            tables = ((*t, n + 1) for t in (OUTLET_UNITS, OUTLET_DIGITS, OUTLET_VALUE))
            yield from self._sensor(sensor, n, *tables)
        yield (*PRODUCT, *OUTLET_LABEL, n + 1), lambda: OctetString(str(n + 1))
        yield (*PRODUCT, *OUTLET_NAME, n + 1), lambda: OctetString(f"Outlet {n + 1}")
        yield (
            (*PRODUCT, *OUTLET_STATE, n + 1),
            lambda: Integer32(STATE_ON if self._is_on(n) else STATE_OFF),
        )

    def _sensor(
        self, sensor: Sensor, n: int, units: Oid, digits: Oid, value: Oid
    ) -> Iterator[tuple[Oid, Get]]:
        yield (*PRODUCT, *units, sensor.kind), lambda: Integer32(sensor.unit)
        yield (*PRODUCT, *digits, sensor.kind), lambda: Unsigned32(sensor.digits)
        yield (*PRODUCT, *value, sensor.kind), lambda: self._reading(sensor, n)

    def _reading(self, sensor: Sensor, n: int) -> Any | None:
        value = self._plant.read(self.gear.name, sensor.point.replace("{n}", str(n)))
        if value is None:
            return None
        return Unsigned32(max(0, round(value * sensor.scale * 10**sensor.digits)))

    def _is_on(self, n: int) -> bool:
        return bool(self._plant.read(self.gear.name, f"outlet.{n}"))

    def _operation(self, n: int) -> Get:
        return lambda: Integer32(ON if self._is_on(n) else OFF)

    def _switch(self, n: int) -> Put:
        def put(operation: int) -> None:
            if operation == CYCLE:
                self._cycle(self.gear.name, n)
            else:
                self._plant.set_point(self.gear.name, f"outlet.{n}", float(operation))

        return put
