"""Behaviour 14: a clock that is twelve hours off is an alarm and not an outage."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.survival.death import lost
from tests.survival.scenario import scenario
from tests.survival.stage import conditions, staged, target_of

SYSTEM = "/redfish/v1/Systems/1"
TWELVE_HOURS_S = 12 * 3600


@scenario(14, "twelve hours ahead", played="Date, events and a certificate that is not valid yet")
async def twelve_hours_ahead(folder: Path) -> str:
    async with staged(folder, faults=["clock-off"]) as on:
        node = await on.green()
        told = conditions(node)["ClockSane"]
        assert (told["status"], told["reason"]) == ("False", "Skewed")
        assert "12 h ahead" in told["message"]
        assert told["next_step"]
        endpoint = await on.endpoint()
        assert abs(endpoint["clock_skew_s"] - TWELVE_HOURS_S) < 60
        assert endpoint["state"] == "reachable"
        (skew,) = (await on.metrics())["iolaus_clock_skew_seconds"]
        assert abs(skew[1] - TWELVE_HOURS_S) < 60
        await on.polled(3)
        await on.green()
        assert on.lines("endpoint_lost") == 0
    return "the pin holds, the skew is measured, ClockSane is False with the next step; all is read"


@scenario(14, "events out of time", played="events dated half a day ahead, then a day back")
async def events_out_of_time(folder: Path) -> str:
    async with staged(folder, faults=["clock-off"]) as on:
        await on.green()
        await on.until(lambda: streaming(on.device.events.streams), "the events are followed")
        stamps = ("2031-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2026-01-01T00:00:00+14:00")
        for number, stamp in enumerate(stamps):
            await on.emit({"Message": f"event {number}", "EventTimestamp": stamp})

        async def heard() -> list[str]:
            found = [e["message"] for e in await on.events("DeviceEvent")]
            return found if len(found) == len(stamps) else []

        assert await on.until(heard, "all are heard") == ["event 2", "event 1", "event 0"]
        times = [event["at"] for event in await on.events()]
        assert all(newer >= older for newer, older in itertools.pairwise(times))
    return "listed by the time of their receipt, whatever they say themselves"


async def streaming(count: int) -> bool:
    return count > 0


@scenario(14, "another certificate", played="a new certificate is shown at a pinned address")
async def another_certificate(folder: Path) -> str:
    async with staged(folder) as on:
        await on.green()
        old = on.device.fingerprint
        await on.fault({"effect": "lie", "lie": "clock", "offset_s": -TWELVE_HOURS_S})
        await on.down()
        await lost(on)
        await on.up()
        endpoint = await lost(on, "unauthenticated")
        shown = on.device.fingerprint
        assert shown != old
        assert shown in endpoint["last_error"]
        assert endpoint["next_step"]
        assert (await on.asset())["health"] is None
        on.house.state.facts.put_target(target_of(on.device))
        await on.green()
    return "not trusted: its fingerprint and the next step are told; back when it is pinned anew"
