"""The room of power as a server shows it: edges and centre, and what people ask of them.

A cap that somebody sets for a while goes to the edge, whose loop holds it. Where no loop writes,
because the policy observes or advises, it is written here, once, and what was before is put back at
its end. It is on disk before it is written anywhere, so a server that is killed goes on holding it
and takes it back in time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from iolaus.app.centring import HouseCentre
from iolaus.app.edges import Running
from iolaus.app.house_edges import HouseEdges
from iolaus.energy.decisions import Decision, DomainState, RackState
from iolaus.energy.feeds import FeedVotes
from iolaus.energy.holding import HeldCap, cap_file, held_nodes, must_fit, shares_of
from iolaus.energy.keeping import judged_caps
from iolaus.energy.policy import Mode
from iolaus.energy.ports import Event, IsolationRequest, Latch, Medium, Sense
from iolaus.energy.rack import NodeView
from iolaus.energy.standing import EdgeStanding, judged
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceRefused, IolausError, OperatorMust, PolicyRefused
from iolaus.model.alarm import Alarm
from iolaus.model.alarming import Judged
from iolaus.model.hosts import fold

log = structlog.get_logger(__name__)
POWER_CAPS: Final = "power-caps.json"
LOOK_S: Final = 1.0
NEAR_W: Final = 1.0


class GiveBack(Protocol):
    async def __call__(self, rack: str, *, because: str) -> bool: ...


class Powering:
    """Is `north.power.PowerRoom`. What is held is read at once: raises `OperatorMust` where the
    file is spoilt. `alone`: whether no building is joined; `give_back` asks it to end a rack's
    isolation. Where several processes hold the hall, `on_kept` hears what was held before and is
    now, `on_feed` what is said of feeds, and `ends` says for which racks this one ends caps."""

    def __init__(
        self,
        *,
        edges: HouseEdges,
        centre: HouseCentre,
        directory: Path,
        clock: Clock,
        alone: Callable[[], bool],
        give_back: GiveBack,
    ) -> None:
        kept = cap_file(directory / POWER_CAPS)
        self._edges, self._centre, self._kept, self._clock = edges, centre, kept, clock
        self._alone, self._give_back = alone, give_back
        self._caps = {cap.subject: cap for cap in kept.load()}
        self._changing, self._owed = asyncio.Lock(), dict[str, str]()
        self._feeds = FeedVotes()
        self.on_kept: Callable[[Mapping[str, HeldCap], Mapping[str, HeldCap]], None] = _nobody
        self.on_feed: Callable[[str, Event], None] = _nobody
        self.ends: Callable[[str], bool] = lambda _: True
        edges.on_made = self._apply
        self._tell_centre()

    # --- heard -------------------------------------------------------------------------------

    def event(self, rack: str, event: Event) -> None:
        """A signal from a shelf's bus or the building, to one rack or to all ("*"); a feed that is
        lost or back is the centre's matter, too."""
        self._edges.edges.event(rack, event)
        if event.sense is Sense.FEED:
            self.on_feed(rack, event)
        if event.sense is Sense.FEED and self._feeds.say(rack, event.subject, event.grade):
            if event.subject in self._feeds.lost:
                self._centre.lost(event.subject)
            else:
                self._centre.restored(event.subject)

    # --- seen --------------------------------------------------------------------------------

    def edges(self) -> Sequence[EdgeStanding]:
        return self._edges.standings()

    def unheard(self) -> str:
        return ""

    def domains(self) -> Sequence[DomainState]:
        """Empty while there is no centre here."""
        centring = self._centre.centring
        return centring.centre.domains() if centring else ()

    def racks(self) -> Sequence[RackState]:
        centring = self._centre.centring
        return centring.centre.racks(self._clock.monotonic()) if centring else ()

    def decisions(self) -> Sequence[tuple[float, Decision]]:
        """Newest first, each with when it was (seconds since 1970)."""
        centring, now_s = self._centre.centring, self._clock.monotonic()
        made = list(centring.centre.decisions)[::-1] if centring else []
        return [(self._clock.now() - (now_s - each.at_s), each) for each in made]

    def caps(self) -> Sequence[HeldCap]:
        return tuple(self._caps.values())

    def judged(self, alarms: Iterable[Alarm]) -> Judged:
        """For the alarms: what rings now, and what of these rings no more."""
        rang, edges = [each.key for each in alarms], self.edges()
        caps = judged_caps(self.caps(), edges, rang, now=self._clock.now())
        return {**judged(edges, rang), **caps}

    # --- asked -------------------------------------------------------------------------------

    async def release(self, subject: str, *, by: str, reason: str) -> Sequence[Latch]:
        return await self._edges.release(subject, by=by, reason=reason)

    async def hold(
        self, subject: str, watts: float, *, for_s: float, by: str, reason: str
    ) -> HeldCap:
        """Raises `OperatorMust`, `PolicyRefused`, and what a device answers."""
        async with self._changing:
            rack, nodes = self._reached(subject)
            self._must_be_whole(rack, subject)
            self._must_be_managed(nodes, subject)
            must_fit(nodes, watts, subject=subject)
            now = self._clock.now()
            cap = HeldCap(
                subject=subject, rack=rack, watts=watts, until=now + for_s, by=by,
                reason=reason, at=now, before=await self._before(rack, subject, nodes),
            )  # fmt: skip
            self._keep({**self._caps, subject: cap})
            self._apply(rack)
            self._note(rack, "set cap", subject, reason, f"{watts:g} W for {for_s:g} s by {by}")
            if not self._loops(rack):
                await self._write_or_undo(cap, shares_of(nodes, watts))
            return cap

    async def clear(self, subject: str, *, restore: bool = True) -> HeldCap:
        """End a cap; where no loop holds the rack, what was before is put back, unless `restore` is
        False. Raises `OperatorMust` where nobody holds it, and what a device answers."""
        async with self._changing:
            cap = self._caps.get(subject)
            if cap is None:
                raise OperatorMust(
                    "no cap is set on it",
                    operation="clear cap",
                    subject=subject,
                    code="NoSuchCap",
                    next_step="see which are: iolaus power cap list",
                )
            await self._end(cap, restore=restore)
            return cap

    async def isolate(self, rack: str, *, by: str, reason: str) -> bool:
        """Ask the building to cut a rack off: electrical, then liquid. Whether it confirmed both.
        Raises `OperatorMust` where no building is joined."""
        building = self._edges.edges.building
        if self._alone():
            raise OperatorMust(
                "no building system is joined, so nobody can isolate it",
                operation="isolate",
                subject=rack,
                code="NoBuilding",
                next_step="cut it on site; docs/building.md says how a building is joined.",
            )
        self._running(rack)
        self._note(rack, "isolate", rack, reason, f"asked by {by}")
        for medium in (Medium.ELECTRICAL, Medium.LIQUID):
            request = IsolationRequest(rack=rack, medium=medium, because=f"{by}: {reason}")
            if not await building.isolate(request):
                return False
        return True

    async def unisolate(self, rack: str, *, by: str, reason: str) -> bool:
        """Take a rack's isolation back: liquid, then electrical. Whether the building says that it
        is so. Switches nothing on. Raises `PolicyRefused` while a latch asks for it, and what
        `Isolating.release` raises."""
        running = self._running(rack)
        asks = [each for each in running.run.edge.reflexes.latches.values() if each.isolate]
        if asks:
            raise PolicyRefused(
                f"{asks[0].name} asks for it: {asks[0].because}",
                operation="release isolation",
                subject=rack,
                code="StillLatched",
                next_step=f"release that first: iolaus latch release {rack} --reason ...",
            )
        self._note(rack, "release isolation", rack, reason, f"asked by {by}")
        done = await self._give_back(rack, because=f"{by}: {reason}")
        fate = "the building confirms it" if done else "the building does not confirm it"
        self._note(rack, "release isolation", rack, reason, fate)
        return done

    def take(self, subject: str, cap: HeldCap | None) -> None:
        """It is held so (None: not any more), as another process of the hall says: kept here, and
        told to the rack's edge where that is ours."""
        before = self._caps.get(subject)
        if before == cap:
            return
        left = {name: each for name, each in self._caps.items() if name != subject}
        self._caps = {**left, subject: cap} if cap else left
        self._kept.save(self._caps.values())
        for rack in {each.rack for each in (before, cap) if each}:
            self._apply(rack)

    # --- over time ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: what has run out is ended."""
        while True:
            now = self._clock.now()
            over = [each for each in self._caps.values() if each.until <= now]
            for cap in filter(lambda each: self.ends(each.rack), over):
                try:
                    async with self._changing:
                        await self._end(cap)
                except IolausError as error:
                    self._not_taken_back(cap, str(error))
            await self._clock.sleep(LOOK_S)

    def _not_taken_back(self, cap: HeldCap, error: str) -> None:
        """One line for as long as it is for the same reason."""
        if self._owed.get(cap.subject) != error:
            self._owed[cap.subject] = error
            log.warning("a cap is not taken back yet", subject=cap.subject, error=error)

    async def _end(self, cap: HeldCap, *, restore: bool = True) -> None:
        """Off the edge, back at the devices, and then out of the file."""
        left = {name: each for name, each in self._caps.items() if name != cap.subject}
        if restore and cap.before and not self._loops(cap.rack):
            await self._put_back(cap)
        self._keep(left)
        self._owed.pop(cap.subject, None)
        self._apply(cap.rack)
        fate = f"{cap.watts:g} W by {cap.by}{'' if restore else ', what is in force stays'}"
        self._note(cap.rack, "end cap", cap.subject, cap.reason, fate)

    async def _put_back(self, cap: HeldCap) -> None:
        try:
            await self._write(cap.before, cap.subject)
        except DeviceRefused as error:
            raise DeviceRefused(
                f"what was in force before cannot be put back: {error.message}",
                operation="clear cap",
                subject=error.subject,
                code=error.code,
                next_step="see whether it answers: iolaus get endpoints. If that machine is gone: "
                f"iolaus power cap clear {cap.subject} --as-it-is",
            ) from None

    # --- inside ------------------------------------------------------------------------------

    def _loops(self, rack: str) -> bool:
        """Whether a loop holds this rack."""
        return self._edges.power.mode_of(rack) is Mode.CONTROL

    def _apply(self, rack: str) -> None:
        """What people hold, told to the rack's edge and to the centre."""
        self._tell_centre()
        running = self._edges.edges.running.get(rack)
        whole = self._caps.get(rack)
        nodes = {each.subject: each.watts for each in self._caps.values() if each.rack == rack}
        if running:
            rack_w = whole.watts if whole else None
            running.run.edge.hold(rack_w, nodes, self._clock.monotonic())

    def _tell_centre(self) -> None:
        held = {cap.subject: cap.watts for cap in self._caps.values()}
        racks = {cap.rack for cap in self._caps.values()} & held.keys()
        self._centre.hold(
            {name: held[name] for name in racks},
            {name: watts for name, watts in held.items() if name not in racks},
        )

    def _note(self, rack: str, what: str, subject: str, because: str, fate: str) -> None:
        if (running := self._edges.edges.running.get(rack)) is not None:
            running.run.note(what, subject, because, fate=fate)

    def _keep(self, caps: dict[str, HeldCap]) -> None:
        self._kept.save(caps.values())
        before, self._caps = self._caps, caps
        self.on_kept(before, caps)

    async def _before(self, rack: str, subject: str, nodes: Sequence[NodeView]) -> dict[str, float]:
        """What the nodes have now; of what is held already, what they had before that."""
        if self._loops(rack):
            return {}
        held = self._caps.get(subject)
        if held and held.before:
            return held.before
        read = {each.name: await self._edges.edges.hands.read_cap(each.name) for each in nodes}
        silent = next((name for name, watts in read.items() if watts is None), None)
        if silent is not None:
            raise _unread(silent)
        return {name: watts for name, watts in read.items() if watts is not None}

    async def _write_or_undo(self, cap: HeldCap, watts: Mapping[str, float]) -> None:
        """What is not taken by every node is taken back from all. Raises what `_write` raises."""
        try:
            await self._write(watts, cap.subject)
        except IolausError:
            with contextlib.suppress(IolausError):
                await self._end(cap)
            raise

    async def _write(self, watts: Mapping[str, float], subject: str) -> None:
        """Each, read back. Raises `DeviceRefused` for the first that has another cap then."""
        for node, want in watts.items():
            found = await self._edges.edges.hands.write_cap(node, want, safety=False)
            if found is None:
                raise _unread(node)
            self._edges.edges.wrote(node, found)
            if abs(found - want) > NEAR_W:
                raise DeviceRefused(
                    f"it was told {want:.0f} W and reads {found:.0f} W",
                    operation="set cap",
                    subject=node,
                    code="CapNotTaken",
                    next_step=f"look at it: iolaus describe node/{subject}",
                )

    def _reached(self, subject: str) -> tuple[str, Sequence[NodeView]]:
        for rack, running in self._edges.edges.running.items():
            if nodes := held_nodes(running.view, subject):
                return rack, nodes
        raise OperatorMust(
            "it is no rack and no node with a cap",
            operation="set cap",
            subject=subject,
            code="NoSuchCap",
            next_step="see racks and nodes with caps: iolaus get edges -o wide",
        )

    def _running(self, rack: str) -> Running:
        running = self._edges.edges.running.get(rack)
        if running is None:
            raise OperatorMust(
                "it has no edge here",
                operation="isolate",
                subject=rack,
                code="NoSuchEdge",
                next_step="name one of: iolaus get edges",
            )
        return running

    def _must_be_whole(self, rack: str, subject: str) -> None:
        """What is shared among a part of a rack's nodes holds nothing of the others."""
        unread = self._running(rack).run.edge.unread
        if subject == rack and unread:
            raise DeviceRefused(
                f"of what stands in it, not read yet: {fold(unread, most=3)}",
                operation="set cap",
                subject=subject,
                code="RackUnread",
                status=503,
                next_step=f"ask again when they were: iolaus describe edge/{rack}",
            )

    def _must_be_managed(self, nodes: Sequence[NodeView], subject: str) -> None:
        seats = self._edges.edges.hands.seats
        free = [node.name for node in nodes if not seats[node.name].managed]
        if free:
            raise PolicyRefused(
                f"{len(free)} of its nodes may be read only: {fold(free, most=3)}",
                operation="set cap",
                subject=subject,
                code="NotManaged",
                next_step=f"say that it may be changed: iolaus manage {free[0]}",
            )


def _nobody(*_: object) -> None:
    """Where one process holds the hall."""


def _unread(node: str) -> IolausError:
    return DeviceRefused(
        "its cap cannot be read",
        operation="set cap",
        subject=node,
        code="CapUnread",
        next_step="see whether it answers: iolaus get endpoints",
    )
