"""What must be seen within seconds though nobody tells it: leaks, and what carries the heat away.

A device that streams no events is asked for these few resources between two passes over its hot
set. Which ones is known from the last inventory: its leak detectors, as the hot set reads them,
and the sensors of its coolant. Pure, but for `read_alert`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from iolaus.drivers.ports import Reads
from iolaus.drivers.redfish.harvest import normal
from iolaus.drivers.redfish.hot import Repair, read_these
from iolaus.model.asset import Reading, Report

ROLES: Final = frozenset({"leak", "coolant_flow", "coolant_supply_temperature"})
MOST: Final = 6


def alert_uris(report: Report) -> tuple[str, ...]:
    """At most a handful: a collection that the hot set reads expanded stands for its detectors."""
    expanded = {
        normal(uri): uri for uri in report.hot if "?" in uri and "/LeakDetectors" in normal(uri)
    }
    wanted: dict[str, None] = {}
    for reading in report.readings:
        if reading.role in ROLES and reading.uri:
            path = normal(reading.uri)
            wanted[expanded.get(path.rpartition("/")[0], path)] = None
    return tuple(wanted)[:MOST]


async def read_alert(
    device: Reads, report: Report, uris: Iterable[str], *, repair: Repair
) -> tuple[Reading, ...]:
    """These readings as they are now, without those that could not be read: one request that
    fails is no gap yet, the hot set will tell. A detector that answers and knows nothing is one."""
    found = await read_these(device, report, uris, repair=repair)
    return tuple(
        each
        for each in found
        if each.role in ROLES and (each.value is not None or each.role == "leak")
    )
