"""From a baseline to a hall that satisfies it: planned, applied, read back, over the real wire."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.fleet.build import baseline
from tests.sim.firmware.stage import machines
from tests.survival.stage import CALM, Stage, staged

from iolaus.act.entries import Began, Ended, PlanSaid, entry
from iolaus.fleet.durations import LEAST
from iolaus.fleet.plan import USUAL_S
from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.model.plan import Fate, Plan, Verb
from iolaus.model.rollout import EntryKind, NodeState, Progress, RolloutState
from iolaus.model.select import EVERYTHING
from iolaus.sim.firmware.examples import example
from iolaus.store.journal import StoredJournal
from iolaus.store.lease import StoredLeases

TRAY, BMC = "gb300-tray", "FW_BMC_0"
AT_ONCE: Mapping[str, Any] = {"waves": [{"name": "all"}]}


async def known(on: Stage) -> None:
    """Every device of the hall is inventoried."""
    for device in on.hall.devices:
        on.device = device
        await on.green()


async def want(on: Stage, **spec: Any) -> None:
    spec.setdefault("rollout", dict(AT_ONCE))
    wanted = baseline("base", labels={"kind": "node"}, **spec)
    await on.house.state.baselines.put(wanted, at=0.0, by="ana", source="test")


async def planned(on: Stage) -> Plan:
    plan: Plan = await on.house.rolling.make_plan("base", selector=EVERYTHING, by="ana", keep=True)
    return plan


async def applied(on: Stage) -> tuple[Plan, Progress]:
    """Planned, applied, and over."""
    plan = await planned(on)
    await on.house.rolling.apply(plan.id, by="ana")
    return plan, await over(on, plan)


async def over(on: Stage, plan: Plan) -> Progress:
    async def check() -> Progress | None:
        progress = (await on.house.rolling.standing(plan.id)).progress
        if progress is None:
            return None
        ended = progress.state.over or progress.state is RolloutState.PAUSED
        still = ended and all(node.state.over for node in progress.nodes.values()
                              if node.state is not NodeState.WAITING)  # fmt: skip
        return progress if still else None

    progress: Progress = await on.until(check, "the roll-out is over")
    return progress


async def drift(on: Stage) -> dict[str, str]:
    return {each["name"]: each["state"] for each in await on.listed("drifts")}


async def test_settings_of_two_makes_come_true_and_the_second_look_finds_nothing(
    tmp_path: Path,
) -> None:
    async with staged(
        tmp_path, *machines("dl365-cpu", "xe9680-h200"), managed=True, periods=CALM
    ) as on:
        await known(on)
        await want(on, bios={"normalized": {"sriov": False}}, bmc={"ntp": ["10.9.9.9"]})
        plan, progress = await applied(on)
        assert [node.fate for node in plan.nodes] == [Fate.UPDATE, Fate.UPDATE]
        assert progress.state is RolloutState.DONE, progress
        assert {node.state for node in progress.nodes.values()} == {NodeState.DONE}

        async def right() -> bool:
            return set((await drift(on)).values()) == {"in-sync"}

        await on.until(right, "nothing departs any more")
        again = await planned(on)
        assert {node.fate for node in again.nodes} == {Fate.NO_OP}


async def test_a_package_reaches_its_version_and_what_was_right_is_not_touched(
    tmp_path: Path,
) -> None:
    data = example(TRAY, {BMC: "GB200Nvl-25.10-1"}, revision=4)
    images = tmp_path / "state" / "images"
    images.mkdir(parents=True)
    (tmp_path / "state").chmod(0o700)
    (images / "bmc.fwpkg").write_bytes(data)
    image = {"file": "bmc.fwpkg", "sha256": hashlib.sha256(data).hexdigest()}
    component = {"match": {"component": "bmc"}, "version": "25.10-1", "image": image}
    async with staged(tmp_path, *machines(TRAY, "dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        await want(on, firmware={"components": [component]})
        plan, progress = await applied(on)
        fates = {node.name: node.fate for node in plan.nodes}
        assert fates == {TRAY: Fate.UPDATE, "dl365-cpu": Fate.NO_OP}
        assert progress.state is RolloutState.DONE, progress

        async def shown() -> bool:
            return (await drift(on))[TRAY] == "in-sync"

        await on.until(shown, "the new version is in the picture")


async def test_an_endpoint_that_nobody_said_managed_is_blocked(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu")) as on:
        await known(on)
        await want(on, bmc={"ntp": ["10.9.9.9"]})
        plan = await planned(on)
        (node,) = plan.nodes
        assert node.fate is Fate.BLOCKED
        assert "managed" in node.reason


async def test_another_world_is_refused_and_says_what_changed(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        await want(on, bmc={"ntp": ["10.9.9.9"]})
        plan = await planned(on)
        await on.change(
            "/redfish/v1/Managers/1/NetworkProtocol", {"NTP": {"NTPServers": ["10.1.1.1"]}}
        )
        await on.inventoried()
        with pytest.raises(PolicyRefused) as caught:
            await on.house.rolling.apply(plan.id, by="ana")
        assert caught.value.code == "WorldMoved"
        assert "ntp.servers" in caught.value.message
        assert "10.1.1.1" in caught.value.message


async def test_approvals_are_of_others_and_come_first(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        rollout = {**AT_ONCE, "approvals": [{"group": "oncall", "count": 1}]}
        await want(on, bmc={"ntp": ["10.9.9.9"]}, rollout=rollout)
        plan, rolling = await planned(on), on.house.rolling
        with pytest.raises(PolicyRefused, match="1 more of oncall"):
            await rolling.apply(plan.id, by="ana")
        with pytest.raises(PolicyRefused, match="nobody approves what they made"):
            await rolling.approve(plan.id, by="ana", groups=("oncall",))
        with pytest.raises(OperatorMust, match="needs no approval of boss"):
            await rolling.approve(plan.id, by="bob", groups=("boss",))
        await rolling.approve(plan.id, by="bob", groups=("oncall",))
        await rolling.apply(plan.id, by="ana")
        at_once = (await rolling.standing(plan.id)).progress
        assert at_once is not None
        assert at_once.state in (RolloutState.WAITING, RolloutState.RUNNING)
        progress = await over(on, plan)
        assert progress.state is RolloutState.DONE
        with pytest.raises(PolicyRefused, match="was applied before"):
            await rolling.apply(plan.id, by="ana")


async def test_a_setting_that_is_refused_goes_back_and_the_roll_out_pauses(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        await want(on, bios={"raw": {"BootDelaySeconds": 999}})
        _, progress = await applied(on)
        assert progress.state is RolloutState.PAUSED
        (node,) = progress.nodes.values()
        assert node.state in (NodeState.ROLLED_BACK, NodeState.FAILED)
        assert "BootDelaySeconds" in node.reason


async def test_the_same_world_gives_the_same_plan_and_another_one_names_its_parent(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        await want(on, bmc={"ntp": ["10.9.9.9"]})
        first = await planned(on)
        assert (await planned(on)).id == first.id
        await want(on, bmc={"ntp": ["10.8.8.8"]})
        second = await planned(on)
        assert (second.parent, second.generation) == (first.id, 2)
        assert (await planned(on)).id == second.id
        kept = await on.house.rolling.all()
        assert [each.plan.id for each in kept] == [second.id, first.id]


async def test_a_plan_expects_what_the_last_roll_outs_journalled(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines("dl365-cpu"), managed=True, periods=CALM) as on:
        await known(on)
        await want(on, bmc={"ntp": ["10.9.9.9"]})
        before = await planned(on)
        (node,) = before.nodes
        assert node.estimate_s is not None
        step = next(s for s in node.steps if s.action.verb is Verb.SET_MANAGER)
        others = [await planned_before(on, number) for number in range(LEAST)]
        for each in others:
            await journalled(on, each, took_s=4000.0)
        await want(on, bmc={"ntp": ["10.8.8.8"]})
        (then,) = (await planned(on)).nodes
        assert then.estimate_s is not None
        assert then.estimate_s - node.estimate_s == 4000.0 - USUAL_S[step.action.verb]


async def planned_before(on: Stage, number: int) -> Plan:
    await want(on, bmc={"ntp": [f"10.7.7.{number}"]})
    return await planned(on)


async def journalled(on: Stage, plan: Plan, *, took_s: float) -> None:
    """A roll-out of it that is over, and whose steps took so long."""
    state = on.house.state
    journal, leases = StoredJournal(state.database, clock=WallClock()), StoredLeases(state.database)
    lease = await leases.acquire("test", "test", 600.0, time.time())
    assert lease
    lines = [entry(plan.id, EntryKind.PLAN_STATE, PlanSaid(state=RolloutState.DONE), at=1.0)]
    for node in plan.nodes:
        for step in node.steps:
            began = Began(attempt=1, effect="e", verb=step.action.verb.value)
            for kind, said, at in (
                (EntryKind.STARTED, began, 10.0),
                (EntryKind.DONE, Ended(), 10.0 + took_s),
            ):
                if step.action.verb is Verb.SET_MANAGER:
                    lines.append(entry(plan.id, kind, said, at=at, node=node.uid, step=step.id))
    await journal.append(lines, lease=lease)
