"""Power and heat: they move smoothly, repeat, follow what is written, and add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.sim.device import Device
from iolaus.sim.hall import Seat, build_hall
from iolaus.sim.hall_life import Life, limit_of
from iolaus.sim.hall_site import parse_site
from iolaus.sim.hall_sizes import default_site, homogeneous
from iolaus.sim.hall_wave import heat, service, training
from iolaus.sim.personas import personas

NOW = 1_800_000_000.0
SITE = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: physics}
spec:
  racks:
    wet:
      place:
        - {persona: orv3-shelf, u: 1, count: 2}
        - {persona: gb300-tray, u: 8, count: 4}
        - {persona: nvlink-switch, u: 20}
    dry:
      place:
        - {persona: rack-pdu, count: 2}
        - {persona: xe9680-h200, u: 2, count: 3, step: 8}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet, count: 2}, {template: dry}]
          equip: [{persona: cdu-row, count: 2}]
"""


@pytest.fixture
def seats() -> list[Seat]:
    return build_hall(parse_site(SITE, source="physics"))


def number(life: Life, name: str, t: float = NOW) -> float:
    value = life.value(name, t)
    assert isinstance(value, float)
    return value


def of(seats: list[Seat], persona: str) -> list[Life]:
    return [seat.life for seat in seats if seat.persona.name == persona]


def test_shelves_carry_what_their_rack_draws(seats: list[Seat]) -> None:
    for rack in ("h1-r01", "h1-r02"):
        members = [seat for seat in seats if seat.labels.get("rack") == rack]
        shelves = [s.life for s in members if s.persona.kind == "powershelf"]
        drawn = sum(number(s.life, "node_w") for s in members if s.persona.kind != "powershelf")
        given = sum(number(shelf, "shelf_out_w") for shelf in shelves)
        assert given == pytest.approx(drawn)
        supplies = sum(number(shelf, f"psu_out_w.{n}") for shelf in shelves for n in range(6))
        assert supplies == pytest.approx(drawn, rel=0.01)


def test_strips_carry_what_hangs_on_them(seats: list[Seat]) -> None:
    servers, strips = of(seats, "xe9680-h200"), of(seats, "rack-pdu")
    drawn = sum(number(server, "node_w") for server in servers)
    assert sum(number(strip, "pdu_w") for strip in strips) == pytest.approx(drawn)
    phases = sum(number(strip, f"phase_w.{n}") for strip in strips for n in range(3))
    assert phases == pytest.approx(drawn)


def test_coolant_units_take_the_heat_and_answer_it(seats: list[Seat]) -> None:
    units, wet = of(seats, "cdu-row"), [s.life for s in seats if s.persona.body.liquid]
    drawn_kw = sum(number(life, "node_w") for life in wet) / 1000
    assert sum(number(unit, "heat_kw") for unit in units) == pytest.approx(0.87 * drawn_kw)
    unit = units[0]
    before = {name: number(unit, name) for name in ("flow_lpm", "return_c", "pump_pct.0")}
    for life in wet:
        life.on = [False]
    later = NOW + 3600
    assert number(unit, "heat_kw", later) < 0.3 * drawn_kw
    assert number(unit, "flow_lpm", later) < before["flow_lpm"]
    assert number(unit, "return_c", later) < before["return_c"]


def test_supplies_share_what_a_server_draws(seats: list[Seat]) -> None:
    (server, *_) = of(seats, "xe9680-h200")
    total = sum(number(server, f"psu_in_w.{n}") for n in range(6))
    assert total == pytest.approx(number(server, "node_w"), rel=0.01)


@pytest.mark.parametrize("name", sorted(personas()))
def test_values_move_smoothly_and_stay_plausible(name: str) -> None:
    (seat,) = build_hall(homogeneous(1, name))
    life = seat.life
    for step in range(0, 600, 5):
        t = NOW + step
        for word, low, high in (("inlet_c", 10.0, 40.0), ("node_w", 0.0, 20_000.0)):
            assert low <= number(life, word, t) <= high
        assert abs(number(life, "inlet_c", t + 1) - number(life, "inlet_c", t)) < 0.1
    for n in range(life.body.gpus):
        assert 0 < number(life, f"gpu_w.{n}") <= life.body.gpu_max_w
        assert 30 < number(life, f"gpu_c.{n}") < 90


