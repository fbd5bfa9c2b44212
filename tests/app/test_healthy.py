"""A hall in which nothing is wrong, from the first second on: nothing rings, and nothing is held.

Over the wire, as `iolaus up` has it: trays and shelves by Redfish, registers by Modbus, the
building by its broker. What is not known yet is unknown for a few seconds, and never a loss.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from bench.reflexes.stand import Stand, stand
from structlog.testing import capture_logs

from iolaus.energy.reflex import ReflexRules

QUIET_S = ReflexRules().back_dwell_s
MOST_S = 60.0
NEWS = {"AlarmRaised", "AlarmSuppressed", "EndpointLost", "BuildingLinkLost", "GearAlarmSet"}


def rang(on: Stand) -> list[str]:
    events = on.house.state.facts.events(limit=2000)
    return [f"{each.kind} {each.message}" for each in events if each.kind in NEWS]


async def test_a_healthy_hall_raises_no_alarm_and_says_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as said:
        async with stand(tmp_path) as on:
            began, known_s = time.monotonic(), 0.0
            while not known_s or time.monotonic() - known_s < QUIET_S / 4:
                assert time.monotonic() - began < MOST_S, on.unknown()
                assert (on.held(), rang(on)) == ([], [])
                edges = on.house.edges.edges.running.values()
                signals = [len(each.run.edge.reflexes.signals) for each in edges]
                if not known_s and len(signals) >= 2 and min(signals) >= 25 and not on.unknown():
                    known_s = time.monotonic()
                await asyncio.sleep(0.1)
    assert [line for line in said if line["log_level"] != "debug"] == []
    assert [each.getMessage() for each in caplog.records if "pending" in each.getMessage()] == []
