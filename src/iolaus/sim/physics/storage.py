"""What holds energy in a rack: capacitors of the supplies, edge buffers, batteries.

While there is AC, the shelf draws what its load takes, but its draw may only change so fast: the
buffer (65 J per GPU) gives or takes the difference until it is empty or full. That covers edges,
not the seconds of a training step. A battery charges, after a delay that staggers the racks, with
a current that can be limited or, for a while, overridden; the override ends by itself.

When AC goes, the capacitors carry the load (20 ms at full) until the battery has started (4 ms),
and the battery until it is empty. What could not be carried is a share of the step: the bus is
dark after it. Energies are counted so that given + lost + stored is what was taken, exactly.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from iolaus.sim.physics.arrays import F64, Bools, Ints, ratio, table, weighted, within
from iolaus.sim.physics.kinds import SupplyKind

TAPER: Final = 0.1
SETTLE_S: Final = 0.5
BUFFER_REST: Final = 0.7
OVERLOAD: Final = 1.55
"""Of its working supplies' rating: what a shelf gives for an instant; more needs the battery."""


class Drawn(NamedTuple):
    """What the stores made of a step: watts taken from the AC side, the share of the load that
    was carried, and watts lost as heat."""

    ac_w: F64
    carried: F64
    lost_w: F64


