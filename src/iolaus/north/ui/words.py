"""How values are written on a page: short, with their unit, and never a zero for unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

from iolaus.model.condition import say_age
from iolaus.model.hosts import fold
from iolaus.north.dto.views import ConditionView

POWER: Final = (
    "node_power_w",
    "dpu_power_w",
    "switch_power_w",
    "shelf_output_power_w",
    "pdu_power_w",
    "cdu_power_w",
    "chassis_power_w",
    "power_w",
)
_UNITS: Final = {"Cel": "°C", "[cft_i]/min": "cfm", "kW.h": "kWh", "{rev}/min": "RPM"}
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def age(seconds: float | None) -> str:
    return "never" if seconds is None else say_age(seconds)


def kw(watts: float | None) -> str:
    if watts is None:
        return "unknown"
    if abs(watts) >= 999_995:
        return f"{watts / 1e6:.2f} MW"
    return f"{watts / 1e3:.2f} kW" if abs(watts) >= 999.5 else f"{watts:.0f} W"


def watts(readings: Mapping[str, float]) -> float:
    """For a bar's length only, where nothing is as short as zero."""
    return next((readings[name] for name in POWER if name in readings), 0.0)


def draws(readings: Mapping[str, float]) -> str:
    return next((kw(readings[name]) for name in POWER if name in readings), "")


def celsius(readings: Mapping[str, float], name: str) -> str:
    return f"{readings[name]:.1f} °C" if name in readings else ""


def number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"


def unit(name: str) -> str:
    return _UNITS.get(name, name)


def spoken(camel: str) -> str:
    """ "AllRead" -> "all read": a reason as words, where there is no sentence."""
    return " ".join(w if w.isupper() else w.lower() for w in _HUMP.split(camel))


def leak(conditions: Iterable[ConditionView]) -> Markup | str:
    """Dry, Leak or unknown; empty where nothing could tell."""
    status = next((c.status for c in conditions if c.type == "LeakFree"), None)
    if status is None:
        return ""
    word, tone = {"True": ("dry", ""), "False": ("LEAK", "critical")}.get(
        status, ("unknown", "unknown")
    )
    return Markup('<span class="word {}">{}</span>').format(tone, word)


OUTCOMES: Final = {
    "in-sync": "ok",
    "drifted": "warning",
    "conflict": "critical",
    "staged": "staged",
    "excused": "excused",
    "unknown": "unknown",
    "absent": "absent",
    "no baseline": "absent",
}
"""Each outcome of comparing, and its tone."""


def outcome(word: str) -> Markup:
    return Markup('<span class="word {}">{}</span>').format(OUTCOMES.get(word, "unknown"), word)


def moment(at: datetime | None) -> str:
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def breaks(text: str) -> Markup:
    """Ranges with commas may go on in the next line behind one."""
    return escape(text).replace(",", Markup(",<wbr>"))


FILTERS: Final = {
    "age": age,
    "kw": kw,
    "watts": watts,
    "draws": draws,
    "celsius": celsius,
    "number": number,
    "unit": unit,
    "fold": fold,
    "breaks": breaks,
    "leak": leak,
    "spoken": spoken,
    "outcome": outcome,
    "moment": moment,
}
