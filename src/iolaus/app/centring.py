"""The centre of a hall as a task: reports of the bus in, budgets out, once a period.

The centre itself decides without I/O; here are only its clock, its bus and its lease. What cannot
be read is counted and left, because whoever wrote it will write again. The lease of the store makes
one centre of many servers and gives it its epoch; a plant that changed gets a new centre with a new
epoch, which begins by listening, as any other would.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from iolaus.bus.port import Bus
from iolaus.energy.centre import Centre
from iolaus.energy.frames import REPORTS, Report, budget_topic, parse_report
from iolaus.energy.policy import PowerPolicy
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, IolausError
from iolaus.kernel.tasks import end
from iolaus.model.plant import Plant
from iolaus.store.lease import Lease

log = structlog.get_logger(__name__)
LEASE: Final = "energy-centre"
TTL_S: Final = 9.0
RENEW_S: Final = 3.0
PLANT_S: Final = 30.0
"""A plant is not compared more often; while it was empty, at each renewal."""


class Leases(Protocol):
    async def acquire(self, name: str, holder: str, ttl_s: float, now: float) -> Lease | None: ...

    async def renew(self, lease: Lease, ttl_s: float, now: float) -> Lease | None: ...

    async def release(self, lease: Lease) -> None: ...


class Centring:
    """`centre` may be looked at and told of events; call `now` right after one. `unread` counts
    what was no report. One that advises sends its budgets, too: its edges write nothing, and show
    what they would."""

    def __init__(self, centre: Centre, *, bus: Bus, clock: Clock) -> None:
        self.centre, self.unread = centre, 0
        self._bus, self._clock = bus, clock

    async def run(self) -> None:
        """Until it is cancelled, or another centre took over."""
        async with self._bus.subscribe(REPORTS) as heard:
            hearing = asyncio.create_task(self._hear(heard))
            try:
                while not self.centre.deposed and not hearing.done():
                    self.now()
                    await self._clock.sleep(self.centre.policy.period_s)
            finally:
                await end(hearing)
            if not hearing.cancelled():
                hearing.result()

    def now(self) -> None:
        """Plan, and send what comes of it."""
        self.centre.tick(self._clock.monotonic())
        for frame in self.centre.advice:
            self._bus.publish(budget_topic(frame.rack), frame)

    async def _hear(self, heard: Any) -> None:
        async for message in heard:
            try:
                report = message if isinstance(message, Report) else parse_report(message)
            except DeviceLied:
                self.unread += 1
                continue
            self.centre.take(report, self._clock.monotonic())


class HouseCentre:
    """Keeps a centre as long as the lease is this server's. What was told of losses and targets
    outlives a change of the plant."""

    def __init__(
        self,
        *,
        plant: Callable[[], Plant],
        policy: PowerPolicy,
        bus: Bus,
        clock: Clock,
        leases: Leases,
    ) -> None:
        self.policy, self.centring = policy, None
        self._plant, self._bus, self._clock, self._leases = plant, bus, clock, leases
        self._holder = secrets.token_hex(8)
        self._lost: set[str] = set()
        self._goal_w: float | None = None
        self._held: tuple[dict[str, float], dict[str, float]] = {}, {}
        self._derated: dict[str, float] = {}
        self._reserved: dict[str, float] = {}
        self._trouble, self._hurried = "", False

    centring: Centring | None
    """None while there is nothing to share out, or another server does it."""

    def follow(self, policy: PowerPolicy) -> None:
        """Go by another policy from now on."""
        self.policy, self._hurried = policy, True
        if self.centring:
            self.centring.centre.follow(policy, self._clock.monotonic())
            self.centring.now()

    def lost(self, domain: str) -> None:
        """It carries nothing any more. A domain that the plant does not know is remembered."""
        self._lost.add(domain)
        self._service(domain, lost=True)

    def restored(self, domain: str) -> None:
        self._lost.discard(domain)
        self._service(domain, lost=False)

    def target(self, limit_w: float | None) -> None:
        """The site may draw no more than this; None lifts it. Raises `OperatorMust` where the
        plant has no site."""
        self._goal_w = limit_w
        if self.centring:
            self.centring.centre.target(limit_w, self._clock.monotonic())
            self.centring.now()

    def derate(self, domain: str, limit_w: float | None) -> None:
        """It carries no more than this for now; None lifts it. Raises `OperatorMust` for a domain
        that the plant does not know."""
        if limit_w is None:
            self._derated.pop(domain, None)
        else:
            self._derated[domain] = limit_w
        if self.centring:
            self.centring.centre.derate(domain, limit_w, self._clock.monotonic())
            self.centring.now()

    def hold(self, racks: Mapping[str, float], nodes: Mapping[str, float]) -> None:
        """What people let racks and single nodes draw at most, in watts of their caps."""
        before, self._held = self._held, (dict(racks), dict(nodes))
        if self.centring and self._held != before:
            self.centring.centre.hold(*self._held, self._clock.monotonic())
            self.centring.now()

    def reserve(self, watts: Mapping[str, float]) -> None:
        """By domain, watts that no cap may have: batteries charge with them."""
        self._reserved = dict(watts)
        if self.centring:
            self.centring.centre.reserve(self._reserved)

    def _service(self, domain: str, *, lost: bool) -> None:
        if self.centring is None or domain not in self.centring.centre.plant.by_name:
            return
        centre, now_s = self.centring.centre, self._clock.monotonic()
        if lost:
            centre.lost(domain, now_s)
        else:
            centre.restored(domain, now_s)
        self.centring.now()

    async def run(self) -> None:
        """Until cancelled; then the lease is let go."""
        while True:
            trouble = ""
            try:
                await self._serve()
            except IolausError as error:
                trouble = str(error)
            except Exception as error:  # supervised: the next term begins by listening
                log.exception("the centre of power erred")
                trouble = repr(error)
            if trouble and trouble != self._trouble:
                log.warning("the centre of power stands still", error=trouble)
            self._trouble = trouble
            await self._clock.sleep(RENEW_S)

    async def _serve(self) -> None:
        """One term: a lease, a plant, a centre."""
        if not (plant := self._plant()).loads:
            return
        lease = await self._leases.acquire(LEASE, self._holder, TTL_S, self._clock.now())
        if lease is None:
            return
        running: asyncio.Task[None] | None = None
        try:
            self.centring = self._centring(plant, lease)
            running = asyncio.create_task(self.centring.run())
            await self._keep(lease, running, plant)
        finally:
            self.centring = None
            if running is not None:
                await end(running)
            await self._leases.release(lease)
        if not running.cancelled():
            await running

    def _centring(self, plant: Plant, lease: Lease) -> Centring:
        centre, now_s = Centre(plant, self.policy, lease.epoch), self._clock.monotonic()
        for domain in self._lost & plant.by_name.keys():
            centre.lost(domain, now_s)
        for domain in self._derated.keys() & plant.by_name.keys():
            centre.derate(domain, self._derated[domain], now_s)
        centre.reserve(self._reserved)
        if any(self._held):
            centre.hold(*self._held, now_s)
        if self._goal_w is not None and centre.rooms.site is not None:
            centre.target(self._goal_w, now_s)
        return Centring(centre, bus=self._bus, clock=self._clock)

    async def _keep(self, lease: Lease, running: asyncio.Task[None], plant: Plant) -> None:
        """Until the lease is lost, another centre is heard of, or the plant is another."""
        looked_s = self._clock.monotonic()
        while not running.done():
            await self._clock.sleep(RENEW_S)
            if await self._leases.renew(lease, TTL_S, self._clock.now()) is None:
                return
            if self._hurried or self._clock.monotonic() - looked_s >= PLANT_S:
                looked_s, self._hurried = self._clock.monotonic(), False
                if self._plant() != plant:
                    return
