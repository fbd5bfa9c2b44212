"""How the machines of a hall live: what they say, and what they are told.

Every device has a `Life`. It answers for the values its drawing leaves open ("gpu_w.3") and
listens to what is written to the device: a power state, a power limit, an outlet. Nodes burn by
their job's load; shelves and outlets carry what hangs on them; coolant units take away what the
nodes they cool give off. So the sums agree wherever one looks.

Watts and degrees come from its `physics`: lumped and by itself (`hall_lumped`), or the hall's
stepped plant (`twin`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from iolaus.sim.device import Device, Outcome
from iolaus.sim.hall_lumped import Lumped, Physics, Smooth
from iolaus.sim.hall_values import PART, WHOLE
from iolaus.sim.hall_wear import Wear
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import CLOSE, OPEN
from iolaus.sim.tree import Resource

Value = float | str | None
DRY: Final = "OK"
LEVELS: Final = (DRY, "Warning", "Critical")


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
        self.smooth: dict[int, Smooth] = {}
        self.feeds: Sequence[Life] = ()
        self.share = 1.0
        self.coolant: Life | None = None
        self.outlets_off: set[int] = set()
        self.supply_shift_c: Callable[[float], float] = lambda t: 0.0  # noqa: ARG005
        self.flow_wanted_lpm: Callable[[float], float | None] = lambda t: None  # noqa: ARG005
        self._drawn_at, self._drawn = -1, 0.0
        self.physics: Physics = Lumped(self)

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
        if host < len(self.on):
            self.switch(host, on=on, t=t)

    def switch(self, host: int, *, on: bool, t: float) -> None:
        """Whoever does it: its controller, the outlet it hangs on, or the building."""
        if on != self.on[host]:
            self.on[host], self.since[host] = on, t
            self._drawn_at = -1
            self.physics.switched(host, on=on)

    def _capped(self, part: str, resource: Resource) -> None:
        value = limit_of(resource)
        if value is None:
            self.limit.pop(part, None)
        else:
            self.limit[part] = value
        self.physics.capped(part, value)

    def smooths(self, n: int, how: Smooth | None) -> None:
        """GPU `n` smooths its power from now on (None: no more)."""
        if how is None:
            self.smooth.pop(n, None)
        else:
            self.smooth[n] = how
        self.physics.smoothed(n, how)

    def _outlet(self, path: str, outlet: Resource) -> None:
        label = path.rpartition("/")[2].lstrip(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        )
        if label.isdigit():
            number = int(label) - 1
            off = outlet.get("PowerState") in ("Off", "PoweringOff")
            if off != (number in self.outlets_off):
                (self.outlets_off.add if off else self.outlets_off.discard)(number)
                self.physics.plugged(number, on=not off)

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
        return self.physics.load(t)

    def slow_load(self, t: float) -> float:
        """Load as heat sees it."""
        return self.physics.slow_load(t)

    def busy(self, t: float) -> float:
        """Load of the host processors: a training host's follow its GPUs at half the height."""
        return 0.15 + 0.35 * self.load(t) if self.body.gpus else self.load(t)

    def gpu_w(self, n: int, t: float) -> float:
        return self.physics.gpu_w(n, t)

    def cpu_w(self, n: int, t: float) -> float:
        return self.physics.cpu_w(n, t)

    def gpus_w(self, t: float) -> float:
        return sum(self.gpu_w(n, t) for n in range(self.body.gpus))

    def cpus_w(self, t: float) -> float:
        return sum(self.cpu_w(n, t) for n in range(self.body.cpus))

    def own_w(self, t: float) -> float:
        """What it draws from its feed, conversion losses included."""
        return self.physics.own_w(t)

    def feeds_w(self, t: float) -> float:
        """The sum of what hangs on it."""
        return self.physics.feeds_w(t)

    def drawn_w(self, t: float) -> float:
        """`own_w` at the last whole second, for those who feed it."""
        second = int(t)
        if self._drawn_at != second:
            self._drawn_at, self._drawn = second, self.own_w(float(second))
        return self._drawn

    def supply_c(self, t: float) -> float:
        return self.physics.supply_c(t)

    def return_c(self, t: float) -> float:
        return self.physics.return_c(t)

    def inlet_c(self, t: float) -> float:
        return self.physics.inlet_c(t)

    def fan(self, t: float) -> float:
        """Fan duty, 0 to 1."""
        return self.physics.fan(t)

    def part_c(self, n: int, t: float, *, rise: float, kind: str) -> float:
        """A part that is `rise` above what cools it at full load."""
        return self.physics.part_c(n, t, rise=rise, kind=kind)

    def heat_kw(self, t: float) -> float:
        """What a coolant unit takes away."""
        return self.physics.heat_kw(t)

    def heat_fraction(self, t: float) -> float:
        return min(1.2, 1000.0 * self.heat_kw(t) / max(1.0, self.body.capacity_w))

    def flow_lpm(self, t: float) -> float:
        return self.physics.flow_lpm(t)

    def kwh(self, t: float) -> float:
        """A counter that only rises."""
        return self.physics.kwh(t)

    def usual_w(self) -> float:
        body = self.body
        return body.gpus * 0.75 * body.gpu_max_w + body.cpus * 0.4 * body.cpu_max_w + body.base_w

    def leak(self, n: int) -> str | None:
        """What detector `n` says: its own wear, or water that is there, whichever is worse."""
        worn, seen = self.wear.leaks.get(n, DRY), self.physics.leak(n)
        return None if seen is None else max(worn, seen, key=LEVELS.index)


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
