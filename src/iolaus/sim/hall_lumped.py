"""What a machine draws and how warm it is, as functions of seed and time.

First-order, lumped, stateless but for the moments at which power was switched: nothing runs
between two reads, and the sums agree wherever one looks. A hall whose plant is stepped asks the
plant instead (`sim/twin`); the two answer the same questions.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from iolaus.sim.hall_wave import draw, heat, service, training, wander

if TYPE_CHECKING:
    from iolaus.sim.hall_life import Life

ROOM_C: Final = 24.0
LOOP_C: Final = 36.0
START_S: Final = 30.0
EPOCH_S: Final = 1_767_225_600.0  # 2026-01-01: where energy counters began


class Smooth(NamedTuple):
    """How a GPU smooths its power: it draws `floor_w` at least while it works and `hold_s` after,
    and moves by so many watts a second at most."""

    floor_w: float
    up_w_s: float
    down_w_s: float
    hold_s: float


class Physics(Protocol):
    """The answers of whatever computes one device: watts, degrees, litres a minute, at `t`."""

    def load(self, t: float) -> float: ...

    def slow_load(self, t: float) -> float: ...

    def gpu_w(self, n: int, t: float) -> float: ...

    def cpu_w(self, n: int, t: float) -> float: ...

    def own_w(self, t: float) -> float: ...

    def feeds_w(self, t: float) -> float: ...

    def outlet_w(self, n: int, t: float) -> float:
        """What the machine at outlet `n`, counted from 0, draws from it while it is on."""
        ...

    def supply_c(self, t: float) -> float: ...

    def inlet_c(self, t: float) -> float: ...

    def fan(self, t: float) -> float: ...

    def part_c(self, n: int, t: float, *, rise: float, kind: str) -> float: ...

    def heat_kw(self, t: float) -> float: ...

    def flow_lpm(self, t: float) -> float: ...

    def return_c(self, t: float) -> float: ...

    def kwh(self, t: float) -> float: ...

    def leak(self, n: int) -> str | None:
        """What detector `n` sees beyond the machine's own wear; None where it says nothing."""
        ...

    def rack_is_wet(self) -> bool:
        """Whether its rack's pan sees water."""
        ...

    def switched(self, host: int, *, on: bool) -> None: ...

    def plugged(self, outlet: int, *, on: bool) -> None:
        """One of its outlets, counted from 0, goes on or off."""
        ...

    def capped(self, part: str, watts: float | None) -> None: ...

    def smoothed(self, n: int, how: Smooth | None) -> None: ...

    def rack_valve(self, opening: float) -> None:
        """The liquid isolation valve of its rack, 0 to 1."""
        ...


