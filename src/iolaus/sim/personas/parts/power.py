"""Supplies, fans, sensors, limits and leaks, in the modern resources and in the legacy ones.

A makers' firmware has one or the other or both, and where it has both they name the same things
twice. A sensor is drawn once with its live value; excerpts elsewhere repeat the value and point
at the sensor, as real controllers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    at,
    live,
    ok,
    own_serial,
    own_time,
    uri,
)

UNITS: Mapping[str, str] = {
    "Temperature": "Cel",
    "Power": "W",
    "EnergykWh": "kW.h",
    "EnergyJoules": "J",
    "Voltage": "V",
    "Current": "A",
    "Frequency": "Hz",
    "Rotational": "RPM",
    "Percent": "%",
    "PressurekPa": "kPa",
    "LiquidFlowLPM": "L/min",
    "Humidity": "%",
    "Heat": "kW",
}
ELECTRICAL = frozenset({"Voltage", "Current", "Power", "EnergykWh", "Frequency"})
LINES: Mapping[str, str] = {"A": "Line1", "B": "Line2", "C": "Line3"}
DIGITS: Mapping[str, int] = {"Rotational": 0, "EnergykWh": 3, "EnergyJoules": 0, "Voltage": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    maker: str
    model: str
    part: str
    serial: str
    watts: int
    firmware: str
    volts: float = 12.0
    kind: str = "AC"


def sensor(
    s: Sketch,
    chassis: str,
    key: str,
    quantity: str,
    value: str,
    *,
    name: str = "",
    context: str | None = None,
    limits: Mapping[str, float] | None = None,
    **fields: Any,
) -> str:
    """A sensor below `chassis`; `value` names its live value, `limits` its thresholds."""
    s.collect(f"{chassis}/Sensors", "Sensor", "Sensors")
    return s.put(
        f"{chassis}/Sensors/{key}",
        "Sensor",
        name or key.replace("_", " "),
        Reading=live(value, DIGITS.get(quantity, 1)),
        ReadingType=quantity,
        ReadingUnits=UNITS[quantity],
        PhysicalContext=context,
        Thresholds={k: {"Reading": v} for k, v in limits.items()} if limits else None,
        Status=ok(),
        **fields,
    )


def sensors(s: Sketch, chassis: str, table: str) -> None:
    """Many sensors as a table: `[<count>x] key quantity value context|- [warn stop]`; with a
    count, {n} runs from 0."""
    for line in table.strip().splitlines():
        words = line.split()
        count = int(words.pop(0)[:-1]) if words[0][:-1].isdigit() and words[0][-1] == "x" else 1
        for n in range(count):
            key, quantity, value, context, *limits = (word.format(n=n) for word in words)
            names = ("UpperCaution", "UpperCritical")
            bounds = {name: float(limit) for name, limit in zip(names, limits, strict=False)}
            about = None if context == "-" else context
            sensor(s, chassis, key, quantity, value, context=about, limits=bounds)


def metered(s: Sketch) -> None:
    """All sensors as those of metering equipment say more: when they were read, how often they
    are, and which line they measure. What their peak was is told unknown: nobody keeps it."""
    for body in s.every("Sensor"):
        body |= {"ReadingTime": own_time(), "SensingInterval": "PT1S"}
        if body["ReadingType"] in ELECTRICAL:
            line = LINES.get(body["Id"][-1], "Total")
            body["ElectricalContext"] = line
        if body["ReadingType"] == "Power":
            body |= {"PeakReading": None, "PeakReadingTime": None}


def place(label: str, *, kind: str = "Bay") -> Json:
    """Where a part is, by the word printed beside it."""
    return {"PartLocation": {"ServiceLabel": label, "LocationType": kind}}


def excerpt(s: Sketch, path: str) -> Json:
    """A sensor's value where another resource repeats it."""
    return {"DataSourceUri": uri(path), "Reading": s.peek(path)["Reading"]}


def environment(
    s: Sketch,
    owner: str,
    *,
    name: str = "Environment Metrics",
    limit: Mapping[str, float] | None = None,
    reset: bool = False,
    **sensors: str,
) -> str:
    """EnvironmentMetrics of `owner`. Each of `sensors` (PowerWatts="<sensor path>") is an excerpt.
    `limit` has SetPoint, AllowableMin, AllowableMax: the modern power cap."""
    path = f"{owner}/EnvironmentMetrics"
    actions = {
        "#EnvironmentMetrics.ResetToDefaults": {
            "target": uri(f"{path}/Actions/EnvironmentMetrics.ResetToDefaults")
        }
    }
    return s.put(
        path,
        "EnvironmentMetrics",
        name,
        **{field: excerpt(s, where) for field, where in sensors.items()},
        PowerLimitWatts={**limit, "ControlMode": "Automatic"} if limit else None,
        Actions=actions if reset else None,
    )


