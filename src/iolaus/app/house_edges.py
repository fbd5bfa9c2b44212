"""The edges inside a server: they live on what it reads anyway, and talk to the centre on its bus.

Nothing is read twice: an inventory makes the edges, a pass over the hot set is their telemetry, and
an event of a leak detector is looked into at once. By default they observe. What a reflex did, and
what a person released, is in the audit log; a cap that only followed a budget is not, for that is
what budgets are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec
import structlog

from iolaus.app.edge_hands import Hands, NoBuilding
from iolaus.app.edges import Edges
from iolaus.bus.local import LocalBus
from iolaus.energy.frames import BUDGETS, Budget, Report, parse_budget, report_topic
from iolaus.energy.policy import LeakPolicy, PowerPolicy
from iolaus.energy.ports import AsksBuilding, Latch
from iolaus.energy.rules import EdgeRules, edge_rules, paced
from iolaus.energy.run import Done
from iolaus.energy.standing import EdgeStanding, standing_of
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, IolausError, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.model.audit import Record
from iolaus.model.endpoint import Reach, Target
from iolaus.model.plant import Plant
from iolaus.observe.devices import LaneDevice
from iolaus.store.state import State

log = structlog.get_logger(__name__)
FOLDER: Final = "edges"
STALE_PERIODS: Final = 2.0
"""What was read longer ago is not said again: it falls silent."""
BREATH: Final = 25
"""So many endpoints are looked at before others have their turn."""


class HouseEdges:
    """`energy.edge` for every rack of a house. `period_s` lies between two passes over the hot
    set; `building` is asked for isolations."""

    def __init__(
        self,
        *,
        state: State,
        bus: LocalBus,
        clock: Clock,
        open_device: Callable[[Target], LaneDevice],
        plant: Callable[[], Plant],
        power: PowerPolicy,
        leak: LeakPolicy,
        period_s: float,
        building: AsksBuilding | None = None,
    ) -> None:
        self._state, self._bus, self._clock, self._period_s = state, bus, clock, period_s
        self._writing: set[asyncio.Task[None]] = set()
        self._due: dict[str, None] = {}
        self._rung = asyncio.Event()
        self.power, self.leak, self.building = power, leak, building
        self.on_made: Callable[[str], None] = lambda _: None
        self.on_deed: Callable[[Done], None] = lambda _: None
        self.edges = Edges(
            hands=Hands(open_device=open_device, target_of=state.facts.target_of),
            building=building or NoBuilding(),
            clock=clock,
            directory=state.directory / FOLDER,
            rules=self._rules,
            tell=self._tell,
            record=self._record,
            plant=plant,
            made=self._made,
        )
        self.edges.policy = power

    def follow(self, power: PowerPolicy, leak: LeakPolicy) -> None:
        """Go by these policies from now on."""
        self.power, self.leak = power, leak
        self.edges.use(power)

    async def run(self) -> None:
        """Until cancelled."""
        undo = self._state.facts.on_change(self._note)
        for held in self._state.facts.all_held():
            self.edges.seats.wait_for(held.target)
            self._due[held.target.address] = None
        self._rung.set()
        tasks = [asyncio.create_task(self.edges.run()), asyncio.create_task(self._look())]
        try:
            async with self._bus.subscribe(BUDGETS) as frames:
                await self._listen(frames)
        finally:
            undo()
            await end(*tasks)
            await asyncio.gather(*self._writing, return_exceptions=True)

    # --- what people see and say -------------------------------------------------------------

    def standings(self) -> list[EdgeStanding]:
        """Every edge, by the name of its rack."""
        now_s = self._clock.monotonic()
        return [
            standing_of(
                running.run,
                mode=self.power.mode_of(rack),
                reflexes=self.leak.mode_of(rack),
                restarts=running.restarts,
                now_s=now_s,
            )
            for rack, running in sorted(self.edges.running.items())
        ]

    async def release(self, subject: str, *, by: str, reason: str) -> list[Latch]:
        """End what is latched in a rack, or of a node alone. All of it or nothing. Raises
        `OperatorMust` where nothing is latched, `PolicyRefused` while a cause is still read."""
        found = [
            (rack, latch.name)
            for rack, running in sorted(self.edges.running.items())
            for latch in running.run.edge.reflexes.latches.values()
            if subject == rack or latch.nodes == (subject,)
        ]
        if not found:
            raise OperatorMust(
                "nothing of it is latched",
                operation="release latch",
                subject=subject,
                code="NoSuchLatch",
                next_step="see what is: iolaus get edges",
            )
        for rack, name in found:
            self.edges.running[rack].run.edge.reflexes.must_release(name)
        return [self.edges.release(rack, name, who=by, reason=reason) for rack, name in found]

    # --- what is known -----------------------------------------------------------------------

    def _note(self, topic: str, payload: object) -> None:
        if isinstance(payload, str) and topic != "events":
            self._due[payload] = None
            self._rung.set()

    def _made(self, rack: str) -> None:
        self.on_made(rack)
        self._due |= dict.fromkeys(self.edges.addresses(rack))
        self._rung.set()

    async def _look(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            due, self._due = self._due, {}
            for number, address in enumerate(due):
                self._fact(address)
                if number % BREATH == BREATH - 1:
                    await asyncio.sleep(0)

    def _fact(self, address: str) -> None:
        """Something is known of an endpoint: it is looked at afresh."""
        held = self._state.facts.held(address)
        seats = self.edges.seats
        if held is None:
            seats.forget(address)
            return
        if held.report is not None:
            seats.learn(held.target, held.report)
            self.edges.capped(address, held.report.power_limits, held.report.began_at)
        else:
            seats.wait_for(held.target)
        if held.status is not None and held.status.reach is not Reach.REACHABLE:
            seats.tried(address)
            self.edges.lost(address)
        elif held.report is not None:
            since = self._clock.now() - STALE_PERIODS * self._period_s
            fresh = [each for each in held.readings.values() if each.at >= since]
            told = held.assets.values()
            is_old = any(asset.power_state.at < since for asset in told)
            self.edges.hear(address, () if is_old else told, fresh)

    # --- the centre --------------------------------------------------------------------------

    async def _listen(self, frames: AsyncIterator[Any]) -> None:
        async for message in frames:
            try:
                frame = message if isinstance(message, Budget) else parse_budget(message)
            except DeviceLied as error:
                log.warning("a budget is not taken", error=str(error))
                continue
            self.edges.budget(frame)

    def _tell(self, report: Report) -> None:
        self._bus.publish(report_topic(report.rack), report)

    # --- for the record ----------------------------------------------------------------------

    def _record(self, done: Done) -> None:
        if done.what == "cap":
            return
        log.info("an edge acted", **msgspec.to_builtins(done))
        self.on_deed(done)
        task = asyncio.create_task(self._write_down(done))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_down(self, done: Done) -> None:
        try:
            await self._state.audit.append(deed_record(done))
        except IolausError as error:
            log.warning("an edge's deed is not in the audit log", error=str(error))

    def _rules(self, rack: str) -> EdgeRules:
        return paced(edge_rules(self.power, self.leak, rack), self._period_s)


def deed_record(done: Done, **also: object) -> Record:
    """A deed as it stands in the audit log."""
    detail = {"because": done.because, "fate": done.fate, **also}
    return Record(
        who=f"edge/{done.rack}",
        what=done.what,
        subject=done.subject,
        detail=msgspec.json.encode(detail).decode(),
    )
