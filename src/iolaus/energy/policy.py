"""What the operator decided of power and leaks, as values that centre, edge and reflexes go by.

The defaults are the careful ones: the room observes and writes nothing until a policy says
`control`, one feed of a pair must carry everything alone, and what is not measured counts against
us. Durations are seconds, powers watts, shares fractions of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from iolaus.energy.coolant import CoolantRules
from iolaus.energy.recharge import RechargeRules
from iolaus.energy.swing import SwingRules


class Mode(StrEnum):
    OBSERVE = "observe"
    """Look and measure; decide nothing."""
    ADVISE = "advise"
    """Decide and show what would be done; write nothing."""
    CONTROL = "control"


STRENGTH: Final = {Mode.OBSERVE: 0, Mode.ADVISE: 1, Mode.CONTROL: 2}


def _all_alike() -> Mapping[str, Mode]:
    return MappingProxyType({})


class Redundancy(StrEnum):
    """How domains with a second cord count."""

    ALONE = "alone"
    """Every feeder must be able to carry the whole alone (N-1)."""
    SHARED = "shared"
    """Feeders that are in service carry equal parts; after a loss the rest is planned anew."""


class Fairness(StrEnum):
    """What nodes of one priority have in common when there is too little."""

    NODE = "node"
    JOB = "job"
    """The nodes of a job stand at one level, for it runs at the pace of the slowest."""


@dataclass(frozen=True, slots=True)
class DomainRule:
    """What is said of one domain: a limit of its own (the lower counts), a guard of its own, watts
    kept back, and how its second cord counts."""

    limit_w: float | None = None
    guard: float | None = None
    reserve_w: float = 0.0
    redundancy: Redundancy | None = None


@dataclass(frozen=True, slots=True)
class PowerPolicy:
    """`guard` is kept free of every limit, `cap_error` is charged on every cap until a rack's own
    error was measured. `ramp_up_w_s` and `ramp_down_w_s` bound how fast the site's power may be
    granted up and how fast a grid target is walked down (None: at once). `silent_s` without a
    report makes a rack silent: only its floor is granted. `read_s` is how long a centre that
    starts listens before it speaks to racks it has not heard. `modes` are those of racks that
    differ from `mode`. What is None of `recharge`, `coolant` and `swing` is left alone."""

    name: str = "default"
    mode: Mode = Mode.OBSERVE
    guard: float = 0.015
    cap_error: float = 0.01
    lease_s: float = 3.0
    period_s: float = 1.0
    silent_s: float = 3.0
    read_s: float = 3.0
    ramp_up_w_s: float | None = None
    ramp_down_w_s: float | None = None
    redundancy: Redundancy = Redundancy.ALONE
    fairness: Fairness = Fairness.NODE
    headroom: bool = True
    writes_per_minute: int = 6
    deadband: float = 0.01
    domains: Mapping[str, DomainRule] = field(default_factory=lambda: MappingProxyType({}))
    modes: Mapping[str, Mode] = field(default_factory=_all_alike)
    recharge: RechargeRules | None = None
    coolant: CoolantRules | None = None
    swing: SwingRules | None = None

    def mode_of(self, rack: str) -> Mode:
        return self.modes.get(rack, self.mode)

    def weakest(self, racks: Iterable[str]) -> Mode:
        """What may be done to something that several racks share; without any, the usual mode."""
        modes = [self.mode_of(rack) for rack in racks]
        return min(modes, key=STRENGTH.__getitem__, default=self.mode)

    @property
    def strongest(self) -> Mode:
        """The most that it does anywhere."""
        return max((self.mode, *self.modes.values()), key=STRENGTH.__getitem__)


@dataclass(frozen=True, slots=True)
class LeakPolicy:
    """When a leak, lost flow or heat is acted upon, and how. A warning counts when `warning_votes`
    detectors of a zone agree or one has said so for `warning_dwell_s`; one critical detector is
    enough. `flow_cap` is the share of nameplate that is left when coolant stands still, within
    `flow_within_s`. `isolate` permits asking the building to isolate a rack."""

    name: str = "default"
    mode: Mode = Mode.OBSERVE
    warning_votes: int = 2
    warning_dwell_s: float = 10.0
    warning_cap: float = 0.5
    drain: bool = True
    power_off: bool = True
    isolate: bool = True
    isolate_liquid_after_s: float = 1.0
    flow_cap: float = 0.3
    flow_within_s: float = 2.0
    flow_min_lpm: float | None = None
    coolant_max_c: float = 45.0
    die_max_c: float = 90.0
    supply_worst_c: float = 45.0
    modes: Mapping[str, Mode] = field(default_factory=_all_alike)

    def mode_of(self, rack: str) -> Mode:
        return self.modes.get(rack, self.mode)