class Stores:
    """Arrays per shelf. `soc` in [0, 1]; `buffer_j`, `cap_j` in joules; `charging_w` now."""

    def __init__(self, kinds: list[SupplyKind], where: Ints) -> None:
        self.where = where
        rows = [
            (
                *(k.rated_w, k.holdup_j * k.supplies, k.buffer_j, k.buffer_w_s),
                *(k.battery_wh * 3600.0, k.battery_w, k.battery_start_s, k.charge_w),
                *(k.charge_efficiency, k.supplies),
            )
            for k in kinds
        ]
        columns = table(rows, 10)
        self.rated_w, self.cap_full_j, self.buffer_full_j, self.buffer_w_s = columns[:4]
        self.full_j, self.battery_w, self.start_s, self.charge_w = columns[4:8]
        self.efficiency, self.units = columns[8:]
        self.working: F64 = self.units.copy()
        self.soc: F64 = np.ones(len(kinds))
        self.buffer_j: F64 = BUFFER_REST * self.buffer_full_j
        self.cap_j: F64 = self.cap_full_j.copy()
        self.lost_s, self.draw_w, self.charging_w, self.battery_out_w = np.zeros((4, len(kinds)))
        self.charge_share: F64 = np.ones(len(kinds))
        self.override_w: F64 = np.zeros(len(kinds))
        self.override_until_s: F64 = np.full(len(kinds), -1.0)
        self.charge_from_s: F64 = np.zeros(len(kinds))
        stagger = np.array([k.stagger_s for k in kinds])
        self.delay_s: F64 = stagger * np.arange(len(kinds))
        self.battery_ok: Bools = np.ones(len(kinds), dtype=np.bool_)

    # Verbs, by store number

    def limit_charge(self, stores: Ints, share: float) -> None:
        """Charge with at most this share of the charger's power."""
        self.charge_share[stores] = np.clip(share, 0.0, 1.0)

    def override_charge(self, stores: Ints, watts: float, until_s: float) -> None:
        """Charge with so many watts, whatever limit and delay say, until the time is over."""
        self.override_w[stores] = np.clip(watts, 0.0, self.charge_w[stores])
        self.override_until_s[stores] = until_s

    def stored_j(self) -> float:
        return weighted(self.soc, self.full_j) + float(self.buffer_j.sum() + self.cap_j.sum())

    @property
    def available_w(self) -> F64:
        """What the working supplies can give for an instant."""
        available: F64 = OVERLOAD * self.rated_w * self.working_share
        return available

    @property
    def working_share(self) -> F64:
        return ratio(self.working, self.units, otherwise=1.0)

    # The step

    def step(self, load_w: F64, ac: Bools, t: float, dt: float) -> Drawn:
        on_ac = ac & (self.working > 0.0) | ac & (self.units == 0.0)
        before = self.lost_s
        self.lost_s = np.where(on_ac, 0.0, before + dt)
        self.charge_from_s = np.where(on_ac & (before > 0.0), t + self.delay_s, self.charge_from_s)
        draw, refill = self._by_ac(load_w, on_ac, dt)
        charge = np.where(on_ac, self._charge_w(t, dt), 0.0)
        short = np.where(on_ac, np.maximum(0.0, draw - self.available_w), load_w)
        unserved = self._by_store(short, on_ac, before, dt)
        self.soc += ratio(charge * self.efficiency * dt, self.full_j, otherwise=0.0)
        self.soc = within(self.soc, 0.0, 1.0)
        self.charging_w = charge
        from_ac = np.where(on_ac, draw + charge + refill - short, 0.0)
        carried = np.where(load_w > 0.0, 1.0 - unserved / np.maximum(load_w, 1e-9), 1.0)
        return Drawn(np.maximum(from_ac, 0.0), carried, charge * (1.0 - self.efficiency))

    def _by_ac(self, load_w: F64, on_ac: Bools, dt: float) -> tuple[F64, F64]:
        """The draw for the load through the buffer, and what refills the capacitors."""
        wish = load_w + (BUFFER_REST * self.buffer_full_j - self.buffer_j) / SETTLE_S
        swing = self.buffer_w_s * dt
        wish = np.minimum(np.maximum(wish, self.draw_w - swing), self.draw_w + swing)
        level = np.minimum(
            np.maximum(self.buffer_j + (wish - load_w) * dt, 0.0), self.buffer_full_j
        )
        level = np.maximum(level, self.buffer_j - load_w * dt)
        draw = load_w + (level - self.buffer_j) / dt
        self.buffer_j = np.where(on_ac, level, self.buffer_j)
        self.draw_w = np.where(on_ac, draw, 0.0)
        refill = np.where(on_ac, self.cap_full_j - self.cap_j, 0.0)
        self.cap_j = self.cap_j + refill
        return draw, refill / dt

    def _charge_w(self, t: float, dt: float) -> F64:
        """What the charger takes: limited, delayed or overridden; less towards full."""
        if (self.soc >= 1.0).all():
            return np.zeros(self.soc.size)
        overridden = self.override_until_s > t
        usual = np.where(self.charge_from_s <= t, self.charge_share * self.charge_w, 0.0)
        wish = np.where(overridden, self.override_w, usual)
        room_w = (1.0 - self.soc) * self.full_j / (self.efficiency * dt)
        taper = np.minimum(1.0, (1.0 - self.soc) / TAPER)
        taken: F64 = np.where(self.battery_ok, np.minimum(wish * taper, room_w), 0.0)
        return np.where(taken < 1e-3, 0.0, taken)

    def _by_store(self, short_w: F64, on_ac: Bools, before_s: F64, dt: float) -> F64:
        """Give from capacitors and battery what AC does not; watts that nobody gave."""
        if not short_w.any():
            self.battery_out_w = np.zeros(short_w.size)
            return self.battery_out_w
        started = np.where(on_ac, dt, within(before_s + dt - self.start_s, 0.0, dt))
        able_j = np.minimum(self.battery_w * started, self.soc * self.full_j)
        able_j = np.where(self.battery_ok, able_j, 0.0)
        need_j = short_w * dt
        first_j = np.minimum(need_j - short_w * started, self.cap_j)
        battery_j = np.minimum(able_j, np.maximum(0.0, need_j - first_j))
        rest_j = np.maximum(0.0, need_j - first_j - battery_j)
        caps_j = np.minimum(first_j + rest_j, self.cap_j)
        self.cap_j = self.cap_j - caps_j
        self.soc -= ratio(battery_j, self.full_j, otherwise=0.0)
        self.battery_out_w = battery_j / dt
        unserved: F64 = np.maximum(0.0, short_w - (caps_j + battery_j) / dt)
        return unserved
