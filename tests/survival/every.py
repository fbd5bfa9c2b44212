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
from tests.survival.scenario import SCENARIOS

__all__ = [
    "SCENARIOS",
    "acting",
    "clock",
    "death",
    "events",
    "identity",
    "rolling",
    "schema",
    "sessions",
    "slow",
    "writes",
]
