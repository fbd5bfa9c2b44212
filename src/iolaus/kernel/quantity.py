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
