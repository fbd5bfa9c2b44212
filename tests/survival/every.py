"""All scenarios, in the order of the catalogue."""

from __future__ import annotations

from tests.survival import (
    clock,
    death,
    events,
    identity,
    schema,
    sessions,
    slow,
    writes,
)
from tests.survival.scenario import SCENARIOS

__all__ = [
    "SCENARIOS",
    "clock",
    "death",
    "events",
    "identity",
    "schema",
    "sessions",
    "slow",
    "writes",
]
