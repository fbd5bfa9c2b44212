"""Batteries of the hall, charged one after another out of what is free.

While nothing is wrong each battery unit is told once how long it shall wait when mains are back;
every shelf has another time. When batteries are low and mains are there, what they may have is set
aside in the centre first, and is theirs as soon as nobody may be using it. Then each unit is told a
current, and for how long: it ends that by itself, so whoever stops speaking gives nothing more.
Those that wait are told none. What is not known is left to the unit's own rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import structlog

from iolaus.app.gear import stands_on
from iolaus.app.joined import Places
from iolaus.drivers.modbus.readings import Now, value_now
from iolaus.drivers.modbus.things import Thing
from iolaus.energy.centre import Centre
from iolaus.energy.decisions import ActuatorState, Decide
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.energy.recharge import BUSBAR_V, Battery, RechargeRules, carried, delays, recharge
from iolaus.energy.spare import Watts, spare_of
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.observe.buses import Buses
from iolaus.store.facts import Facts
from iolaus.wire.modbus.bus import Bus, Unit

log = structlog.get_logger(__name__)
LOOK_S: Final = 5.0
SETTLED_S: Final = 30.0
"""Waits are told anew only when the same shelves have been there for so long."""
CHANGE: Final = 0.05
AMPS_STEP: Final = 0.01
DELAY, AMPS, TIME = "charge_delay", "override_current", "override_time"


class BatteryState(msgspec.Struct, frozen=True, kw_only=True):
    """A shelf of batteries. `state`: full, charging, waits, gives (it carries the load), own (left
    to its own rule), unknown or unmet (it did not take what it was told); `charge` is 0 to 1."""

    name: str
    rack: str
    mode: str
    state: str
    charge: float | None
    given_w: float
    delay_s: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Battery units that answer, as they are now."""

    name: str
    rack: str
    bus: Bus
    units: Sequence[Unit]
    charge: float | None
    gives: bool
    delays: Sequence[float | None]


