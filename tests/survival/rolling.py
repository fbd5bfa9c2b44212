"""The behaviours of the catalogue while a roll-out runs: it ends right, or says what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from iolaus.kernel.errors import IolausError
from iolaus.model.plan import Asked, Plan
from iolaus.model.rollout import NodeProgress, NodeState, Progress, RolloutState
from iolaus.model.select import EVERYTHING, parse_selector
from iolaus.sim.firmware.examples import example
from tests.fleet.build import baseline
from tests.sim.firmware.stage import machines
from tests.survival.scenario import scenario
from tests.survival.stage import CALM, Stage, staged

HOST, TRAY, BMC = "dl365-cpu", "gb300-tray", "FW_BMC_0"
NEW = "GB200Nvl-25.10-1"
STEP_S = 8.0
"""Seconds that a step may take here; a real one is given minutes."""
SETTINGS: Mapping[str, Any] = {
    "bios": {"normalized": {"sriov": False}},
    "bmc": {"ntp": ["10.9.9.9"]},
}
ENDED = (NodeState.DONE, NodeState.ROLLED_BACK, NodeState.FAILED, NodeState.LOST)


def images(folder: Path) -> dict[str, Any]:
    """A real package in the image folder, and the baseline that wants it."""
    data = example(TRAY, {BMC: NEW}, revision=4)
    place = folder / "state" / "images"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    (place / "bmc.fwpkg").write_bytes(data)
    image = {"file": "bmc.fwpkg", "sha256": hashlib.sha256(data).hexdigest()}
    return {
        "firmware": {
            "components": [{"match": {"component": "bmc"}, "version": "25.10-1", "image": image}]
        }
    }


async def planned(on: Stage, *, step_s: float = STEP_S, **spec: Any) -> Plan:
    """A plan over every device of the hall, its steps given little time, and kept."""
    for device in on.hall.devices:
        on.device = device
        await on.green()
    spec.setdefault("rollout", {"waves": [{"name": "all"}]})
    wanted = baseline("base", labels={"kind": "node"}, **spec)
    await on.house.state.baselines.put(wanted, at=0.0, by="ana", source="test")
    rolling = on.house.rolling
    plan = await rolling.make_plan("base", selector=EVERYTHING, by="ana", keep=False)
    return await kept(on, plan, step_s)


async def kept(on: Stage, plan: Plan, step_s: float) -> Plan:
    """The same plan with steps that are given little time, in the journal."""
    nodes = tuple(
        msgspec.structs.replace(
            node,
            steps=tuple(
                msgspec.structs.replace(step, timeout_s=min(step.timeout_s, step_s))
                for step in node.steps
            ),
        )
        for node in plan.nodes
    )
    short: Plan = msgspec.structs.replace(plan, nodes=nodes)
    await on.house.rolling.journal.put_plan(short)
    return short


async def begun(on: Stage, plan: Plan) -> None:
    """Applied, and the first node of the first wave is in one of its steps."""
    first = plan.waves[0].nodes[0]
    await on.house.rolling.apply(plan.id, by="ana")

    async def check() -> bool:
        progress = (await on.house.rolling.standing(plan.id)).progress
        node = progress.nodes[first] if progress else None
        return node is not None and node.steps_done + (node.step is not None) >= 1

    await on.until(check, "the first node was begun")


async def written(on: Stage, plan: Plan, entries: int, what: str) -> None:
    """Applied, and so much stands in the journal of it."""
    await on.house.rolling.apply(plan.id, by="ana")

    async def check() -> bool:
        progress = (await on.house.rolling.standing(plan.id)).progress
        return progress is not None and progress.last >= entries

    await on.until(check, what)


async def ended(on: Stage, plan: Plan) -> Progress:
    """The roll-out when nothing of it moves any more."""
    rolling = on.house.rolling

    async def check() -> Progress | None:
        progress = (await rolling.standing(plan.id)).progress
        if progress is None:
            return None
        still = progress.state.over or progress.state is RolloutState.PAUSED
        waits = (NodeState.WAITING, *ENDED, NodeState.SKIPPED)
        return (
            progress if still and all(n.state in waits for n in progress.nodes.values()) else None
        )

    progress: Progress = await on.until(check, "the roll-out stands still", patience_s=100.0)
    return progress


async def applied(on: Stage, plan: Plan) -> tuple[Progress, NodeProgress]:
    """Applied and ended, with the first node's fate."""
    await on.house.rolling.apply(plan.id, by="ana")
    progress = await ended(on, plan)
    return progress, progress.nodes[plan.nodes[0].uid]


async def in_sync(on: Stage) -> None:
    async def check() -> bool:
        return all(each["state"] == "in-sync" for each in await on.listed("drifts"))

    await on.until(check, "nothing departs any more")


