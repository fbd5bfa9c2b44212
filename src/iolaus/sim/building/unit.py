"""A Modbus unit: a register map brought to life by a plant.

Reading a register asks the plant; writing one commands it, within the map's guardrails. Words
that belong to the unit itself (its clock, its counters, its place) begin with "@". What nothing
stands behind is kept as it was written. A refusal is a Modbus exception code, nothing else: that
is all a real unit says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from iolaus.kernel.clock import Clock
from iolaus.sim.building.faults import Faults
from iolaus.sim.building.plant import Gear, Plant
from iolaus.sim.building.registers import Bit, Register, RegisterMap

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY, NO_TARGET = 1, 2, 3, 6, 11
SHELF_TYPES: Final = {"shelf": 1.0, "bbu": 2.0}


class Refused(Exception):
    """A Modbus exception answer with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Unit:
    """Unit `number` on a bus: module `module` of `gear` (None: the equipment itself), which is
    the rack's shelf number `shelf`."""

    def __init__(
        self,
        register_map: RegisterMap,
        gear: Gear,
        *,
        plant: Plant,
        clock: Clock,
        faults: Faults,
        module: int | None = None,
        shelf: int = 0,
        number: int = 0,
    ) -> None:
        self.map, self.gear, self.module, self.number = register_map, gear, module, number
        self._plant, self._clock, self._faults, self._shelf = plant, clock, faults, shelf
        self._born, self._offset_s = clock.monotonic(), 0.0
        self._kept: dict[str, float] = {}
        self._frozen: dict[str, list[int]] = {}
        self.crc_errors = 0

    @property
    def name(self) -> str:
        return self.gear.name if self.module is None else f"{self.gear.name}/{self.module}"

    # The wire's side

    def read(self, at: int, count: int) -> list[int]:
        """The words from `at` on. Raises Refused where the map has a hole."""
        places = self.map.places
        if any(at + n not in places for n in range(count)):
            raise Refused(ILLEGAL_ADDRESS)
        held: dict[str, list[int]] = {}
        words: list[int] = []
        for n in range(count):
            reg, offset = places[at + n]
            if reg.name not in held:
                held[reg.name] = self.words(reg)
            words.append(held[reg.name][offset])
        return words

    def write(self, at: int, words: Sequence[int]) -> None:
        """All or nothing. Raises Refused for what is read-only, cut through or out of bounds."""
        writes: list[tuple[Register, list[int]]] = []
        n = 0
        while n < len(words):
            reg, offset = self.map.places.get(at + n, (None, 0))
            if reg is None or reg.access == "r":
                raise Refused(ILLEGAL_ADDRESS)
            data = list(words[n : n + reg.count])
            if offset or len(data) < reg.count or not self._allowed(reg, data):
                raise Refused(ILLEGAL_VALUE)
            writes.append((reg, data))
            n += reg.count
        for reg, data in writes:
            self._set(reg, data)

    def _allowed(self, reg: Register, data: Sequence[int]) -> bool:
        value = reg.decode(data)
        low = float("-inf") if reg.low is None else reg.low
        high = float("inf") if reg.high is None else reg.high
        return low <= value <= high

    # Values

    def words(self, reg: Register) -> list[int]:
        """What the register says now, faults included."""
        thing = self.gear.name
        stuck = self._faults.strikes("stuck-register", thing, reg.name)
        if stuck or self._faults.strikes("stale-values", thing, "modbus"):
            return self._frozen.setdefault(reg.name, self._true_words(reg))
        self._frozen.pop(reg.name, None)
        return self._true_words(reg)

    def _true_words(self, reg: Register) -> list[int]:
        if reg.format == "flags":
            return [sum(self._bit(reg, bit) << bit.bit for bit in reg.bits)]
        if reg.format == "text":
            return reg.encode(self._text(str(reg.default)))
        if not reg.point:
            return reg.encode(self._kept.get(reg.name, float(reg.default)))
        return reg.encode(self._value(reg.point))

    def _bit(self, reg: Register, bit: Bit) -> int:
        if not bit.point:
            return int(self._kept.get(reg.name, float(reg.default))) >> bit.bit & 1
        value = self._value(bit.point.removeprefix("!"))
        return int(bool(value) != bit.point.startswith("!"))

    def _value(self, point: str) -> float | None:
        if point.startswith("@"):
            return _OWN[point](self)
        return self._plant.read(self.gear.name, self._point(point))

    def _point(self, point: str) -> str:
        return point.replace("{n}", str(self.module or 0))

    def _text(self, template: str) -> str:
        gear = self.gear
        serial = gear.serial if self.module is None else f"{gear.serial}-{self.module}"
        return template.format(
            make=gear.make, model=gear.model, serial=serial, part=gear.model.split(" ")[0]
        )

    # Commands

    def _set(self, reg: Register, data: Sequence[int]) -> None:
        value = reg.decode(data)
        self._kept[reg.name] = value
        if reg.format == "flags":
            for bit in reg.bits:
                self._set_bit(bit, int(value) >> bit.bit & 1)
        elif reg.to in _ACTS:
            _ACTS[reg.to](self, value)
        elif reg.to:
            self._plant.set_point(self.gear.name, self._point(reg.to), value)

    def _set_bit(self, bit: Bit, wanted: int) -> None:
        """Bits that fall back act when written 1; `..._end` bits when written 0."""
        if not bit.to:
            return
        if bit.to.startswith("override_end"):
            if not wanted:
                self._override(amps=0.0, seconds=0.0)
        elif bit.point != "@never":
            self._plant.set_point(self.gear.name, self._point(bit.to), float(wanted))
        elif wanted:
            self._plant.set_point(self.gear.name, self._point(bit.to), 1.0)

    def set_time(self, value: float) -> None:
        self._offset_s = value - self._clock.now()

    def charge_override(self, milliamps: float) -> None:
        seconds = self._kept.get("override_time", float(self.map["override_time"].default))
        self._override(amps=milliamps / 1000.0, seconds=seconds)

    def charge_override_time(self, seconds: float) -> None:
        if self._value(f"override.{self.module}"):
            amps = self._kept.get("override_current", 0.0) / 1000.0
            self._override(amps=amps, seconds=seconds)

    def _override(self, *, amps: float, seconds: float) -> None:
        self._plant.override_charge(self.gear.name, self.module or 0, amps=amps, seconds=seconds)

    # Its own words

    def time_s(self) -> float:
        return self._clock.now() + self._offset_s

    def uptime_s(self) -> float:
        return self._clock.monotonic() - self._born

    def shelf(self) -> float:
        return float(self._shelf)


_OWN: Final[Mapping[str, Callable[[Unit], float | None]]] = {
    "@time": Unit.time_s,
    "@uptime": Unit.uptime_s,
    "@shelf": Unit.shelf,
    "@module": lambda unit: float(unit.module or 0),
    "@unit": lambda unit: float(unit.number),
    "@baud": lambda unit: unit.map.baud / 100.0,
    "@crc_errors": lambda unit: float(unit.crc_errors),
    "@shelf_type": lambda unit: SHELF_TYPES.get(unit.gear.family, 0.0),
    "@never": lambda unit: 0.0,  # noqa: ARG005  every word is asked alike
    "@always": lambda unit: 1.0,  # noqa: ARG005  every word is asked alike
}
_ACTS: Final[Mapping[str, Callable[[Unit, float], None]]] = {
    "@time": Unit.set_time,
    "@charge_override": Unit.charge_override,
    "@charge_override_time": Unit.charge_override_time,
}
