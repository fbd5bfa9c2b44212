"""One component's flash: its banks, what runs, what will run, and below what it may not fall.

What runs was loaded at the last boot; what stands in a bank is loaded at the next. Writing makes
a bank worthless until it is finished, so a cut in the middle leaves a bank that does not boot. A
component with two banks then boots the other; one with a single bank is dead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from iolaus.sim.personas.parts.flash import Part
from iolaus.sim.roots.firmware import Image

_NUMBER = re.compile(r"\d+")


@dataclass(slots=True, kw_only=True)
class Slot:
    """`running` None: nothing does. `golden` is kept apart for a controller's recovery. `fresh`:
    the next boot is of another image, `switched`: of one that stood in the other bank."""

    path: str
    part: Part
    running: Image | None
    golden: Image
    banks: list[Image | None] = field(default_factory=list)
    active: int = 0
    chosen: int = 0
    fresh: bool = False
    switched: bool = False
    floor: int = 0

    @property
    def other(self) -> int:
        return (self.active + 1) % len(self.banks)

    def begin(self) -> None:
        """The bank that is written is worth nothing from here on."""
        self.banks[self.other] = None

    def finish(self, image: Image) -> None:
        self.banks[self.other] = image
        self.chosen, self.fresh, self.switched = self.other, True, False

    def choose(self, bank: int) -> None:
        """This bank is booted next."""
        self.chosen = bank
        self.fresh = self.switched = bank != self.active

    def boot(self, *, good: bool = True) -> bool:
        """Load the chosen bank, or the other if that does not boot (as it does not if not
        `good`). Whether the chosen one runs."""
        wanted = self.banks[self.chosen] if good else None
        was_fresh, self.fresh = self.fresh, False
        if wanted is None:
            self.banks[self.chosen] = None
            self.chosen = (self.chosen + 1) % len(self.banks)
        self.active, self.running = self.chosen, self.banks[self.chosen]
        if self.part.floor and self.running is not None:
            self.floor = max(self.floor, self.running.svn)
        return wanted is not None and was_fresh


def slot_of(path: str, part: Part, running: Image, other: Image | None) -> Slot:
    banks = [running, *[other] * (part.banks - 1)]
    floor = running.svn if part.floor else 0
    return Slot(path=path, part=part, running=running, golden=running, banks=banks, floor=floor)


def is_older(version: str, than: str) -> bool:
    """By the numbers in them, as makers usually mean it."""
    mine, theirs = (tuple(int(n[:18]) for n in _NUMBER.findall(v)) for v in (version, than))
    return mine < theirs
