"""Our side of a building's broker: what it says kept, what we ask said, load targets judged.

One link, two talks: the building management system (points, requests, heartbeats) and the grid
(load targets). The talk itself is pure (`wire.dsx`); here it gets a clock, a link and listeners.
A load target that is believed goes to `on_target` as a value; one that is not is told to
`refuse`, which writes the audit, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from joserfc.jwk import KeySet

from iolaus.drivers.dsx import DsxDriver
from iolaus.drivers.modbus import NoReads
from iolaus.drivers.ports import Priority, Reads
from iolaus.kernel.clock import Clock
from iolaus.observe.collect import Vitals
from iolaus.wire.dsx.bms import HEARTBEAT_S, MISSED, Bms, Change, Medium
from iolaus.wire.dsx.flex import FILTER, Judge, LoadTarget, Untrusted
from iolaus.wire.mqtt.address import BrokerAddress
from iolaus.wire.mqtt.link import UNTRIED, Access, Link, Message

LOOK_S: Final = 0.1


class Building:
    """`keys` are the senders whose load targets may be believed. `run` until closed."""

    def __init__(
        self,
        address: BrokerAddress,
        access: Access,
        clock: Clock,
        *,
        integration: str = "IOLAUS",
        heartbeat_s: float = HEARTBEAT_S,
        keys: Mapping[str, KeySet] | None = None,
        refuse: Callable[[Untrusted], None] = lambda _: None,
    ) -> None:
        self.bms = Bms(integration, heartbeat_s=heartbeat_s)
        self.link = Link(address, access, self, clock, name=f"iolaus-{integration}")
        self.on_change: list[Callable[[Change], None]] = []
        self.on_target: list[Callable[[Sequence[LoadTarget]], None]] = []
        self.refused = 0
        self._clock, self._refuse = clock, refuse
        self._judge = Judge(keys or {}, since=clock.now())

    async def run(self) -> None:
        await self.link.run()

    def close(self) -> None:
        self.link.close()

    # What is known

    def why_lost(self) -> str:
        """Why the building cannot be believed now; empty while it can."""
        if not self.link.connected:
            return f"no link to the building's broker: {self.link.trouble}"
        return self.bms.why_lost(self._clock.monotonic())

    # What is asked

    async def isolate(self, rack: str, medium: Medium) -> bool:
        """Ask the building to cut the rack off, and go on asking until it is taken back. True
        once the building says that it is so; what it says while its link is lost counts for
        nothing. Raises `DeviceRefused` where it offers no such request, `DeviceSilent` where the
        broker does not hear us (it is asked at the next connection all the same)."""
        now = self._clock.monotonic()
        done = self.bms.isolated(rack, medium, now) is True
        asked = self.bms.standing().get(self.bms.request_path(rack, medium))
        if asked != 1.0:
            await self._publish(self.bms.ask_isolation(rack, medium, isolate=True))
        return done

    async def isolated(self, rack: str, medium: Medium, *, within_s: float) -> bool:
        """Ask as `isolate` does, and wait for the building to say that it is so. False: it did
        not say so in `within_s` seconds; it goes on being asked. Raises as `isolate`."""
        until = self._clock.monotonic() + within_s
        while not await self.isolate(rack, medium):
            if self._clock.monotonic() >= until:
                return False
            await self._clock.sleep(LOOK_S)
        return True

    async def release(self, rack: str, medium: Medium) -> None:
        """Take a request back: a person's decision. Whether it is opened is the building's."""
        await self._publish(self.bms.ask_isolation(rack, medium, isolate=False))

    async def ask_supply(self, unit: str, supply_c: float | None) -> None:
        """Ask for a coolant unit's supply temperature; None gives it back to the building."""
        await self._publish(self.bms.ask_supply(unit, supply_c))

    async def _publish(self, message: Message) -> None:
        now, at = self._clock.monotonic(), self._clock.now()
        await self.link.publish(self.bms.stamp(message, now=now, at=at))

    # A party of the link

    @property
    def filters(self) -> Sequence[tuple[str, int]]:
        """Metadata first, so that values find them."""
        return (
            ("BMS/v1/PUB/Metadata/#", 1),
            ("BMS/v1/PUB/Value/#", 1),
            (FILTER, 1),
        )

    def first(self) -> Iterable[Message]:
        self.bms.linked(self._clock.monotonic())
        return ()

    def due(self) -> Iterable[Message]:
        return list(self.bms.due(self._clock.monotonic(), at=self._clock.now()))

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> Iterable[Message]:
        if topic.startswith("grid/"):
            self._target(topic, payload, retained=retained)
            return ()
        mono_s, at = self._clock.monotonic(), self._clock.now()
        change = self.bms.take(topic, payload, mono_s=mono_s, at=at)
        if change is not None:
            for listener in self.on_change:
                listener(change)
        return ()

    def _target(self, topic: str, payload: bytes, *, retained: bool) -> None:
        try:
            if retained:
                raise Untrusted("Replayed", "it was kept by the broker from before")
            targets = self._judge.load_targets(topic, payload, at=self._clock.now())
        except Untrusted as error:
            self.refused += 1
            self._refuse(error)
            return
        for listener in self.on_target:
            listener(targets)


class BuildingDevice:
    """A building as the collector meets it. At first it is waited for, as long as its heartbeat
    may be missing: one that was not listened to yet is not lost."""

    def __init__(self, building: Building, clock: Clock) -> None:
        self.address, self.building, self._clock = str(building.link.address), building, clock
        self._until_s = clock.monotonic() + MISSED * building.bms.heartbeat_s
        self._driver = DsxDriver(self.address, building.bms, clock, why_lost=building.why_lost)

    async def driver(self, *, afresh: bool = False) -> DsxDriver:
        del afresh
        while self._is_new():
            await self._clock.sleep(LOOK_S)
        return self._driver

    def _is_new(self) -> bool:
        refused = not self.building.link.connected and self.building.link.trouble != UNTRIED
        waits = self._clock.monotonic() < self._until_s and self.building.bms.beat is None
        return waits and not refused

    def at(self, priority: Priority, *, timeout_s: float | None = None) -> Reads:
        del priority, timeout_s
        return NoReads(self.address)

    def vitals(self) -> Vitals:
        beat = self.building.bms.beat
        return Vitals(heard_at=None if beat is None else beat.mono_s)
