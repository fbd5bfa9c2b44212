"""What the map can show, how a value becomes sixteen bits, and how those are written.

A cell's number travels as its share of a scale; what a person reads, in the browser or in the
table twin, is written from that same number by the same rule (`static/measures.js` is this file
in the browser's language), so a map and its twin cannot differ. Two things are not numbers and
have codes of their own: not known, and not measured here at all (a switch has no inlet sensor, a
node no baseline), which is no fault. A scale is rounded out to steps, so that colours seldom
change their meaning, and it covers every value: nothing is clipped but an age, which says so.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

UNKNOWN: Final = 0xFFFF
ABSENT: Final = 0xFFFE
TOP: Final = 65_000
NOT_KNOWN: Final = math.nan
NOT_MEASURED: Final = -math.inf
STEPS: Final = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
Numbers: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.uint16]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """`words` makes it categorical, best first; else it is a number in `unit` over at least
    `low`..`high`. `roles` are the readings that give it, the first one held wins. Above `most`,
    if given, all values look alike. `absent` says what it is called where it does not apply."""

    name: str
    title: str
    unit: str = ""
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    most: float | None = None
    roles: tuple[str, ...] = ()
    absent: str = "not measured"


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric(name="health", title="Health", words=("OK", "Warning", "Critical")),
        Metric(name="state", title="Power state", words=("On", "Off", "Changing")),
        Metric(name="power", title="Power", unit="W", high=1000, roles=("node_power",)),
        Metric(
            name="feed",
            title="Feed power",
            unit="W",
            high=1000,
            roles=("shelf_output_power", "pdu_power"),
        ),
        Metric(name="swing", title="Power swing", unit="W", high=400, roles=("node_power",)),
        Metric(
            name="inlet", title="Inlet", unit="°C", low=15, high=45, roles=("inlet_temperature",)
        ),
        Metric(
            name="coolant",
            title="Coolant return",
            unit="°C",
            low=20,
            high=60,
            roles=("coolant_return_temperature",),
        ),
        Metric(name="leak", title="Leak", words=("Dry", "Leak")),
        Metric(name="age", title="Age", unit="s", high=60, most=600),
        Metric(
            name="drift",
            title="Drift",
            words=("in-sync", "excused", "staged", "drifted", "conflict"),
            absent="no baseline",
        ),
    )
}


class Scale(NamedTuple):
    low: float
    high: float


def scale_of(metric: Metric, values: Numbers, before: Scale | None = None) -> Scale:
    """A scale over all of `values` (finite numbers). `before` stays while it fits well."""
    if metric.words:
        return Scale(0.0, float(len(metric.words) - 1))
    least = float(values.min(initial=metric.low))
    most = float(values.max(initial=metric.high))
    if metric.most is not None:
        most = min(most, metric.most)
    low = metric.low if least >= metric.low else math.floor(least / 10) * 10.0
    high = metric.high if most <= metric.high else _step_up(most)
    fits = before and before.low <= low and before.high >= high
    if before and fits and before.high <= 2 * high and before.low >= low - 10:
        return before
    return Scale(low, high)


def pack(metric: Metric, scale: Scale, values: Numbers) -> Codes:
    """`NOT_KNOWN` and `NOT_MEASURED` become their codes, all else its share of the scale."""
    codes = np.full(len(values), UNKNOWN, dtype="<u2")
    codes[np.isneginf(values)] = ABSENT
    known = np.isfinite(values)
    if metric.words:
        codes[known] = values[known].astype("<u2")
    else:
        share = np.clip((values[known] - scale.low) / (scale.high - scale.low), 0.0, 1.0)
        codes[known] = np.floor(share * TOP + 0.5).astype("<u2")
    return codes


def write(metric: Metric, scale: Scale, code: int) -> str:
    """The value behind a code, as the map's panel writes it."""
    if code == UNKNOWN:
        return "unknown"
    if code == ABSENT:
        return metric.absent
    if metric.words:
        return metric.words[code]
    value = scale.low + (code / TOP) * (scale.high - scale.low)
    if metric.unit == "W" and value >= 999.5:
        return f"{_fixed(value / 1000, 2)} kW"
    if metric.unit == "s":
        return ("over " if value == metric.most else "") + _span(value)
    return f"{_fixed(value, 0 if metric.unit == 'W' else 1)} {metric.unit}"


def _span(seconds: float) -> str:
    return f"{_fixed(seconds / 60, 0)} min" if seconds >= 120 else f"{_fixed(seconds, 0)} s"


def _fixed(value: float, digits: int) -> str:
    """As `toFixed` of a browser: exact halves go up."""
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return f"{rounded:f}"


def _step_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in STEPS if step * power >= value)
