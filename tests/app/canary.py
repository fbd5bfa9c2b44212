"""A package for a hall of one make whose canary does not bear it, played over the real wire.

Two stories, for a few machines in a test and for a hall of them in a bench: a canary whose health
turns bad once the new version runs, and one that never answers again after its flash. What was
written to whom is what the devices counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tests.fleet.build import baseline
from tests.survival.stage import Stage, grounded, housed

from iolaus.model.plan import Plan
from iolaus.model.rollout import EntryKind, NodeState, Progress, RolloutState
from iolaus.model.select import EVERYTHING
from iolaus.observe.collect import Periods
from iolaus.sim.device import Device
from iolaus.sim.firmware.examples import example
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site


class Make(NamedTuple):
    """What a story is played with. `olds`: an image of the old version is at hand, too."""

    persona: str
    part: str
    system: str
    old: str
    new: str
    wanted: str
    olds: bool = True

    @property
    def entry(self) -> str:
        return f"/redfish/v1/UpdateService/FirmwareInventory/{self.part}"


OLD, NEW = "GB200Nvl-25.08-9", "GB200Nvl-25.08-10"
"""Of one security version: the device would not go back below its floor."""
TRAY = Make("gb300-tray", "FW_BMC_0", "/redfish/v1/Systems/System_0", OLD, NEW, "25.08-10")
TWO_BANKS = Make(
    "sys-hgx-b200", "BMC", "/redfish/v1/Systems/1", "01.05.16", "01.05.20", "01.05.20", olds=False
)
STEP_S = 8.0
"""Seconds that a step may take here; a real one is given up to an hour."""
WRITING = ("POST", "PATCH", "PUT", "DELETE")
EVERYBODYS = (
    "/SessionService/Sessions",
    "/EventService/Subscriptions",
    "GetSignedMeasurements",
)
"""Written to by whoever only reads."""
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: canary}
spec:
  network: {cidr: 127.84.0.0/16}
  demo: {imperfections: false}
  devices:
%s
"""


class Ended(NamedTuple):
    """How a roll-out came to stand. `stopped_s`: how long after the soak began, by the journal."""

    plan: Plan
    canary: Device
    progress: Progress
    stopped_s: float | None

    @property
    def node(self) -> Any:
        return self.progress.nodes[self.plan.waves[0].nodes[0]]

    @property
    def others(self) -> set[NodeState]:
        """Of the nodes that were to follow it."""
        rest = (uid for wave in self.plan.waves[1:] for uid in wave.nodes)
        return {self.progress.nodes[uid].state for uid in rest}


def machines(count: int, make: Make) -> list[Device]:
    """So many machines of one kind, quick at flashing and restarting."""
    rows = "\n".join(f"    - {{name: n{n:03}, persona: {make.persona}}}" for n in range(count))
    found = [seat.device() for seat in build_hall(parse_site(SITE % rows, source="-"))]
    quick = {"task_s": 1.0, "power_on_s": 0.05, "power_off_s": 0.05, "bmc_reset_s": 0.2}
    for device in found:
        for name, value in quick.items():
            object.__setattr__(device.options, name, value)
    return found


@asynccontextmanager
async def hall(
    folder: Path, count: int, periods: Periods, make: Make = TRAY
) -> AsyncIterator[Stage]:
    """Discovered, with the packages at hand, and a baseline that wants the new version."""
    spec = images(folder, make)
    async with (
        grounded(folder, *machines(count, make)) as ground,
        housed(folder, ground, periods=periods, managed=True) as on,
    ):

        async def well() -> bool:
            nodes = await on.listed("nodes?limit=10000")
            return len(nodes) == count and all(each.get("health") == "OK" for each in nodes)

        await on.until(well, "all are discovered and well", patience_s=60.0 + 3.0 * count)
        spec["rollout"] = {
            "waves": [{"name": "canary", "max": 1, "soak": "30s"}, {"name": "rest"}],
            "limits": {"maxUnavailable": "10%", "bricks": 0},
            "gates": [{"name": "alarms", "expr": "critical_alarms == 0"}],
        }
        wanted = baseline("base", labels={"kind": "node"}, **spec)
        await on.house.state.baselines.put(wanted, at=0.0, by="ana", source="test")
        yield on


