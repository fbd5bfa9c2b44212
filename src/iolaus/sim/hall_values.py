"""The names a drawing may leave open, and how each is computed from a device's life.

A name is a word and, after a dot, the number of the part ("fan_rpm.3"); here stands the word.
Every function gets (life, number, seconds since 1970). None means that the device cannot know it
now, because the part has no power: real controllers then say null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from iolaus.sim.hall_wave import draw, wander

if TYPE_CHECKING:
    from iolaus.sim.hall_life import Life

Value = float | str | None
Asked = Callable[["Life", int, float], Value]
BUS_V: Final = 50.6
MAINS_V: Final = 240.0
EPOCH_S: Final = 1_767_225_600.0  # 2026-01-01
YEAR_S: Final = 31_557_600.0
STATES: Final = {"OK": 2.4, "Warning": 1.3, "Critical": 0.4}


def powered(ask: Callable[[Life, int, float], float]) -> Asked:
    """Known only while a host is on."""
    return lambda life, n, t: ask(life, n, t) if any(life.on) else None


def lit(ask: Callable[[Life, float], float]) -> Callable[[Life, float], Value]:
    """The same for a value of the whole device."""
    return lambda life, t: ask(life, t) if any(life.on) else None


def steady(seed: str, t: float, middle: float, swing: float) -> float:
    return middle + swing * wander(seed, t, period_s=120.0)


def switched(life: Life, n: int, t: float) -> str:
    del n, t
    return "On" if any(life.on) else "Off"


def host_state(life: Life, n: int, t: float) -> str:
    del t
    return "On" if life.on[n] else "Off"


def leak(life: Life, n: int, t: float) -> str | None:
    del t
    return life.leak(n)


def leak_v(life: Life, n: int, t: float) -> float | None:
    state = life.leak(n)
    return None if state is None else steady(f"{life.seed}/leak{n}", t, STATES[state], 0.02)


def node_w(life: Life, n: int, t: float) -> float:
    del n
    return life.own_w(t)


def mean_w(life: Life, n: int, t: float) -> float:
    return sum(node_w(life, n, t - back) for back in (0.0, 20.0, 40.0, 60.0)) / 4.0


def most_w(life: Life, n: int, t: float) -> float:
    del n, t
    body = life.body
    return body.gpus * body.gpu_max_w + body.cpus * body.cpu_max_w + body.base_w + body.fan_w


def least_w(life: Life, n: int, t: float) -> float:
    del n, t
    return life.body.standby_w


def psu_share(life: Life, n: int, t: float) -> float:
    """Output of supply n: what is carried, over the supplies that deliver."""
    supplies, dead = life.body.supplies, life.wear.dead_psus
    if n in dead or not supplies:
        return 0.0
    carried = life.feeds_w(t) if life.body.family in ("shelf", "bbu") else life.own_w(t) * 0.95
    return carried / (supplies - len(dead)) * (1.0 + 0.01 * wander(f"{life.seed}/psu{n}", t))


def psu_in_w(life: Life, n: int, t: float) -> float:
    loss = 0.975 if life.body.family == "shelf" else 0.95
    return psu_share(life, n, t) / loss


def psu_in_v(life: Life, n: int, t: float) -> float:
    return 0.0 if n in life.wear.dead_psus else steady(f"{life.seed}/mains{n}", t, MAINS_V, 1.6)


def psu_in_a(life: Life, n: int, t: float) -> float:
    volts = psu_in_v(life, n, t)
    return psu_in_w(life, n, t) / volts if volts else 0.0


def psu_out_v(life: Life, n: int, t: float) -> float:
    if n in life.wear.dead_psus:
        return 0.0
    return steady(f"{life.seed}/rail{n}", t, life.body.supply_v, 0.004 * life.body.supply_v)


def psu_out_a(life: Life, n: int, t: float) -> float:
    volts = psu_out_v(life, n, t)
    return psu_share(life, n, t) / volts if volts else 0.0


def psu_c(life: Life, n: int, t: float) -> float:
    return life.inlet_c(t) + 6.0 + psu_share(life, n, t) / 180.0


def fan_pct(life: Life, n: int, t: float) -> float:
    spread = 1.0 + 0.02 * wander(f"{life.seed}/fan{n}", t, period_s=20.0)
    return min(100.0, 100.0 * life.fan(t) * spread)


def fan_rpm(life: Life, n: int, t: float) -> float:
    body, duty = life.body, fan_pct(life, n, t) / 100.0
    return (body.fan_min_rpm + (body.fan_max_rpm - body.fan_min_rpm) * duty) if duty else 0.0


def steady_fan_pct(life: Life, n: int, t: float) -> float:
    return 35.0 + 20.0 * min(1.0, psu_share(life, n, t) / 5500.0)


def gpu_util(life: Life, n: int, t: float) -> float:
    return min(100.0, 100.0 * life.load(t) * (1.0 + 0.02 * wander(f"{life.seed}/util{n}", t)))


def gpu_rise(life: Life) -> float:
    return 27.0 if life.body.liquid else 46.0


def outlet_w(life: Life, n: int, t: float) -> float:
    """An outlet carries its share of one machine; those without a machine carry nothing."""
    if n in life.outlets_off or n >= len(life.feeds):
        return 0.0
    return life.physics.outlet_w(n, t)


def outlets_w(life: Life, t: float) -> float:
    return sum(outlet_w(life, n, t) for n in range(life.body.outlets))


def phase_w(life: Life, n: int, t: float) -> float:
    """Power of phase or branch n of three: outlets are dealt out in turn."""
    return sum(outlet_w(life, k, t) for k in range(n, life.body.outlets, 3))


def phase_a(life: Life, n: int, t: float) -> float:
    volts = psu_in_v(life, n, t)
    return phase_w(life, n, t) / volts if volts else 0.0


def pump_pct(life: Life, n: int, t: float) -> float:
    return 35.0 + 55.0 * min(1.0, life.heat_fraction(t)) + wander(f"{life.seed}/pump{n}", t)


def charge_pct(life: Life, n: int, t: float) -> float:
    return steady(f"{life.seed}/cell{n}", t, 98.0, 0.4)


def fill_pct(life: Life, n: int, t: float) -> float:
    del n
    return steady(f"{life.seed}/fill", t, 84.0, 0.5)


def joules(life: Life, n: int, t: float) -> float:
    return 3.6e6 * life.kwh(t) / 10.0 + n


SWINGS: Final[Mapping[str, float]] = {
    "Power": 0.03,
    "Current": 0.03,
    "Temperature": 0.015,
    "Rotational": 0.02,
    "Fan": 0.02,
    "Percent": 0.01,
    "Voltage": 0.004,
}


def near(life: Life, n: int, t: float) -> float:
    """A recorded reading: round its value, and what is left of it where every host is off."""
    quantity, value = life.persona.near[n]
    if quantity.startswith("Energy"):
        return value * (1.0 + max(0.0, t - EPOCH_S) / YEAR_S)
    if not any(life.on) and life.body.family == "node":
        rest = {"Temperature": 24.0 + 0.2 * (value - 24.0), "Voltage": value}
        return rest.get(quantity, value * 0.04)
    swing = SWINGS.get(quantity, 0.01)
    return value * (1.0 + swing * wander(f"{life.seed}/near{n}", t, period_s=60.0))


WHOLE: Final[Mapping[str, Callable[[Life, float], Value]]] = {
    "time": lambda life, t: life.clock(t),
    "node_kwh": lambda life, t: life.kwh(t),
    "bus_v": lambda life, t: steady(f"{life.seed}/bus", t, BUS_V, 0.15),
    "bus_a": lambda life, t: life.own_w(t) / BUS_V,
    "pdb_c": lambda life, t: life.part_c(0, t, rise=22.0, kind="pdb"),
    "bmc_c": lambda life, t: life.inlet_c(t) + 14.0,
    "board_w": lit(lambda life, t: life.gpus_w(t) * 1.04),
    "inlet_c": lambda life, t: life.inlet_c(t),
    "exhaust_c": lambda life, t: (
        life.inlet_c(t) + (4.0 if life.body.liquid else 18.0) * life.slow_load(t)
    ),
    "supply_c": lambda life, t: life.supply_c(t),
    "return_c": lambda life, t: life.return_c(t),
    "delta_c": lambda life, t: life.return_c(t) - life.supply_c(t),
    "gpus_w": lambda life, t: life.gpus_w(t),
    "gpu_mhz": lit(lambda life, t: 345.0 + 1575.0 * life.load(t)),
    "gpu_v": lit(lambda life, t: 0.68 + 0.22 * life.load(t)),
    "cpu_util": lit(lambda life, t: 100.0 * life.busy(t)),
    "cpu_mhz": lit(lambda life, t: life.body.cpu_mhz * (0.6 + 0.4 * life.busy(t))),
    "cpu_hz": lit(lambda life, t: 1e6 * life.body.cpu_mhz * (0.6 + 0.4 * life.busy(t))),
    "nic_c": lit(lambda life, t: life.inlet_c(t) + 26.0 + 8.0 * life.slow_load(t)),
    "shelf_out_w": lambda life, t: life.feeds_w(t),
    "shelf_in_w": lambda life, t: life.feeds_w(t) / 0.975,
    "shelf_out_a": lambda life, t: life.feeds_w(t) / BUS_V,
    "outlet_kwh": lambda life, t: life.kwh(t) / max(1, life.body.outlets),
    "pdu_w": lambda life, t: outlets_w(life, t),
    "pdu_kwh": lambda life, t: life.kwh(t),
    "pdu_load_pct": lambda life, t: 100.0 * outlets_w(life, t) / max(1.0, life.body.capacity_w),
    "hertz": lambda life, t: steady(f"{life.seed}/hertz", t, 60.0, 0.03),
    "humidity_pct": lambda life, t: steady(f"{life.seed}/humid", t, 44.0, 3.0),
    "flow_lpm": lambda life, t: life.flow_lpm(t),
    "heat_kw": lambda life, t: life.heat_kw(t),
    "supply_kpa": lambda life, t: 210.0 + 90.0 * life.heat_fraction(t),
    "return_kpa": lambda life, t: 115.0 + 12.0 * life.heat_fraction(t),
    "drop_kpa": lambda life, t: 95.0 + 78.0 * life.heat_fraction(t),
    "facility_supply_c": lambda life, t: steady(f"{life.seed}/site", t, 29.0, 0.8),
    "facility_return_c": lambda life, t: (
        29.0 + life.heat_kw(t) / (0.0697 * max(200.0, 0.8 * life.flow_lpm(t)))
    ),
    "facility_flow_lpm": lambda life, t: max(200.0, 0.8 * life.flow_lpm(t)),
    "facility_kpa": lambda life, t: 280.0 + 20.0 * life.heat_fraction(t),
    "valve_pct": lambda life, t: 20.0 + 70.0 * min(1.0, life.heat_fraction(t)),
}
"""Values of the whole device."""

PART: Final[Mapping[str, Asked]] = {
    "power_state": switched,
    "host_state": host_state,
    "node_w": node_w,
    "node_w_avg": mean_w,
    "node_w_max": most_w,
    "node_w_min": least_w,
    "module_inlet_c": lambda life, n, t: life.inlet_c(t) + 2.0 + draw(f"{life.seed}/m{n}"),
    "leak": leak,
    "leak_v": leak_v,
    "gpu_w": lambda life, n, t: life.gpu_w(n, t),
    "gpu_c": powered(lambda life, n, t: life.part_c(n, t, rise=gpu_rise(life), kind="gpu")),
    "gpu_mem_c": powered(
        lambda life, n, t: life.part_c(n, t, rise=gpu_rise(life) + 9.0, kind="hbm")
    ),
    "gpu_mem_w": lambda life, n, t: 0.14 * life.gpu_w(n, t),
    "gpu_util": powered(gpu_util),
    "gpu_j": joules,
    "cpu_w": lambda life, n, t: life.cpu_w(n, t),
    "cpu_cpu_w": lambda life, n, t: 0.78 * life.cpu_w(n, t),
    "cpu_soc_w": lambda life, n, t: 0.22 * life.cpu_w(n, t),
    "cpu_c": powered(
        lambda life, n, t: life.part_c(n, t, rise=24.0 if life.body.liquid else 38.0, kind="cpu")
    ),
    "cpu_j": joules,
    "dimm_c": powered(lambda life, n, t: life.part_c(n, t, rise=17.0, kind="dimm")),
    "disk_c": powered(lambda life, n, t: life.inlet_c(t) + 9.0 + 6.0 * draw(f"{life.seed}/d{n}")),
    "psu_in_v": psu_in_v,
    "psu_in_a": psu_in_a,
    "psu_in_w": psu_in_w,
    "psu_out_v": psu_out_v,
    "psu_out_a": psu_out_a,
    "psu_out_w": psu_share,
    "psu_c": psu_c,
    "psu_fan_pct": steady_fan_pct,
    "fan_pct": fan_pct,
    "fan_rpm": fan_rpm,
    "charge_pct": charge_pct,
    "cell_c": lambda life, n, t: life.inlet_c(t) + 4.0 + draw(f"{life.seed}/cell{n}"),
    "outlet_w": outlet_w,
    "outlet_a": lambda life, n, t: outlet_w(life, n, t) / MAINS_V,
    "phase_w": phase_w,
    "phase_a": phase_a,
    "phase_v": psu_in_v,
    "pump_pct": pump_pct,
    "pump_rpm": lambda life, n, t: 42.0 * pump_pct(life, n, t),
    "fill_pct": fill_pct,
    "near": near,
    "switch_w": lambda life, n, t: 0.4 * life.own_w(t) * (1.0 + 0.02 * draw(f"{life.seed}/c{n}")),
    "switch_c": lambda life, n, t: life.part_c(n, t, rise=24.0, kind="asic"),
}
"""Values of one of its parts."""
