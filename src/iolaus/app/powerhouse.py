"""The room of power of a server, put together: plant, edges, centre, policies, and what tells them.

They are made in one order (the plant before those who go by it), run as tasks of their own, and
know each other by ports only; a house opens and closes them as one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from iolaus.app.actuators import Actuators
from iolaus.app.asking_less import AskedTargets
from iolaus.app.centring import HouseCentre
from iolaus.app.gear import Gear
from iolaus.app.house_edges import HouseEdges
from iolaus.app.joining import Joining
from iolaus.app.planting import POWER_FILE, Planted, load_written
from iolaus.app.powering import Powering
from iolaus.app.roles import Role
from iolaus.app.ruling import Ruling
from iolaus.app.site_room import SiteRoom
from iolaus.app.siting import Siting
from iolaus.bus.local import LocalBus
from iolaus.energy.centre import Centre
from iolaus.energy.policy import LeakPolicy, PowerPolicy
from iolaus.kernel.clock import Clock
from iolaus.model.endpoint import Target
from iolaus.observe.buses import Buses
from iolaus.observe.devices import LaneDevice
from iolaus.store.lease import StoredLeases
from iolaus.store.state import State


class PowerHouse:
    """`period_s` lies between two passes over the hot set. Raises `OperatorMust` where the
    operator's file of power is wrong, or what is kept is spoilt."""

    def __init__(
        self,
        *,
        state: State,
        bus: LocalBus,
        clock: Clock,
        buses: Buses,
        joining: Joining,
        open_device: Callable[[Target], LaneDevice],
        period_s: float,
    ) -> None:
        self._state, self._clock, self.joining = state, clock, joining
        self._period_s = period_s
        written = load_written(state.directory / POWER_FILE)
        self.planted = Planted(written, state.facts, clock)
        self.edges = HouseEdges(
            state=state,
            bus=bus,
            clock=clock,
            open_device=open_device,
            plant=self.planted.plant,
            power=written.power_policy,
            leak=written.leak_policy,
            period_s=period_s,
            building=joining,
        )
        self.centre = HouseCentre(
            plant=self.planted.plant,
            policy=self.edges.power,
            bus=bus,
            clock=clock,
            leases=StoredLeases(state.database),
        )
        self.powering = Powering(
            edges=self.edges,
            centre=self.centre,
            directory=state.directory,
            clock=clock,
            alone=lambda: joining.joined is None,
            give_back=joining.give_back,
        )
        self.ruling = self._ruling()
        self.asked = AskedTargets(
            directory=state.directory, clock=clock, rung=lambda: self.siting.ring()
        )
        self.siting = self._siting()
        self.site = SiteRoom(
            siting=self.siting,
            asked=self.asked,
            running=self.running,
            plant=self.planted.plant,
            facts=state.facts,
            directory=state.directory,
            clock=clock,
            period_s=period_s,
        )
        self.gear = self._gear(buses)
        self.actuators = self._actuators(buses, open_device)
        self.site.seen_actuators = self.actuators.seen

    def _actuators(self, buses: Buses, open_device: Callable[[Target], LaneDevice]) -> Actuators:
        return Actuators(
            buses=buses,
            facts=self._state.facts,
            clock=self._clock,
            joining=self.joining,
            directory=self._state.directory,
            open_device=open_device,
            plant=self.planted.plant,
            policy=lambda: self.edges.power,
            period_s=self._period_s,
            running=self.running,
            reserve=self.centre.reserve,
            decide=self.siting.decide,
        )

    def _siting(self) -> Siting:
        return Siting(
            clock=self._clock,
            centre=self.centre,
            running=self.running,
            plant=self.planted.plant,
            policy=lambda: self.edges.power,
            told=self.joining.targets,
            asked=self.asked.all,
        )

    def _ruling(self) -> Ruling:
        return Ruling(
            planted=self.planted,
            facts=self._state.facts,
            directory=self._state.directory,
            clock=self._clock,
            follow=self._follow,
            centre=self.running,
            join=self.joining.exchange,
        )

    def _follow(self, power: PowerPolicy, leak: LeakPolicy) -> None:
        self.edges.follow(power, leak)
        self.centre.follow(power)

    def _gear(self, buses: Buses) -> Gear:
        """What the building and the gear say reaches edges and centre from now on."""
        self.joining.tell(self.powering)
        self.joining.centre, self.joining.hall = self.siting, (self.centre, self.edges.edges)
        return Gear(
            buses=buses,
            facts=self._state.facts,
            places=self.joining.places,
            edges=self.powering,
            clock=self._clock,
            again_s=self.joining.again_s,
        )

    def running(self) -> Centre | None:
        """The centre that runs here, if any."""
        return self.centre.centring.centre if self.centre.centring else None

    def tasks(self, role: Role = Role.ALL) -> Iterator[Coroutine[Any, Any, None]]:
        """All that runs until it is cancelled: racks are guarded by edges, budgets shared out by
        a core."""
        yield self.ruling.run()
        if role is not Role.CORE:
            yield self.edges.run()
            yield self.gear.run()
            yield self.powering.run()
        if role is not Role.EDGE:
            yield self.centre.run()
            yield self.siting.run()
            yield self.site.run()
            yield from self.actuators.tasks()