def images(folder: Path, make: Make) -> dict[str, Any]:
    place = folder / "state" / "images"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    for name, version in (*([("old", make.old)] if make.olds else []), ("new", make.new)):
        package = example(make.persona, {make.part: version}, revision=4)
        (place / f"{name}.fwpkg").write_bytes(package)
        (place / f"{name}.fwpkg.yaml").write_text(f"versions: {{{make.part}: {version}}}\n")
    digest = hashlib.sha256((place / "new.fwpkg").read_bytes()).hexdigest()
    image = {"file": "new.fwpkg", "sha256": digest}
    component = {"match": {"component": "bmc"}, "version": make.wanted, "image": image}
    return {"firmware": {"components": [component]}}


async def applied(on: Stage) -> tuple[Plan, Device]:
    """A plan over the whole hall, its steps given little time; it runs. With its canary."""
    rolling = on.house.rolling
    plan = await rolling.make_plan("base", selector=EVERYTHING, by="ana", keep=False)
    nodes = tuple(
        msgspec.structs.replace(
            node,
            steps=tuple(
                msgspec.structs.replace(step, timeout_s=min(step.timeout_s, STEP_S))
                for step in node.steps
            ),
        )
        for node in plan.nodes
    )
    plan = msgspec.structs.replace(plan, nodes=nodes)
    await rolling.journal.put_plan(plan)
    for device in on.hall.devices:
        device.counters.order = []
    await rolling.apply(plan.id, by="ana")
    name = plan.node(plan.waves[0].nodes[0]).endpoint
    return plan, next(each for each in on.hall.devices if each.address == name)


async def sick(on: Stage, make: Make = TRAY) -> Ended:
    """The canary's health is bad for as long as the new version runs."""
    plan, canary = await applied(on)

    async def soaking() -> bool:
        progress = await fares(on, plan)
        return progress is not None and progress.waves[0].state == "soaking"

    await on.until(soaking, "the canary is done and soaks", patience_s=120.0)
    assert version(canary, make) == make.new
    turn(canary, make, "Critical")

    async def returned() -> bool:
        return version(canary, make) == make.old

    await on.until(returned, "the old version runs again", patience_s=120.0)
    turn(canary, make, "OK")
    return await stands(on, plan, canary)


async def bricked(on: Stage) -> Ended:
    """The canary takes the image and is never heard of again."""
    plan, canary = await applied(on)
    object.__setattr__(canary.options, "task_s", 60.0)  # it is still at it when it falls silent

    async def taken() -> bool:
        return any("update" in path.lower() for _, path in writes(canary))

    await on.until(taken, "the image was taken", patience_s=120.0)
    canary.down("silence")
    return await stands(on, plan, canary)


async def stands(on: Stage, plan: Plan, canary: Device) -> Ended:
    """Once the roll-out is stopped and nothing of it moves."""
    busy = (NodeState.RUNNING, NodeState.ROLLING_BACK)

    async def check() -> Progress | None:
        progress = await fares(on, plan)
        if progress is None or progress.state is RolloutState.RUNNING:
            return None
        return None if any(n.state in busy for n in progress.nodes.values()) else progress

    progress = await on.until(check, "the roll-out stands", patience_s=300.0)
    return Ended(plan, canary, progress, await stopped_after(on, plan))


async def stopped_after(on: Stage, plan: Plan) -> float | None:
    """Seconds from the first soak to the first pause; None where one of them never was."""
    soaked = None
    for entry in await on.house.rolling.journal.entries(plan.id):
        if entry.kind is EntryKind.WAVE and entry.doc["state"] == "soaking":
            soaked = entry.at if soaked is None else soaked
        elif entry.kind is EntryKind.PLAN_STATE and entry.doc.get("state") == "paused":
            return None if soaked is None else entry.at - soaked
    return None


async def fares(on: Stage, plan: Plan) -> Progress | None:
    return (await on.house.rolling.standing(plan.id)).progress


def turn(device: Device, make: Make, health: str) -> None:
    device.patch(make.system, {"Status": {"Health": health, "HealthRollup": health}})


def version(device: Device, make: Make = TRAY) -> str:
    return str((device.get(make.entry) or {}).get("Version"))


def writes(device: Device) -> list[tuple[str, str]]:
    """What was written to it since the plan was applied."""
    return [
        (method, path)
        for _, method, path in device.counters.order or ()
        if method in WRITING and not any(each in path for each in EVERYBODYS)
    ]


def touched(devices: Sequence[Device]) -> dict[str, list[tuple[str, str]]]:
    """Who was written to, and what."""
    return {device.name: found for device in devices if (found := writes(device))}