class Lumped:
    """One device by itself."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self._summed_at, self._summed = -1, 0.0

    def load(self, t: float) -> float:
        life = self.life
        return training(life.job, t) if life.body.gpus else service(life.seed, t)

    def slow_load(self, t: float) -> float:
        """Load as heat sees it: smoothed over half a minute, and after switching, over minutes."""
        life = self.life
        now = heat(life.job, t) if life.body.gpus else self.load(t - 15.0)
        age = t - max(life.since)
        if any(life.on):
            return now * (1.0 - exp(-age / 60.0)) if age < 600.0 else now
        return now * exp(-age / 120.0) if age < 1200.0 else 0.0

    def gpu_w(self, n: int, t: float) -> float:
        life, body = self.life, self.life.body
        host = life.host_of(n, body.gpus)
        if not life.on[host]:
            return 0.0
        if t - life.since[host] < START_S:
            return body.gpu_idle_w
        own = 0.98 + 0.02 * wander(f"{life.seed}/gpu{n}", t)
        watts = body.gpu_idle_w + (body.gpu_max_w - body.gpu_idle_w) * self.load(t) * own
        if n in life.smooth:
            watts = max(watts, min(life.smooth[n].floor_w, body.gpu_max_w))
        return min(watts, self._gpu_limit(n))

    def _gpu_limit(self, n: int) -> float:
        body, limits = self.life.body, self.life.limit
        limit = limits.get(f"gpu.{n}", body.gpu_max_w)
        if "gpus" in limits:
            limit = min(limit, limits["gpus"] / body.gpus)
        if "node" in limits:
            rest = body.cpus * body.cpu_max_w + body.base_w + body.fan_w
            limit = min(limit, max(0.0, limits["node"] - rest) / body.gpus)
        return max(limit, body.gpu_idle_w)

    def cpu_w(self, n: int, t: float) -> float:
        life, body = self.life, self.life.body
        if not life.on[life.host_of(n, body.cpus)]:
            return 0.0
        own = 0.95 + 0.05 * wander(f"{life.seed}/cpu{n}", t)
        return body.cpu_idle_w + (body.cpu_max_w - body.cpu_idle_w) * life.busy(t) * own

    def own_w(self, t: float) -> float:
        life, body = self.life, self.life.body
        lit = sum(life.on) / len(life.on)
        inside = body.standby_w + (body.base_w - body.standby_w) * lit
        if any(life.on):
            inside += life.gpus_w(t) + life.cpus_w(t) + body.fan_w * self.fan(t) ** 3
        loss = 0.95 if body.supplies else 1.0
        if body.family == "switch":
            inside *= 1.0 + 0.03 * wander(life.seed, t)
        total = inside / loss
        if "node" in life.limit and not body.gpus:
            total = min(total, max(life.limit["node"], body.base_w))
        return total

    def feeds_w(self, t: float) -> float:
        second = int(t)
        if self._summed_at != second:
            life = self.life
            self._summed = life.share * sum(other.drawn_w(t) for other in life.feeds)
            self._summed_at = second
        return self._summed

    def outlet_w(self, n: int, t: float) -> float:
        return self.life.share * self.life.feeds[n].drawn_w(t)

    def supply_c(self, t: float) -> float:
        life = self.life
        if life.coolant is not None:
            return life.coolant.supply_c(t)
        if life.body.family == "cdu":
            loop_c = LOOP_C + life.supply_shift_c(t)
            return loop_c + 2.0 * life.heat_fraction(t) + 0.3 * wander(life.seed, t, period_s=300.0)
        return LOOP_C if life.body.liquid else self.inlet_c(t)

    def inlet_c(self, t: float) -> float:
        place = 4.0 * draw(f"{self.life.seed}/inlet") - 1.0
        return ROOM_C + place + 0.6 * wander(f"{self.life.job}/room", t, period_s=900.0)

    def fan(self, t: float) -> float:
        if not any(self.life.on):
            return 0.0
        return min(1.0, 0.25 + 0.6 * self.slow_load(t) + 0.02 * (self.inlet_c(t) - ROOM_C))

    def part_c(self, n: int, t: float, *, rise: float, kind: str) -> float:
        spread = 1.0 + 0.08 * (draw(f"{self.life.seed}/{kind}{n}") - 0.5)
        idle = 0.12 if any(self.life.on) else 0.0
        return self.supply_c(t) + rise * spread * max(idle, self.slow_load(t))

    def heat_kw(self, t: float) -> float:
        return 0.87 * self.feeds_w(t) / 1000.0

    def flow_lpm(self, t: float) -> float:
        wanted = self.life.flow_wanted_lpm(t)
        return 400.0 + 1100.0 * min(1.0, self.life.heat_fraction(t)) if wanted is None else wanted

    def return_c(self, t: float) -> float:
        """Flow x density x heat capacity of a 25 % glycol mix: 0.0647 kW per L/min and K."""
        if self.life.body.family == "cdu":
            return self.supply_c(t) + self.heat_kw(t) / (0.0647 * max(50.0, self.flow_lpm(t)))
        return self.supply_c(t) + 11.0 * self.slow_load(t)

    def kwh(self, t: float) -> float:
        """Mean power by the calendar."""
        life = self.life
        fed = life.share * sum(other.usual_w() for other in life.feeds)
        mean_w = fed or life.usual_w()
        return max(0.0, t - EPOCH_S) * mean_w / 3.6e6 + 100.0 * draw(f"{life.seed}/kwh")

    def leak(self, n: int) -> str | None:
        del n
        return "OK"

    def rack_is_wet(self) -> bool:
        return False

    def switched(self, host: int, *, on: bool) -> None:
        """Nothing is kept: what was switched stands in the life."""

    def plugged(self, outlet: int, *, on: bool) -> None:
        """Alone, an outlet feeds nobody."""

    def capped(self, part: str, watts: float | None) -> None:
        """Nothing is kept: limits stand in the life."""

    def smoothed(self, n: int, how: Smooth | None) -> None:
        """Nothing is kept: only the floor acts where no time passes between two reads."""

    def rack_valve(self, opening: float) -> None:
        """Nothing is kept: who closes it counts the flow."""
