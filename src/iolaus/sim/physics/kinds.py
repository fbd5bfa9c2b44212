"""What things are made of: the constants of nodes, supplies, loops and rooms, as plain values.

A plant holds arrays; these are the few rows they are filled from. The defaults are round numbers
of today's halls with the source beside them where there is one. Nothing here names a make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAST_BREAKER: Final = 49.0
"""K of the quick end of the trip band: 60 s at 135 %."""
SLOW_BREAKER: Final = 360.0
"""K of the slow end: 120 s at 200 %, the most UL 489 allows up to 30 A."""
NO_BREAKER: Final = 0.0
COOLANT_J_LK: Final = 4000.0
"""Heat of a litre of 25 % glycol per kelvin; 1.5 L/min per kW then rise 8.5 K at 85 % of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What a converter wastes at an output of P: `fixed_w + slope P + bend P^2 / rated`."""

    fixed_w: float = 0.0
    slope: float = 0.0
    bend: float = 0.0


def peaked(rated_w: float, *, peak: float = 0.975, at: float = 0.4, full: float = 0.965) -> Losses:
    """Losses of a converter that is best (`peak`) at the share `at` of its rating and still
    `full` at all of it; the defaults are an ORv3 shelf's."""
    best, worst = 1.0 / peak - 1.0, 1.0 / full - 1.0
    bend = (worst - best) / (1.0 - at) ** 2
    return Losses(fixed_w=bend * at**2 * rated_w, slope=best - 2.0 * at * bend, bend=bend)


def straight(fixed_w: float, efficiency: float) -> Losses:
    """Input = (P + fixed) / efficiency, as rectifiers are often given: (P + 17) / 0.96."""
    return Losses(fixed_w=fixed_w / efficiency, slope=1.0 / efficiency - 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """A GPU's own power smoothing: it never falls under `floor` (of its TDP) until `hold_s` after
    the work did, and moves by at most so many watts a second."""

    floor: float = 0.65
    up_w_s: float = 400.0
    down_w_s: float = 200.0
    hold_s: float = 5.0


NO_LIMIT: Final = 1.0e9
PLAIN: Final = Smoothing(floor=0.0, up_w_s=NO_LIMIT, down_w_s=NO_LIMIT, hold_s=0.0)
"""Smoothing that could be, and is not on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """A machine. GPUs in watts each, the rest for the whole node. R1 is die to plate, R2 plate to
    coolant (or heat sink to air) at nominal flow. `wet_share` of what is not GPU goes to liquid.
    `alpha`: throughput falls as (power / demand)^alpha."""

    name: str = "node"
    gpus: int = 8
    gpu_tdp_w: float = 1000.0
    gpu_idle_w: float = 140.0
    cpu_idle_w: float = 180.0
    cpu_max_w: float = 700.0
    base_w: float = 400.0
    standby_w: float = 40.0
    fan_w: float = 150.0
    liquid: bool = True
    wet_share: float = 0.4
    die_j_k: float = 60.0
    r1_k_w: float = 0.02
    plate_j_k: float = 400.0
    r2_k_w: float = 0.03
    rest_j_k: float = 6000.0
    rest_k_w: float = 0.025
    throttle_c: float = 95.0
    trip_c: float = 108.0
    boot_s: float = 30.0
    alpha: float = 0.4
    losses: Losses = Losses(slope=0.02)
    smoothing: Smoothing | None = None

    @property
    def most_w(self) -> float:
        """Its nameplate: all that it can draw."""
        inside = self.gpus * 1.03 * self.gpu_tdp_w + self.cpu_max_w + self.base_w + self.fan_w
        return inside * (1.0 + self.losses.slope + self.losses.bend) + self.losses.fixed_w


AIR_NODE: Final = NodeKind(
    name="air",
    gpu_tdp_w=700.0,
    gpu_idle_w=90.0,
    fan_w=1400.0,
    liquid=False,
    wet_share=0.0,
    plate_j_k=700.0,
    r2_k_w=0.05,
    throttle_c=85.0,
    trip_c=95.0,
    losses=peaked(12_000.0, peak=0.96, at=0.5, full=0.945),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyKind:
    """Anything that passes power on: transformer, feed, busway, strip, shelf. With `supplies` it
    is a shelf of so many units that ride through by their capacitors (`holdup_j` each; 60 J hold
    20 ms at full load); with `battery_wh` it is backed, with `buffer_j` its edges are smoothed."""

    name: str
    rated_w: float
    losses: Losses = Losses()
    breaker_k: float = NO_BREAKER
    breaker_cool_s: float = 60.0
    supplies: int = 0
    holdup_j: float = 0.0
    buffer_j: float = 0.0
    buffer_w_s: float = 2.0e5
    battery_wh: float = 0.0
    battery_w: float = 0.0
    battery_start_s: float = 0.004
    charge_w: float = 0.0
    charge_efficiency: float = 0.95
    stagger_s: float = 5.0
    outside: bool = False


def orv3_shelf(rated_w: float, *, gpus: int, battery: bool = True) -> SupplyKind:
    """Shelves of a rack on one busbar: 5.5 kW units, 65 J per GPU, four minutes of battery."""
    units = max(2, round(rated_w / 5500.0))
    return SupplyKind(
        name="shelf",
        rated_w=rated_w,
        losses=peaked(rated_w),
        breaker_k=FAST_BREAKER,
        supplies=units,
        holdup_j=0.02 * rated_w / units,
        buffer_j=65.0 * gpus,
        buffer_w_s=6000.0 * gpus,
        battery_wh=rated_w * 240.0 / 3600.0 if battery else 0.0,
        battery_w=rated_w if battery else 0.0,
        charge_w=0.1 * rated_w if battery else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopKind:
    """A coolant unit and its loop. `approach_k` is what it can do at design: supply above the
    facility's water, with the valve open."""

    name: str = "cdu"
    design_w: float = 1.0e6
    lpm_per_kw: float = 1.5
    approach_k: float = 4.0
    supply_c: float = 36.0
    facility_c: float = 28.0
    litres: float = 200.0
    reservoir_l: float = 60.0
    pumps: int = 2
    pump_w: float = 8473.0
    drop_kpa: float = 150.0
    valve_tau_s: float = 7.0
    pump_tau_s: float = 6.0
    valve_gain: float = 0.06
    valve_reset_s: float = 40.0
    pump_gain: float = 0.4
    pump_reset_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneKind:
    """The air of a row: its air handlers hold `supply_c` and let it rise by `rise_k` at design."""

    supply_c: float = 22.0
    rise_k: float = 5.0
    tau_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work of some nodes together. None is drawn from the seed within published ranges.

    Training: steps of `step_s`, of which `duty` computes at `high` (of TDP) and the rest
    communicates at `low`; every `save_every_s` a checkpoint of `save_s` at idle level."""

    name: str = "job"
    work: str = "training"
    step_s: float | None = None
    duty: float | None = None
    high: float | None = None
    low: float | None = None
    save_every_s: float | None = None
    save_s: float | None = None
    jitter: float = 0.03
