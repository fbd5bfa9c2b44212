"""What a person asks of nodes, over the real wire: power, and what they start from next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.app.test_rolling import known, over
from tests.sim.firmware.stage import machines
from tests.survival.stage import CALM, Stage, staged

from iolaus.kernel.errors import PolicyRefused
from iolaus.model.plan import Asked, Fate, Plan
from iolaus.model.rollout import NodeState, Progress, RolloutState
from iolaus.model.select import parse_selector

MAKES = ("xe9680-h200", "gb300-tray")
EVERY_NODE = parse_selector("kind=node")


async def ask(on: Stage, kind: str, **arguments: Any) -> tuple[Plan, Progress]:
    """Asked of every node, applied, and over. What the last action changed may be read between
    plan and word: then it is asked for again, as the refusal says."""
    while True:
        plan = await on.house.rolling.plan_asked(
            Asked(kind=kind, arguments=arguments),
            selector=EVERY_NODE,
            batch=None,
            by="ana",
            keep=True,
        )
        try:
            await on.house.rolling.apply(plan.id, by="ana")
        except PolicyRefused as refused:
            assert refused.code == "WorldMoved"
            continue
        return plan, await over(on, plan)


async def read_again(on: Stage, name: str, value: str) -> None:
    """Every inventory says so."""

    async def right() -> bool:
        held = on.house.state.facts.all_held()
        found = [s.value for h in held if h.report for s in h.report.manager_settings
                 if s.name == name]  # fmt: skip
        return len(found) >= len(on.hall.devices) and set(found) == {value}

    await on.until(right, f"{name} is {value} everywhere")


async def test_power_of_several_makes_goes_off_on_and_round_again(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines(*MAKES), managed=True, periods=CALM) as on:
        await known(on)
        for arguments in (
            {"action": "off"},
            {"action": "on"},
            {"action": "cycle", "how": "force"},
            {"action": "reset"},
        ):
            plan, progress = await ask(on, "power", **arguments)
            assert progress.state is RolloutState.DONE, (arguments, progress)
            states = {node.state for node in progress.nodes.values()}
            assert states == {NodeState.DONE}, (arguments, progress, plan)
            await known(on)


async def test_a_boot_override_is_read_back_and_undone(tmp_path: Path) -> None:
    async with staged(tmp_path, *machines(*MAKES), managed=True, periods=CALM) as on:
        await known(on)
        plan, progress = await ask(on, "boot", target="Pxe", enabled="Once")
        assert progress.state is RolloutState.DONE, progress
        await read_again(on, "boot.override.enabled", "Once")
        await on.house.rolling.ask(plan.id, "undo", by="ana")

        async def undone() -> bool:
            found = (await on.house.rolling.standing(plan.id)).progress
            return found is not None and found.state is RolloutState.UNDONE

        await on.until(undone, "the roll-out is undone")
        await read_again(on, "boot.override.enabled", "Disabled")
        again, _ = await ask(on, "boot", target="None", enabled="Disabled")
        assert {node.fate for node in again.nodes} == {Fate.NO_OP}
