"""Is this a measurement? What a number of a device must pass before anybody may trust it.

Real controllers print "N/A", NaN, 65535, minus ten watts, and zero for everything while the host
is off. None of it may become a value: a wrong zero has switched off cooling, and a wrong 255 has
switched off halls. A number that fails keeps its place with `value` None and a sentence why; what
is the device's fault (not merely its state) is also a deviation, counted per device.
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import Final, NamedTuple

from iolaus.drivers.redfish._text import clean
from iolaus.kernel.quantity import ABSOLUTE_ZERO_C, UNITS, convert, spell_unit

_DECIMAL: Final = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?")
_POWER: Final = (0.0, 1e7)
BOUNDS: Final = MappingProxyType(
    {
        "Temperature": (ABSOLUTE_ZERO_C, 300.0),
        "Humidity": (0.0, 105.0),
        "Percent": (-1000.0, 1000.0),
        "Power": _POWER,
        "Heat": (-1e5, 1e5),
        "Voltage": (-1e5, 1e5),
        "Current": (-1e5, 1e5),
        "Rotational": (0.0, 65_000.0),
        "Frequency": (0.0, 1e12),
        "EnergykWh": (0.0, 1e12),
        "EnergyWh": (0.0, 1e15),
        "EnergyJoules": (0.0, 1e18),
        "LiquidFlowLPM": (-1e5, 1e5),
        "PressurekPa": (-1e5, 1e5),
        "Leak": (0.0, 2.0),
    }
)
"""What can be at all, in the quantity's own unit; outside it is an error code, not a value."""

DEAD_STATES: Final = frozenset({"Absent", "Disabled", "UnavailableOffline"})
SILENT_WHEN_OFF: Final = frozenset({"Voltage", "Current", "Rotational", "Temperature", "Power"})
_MISSAID: Final = frozenset({("Temperature", "degrees"), ("EnergykWh", "kW")})


class Number(NamedTuple):
    """`value` None comes with a `reason`; `rule` names the deviation, "" where there is none."""

    value: float | None
    reason: str = ""
    rule: str = ""


def parse_number(raw: object) -> Number:
    """A finite float, or why it is none. A decimal number in quotes counts, as a deviation."""
    if raw is None:
        return Number(None, "not reported")
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return Number(None, f"not a number: {type(raw).__name__}", "reading-type")
    if isinstance(raw, str):
        return _from_text(raw)
    value = float(raw) if abs(raw) < 1e300 else math.inf
    if not math.isfinite(value):
        return Number(None, "not a finite number", "reading-not-finite")
    return Number(value)


def _from_text(raw: str) -> Number:
    if _DECIMAL.fullmatch(raw.strip()):
        return Number(float(raw), "", "reading-as-text")
    return Number(None, f"not a number: {clean(raw, 24)!r}", "reading-type")


def in_own_unit(value: float, *, quantity: str, unit: str) -> tuple[float, str, str]:
    """(value, unit, rule): the quantity's unit where there is a way to it, else the device's."""
    want = UNITS.get(quantity, "")
    if not unit or not want:
        return value, want or spell_unit(unit), ""
    turned = convert(value, unit=unit, to=want)
    if turned is not None:
        return turned, want, ""
    if (quantity, unit) in _MISSAID:
        return value, want, "reading-unit"
    return value, spell_unit(unit), "reading-unit"


def judge(
    value: float, *, quantity: str, may_be_negative: bool, host_off: bool, needs_heat: bool
) -> Number:
    """Whether `value`, in the quantity's own unit, can be a measurement."""
    low, high = BOUNDS.get(quantity, (-1e18, 1e18))
    if may_be_negative and low == 0.0:
        low = -high
    if value == 0.0 and host_off and quantity in SILENT_WHEN_OFF:
        return Number(None, "the host is off and this reads zero: not a measurement")
    if quantity == "Temperature" and value == 0.0 and needs_heat:
        return Number(None, "exactly 0 Cel inside a machine: not a measurement", "reading-zero")
    if not low <= value <= high:
        return Number(None, f"{value:g} cannot be a {quantity}", "reading-impossible")
    return Number(value)
