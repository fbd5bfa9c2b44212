"""Power actions while the house is killed (SIGKILL) at its journal writes: counted by the
devices, no reset is doubled, and none is lost without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.killed import act
from tests.app.test_rolling import known
from tests.forked import Forked
from tests.sim.firmware.stage import machines
from tests.survival.stage import Ground, grounded, housed

from iolaus.act.fold import fold
from iolaus.kernel.clock import WallClock
from iolaus.model.plan import Asked, Plan, Verb
from iolaus.model.rollout import NodeState, Progress, RolloutState
from iolaus.model.select import parse_selector
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal

pytestmark = pytest.mark.slow

HOST = "gb300-tray"
KILLED = -9
STEP_S = 20.0
"""Seconds that a step may take here: so long it is looked at before anything is sent again."""
ACTIONS: Mapping[str, tuple[Asked, str, str]] = {
    "reset": (
        Asked(kind="power", arguments={"action": "reset"}), "POST", "/ComputerSystem.Reset"
    ),
}  # fmt: skip


async def asked_for(folder: Path, ground: Ground, asked: Asked) -> Plan:
    """A plan whose steps are given little time, kept and asked to be applied; nobody acts yet."""
    async with housed(folder, ground, managed=True) as on:
        await known(on)
        made = await on.house.rolling.plan_asked(
            asked, selector=parse_selector("kind=node"), batch=None, by="ana", keep=False
        )
    nodes = tuple(
        msgspec.structs.replace(
            node,
            steps=tuple(
                msgspec.structs.replace(s, timeout_s=min(STEP_S, s.timeout_s)) for s in node.steps
            ),
        )
        for node in made.nodes
    )
    plan = msgspec.structs.replace(made, nodes=nodes)
    journal = Journal(folder)
    await journal.kept.put_plan(plan)
    await journal.kept.ask(plan.id, "apply", "ana", WallClock().now())
    journal.close()
    return plan


class Journal:
    """As it stands on the disk."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / "state" / "state.db")
        self._database.open()
        self.kept = StoredJournal(self._database, clock=WallClock())

    def close(self) -> None:
        self._database.close()


async def life(folder: Path, side: str, at: int) -> int:
    """How it ended."""
    child = Forked(act, str(folder / "state"), side, at)
    try:
        async with asyncio.timeout(120.0):
            while (code := child.poll()) is None:
                await asyncio.sleep(0.02)
        return code
    finally:
        child.close()


async def progress_of(folder: Path, plan: Plan) -> Progress:
    journal = Journal(folder)
    progress = fold(plan, await journal.kept.entries(plan.id))
    journal.close()
    return progress


def assert_told(progress: Progress, sent: int, wanted: int) -> None:
    """What is called done was sent once. Of what was announced when a life ended, and of which
    nothing tells whether it was sent, nothing is sent behind anybody's back: it stands still and
    says so."""
    (node,) = progress.nodes.values()
    assert sent <= wanted, progress
    if node.state is NodeState.DONE:
        assert (progress.state, sent) == (RolloutState.DONE, wanted)
    else:
        assert progress.state is RolloutState.PAUSED, progress
        assert node.reason


def counted(ground: Ground, method: str, place: str) -> int:
    (device,) = ground.hall.devices
    order: list[Any] = device.counters.order or []
    return sum(m == method and p.endswith(place) and "/Systems/" in p for _, m, p in order)


def expected(plan: Plan) -> int:
    """How many of the actions that are counted the plan holds."""
    verbs = (Verb.RESET, Verb.SET_BOOT)
    return sum(s.action.verb in verbs for node in plan.nodes for s in node.steps)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("what", "side", "at", "lives"),
    [
        ("reset", "before", 6, 1),
        pytest.param("reset", "before", 2, 0, marks=pytest.mark.soak),
    ],
)
async def test_no_action_is_doubled_and_none_is_lost_without_a_word(
    tmp_path: Path, what: str, side: str, at: int, lives: int
) -> None:
    """Each life ends at its `at`-th write: before it, when what it tells is done already, or after
    it, when what it announces is not. So many `lives` end so (0: one after the other, until all
    is done)."""
    asked, method, place = ACTIONS[what]
    async with grounded(tmp_path, *machines(HOST)) as ground:
        plan = await asked_for(tmp_path, ground, asked)
        (device,) = ground.hall.devices
        device.counters.order = []
        ended, killed = KILLED, 0
        while ended == KILLED:
            mortal = not lives or killed < lives
            ended = await life(tmp_path, side, at if mortal else 0)
            killed += ended == KILLED
        assert ended == 0
        sent = counted(ground, method, place)
        assert_told(await progress_of(tmp_path, plan), sent, expected(plan))
        assert killed >= (lives or 3)
