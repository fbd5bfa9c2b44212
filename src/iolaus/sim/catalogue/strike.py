"""Faults of the catalogue in a running hall: struck by name, on whom a selector means, for a while.

`Striking` is what the oracle, the scripts of timed faults and the tests share. Every striking has
an id; mending takes an id, a name, or everything. A striking that was given a time mends itself
on the devices' own clock, so that a script is the same in virtual time as in real time. A room's
`strike` that fails leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import msgspec

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import OperatorMust
from iolaus.sim.catalogue import fault_of
from iolaus.sim.catalogue.entry import Asked, Entry, Mend, Scene
from iolaus.sim.catalogue.select import Selector
from iolaus.sim.catalogue.truth import persona_of
from iolaus.sim.clock import holding
from iolaus.sim.server import Hall, Place

LONGEST_S: Final = 1e8


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be struck. `for_s` None: until it is mended; `id` "" gets one."""

    fault: str
    select: str = ""
    for_s: float | None = None
    given: dict[str, Any] = msgspec.field(name="with", default_factory=dict)
    id: str = ""


@dataclass(slots=True, kw_only=True)
class Struck:
    """One striking that is on; `on` are the names of the devices concerned."""

    key: str
    entry: Entry
    order: Order
    given: Mapping[str, Any]
    on: Sequence[str]
    since: float
    mend: Mend
    timer: asyncio.Task[None] | None = field(default=None)

    def told(self) -> dict[str, Any]:
        return {
            "id": self.key,
            "fault": self.entry.name,
            "select": self.order.select,
            "for_s": self.order.for_s,
            "with": dict(self.given),
            "since": self.since,
            "on": list(self.on),
        }


class Striking:
    def __init__(
        self,
        hall: Hall,
        *,
        beside: Mapping[str, Asked] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._hall, self._number = hall, count(1)
        self.beside: Mapping[str, Asked] = beside or {}
        self._clock = clock
        self._on: dict[str, Struck] = {}

    @property
    def clock(self) -> Clock:
        if self._clock is None:
            devices = self._hall.devices
            self._clock = devices[0].clock if devices else WallClock()
        return self._clock

    async def strike(self, order: Order) -> Struck:
        """Raises OperatorMust for an unknown fault, argument or selector, for a duration that is
        none, and where the hall lacks what the fault needs."""
        entry = fault_of(order.fault)
        given, places = entry.complete(order.given), self._meant(entry, order.select)
        self._check(entry, order)
        key = order.id or f"{entry.name}-{next(self._number)}"
        if key in self._on:
            raise entry.wrong(f"the id {key!r} is taken", "Give another id, or mend that one.")
        scene = Scene(
            key=key, given=given, hall=self._hall, places=tuple(places), beside=self.beside
        )
        mend = await entry.strike(scene)
        await self._settled(places)
        struck = Struck(
            key=key,
            entry=entry,
            order=order,
            given=given,
            on=tuple(place.device.name for place in places),
            since=self.clock.now(),
            mend=mend,
        )
        self._on[key] = struck
        if order.for_s is not None:
            struck.timer = asyncio.create_task(self._later(key, order.for_s))
        return struck

    async def mend(self, word: str | None = None) -> Sequence[Struck]:
        """Mend those of this id or name (None: all), the last one first; which there were."""
        gone = [s for s in self._on.values() if word in (None, s.key, s.entry.name)]
        for struck in reversed(gone):
            self._on.pop(struck.key, None)
            if struck.timer is not None and struck.timer is not asyncio.current_task():
                struck.timer.cancel()
            await struck.mend()
            places = (self._hall.places.get(name) for name in struck.on)
            await self._settled([place for place in places if place is not None])
        return gone

    def on(self) -> list[dict[str, Any]]:
        return [struck.told() for struck in self._on.values()]

    def stop(self) -> None:
        """Forget the timers: the hall ends."""
        for struck in self._on.values():
            if struck.timer is not None:
                struck.timer.cancel()

    async def _later(self, key: str, seconds: float) -> None:
        await self.clock.sleep(seconds)
        with holding(self.clock):
            await self.mend(key)

    def _meant(self, entry: Entry, text: str) -> list[Place]:
        selector = Selector(text)
        return [
            place
            for place in self._hall.places.values()
            if (not entry.kinds or place.device.labels.get("role", "node") in entry.kinds)
            and entry.befalls(persona_of(place.device))
            and selector.concerns(place.device)
        ]

    def _check(self, entry: Entry, order: Order) -> None:
        if order.for_s is not None and not 0.0 < order.for_s < LONGEST_S:
            raise entry.wrong(f"{order.for_s:g} s is no duration", "Write it as 30s or 5m.")
        if entry.needs and entry.needs not in self.beside:
            raise OperatorMust(
                f"this hall has no {entry.needs}",
                operation="strike",
                subject=entry.name,
                code="HallLacks",
                next_step=LACKS.get(entry.needs, f"start the hall with its {entry.needs}."),
            )

    @staticmethod
    async def _settled(places: Sequence[Place]) -> None:
        for place in places:
            await place.settled()


LACKS: Final = {"building": "start it with `iolaus sim hall --building`."}