@scenario(1, "in a roll-out: a reset is taken, and nothing happens", played="every reset: 204")
async def ignored(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=3.0, **SETTINGS)
        await on.strike("accepts-and-ignores")
        progress, node = await applied(on, plan)
        assert progress.state is RolloutState.PAUSED
        assert node.state in (NodeState.FAILED, NodeState.ROLLED_BACK), node
        assert node.reason
    return (
        "force, the controller and mains are tried within their budgets; then it stops and says so"
    )


@scenario(2, "in a roll-out: the controller reboots and loses its tasks", played="amid the flash")
async def tasks_lost(folder: Path) -> str:
    async with staged(folder, *machines(TRAY, task_s=2.0), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=12.0, **images(folder))
        await written(on, plan, 6, "the image was taken")
        await on.strike("controller-reboots")
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert node.state in ENDED
        assert progress.state in (RolloutState.DONE, RolloutState.PAUSED)
        assert (node.state is NodeState.DONE) == (progress.state is RolloutState.DONE)
    return "the version decides and no task is asked for its word: done, or it stops and says why"


@scenario(3, "in a roll-out: tasks lie", played="Completed and Critical, while the update is done")
async def tasks_lie(folder: Path) -> str:
    async with staged(folder, *machines(TRAY), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=30.0, **images(folder))
        await on.fault("tasks-lie")
        progress, node = await applied(on, plan)
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
        await in_sync(on)
    return "done, because the inventory says the new version twice"


@scenario(7, "in a roll-out: writes are refused at first", played="409 and 503, then taken")
async def refused_at_first(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=20.0, **SETTINGS)
        await on.strike("passing-refusals")
        progress, node = await applied(on, plan)
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
        await in_sync(on)
    return "sent again after a pause, without counting as a failure"


@scenario(8, "in a roll-out: stale reads and dropped writes", played="all of behaviour 8 at once")
async def stale(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=20.0, **SETTINGS)
        await on.strike("stale-and-dropped-writes")
        progress, node = await applied(on, plan)
        assert progress.state in (RolloutState.DONE, RolloutState.PAUSED)
        if node.state is NodeState.DONE:
            await on.clear()
            await in_sync(on)
        else:
            assert node.reason
    return "done only when fresh reads agree; else it stops and says what was read"


