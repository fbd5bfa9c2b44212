"""A device's own reactions, put together: several rooms of the simulator, one device.

Power and heat, firmware, and the manners of a controller each watch the same device and know
nothing of each other. `compose` makes one of them: everyone is told of what happened, and the
first that has an answer to an action or a pushed image gives it. A part that does not care for a
moment does not mention it: `Quiet` is all moments, ignored.

The moments beyond a write and an action are these. A host has been switched on (`booted`); the
controller starts, its memory empty (`restarted`); mains was lost or came back (`mains`); an
image was pushed (`pushed`); a component runs other firmware (`flashed`); something is worth a log
entry (`noted`); somebody begins to listen to events (`listened`) or reads a log (`consulted`); the
oracle asks what is really so (`truth`); the simulation is over (`ended`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from iolaus.sim.outcome import Outcome
from iolaus.sim.tree import Resource

if TYPE_CHECKING:
    from iolaus.sim.device import Device, Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An image that arrived: where, with which headers, and its bytes (a bytes or an mmap)."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A write as it came: by whom, of what. `body` is {} for a DELETE."""

    method: str
    path: str
    user: str
    body: Resource


class Quiet:
    """Ignores every moment. A room's effects are this with the moments that concern it."""

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        """A resource was changed."""

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del device, path, action, body
        return None

    def pushed(self, device: Device, push: Push) -> Outcome | None:
        """An image was pushed; None: somebody else's."""
        del device, push
        return None

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        """A write that its account may do; None leaves it to the standard's rules."""
        del device, ask
        return None

    def served(self, device: Device, path: str) -> bytes | None:
        """A file, which is no resource."""
        del device, path
        return None

    def turned_away(self, device: Device, user: str, *, locked: bool) -> None:
        """A wrong password; `locked`: the account is locked from now on."""

    def booted(self, device: Device, path: str) -> None:
        """The host at `path` has been switched on."""

    def restarted(self, device: Device) -> None:
        """The controller starts anew."""

    def mains(self, device: Device, on: bool) -> None:
        """All power, that of the controller too, was lost or came back."""

    def flashed(self, device: Device, path: str, *, resets: bool) -> None:
        """What the firmware entry at `path` names runs another image; `resets`: its settings and
        accounts are the maker's again."""

    def ended(self, device: Device) -> None:
        """The simulation of this device ends."""

    def noted(self, device: Device, severity: str, text: str, origin: str, more: Resource) -> None:
        """Something that the log is to tell; `more` goes into the entry."""

    def listened(self, device: Device) -> None:
        """Somebody listens to its events from now on."""

    def consulted(self, device: Device, path: str) -> None:
        """Somebody reads the entries of a log."""

    def truth(self, device: Device) -> Resource:
        del device
        return {}


class Composed(Quiet):
    """`parts` in the order in which they are asked."""

    def __init__(self, *parts: Effects) -> None:
        self.parts: Final = parts

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        for part in self.parts:
            part.written(device, path, before, after)

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        answers = (part.acted(device, path, action, body) for part in self.parts)
        return next((found for found in answers if found is not None), None)

    def pushed(self, device: Device, push: Push) -> Outcome | None:
        answers = (each.pushed(device, push) for each in self.attentive)
        return next((found for found in answers if found is not None), None)

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        answers = (each.asked(device, ask) for each in self.attentive)
        return next((found for found in answers if found is not None), None)

    def served(self, device: Device, path: str) -> bytes | None:
        files = (each.served(device, path) for each in self.attentive)
        return next((found for found in files if found is not None), None)

    def turned_away(self, device: Device, user: str, *, locked: bool) -> None:
        for part in self.attentive:
            part.turned_away(device, user, locked=locked)

    def booted(self, device: Device, path: str) -> None:
        for part in self.attentive:
            part.booted(device, path)

    def restarted(self, device: Device) -> None:
        for part in self.attentive:
            part.restarted(device)

    def mains(self, device: Device, on: bool) -> None:
        for part in self.attentive:
            part.mains(device, on)

    def flashed(self, device: Device, path: str, *, resets: bool) -> None:
        for part in self.attentive:
            part.flashed(device, path, resets=resets)

    def ended(self, device: Device) -> None:
        for part in self.attentive:
            part.ended(device)

    def noted(self, device: Device, severity: str, text: str, origin: str, more: Resource) -> None:
        for part in self.attentive:
            part.noted(device, severity, text, origin, more)

    def listened(self, device: Device) -> None:
        for part in self.attentive:
            part.listened(device)

    def consulted(self, device: Device, path: str) -> None:
        for part in self.attentive:
            part.consulted(device, path)

    def truth(self, device: Device) -> Resource:
        told: Resource = {}
        for part in self.parts:
            tell = getattr(part, "truth", None)
            told |= tell(device) if tell is not None else {}
        return told

    @property
    def attentive(self) -> list[Quiet]:
        """The parts that know of more moments than writes and actions."""
        return [part for part in self.parts if isinstance(part, Quiet)]


def compose(*effects: Effects | None) -> Composed:
    """All of these as one; what is None is left out, and what is composed already is spread."""
    parts: list[Effects] = []
    for each in effects:
        parts += each.parts if isinstance(each, Composed) else [each] if each is not None else []
    return Composed(*parts)


def attentive(effects: Effects | None) -> Quiet:
    """The effects as far as they know of more moments than writes and actions."""
    return effects if isinstance(effects, Quiet) else _QUIET


_QUIET: Final = Quiet()
