"""What the slow loop acts with beside caps: batteries that charge, coolant, and smoothed swings.

Each of them goes by the policy in force and does nothing where the policy says nothing of it; what
it would do in a rack that is only advised is told and not done.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from iolaus.app.cooling import Cooling
from iolaus.app.edge_hands import Device
from iolaus.app.joining import Joining
from iolaus.app.recharging import Recharging
from iolaus.app.smoothing import SmoothingRoom
from iolaus.energy.centre import Centre
from iolaus.energy.decisions import ActuatorState, Decide
from iolaus.energy.policy import PowerPolicy
from iolaus.kernel.clock import Clock
from iolaus.model.endpoint import Target
from iolaus.model.plant import Plant
from iolaus.observe.buses import Buses
from iolaus.store.facts import Facts


class Actuators:
    """`running` is the centre that runs here, if any; without one nothing is done. Raises
    `OperatorMust` where what is kept of one is spoilt."""

    def __init__(
        self,
        *,
        buses: Buses,
        facts: Facts,
        clock: Clock,
        joining: Joining,
        directory: Path,
        open_device: Callable[[Target], Device],
        plant: Callable[[], Plant],
        policy: Callable[[], PowerPolicy],
        period_s: float,
        running: Callable[[], Centre | None],
        reserve: Callable[[Mapping[str, float]], None],
        decide: Decide,
    ) -> None:
        self.recharging = Recharging(
            buses=buses,
            facts=facts,
            places=joining.places,
            clock=clock,
            policy=policy,
            running=running,
            reserve=reserve,
            decide=decide,
        )

        self.cooling = Cooling(
            joined=lambda: joining.joined,
            places=joining.places,
            facts=facts,
            clock=clock,
            plant=plant,
            policy=policy,
            period_s=period_s,
            decide=decide,
        )

        self.smoothing = SmoothingRoom(
            facts=facts,
            clock=clock,
            directory=directory,
            open_device=open_device,
            policy=policy,
            running=running,
            decide=decide,
        )

    def seen(self) -> Sequence[ActuatorState]:
        """Of all three, as of their last looks."""
        return [*self.recharging.seen(), *self.cooling.seen(), *self.smoothing.seen()]

    def tasks(self) -> Iterator[Coroutine[Any, Any, None]]:
        """All that runs until it is cancelled."""
        yield self.recharging.run()
        yield self.cooling.run()
        yield self.smoothing.run()
