"""What ails a machine until something is done to it: hosts and controllers that hang.

A fault that mends itself when the script says so teaches nothing of recovery. These stay until the
machine is treated hard enough: each has a cure, the softest treatment that helps, and everything
softer is accepted and does nothing, as in the field. Nothing of it shows but what a dead host or
controller shows by its silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Quiet, attentive, compose
from iolaus.sim.manners.media import USUAL, starts_from
from iolaus.sim.outcome import Outcome
from iolaus.sim.tree import Resource, canonical, links

CURES: Final = ("nmi", "restart", "force-restart", "power-cycle", "mains", "rescue", "never")
"""Treatments of a host, from soft to hard; what helps once, everything harder helps, too. But what
only a rescue image helps hangs again as soon as it starts from its own disk."""
_KINDS: Final[Mapping[str, str]] = {
    "Nmi": "nmi",
    "GracefulRestart": "restart",
    "GracefulShutdown": "restart",
    "ForceRestart": "force-restart",
    "PowerCycle": "power-cycle",
    "ForceOff": "power-cycle",
}
_ASKS: Final = frozenset({"Nmi", "GracefulRestart", "GracefulShutdown"})
"""What a host must answer for itself: one that hangs does not."""
RESET: Final = "#ComputerSystem.Reset"
Undo = Callable[[], None]


class Hung(Quiet):
    """A host that hangs: it has power, and nobody is at home."""

    def __init__(self, cure: str) -> None:
        self.cure = CURES.index(cure)
        self.hangs, self._helps = True, False

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del path
        kind = str(body.get("ResetType", ""))
        if action != "ComputerSystem.Reset" or not self.hangs or kind not in _KINDS:
            return None
        self._helps = CURES.index(_KINDS[kind]) >= self.cure
        if kind == "Nmi" and self._helps:
            device.later(device.options.power_on_s, self.recover)
        if kind in _ASKS and not self._helps:
            return Outcome()
        return Outcome() if kind == "Nmi" else None

    def mains(self, device: Device, on: bool) -> None:
        del device
        if not on:
            self._helps = CURES.index("mains") >= self.cure

    def booted(self, device: Device, path: str) -> None:
        if CURES[self.cure] == "rescue":
            self.hangs = starts_from(device, path) == USUAL
        elif self._helps:
            self.recover()

    def truth(self, device: Device) -> Resource:
        del device
        return {"host_hangs": self.hangs}

    def recover(self) -> None:
        self.hangs = False


class HungController(Quiet):
    """A controller that hangs: it takes connections and says nothing, until its power was gone."""

    def __init__(self) -> None:
        self.hangs = True

    def mains(self, device: Device, on: bool) -> None:
        if not on and self.hangs:
            self.hangs = device.dead = False

    def truth(self, device: Device) -> Resource:
        del device
        return {"controller_hangs": self.hangs}


class Restarts(Quiet):
    """Tells when a controller starts anew, and whether its power was gone before."""

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell, self._dark = tell, False

    def mains(self, device: Device, on: bool) -> None:
        del device
        self._dark = not on or self._dark

    def restarted(self, device: Device) -> None:
        del device
        dark, self._dark = self._dark, False
        self._tell(dark)


def hang_host(device: Device, cure: str) -> Undo:
    """The host hangs until it is treated as hard as `cure`. What is given back ends it."""
    ailment = Hung(cure)
    return beside(device, ailment, ailment.recover)


def hang_controller(device: Device) -> Undo:
    ailment = HungController()
    device.dead = True
    device.down("silence")

    def revive() -> None:
        ailment.hangs = device.dead = False
        device.up()

    return beside(device, ailment, revive)


def beside(device: Device, part: Quiet, undo: Undo) -> Undo:
    """The part is asked first from now on; what is given back takes it away again."""
    device.effects = compose(part, device.effects)

    def back() -> None:
        undo()
        others = getattr(device.effects, "parts", ())
        device.effects = compose(*(each for each in others if each is not part))

    return back


def alive(device: Device) -> bool:
    """Whether the hosts of a machine really run. What cannot be reset is a board of one, and no
    host."""
    paths = links(device.kept("/redfish/v1/Systems") or {}, "Members")
    systems = [device.kept(canonical(path)) or {} for path in paths]
    powers = [each.get("PowerState") for each in systems if RESET in (each.get("Actions") or {})]
    told = attentive(device.effects).truth(device)
    return bool(powers) and all(each == "On" for each in powers) and not told.get("host_hangs")
