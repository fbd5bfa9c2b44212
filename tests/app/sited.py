"""A site over a hall in memory: no centre, nothing asked of it, and whatever is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iolaus.app.asking_less import AskedTargets
from iolaus.app.site_room import SiteRoom
from iolaus.app.siting import Siting
from iolaus.energy.centre import Centre
from iolaus.energy.policy import PowerPolicy
from iolaus.model.plant import Plant
from iolaus.north.context import Context


class Nobody:
    """Takes limits and does nothing about them."""

    def target(self, limit_w: float | None) -> None:
        del limit_w

    def derate(self, domain: str, limit_w: float | None) -> None:
        del domain, limit_w


def house_of(
    context: Context,
    folder: Path,
    *,
    running: Callable[[], Centre | None] = lambda: None,
    plant: Plant | None = None,
) -> SiteRoom:
    known = Plant() if plant is None else plant
    siting = Siting(
        clock=context.clock,
        centre=Nobody(),
        running=running,
        plant=lambda: known,
        policy=PowerPolicy,
        told=lambda: (),
    )
    asked = AskedTargets(directory=folder, clock=context.clock, rung=siting.ring)
    siting._asked = asked.all
    return SiteRoom(
        siting=siting,
        asked=asked,
        running=running,
        plant=lambda: known,
        facts=context.facts,
        directory=folder,
        clock=context.clock,
        period_s=10.0,
    )
