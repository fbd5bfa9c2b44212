"""What this folder offers beside repairs."""

from __future__ import annotations

from typing import Final

from iolaus.drivers.vendor.nvidia.smoothing import NvidiaSmoothing

PORTS: Final[tuple[object, ...]] = (NvidiaSmoothing(),)
