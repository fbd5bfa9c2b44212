"""The edges of the racks that this process holds: made from what is known, fed, and looked after.

Each rack with a node that can be capped has an edge. It is made anew, with its latches, when what
stands in the rack has changed. A loop that raised, or has not come round for too long, is started
again over the same core, so that neither lease nor latch is lost by it; a process that hangs as a
whole is ended by its watchdog (`app.edge`) and finds its latches in their files.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from iolaus.app.edge_hands import Hands
from iolaus.app.edge_told import EdgeTold
from iolaus.app.rack_seats import RackSeats
from iolaus.drivers.ports import DeviceEvent
from iolaus.energy.arming import Armed, arm
from iolaus.energy.edge import Edge
from iolaus.energy.frames import Budget, Report
from iolaus.energy.journal import latch_file
from iolaus.energy.policy import PowerPolicy
from iolaus.energy.ports import AsksBuilding, Event, Grade, Latch, Sense
from iolaus.energy.rack import RackView
from iolaus.energy.rules import EdgeRules
from iolaus.energy.run import Done, Doors, EdgeRun
from iolaus.energy.seats import Seat, draw_of, events_of, rack_view, reaches
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.kernel.tasks import end
from iolaus.model.asset import Asset, AssetKind, PowerLimit, Reading
from iolaus.model.asset import Report as DeviceReport
from iolaus.model.fact import Known
from iolaus.model.naming import slug
from iolaus.model.plant import Plant

log = structlog.get_logger(__name__)
LOOK_AFTER_S: Final = 1.0
LATE_S: Final = 2.5
HUNG_S: Final = 5.0
FLOORS_S: Final = 600.0
PLANT_S: Final = 30.0
MADE_AGAIN_S: Final = 2.0
IDLE_SHARE: Final = 50.0
"""While a hall is discovered, what stands in its racks changes all the time: to make the edges of
a large one again takes a fiftieth of the time at most."""


class Running(msgspec.Struct, kw_only=True):
    """One rack's. `task` is its loop; `restarts` counts how often that was started again."""

    run: EdgeRun
    view: RackView
    task: asyncio.Task[None]
    rows: frozenset[str]
    restarts: int = 0
    floors_s: float = float("-inf")


class Heed:
    """Which loops hang, as one sees who is in the same process: when its own look came late, all
    stood still with it, so silence before that look tells nothing of anybody."""

    def __init__(self) -> None:
        self._looked_s = self._since_s = float("-inf")

    def looked(self, now_s: float) -> None:
        if now_s - self._looked_s > LATE_S:
            self._since_s = now_s
        self._looked_s = now_s

    def is_hung(self, beat_s: float, now_s: float) -> bool:
        return now_s - max(beat_s, self._since_s) > HUNG_S


