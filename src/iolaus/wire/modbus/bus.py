"""A bus: its units, what was read of them and when, and who may write.

`step` does one transaction, chosen by the schedule; `run` does it for ever. Everything else here
is what became of it: samples with their time, the state of each unit, counts, alarms that began or
ended. A sample is never invented and never thrown away; whoever reads one looks at its age. Writes
share the line with the readings, wait for one transaction at most, are read back, and are refused
where the operator did not say that this bus is managed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import FAILURES, DeviceLied, DeviceRefused, DeviceSilent, PolicyRefused
from iolaus.wire.modbus.blocks import Block, cut, halves, plan_blocks
from iolaus.wire.modbus.health import LONG_S, Outcome, UnitHealth, UnitState
from iolaus.wire.modbus.line import ACKNOWLEDGED, BUSY, Line
from iolaus.wire.modbus.registers import Register, RegisterMap, clearing
from iolaus.wire.modbus.schedule import Key, Schedule
from iolaus.wire.modbus.values import Value, decode, encode, raised

log = structlog.get_logger(__name__)
LOST_S: Final = 3.0
REOPEN_S: Final = 2.0
IDLE_S: Final = 0.25
MOST_FAST: Final = 2.0
"""What a loop is closed with is never read more seldom than this many times its period."""
_UNREAD: Final = Value()


class Sample:
    """A register as it was read. `mono_s` and `at` (seconds since 1970) are our receive time;
    what its words mean is worked out when somebody asks."""

    __slots__ = ("_reg", "_value", "at", "mono_s", "words")

    def __init__(self, reg: Register, words: Sequence[int], *, mono_s: float, at: float) -> None:
        self.words, self.mono_s, self.at = words, mono_s, at
        self._reg, self._value = reg, _UNREAD

    @property
    def value(self) -> Value:
        if self._value is _UNREAD:
            self._value = decode(self._reg, self.words)
        return self._value

    def again(self, *, mono_s: float, at: float) -> Sample:
        """The same words, read later."""
        later = Sample(self._reg, self.words, mono_s=mono_s, at=at)
        later._value = self._value
        return later


class AlarmChange(NamedTuple):
    """An alarm that began (`raised`) or ended. `at` is our receive time."""

    unit: int
    map: RegisterMap
    register: Register
    bit: str
    severity: str
    raised: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Seconds between two readings of a register, by its rate."""

    fast_s: float = 0.5
    medium_s: float = 1.0
    slow_s: float = 10.0
    once_s: float = 900.0

    def of(self, rate: str) -> float:
        known = {"fast": self.fast_s, "medium": self.medium_s, "slow": self.slow_s}
        return known.get(rate, self.once_s)


@dataclass(slots=True)
class Unit:
    """A unit on the bus. `absent` are registers that it refuses."""

    number: int
    map: RegisterMap
    health: UnitHealth = field(default_factory=UnitHealth)
    samples: dict[str, Sample] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    alarms: dict[str, frozenset[str]] = field(default_factory=dict)

    def value(self, name: str, *, now: float, most_s: float) -> Value:
        """The register's value if it is younger than `most_s` at monotonic `now`, else why not."""
        sample = self.samples.get(name)
        if sample is None:
            gap = "the unit has no such register" if name in self.absent else "not read yet"
            return Value(reason=self.health.why(now) or gap)
        age = now - sample.mono_s
        if age > most_s:
            return Value(reason=self.health.why(now) or f"read {age:.0f} s ago")
        return sample.value


