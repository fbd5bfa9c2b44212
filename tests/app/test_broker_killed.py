"""kill -9 of the building's broker while a rack is held near its limit, with the machines watched
from outside.

The building is the simulator's, on a real broker; the house hears it there. Without it the worst
supply temperature is assumed: every machine falls to what that carries, nobody is switched off,
and nothing rises until the building has been heard again for a while. The limit holds throughout.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.app.watched import Watched, is_falling
from tests.survival.stage import Stage, grounded, housed, machine

from iolaus.app.demo import join_building
from iolaus.app.edges import Running
from iolaus.sim.building.broker import Broker
from iolaus.sim.building.serve import BuildingOptions, serve_building

NAMES, RACK = ("one", "two"), "h1-r01"
LIMIT_W, NEAR, OFF_W = 11_000.0, 0.95, 1_000.0
POWER = f"""\
apiVersion: iolaus.dev/v1
kind: Plant
metadata: {{name: h1}}
spec:
  domains:
    - {{name: feed-a, kind: feed, limit: 20 kW}}
    - {{name: {RACK}, kind: rack, parent: feed-a, limit: {LIMIT_W / 1000:g} kW}}
---
apiVersion: iolaus.dev/v1
kind: PowerPolicy
metadata: {{name: hall}}
spec: {{mode: control}}
---
apiVersion: iolaus.dev/v1
kind: LeakPolicy
metadata: {{name: hall}}
spec: {{mode: control, supplyWorstC: 50}}
"""


class Scene:
    def __init__(self, on: Watched, stage: Stage, broker: Broker) -> None:
        self.on, self.stage, self.broker = on, stage, broker
        running = self.running()
        part = running.run.edge.rules.reflex.unlinked_cap
        self.unlinked_w = {
            node.name: max(part * node.nameplate_w, node.least_w) for node in running.view.nodes
        }

    def running(self) -> Running:
        return self.stage.house.edges.edges.running[RACK]

    @property
    def lost(self) -> str:
        joined = self.stage.house.joining.joined
        assert joined is not None
        return joined.link.why_lost()

    def is_near(self) -> bool:
        return NEAR * LIMIT_W < sum(map(self.on.cap_w, NAMES)) <= LIMIT_W

    def is_low(self) -> bool:
        return all(self.on.cap_w(name) <= self.unlinked_w[name] for name in NAMES)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state" / "power.yaml").write_text(POWER)
    devices = [machine("gb300-tray", name, number=n) for n, name in enumerate(NAMES)]
    async with grounded(folder, *devices) as ground:
        options = BuildingOptions(folder=folder / "building", serial=False)
        async with (
            serve_building(ground.hall.devices, options=options) as building,
            housed(folder, ground, managed=True) as stage,
        ):
            facts = stage.house.state.facts
            for device in ground.hall.devices:
                target = facts.target_of(device.address)
                assert target
                facts.put_target(msgspec.structs.replace(target, labels={"rack": RACK, "row": "a"}))
            join_building(stage.house, {"building": building.told()})
            on = Watched(ground, NAMES)
            edges = stage.house.edges.edges
            await on.until(
                lambda: RACK in edges.running and len(edges.running[RACK].view.nodes) == 2,
                "the rack has an edge",
            )
            async with on.watching():
                yield Scene(on, stage, building.broker)


@pytest.mark.soak
async def test_a_broker_that_is_killed_costs_no_overrun_and_comes_back_without_a_jump(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as of:
        on = of.on
        await on.until(lambda: not of.lost, "the building is heard")
        await on.until(of.is_near, "the rack is near its limit")
        began = time.monotonic()
        for _ in range(2):
            await of.broker.kill()
            dead = await on.until(lambda: bool(of.lost), "the loss is seen")
            low = await on.until(of.is_low, "what the worst supply temperature carries")
            print(f"seen after {dead:.1f} s, low {low:.1f} s later", end=", ")
            cut = time.monotonic()
            await of.broker.restart()
            heard = await on.until(lambda: not of.lost, "the building is heard again")
            assert is_falling(on.since(cut)), "nothing rises before it is heard"
            near = await on.until(of.is_near, "the rack is near its limit again")
            print(f"heard {heard:.1f} s after the broker was back, near {near:.1f} s later")
        rows = on.since(began)
        assert max(sum(row.caps.values()) for row in rows) <= LIMIT_W
        assert max(sum(row.drawn.values()) for row in rows) <= LIMIT_W
        assert all(min(row.drawn.values()) > OFF_W for row in rows)
        assert not of.running().run.edge.reflexes.latches