@scenario(9, "in a roll-out: something else is staged", played="another value waits for the reset")
async def staged_before(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        on.device = on.hall.devices[0]
        await on.green()
        await on.change(
            "/redfish/v1/Systems/1/Bios/Settings", {"Attributes": {"ProcSMT": "Disabled"}}
        )
        plan = await planned(on, step_s=20.0, **SETTINGS)
        progress, node = await applied(on, plan)
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
        await in_sync(on)
    return "what waits is cleared first, and what was wanted is read back after the reset"


@scenario(6, "in a roll-out: the API is gone for a while", played="refused for some seconds")
async def gone(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=30.0, **SETTINGS)
        await written(on, plan, 8, "it was begun")
        await on.down("refuse")
        await on.polled(3)
        await on.up()
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
    return "unknown is waited for within the step's time; nothing is sent twice"


@scenario(15, "in a roll-out: it never comes back", played="no answer after the flash")
async def bricked(folder: Path) -> str:
    names = (TRAY, HOST)
    async with staged(folder, *machines(*names, task_s=1.0), managed=True, periods=CALM) as on:
        rollout = {
            "waves": [{"name": "canary", "max": 1}, {"name": "rest"}],
            "limits": {"bricks": 0},
        }
        spec = {**images(folder), "bmc": {"ntp": ["10.9.9.9"]}, "rollout": rollout}
        plan = await planned(on, step_s=6.0, **spec)
        first = plan.waves[0].nodes[0]
        name = plan.node(first).name
        on.device = on.hall[name]
        await begun(on, plan)
        await on.down("silence")
        progress = await ended(on, plan)
        assert progress.nodes[first].state is NodeState.LOST, progress.nodes[first]
        assert progress.state is RolloutState.PAUSED
        others = {node.uid for node in plan.nodes} - {first}
        assert {progress.nodes[uid].state for uid in others} == {NodeState.WAITING}
        await on.up()
    return "lost: it uses up the budget for that, the wave stops, and nobody else is touched"


@scenario(11, "in a roll-out: our password is gone", played="amid the steps")
async def locked_out(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=4.0, **SETTINGS)
        await begun(on, plan)
        account = on.device.gate.accounts["root"]
        ours, account.password = account.password, "factory"
        on.device.gate.drop_all()
        await on.strike("account-locks", tries=5)
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert progress.state is RolloutState.PAUSED
        assert node.state in (NodeState.FAILED, NodeState.LOST, NodeState.ROLLED_BACK)
        assert account.locked_until == 0.0
        assert ours
    return "it stops and says so; the account is not locked by trying"


@scenario(
    11,
    "in a rotation: the accounts are the maker's again",
    played="as the new password is sent; five wrong ones lock it",
)
async def changed_under_us(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        secrets = on.house.state.secrets
        secrets.put("maker", user="root", password="factory")
        secrets.recover_with("default", "maker")
        on.device = on.hall.devices[0]
        await on.green()
        policy = {"AccountLockoutThreshold": 5, "AccountLockoutDuration": 300}
        await on.change("/redfish/v1/AccountService", policy)
        await on.strike("account-locks", tries=5)
        write = {"method": ["PATCH"], "path": "*/AccountService/Accounts*"}
        await on.fault({"effect": "latency", "seconds": 1.0, "times": 1, "select": write})
        asked = Asked(kind="rotate", arguments={}, at=0.0)
        every = parse_selector("kind=node")
        rolling = on.house.rolling
        plan = await rolling.plan_asked(asked, selector=every, batch=None, by="ana", keep=False)
        plan = await kept(on, plan, STEP_S)
        await rolling.apply(plan.id, by="ana")

        async def under_way() -> bool:
            return on.device.address in secrets.pending()

        await on.until(under_way, "the new password is kept")
        account = on.device.gate.accounts["root"]
        account.password = "factory"
        on.device.gate.drop_all()
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert (progress.state, node.state) == (RolloutState.PAUSED, NodeState.FAILED), node
        assert "logins failed lately" in node.reason
        assert (account.locked_until, account.failures <= 3) == (0.0, True), account
        known = secrets.others(on.device.address, name="hall")
        assert account.password in {chance.login.password for chance in known}
    return "it waits until a login may fail again, or stops and says when that is; never locked"


@scenario(
    4, "in a roll-out: the inventory's ids are others afterwards", played="renamed by the flash"
)
async def renamed(folder: Path) -> str:
    async with staged(folder, *machines(TRAY, task_s=1.0), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=30.0, **images(folder))
        await written(on, plan, 6, "the image was taken")
        place = "/redfish/v1/UpdateService/FirmwareInventory"
        old, new = f"{place}/{BMC}", f"{place}/BMC_renamed"

        async def done() -> bool:
            return (on.device.get(old) or {}).get("Version") == NEW

        await on.until(done, "the new version runs")
        payload = on.device.get(old) or {}
        on.device.delist(place, old)
        on.device.remove(old)
        on.device.put(new, {**payload, "@odata.id": new, "Id": "BMC_renamed"})
        on.device.enlist(place, new)
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
    return "the part is found by what it is, and its version is the new one"


@scenario(5, "in a roll-out: sessions run out", played="two sessions, and none is given back")
async def no_sessions(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=20.0, **SETTINGS)
        await on.house.rolling.apply(plan.id, by="ana")
        await on.strike("sessions-run-out")
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
        await in_sync(on)
    return "one session serves the polls and the steps: done"


@scenario(10, "in a roll-out: events get lost", played="all of behaviour 10 at once")
async def no_events(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=20.0, **SETTINGS)
        await on.strike("events-get-lost")
        progress, node = await applied(on, plan)
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
    return "no step depends on an event: done by fresh reads"


@scenario(12, "in a roll-out: another board stands there", played="between plan and apply")
async def swapped(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, **SETTINGS)
        await on.strike("board-swapped")
        await on.inventoried()
        try:
            await on.house.rolling.apply(plan.id, by="ana")
        except IolausError as error:
            assert error.code == "WorldMoved", error
            assert error.next_step
        else:
            raise AssertionError("it was applied to another machine")
        assert (await on.counters())["requests"] > 0
    return "refused: the plan was made for another machine, and it says which"


@scenario(13, "in a roll-out: the schema is broken", played="the preset, from before the plan on")
async def broken_schema(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        on.device = on.hall.devices[0]
        await on.green()
        await on.strike("names-missing")
        await on.strike("versions-blank")
        await on.inventoried()
        plan = await planned(on, step_s=20.0, **SETTINGS)
        progress, node = await applied(on, plan)
        assert (progress.state, node.state) == (RolloutState.DONE, NodeState.DONE), node
        await in_sync(on)
    return "what is judged and what is verified are read in one way: done"


@scenario(14, "in a roll-out: the clock jumps", played="another certificate, not valid yet")
async def clock_jumps(folder: Path) -> str:
    async with staged(folder, *machines(HOST), managed=True, periods=CALM) as on:
        plan = await planned(on, step_s=4.0, **SETTINGS)
        await written(on, plan, 7, "it was begun")
        await on.strike("clock-off")
        progress = await ended(on, plan)
        node = progress.nodes[plan.nodes[0].uid]
        assert node.state in ENDED
        if node.state is not NodeState.DONE:
            assert progress.state is RolloutState.PAUSED
            assert progress.reason
    return "nothing is said to a certificate that is not trusted: it stops, and a person must look"
