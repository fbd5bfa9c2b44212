"""Equipment over the lives of a hall: what each kind of thing answers to and obeys.

The lives know power and heat as functions of time; what the building's equipment adds is its own
state: actuators that take seconds to move, batteries that fill and empty, forced signals. All of
it is advanced when it is read, to the moment of reading, so nothing runs in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Final

from iolaus.sim.building.plant import Gear
from iolaus.sim.hall_life import Life
from iolaus.sim.hall_lumped import LOOP_C

VALVE_S, PUMP_S, BREAKER_S = 2.0, 2.5, 0.15
BATTERY_V, BATTERY_AH, DESIGN_AH = 43.2, 7.45, 7.64
USUAL_A, TAPER = 2.0, 0.05
PSU_RATED_W, HOT_C = 5500.0, 85.0
HUMIDITY_PCT = 45.0
LEAK_LEVELS: Final = {"OK": 0.0, "Warning": 1.0, "Critical": 2.0}
Now = Callable[[], float]


@dataclass(slots=True)
class Slew:
    """A first-order move to `target`, begun at `since_s` from `start`."""

    target: float
    start: float
    since_s: float
    tau_s: float

    def at(self, t: float) -> float:
        return self.target + (self.start - self.target) * exp(
            -max(0.0, t - self.since_s) / self.tau_s
        )

    def to(self, target: float, t: float) -> None:
        self.start, self.target, self.since_s = self.at(t), target, t


@dataclass(slots=True)
class Battery:
    """`amps` into it (negative: out). An override ends by itself at `until_s`."""

    soc: float
    at_s: float
    override_a: float = 0.0
    until_s: float = float("-inf")
    charge_from_s: float = float("-inf")
    amps: float = 0.0
    out_w: float = 0.0
    discharges: int = 0

    def override(self, amps: float, until_s: float) -> None:
        self.override_a, self.until_s = amps, until_s

    def advance(self, t: float, out_w: float) -> None:
        """To `t`, giving `out_w` all the way (0: charging, as may be)."""
        self.discharges += out_w > 0.0 >= self.out_w
        self.out_w = out_w
        for end in sorted({min(max(self.until_s, self.at_s), t), t}):
            amps = self._amps(self.at_s, out_w)
            self.soc += amps * (end - self.at_s) / 3600.0 / BATTERY_AH
            self.soc, self.at_s = min(1.0, max(0.0, self.soc)), end
        self.amps = self._amps(t, out_w)

    def _amps(self, t: float, out_w: float) -> float:
        if out_w > 0.0:
            return -out_w / BATTERY_V if self.soc > 0.0 else 0.0
        return self.wish(t) * min(1.0, (1.0 - self.soc) / TAPER)

    def wish(self, t: float) -> float:
        if t < self.until_s:
            return self.override_a
        return USUAL_A if t >= self.charge_from_s else 0.0


class Thing:
    """A named thing; `numbers` is what follows the dot of a point."""

    def __init__(self, life: Life, now: Now) -> None:
        self.life, self.now = life, now

    def read(self, word: str, n: int) -> float | None:
        del n
        return number(self.life, word, self.now())

    def set(self, word: str, n: int, value: float) -> None: ...


def number(life: Life, point: str, t: float) -> float | None:
    """A live value as a number; None for what is no number or not known at all."""
    try:
        value = life.value(point, t)
    except KeyError:
        return None
    return float(value) if isinstance(value, int | float) else None


class Shelf(Thing):
    """Rectifiers. AC can be lost by a forced signal or with the rack's breaker."""

    def __init__(self, life: Life, now: Now, gear: Gear) -> None:
        super().__init__(life, now)
        self.gear = gear
        self.isolated = False
        self._dead = life.wear.dead_psus
        self.lost: set[int] = set()
        self.enabled = set(range(gear.modules))
        self.forced: set[int] = set()
        self.outages = [0] * gear.modules

    @property
    def working(self) -> int:
        return self.gear.modules - len(self.life.wear.dead_psus)

    def out_w(self) -> float:
        return self.life.feeds_w(self.now()) if self.working else 0.0

    def isolate(self, isolated: bool) -> None:
        self.isolated = isolated
        self._apply()

    def _apply(self) -> None:
        every = frozenset(range(self.gear.modules)) if self.isolated else frozenset()
        self.life.wear = replace(self.life.wear, dead_psus=self._dead | self.lost | every)

    def ac(self, n: int) -> bool:
        return not self.isolated and n not in self.lost

    def pulse(self, n: int) -> bool:
        load = number(self.life, f"psu_out_w.{n}", self.now()) or 0.0
        return n in self.forced or (n in self.enabled and load > 1.05 * PSU_RATED_W)

    def read(self, word: str, n: int) -> float | None:
        if word in _SHELF:
            return float(_SHELF[word](self, n))
        if word in (
            "psu_out_w",
            "psu_in_w",
            "psu_out_v",
            "psu_out_a",
            "psu_in_v",
            "psu_in_a",
            "psu_c",
        ):
            return number(self.life, f"{word}.{n}", self.now())
        if word == "clip_c":
            return self._clip_c(n)
        return super().read(word, n)

    def _clip_c(self, n: int) -> float | None:
        """The clip warms with the current through it."""
        amps = number(self.life, f"psu_out_a.{n}", self.now()) or 0.0
        inlet = number(self.life, "inlet_c", self.now())
        return None if inlet is None else inlet + 4.0 + 0.12 * amps

    def set(self, word: str, n: int, value: float) -> None:
        if word == "ac_loss_forced":
            if value and n not in self.lost:
                self.outages[n] += 1
            _put(self.lost, n, value)
            self._apply()
        elif word == "pulse_enabled":
            _put(self.enabled, n, value)
        elif word == "pulse_forced":
            _put(self.forced, n, value)
        elif word == "power_cycle":
            self.outages[n] += 1

    def lose_ac(self, modules: Sequence[int], *, lost: bool) -> None:
        """The feed of these rectifiers fails or comes back."""
        for n in modules:
            self.set("ac_loss_forced", n, float(lost))


