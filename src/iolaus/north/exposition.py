"""Numbers and label values as the Prometheus text format writes them (version 0.0.4)."""

from __future__ import annotations

import math
from typing import Final

HOLE: Final = "\0"
"""Where a text that is kept has a place for a number; no label value may hold it."""


def number(value: float) -> str:
    if math.isfinite(value):
        return f"{value:.10g}"
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def escape(text: str) -> str:
    clean = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return clean.replace(HOLE, "")