def supplies(
    s: Sketch, chassis: str, ids: Sequence[str], supply: Supply, *, redundancy: int
) -> str:
    """PowerSubsystem with its supplies and their metrics; supply n is live value n."""
    path = f"{chassis}/PowerSubsystem"
    paths = [f"{path}/PowerSupplies/{key}" for key in ids]
    s.put(
        path,
        "PowerSubsystem",
        "Power Subsystem",
        CapacityWatts=supply.watts * redundancy,
        Allocation={"RequestedWatts": supply.watts, "AllocatedWatts": supply.watts * redundancy},
        PowerSupplies=at(f"{path}/PowerSupplies"),
        PowerSupplyRedundancy=[
            {
                "RedundancyType": "NPlusM",
                "MinNeededInGroup": redundancy,
                "MaxSupportedInGroup": len(ids),
                "RedundancyGroup": all_at(paths),
                "Status": ok(),
            }
        ],
        Status=ok(),
    )
    s.collect(f"{path}/PowerSupplies", "PowerSupply", "Power Supplies")
    for number, where in enumerate(paths):
        _supply(s, where, number, supply)
    return path


def _supply(s: Sketch, path: str, number: int, supply: Supply) -> None:
    s.put(
        path,
        "PowerSupply",
        f"Power Supply {number}",
        PowerSupplyType=supply.kind,
        Manufacturer=supply.maker,
        Model=supply.model,
        PartNumber=supply.part,
        SerialNumber=own_serial(supply.serial, f"psu/{number}"),
        FirmwareVersion=supply.firmware,
        PowerCapacityWatts=supply.watts,
        LineInputStatus="Normal",
        HotPluggable=True,
        InputRanges=[
            {
                "CapacityWatts": supply.watts,
                "NominalVoltageType": "AC200To277V" if supply.kind == "AC" else "DC48V",
            }
        ],
        EfficiencyRatings=[{"EfficiencyPercent": 96, "LoadPercent": 50}],
        Metrics=at(f"{path}/Metrics"),
        Status=ok(),
    )
    s.put(
        f"{path}/Metrics",
        "PowerSupplyMetrics",
        f"Metrics for Power Supply {number}",
        InputVoltage={"Reading": live(f"psu_in_v.{number}")},
        InputCurrentAmps={"Reading": live(f"psu_in_a.{number}", 2)},
        InputPowerWatts={"Reading": live(f"psu_in_w.{number}")},
        OutputPowerWatts={"Reading": live(f"psu_out_w.{number}")},
        RailVoltage=[{"Reading": live(f"psu_out_v.{number}", 2)}],
        RailCurrentAmps=[{"Reading": live(f"psu_out_a.{number}", 2)}],
        TemperatureCelsius={"Reading": live(f"psu_c.{number}")},
        FanSpeedPercent={"Reading": live(f"psu_fan_pct.{number}")},
        Status=ok(),
    )


def thermal(s: Sketch, chassis: str, *, metrics: Mapping[str, str] | None = None) -> str:
    """ThermalSubsystem; `metrics` sums up temperatures (Intake="<sensor path>")."""
    path = f"{chassis}/ThermalSubsystem"
    s.put(
        path,
        "ThermalSubsystem",
        "Thermal Subsystem",
        ThermalMetrics=at(f"{path}/ThermalMetrics") if metrics else None,
        Status=ok(),
    )
    if metrics:
        s.put(
            f"{path}/ThermalMetrics",
            "ThermalMetrics",
            "Thermal Metrics",
            TemperatureSummaryCelsius={k: excerpt(s, v) for k, v in metrics.items()},
            TemperatureReadingsCelsius=[
                {**excerpt(s, v), "DeviceName": s.peek(v)["Name"]} for v in metrics.values()
            ],
        )
    return path


def fans(
    s: Sketch,
    thermal_path: str,
    ids: Sequence[str],
    *,
    sensors: Sequence[str] | None = None,
    **fields: Any,
) -> None:
    """Fans of a ThermalSubsystem; fan n is live value n; `sensors` are rotational, in order."""
    s.field(thermal_path, "Fans", at(f"{thermal_path}/Fans"))
    s.collect(f"{thermal_path}/Fans", "Fan", "Fans")
    for number, key in enumerate(ids):
        speed: Json = {
            "Reading": live(f"fan_pct.{number}"),
            "SpeedRPM": live(f"fan_rpm.{number}", 0),
        }
        if sensors:
            speed["DataSourceUri"] = uri(sensors[number])
        s.put(
            f"{thermal_path}/Fans/{key}",
            "Fan",
            key.replace("_", " "),
            PhysicalContext="SystemBoard",
            HotPluggable=True,
            SpeedPercent=speed,
            Location={"PartLocation": {"ServiceLabel": key, "LocationType": "Bay"}},
            Status=ok(),
            **fields,
        )


def leak_detection(
    s: Sketch, owner: str, detectors: Sequence[str], *, kind: str = "Moisture", **fields: Any
) -> str:
    """LeakDetection of a ThermalSubsystem, cooling unit or manifold; detector n is live value n."""
    path = f"{owner}/LeakDetection"
    s.put(
        path,
        "LeakDetection",
        "Leak Detection",
        LeakDetectors=at(f"{path}/LeakDetectors"),
        Status=ok(),
    )
    s.collect(f"{path}/LeakDetectors", "LeakDetector", "Leak Detectors")
    for number, key in enumerate(detectors):
        s.put(
            f"{path}/LeakDetectors/{key}",
            "LeakDetector",
            key.replace("_", " "),
            LeakDetectorType=kind,
            DetectorState=live(f"leak.{number}"),
            Status={"State": "Enabled", "Health": live(f"leak.{number}")},
            **fields,
        )
    return path