def _put(members: set[int], n: int, value: float) -> None:
    (members.add if value else members.discard)(n)


_SHELF: Final[Mapping[str, Callable[[Shelf, int], float]]] = {
    "out_w": lambda s, _: s.out_w(),
    "in_w": lambda s, _: s.out_w() / 0.975 + s.life.body.base_w * (not s.isolated),
    "out_a": lambda s, _: s.out_w() / 50.5,
    "working": lambda s, _: s.working,
    "modules": lambda s, _: s.gear.modules,
    "rated_w": lambda s, _: s.working * PSU_RATED_W,
    "ac_ok": lambda s, _: any(s.ac(k) for k in range(s.gear.modules)),
    "pulse": lambda s, n: s.pulse(n),
    "pulse_enabled": lambda s, n: n in s.enabled,
    "pulse_forced": lambda s, n: n in s.forced,
    "ac_loss_forced": lambda s, n: n in s.lost,
    "psu_ac": lambda s, n: s.ac(n),
    "psu_ok": lambda s, n: n not in s.life.wear.dead_psus,
    "psu_hot": lambda s, n: (number(s.life, f"psu_c.{n}", s.now()) or 0.0) > HOT_C,
    "psu_over": lambda s, n: (number(s.life, f"psu_out_w.{n}", s.now()) or 0.0) > 1.2 * PSU_RATED_W,
    "psu_faults": lambda s, n: n in s.life.wear.dead_psus,
    "psu_fan_rpm": lambda s, n: 6000.0 + 9.0 * (number(s.life, f"psu_c.{n}", s.now()) or 0.0),
    "power_factor": lambda _s, _n: 0.99,
    "ac_outages": lambda s, n: s.outages[n],
    "present": lambda s, n: n < s.gear.modules,
    "alert": lambda s, n: n in s.life.wear.dead_psus,
    "any_alert": lambda s, _: bool(s.life.wear.dead_psus),
}


