"""Physical quantities: the units Iolaus speaks, and how others' units become them.

Names are Redfish's `ReadingType` words (Sensor 1.x); units are UCUM-like symbols as Redfish's
`ReadingUnits` prints them. Every number that crosses a module carries one of these.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

UNITS: Final = MappingProxyType(
    {
        "Temperature": "Cel",
        "Humidity": "%",
        "Power": "W",
        "EnergykWh": "kW.h",
        "EnergyJoules": "J",
        "EnergyWh": "W.h",
        "ChargeAh": "A.h",
        "Voltage": "V",
        "Current": "A",
        "Frequency": "Hz",
        "Pressure": "Pa",
        "PressurekPa": "kPa",
        "PressurePa": "Pa",
        "LiquidLevel": "cm",
        "LiquidFlow": "L/s",
        "LiquidFlowLPM": "L/min",
        "AirFlow": "[cft_i]/min",
        "AirFlowCMM": "m3/min",
        "Rotational": "RPM",
        "Barometric": "mm[Hg]",
        "Altitude": "m",
        "Percent": "%",
        "AbsoluteHumidity": "g/m3",
        "Heat": "kW",
        "Valve": "%",
    }
)
"""Default unit of each `ReadingType`; a quantity that is not here keeps the device's own unit."""

ABSOLUTE_ZERO_C: Final = -273.15

_SPELLINGS: Final = MappingProxyType(
    {
        "c": "Cel",
        "cel": "Cel",
        "celsius": "Cel",
        "degc": "Cel",
        "degreec": "Cel",
        "degreesc": "Cel",
        "degreescelsius": "Cel",
        "°c": "Cel",
        "f": "[degF]",
        "degf": "[degF]",
        "[degf]": "[degF]",
        "fahrenheit": "[degF]",
        "k": "K",
        "percent": "%",
        "pct": "%",
        "volt": "V",
        "volts": "V",
        "amp": "A",
        "amps": "A",
        "amperes": "A",
        "watt": "W",
        "watts": "W",
        "joules": "J",
        "hertz": "Hz",
        "kwh": "kW.h",
        "wh": "W.h",
        "rpm": "RPM",
        "{rev}/min": "RPM",
        "psi": "[psi]",
        "[psi]": "[psi]",
        "lpm": "L/min",
        "l/min": "L/min",
        "cfm": "[cft_i]/min",
    }
)
_FACTORS: Final = MappingProxyType(
    {
        ("[degF]", "Cel"): (5 / 9, -160 / 9),
        ("K", "Cel"): (1.0, ABSOLUTE_ZERO_C),
        ("mV", "V"): (1e-3, 0.0),
        ("kV", "V"): (1e3, 0.0),
        ("mA", "A"): (1e-3, 0.0),
        ("mW", "W"): (1e-3, 0.0),
        ("kW", "W"): (1e3, 0.0),
        ("W", "kW"): (1e-3, 0.0),
        ("kJ", "J"): (1e3, 0.0),
        ("W.h", "kW.h"): (1e-3, 0.0),
        ("kHz", "Hz"): (1e3, 0.0),
        ("MHz", "Hz"): (1e6, 0.0),
        ("[psi]", "Pa"): (6894.757, 0.0),
        ("[psi]", "kPa"): (6.894757, 0.0),
        ("kPa", "Pa"): (1e3, 0.0),
        ("Pa", "kPa"): (1e-3, 0.0),
        ("bar", "kPa"): (1e2, 0.0),
        ("bar", "Pa"): (1e5, 0.0),
        ("L/s", "L/min"): (60.0, 0.0),
        ("L/min", "L/s"): (1 / 60, 0.0),
        ("m3/h", "L/min"): (1000 / 60, 0.0),
    }
)


def spell_unit(text: str) -> str:
    """The one spelling of a unit: "C", "degrees C" and "Celsius" are all "Cel"."""
    return _SPELLINGS.get(text.lower().replace(" ", ""), text.strip())


def convert(value: float, *, unit: str, to: str) -> float | None:
    """`value` of `unit` in the unit `to`; None if there is no way from one to the other."""
    have, want = spell_unit(unit), spell_unit(to)
    if have == want:
        return value
    if (have, want) not in _FACTORS:
        return None
    factor, offset = _FACTORS[have, want]
    return value * factor + offset
