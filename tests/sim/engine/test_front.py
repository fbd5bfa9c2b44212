"""Slots, latency and connection limits: how a busy controller behaves."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp
import pytest

from iolaus.sim.device import Latency, Options
from iolaus.sim.front import Front
from tests.sim.engine.conftest import played
from tests.sim.engine.tree import V1, device

SYSTEM = f"{V1}/Systems/1"


async def test_more_requests_than_slots_wait_their_turn() -> None:
    options = Options(slots=4, latency=Latency(median_s=0.1))
    async with played([device(options=options)]) as play:
        asked = [play.first.status("GET", SYSTEM) for _ in range(24)]
        assert set(await asyncio.gather(*asked)) == {200}
        counters = play.device.counters
        assert (counters.max_in_flight, counters.in_flight) == (4, 0)
        assert counters.by_status == {"200": 24}


async def test_or_are_refused() -> None:
    options = Options(slots=1, refuse_when_full=True, latency=Latency(median_s=0.05))
    async with played([device(options=options)]) as play:
        asked = [play.first.status("GET", SYSTEM) for _ in range(8)]
        assert set(await asyncio.gather(*asked)) == {200, 503}
        assert await play.first.status("GET", SYSTEM) == 200
        assert play.device.counters.max_in_flight == 1


async def test_connections_over_the_limit_are_cut() -> None:
    async with played([device(options=Options(max_connections=1))]) as play:
        assert await play.first.status("GET", SYSTEM) == 200
        async with aiohttp.ClientSession() as session:
            with pytest.raises((aiohttp.ClientError, OSError)):
                await session.get(play.device.address + V1, ssl=False)


def test_latency_is_log_normal_seeded_and_slower_for_some_paths() -> None:
    latency = Latency(median_s=0.1, sigma=0.5, floor_s=0.05, factors=(("*/Firmware*", 10.0),))

    def drawn(path: str) -> list[float]:
        front = Front(device(options=Options(latency=latency, seed=3)))
        return [front.latency_s(path) for _ in range(500)]

    usual, slow = drawn(SYSTEM), drawn(f"{V1}/UpdateService/FirmwareInventory")
    assert usual == drawn(SYSTEM)
    assert min(usual) >= 0.05
    assert 0.08 < statistics.median(usual) < 0.12
    assert 0.8 < statistics.median(slow) < 1.2


async def test_arrivals_are_kept_in_order_when_asked_for() -> None:
    async with played([device()]) as play:
        play.device.counters.order = []
        for path in (V1, SYSTEM, V1):
            await play.first.status("GET", path)
        assert [path for _, _, path in play.device.counters.order or []] == [V1, SYSTEM, V1]