class Bus:
    """`may_write` says whether this bus is managed. `on_sample(unit, names)` is called after each
    block, `on_alarm` for each change; both at once, from the bus's task. `stretch` is how many
    times longer than usual its periods are, where whoever reads has too much to do."""

    def __init__(
        self, name: str, line: Line, clock: Clock, *, rates: Rates, may_write: bool = False
    ) -> None:
        self.name, self.rates, self.may_write = name, rates, may_write
        self.units: dict[int, Unit] = {}
        self.on_sample: list[Callable[[Unit, Iterable[str]], None]] = []
        self.on_alarm: list[Callable[[AlarmChange], None]] = []
        self.trouble = ""
        self.stretch = 1.0
        self.transactions = 0
        self.crc_errors = 0
        self._line, self._clock = line, clock
        self._schedule = Schedule()
        self._blocks: dict[Key, Block] = {}
        self._lock = asyncio.Lock()
        self._heard_at = clock.monotonic()
        self._silences = 0
        self._closed = False

    # What is on it

    def add(self, number: int, found: RegisterMap) -> Unit:
        """Read this unit from now on; one that is known with the same map goes on."""
        known = self.units.get(number)
        if known is not None and known.map.name == found.name:
            return known
        unit = self.units[number] = Unit(number, found)
        self._plan(unit)
        return unit

    def remove(self, number: int) -> None:
        self._schedule.drop([key for key in self._schedule if key[0] == number])
        self.units.pop(number, None)

    @property
    def lost(self) -> bool:
        """Nobody on this bus answers: it is the line, or all of it is dark."""
        silent_s = self._clock.monotonic() - self._heard_at
        return bool(self.trouble) or (self._silences >= LOST_S and silent_s > LOST_S)

    # Reading

    async def run(self) -> None:
        """Until cancelled or closed. A cancellation that comes together with an answer may be
        swallowed below us (asyncio before Python 3.12), so whoever ends it closes the bus too."""
        while not self._closed:
            wait_s = await self.step()
            if wait_s > 0:
                await self._clock.sleep(wait_s if self.trouble else min(wait_s, IDLE_S))
            else:
                await asyncio.sleep(0)

    async def step(self) -> float:
        """One transaction, if one is due; seconds until the next one may be."""
        now = self._clock.monotonic()
        job = self._schedule.next(now)
        if job is None:
            return self._schedule.wait_s(now)
        unit, block = self.units[job.key[0]], self._blocks[job.key]
        if unit.health.rest_until > now:
            self._schedule.done(job, now=now, rest_until=unit.health.rest_until)
            return 0.0
        await self._read(unit, block)
        self._schedule.done(
            job,
            now=self._clock.monotonic(),
            rest_until=unit.health.rest_until,
            stretch=min(self.stretch, MOST_FAST) if job.fast else self.stretch,
        )
        return REOPEN_S if self.trouble else 0.0

    def period_s(self, rate: str) -> float:
        """Seconds that lie between two readings of such registers now, if the line can do it."""
        stretch = min(self.stretch, MOST_FAST) if rate == "fast" else self.stretch
        return stretch * self.rates.of(rate)

    async def read_now(self, unit: Unit, names: Iterable[str]) -> None:
        """Read these registers before anything else. What fails is left as it was."""
        wanted = [unit.map[name] for name in names]
        left = plan_blocks(unit.map, wanted, frozenset(unit.absent))
        while left:
            left += await self._read(unit, left.pop())

    async def ask(
        self, number: int, at: int, count: int, *, patience_s: float = LONG_S
    ) -> list[int]:
        """Words of a unit that need not be known here. Raises what the line raises."""
        async with self._lock:
            words = list(await self._line.read(number, at, count, patience_s=patience_s))
        self._heard()
        return words

    async def _read(self, unit: Unit, block: Block) -> list[Block]:
        """One transaction; what to read instead, if the block was refused."""
        began, health = self._clock.monotonic(), unit.health
        try:
            async with self._lock:
                began = self._clock.monotonic()
                words = await self._line.read(
                    unit.number, block.at, block.words, patience_s=health.patience_s
                )
        except FAILURES as error:
            return self._failed(unit, block, error, began)
        finally:
            self.transactions += 1
        self._note(unit, Outcome.ANSWERED, began)
        now, at = self._clock.monotonic(), self._clock.now()
        names = []
        for reg, part in cut(block, words):
            names.append(reg.name)
            before = unit.samples.get(reg.name)
            if before is not None and before.words == part:
                unit.samples[reg.name] = before.again(mono_s=now, at=at)
                continue
            unit.samples[reg.name] = Sample(reg, part, mono_s=now, at=at)
            if reg.bits:
                self._alarms(unit, reg, at)
        for listener in self.on_sample:
            listener(unit, names)
        return []

    def _failed(self, unit: Unit, block: Block, error: Exception, began: float) -> list[Block]:
        if isinstance(error, DeviceRefused):
            busy = error.status in (BUSY, ACKNOWLEDGED)
            self._note(unit, Outcome.BUSY if busy else Outcome.ANSWERED, began)
            return [] if busy else self._split(unit, block)
        if isinstance(error, DeviceLied):
            self.crc_errors += 1
            self._note(unit, Outcome.GARBLED, began)
        elif isinstance(error, DeviceSilent):
            if error.code == "ModbusNoLink":
                self._no_link(error)
                return []
            late = error.code == "ModbusLate"
            self._note(unit, Outcome.LATE if late else Outcome.SILENT, began)
        return []

    def _note(self, unit: Unit, outcome: Outcome, began: float) -> None:
        now = self._clock.monotonic()
        if outcome is Outcome.SILENT:
            self._silences += 1
        else:
            self._heard()
        before = unit.health.state
        if unit.health.note(outcome, took_s=now - began, now=now):
            after = unit.health.state
            if after in (UnitState.GONE, UnitState.NOISY) or before is UnitState.GONE:
                log.warning("modbus_unit", bus=self.name, unit=unit.number, state=after.value)

    def _heard(self) -> None:
        self._heard_at, self._silences, self.trouble = self._clock.monotonic(), 0, ""

    def _no_link(self, error: DeviceSilent) -> None:
        if not self.trouble:
            log.warning("modbus_line_lost", bus=self.name, error=error.message)
        self.trouble = error.message

    # What a unit lacks

    def _split(self, unit: Unit, block: Block) -> list[Block]:
        """A block that was refused: what is left of it when the register at fault is left out."""
        parts = halves(block)
        if not parts:
            unit.absent.update(reg.name for reg in block.registers)
            self._plan(unit)
            return []
        key = _key(unit, block)
        period = self._schedule.period_of(key) if key in self._schedule else None
        self._schedule.drop([key])
        for part in parts:
            self._put(unit, part, period)
        return parts

    def _plan(self, unit: Unit) -> None:
        """Blocks of the unit afresh, without what it lacks."""
        self._schedule.drop([key for key in self._schedule if key[0] == unit.number])
        read: set[str] = set()
        for rate in ("fast", "medium", "slow", "once"):
            wanted = [
                reg for reg in unit.map.registers if reg.rate == rate and reg.name not in read
            ]
            for block in plan_blocks(unit.map, wanted, frozenset(unit.absent)):
                read.update(reg.name for reg in block.registers)
                self._put(unit, block, (self.rates.of(rate), rate == "fast"))

    def _put(self, unit: Unit, block: Block, period: tuple[float, bool] | None) -> None:
        period_s, fast = period or (self.rates.slow_s, False)
        now = self._clock.monotonic()
        key = _key(unit, block)
        self._blocks[key] = block
        self._schedule.put(key, period_s=period_s, fast=fast, now=now)

    # Alarms

    def _alarms(self, unit: Unit, reg: Register, at: float) -> None:
        word = unit.samples[reg.name].value.number
        if word is None:
            return
        before = unit.alarms.get(reg.name, frozenset())
        after = raised(reg, word) | (before if reg.sticky == "read" else frozenset())
        unit.alarms[reg.name] = after
        severity = {bit.name: bit.alarm for bit in reg.bits if bit.alarm}
        for name in sorted((after ^ before) & severity.keys()):
            change = AlarmChange(
                unit.number, unit.map, reg, name, severity[name], name in after, at
            )
            for listener in self.on_alarm:
                listener(change)

    async def clear(self, number: int, name: str) -> None:
        """Clear what stays set in a register of alarms, as its map says. A person's decision: on
        some units it starts again what had stopped. Raises as `write` does."""
        unit = self._writable(number)
        reg = unit.map[name]
        if (place := clearing(unit.map, reg)) is not None:
            target, bit = place
            await self.write_bit(number, target.name, bit, level=1)
        unit.alarms.pop(name, None)

    # Writing

    async def write(self, number: int, values: Mapping[str, float]) -> Mapping[str, float]:
        """Write registers in this order; what was read back of each.

        Raises `PolicyRefused` where the bus is not managed, `OperatorMust` for values outside a
        register's limits (nothing is sent then), `DeviceLied` where a register reads otherwise
        afterwards, and what the line raises."""
        unit = self._writable(number)
        words = {name: encode(unit.map[name], value) for name, value in values.items()}
        for name, data in words.items():
            await self._send(unit, unit.map[name], data)
        return {name: await self._read_back(unit, unit.map[name], words[name]) for name in words}

    async def write_bit(self, number: int, name: str, bit: str | int, *, level: int) -> None:
        """Set one flag and leave the others as they are. Not read back here, because some flags
        fall back by themselves. Raises as `write` does."""
        unit = self._writable(number)
        reg = unit.map[name]
        place = next(each.bit for each in reg.bits if bit in (each.name, each.bit))
        word = (await self.ask(number, reg.at, 1))[0]
        word = word | 1 << place if level else word & ~(1 << place)
        await self._send(unit, reg, encode(reg, word))

    def _writable(self, number: int) -> Unit:
        if not self.may_write:
            raise PolicyRefused(
                "it is read-only",
                operation="write register",
                subject=f"{self.name} unit {number}",
                code="NotManaged",
                next_step="say that it is managed: iolaus manage.",
            )
        if number not in self.units:
            raise DeviceSilent(
                "there is no such unit",
                operation="write register",
                subject=f"{self.name} unit {number}",
                code="ModbusSilent",
                next_step="see which units answer: iolaus describe endpoint.",
            )
        return self.units[number]

    async def _send(self, unit: Unit, reg: Register, words: list[int]) -> None:
        async with self._lock:
            await self._line.write(unit.number, reg.at, words, patience_s=LONG_S)

    async def _read_back(self, unit: Unit, reg: Register, sent: list[int]) -> float:
        words = await self.ask(unit.number, reg.at, reg.count)
        now, at = self._clock.monotonic(), self._clock.now()
        sample = unit.samples[reg.name] = Sample(reg, words, mono_s=now, at=at)
        value = sample.value
        if words != sent or value.number is None:
            raise DeviceLied(
                f"{reg.name} reads {value.number} {reg.unit} after it was written",
                operation="read back",
                subject=f"{self.name} unit {unit.number}",
                code="WriteNotKept",
                next_step="see whether something else controls this unit.",
            )
        return value.number

    async def close(self) -> None:
        """Stop reading and let go of the line."""
        self._closed = True
        await self._line.close()


def _key(unit: Unit, block: Block) -> Key:
    return unit.number, block.at, block.words
