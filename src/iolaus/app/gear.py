"""Registers that an edge acts upon, carried to it as they are read.

A block that was read is enough: what its equipment says is told to the edges of its racks at once
where a flag says something else than before, four times a second where a flow does, and again
every half minute at least, because an edge may be younger than the last change and takes what is
not renewed for silent. What was not read lately is told as unknown by the same look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from iolaus.app.joined import Places
from iolaus.drivers.modbus.readings import Now
from iolaus.drivers.modbus.things import Thing, things_of
from iolaus.energy.gear import events_of, feed_of, is_urgent
from iolaus.energy.ports import Event, HearsEvents, Sense
from iolaus.kernel.clock import Clock
from iolaus.model.endpoint import Target
from iolaus.observe.beside import match
from iolaus.observe.buses import Buses
from iolaus.store.facts import Facts
from iolaus.wire.modbus.bus import Bus, Unit
from iolaus.wire.modbus.registers import RegisterMap

LOOK_S: Final = 2.0
FLOW_S: Final = 0.25
FLOW: Final = "coolant_flow"
AGAIN_S: Final = 30.0
FED_S: Final = 10.0


class Gear:
    """Watches every bus from its first use on. `edges` may be exchanged."""

    def __init__(
        self,
        *,
        buses: Buses,
        facts: Facts,
        places: Places,
        edges: HearsEvents,
        clock: Clock,
        again_s: float = AGAIN_S,
    ) -> None:
        self.edges, self._buses, self._facts = edges, buses, facts
        self._places, self._clock, self._again_s = places, clock, again_s
        self._told: dict[tuple[str, str, str], tuple[Event, float]] = {}
        self._fed: dict[str, dict[str, tuple[Event, float]]] = {}
        buses.on_open.append(self._opened)

    async def run(self) -> None:
        """Until cancelled: what fell silent says nothing by itself."""
        while True:
            await self._clock.sleep(LOOK_S)
            for key, bus in self._buses.all():
                self.look(key, bus)

    def look(self, key: str, bus: Bus) -> None:
        """Tell what the equipment of a bus says now."""
        now = Now(self._clock.monotonic(), self._clock.now())
        for target, racks, thing in stands_on(self._buses, self._facts, self._places, key, bus):
            name = target.name or target.address
            said = events_of(
                bus,
                thing,
                name=name,
                feed=target.labels.get("feed", "").partition(",")[0].strip(),
                wide=_is_wide(target),
                now=now,
            )
            self._tell(racks, (self._agreed(name, each, now.mono_s) for each in said), now.mono_s)

    def _agreed(self, name: str, event: Event, now_s: float) -> Event:
        """Of a feed, what all say of it that hang on it and were looked at lately."""
        if event.sense is not Sense.FEED or event.subject == name:
            return event
        words = self._fed.setdefault(event.subject, {})
        words[name] = event, now_s
        for each, (_, at_s) in list(words.items()):
            if now_s - at_s > FED_S:
                del words[each]
        return feed_of([word for word, _ in words.values()])

    def _opened(self, key: str, bus: Bus) -> None:
        last: dict[tuple[int, str], Sequence[int]] = {}
        looked_s = float("-inf")

        def is_news(unit: Unit, name: str) -> bool:
            before, words = last.get((unit.number, name)), unit.samples[name].words
            last[unit.number, name] = words
            return before != words

        def sampled(unit: Unit, names: Iterable[str]) -> None:
            nonlocal looked_s
            urgent, flows = _urgent(unit.map)
            changed = {name for name in names if name in urgent | flows and is_news(unit, name)}
            now_s = self._clock.monotonic()
            if changed & urgent or (changed and now_s - looked_s >= FLOW_S):
                looked_s = now_s
                asyncio.get_running_loop().call_soon(self.look, key, bus)

        bus.on_sample.append(sampled)

    def _tell(self, racks: Iterable[str], said: Iterable[Event], now_s: float) -> None:
        for event in said:
            for rack in racks:
                key = (rack, event.sense, event.subject)
                plain = msgspec.structs.replace(event, because="")
                last = self._told.get(key)
                if last is None or last[0] != plain or now_s - last[1] >= self._again_s:
                    self._told[key] = plain, now_s
                    self.edges.event(rack, event)


def stands_on(
    buses: Buses, facts: Facts, places: Places, key: str, bus: Bus
) -> Iterator[tuple[Target, Sequence[str], Thing]]:
    """The equipment of a bus that stands in racks or serves them: whose it is, and these racks."""
    things = things_of(bus.units.values())
    for target in map(facts.target_of, buses.users(key)):
        held = facts.held(target.address) if target is not None else None
        racks = places.of_target(target) if target is not None else ()
        if target is None or held is None or held.report is None or not racks:
            continue
        own = [(thing, None) for thing in things] if target.address == key else []
        for thing, _ in own or match(things, held.report.assets):
            yield target, racks, thing


_FOUND: dict[str, tuple[frozenset[str], frozenset[str]]] = {}


def _urgent(found: RegisterMap) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a map's urgent flags and of its flows; maps are few and do not change."""
    if found.name not in _FOUND:
        flags = frozenset(reg.name for reg in found.registers if is_urgent(reg))
        flows = frozenset(reg.name for reg in found.registers if reg.role == FLOW)
        _FOUND[found.name] = flags, flows
    return _FOUND[found.name]


def _is_wide(target: Target) -> bool:
    return not target.labels.get("rack")