def control(s: Sketch, chassis: str, key: str, *, low: float, high: float, at_w: float) -> str:
    """A power cap as a Control."""
    s.collect(f"{chassis}/Controls", "Control", "Controls")
    return s.put(
        f"{chassis}/Controls/{key}",
        "Control",
        key.replace("_", " "),
        ControlType="Power",
        ControlMode="Automatic",
        SetPoint=at_w,
        SetPointUnits="W",
        AllowableMin=low,
        AllowableMax=high,
        SettingMin=low,
        SettingMax=high,
        PhysicalContext="Chassis",
        Status=ok(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A legacy temperature or a fan: its name, live value, context and limits."""

    name: str
    value: str
    context: str = "SystemBoard"
    warn: float | None = None
    stop: float | None = None


def legacy_thermal(
    s: Sketch,
    chassis: str,
    temperatures: Sequence[Probe],
    fan_probes: Sequence[Probe],
    *,
    unit: str = "RPM",
) -> str:
    path = f"{chassis}/Thermal"
    return s.put(
        path,
        "Thermal",
        "Thermal",
        Temperatures=[_warmth(path, n, probe) for n, probe in enumerate(temperatures)],
        Fans=[_spin(path, n, probe, unit) for n, probe in enumerate(fan_probes)],
        Redundancy=[],
    )


def _warmth(path: str, number: int, probe: Probe) -> Json:
    body: Json = {
        "@odata.id": f"{uri(path)}#/Temperatures/{number}",
        "MemberId": str(number),
        "Name": probe.name,
        "ReadingCelsius": live(probe.value, 0),
        "PhysicalContext": probe.context,
        "Status": ok(),
    }
    if probe.warn is not None:
        body |= {"UpperThresholdNonCritical": probe.warn, "UpperThresholdCritical": probe.stop}
    return body


def _spin(path: str, number: int, probe: Probe, unit: str) -> Json:
    return {
        "@odata.id": f"{uri(path)}#/Fans/{number}",
        "MemberId": str(number),
        "Name": probe.name,
        "Reading": live(probe.value, 0),
        "ReadingUnits": unit,
        "PhysicalContext": probe.context,
        "Status": ok(),
    }


def legacy_power(
    s: Sketch,
    chassis: str,
    supplies: int,
    supply: Supply,
    *,
    value: str = "node_w",
    limit: float | None = None,
    low: float = 0.0,
    high: float = 0.0,
    names: str = "Power Supply",
    **head: Any,
) -> str:
    """Legacy Power: one PowerControl (the legacy cap) and the supplies by MemberId."""
    path = f"{chassis}/Power"
    body: Json = {
        "@odata.id": f"{uri(path)}#/PowerControl/0",
        "MemberId": "0",
        "Name": "System Power Control",
        "PowerConsumedWatts": live(value, 0),
        "PowerCapacityWatts": supply.watts * supplies,
        "PowerMetrics": {
            "IntervalInMin": 60,
            "AverageConsumedWatts": live(f"{value}_avg", 0),
            "MaxConsumedWatts": live(f"{value}_max", 0),
            "MinConsumedWatts": live(f"{value}_min", 0),
        },
        "PowerLimit": {
            "LimitInWatts": limit,
            "LimitException": "NoAction",
            "CorrectionInMs": 1000,
        },
        "Status": ok(),
    }
    if high:
        body |= {"PowerAllocatedWatts": high, "PowerRequestedWatts": high, "PowerAvailableWatts": 0}
    del low
    return s.put(
        path,
        "Power",
        "Power",
        PowerControl=[body],
        PowerSupplies=[_legacy_supply(path, n, supply, names) for n in range(supplies)],
        **head,
    )


def _legacy_supply(path: str, number: int, supply: Supply, names: str) -> Json:
    return {
        "@odata.id": f"{uri(path)}#/PowerSupplies/{number}",
        "MemberId": str(number),
        "Name": f"{names} {number + 1}",
        "Manufacturer": supply.maker,
        "Model": supply.model,
        "PartNumber": supply.part,
        "SerialNumber": own_serial(supply.serial, f"psu/{number}"),
        "FirmwareVersion": supply.firmware,
        "PowerSupplyType": supply.kind,
        "PowerCapacityWatts": supply.watts,
        "LineInputVoltage": live(f"psu_in_v.{number}", 0),
        "LineInputVoltageType": "AC240V",
        "PowerInputWatts": live(f"psu_in_w.{number}", 0),
        "PowerOutputWatts": live(f"psu_out_w.{number}", 0),
        "LastPowerOutputWatts": live(f"psu_out_w.{number}", 0),
        "Status": ok(),
    }
