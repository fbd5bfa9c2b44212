"""The Modbus buses that are read: one for each address, running from its first use to its end.

A bus reads by itself, so unlike a lane it is started here and stopped here. Several targets may
name one bus (a rack's line beside each of its shelves), and it is read once. It may be written to
as soon as one of the targets that name it is managed, and is let go when none names it any more.
An alarm bit becomes an event at the moment it is read; nothing here waits for a poll. Where the
server has too much to do the buses give way (`allow`): what is slow at first, and what a loop is
closed with never by much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from iolaus.drivers.modbus import ModbusDriver, NoReads
from iolaus.drivers.ports import Priority, Reads
from iolaus.kernel.clock import Clock
from iolaus.kernel.tasks import end
from iolaus.model.endpoint import Event, Mode, Target
from iolaus.observe.collect import Vitals
from iolaus.wire.modbus.address import BusAddress, is_modbus, parse_bus
from iolaus.wire.modbus.bus import AlarmChange, Bus, Rates
from iolaus.wire.modbus.line import Line, PymodbusLine

log = structlog.get_logger(__name__)
Listener = Callable[[str, Bus], None]
FULL: Final = 100
"""Hundredths of the usual rates."""


class Buses:
    """`tell` takes the events of alarms. `open_line` makes the line of an address."""

    def __init__(
        self,
        *,
        clock: Clock,
        tell: Callable[[Event], object],
        rates: Rates | None = None,
        open_line: Callable[[BusAddress], Line] = PymodbusLine,
    ) -> None:
        self.rates = rates or Rates()
        self.on_open: list[Listener] = []
        """Called with an address and its bus when one is opened."""
        self._clock, self._tell, self._open_line = clock, tell, open_line
        self._buses: dict[str, ModbusDevice] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, set[str]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.workers = FULL

    def open(self, target: Target, address: str | None = None) -> ModbusDevice:
        """The device of a target's own address, or of another one that it names. Raises
        `OperatorMust` for what names no bus."""
        where = parse_bus(address or target.address)
        key = str(where)
        if (device := self._buses.get(key)) is None:
            device = self._started(key, where, endpoint=target.address)
        self._users.setdefault(key, set()).add(target.address)
        if target.mode is Mode.MANAGED:
            device.bus.may_write = True
        return device

    def keep(self, address: str, target: Target | None) -> None:
        """A target is another now, or none any more: what nobody names is read no more."""
        named = (target.address, *target.also) if target is not None else ()
        wanted = {str(parse_bus(each)) for each in named if is_modbus(each)}
        for key, users in list(self._users.items()):
            if address in users and key not in wanted:
                users.discard(address)
                if not users:
                    ending = asyncio.get_running_loop().create_task(self.drop(key))
                    self._ending.add(ending)
                    ending.add_done_callback(self._ending.discard)

    def lag_s(self) -> float:
        """Nothing of it is promised for a time: what is late counts as old by itself."""
        return 0.0

    def allow(self, workers: int) -> None:
        """From now on read at so many hundredths of the usual rates."""
        self.workers = workers
        for device in self._buses.values():
            device.bus.stretch = FULL / workers

    def all(self) -> Iterable[tuple[str, Bus]]:
        return [(key, device.bus) for key, device in self._buses.items()]

    def users(self, key: str) -> Iterable[str]:
        """The addresses of the targets that name this bus."""
        return sorted(self._users.get(key, ()))

    async def drop(self, address: str) -> None:
        """Stop reading it."""
        device, task = self._buses.pop(address, None), self._tasks.pop(address, None)
        self._users.pop(address, None)
        if device is not None:
            await device.bus.close()
        if task is not None:
            await end(task)

    async def close(self) -> None:
        await asyncio.gather(*self._ending)
        for key in list(self._buses):
            await self.drop(key)

    def _started(self, key: str, where: BusAddress, *, endpoint: str) -> ModbusDevice:
        bus = Bus(key, self._open_line(where), self._clock, rates=self.rates)
        bus.stretch = FULL / self.workers
        bus.on_alarm.append(lambda change: self._alarm(endpoint, key, change))
        device = self._buses[key] = ModbusDevice(key, bus, where, self._clock)
        self._tasks[key] = asyncio.get_running_loop().create_task(self._run(bus))
        for listener in self.on_open:
            listener(key, bus)
        return device

    async def _run(self, bus: Bus) -> None:
        try:
            await bus.run()
        except Exception:  # the task is watched by nobody else
            log.exception("modbus_bus_ended", bus=bus.name)
            bus.trouble = "we stopped reading it; see the server's log"

    def _alarm(self, endpoint: str, key: str, change: AlarmChange) -> None:
        what = change.bit.replace("_", " ")
        self._tell(
            Event(
                at=change.at,
                kind="GearAlarmSet" if change.raised else "GearAlarmCleared",
                severity=change.severity if change.raised else "OK",
                endpoint=endpoint,
                message=f"{what} ({change.register.meaning}) at unit {change.unit}"
                + ("" if change.raised else " is over"),
                component=f"unit {change.unit}",
                origin=f"{key} {change.register.name}",
            )
        )


class ModbusDevice:
    """A bus as the collector meets it."""

    def __init__(self, address: str, bus: Bus, where: BusAddress, clock: Clock) -> None:
        self.address, self.bus, self.where = address, bus, where
        self._driver = ModbusDriver(bus, where, clock)

    async def driver(self, *, afresh: bool = False) -> ModbusDriver:
        del afresh
        return self._driver

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        del priority, timeout_s
        return NoReads(self.address)

    def vitals(self) -> Vitals:
        known = [unit.health for unit in self.bus.units.values()]
        usual = [health.usual_s for health in known if health.usual_s is not None]
        heard = [health.heard_at for health in known if health.heard_at is not None]
        return Vitals(
            latency_ms=round(1000 * max(usual), 1) if usual else None,
            heard_at=max(heard, default=None),
        )
