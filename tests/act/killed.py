"""What a process does that will be killed, on the clock of the wall.

Its devices are lines in a file: each effect is one line, written through before the answer, so that
what took effect is counted however this process ends.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iolaus.act.conduct import Conductor
from iolaus.act.looking import Pace
from iolaus.act.ports import Sight
from iolaus.act.term import Rules
from iolaus.kernel.clock import WallClock
from iolaus.model.plan import Action, Expect, NodePlan, Op, Plan, Step, Verb
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal
from iolaus.store.lease import StoredLeases
from tests.act.deciding import decide
from tests.act.hall import node_of, plan_of

QUICK = Rules(
    ttl_s=0.6,
    margin_s=0.1,
    settle_s=0.005,
    poll_s=0.05,
    retry_s=0.05,
    pace=Pace(look_s=0.01, slowest_s=0.05, agree_s=0.005, grace_s=0.2),
)


def counting_plan(nodes: int = 20) -> Plan:
    made = [node_of(f"n{n}", tuple(_step(n, turn) for turn in range(3))) for n in range(nodes)]
    return plan_of(made, at_once=6)


def _step(node: int, turn: int) -> Step:
    after = Expect(subject="effects", op=Op.CHANGED)
    reset = Action(verb=Verb.RESET)
    return Step(
        id=f"n{node}-{turn}", action=reset, text="reset", after=(after,), timeout_s=2.0, attempts=50
    )


class FileHall:
    """Implements `act.ports.Hands`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        count = len(self.effects(node.uid))
        met = "effects" in baseline and baseline["effects"] != count
        return Sight(verdict="met" if met else "unmet", seen={"effects": count})

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Any]:
        await asyncio.sleep(0.002)
        with (self._directory / node.uid).open("a") as lines:
            lines.write(f"{effect}\n")
        await asyncio.sleep(0.002)
        return {}

    def effects(self, uid: str) -> list[str]:
        path = self._directory / uid
        return path.read_text().splitlines() if path.exists() else []


async def main(where: str, directory: str) -> None:
    database, clock = Database(where if "://" in where else Path(where)), WallClock()
    database.open()
    journal = StoredJournal(database, clock=clock)
    conductor = Conductor(
        journal=journal,
        leases=StoredLeases(database),
        hands=FileHall(Path(directory)),
        clock=clock,
        decide=decide,
        world=lambda plan: None,
        holder=f"process-{os.getpid()}",
        rules=QUICK,
        on_change=lambda plan, entries: print(
            *(e.kind.value for e in entries), sep="\n", flush=True
        ),
    )
    await conductor.run()


def act(where: str, directory: str) -> None:
    asyncio.run(main(where, directory))
