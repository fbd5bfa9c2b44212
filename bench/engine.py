"""`python -m bench.engine [NODES]` (10240): a whole firmware roll-out in virtual time.

A hall of nodes gets a new BMC and BIOS: drained, flashed, restarted, seen to be well and given
back, wave after wave with its soaks. The planner, the decider, the conductor and the journal are
the real ones; the devices are made up and take as long as real ones do, on a clock that jumps.
Prints first how many steps a second each database takes, on the same disk and in the same run, then
how long the roll-out would have taken, what was journalled, and how the wall time divides between
the engine, the database and what is made up (devices, the hall as it is seen, the clock). CPU for
each entry compares two sizes of hall; wall time is worth something on an idle machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bench.act import places, rates
from bench.plan import NOW, node
from iolaus.act.conduct import Conductor
from iolaus.act.fold import fold
from iolaus.act.term import Rules
from iolaus.fleet.expect import sight_of
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.follow import Decider
from iolaus.fleet.images import Image
from iolaus.fleet.judge import Judge
from iolaus.fleet.plan import Surroundings, make_plan
from iolaus.fleet.step import BOOT, DRAINED
from iolaus.fleet.topology import topology_of
from iolaus.fleet.world import Standing, World
from iolaus.kernel.clock import JumpClock
from iolaus.model.desired import Baseline, Kept
from iolaus.model.plan import Action, Expect, NodePlan, Plan, Step, Verb
from iolaus.model.rollout import Entry, EntryKind, Progress, Sight
from iolaus.store.database import Database
from iolaus.store.journal import StoredJournal
from iolaus.store.lease import StoredLeases

T = TypeVar("T")
HOUR_S = 3600.0
DATABASE, DECISIONS, MADE_UP = "database", "decisions", "made up"
IDLE_TURNS = 4
LOOK_S = 5.0
RATES_S, AT_ONCE = 5.0, [1, 64, 1024]
SPEC: dict[str, Any] = {
    "selector": {"matchLabels": {"model": "GB300"}},
    "firmware": {
        "components": [
            {"match": {"component": "bmc"}, "version": "1.8"},
            {"match": {"component": "bios"}, "version": "2.4", "after": ["bmc"]},
        ]
    },
    "rollout": {
        "drain": {"adapter": "slurm"},
        "waves": [
            {"name": "canary", "max": 8, "soak": "1h"},
            {"name": "ten", "max": "10%", "soak": "30m"},
            {"name": "rest"},
        ],
        "limits": {"maxUnavailable": "6%", "maxDarkRacks": 2, "perDomain": {"cdu": 40}},
        "gates": [{"name": "errors", "expr": "failed / attempted < 0.05"}],
    },
}
TAKES_S: Mapping[Verb, tuple[float, float]] = {
    Verb.DRAIN: (30.0, 1800.0),
    Verb.UNDRAIN: (1.0, 5.0),
    Verb.UPDATE: (240.0, 600.0),
    Verb.RESET: (240.0, 420.0),
    Verb.RESET_MANAGER: (120.0, 240.0),
    Verb.WAIT_HEALTHY: (0.0, 30.0),
}
"""Seconds from the request until it is so, between these."""
ANSWER_S = (0.05, 0.4)


class Stopwatch:
    """Wall time by what it was spent on."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.spent[what] += time.perf_counter() - begun  # type: ignore[assignment]


class Machine:
    """One node: its values, and those that will be so when its work is done."""

    __slots__ = ("boots", "later", "values")

    def __init__(self, planned: NodePlan) -> None:
        self.boots = 1
        self.values: dict[str, Any] = {
            "endpoint/reachable": True, "power/state": "On", "health": "OK", DRAINED: "idle",
        }  # fmt: skip
        self.later: list[tuple[float, dict[str, Any]]] = []
        for step in planned.steps:
            for each in step.before:
                self.values.setdefault(each.subject, each.value)

    def settle(self, now: float) -> None:
        for due, values in [each for each in self.later if each[0] <= now]:
            self.values |= values
            self.later.remove((due, values))

    def begin(self, step: Step, due: float) -> None:
        """What a step expects will be so then; what it flashed runs after the next start."""
        verb, values = step.action.verb, dict[str, Any]()
        if verb in (Verb.DRAIN, Verb.UNDRAIN):
            values[DRAINED] = "drained" if verb is Verb.DRAIN else "idle"
        for each in step.after:
            if each.subject == BOOT:
                self.boots += 1
                values[BOOT] = self.boots
            elif each.subject.startswith("firmware/"):
                values[each.subject] = each.value
        self.later.append((due, values))


