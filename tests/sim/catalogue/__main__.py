"""Writes docs/faults.md: `python -m tests.sim.catalogue`."""

from __future__ import annotations

from tests.sim.catalogue.table import TARGET, render

TARGET.write_text(render(), encoding="utf-8")
