"""Coolant units asked for another supply temperature, through the building and within guardrails.

A unit is asked where the building offers us its set point. Which racks it cools the plant says,
else its row. How much margin their dies have is read like everything else; the dew point is made
of the air in the unit's cabinet. What the building confirms is its own set point, never our wish.
When the policy says nothing of coolant any more, what was asked is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from iolaus.app.joined import Joined, Places
from iolaus.energy.coolant import (
    CoolantRules,
    Die,
    LoopState,
    coolant_request,
    dew_point_c,
    margin_of,
)
from iolaus.energy.decisions import ActuatorState, Decide
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError
from iolaus.model.asset import Reading
from iolaus.model.hosts import fold_hosts
from iolaus.model.plant import Plant
from iolaus.store.facts import Facts
from iolaus.wire.dsx.bms import Bms

LOOK_S: Final = 20.0
STALE_PERIODS: Final = 3.0
BREATH: Final = 25
NEAR_K: Final = 0.05
DIES: Final = ("gpu_temperature", "cpu_temperature")
LIMITS: Final = ("upper_caution", "upper_critical", "upper_fatal")
USUAL_LIMIT_C: Final = 90.0
"""Of a die whose controller tells no threshold."""


class Cooling:
    """`period_s` lies between two passes over the hot set."""

    def __init__(
        self,
        *,
        joined: Callable[[], Joined | None],
        places: Places,
        facts: Facts,
        clock: Clock,
        plant: Callable[[], Plant],
        policy: Callable[[], PowerPolicy],
        period_s: float,
        decide: Decide,
    ) -> None:
        self._joined, self._places = joined, places
        self._facts, self._clock = facts, clock
        self._plant, self._policy, self._period_s = plant, policy, period_s
        self._decide = decide
        self.states: Sequence[ActuatorState] = ()
        self._asked: dict[str, tuple[float, float]] = {}
        """By unit, what was asked last, and when."""
        self._told: dict[str, tuple[str, float | None]] = {}

    def seen(self) -> Sequence[ActuatorState]:
        """As of the last look."""
        return self.states

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Once round."""
        policy, joined = self._policy(), self._joined()
        if joined is None or policy.coolant is None:
            await self._let_go(joined)
            self.states = ()
            return
        dies = await self._dies()
        self.states = [
            await self._unit(joined, unit, racks, policy, policy.coolant, dies)
            for unit, racks in self._units(joined)
        ]

    # --- what there is -----------------------------------------------------------------------

    def _units(self, joined: Joined) -> Iterator[tuple[str, Sequence[str]]]:
        """The units that may be asked, by our names, with the racks that they cool."""
        loops = {unit: loop.racks for loop in self._plant().loops for unit in loop.units}
        for theirs in sorted(joined.link.bms.takes_supply()):
            name = joined.name(theirs)
            yield name, loops.get(name) or self._places.racks(name)

    async def _dies(self) -> dict[str, list[Die]]:
        """By rack."""
        now, found = self._clock.now(), dict[str, list[Die]]()
        for number, held in enumerate(list(self._facts.all_held())):
            rack = held.target.labels.get("rack")
            mine = [each for each in held.readings.values() if each.role in DIES]
            if rack and mine:
                name = held.target.name or held.target.address
                told = [Die(name, self._margin_k(each, now)) for each in mine]
                found.setdefault(rack, []).extend(told)
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        return found

    def _margin_k(self, reading: Reading, now: float) -> float | None:
        old_s = STALE_PERIODS * max(self._period_s, reading.every_s)
        if reading.value is None or now - reading.at > old_s:
            return None
        limits = [reading.limits[word] for word in LIMITS if word in reading.limits]
        return min(limits, default=USUAL_LIMIT_C) - reading.value

    def _loop(
        self, bms: Bms, theirs: str, unit: str, margin_k: float | None, now_s: float
    ) -> LoopState:
        asked_c, asked_s = self._asked.get(unit, (None, float("-inf")))
        air_c = _shown(bms, "AirTemperature", theirs, now_s)
        humidity = _shown(bms, "AirRelativeHumidity", theirs, now_s)
        return LoopState(
            set_c=_shown(bms, "LiquidTemperature", theirs, now_s, setpoint=True),
            margin_k=margin_k,
            dew_c=dew_point_c(air_c, humidity),
            asked_c=asked_c,
            asked_s=asked_s,
        )

    # --- what is done ------------------------------------------------------------------------

    async def _unit(
        self, joined: Joined, unit: str, racks: Sequence[str], policy: PowerPolicy,
        rules: CoolantRules, dies: dict[str, list[Die]],
    ) -> ActuatorState:  # fmt: skip
        now_s, mode = self._clock.monotonic(), policy.weakest(racks)
        margin_k, why = margin_of((die for rack in racks for die in dies.get(rack, ())), rules)
        loop = self._loop(joined.link.bms, joined.theirs(unit), unit, margin_k, now_s)
        wish = coolant_request(loop, rules, now_s)
        state, why = _standing(loop, why)
        if wish is not None and mode is not Mode.OBSERVE:
            because = f"its dies have {margin_k:.0f} K left"
            trouble = await self._ask(joined, unit, wish, because) if mode is Mode.CONTROL else ""
            word = "asked" if mode is Mode.CONTROL else "would ask"
            state, why = ("unmet", trouble) if trouble else (word, because)
            self._note(unit, state, wish, why, advised=mode is Mode.ADVISE)
        elif mode is not Mode.CONTROL and unit in self._asked:
            await self._take_back(joined, unit)
        return ActuatorState(
            what="coolant", name=unit, where=", ".join(fold_hosts(sorted(racks))) or "-",
            mode=mode.value, state=state, told=self._asked.get(unit, (None, 0.0))[0], unit="C",
            reads=loop.set_c, reads_unit="C", why=why,
        )  # fmt: skip

    async def _ask(self, joined: Joined, unit: str, supply_c: float, because: str) -> str:
        """What went wrong, if anything did."""
        try:
            await joined.ask_supply(unit, supply_c, because=because)
        except IolausError as error:
            return error.message
        self._asked[unit] = supply_c, self._clock.monotonic()
        return ""

    async def _take_back(self, joined: Joined, unit: str) -> None:
        try:
            await joined.ask_supply(unit, None, because="the policy does not ask for it any more")
        except IolausError:
            return
        del self._asked[unit]
        self._told.pop(unit, None)

    async def _let_go(self, joined: Joined | None) -> None:
        for unit in list(self._asked):
            if joined is None:
                del self._asked[unit]
            else:
                await self._take_back(joined, unit)

    def _note(self, unit: str, state: str, wish_c: float, why: str, *, advised: bool) -> None:
        if self._told.get(unit) != (state, wish_c):
            self._told[unit] = state, wish_c
            said = f"{wish_c:g} C: {why}"
            self._decide(unit, "coolant", because=said, advised=advised)


def _standing(loop: LoopState, why: str) -> tuple[str, str]:
    """How a unit stands of which nothing is asked now."""
    if loop.set_c is None:
        return "unknown", "the building does not say its set point"
    if loop.dew_c is None:
        return "unknown", "the building does not say how moist its air is"
    if loop.margin_k is None:
        return "unknown", why
    if loop.asked_c is None:
        return "own", ""
    if abs(loop.asked_c - loop.set_c) > NEAR_K:
        return "asked", f"the building has {loop.set_c:g} C"
    return "holds", ""


def _shown(
    bms: Bms, point_type: str, about: str, now_s: float, *, setpoint: bool = False
) -> float | None:
    for path, known in bms.find(point_type, about):
        if known.is_setpoint is setpoint:
            return bms.shown(path, now_s).value
    return None
