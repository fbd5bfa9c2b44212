"""How the machines of a hall live: power, heat and what follows, as functions of seed and time.

Every device has a `Life`. It answers for the values its drawing leaves open ("gpu_w.3") and
listens to what is written to the device: a power state, a power limit, an outlet. Nodes burn by
their job's load (see `hall_wave`); shelves and outlets carry what hangs on them; coolant units
take away what the nodes they cool give off. So the sums agree wherever one looks.

The physics is plain on purpose: first-order, lumped, stateless but for the moments at which power
was switched. Nothing runs between two reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import exp
from typing import Any, Final

from iolaus.sim.device import Device, Outcome
from iolaus.sim.hall_values import PART, WHOLE
from iolaus.sim.hall_wave import draw, heat, service, training, wander
from iolaus.sim.hall_wear import Wear
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import CLOSE, OPEN
from iolaus.sim.tree import Resource

Value = float | str | None
ROOM_C: Final = 24.0
LOOP_C: Final = 36.0
START_S: Final = 30.0
EPOCH_S: Final = 1_767_225_600.0  # 2026-01-01: where energy counters began


class Life:
    """One device's life. `feeds` are what it powers or cools; `coolant` is what cools it. A coolant
    unit told what to do has its supply moved by `supply_shift_c` and its flow by `flow_wanted_lpm`
    (None: as the heat asks)."""

    def __init__(
        self, persona: Persona, *, seed: str, job: str = "", wear: Wear | None = None
    ) -> None:
        self.persona = persona
        self.body: Body = persona.body
        self.seed: str = seed
        self.job = job or seed
        self.wear = wear or Wear()
        hosts = max(1, persona.body.hosts)
        self.on = [n not in self.wear.off_hosts for n in range(hosts)]
        self.since = [float("-inf")] * hosts
        self.limit: dict[str, float] = {}
        self.feeds: Sequence[Life] = ()
        self.share = 1.0
        self.coolant: Life | None = None
        self.outlets_off: set[int] = set()
        self.supply_shift_c: Callable[[float], float] = lambda t: 0.0  # noqa: ARG005
        self.flow_wanted_lpm: Callable[[float], float | None] = lambda t: None  # noqa: ARG005
        self._drawn_at, self._drawn = -1, 0.0
        self._summed_at, self._summed = -1, 0.0

    # What the engine asks and tells

    def __call__(self, path: str, resource: Resource, t: float) -> Resource:
        del path
        return {key: self._filled(value, t) for key, value in resource.items()}

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        """Power states, limits and outlets as they are written."""
        del before
        if after is None:
            return
        if path in self.persona.systems:
            self._switched(self.persona.systems.index(path), after, device.clock.now())
        elif path in self.persona.caps:
            self._capped(self.persona.caps[path], after)
        elif "OutletType" in after:
            self._outlet(path, after)

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        del device, path, action, body
        return None

    def _switched(self, host: int, system: Resource, t: float) -> None:
        on = system.get("PowerState") in ("On", "PoweringOn")
        if host < len(self.on) and on != self.on[host]:
            self.on[host], self.since[host] = on, t
            self._drawn_at = -1

    def _capped(self, part: str, resource: Resource) -> None:
        value = limit_of(resource)
        if value is None:
            self.limit.pop(part, None)
        else:
            self.limit[part] = value

    def _outlet(self, path: str, outlet: Resource) -> None:
        label = path.rpartition("/")[2].lstrip(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        )
        if label.isdigit():
            number = int(label) - 1
            off = outlet.get("PowerState") in ("Off", "PoweringOff")
            (self.outlets_off.add if off else self.outlets_off.discard)(number)

    def _filled(self, value: Any, t: float) -> Any:
        if isinstance(value, str):
            return self._said(value, t) if OPEN in value else value
        if isinstance(value, dict):
            return {key: self._filled(inner, t) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, t) for inner in value]
        return value

    def _said(self, text: str, t: float) -> Any:
        head, _, rest = text.partition(OPEN)
        marker, _, tail = rest.partition(CLOSE)
        if marker.startswith("=live|"):
            _, name, digits = marker.split("|")
            return rounded(self.value(name, t), int(digits))
        return f"{head}{self.value(marker.removeprefix('live|'), t)}{tail}"

    # Values

    def value(self, name: str, t: float) -> Value:
        """The live value of this name at `t`; None where it cannot be known (host off)."""
        word, _, index = name.partition(".")
        ask = word.removesuffix("_text")
        found = WHOLE[ask](self, t) if ask in WHOLE else PART[ask](self, int(index or 0), t)
        if ask == word or found is None:
            return found
        return f"{found:.1f}" if isinstance(found, float) else str(found)

    def clock(self, t: float) -> str:
        stamp = datetime.fromtimestamp(t + self.wear.clock_offset_s, UTC)
        return stamp.isoformat(timespec="seconds")

    def host_of(self, part: int, parts: int) -> int:
        return part * len(self.on) // max(1, parts)

    def load(self, t: float) -> float:
        return training(self.job, t) if self.body.gpus else service(self.seed, t)

    def gpu_w(self, n: int, t: float) -> float:
        body = self.body
        host = self.host_of(n, body.gpus)
        if not self.on[host]:
            return 0.0
        if t - self.since[host] < START_S:
            return body.gpu_idle_w
        own = 0.98 + 0.02 * wander(f"{self.seed}/gpu{n}", t)
        watts = body.gpu_idle_w + (body.gpu_max_w - body.gpu_idle_w) * self.load(t) * own
        return min(watts, self._gpu_limit(n))

    def _gpu_limit(self, n: int) -> float:
        limit = self.limit.get(f"gpu.{n}", self.body.gpu_max_w)
        if "gpus" in self.limit:
            limit = min(limit, self.limit["gpus"] / self.body.gpus)
        if "node" in self.limit:
            rest = self.body.cpus * self.body.cpu_max_w + self.body.base_w + self.body.fan_w
            limit = min(limit, max(0.0, self.limit["node"] - rest) / self.body.gpus)
        return max(limit, self.body.gpu_idle_w)

    def cpu_w(self, n: int, t: float) -> float:
        body = self.body
        host = self.host_of(n, body.cpus)
        if not self.on[host]:
            return 0.0
        own = 0.95 + 0.05 * wander(f"{self.seed}/cpu{n}", t)
        return body.cpu_idle_w + (body.cpu_max_w - body.cpu_idle_w) * self.busy(t) * own

    def busy(self, t: float) -> float:
        """Load of the host processors: a training host's follow its GPUs at half the height."""
        return 0.15 + 0.35 * self.load(t) if self.body.gpus else self.load(t)

    def gpus_w(self, t: float) -> float:
        return sum(self.gpu_w(n, t) for n in range(self.body.gpus))

    def cpus_w(self, t: float) -> float:
        return sum(self.cpu_w(n, t) for n in range(self.body.cpus))

    def own_w(self, t: float) -> float:
        """What it draws from its feed, conversion losses included."""
        body = self.body
        lit = sum(self.on) / len(self.on)
        inside = body.standby_w + (body.base_w - body.standby_w) * lit
        if any(self.on):
            inside += self.gpus_w(t) + self.cpus_w(t) + body.fan_w * self.fan(t) ** 3
        loss = 0.95 if body.supplies else 1.0
        if self.body.family == "switch":
            inside *= 1.0 + 0.03 * wander(self.seed, t)
        total = inside / loss
        if "node" in self.limit and not body.gpus:
            total = min(total, max(self.limit["node"], body.base_w))
        return total

    def feeds_w(self, t: float) -> float:
        """The sum of what hangs on it, computed once a second."""
        second = int(t)
        if self._summed_at != second:
            self._summed = self.share * sum(other.drawn_w(t) for other in self.feeds)
            self._summed_at = second
        return self._summed

    def drawn_w(self, t: float) -> float:
        """`own_w` at the last whole second, for those who feed it."""
        second = int(t)
        if self._drawn_at != second:
            self._drawn_at, self._drawn = second, self.own_w(float(second))
        return self._drawn

    def slow_load(self, t: float) -> float:
        """Load as heat sees it: smoothed over half a minute, and after switching, over minutes."""
        now = heat(self.job, t) if self.body.gpus else self.load(t - 15.0)
        age = t - max(self.since)
        if any(self.on):
            return now * (1.0 - exp(-age / 60.0)) if age < 600.0 else now
        return now * exp(-age / 120.0) if age < 1200.0 else 0.0

    def supply_c(self, t: float) -> float:
        if self.coolant is not None:
            return self.coolant.supply_c(t)
        if self.body.family == "cdu":
            loop_c = LOOP_C + self.supply_shift_c(t)
            return loop_c + 2.0 * self.heat_fraction(t) + 0.3 * wander(self.seed, t, period_s=300.0)
        return LOOP_C if self.body.liquid else self.inlet_c(t)

    def inlet_c(self, t: float) -> float:
        place = 4.0 * draw(f"{self.seed}/inlet") - 1.0
        return ROOM_C + place + 0.6 * wander(f"{self.job}/room", t, period_s=900.0)

    def fan(self, t: float) -> float:
        """Fan duty, 0 to 1."""
        if not any(self.on):
            return 0.0
        return min(1.0, 0.25 + 0.6 * self.slow_load(t) + 0.02 * (self.inlet_c(t) - ROOM_C))

    def part_c(self, n: int, t: float, *, rise: float, kind: str) -> float:
        spread = 1.0 + 0.08 * (draw(f"{self.seed}/{kind}{n}") - 0.5)
        idle = 0.12 if any(self.on) else 0.0
        return self.supply_c(t) + rise * spread * max(idle, self.slow_load(t))

    def heat_kw(self, t: float) -> float:
        """What a coolant unit takes away: most of its liquid-cooled machines' power."""
        return 0.87 * self.feeds_w(t) / 1000.0

    def heat_fraction(self, t: float) -> float:
        return min(1.2, 1000.0 * self.heat_kw(t) / max(1.0, self.body.capacity_w))

    def flow_lpm(self, t: float) -> float:
        wanted = self.flow_wanted_lpm(t)
        return 400.0 + 1100.0 * min(1.0, self.heat_fraction(t)) if wanted is None else wanted

    def return_c(self, t: float) -> float:
        """Flow x density x heat capacity of a 25 % glycol mix: 0.0647 kW per L/min and K."""
        if self.body.family == "cdu":
            return self.supply_c(t) + self.heat_kw(t) / (0.0647 * max(50.0, self.flow_lpm(t)))
        return self.supply_c(t) + 11.0 * self.slow_load(t)

    def kwh(self, t: float) -> float:
        """A counter that only rises: mean power by the calendar."""
        fed = self.share * sum(other.usual_w() for other in self.feeds)
        mean_w = fed or self.usual_w()
        return max(0.0, t - EPOCH_S) * mean_w / 3.6e6 + 100.0 * draw(f"{self.seed}/kwh")

    def usual_w(self) -> float:
        body = self.body
        return body.gpus * 0.75 * body.gpu_max_w + body.cpus * 0.4 * body.cpu_max_w + body.base_w


def limit_of(resource: Resource) -> float | None:
    """The power limit a written resource says, in any of the three dialects; None: no limit."""
    found: Any = resource.get("SetPoint")
    metrics = resource.get("PowerLimitWatts")
    if isinstance(metrics, dict):
        off = metrics.get("ControlMode") == "Disabled"
        found = None if off else metrics.get("SetPoint")
    controls = resource.get("PowerControl")
    if isinstance(controls, list) and controls and isinstance(controls[0], dict):
        limit = controls[0].get("PowerLimit")
        found = limit.get("LimitInWatts") if isinstance(limit, dict) else None
    if resource.get("ControlMode") == "Disabled":
        return None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def rounded(value: Value, digits: int) -> Any:
    if not isinstance(value, float):
        return value
    return round(value) if digits == 0 else round(value, digits)