class Edges:
    """`directory` holds the latches; `rules` gives those of a rack; `tell` takes reports for the
    centre, `record` is told what was done. `plant` may say more of racks and nodes than their
    controllers do, and what is armed by `policy`; `made` is told of a rack whose edge is new and
    knows no reading."""

    def __init__(
        self,
        *,
        hands: Hands,
        building: AsksBuilding,
        clock: Clock,
        directory: Path,
        rules: Callable[[str], EdgeRules],
        tell: Callable[[Report], None],
        record: Callable[[Done], None],
        plant: Callable[[], Plant | None] = lambda: None,
        made: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.hands, self.running = hands, dict[str, Running]()
        self._rules = rules
        self.building, self._clock, self._directory = building, clock, directory
        self._tell, self._record, self._plant, self._made = tell, record, plant, made
        self.policy = PowerPolicy()
        self.seats = RackSeats()
        self._wrote: dict[str, float] = {}
        self._told = EdgeTold(self, hands, clock)
        self._spawned: set[asyncio.Task[None]] = set()
        self._changed, self._version = False, 0
        self._make_s = self._planted_s = float("-inf")
        self._heed = Heed()
        self._grown: Plant | None = None

    # --- what is known -----------------------------------------------------------------------

    def addresses(self, rack: str) -> list[str]:
        """The endpoints whose readings matter to a rack's edge."""
        running = self.running.get(rack)
        return self.seats.addresses(rack, running.rows if running else frozenset[str]())

    def hear(self, address: str, assets: Iterable[Asset], readings: Sequence[Reading]) -> None:
        """What an endpoint's last reading says, to every edge that it matters to. Nothing of it may
        be old: where a power state is, no assets are given."""
        seat = self.seats.seat(address)
        if seat is None:
            return
        events = list(events_of(seat, readings))
        draw_w, is_read = draw_of(readings)
        hosts = [asset for asset in assets if asset.kind is AssetKind.NODE]
        for running in self._reached(seat):
            if seat.name in running.run.edge.names:
                if is_read:
                    running.run.read(seat.name, draw_w, quality=1 if draw_w is not None else 0)
                if hosts:
                    running.run.powered(seat.name, _is_on(hosts))
            self._heard(running, events)

    def capped(self, address: str, limits: Iterable[PowerLimit], at: float) -> None:
        """The caps of an endpoint as an inventory read them, for edges that only watch. `at`
        (seconds since 1970) is when that began: what was written since counts."""
        seat = self.seats.seat(address)
        running = self.running.get(seat.rack) if seat else None
        if seat is None or running is None or at <= self._wrote.get(seat.name, 0.0):
            return
        for limit in limits:
            if limit.uri == seat.cap_uri and limit.limit_w is not None:
                now_s = self._clock.monotonic()
                running.run.edge.cap_seen(seat.name, limit.limit_w, now_s)

    def wrote(self, node: str, watts: float) -> None:
        """A cap that was written by no loop, as it was read back."""
        self._wrote[node] = self._clock.now()
        for running in self.running.values():
            running.run.edge.cap_seen(node, watts, self._clock.monotonic())

    def lost(self, address: str) -> None:
        """An endpoint does not answer: what it told is unknown."""
        seat = self.seats.seat(address)
        if seat is None:
            return
        why = "its controller does not answer"
        for running in self._reached(seat):
            signals = running.run.edge.reflexes.signals
            mine = {*((Sense.LEAK, each) for each in seat.detectors)}
            mine |= {(sense, seat.name) for sense in (Sense.FLOW, Sense.COOLANT, Sense.DIE)}
            told = [
                Event(sense=sense, subject=subject, grade=Grade.UNKNOWN, because=why)
                for sense, subject in mine & signals.keys()
            ]
            self._heard(running, told)

    def told(self, address: str, told: DeviceEvent) -> None:
        """An endpoint sent an event: one of a leak leads to its detector at once."""
        self._told.told(address, told)

    def sensed(self, address: str, readings: Sequence[Reading]) -> None:
        """Some readings of an endpoint that came by themselves, or between two hot sets."""
        seat = self.seats.seat(address)
        if seat is None:
            return
        events, (draw_w, is_read) = list(events_of(seat, readings)), draw_of(readings)
        for running in self._reached(seat):
            if is_read and seat.name in running.run.edge.names:
                running.run.read(seat.name, draw_w, quality=1 if draw_w is not None else 0)
            self._heard(running, events)

    def heard(self, address: str, event: Event) -> None:
        """One signal of an endpoint, to every edge that it matters to."""
        seat = self.seats.seat(address)
        for running in self._reached(seat) if seat else ():
            self._heard(running, [event])

    def known(self, address: str) -> tuple[Seat, DeviceReport] | None:
        return self.seats.known(address)

    def guards(self, address: str) -> bool:
        """Whether a reflex that may act goes by what this endpoint says."""
        seat = self.seats.seat(address)
        return seat is not None and any(
            each.run.edge.rules.reflexes_act for each in self._reached(seat)
        )

    def budget(self, frame: Budget) -> bool:
        running = self.running.get(frame.rack)
        return running is not None and running.run.took(frame)

    def event(self, rack: str, event: Event) -> None:
        """A signal from elsewhere (a shelf's bus, the building): to one rack, or to all ("*")."""
        for name, running in self.running.items():
            if rack in (name, "*"):
                self._heard(running, [event])

    def release(self, rack: str, latch: str, *, who: str, reason: str) -> Latch:
        """Raises `OperatorMust` for a rack or latch that is not there, `PolicyRefused` while its
        cause is still read."""
        running = self.running.get(rack)
        if running is None:
            raise OperatorMust(
                "it has no edge here",
                operation="release latch",
                subject=rack,
                code="NoSuchEdge",
                next_step="name one of: iolaus get edges",
            )
        return running.run.release(latch, who=who, reason=reason)

    def use(self, policy: PowerPolicy) -> None:
        """Rules, plant or policy are others from now on: edges begin anew, with their latches,
        where that changes anything for them."""
        self.policy, self._changed = policy, True

    # --- looking after -----------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self.look_after()
                await self._clock.sleep(LOOK_AFTER_S)
        finally:
            await end(*(each.task for each in self.running.values()), *self._spawned)
            await self._told.close()

    def look_after(self) -> None:
        """Make the edges that there should be, and start those again that stopped."""
        now_s = self._clock.monotonic()
        self._heed.looked(now_s)
        if now_s - self._planted_s >= PLANT_S:
            self._planted_s = now_s
            self._changed |= self._plant() != self._grown
        self._wait(now_s)
        self._changed |= self.seats.version != self._version
        if self._changed and now_s >= self._make_s:
            self._changed, self._version = False, self.seats.version
            self._rebuild()
            took_s = self._clock.monotonic() - now_s
            self._make_s = now_s + max(MADE_AGAIN_S, IDLE_SHARE * took_s)
        for rack, running in self.running.items():
            if running.task.done() or self._heed.is_hung(running.run.beat_s, now_s):
                self._again(rack, running)
            if running.run.edge.rules.acts and now_s - running.floors_s > FLOORS_S:
                running.floors_s = now_s
                self._spawn(self._floors(running))

    def _rebuild(self) -> None:
        seats = self.seats.seats()
        self.hands.seats = {seat.name: seat for seat in seats if seat.systems}
        plant = self._grown = self._plant()
        armed = self._armed(plant) if plant else {}
        racks: dict[str, list[Seat]] = {}
        for seat in seats:
            racks.setdefault(seat.rack, []).append(seat)
        wide = racks.pop("", [])
        for rack, mine in racks.items():
            rows = frozenset(seat.row for seat in mine)
            near = [*mine, *(seat for seat in wide if seat.row in rows)]
            view = rack_view(rack, near, plant, armed.get(rack, {}))
            if view.nodes:
                self._ensure(rack, view, rows)
        for rack in self.running.keys() - racks.keys():
            self.running.pop(rack).task.cancel()

    def _wait(self, now_s: float) -> None:
        """Nothing grows in a rack of which something is not known yet."""
        unread = self.seats.unread()
        for rack, running in self.running.items():
            running.run.edge.wait_for(unread.get(rack, ()), now_s)

    def _armed(self, plant: Plant) -> Armed:
        try:
            return arm(plant, self.policy)
        except IolausError as error:
            log.warning("nothing is armed", error=str(error))
            return {}

    def _ensure(self, rack: str, view: RackView, rows: frozenset[str]) -> None:
        old, rules = self.running.get(rack), self._rules(rack)
        if old is not None and old.view == view and old.run.edge.rules == rules:
            return
        kept = latch_file(self._directory / f"{slug(rack)}.json")
        if old is not None:
            old.task.cancel()
            latched: Sequence[Latch] = list(old.run.edge.reflexes.latches.values())
        else:
            try:
                latched = kept.load()
            except OperatorMust as error:
                log.error("an edge is not started", rack=rack, error=str(error))  # noqa: TRY400
                return
        edge = Edge(view, rules, boot=secrets.token_hex(8), latched=latched)
        if old is not None:
            edge.inherit(old.run.edge, self._clock.monotonic())
        edge.wait_for(self.seats.unread().get(rack, ()), self._clock.monotonic())
        doors = Doors(
            caps=self.hands,
            power=self.hands,
            building=self.building,
            latches=kept,
            tell=self._tell,
            record=self._record,
        )
        run = EdgeRun(edge, doors, self._clock)
        task = asyncio.create_task(run.run())
        self.running[rack] = Running(run=run, view=view, task=task, rows=rows)
        self._made(rack)

    def _again(self, rack: str, running: Running) -> None:
        error = running.task.exception() if running.task.done() and not _cut(running) else None
        log.error("an edge's loop is started again", rack=rack, error=str(error or "it hung"))
        running.task.cancel()
        running.restarts += 1
        running.run.beat_s = self._clock.monotonic()
        running.task = asyncio.create_task(running.run.run())

    async def _floors(self, running: Running) -> None:
        """Each device's own floor is looked at, and put in place where it differs."""
        for node in running.view.nodes:
            await self.hands.ensure_floor(node.name, node.floor_w)

    # --- small things ------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    def _reached(self, seat: Seat) -> list[Running]:
        own = self.running.get(seat.rack)
        if seat.rack:
            return [own] if own else []
        return [r for rack, r in self.running.items() if reaches(seat, rack, r.rows)]

    @staticmethod
    def _heard(running: Running, events: Iterable[Event]) -> None:
        for event in events:
            running.run.heard(event)


def _cut(running: Running) -> bool:
    return running.task.cancelled()


def _is_on(hosts: Iterable[Asset]) -> bool | None:
    """Whether any host of a controller is on; None where one is unknown and none is on."""
    states = [
        host.power_state.value if isinstance(host.power_state, Known) else None for host in hosts
    ]
    if any(state not in (None, "Off") for state in states):
        return True
    return None if None in states else False


def counts_of(edges: Mapping[str, Running]) -> dict[str, float]:
    """Our own numbers, for metrics."""
    return {
        "energy_edges": float(len(edges)),
        "energy_edge_restarts": float(sum(each.restarts for each in edges.values())),
        "energy_latches": float(
            sum(len(each.run.edge.reflexes.latches) for each in edges.values())
        ),
    }