class Hall:
    """`act`'s hands over made-up machines, and what is seen of them."""

    def __init__(self, plan: Plan, clock: JumpClock, watch: Stopwatch) -> None:
        self._clock, self._watch, self._random = clock, watch, random.Random(1)
        self._machines = {each.uid: Machine(each) for each in plan.nodes}
        self.looks = self.effects = 0
        self._seen: Mapping[str, Standing] = {}
        self._seen_at = -LOOK_S

    async def look(
        self,
        node: NodePlan,
        step: Step,  # noqa: ARG002
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        await self._clock.sleep(self._random.uniform(*ANSWER_S))
        with self._watch.on(MADE_UP):
            self.looks += 1
            machine = self._machines[node.uid]
            machine.settle(self._clock.now())
            machine.values[BOOT] = machine.values.get(BOOT, 1)
            values = {each.subject: machine.values[each.subject] for each in expects}
            return sight_of(expects, values=values, reasons={}, baseline=baseline)

    async def do(
        self,
        node: NodePlan,
        step: Step,
        action: Action,
        *,
        effect: str,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        await self._clock.sleep(self._random.uniform(*ANSWER_S))
        with self._watch.on(MADE_UP):
            self.effects += 1
            takes_s = self._random.uniform(*TAKES_S[action.verb])
            self._machines[node.uid].begin(step, self._clock.now() + takes_s)
            return {"task": f"/redfish/v1/TaskService/Tasks/{self.effects}"}

    def world(self, plan: Plan) -> World:  # noqa: ARG002
        """Looked at afresh as often as a hall of ten thousand is."""
        with self._watch.on(MADE_UP):
            if self._clock.monotonic() - self._seen_at >= LOOK_S:
                self._seen_at = self._clock.monotonic()
                self._seen = dict.fromkeys(self._machines, Standing(at=self._clock.now()))
            return World(nodes=self._seen, values={"critical_alarms": 0.0})


class TimedDatabase(Database):
    """Says how long its transactions take."""

    def __init__(self, where: Path | str, watch: Stopwatch) -> None:
        super().__init__(where)
        self._watch, self.commits = watch, 0

    def write(self, work: Callable[..., T], *, exclusive: bool = False) -> T:
        self.commits += 1
        with self._watch.on(DATABASE):
            return super().write(work, exclusive=exclusive)

    def read(self, work: Callable[..., T]) -> T:
        with self._watch.on(DATABASE):
            return super().read(work)


def planned(nodes: int) -> Plan:
    """Half of what `bench.plan` makes is right already; here all of it is old."""
    document = {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": "engine"},
        "spec": SPEC,
    }
    baseline = msgspec.convert(document, Baseline)
    facts = [old(number) for number in range(nodes)]
    judge = Judge([baseline])
    pairs = [(f, d) for f in facts if (d := judge.judge(f, now=NOW)) is not None]
    image = Image(file="all.fwpkg", sha256="0" * 64, size=1, versions={"BMC": "1.8", "BIOS": "2.4"})
    around = Surroundings(topology=topology_of(facts), images={image.file: image})
    return make_plan(Kept(baseline=baseline, generation=1, at=NOW), pairs, around, now=NOW)


def old(number: int) -> NodeFacts:
    found, right = node(number), number % 2 == 0
    return msgspec.structs.replace(found, firmware=node(1).firmware) if right else found


class Run:
    """One roll-out on one database, from apply to its end."""

    def __init__(self, plan: Plan, where: Path | str) -> None:
        self.plan, self.watch, self.clock = plan, Stopwatch(), JumpClock(NOW, IDLE_TURNS)
        self.hall = Hall(plan, self.clock, self.watch)
        self.database = TimedDatabase(where, self.watch)
        self.database.open()
        self.journal = StoredJournal(self.database, clock=self.clock, here=True)
        self.entries = self.steps = self.decisions = 0
        self._decider = Decider()
        self.conductor = Conductor(
            journal=self.journal,
            leases=StoredLeases(self.database, here=True),
            hands=self.hall,
            clock=self.clock,
            decide=self._decide,
            world=self.hall.world,
            holder="bench",
            rules=Rules(),
            on_change=self._heard,
        )

    def _decide(self, plan: Plan, progress: Progress, world: object, now: float) -> Any:
        assert isinstance(world, World)
        self.decisions += 1
        with self.watch.on(DECISIONS):
            return self._decider(plan, progress, world, now)

    def _heard(self, plan: str, entries: tuple[Entry, ...]) -> None:  # noqa: ARG002
        self.entries += len(entries)
        self.steps += sum(entry.kind is EntryKind.DONE for entry in entries)

    async def go(self) -> Progress:
        await self.journal.put_plan(self.plan)
        await self.journal.ask(self.plan.id, "apply", "bench", self.clock.now())
        conducting = asyncio.create_task(self.conductor.run())
        try:
            while True:
                await self.clock.sleep(60.0)
                (kept,) = await self.journal.plans()
                if kept.state not in ("", "waiting", "running"):
                    return fold(self.plan, await self.journal.entries(self.plan.id))
        finally:
            conducting.cancel()
            await asyncio.gather(conducting, return_exceptions=True)
            self.database.close()


def report(kind: str, plan: Plan, where: Path | str) -> bool:
    """Run it there and say how it went; whether every node is done."""
    run, begun, cpu = Run(plan, where), time.perf_counter(), time.process_time()
    progress = asyncio.run(run.go())
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    states = Counter(each.state.value for each in progress.nodes.values())
    virtual, spent = run.clock.monotonic(), run.watch.spent
    engine = wall - spent[DATABASE] - spent[MADE_UP]
    print(f"{kind}: {progress.state.value}, {dict(states)}")
    print(f"  virtual time {virtual / HOUR_S:.1f} h, wall time {wall:.0f} s ({cpu:.0f} s of CPU)")
    print(f"  journalled   {run.steps:,} steps in {run.entries:,} entries: {run.steps / wall:,.0f} "
          f"steps a second, {virtual / wall:,.0f} times as fast as real time")  # fmt: skip
    print(f"  each entry   {cpu / run.entries * 1e3:.2f} ms of CPU, "
          f"{run.database.commits / run.entries:.2f} commits")  # fmt: skip
    parts = {"engine": engine, "database": spent[DATABASE], "made up": spent[MADE_UP]}
    told = ", ".join(f"{name} {s:.0f} s ({s / wall:.0%})" for name, s in parts.items())
    print(f"  wall time    {told}")
    each_ms, looks = spent[DECISIONS] / run.decisions * 1e3, run.hall.looks
    print(f"  decisions    {run.decisions:,}, {each_ms:.1f} ms each; {looks:,} looks", flush=True)
    return set(states) == {"done"}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("nodes", type=int, nargs="?", default=10_240)
    parser.add_argument("--only", choices=("SQLite", "PostgreSQL"))
    parser.add_argument("--seconds", type=float, default=RATES_S, help="of each rate")
    given = parser.parse_args()
    plan = planned(given.nodes)
    steps = sum(len(each.steps) for each in plan.nodes)
    print(f"{len(plan.nodes)} nodes, {steps} steps in {len(plan.waves)} waves", flush=True)
    with places() as every:
        kinds = {kind: found for kind, found in every.items() if given.only in (None, kind)}
        rates({kind: other for kind, (_, other) in kinds.items()}, AT_ONCE, given.seconds)
        right = [report(kind, plan, where) for kind, (where, _) in kinds.items()]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
