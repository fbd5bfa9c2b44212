"""All scenarios, in the order of the catalogue."""

from __future__ import annotations

from tests.survival import (
    acting,
    clock,
    death,
    events,
    identity,
    rolling,
    schema,
    sessions,
    slow,
    writes,
)
from tests.survival.scenario import SCENARIOS as ENROLLED

ROOMS = (
    acting,
    clock,
    death,
    events,
    identity,
    rolling,
    schema,
    sessions,
    slow,
    writes,
)
_ORDER = [room.__name__ for room in ROOMS]
SCENARIOS = sorted(ENROLLED, key=lambda each: _ORDER.index(each.play.__module__))
"""Whoever imported a room before does not change their order."""