class BatteryShelf(Thing):
    """Battery units behind the rack's rectifiers: they carry the rack when AC is lost."""

    def __init__(self, life: Life, now: Now, gear: Gear, shelves: Sequence[Shelf]) -> None:
        super().__init__(life, now)
        self.gear, self.shelves = gear, shelves
        t = now()
        charge = [number(life, f"charge_pct.{n}", t) or 98.0 for n in range(gear.modules)]
        self.batteries = [Battery(soc=pct / 100.0, at_s=t) for pct in charge]
        self.delay_s = 0.0
        self._on_ac = True

    def rack_ac(self) -> bool:
        return any(shelf.working for shelf in self.shelves) or not self.shelves

    def carried_w(self) -> float:
        """What each battery unit gives."""
        if self.rack_ac() or any(shelf.isolated for shelf in self.shelves):
            return 0.0
        load = sum(shelf.life.feeds_w(self.now()) for shelf in self.shelves)
        return load / max(1, len(self.batteries))

    def battery(self, n: int) -> Battery:
        t, on_ac = self.now(), self.rack_ac()
        if on_ac and not self._on_ac:
            for each in self.batteries:
                each.charge_from_s = t + self.delay_s
        self._on_ac = on_ac
        found = self.batteries[n]
        found.advance(t, self.carried_w())
        return found

    def soc_pct(self) -> float:
        every = [self.battery(n).soc for n in range(len(self.batteries))]
        return 100.0 * sum(every) / max(1, len(every))

    def read(self, word: str, n: int) -> float | None:
        if word == "to_empty_min":
            return self._to_empty_min(n)
        return float(_BATTERY[word](self, n)) if word in _BATTERY else super().read(word, n)

    def _to_empty_min(self, n: int) -> float | None:
        found = self.battery(n)
        return found.soc * BATTERY_AH / -found.amps * 60.0 if found.amps < 0.0 else None

    def set(self, word: str, n: int, value: float) -> None:
        del n
        if word == "charge_delay_s":
            self.delay_s = value

    def override(self, n: int, amps: float, seconds: float) -> None:
        self.battery(n).override(amps, self.now() + seconds)


def _overridden(s: BatteryShelf, n: int) -> bool:
    return s.now() < s.battery(n).until_s


_BATTERY: Final[Mapping[str, Callable[[BatteryShelf, int], float]]] = {
    "soc_pct": lambda s, n: 100.0 * s.battery(n).soc,
    "soc_design_pct": lambda s, n: 100.0 * s.battery(n).soc * BATTERY_AH / DESIGN_AH,
    "battery_mv": lambda s, n: 1000.0 * (38.0 + 11.0 * s.battery(n).soc),
    "battery_ma": lambda s, n: 1000.0 * s.battery(n).amps,
    "left_mah": lambda s, n: 1000.0 * BATTERY_AH * s.battery(n).soc,
    "full_mah": lambda _s, _n: 1000.0 * BATTERY_AH,
    "design_mah": lambda _s, _n: 1000.0 * DESIGN_AH,
    "charging": lambda s, n: s.battery(n).amps > 0.001,
    "discharging": lambda s, n: s.battery(n).amps < 0.0,
    "empty": lambda s, n: s.battery(n).soc <= 0.0,
    "full": lambda s, n: s.battery(n).soc >= 0.995,
    "soc_low": lambda s, n: s.battery(n).soc < 0.2,
    "override": lambda s, n: _overridden(s, n),
    "override_ma": lambda s, n: 1000.0 * s.battery(n).override_a if _overridden(s, n) else 0.0,
    "charge_usual_ma": lambda s, n: 1000.0 * USUAL_A * (s.now() >= s.battery(n).charge_from_s),
    "charge_delay_s": lambda s, _: s.delay_s,
    "discharges": lambda s, n: s.battery(n).discharges,
    "cell_hot": lambda _s, _n: False,
    "modules": lambda s, _: s.gear.modules,
    "working": lambda s, _: s.gear.modules,
    "present": lambda s, n: n < s.gear.modules,
    "alert": lambda _s, _n: False,
    "any_alert": lambda _s, _n: False,
    "pulse": lambda _s, _n: False,
    "bus_mv": lambda s, _: 1000.0 * (number(s.life, "bus_v", s.now()) or 0.0),
    "rack_out_w": lambda s, _: sum(shelf.out_w() for shelf in s.shelves),
    "rack_ac": lambda s, _: s.rack_ac(),
    "ac_ok": lambda s, _: s.rack_ac(),
    "in_w": lambda s, _: sum(50.5 * max(0.0, s.battery(k).amps) for k in range(s.gear.modules)),
    "out_w": lambda s, _: s.carried_w() * len(s.batteries),
    "out_a": lambda s, _: s.carried_w() * len(s.batteries) / 50.5,
    "rated_w": lambda s, _: 3000.0 * s.gear.modules,
}


