"""Readings: each sensor once, judged, in one unit, with its meaning."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iolaus.drivers.redfish.harvest import ROOT
from iolaus.drivers.redfish.sensors import Readings, read_readings
from iolaus.model.asset import AssetKind, Reading
from tests.drivers.redfish.build import AT, BOX, HOST, harvest_of, link, one_asset, sensor, typed

NODE = {"Systems/Host": AssetKind.NODE}
SENSORS = f"{BOX}/Sensors"


def read(resources: dict[str, Any], **given: Any) -> Readings:
    return read_readings(harvest_of(resources), one_asset, kinds=given.pop("kinds", NODE), **given)


def only(resources: dict[str, Any], **given: Any) -> Reading:
    found = read(resources, **given).readings
    assert len(found) == 1, [each.uri for each in found]
    return found[0]


def machine(**more: Any) -> dict[str, Any]:
    """A host that stands in the box."""
    return {
        HOST: typed("ComputerSystem", PowerState="On", Links={"Chassis": [link(BOX)]}, **more),
        BOX: typed("Chassis", ChassisType="RackMount"),
    }


# --- a sensor as it should be -------------------------------------------------------------------


def test_a_sensor_is_a_reading_with_unit_status_limits_and_time() -> None:
    found = only(
        {
            f"{SENSORS}/Inlet": sensor(
                "Inlet Temp",
                "Temperature",
                24.5,
                "Cel",
                PhysicalContext="Intake",
                Thresholds={
                    "UpperCaution": {"Reading": 38},
                    "UpperCritical": {"Reading": 42},
                    "UpperFatal": {"Reading": None},
                    "LowerCautionUser": {"Reading": 3},
                },
            )
        }
    )
    assert (found.name, found.uri, found.quantity) == (
        "Inlet Temp",
        f"{SENSORS}/Inlet",
        "Temperature",
    )
    assert (found.value, found.unit, found.status, found.reason) == (24.5, "Cel", "OK", "")
    assert found.limits == {"upper_caution": 38, "upper_critical": 42, "lower_caution_user": 3}
    assert (found.role, found.at, found.asset) == ("inlet_temperature", AT, "Systems/Host")


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "expected"),
    [
        ("Temperature", "C", 31, (31, "Cel")),
        ("Temperature", "degrees C", 31, (31, "Cel")),
        ("Temperature", "[degF]", 212, (100, "Cel")),
        ("Temperature", "K", 300, (26.85, "Cel")),
        ("Power", "kW", 1.5, (1500, "W")),
        ("Voltage", "mV", 12_000, (12, "V")),
        ("Voltage", "", 12, (12, "V")),
        ("PressurekPa", "[psi]", 10, (68.94757, "kPa")),
        ("Frequency", "MHz", 1, (1e6, "Hz")),
        ("LinearVelocity", "m/s", 2, (2, "m/s")),
    ],
)
def test_units_become_the_quantity_s_own(
    quantity: str, unit: str, value: float, expected: tuple[float, str]
) -> None:
    found = only({f"{SENSORS}/A": sensor("A", quantity, value, unit)})
    assert found.value == pytest.approx(expected[0])
    assert found.unit == expected[1]


def test_limits_are_turned_with_the_reading() -> None:
    limits = {"UpperCritical": {"Reading": 2}}
    found = only({f"{SENSORS}/A": sensor("A", "Power", 1, "kW", Thresholds=limits)})
    assert (found.value, found.limits) == (1000, {"upper_critical": 2000})


def test_a_unit_that_does_not_fit_is_kept_and_counted() -> None:
    told = read({f"{SENSORS}/A": sensor("A", "Altitude", 101_500, "Pa")})
    assert (told.readings[0].value, told.readings[0].unit) == (101_500, "Pa")
    assert [each.rule for each in told.deviations] == ["reading-unit"]


def test_a_missing_quantity_comes_from_the_unit() -> None:
    found = only({f"{SENSORS}/A": sensor("A", "", 22, "Cel") | {"ReadingType": None}})
    assert (found.quantity, found.value) == ("Temperature", 22)


def test_a_missing_quantity_and_unit_come_from_the_excerpt_that_names_the_sensor() -> None:
    bare = typed("Sensor", Name="01-Inlet", Reading=22)
    metrics = typed(
        "ThermalMetrics",
        TemperatureReadingsCelsius=[{"DeviceName": "01-Inlet", "Reading": 21}],
    )
    found = only({f"{SENSORS}/0": bare, f"{BOX}/ThermalSubsystem/ThermalMetrics": metrics})
    assert (found.uri, found.quantity, found.unit, found.value) == (
        f"{SENSORS}/0",
        "Temperature",
        "Cel",
        22,
    )


def test_a_number_of_no_quantity_is_no_value() -> None:
    told = read({f"{SENSORS}/0": typed("Sensor", Name="What", Reading=22)})
    assert told.readings[0].value is None
    assert "neither quantity nor unit" in told.readings[0].reason
    assert [each.rule for each in told.deviations] == ["reading-unit"]


# --- plausibility -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "unit", "raw", "rule"),
    [
        ("Temperature", "Cel", math.nan, "reading-not-finite"),
        ("Temperature", "Cel", math.inf, "reading-not-finite"),
        ("Temperature", "Cel", 10**400, "reading-not-finite"),
        ("Temperature", "Cel", "N/A", "reading-type"),
        ("Temperature", "Cel", True, "reading-type"),
        ("Temperature", "Cel", [1], "reading-type"),
        ("Temperature", "Cel", -300, "reading-impossible"),
        ("Temperature", "Cel", 32_767, "reading-impossible"),
        ("Power", "W", -10, "reading-impossible"),
        ("Rotational", "RPM", 65_535, "reading-impossible"),
        ("Humidity", "%", 255, "reading-impossible"),
    ],
)
def test_what_cannot_be_is_unknown_with_a_reason_and_a_deviation(
    quantity: str, unit: str, raw: object, rule: str
) -> None:
    told = read({f"{SENSORS}/A": sensor("A", quantity, raw, unit)})
    assert told.readings[0].value is None
    assert told.readings[0].reason
    assert [each.rule for each in told.deviations] == [rule]
    assert told.deviations[0].uri == f"{SENSORS}/A"


def test_a_number_in_quotes_counts_and_is_a_deviation() -> None:
    told = read({f"{SENSORS}/A": sensor("A", "Voltage", " 12.5", "V")})
    assert told.readings[0].value == 12.5
    assert [each.rule for each in told.deviations] == ["reading-as-text"]


def test_nothing_reported_is_unknown_and_no_deviation() -> None:
    told = read({f"{SENSORS}/A": sensor("A", "Voltage", None, "V")})
    assert (told.readings[0].value, told.readings[0].reason) == (None, "not reported")
    assert told.deviations == ()


def test_zero_while_the_host_is_off_is_no_measurement() -> None:
    tree = {
        HOST: typed("ComputerSystem", PowerState="Off"),
        f"{SENSORS}/V": sensor("Rail", "Voltage", 0, "V"),
        f"{SENSORS}/F": sensor("Fan", "Rotational", 0, "RPM"),
        f"{SENSORS}/T": sensor("Room", "Temperature", 21, "Cel"),
    }
    told = read(tree)
    assert [each.value for each in told.readings] == [None, None, 21]
    assert "host is off" in told.readings[0].reason
    assert told.deviations == ()


def test_zero_while_the_host_is_on_stays() -> None:
    tree = machine() | {f"{SENSORS}/F": sensor("Fan", "Rotational", 0, "RPM")}
    assert only(tree).value == 0


def test_a_zero_that_contradicts_its_own_verdict_is_no_measurement() -> None:
    limits = {"LowerCritical": {"Reading": 500}}
    told = read({f"{SENSORS}/F": sensor("Fan", "Rotational", 0, "RPM", Thresholds=limits)})
    assert told.readings[0].value is None
    assert told.deviations[0].rule == "reading-contradicts-health"


def test_a_fan_that_stands_still_and_says_so_is_zero() -> None:
    limits = {"LowerCritical": {"Reading": 500}}
    status = {"State": "Enabled", "Health": "Critical"}
    still = sensor("Fan", "Rotational", 0, "RPM", Thresholds=limits) | {"Status": status}
    found = only({f"{SENSORS}/F": still})
    assert (found.value, found.status) == (0, "Critical")


def test_exactly_zero_degrees_inside_a_machine_is_no_measurement() -> None:
    told = read({f"{SENSORS}/M": sensor("M", "Temperature", 0, "Cel", PhysicalContext="Memory")})
    assert told.readings[0].value is None
    assert told.deviations[0].rule == "reading-zero"


def test_a_difference_may_be_zero_or_negative() -> None:
    delta = {"ReadingBasis": "Delta", "PhysicalContext": "Pump"}
    tree = {
        f"{SENSORS}/A": sensor("A", "Temperature", 0, "Cel", **delta),
        f"{SENSORS}/B": sensor("B", "Temperature", -3, "Cel", **delta),
    }
    assert [each.value for each in read(tree).readings] == [0, -3]


def test_a_battery_may_take_power() -> None:
    found = only({f"{SENSORS}/B": sensor("B", "Power", -40, "W", PhysicalContext="Battery")})
    assert found.value == -40


def test_a_machine_that_answers_draws_something() -> None:
    power = typed("Power", PowerControl=[{"Name": "System", "PowerConsumedWatts": 0}])
    told = read(machine() | {f"{BOX}/Power": power})
    assert (told.readings[0].role, told.readings[0].value) == ("node_power", None)
    assert told.deviations[0].rule == "reading-zero"


@pytest.mark.parametrize("state", ["Disabled", "UnavailableOffline"])
def test_a_dead_sensor_has_no_value(state: str) -> None:
    dead = sensor("A", "Temperature", 20, "Cel") | {"Status": {"State": state}}
    found = only({f"{SENSORS}/A": dead})
    assert (found.value, found.reason) == (None, f"the sensor is {state}")


def test_an_empty_slot_is_left_out() -> None:
    empty = sensor("A", "Temperature", 0, "Cel") | {"Status": {"State": "Absent"}}
    assert read({f"{SENSORS}/A": empty}).readings == ()


def test_an_upper_limit_of_zero_is_a_blank_field() -> None:
    limits = {"UpperCritical": {"Reading": 0}, "LowerCritical": {"Reading": 0}}
    found = only({f"{SENSORS}/A": sensor("A", "Voltage", 1, "V", Thresholds=limits)})
    assert found.limits == {"lower_critical": 0}


def test_hostile_names_are_cleaned_and_bounded() -> None:
    nasty = "\x1b[31mCPU\u202e\x00 1" + "x" * 5000
    found = only({f"{SENSORS}/A": sensor(nasty, "Temperature", 20, "Cel")})
    assert found.name.startswith("[31mCPU  1xx")
    assert len(found.name) <= 256


# --- one sensor, many sightings -----------------------------------------------------------------


def test_a_sensor_seen_as_excerpt_and_in_the_legacy_array_is_one_reading() -> None:
    uri = f"{SENSORS}/CPU1"
    tree = {
        uri: sensor("CPU 1 Temp", "Temperature", 50, "Cel", PhysicalContext="CPU"),
        f"{BOX}/EnvironmentMetrics": typed(
            "EnvironmentMetrics", TemperatureCelsius={"Reading": 49, "DataSourceUri": uri}
        ),
        f"{BOX}/ThermalSubsystem/ThermalMetrics": typed(
            "ThermalMetrics",
            TemperatureReadingsCelsius=[{"Reading": 49, "DataSourceUri": f"{uri}/"}],
        ),
        f"{BOX}/Thermal": typed(
            "Thermal", Temperatures=[{"Name": "CPU 1 Temperature", "ReadingCelsius": 48}]
        ),
    }
    told = read(tree)
    assert [(each.uri, each.value) for each in told.readings] == [(uri, 50)]
    assert told.sources[uri] == tuple(tree)


def test_legacy_entries_that_modern_sensors_cover_are_the_same_in_old_words() -> None:
    tree = {
        f"{SENSORS}/A": sensor("Front Panel", "Temperature", 20, "Cel"),
        f"{SENSORS}/B": sensor("Rear Panel", "Temperature", 30, "Cel"),
        f"{BOX}/Thermal": typed(
            "Thermal",
            Temperatures=[
                {"Name": "Ambient", "ReadingCelsius": 20},
                {"Name": "Exit", "ReadingCelsius": 30},
            ],
            Fans=[{"Name": "Fan 1", "Reading": 4000, "ReadingUnits": "RPM"}],
        ),
    }
    assert [each.name for each in read(tree).readings] == ["Front Panel", "Rear Panel", "Fan 1"]


def test_legacy_entries_beyond_the_modern_ones_are_kept() -> None:
    names = ("One", "Two", "Three")
    tree = {
        f"{SENSORS}/A": sensor("One", "Temperature", 20, "Cel"),
        f"{BOX}/Thermal": typed(
            "Thermal", Temperatures=[{"Name": name, "ReadingCelsius": 21} for name in names]
        ),
    }
    assert [each.name for each in read(tree).readings] == list(names)


def test_an_excerpt_whose_source_hangs_elsewhere_is_found_by_its_last_segment() -> None:
    fan = {"DataSourceUri": f"{ROOT}/Chassis/Other/Sensors/FAN_1_F", "SpeedRPM": 9000}
    tree = {
        f"{SENSORS}/FAN_1_F": sensor("FAN 1 F", "Rotational", 9100, "RPM"),
        f"{ROOT}/Chassis/Other/EnvironmentMetrics": typed(
            "EnvironmentMetrics", FanSpeedsPercent=[fan]
        ),
    }
    assert only(tree).value == 9100


def test_a_common_last_segment_is_not_enough() -> None:
    power = {"DataSourceUri": f"{ROOT}/Chassis/Other/Sensors/Power", "Reading": 500}
    tree = {
        f"{SENSORS}/Power": sensor("Power", "Power", 300, "W"),
        f"{ROOT}/Chassis/Other/EnvironmentMetrics": typed("EnvironmentMetrics", PowerWatts=power),
    }
    assert sorted(each.value or 0 for each in read(tree).readings) == [300, 500]


def test_a_fan_s_rpm_beside_its_per_cent_is_a_reading_of_its_own() -> None:
    uri = f"{SENSORS}/Fan1"
    fan = {"DataSourceUri": uri, "Reading": 45, "SpeedRPM": 1900, "DeviceName": "Fan 1"}
    tree = {
        uri: sensor("Fan 1", "Percent", 45, "%"),
        f"{BOX}/EnvironmentMetrics": typed("EnvironmentMetrics", FanSpeedsPercent=[fan]),
    }
    found = {each.uri: (each.value, each.unit) for each in read(tree).readings}
    assert found == {uri: (45, "%"), f"{uri}#/SpeedRPM": (1900, "RPM")}


def test_a_fan_resource_and_the_sensor_of_the_same_name_are_one() -> None:
    tree = {
        f"{SENSORS}/Fan.1A": sensor("System Board Fan1A", "Rotational", 18_600, "RPM"),
        f"{BOX}/ThermalSubsystem/Fans/Fan.1A": typed(
            "Fan", Name="Fan 1A", SpeedPercent={"SpeedRPM": 18_500}
        ),
    }
    assert (only(tree).value, only(tree).role) == (18_600, "fan_speed")


def test_energy_told_twice_in_one_resource_is_told_once() -> None:
    metrics = typed("EnvironmentMetrics", EnergyJoules={"Reading": 3.6e6}, EnergykWh={"Reading": 1})
    assert only({f"{BOX}/EnvironmentMetrics": metrics}).unit == "J"


def test_control_values_and_limits_are_no_readings() -> None:
    metrics = typed(
        "EnvironmentMetrics",
        PowerLimitWatts={"SetPoint": 500, "Reading": 400, "DataSourceUri": f"{BOX}/Controls/P"},
    )
    connector = typed("CoolantConnector", FlowControlLitersPerMinute={"SetPoint": 4, "Reading": 3})
    assert read({f"{BOX}/EnvironmentMetrics": metrics, f"{BOX}/C": connector}).readings == ()


# --- legacy -------------------------------------------------------------------------------------


def test_legacy_thermal_and_power_in_full() -> None:
    thermal = typed(
        "Thermal",
        Temperatures=[
            {
                "Name": "Inlet",
                "ReadingCelsius": 22,
                "PhysicalContext": "Intake",
                "UpperThresholdNonCritical": 40,
                "UpperThresholdCritical": 45,
                "UpperThresholdFatal": 0,
                "Status": {"State": "Enabled", "Health": "Warning"},
            },
            {"Name": "Empty", "ReadingCelsius": 0, "Status": {"State": "Absent"}},
        ],
        Fans=[{"FanName": "Fan A", "Reading": 30, "ReadingUnits": "Percent"}, {"ReadingRPM": 800}],
    )
    power = typed(
        "Power",
        PowerControl=[{"Name": "System", "PowerConsumedWatts": 300}],
        Voltages=[{"Name": "12V", "ReadingVolts": 12.1}],
        PowerSupplies=[
            {"Name": "PSU", "LineInputVoltage": 230, "LastPowerOutputWatts": 150},
            {"Name": "PSU", "PowerInputWatts": 160},
        ],
    )
    told = read(machine() | {f"{BOX}/Thermal": thermal, f"{BOX}/Power": power})
    found = {each.name: each for each in told.readings}
    inlet = found["Inlet"]
    assert (inlet.uri, inlet.status) == (f"{BOX}/Thermal#/Temperatures/0", "Warning")
    assert inlet.limits == {"upper_caution": 40, "upper_critical": 45}
    assert {name: (each.value, each.unit, each.role) for name, each in found.items()} == {
        "Inlet": (22, "Cel", "inlet_temperature"),
        "Fan A": (30, "%", "fan_speed"),
        "Fans 2": (800, "RPM", "fan_speed"),
        "System": (300, "W", "node_power"),
        "12V": (12.1, "V", ""),
        "PSU 1 Line Input Voltage": (230, "V", ""),
        "PSU 1 Power Output": (150, "W", "psu_output_power"),
        "PSU 2 Power Input": (160, "W", "psu_input_power"),
    }


# --- roles --------------------------------------------------------------------------------------


def test_the_total_power_of_a_machine_is_one_reading_however_often_it_is_shown() -> None:
    tree = machine() | {
        f"{SENSORS}/P": sensor("Total Power", "Power", 400, "W"),
        f"{BOX}/EnvironmentMetrics": typed("EnvironmentMetrics", PowerWatts={"Reading": 410}),
        f"{BOX}/Power": typed("Power", PowerControl=[{"PowerConsumedWatts": 405}]),
    }
    found = only(tree)
    assert (found.uri, found.value, found.role) == (f"{SENSORS}/P", 400, "node_power")


def test_of_two_totals_the_surer_one_has_the_role() -> None:
    tree = machine() | {
        f"{SENSORS}/P": sensor("Total Power", "Power", 400, "W"),
        f"{SENSORS}/Q": sensor("Q", "Power", 410, "W"),
        f"{BOX}/EnvironmentMetrics": typed(
            "EnvironmentMetrics", PowerWatts={"Reading": 410, "DataSourceUri": f"{SENSORS}/Q"}
        ),
    }
    roles = {each.uri: each.role for each in read(tree).readings}
    assert roles == {f"{SENSORS}/P": "", f"{SENSORS}/Q": "node_power"}


def test_a_sensor_that_a_chassis_power_control_watches_is_the_total() -> None:
    uri = f"{SENSORS}/VR0"
    control = typed(
        "Control", ControlType="Power", PhysicalContext="Chassis", Sensor={"DataSourceUri": uri}
    )
    tree = {uri: sensor("SIVOC", "Power", 463, "W"), f"{BOX}/Controls/Limit": control}
    assert only(tree).role == "node_power"


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (AssetKind.NODE, "node_power"),
        (AssetKind.SWITCH, "switch_power"),
        (AssetKind.POWER_SHELF, "shelf_output_power"),
        (AssetKind.CDU, "cdu_power"),
    ],
)
def test_the_whole_has_the_name_of_its_kind(kind: AssetKind, role: str) -> None:
    tree = {f"{SENSORS}/P": sensor("chassis_output_power", "Power", 400, "W")}
    assert only(tree, kinds={"Systems/Host": kind}).role == role


def gpu_tree() -> dict[str, Any]:
    gpu, module = f"{HOST}/Processors/GPU_0", f"{ROOT}/Chassis/GPU_0"
    return {
        gpu: typed("Processor", ProcessorType="GPU", Name="GPU"),
        module: typed("Chassis", ChassisType="Module", Links={"Processors": [link(gpu)]}),
        f"{module}/Sensors/T0": sensor(
            "GPU 0 Temp 0", "Temperature", 40, "Cel", PhysicalContext="GPU", RelatedItem=[link(gpu)]
        ),
        f"{module}/Sensors/D0": sensor(
            "GPU 0 DRAM 0 Temp 0", "Temperature", 45, "Cel", PhysicalContext="GPU"
        ),
        f"{module}/EnvironmentMetrics": typed("EnvironmentMetrics", PowerWatts={"Reading": 300}),
    }


def test_a_gpu_s_readings_have_roles_and_name_their_component() -> None:
    told = read(gpu_tree(), components={f"{HOST}/Processors/GPU_0": "gpu-0"})
    assert {each.name: (each.role, each.component) for each in told.readings} == {
        "GPU 0 Temp 0": ("gpu_temperature", "gpu-0"),
        "GPU 0 DRAM 0 Temp 0": ("gpu_memory_temperature", "gpu-0"),
        "GPU_0 Power": ("gpu_power", "gpu-0"),
    }


def test_a_power_supply_s_metrics_name_the_supply() -> None:
    supply = f"{BOX}/PowerSubsystem/PowerSupplies/1"
    metrics = typed("PowerSupplyMetrics", InputPowerWatts={"Reading": 900})
    found = only({f"{supply}/Metrics": metrics}, components={supply: "psu-1"})
    assert (found.role, found.component) == ("psu_input_power", "psu-1")


def test_a_board_sensor_that_calls_itself_a_cpu_s_is_not_believed() -> None:
    board = sensor(
        "System Temp", "Temperature", 30, "Cel", PhysicalContext="CPU", RelatedItem=[link(BOX)]
    )
    assert only({f"{SENSORS}/A": board}).role == ""


@pytest.mark.parametrize("name", ["CPU 1 TempLimit", "CPU 1 Margin", "CPU VR Temp"])
def test_a_limit_or_a_regulator_is_no_cpu_temperature(name: str) -> None:
    tree = {f"{SENSORS}/A": sensor(name, "Temperature", 30, "Cel", PhysicalContext="CPU")}
    assert only(tree).role == ""


def test_coolant_roles_tell_the_rack_s_side_from_the_building_s() -> None:
    cdu = f"{ROOT}/ThermalEquipment/CDUs/1"
    sides = ("PrimaryCoolantConnectors", "SecondaryCoolantConnectors")
    tree = {
        f"{cdu}/{side}/1": typed(
            "CoolantConnector",
            Name="Loop",
            SupplyTemperatureCelsius={"Reading": 30},
            ReturnTemperatureCelsius={"Reading": 40},
            FlowLitersPerMinute={"Reading": 42},
        )
        for side in sides
    }
    told = read(tree, kinds={"Systems/Host": AssetKind.CDU})
    assert [each.role for each in told.readings] == [
        "facility_supply_temperature",
        "facility_return_temperature",
        "facility_flow",
        "coolant_supply_temperature",
        "coolant_return_temperature",
        "coolant_flow",
    ]


def test_a_pdu_s_metrics_outlets_and_circuits() -> None:
    pdu = f"{ROOT}/PowerEquipment/RackPDUs/1"
    tree = {
        f"{pdu}/Metrics": typed(
            "PowerDistributionMetrics", PowerWatts={"Reading": 6438, "ApparentVA": 6500}
        ),
        f"{pdu}/Outlets/A1": typed("Outlet", Name="A1", PowerWatts={"Reading": 190}),
        f"{pdu}/Branches/A": typed(
            "Circuit",
            Name="A",
            CurrentAmps={"Reading": 5},
            PolyPhaseVoltage={"Line1ToNeutral": {"Reading": 230}},
        ),
    }
    told = read(tree, kinds={"Systems/Host": AssetKind.PDU})
    assert {each.name: (each.value, each.unit, each.role) for each in told.readings} == {
        "1 Power": (6438, "W", "pdu_power"),
        "1 Power apparent power": (6500, "V.A", ""),
        "A1 Power": (190, "W", "outlet_power"),
        "A Current": (5, "A", "circuit_current"),
        "A Poly Phase Voltage Line1 To Neutral": (230, "V", ""),
    }


# --- leaks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "value"),
    [("OK", 0), ("Warning", 1), ("Critical", 2), ("Unavailable", None), (None, None), (7, None)],
)
def test_a_leak_detector_s_word_is_a_number_and_unknown_is_not_dry(
    state: object, value: float | None
) -> None:
    detector = typed("LeakDetector", Name="Tray", DetectorState=state)
    found = only({f"{BOX}/LeakDetectors/1": detector})
    assert (found.quantity, found.unit, found.role) == ("Leak", "1", "leak")
    assert found.value == value
    assert bool(found.reason) == (value is None)


def test_an_absent_leak_detector_is_shown_as_unknown() -> None:
    gone = typed("LeakDetector", Name="Tray", DetectorState="OK") | {"Status": {"State": "Absent"}}
    found = only({f"{BOX}/LeakDetectors/1": gone})
    assert (found.value, found.reason) == (None, "the sensor is Absent")


def test_a_detector_and_its_place_in_the_group_are_one() -> None:
    uri = f"{BOX}/LeakDetectors/1"
    group = {"Detectors": [{"DataSourceUri": uri, "DetectorState": "OK"}]}
    tree = {
        uri: typed("LeakDetector", Name="Tray", DetectorState="OK"),
        f"{BOX}/LeakDetection": typed("LeakDetection", LeakDetectorGroups=[group]),
    }
    told = read(tree, kinds={"Systems/Host": AssetKind.CDU})
    assert [each.uri for each in told.readings] == [uri]
    assert len(told.sources[uri]) == 2


# --- signals among measurements -----------------------------------------------------------------


def signals(*entries: tuple[str, str, float | None]) -> dict[str, Any]:
    """Legacy voltages: (name, health, volts)."""
    voltages = [
        {"Name": name, "ReadingVolts": volts, "Status": {"State": "Enabled", "Health": health}}
        | {"UpperThresholdCritical": None, "LowerThresholdCritical": None}
        for name, health, volts in entries
    ]
    return machine() | {f"{BOX}/Power": typed("Power", Voltages=voltages)}


def test_power_good_signals_among_the_voltages_are_counted_and_left_out() -> None:
    names = ("CPU1 VCCIN PG", "System Board Pfault Fail Safe", "System Board DIMM VSHORT")
    found = read(signals(("PS1 Voltage 1", "OK", 240.0), *((name, "OK", None) for name in names)))
    assert [each.name for each in found.readings] == ["PS1 Voltage 1"]
    assert [(each.rule, each.detail) for each in found.deviations] == [
        ("signal-among-voltages", "3 signals without a reading, as 'CPU1 VCCIN PG'")
    ]


def test_a_signal_that_is_not_as_it_should_be_is_kept_with_its_verdict() -> None:
    reading = only(signals(("CPU1 VCCIN PG", "Critical", None)))
    assert (reading.value, reading.status, reading.reason) == (None, "Critical", "not reported")


def test_a_voltage_that_has_no_value_is_no_signal() -> None:
    assert only(signals(("System Board 12V", "OK", None))).reason == "not reported"
