"""A feed's limit over the wire: frames are tampered with, machines lie and hang, clocks differ.

Two racks of two simulated machines are held by a real house through TLS; what passes between its
centre and its edges is dropped, doubled, delayed and so put out of order, then cut for half of them
and for all. Fifty times a second the caps are written
down at the machines, and that record is judged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.survival.stage import Ground, Stage, grounded, housed, machine

from iolaus.energy.frames import BUDGETS, REPORTS
from iolaus.sim.rules import parse_rules

CAP = "/redfish/v1/Chassis/Chassis_0/EnvironmentMetrics"
NAMES = ("one", "two", "three", "four")
LIMIT_W, FLOOR_W = 16_000.0, 2_600.0
POWER = """\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {name: h1}
spec:
  domains:
    - {name: feed-a, kind: feed, limit: 16 kW}
    - {name: "r[1-2]", kind: rack, parent: feed-a, limit: 14 kW}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {name: hall}
spec: {mode: control}
"""
ROW_S = 0.02


class Tampered:
    """A bus whose frames of power are lost, doubled, late and out of order; of the racks that are
    `cut`, all are lost."""

    def __init__(self, publish: Callable[[str, Any], None]) -> None:
        self._publish, self._random = publish, Random(7)
        self.cut: set[str] = set()

    def __call__(self, topic: str, message: Any) -> None:
        if not topic.startswith((BUDGETS, REPORTS)):
            self._publish(topic, message)
        elif self._random.random() > 0.1:
            loop = asyncio.get_running_loop()
            for _ in range(1 + (self._random.random() < 0.3)):
                loop.call_later(self._random.choice((0.0, 0.0, 0.4)), self._late, topic, message)

    def _late(self, topic: str, message: Any) -> None:
        if topic.rpartition(".")[2] not in self.cut:
            self._publish(topic, message)


class Rack:
    def __init__(self, ground: Ground, on: Stage) -> None:
        self.ground, self.on = ground, on
        self.rows: list[Mapping[str, float]] = []

    def cap_w(self, name: str) -> float:
        kept = self.ground.hall[name].kept(CAP) or {}
        return float(kept["PowerLimitWatts"]["SetPoint"])

    @property
    def sum_w(self) -> float:
        return sum(map(self.cap_w, NAMES))

    async def watch(self) -> None:
        while True:
            self.rows.append({name: self.cap_w(name) for name in NAMES})
            await asyncio.sleep(ROW_S)

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < 180.0, f"it did not come: {what}"
            await asyncio.sleep(ROW_S)

    def grown(self) -> bool:
        return len(NAMES) * FLOOR_W + 1_000.0 < self.sum_w <= LIMIT_W

    def at_floors(self, *names: str) -> bool:
        return all(self.cap_w(name) == FLOOR_W for name in names or NAMES)

    def rule(self, device: str, **words: Any) -> None:
        rule = {"select": {"device": device}, **words}
        self.ground.hall.inject(*parse_rules([rule], source="test"))


@asynccontextmanager
async def rack(folder: Path) -> AsyncIterator[Rack]:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state" / "power.yaml").write_text(POWER)
    devices = [machine("gb300-tray", name, number=n) for n, name in enumerate(NAMES)]
    async with grounded(folder, *devices) as ground, housed(folder, ground, managed=True) as on:
        for number, device in enumerate(devices):
            facts = on.house.state.facts
            target = facts.target_of(device.address)
            assert target
            labels = {"rack": f"r{1 + number // 2}", "row": "a"}
            facts.put_target(msgspec.structs.replace(target, labels=labels))
        found = Rack(ground, on)
        task = asyncio.create_task(found.watch())
        try:
            yield found
        finally:
            task.cancel()


@pytest.mark.soak
async def test_a_limit_holds_whatever_happens_to_frames_machines_and_clocks(tmp_path: Path) -> None:
    async with rack(tmp_path) as on:
        await on.until(on.grown, "the racks have what the plant lets them have")
        first = len(on.rows)
        bus = on.on.house.bus
        tampered = Tampered(bus.publish)
        bus.publish = tampered  # type: ignore[method-assign]
        on.rule("one", effect="lie", lie="clock", offset_s=43_200.0)
        on.rule("two", effect="lie", lie="frozen")
        on.ground.hall["three"].down("silence")
        await on.until(lambda: len(on.rows) - first > 300, "a while passes")
        on.ground.hall["three"].up()
        on.ground.hall.clear()
        await on.until(lambda: "three" not in unreachable(on), "the silent one is heard again")
        await on.until(on.grown, "the racks go on")

        tampered.cut = {"r2"}
        await on.until(lambda: on.at_floors("three", "four"), "the half that is cut off falls")
        await on.until(lambda: not on.at_floors("one", "two"), "the other half goes on")
        tampered.cut = {"r1", "r2"}
        await on.until(on.at_floors, "cut off, all fall to their floors")
        tampered.cut = set()
        await on.until(on.grown, "all grow again")
        assert max(sum(row.values()) for row in on.rows[first:]) <= LIMIT_W


def unreachable(on: Rack) -> set[str]:
    edges = on.on.house.edges.edges.running.values()
    return {cap.node.name for each in edges for cap in each.run.edge.caps if cap.unreachable}