class Cdu(Thing):
    """A coolant unit: its set points move its loop, at the speed of its valve and pumps."""

    def __init__(self, life: Life, now: Now, gear: Gear) -> None:
        super().__init__(life, now)
        self.gear = gear
        self.wanted_c = Slew(LOOP_C, LOOP_C, now(), VALVE_S * 4.0)
        self.flags: set[str] = set()
        self.wishes = {"flow_wanted_lpm": 1200.0, "pump_wanted_pct": 60.0}
        self.broken_pumps: set[int] = set()
        self._flow: Slew | None = None
        life.supply_shift_c = lambda t: self.wanted_c.at(t) - LOOP_C
        life.flow_wanted_lpm = self._flow_at

    def _flow_at(self, t: float) -> float | None:
        return None if self._flow is None else self._flow.at(t)

    def _steer(self) -> None:
        """Where the flow shall go: stopped, by hand, by set point, or as the heat asks."""
        t, wanted = self.now(), None
        if "stopped" in self.flags or len(self.broken_pumps) >= self.gear.modules:
            wanted = 0.0
        elif "pumps_by_hand" in self.flags:
            wanted = 18.0 * self.wishes["pump_wanted_pct"]
        elif "flow_control" in self.flags:
            wanted = self.wishes["flow_wanted_lpm"]
        if wanted is None:
            self._flow = None
        elif self._flow is None:
            self._flow = Slew(wanted, self.life.flow_lpm(t), t, PUMP_S)
        else:
            self._flow.to(wanted, t)

    def set(self, word: str, n: int, value: float) -> None:
        if word == "supply_wanted_c":
            self.wanted_c.to(value, self.now())
        elif word in self.wishes:
            self.wishes[word] = value
            self._steer()
        elif word in ("stopped", "pumps_by_hand", "flow_control"):
            (self.flags.add if value else self.flags.discard)(word)
            self._steer()
        elif word == "pump_broken":
            _put(self.broken_pumps, n, value)
            self._steer()

    def pump_pct(self) -> float:
        if self._flow is not None:
            return min(100.0, self._flow.at(self.now()) / 18.0)
        return number(self.life, "pump_pct.0", self.now()) or 0.0

    def read(self, word: str, n: int) -> float | None:
        if word in _CDU:
            return float(_CDU[word](self, n))
        if word in self.wishes:
            return self.wishes[word]
        return super().read(word, n)

    def leak(self, n: int) -> float:
        return LEAK_LEVELS.get(str(self.life.wear.leaks.get(n, "OK")), 0.0)


_CDU: Final[Mapping[str, Callable[[Cdu, int], float]]] = {
    "supply_wanted_c": lambda s, _: s.wanted_c.target,
    "pump_pct": lambda s, n: s.pump_pct() * (n not in s.broken_pumps),
    "pump_rpm": lambda s, n: 42.0 * s.pump_pct() * (n not in s.broken_pumps),
    "pump_ok": lambda s, n: n not in s.broken_pumps,
    "pumps_ok": lambda s, _: not s.broken_pumps,
    "pumps_by_hand": lambda s, _: "pumps_by_hand" in s.flags,
    "flow_control": lambda s, _: "flow_control" in s.flags,
    "stopped": lambda s, _: "stopped" in s.flags,
    "running": lambda s, _: s.life.flow_lpm(s.now()) > 20.0,
    "power_w": lambda s, _: s.life.body.base_w * (s.pump_pct() / 100.0) ** 3,
    "fill_ok": lambda _s, _n: 1.0,
    "air_rh_pct": lambda _s, _n: HUMIDITY_PCT,
    "supply_hot": lambda s, _: s.life.supply_c(s.now()) > 48.0,
    "leak": lambda s, n: s.leak(n) > 0.0,
    "rack_leak": lambda _s, _n: 0.0,
    "status": lambda s, _: 0.0 if "stopped" in s.flags else 1.0,
    "available": lambda s, _: len(s.broken_pumps) < s.gear.modules,
}


class Rope(Thing):
    """Leak ropes: 0 dry, 1 warning, 2 critical."""

    def read(self, word: str, n: int) -> float | None:
        if word != "leak":
            return None
        return LEAK_LEVELS.get(str(self.life.wear.leaks.get(n, "OK")), 0.0)
