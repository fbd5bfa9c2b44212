"""A package that its canary does not bear stops there, and nobody else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.canary import OLD, TWO_BANKS, bricked, hall, sick, touched, version
from tests.survival.stage import CALM

from iolaus.fleet.plan_text import plan_text
from iolaus.model.rollout import NodeState, RolloutState

NODES = 3


async def test_a_canary_that_turns_bad_in_its_soak_returns_and_stops_the_roll_out(
    tmp_path: Path,
) -> None:
    async with hall(tmp_path, NODES, CALM) as on:
        ended = await sick(on)
        assert ended.progress.state is RolloutState.PAUSED, ended.progress
        assert ended.node.state is NodeState.ROLLED_BACK, ended.node
        assert ended.others == {NodeState.WAITING}
        assert ended.stopped_s is not None
        assert version(ended.canary) == OLD
        assert set(touched(on.hall.devices)) == {ended.canary.name}


@pytest.mark.soak
async def test_a_canary_that_never_answers_again_uses_up_the_budget(tmp_path: Path) -> None:
    async with hall(tmp_path, NODES, CALM) as on:
        lost = await bricked(on)
        assert lost.progress.state is RolloutState.PAUSED, lost.progress
        assert lost.node.state is NodeState.LOST, lost.node
        assert lost.progress.budgets["bricks"] == 1
        assert "may be lost" in lost.progress.reason
        assert lost.others == {NodeState.WAITING}
        assert set(touched(on.hall.devices)) == {lost.canary.name}


async def test_a_canary_with_two_banks_returns_by_the_other_one_and_is_pushed_to_once(
    tmp_path: Path,
) -> None:
    async with hall(tmp_path, 2, CALM, TWO_BANKS) as on:
        ended = await sick(on, TWO_BANKS)
        assert ended.progress.state is RolloutState.PAUSED, ended.progress
        assert ended.node.state is NodeState.ROLLED_BACK, ended.node
        assert "(way back: the other bank)" in plan_text(ended.plan)
        assert version(ended.canary, TWO_BANKS) == TWO_BANKS.old
        (written,) = touched(on.hall.devices).items()
        name, writes = written
        assert name == ended.canary.name
        pushed = [path for method, path in writes if "UpdateService" in path]
        assert len(pushed) == 1, writes
        manager = "/redfish/v1/Managers/1"
        assert ("PATCH", manager) in writes
        assert ("POST", f"{manager}/Actions/Manager.Reset") in writes