def test_temperature_is_slower_than_power() -> None:
    job = "job"
    power = max(abs(training(job, t + 1) - training(job, t)) for t in range(600))
    warm = max(abs(heat(job, t + 1.0) - heat(job, float(t))) for t in range(600))
    assert warm < power / 4


def test_loads_stay_between_idle_and_full() -> None:
    for job in ("a", "b", "c"):
        for t in range(0, 20_000, 7):
            assert 0.0 <= training(job, t) <= 1.0
            assert 0.0 <= service(job, t) <= 1.0


def test_the_machines_of_a_row_swing_together() -> None:
    a, b = (seat.life for seat in build_hall(homogeneous(2)))
    assert [a.load(NOW + n) for n in range(60)] == [b.load(NOW + n) for n in range(60)]
    assert number(a, "gpu_w.0") != number(b, "gpu_w.0")


def tray() -> tuple[Seat, Device, JumpClock]:
    (seat,) = build_hall(homogeneous(1, "gb300-tray"))
    clock = JumpClock(start=NOW)
    return seat, seat.device(clock=clock), clock


def test_switching_off_is_felt_everywhere() -> None:
    seat, device, clock = tray()
    sensor = "/redfish/v1/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_Temp_0"
    warm = (device.get(sensor) or {})["Reading"]
    device.patch("/redfish/v1/Systems/System_0", {"PowerState": "Off"})
    clock.advance(60)
    assert (device.get(sensor) or {})["Reading"] is None
    assert (device.get("/redfish/v1/Systems/HGX_Baseboard_0") or {})["PowerState"] == "Off"
    assert number(seat.life, "node_w", clock.now()) == seat.life.body.standby_w
    device.patch("/redfish/v1/Systems/System_0", {"PowerState": "On"})
    clock.advance(1)
    just_on = (device.get(sensor) or {})["Reading"]
    clock.advance(600)
    assert just_on < (device.get(sensor) or {})["Reading"] == pytest.approx(warm, abs=4)


def test_a_power_limit_is_kept() -> None:
    seat, device, _ = tray()
    path = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_2/EnvironmentMetrics"
    assert number(seat.life, "gpu_w.2") > 600
    device.patch(path, {"PowerLimitWatts": {"SetPoint": 500}})
    assert all(number(seat.life, "gpu_w.2", NOW + n) <= 500 for n in range(60))
    assert number(seat.life, "gpu_w.1") > 600
    device.patch(path, {"PowerLimitWatts": {"ControlMode": "Disabled"}})
    assert number(seat.life, "gpu_w.2") > 600


def test_the_machine_limit_holds_the_sum() -> None:
    seat, device, _ = tray()
    device.patch(
        "/redfish/v1/Chassis/Chassis_0/EnvironmentMetrics", {"PowerLimitWatts": {"SetPoint": 4000}}
    )
    assert all(number(seat.life, "node_w", NOW + n) <= 4000 for n in range(0, 120, 3))


def least_of(resource: object) -> float | None:
    """The least power limit that a controller says it takes."""
    found = resource.get("PowerLimitWatts", resource) if isinstance(resource, dict) else {}
    least = found.get("AllowableMin", found.get("SettingMin"))
    return None if least is None else float(least)


LEAST = {
    name: (persona, least)
    for name, persona in personas().items()
    for drawn in [persona.draw() if "node" in persona.caps.values() else {}]
    for path, part in persona.caps.items()
    if part == "node" and (least := least_of(drawn[path])) is not None
}


def test_there_are_machines_that_say_their_least_limit() -> None:
    assert {"sd665-twin", "g893-mi325x", "gb300-tray"} <= LEAST.keys()


