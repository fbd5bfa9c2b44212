"""Which building a server is joined to: none, or the one of the operator's file of power.

The broker is put among the endpoints as long as it is joined, and taken out when it is not any
more, so that nothing of it is polled after its section was removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from iolaus.app.centring import HouseCentre
from iolaus.app.edge_hands import NoBuilding
from iolaus.app.edges import Edges
from iolaus.app.flexing import Flexing
from iolaus.app.joined import AGAIN_S, Joined, Places
from iolaus.app.planting import Planted
from iolaus.app.reporting import Reporting, own_signer
from iolaus.energy.plant import Claim
from iolaus.energy.ports import HearsEvents, IsolationRequest, TakesTargets
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceSilent, OperatorMust
from iolaus.kernel.tasks import end, together
from iolaus.model.building import BuildingDocument
from iolaus.model.endpoint import Target, protocol_of
from iolaus.model.plant import DomainKind
from iolaus.model.point import Point
from iolaus.observe.building import BuildingDevice
from iolaus.store.state import State
from iolaus.wire.dsx.flex import LoadTarget

log = structlog.get_logger(__name__)


class Joining:
    """`joined` is None where no building is; `hall` is what the grid may be told of; `here`:
    whether this process joins any. `on_joined` is told of the broker as an endpoint. Is
    `energy.ports.AsksBuilding`."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        *,
        planted: Callable[[], Planted],
        again_s: float = AGAIN_S,
        here: bool = True,
    ) -> None:
        self._here = here
        self.on_joined: Callable[[Target], None] = lambda _: None
        self._state, self._clock, self._planted, self.again_s = state, clock, planted, again_s
        self.places = Places(state.facts, clock)
        self.joined: Joined | None = None
        self.flexing: Flexing | None = None
        self.reporting: Reporting | None = None
        self.centre: TakesTargets | None = None
        self.hall: tuple[HouseCentre, Edges] | None = None
        self._edges: HearsEvents | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, document: BuildingDocument | None) -> None:
        """Join it, from now on. Raises `OperatorMust` for a broker or keys that are none, and
        `PolicyRefused` for the clear over a network."""
        self._take(self._made(document) if document is not None else None)

    async def exchange(self, document: BuildingDocument | None) -> None:
        """Join another one, or none, in the place of the one that is joined; what the grid asked
        goes on. Raises as `begin`, and changes nothing then; `OperatorMust` where others join."""
        if not self._here:
            raise OperatorMust(
                "the building is joined by the edges, at their start",
                operation="apply",
                subject=f"Building {document.metadata.name}" if document else "Building",
                code="BuildingAtStart",
                next_step="write it into power.yaml of the edges and start them again.",
            )
        made = self._made(document) if document is not None else None
        await self.close()
        if made is None and self.flexing is not None:
            self.flexing.allowed = False
            self.flexing.look()
        held = self.flexing.held if self.flexing is not None else {}
        self.joined = self.flexing = self.reporting = self._task = None
        self._planted().claims = ()
        self._take(made, held)
        if self.joined is not None:
            self.on_joined(self.joined.target)

    def _made(self, document: BuildingDocument) -> tuple[Joined, Flexing, Reporting | None]:
        """Raises as `begin`."""
        flexing = self._flex(document)
        joined = Joined(
            document,
            facts=self._state.facts,
            secrets=self._state.secrets,
            clock=self._clock,
            claims=self._claimed,
            refuse=flexing.refuse,
            edges=self._edges,
            again_s=self.again_s,
        )
        joined.link.on_target.append(flexing.heard)
        may = "report" in document.spec.allow
        return joined, flexing, self._reporting(document, joined, flexing) if may else None

    def _take(
        self,
        made: tuple[Joined, Flexing, Reporting | None] | None,
        held: Mapping[str, float] | None = None,
    ) -> None:
        if made is not None:
            self.joined, self.flexing, self.reporting = made
            self.flexing.held = dict(held or {})
        self._clean()
        if self.joined is not None:
            self._state.facts.put_target(self.joined.target)
            self._task = asyncio.get_running_loop().create_task(self._run(self.joined))

    def tell(self, edges: HearsEvents) -> None:
        """These hear from now on what the building says of racks."""
        self._edges = edges
        if self.joined is not None:
            self.joined.edges = edges

    async def isolate(self, request: IsolationRequest) -> bool:
        """As `energy.ports.AsksBuilding` has it, whether or not a building is joined."""
        if self.joined is None:
            return await NoBuilding().isolate(request)
        return await self.joined.isolate(request)

    async def give_back(self, rack: str, *, because: str) -> bool:
        """As `Isolating.release` has it. Raises `OperatorMust` where no building is joined."""
        if self.joined is None:
            raise OperatorMust(
                "no building system is joined",
                operation="release isolation",
                subject=rack,
                code="NoBuilding",
                next_step="open it on site; docs/building.md says how a building is joined.",
            )
        return await self.joined.isolating.release(rack, because=because)

    def points(self) -> list[Point]:
        """What the building tells of its points now; empty where none is joined."""
        return self.joined.points() if self.joined is not None else []

    def device(self, target: Target) -> BuildingDevice:
        """Raises `DeviceSilent` for a broker that is joined no more."""
        if self.joined is None or self.joined.device.address != target.address:
            raise DeviceSilent(
                "this building is not joined any more",
                operation="open",
                subject=target.address,
                code="BuildingNotJoined",
                next_step=f"forget it: iolaus forget {target.name or target.address}",
            )
        return self.joined.device

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _run(self, joined: Joined) -> None:
        try:
            rooms = (joined, self.flexing, self.reporting)
            await together(*(room.run() for room in rooms if room is not None))
        except Exception:  # the task is watched by nobody else
            log.exception("building_ended", building=joined.document.metadata.name)

    def _flex(self, document: BuildingDocument) -> Flexing:
        return Flexing(
            state=self._state,
            clock=self._clock,
            centre=lambda: self.centre,
            feeds=lambda: self._feeds(document),
            allowed="flex" in document.spec.allow,
        )

    def _reporting(self, document: BuildingDocument, joined: Joined, flexing: Flexing) -> Reporting:
        """Raises `OperatorMust` for a key of ours that is spoilt."""
        who = document.spec.flex.agent
        return Reporting(
            joined.link,
            own_signer(self._state.directory, who=who),
            who=who,
            clock=self._clock,
            schedule=lambda: flexing.schedule,
            feeds=lambda: self._feeds(document),
            centre=lambda: self.hall[0].centring if self.hall else None,
            edges=lambda: self.hall[1].running if self.hall else {},
        )

    def targets(self) -> Sequence[LoadTarget]:
        """What the grid asks and may ask: believed, allowed, and not over."""
        if self.flexing is None or not self.flexing.allowed:
            return ()
        return tuple(self.flexing.schedule.targets)

    def _feeds(self, document: BuildingDocument) -> Mapping[str, str]:
        """Every feed of the plant under its own name, and those that the grid names otherwise."""
        domains = self._planted().plant().domains
        own = {each.name: each.name for each in domains if each.kind is DomainKind.FEED}
        return own | document.spec.flex.feeds

    def _claimed(self, claims: tuple[Claim, ...]) -> None:
        self._planted().claims = claims

    def _clean(self) -> None:
        now = self.joined.device.address if self.joined is not None else None
        for held in list(self._state.facts.all_held()):
            address = held.target.address
            if protocol_of(address) == "dsx" and address != now:
                self._state.facts.remove_target(address)
