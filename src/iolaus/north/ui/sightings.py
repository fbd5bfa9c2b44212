"""One cell and one metric: what was seen, and until when it may be believed.

The rules are those of `model/condition.py`, turned from "is it stale now?" into "from when on?",
so that ten thousand cells need no thinking while nothing changes: a frame compares one column of
times with the clock. The tests hold these two forms against each other. A health that is stale is
unknown, a number that is stale is shown as what it was and marked, and a leak stays a leak until
its detector says dry.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from iolaus.fleet.ledger import Verdict
from iolaus.model.asset import Reading
from iolaus.model.condition import STALE_AFTER_POLLS, Sight, last_seen, leak_verdict
from iolaus.model.fact import Known, Unknown
from iolaus.north.ui.cells import Cell
from iolaus.north.ui.measures import METRICS, NOT_KNOWN, NOT_MEASURED, Metric
from iolaus.store.held import Held

FOREVER = math.inf


class Seen(NamedTuple):
    """`value` is a number, the place of a word, `NOT_KNOWN` or `NOT_MEASURED`. It is stale when
    `until` is past or its endpoint is out of reach; with `fades` it is then unknown."""

    value: float
    until: float = FOREVER
    fades: bool = True


def sighting(metric: Metric, cell: Cell, held: Held, sight: Sight) -> Seen:
    """What `metric` shows of a cell. Not for "swing", which needs a past, "drift", which needs a
    verdict, nor for the age of a value as such: "age" gives the time of the last sight."""
    if metric.name == "health":
        return _health(cell, held, sight)
    if metric.name == "state":
        return _state(cell, held, sight)
    if metric.name == "leak":
        return _leak(cell, held, sight)
    if metric.name == "age":
        asset = held.assets[cell.key]
        seen = last_seen(asset)
        return Seen(seen, seen + _polls(sight.asset_interval_s(asset)), fades=False)
    return by_role(metric.roles, cell, held, sight)


def departure(verdict: Verdict | None, held: Held, sight: Sight) -> Seen:
    """How it departs from its baselines; not measured where none selects it. It is believed for
    as long as the inventory that was compared."""
    if verdict is None or held.report is None:
        return Seen(NOT_MEASURED)
    words, state = METRICS["drift"].words, verdict.drift.state
    value = words.index(state) if state in words else NOT_KNOWN
    return Seen(value, held.report.observed_at + _polls(sight.slow_interval_s))


def by_role(roles: tuple[str, ...], cell: Cell, held: Held, sight: Sight) -> Seen:
    """The first of these readings that has a value."""
    value = NOT_KNOWN if held.report is not None and held.report.partial else NOT_MEASURED
    for role in roles:
        reading = held.readings.get(cell.roles.get(role, ""))
        if reading is None:
            continue
        if reading.value is not None and math.isfinite(reading.value):
            return Seen(reading.value, _until(reading, sight), fades=False)
        value = NOT_KNOWN
    return Seen(value)


def _health(cell: Cell, held: Held, sight: Sight) -> Seen:
    asset = held.assets[cell.key]
    if not isinstance(asset.health, Known):
        return Seen(NOT_KNOWN)
    words = METRICS["health"].words
    value = words.index(asset.health.value) if asset.health.value in words else NOT_KNOWN
    return Seen(value, asset.health.at + _polls(sight.asset_interval_s(asset)))


def _state(cell: Cell, held: Held, sight: Sight) -> Seen:
    asset = held.assets[cell.key]
    if not isinstance(asset.power_state, Known):
        is_silent = isinstance(asset.power_state, Unknown) and asset.kind.value not in _POWERED
        return Seen(NOT_MEASURED if is_silent else NOT_KNOWN)
    value = {"On": 0.0, "Off": 1.0}.get(str(asset.power_state.value), 2.0)
    return Seen(value, asset.power_state.at + _polls(sight.asset_interval_s(asset)))


_POWERED = frozenset({"node", "dpu", "switch"})


def _leak(cell: Cell, held: Held, sight: Sight) -> Seen:
    readings = [held.readings[key] for key in cell.leaks if key in held.readings]
    if not readings:
        return Seen(NOT_KNOWN if cell.detects else NOT_MEASURED)
    verdicts = [leak_verdict(reading) for reading in readings]
    if any(verdicts):
        wet = [r for r, verdict in zip(readings, verdicts, strict=True) if verdict]
        return Seen(1.0, max(_until(reading, sight) for reading in wet), fades=False)
    if None in verdicts:
        return Seen(NOT_KNOWN)
    return Seen(0.0, min(_until(reading, sight) for reading in readings))


def _until(reading: Reading, sight: Sight) -> float:
    return reading.at + _polls(sight.reading_interval_s(reading))


def _polls(interval_s: float) -> float:
    return STALE_AFTER_POLLS * interval_s