@pytest.mark.parametrize("name", LEAST)
def test_the_least_limit_that_a_machine_takes_can_be_kept(name: str) -> None:
    persona, least = LEAST[name]
    life = Life(persona, seed=name)
    life.limit["node"] = least
    assert max(life.own_w(NOW + 60 * n) for n in range(120)) <= least


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({"SetPoint": 900}, 900.0),
        ({"SetPoint": 900, "ControlMode": "Disabled"}, None),
        ({"PowerLimitWatts": {"SetPoint": 700}}, 700.0),
        ({"PowerControl": [{"PowerLimit": {"LimitInWatts": 5000}}]}, 5000.0),
        ({"PowerControl": [{"PowerLimit": {"LimitInWatts": None}}]}, None),
        ({"PowerControl": []}, None),
        ({"SetPoint": True}, None),
        ({}, None),
    ],
)
def test_limits_of_three_dialects(body: dict[str, object], limit: float | None) -> None:
    assert limit_of(body) == limit


def test_an_outlet_that_is_off_carries_nothing(seats: list[Seat]) -> None:
    strip = next(seat for seat in seats if seat.persona.name == "rack-pdu")
    device = strip.device(clock=JumpClock(start=NOW))
    path = "/redfish/v1/PowerEquipment/RackPDUs/1/Outlets/2"
    assert (device.get(path) or {})["PowerWatts"]["Reading"] > 500
    device.patch(path, {"PowerState": "Off"})
    assert (device.get(path) or {})["PowerWatts"]["Reading"] == 0
    other = (device.get(path[:-1] + "1") or {})["PowerWatts"]["Reading"]
    assert other > 500


def test_a_strip_whose_inputs_are_dead_can_be_read(seats: list[Seat]) -> None:
    strip = next(seat for seat in seats if seat.persona.name == "rack-pdu")
    strip.life.wear = replace(strip.life.wear, dead_psus=frozenset({0}))
    device = strip.device(clock=JumpClock(start=NOW))
    assert all(device.get(path) for path in device.paths())
    assert number(strip.life, "phase_a.0") == 0
    assert number(strip.life, "phase_a.1") > 0


def test_one_host_of_a_twin_goes_alone() -> None:
    (seat,) = build_hall(homogeneous(1, "sd665-twin"))
    device = seat.device(clock=JumpClock(start=NOW))
    device.patch("/redfish/v1/Systems/2", {"PowerState": "Off"})
    assert (device.get("/redfish/v1/Chassis/Node1") or {})["PowerState"] == "On"
    assert (device.get("/redfish/v1/Chassis/Node2") or {})["PowerState"] == "Off"
    assert number(seat.life, "cpu_w.1") > 0
    assert number(seat.life, "cpu_w.2") == 0


def test_energy_only_rises() -> None:
    for seat in build_hall(default_site()):
        counts = [number(seat.life, "node_kwh", NOW + n) for n in range(0, 100, 20)]
        assert counts == sorted(counts)


def test_flaws_show(seats: list[Seat]) -> None:
    hall = build_hall(default_site())
    leaking = [s for s in hall if s.wear.leaks]
    assert len(leaking) == 1
    detector = "/redfish/v1/Chassis/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors"
    body = leaking[0].device().get(f"{detector}/Chassis_0_LeakDetector_1_Manifold") or {}
    assert body["DetectorState"] == body["Status"]["Health"] == "Warning"
    (late,) = [s for s in hall if s.wear.clock_offset_s]
    device = late.device(clock=JumpClock(start=NOW))
    said = (device.get("/redfish/v1/Managers/1") or {})["DateTime"]
    assert said.startswith("2027-01-14T20:00:00")
    (off,) = [s for s in hall if s.wear.off_hosts]
    assert number(off.life, "node_w") < 200
    (shelf,) = [s for s in hall if s.wear.dead_psus]
    assert number(shelf.life, "psu_out_w.3") == 0
    assert number(shelf.life, "psu_out_w.2") > 0
