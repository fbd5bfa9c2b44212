"""A house over simulated machines, a policy in seconds, and somebody in band who tells of hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from iolaus.model.plan import Asked, Plan
from iolaus.model.rollout import NodeProgress, RolloutState
from iolaus.model.select import parse_selector
from iolaus.sim.ailments import alive
from iolaus.sim.device import Device
from tests.survival.stage import Stage, staged

POLICY = """\
apiVersion: iolaus.dev/v1
kind: RecoveryPolicy
metadata: {name: quick}
spec:
  silentFor: 1s
  wedgedAfter: 2s
  signalsFor: 3s
%s
  rungs:
    wait: {timeout: 1s, perHour: 99, perRackHour: 20}
    settle-login: {timeout: 8s, perHour: 99, perRackHour: 20}
    close-sessions: {timeout: 4s, perHour: 99, perRackHour: 20}
    reset-manager: {timeout: 5s, perHour: 99, perRackHour: 20}
    nmi: {timeout: 1s, perHour: 99, perRackHour: 20}
    restart: {timeout: 1s, perHour: 99, perRackHour: 20}
    force-restart: {timeout: 60s, perHour: 99, perRackHour: 20}
    power-on: {timeout: 3s, perHour: 99, perRackHour: 20}
    power-cycle: {timeout: 60s, perHour: 99, perRackHour: 20}
    switch-bank: {timeout: 5s, perHour: 99, perRackHour: 20}
    reflash: {timeout: 30s, coolDown: 0s, perHour: 99, perRackHour: 20}
    mains: {timeout: 5s, perHour: 99, perRackHour: 20}
    outlet: {timeout: 6s, perHour: 99, perRackHour: 20}
    slot: {timeout: 60s, perHour: 99, perRackHour: 20}
    rescue: {timeout: 4s, perHour: 99, perRackHour: 20}
    isolate: {timeout: 60s, perHour: 99, perRackHour: 20}
    rejoin: {timeout: 60s, perHour: 99, perRackHour: 20}
    hold-off: {timeout: 4s, perHour: 99, perRackHour: 20}
"""


class Band:
    """Somebody in band: says every so often of each host what is really so. Muted hosts have
    nobody who watches them."""

    def __init__(self, on: Stage, *, every_s: float = 0.3) -> None:
        self._on, self._every_s = on, every_s
        self.muted: set[str] = set()

    def say(self) -> None:
        house = self._on.house
        for device in self._on.hall.devices:
            held = house.state.facts.held(device.address)
            if held is None or device.name in self.muted or device.labels.get("role") == "pdu":
                continue
            for key, asset in held.assets.items():
                if asset.kind.value == "node" and (uid := held.uids.get(key)):
                    house.recovering.say(
                        uid, alive=alive(device), source="monitor", detail="port 22"
                    )

    async def run(self) -> None:
        while True:
            self.say()
            await asyncio.sleep(self._every_s)


@asynccontextmanager
async def recovering(
    folder: Path, *devices: Device, policy: str = "", managed: bool = True, **options: Any
) -> AsyncIterator[tuple[Stage, Band]]:
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "recovery.yaml").write_text(POLICY % policy)
    async with staged(folder, *devices, managed=managed, **options) as on:
        band, facts = Band(on), on.house.state.facts
        for device in on.hall.devices:
            on.device = device
            if (target := facts.target_of(device.address)) is not None:
                facts.put_target(msgspec.structs.replace(target, labels=dict(device.labels)))
            await known(on)
        task = asyncio.create_task(band.run())
        try:
            yield on, band
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def known(on: Stage) -> None:
    """The device is inventoried."""

    async def check() -> bool:
        return on.house.state.facts.report_of(on.device.address) is not None

    await on.until(check, "it is inventoried")


async def verdict(on: Stage, name: str, wanted: str) -> dict[str, Any]:
    """Wait until a node's condition Reach says so, as a program sees it."""

    async def check() -> dict[str, Any]:
        for each in await on.listed("nodes"):
            if each["name"] == name:
                for condition in each["conditions"]:
                    if condition["type"] == "Reach" and condition["reason"] == wanted:
                        return dict(condition)
        return {}

    found: dict[str, Any] = await on.until(check, f"{name} is {wanted}")
    return found


async def plan(on: Stage, selector: str, by: str = "ana", **arguments: Any) -> Plan:
    return await _made(on, Asked(kind="recover", arguments=arguments), selector, by)


async def _made(on: Stage, asked: Asked, selector: str, by: str) -> Plan:
    made: Plan = await on.house.rolling.plan_asked(
        asked, selector=parse_selector(selector), batch=None, by=by, keep=True
    )
    return made


async def recovered(on: Stage, selector: str, **arguments: Any) -> tuple[Plan, NodeProgress]:
    """Planned, applied and over: how the one node fares."""
    made = await plan(on, selector, **arguments)
    return made, await _over(on, made)


async def done(on: Stage, asked: Asked) -> NodeProgress:
    """Whatever a person asks of the one device."""
    return await _over(on, await _made(on, asked, on.device.name, "ana"))


async def _over(on: Stage, made: Plan) -> NodeProgress:
    await on.house.rolling.apply(made.id, by="ana")

    async def check() -> NodeProgress | None:
        progress = (await on.house.rolling.standing(made.id)).progress
        if progress is None or progress.state is not RolloutState.DONE:
            return None
        (node,) = progress.nodes.values()
        return node

    found: NodeProgress = await on.until(check, "the plan is carried out", patience_s=90.0)
    return found
