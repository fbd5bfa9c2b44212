"""Real processes, really killed and really frozen."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iolaus.act.fold import fold
from iolaus.kernel.clock import WallClock
from iolaus.model.plan import Plan
from iolaus.model.rollout import NodeState, Progress, RolloutState
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal
from tests.act.killed import FileHall, act, counting_plan
from tests.forked import Forked


@contextmanager
def process(where: Path | str, hall: Path) -> Iterator[Forked]:
    running = Forked(act, str(where), str(hall))
    try:
        yield running
    finally:
        running.close()


class Asked:
    """The journal as another process sees it."""

    def __init__(self, where: Path | str, plan: Plan) -> None:
        self.database = Database(where)
        self.database.open()
        self.journal = StoredJournal(self.database, clock=WallClock())
        self.plan = plan

    async def apply(self) -> None:
        await self.journal.put_plan(self.plan)
        await self.journal.ask(self.plan.id, "apply", "ann", time.time())

    async def progress(self) -> Progress:
        return fold(self.plan, await self.journal.entries(self.plan.id))

    async def until_over(self, for_s: float = 60.0) -> Progress:
        due = time.monotonic() + for_s
        while time.monotonic() < due:
            if (progress := await self.progress()).state.over:
                return progress
            await asyncio.sleep(0.1)
        return await self.progress()


def assert_each_effect_once(hall: FileHall, plan: Plan) -> None:
    for node in plan.nodes:
        effects = hall.effects(node.uid)
        assert len(effects) == len(set(effects)) == 3, (node.uid, effects)


@pytest.mark.slow
async def test_kill_nine_again_and_again(anywhere: Path | str, tmp_path: Path) -> None:
    plan, hall, chance = counting_plan(), tmp_path / "hall", random.Random(5)
    hall.mkdir()
    asked = Asked(anywhere, plan)
    await asked.apply()
    for _ in range(6):
        with process(anywhere, hall) as running:
            await asyncio.to_thread(running.said, chance.randint(1, 25))
            await asyncio.sleep(chance.random() * 0.02)
            running.send_signal(signal.SIGKILL)
    assert not (await asked.progress()).state.over
    with process(anywhere, hall):
        progress = await asked.until_over()
    assert progress.state is RolloutState.DONE
    assert {node.state for node in progress.nodes.values()} == {NodeState.DONE}
    assert_each_effect_once(FileHall(hall), plan)
    asked.database.close()


@pytest.mark.slow
async def test_a_frozen_process_that_wakes_is_fenced(anywhere: Path | str, tmp_path: Path) -> None:
    """Two act on one database; each in turn is frozen for longer than a lease lasts."""
    plan, hall = counting_plan(), tmp_path / "hall"
    hall.mkdir()
    asked = Asked(anywhere, plan)
    await asked.apply()
    with process(anywhere, hall) as one, process(anywhere, hall) as other:
        for turn in range(4):
            frozen = (one, other)[turn % 2]
            await asyncio.sleep(0.4)
            os.kill(frozen.pid, signal.SIGSTOP)
            await asyncio.sleep(1.0)
            os.kill(frozen.pid, signal.SIGCONT)
        progress = await asked.until_over()
    assert progress.state is RolloutState.DONE
    entries = await asked.journal.entries(plan.id)
    assert [e.epoch for e in entries] == sorted(e.epoch for e in entries)
    assert_each_effect_once(FileHall(hall), plan)
    asked.database.close()