class Recharging:
    """`reserve` keeps watts by domain free of caps. `states` is as of the last look."""

    def __init__(
        self,
        *,
        buses: Buses,
        facts: Facts,
        places: Places,
        clock: Clock,
        policy: Callable[[], PowerPolicy],
        running: Callable[[], Centre | None],
        reserve: Callable[[Mapping[str, float]], None],
        decide: Decide,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._buses, self._facts, self._places, self._clock = buses, facts, places, clock
        self._policy, self._running, self._reserve = policy, running, reserve
        self._decide, self.settled_s = decide, settled_s
        self.states: Sequence[BatteryState] = ()
        self._given: dict[str, tuple[float, float]] = {}
        """Watts of a shelf, and until when its units keep to them."""
        self._low: set[str] = set()
        self._said: dict[str, str] = {}
        self._row: tuple[float, Sequence[str]] = float("inf"), ()

    def seen(self) -> Iterator[ActuatorState]:
        """As of the last look."""
        for each in self.states:
            yield ActuatorState(
                what="battery",
                name=each.name,
                where=each.rack,
                mode=each.mode,
                state=each.state,
                told=each.given_w if each.state in ("charging", "waits") else None,
                unit="W",
                reads=None if each.charge is None else round(100.0 * each.charge, 1),
                reads_unit="%",
                why=each.why,
            )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Once round."""
        rules, centre = self._policy().recharge, self._running()
        if rules is None or centre is None:
            self._let_go()
            return
        shelves = sorted(self.shelves(), key=lambda each: (each.rack, each.name))
        await self._arm(shelves, rules)
        spare = spare_of(centre, self._clock.monotonic(), reserve_w=rules.reserve_w)
        low = [each for each in shelves if self._is_low(each, rules)]
        known = [each for each in low if not self._blind(centre, each, spare.needed)]
        asked = [self._battery(centre, each, rules) for each in known]
        wish = recharge(centre.plant, asked, spare.needed)
        held = {each.name: wish[each.name] for each in known if self._holds(each)}
        racks: dict[str, float] = {}
        for each in known:
            racks[each.rack] = racks.get(each.rack, 0.0) + held.get(each.name, 0.0)
        self._reserve(carried(centre.plant, racks))
        ready = [replace(each, most_w=wish[each.name]) for each in asked]
        given = recharge(centre.plant, ready, spare.in_force)
        states = [await self._state(each, known, low, given, rules) for each in shelves]
        self.states = states

    # --- what there is -----------------------------------------------------------------------

    def shelves(self) -> Iterator[Shelf]:
        """Every shelf of batteries in a rack of which a unit answers."""
        now = Now(self._clock.monotonic(), self._clock.now())
        for key, bus in self._buses.all():
            for target, racks, thing in stands_on(self._buses, self._facts, self._places, key, bus):
                if thing.family == "bbu" and len(racks) == 1 and thing.modules:
                    yield _shelf(bus, thing, target.name or target.address, racks[0], now)

    def _is_low(self, shelf: Shelf, rules: RechargeRules) -> bool:
        """Below its beginning, until it is above its end. A charge that nobody knows is none of
        both: it is as it was before."""
        if shelf.gives or (shelf.charge is not None and shelf.charge < rules.begin):
            self._low.add(shelf.name)
        elif shelf.charge is not None and shelf.charge >= rules.end:
            self._low.discard(shelf.name)
        return shelf.name in self._low and not shelf.gives

    def _blind(self, centre: Centre, shelf: Shelf, spare: Watts) -> str:
        """A domain above it of which nobody knows what it carries."""
        above = carried(centre.plant, {shelf.rack: 1.0})
        return next((name for name in above if spare.get(name) is None), "")

    def _battery(self, centre: Centre, shelf: Shelf, rules: RechargeRules) -> Battery:
        number = len(shelf.units)
        loads = centre.plant.by_rack.get(shelf.rack, ())
        return Battery(
            name=shelf.name,
            domain=shelf.rack,
            most_w=rules.most_w * number,
            least_w=rules.least_w * number,
            charge=shelf.charge,
            priority=max((each.priority for each in loads), default=0),
            charging=self._now_w(shelf.name) > 0.0,
        )

    def _holds(self, shelf: Shelf) -> bool:
        return self._policy().mode_of(shelf.rack) is Mode.CONTROL

    def _now_w(self, name: str) -> float:
        watts, until_s = self._given.get(name, (0.0, 0.0))
        return watts if until_s > self._clock.monotonic() else 0.0

    # --- what is done ------------------------------------------------------------------------

    async def _state(
        self, shelf: Shelf, known: Sequence[Shelf], low: Sequence[Shelf],
        given: Mapping[str, float], rules: RechargeRules,
    ) -> BatteryState:  # fmt: skip
        mode, watts = self._policy().mode_of(shelf.rack), given.get(shelf.name, 0.0)
        state, why = "full", ""
        if shelf.gives:
            state, why = "gives", "it carries its rack"
        elif shelf in known and mode is not Mode.OBSERVE:
            state, why = ("charging", "") if watts else ("waits", "there is too little free for it")
            if mode is Mode.CONTROL:
                trouble = await self._tell(shelf, watts, rules)
                state, why = ("unmet", trouble) if trouble else (state, why)
        elif shelf in low:
            state = "own"
            why = "" if shelf in known else "nobody says how much a limit above it can carry"
        elif shelf.charge is None:
            state, why = "unknown", "not every unit of it tells its charge"
        if state not in ("charging", "waits"):
            self._given.pop(shelf.name, None)
        self._note(shelf, state, watts, why, advised=mode is Mode.ADVISE)
        told = [each for each in shelf.delays if each is not None]
        return BatteryState(
            name=shelf.name, rack=shelf.rack, mode=mode.value, state=state, charge=shelf.charge,
            given_w=watts, delay_s=min(told, default=None), why=why,
        )  # fmt: skip

    async def _tell(self, shelf: Shelf, watts: float, rules: RechargeRules) -> str:
        """Let its units charge with this from now on; what went wrong, if anything did. Said again
        at the half of its time."""
        now_s = self._clock.monotonic()
        before, until_s = self._given.get(shelf.name, (-1.0, 0.0))
        moved = abs(watts - before) > CHANGE * max(before, 1.0) or (watts > 0.0) != (before > 0.0)
        if not moved and until_s - now_s > rules.hold_s / 2:
            return ""
        amps = watts / len(shelf.units) / BUSBAR_V // AMPS_STEP * AMPS_STEP
        for unit in shelf.units:
            try:
                await shelf.bus.write(unit.number, {TIME: rules.hold_s, AMPS: amps})
            except IolausError as error:
                return error.message
        self._given[shelf.name] = watts, now_s + rules.hold_s
        return ""

    async def _arm(self, shelves: Sequence[Shelf], rules: RechargeRules) -> None:
        """Each its own wait, kept by the units themselves."""
        names, now_s = [each.name for each in shelves], self._clock.monotonic()
        if names != self._row[1]:
            self._row = now_s, names
        if now_s - self._row[0] < self.settled_s:
            return
        wanted = delays(names, rules.spread_s)
        for shelf in shelves:
            if not self._holds(shelf):
                continue
            for unit, told in zip(shelf.units, shelf.delays, strict=True):
                if told is None or told == wanted[shelf.name]:
                    continue
                try:
                    await shelf.bus.write(unit.number, {DELAY: wanted[shelf.name]})
                except IolausError as error:
                    log.debug("a battery takes no delay", shelf=shelf.name, error=str(error))

    def _let_go(self) -> None:
        """Nothing is told any more; what was ends by itself."""
        self._given.clear()
        self._said.clear()
        self._reserve({})
        self.states = ()

    def _note(self, shelf: Shelf, state: str, watts: float, why: str, *, advised: bool) -> None:
        before = self._said.get(shelf.name)
        self._said[shelf.name] = state
        if before == state or (before is None and state in ("full", "own", "unknown")):
            return
        self._decide(
            shelf.name, f"recharge {state}", after_w=watts if state == "charging" else None,
            because=why or _because(shelf), advised=advised,
        )  # fmt: skip


def _because(shelf: Shelf) -> str:
    return "its charge is unknown" if shelf.charge is None else f"its charge is {shelf.charge:.0%}"


def _shelf(bus: Bus, thing: Thing, name: str, rack: str, now: Now) -> Shelf:
    units = [unit for _, unit in thing.modules]
    charges = [_by_role(bus, unit, "battery_charge", now) for unit in units]
    known = [each for each in charges if each is not None]
    return Shelf(
        name=name,
        rack=rack,
        bus=bus,
        units=units,
        charge=min(known) / 100.0 if known and len(known) == len(units) else None,
        gives=any((_by_role(bus, unit, "battery_current", now) or 0.0) < 0.0 for unit in units),
        delays=[_value(bus, unit, DELAY, now) for unit in units],
    )


def _by_role(bus: Bus, unit: Unit, role: str, now: Now) -> float | None:
    name = next((reg.name for reg in unit.map.registers if reg.role == role), None)
    return None if name is None else _value(bus, unit, name, now)


def _value(bus: Bus, unit: Unit, name: str, now: Now) -> float | None:
    reg = unit.map.named.get(name)
    return None if reg is None else value_now(bus, unit, reg, now).number
