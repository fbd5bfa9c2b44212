"""Nothing is repaired: what these GPUs say is as the standard has it."""

from __future__ import annotations

from typing import Final

from iolaus.drivers.ports import Repair

REPAIRS: Final[tuple[Repair, ...]] = ()
