"""Roll-outs as operators steer them, and what the conductor does when things go wrong around it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from iolaus.act.answers import ANSWERS, WORDS, answer
from iolaus.act.ports import Due, Intent, Lease
from iolaus.act.term import Rules
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import WeErred
from iolaus.model.plan import Approval, Domain, Limits, OnFailure, Plan
from iolaus.model.rollout import Decision, Entry, EntryKind, NodeState, Progress, RolloutState
from tests.act.deciding import decide
from tests.act.hall import BMC, Hall, Mood, node_of, plan_of, steps
from tests.act.house import CutJournal, Process
from tests.store.footings import Footing
from tests.store.postgres import Postgres


def made(hall: Hall, nodes: int, **options: Any) -> Plan:
    plan = plan_of(nodes, **options)
    for node in plan.nodes:
        hall.add(node.uid)
    return plan


def states(progress: Progress) -> Counter[NodeState]:
    return Counter(node.state for node in progress.nodes.values())


async def test_a_plan_that_was_not_applied_is_left_alone(database: Path, hall: Hall) -> None:
    process, plan = Process(database, hall), made(hall, 2)
    await process.journal.put_plan(plan)
    process.start()
    await hall.clock.sleep(600.0)
    await process.ask(plan, "pause")
    await hall.clock.sleep(60.0)
    await process.stop()
    progress = await process.progress(plan)
    assert (progress.state, progress.last) == (RolloutState.WAITING, 1)
    assert not any(device.sent for device in hall.devices.values())


async def test_approvals_are_waited_for(database: Path, hall: Hall) -> None:
    plan = made(hall, 2, approvals=(Approval(group="ops", count=2),))
    process = Process(database, hall)
    await process.apply(plan)
    process.start()
    await process.journal.approve(plan.id, "ann", ["ops"], 1.0)
    await hall.clock.sleep(600.0)
    assert (await process.progress(plan)).state is RolloutState.WAITING
    await process.journal.approve(plan.id, "bob", ["ops"], 2.0)
    await process.until(plan, "running")
    live = await process.conductor.progress(plan.id)
    assert live
    assert live.approved == {"ann": ("ops",), "bob": ("ops",)}
    assert (await process.until(plan)).state is RolloutState.DONE
    await process.stop()


async def test_a_pause_lets_steps_end_and_a_resume_goes_on(database: Path, hall: Hall) -> None:
    plan, process = made(hall, 10), Process(database, hall)
    await process.apply(plan)
    process.start()
    while not any(device.effects["update-firmware"] for device in hall.devices.values()):
        await hall.clock.sleep(0.5)
    await process.ask(plan, "pause")
    progress = await process.until(plan, "paused")
    await hall.clock.sleep(3600.0)
    still = await process.progress(plan)
    begun = {e.step for e in process.entries if e.kind is EntryKind.STARTED}
    ended = {e.step for e in process.entries if e.kind is EntryKind.DONE}
    assert begun == ended
    assert states(still)[NodeState.WAITING] == states(progress)[NodeState.WAITING] > 0
    assert states(still)[NodeState.RUNNING] == 5
    assert still.reason == "ann: pause"
    await process.ask(plan, "resume")
    assert states(await process.until(plan)) == {NodeState.DONE: 10}
    await process.stop()
    assert hall.doubled() == []


async def test_a_step_that_was_open_when_it_was_killed_is_ended_although_it_is_paused(
    database: Path, hall: Hall
) -> None:
    plan, first = made(hall, 5), Process(database, hall)
    await first.apply(plan)
    first.start()
    while not any(device.effects["reset"] for device in hall.devices.values()):
        await hall.clock.sleep(0.25)
    first.cut.hit.set()
    await first.journal.ask(plan.id, "pause", "ann", 1.0)
    await first.stop()
    second = Process(database, hall)
    second.start()
    await second.until(plan, "paused")
    await hall.clock.sleep(3600.0)
    await second.stop()
    entries = await second.journal.entries(plan.id)
    begun = {e.step for e in entries if e.kind is EntryKind.STARTED}
    assert begun == {e.step for e in entries if e.kind is EntryKind.DONE}
    assert hall.doubled() == []


async def test_an_abort_takes_back_what_was_begun_and_leaves_what_is_done(
    database: Path, hall: Hall
) -> None:
    plan, process = made(hall, 12, at_once=3, waves=1), Process(database, hall)
    await process.apply(plan)
    process.start()
    while states(await process.progress(plan))[NodeState.DONE] < 4:
        await hall.clock.sleep(2.0)
    await process.ask(plan, "abort")
    progress = await process.until(plan)
    assert progress.state is RolloutState.ABORTED
    count = states(progress)
    assert count[NodeState.DONE] >= 4
    assert count[NodeState.ROLLED_BACK] >= 1
    assert count[NodeState.WAITING] >= 1
    for uid, node in progress.nodes.items():
        device = hall.devices[uid]
        device.settle(1e12)
        assert device.facts[BMC] == ("2" if node.state is NodeState.DONE else "1")
        assert device.facts["drained"] is False
    await process.ask(plan, "undo")
    progress = await process.until(plan, "undone")
    assert progress.state is RolloutState.UNDONE
    assert NodeState.DONE not in states(progress)
    await process.stop()


async def test_an_undo_goes_back_wave_by_wave_within_the_limits(database: Path, hall: Hall) -> None:
    plan, process = made(hall, 12, at_once=4, waves=3), Process(database, hall)
    rack = Domain(kind="rack", name="r1")
    nodes = tuple(msgspec.structs.replace(node, domains=(rack,)) for node in plan.nodes)
    limits = Limits(max_unavailable=4, per_domain={"rack": 2})
    plan = msgspec.structs.replace(plan, nodes=nodes, limits=limits)
    await process.apply(plan)
    process.start()
    await process.until(plan)
    process.entries.clear()
    await process.ask(plan, "undo")
    progress = await process.until(plan, "undone")
    await process.stop()
    assert states(progress) == {NodeState.ROLLED_BACK: 12}
    backs = [e for e in process.entries if e.kind is EntryKind.NODE_STATE]
    begun = [e.node for e in backs if e.doc["state"] == "rolling-back"]
    wave_of = {uid: number for number, wave in enumerate(plan.waves) for uid in wave.nodes}
    order = [wave_of[uid or ""] for uid in begun]
    assert order == sorted(order, reverse=True)
    most, busy = 0, 0
    for entry in backs:
        busy += 1 if entry.doc["state"] == "rolling-back" else -1
        most = max(most, busy)
    assert most == 2
    assert {d.facts[BMC] for d in hall.devices.values()} == {"1"}


async def test_an_undo_stops_when_more_are_lost_than_may_be(database: Path, hall: Hall) -> None:
    plan, process = made(hall, 6, at_once=1, waves=1, bricks=0), Process(database, hall)
    await process.apply(plan)
    process.start()
    await process.until(plan)
    hall.devices[plan.nodes[4].uid].mood = Mood(bricks_on="update-firmware")
    await process.ask(plan, "undo")
    await hall.clock.sleep(4_000.0)
    count = states(await process.progress(plan))
    assert (count[NodeState.LOST], count[NodeState.DONE]) == (1, 4)
    assert "lost" in process.conductor.holds(plan.id)[""]
    await process.ask(plan, "abort")
    assert (await process.until(plan, "aborted")).state is RolloutState.ABORTED
    await process.stop()


def test_every_word_in_every_state_is_answered() -> None:
    for state in (None, *RolloutState):
        for word in (*WORDS, "nonsense"):
            said = answer(state, Intent(number=3, what=word, by="ann", at=0.0))
            assert said.intent == 3
            assert bool(said.ignored) is ((state, word) not in ANSWERS)
            if said.ignored:
                assert said.state == state


async def test_words_that_do_nothing_are_answered_once(database: Path, hall: Hall) -> None:
    plan, process = made(hall, 1, waves=1), Process(database, hall)
    await process.apply(plan)
    for word in ("resume", "undo", "apply"):
        await process.ask(plan, word)
    process.start()
    assert (await process.until(plan)).state is RolloutState.DONE
    await hall.clock.sleep(600.0)
    await process.stop()
    ignored = [e.doc["ignored"] for e in process.entries if "ignored" in e.doc]
    assert len(ignored) == 3
    assert await process.journal.agenda() == ()


async def test_a_decision_that_fails_holds_its_rollout_and_no_other(
    database: Path, hall: Hall
) -> None:
    good = made(hall, 2, waves=1)
    bad = msgspec.structs.replace(good, generation=2)

    def broken(plan: Plan, progress: Progress, world: object, now: float) -> Decision:
        if plan.generation == 2:
            raise RuntimeError("a bug in a decision")
        return decide(plan, progress, world, now)

    process = Process(database, hall, decide=broken)
    await process.apply(bad)
    with capture_logs() as logs:
        assert (await process.run(good)).state is RolloutState.DONE
    assert [line["event"] for line in logs] == ["rollout_erred"]
    assert (await process.progress(bad)).state is RolloutState.WAITING


async def test_a_decision_cannot_do_what_is_not_possible(database: Path, hall: Hall) -> None:
    """Unknown nodes, nodes twice, an end while nodes run, a resume of what a person paused."""

    def wild(plan: Plan, progress: Progress, world: object, now: float) -> Decision:
        said = decide(plan, progress, world, now)
        uids = tuple(node.uid for node in plan.nodes)
        mad = msgspec.structs.replace(
            said, start=(*said.start, *said.start, "nobody"), roll_back=("nobody",)
        )
        if progress.state is RolloutState.PAUSED:
            return msgspec.structs.replace(mad, state=RolloutState.RUNNING, start=uids)
        if any(n.state is NodeState.RUNNING for n in progress.nodes.values()):
            return msgspec.structs.replace(mad, state=RolloutState.DONE)
        return mad

    plan, process = made(hall, 3, waves=1), Process(database, hall, decide=wild)
    await process.apply(plan)
    process.start()
    while not any(device.sent for device in hall.devices.values()):
        await hall.clock.sleep(0.5)
    await process.ask(plan, "pause")
    await hall.clock.sleep(600.0)
    assert (await process.progress(plan)).state is RolloutState.PAUSED
    await process.ask(plan, "resume")
    progress = await process.until(plan)
    await process.stop()
    assert states(progress) == {NodeState.DONE: 3}
    assert hall.doubled() == []


async def test_a_damaged_plan_is_told_once_and_holds_no_other(database: Path, hall: Hall) -> None:
    plan, process = made(hall, 1, waves=1), Process(database, hall)
    other = msgspec.structs.replace(plan, generation=9)
    await process.apply(other)
    statement = f"UPDATE plans SET doc = x'70' WHERE id = '{other.id}'"
    process.database.write(lambda c: c.exec_driver_sql(statement))
    with capture_logs() as logs:
        assert (await process.run(plan)).state is RolloutState.DONE
    assert [line["event"] for line in logs] == ["rollout_held"]


async def test_only_so_many_nodes_run_at_once(database: Path, clock: JumpClock) -> None:
    hall = Hall(clock)
    plan = made(hall, 30, at_once=None, waves=1)
    process = Process(database, hall, rules=Rules(most=4))
    progress = await process.run(plan)
    assert states(progress) == {NodeState.DONE: 30}
    most = busy = 0
    for entry in process.entries:
        if entry.kind is EntryKind.NODE_STATE:
            busy += 1 if entry.doc["state"] == "running" else -1
            most = max(most, busy)
    assert most == 4


async def test_a_failed_node_is_rolled_back_or_left(database: Path, hall: Hall) -> None:
    for number, rule in enumerate(("rollback", "leave")):
        nodes = [node_of(f"n{number}{n}", steps(f"n{number}{n}")) for n in range(3)]
        for node in nodes:
            hall.add(node.uid, Mood(lies=1.0 if node.uid.endswith("1") else 0.0))
        plan = plan_of(nodes, waves=1, on_failure=OnFailure(node=rule))
        process = Process(database, hall)
        progress = await process.run(plan)
        end = NodeState.ROLLED_BACK if rule == "rollback" else NodeState.FAILED
        assert states(progress) == {NodeState.DONE: 2, end: 1}


class Buggy(CutJournal):
    """Errs in a way that nobody foresaw, once."""

    erred = False

    async def agenda(self) -> tuple[Due, ...]:
        if not self.erred:
            self.erred = True
            raise KeyError("a bug")
        return await super().agenda()


async def test_a_bug_ends_a_term_and_not_the_conductor(database: Path, hall: Hall) -> None:
    process = Process(database, hall, journal=Buggy)
    with capture_logs() as logs:
        progress = await process.run(made(hall, 2))
    assert progress.state is RolloutState.DONE
    assert [line["event"] for line in logs] == ["conductor_erred"]


# The database goes away


async def test_a_full_disk_pauses_and_loses_nothing(footing: Footing, hall: Hall) -> None:
    plan, process = made(hall, 12), Process(footing.where, hall, connect=footing.connect)
    await process.apply(plan)
    process.start()
    with capture_logs() as logs:
        while not any(device.effects["update-firmware"] for device in hall.devices.values()):
            await hall.clock.sleep(0.5)
        footing.full = True
        for _ in range(300):
            await hall.clock.sleep(1.0)
            if process.conductor.trouble:
                break
        assert process.conductor.trouble
        assert process.conductor.trouble.code == "DiskFull"
        quiet = {uid: list(device.sent) for uid, device in hall.devices.items()}
        await hall.clock.sleep(300.0)
        assert quiet == {uid: device.sent for uid, device in hall.devices.items()}
        footing.full = False
        progress = await process.until(plan)
    await process.stop()
    assert states(progress) == {NodeState.DONE: 12}
    assert process.conductor.trouble is None
    assert hall.doubled() == []
    assert {device.effects["reset"] for device in hall.devices.values()} == {1}
    told = [line["event"] for line in logs if line["event"].startswith("changes_")]
    assert told == ["changes_stopped", "changes_go_on"]


async def test_a_database_that_is_cut_again_and_again_costs_nothing(
    postgres: Postgres, hall: Hall
) -> None:
    plan, process = made(hall, 20), Process(postgres.database(), hall)
    await process.apply(plan)
    process.start()
    for turn in range(12):
        await hall.clock.sleep(10.0 + turn)
        if turn % 3:
            postgres.cut()
            continue
        postgres.stop()
        await hall.clock.sleep(60.0)
        postgres.start()
    progress = await process.until(plan)
    await process.stop()
    assert states(progress) == {NodeState.DONE: 20}
    assert hall.doubled() == []
    assert {device.effects["reset"] for device in hall.devices.values()} == {1}


async def test_a_connection_closed_under_it_costs_nothing(database: Path, hall: Hall) -> None:
    handed: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        handed.append(sqlite3.connect(database, check_same_thread=False))
        return handed[-1]

    plan, process = made(hall, 20), Process(database, hall, connect=connect)
    await process.apply(plan)
    process.start()
    for _ in range(6):
        await hall.clock.sleep(9.0)
        for each in handed:
            each.close()
        process.database.engine.dispose()
    progress = await process.until(plan)
    await process.stop()
    assert states(progress) == {NodeState.DONE: 20}
    assert hall.doubled() == []


class Flaky(CutJournal):
    """Fails now and then: half of the time nothing was written, else all of it was."""

    chance = random.Random(12)

    async def append(self, entries: Sequence[Entry], *, lease: Lease) -> tuple[Entry, ...]:
        luck = self.chance.random()
        lost = WeErred("the connection was cut", operation="write state", subject="state")
        if luck < 0.02:
            raise lost
        kept = await super().append(entries, lease=lease)
        if luck > 0.98:
            raise lost
        return kept


async def test_an_append_that_failed_may_have_been_written(database: Path, hall: Hall) -> None:
    plan, process = made(hall, 20), Process(database, hall, journal=Flaky)
    await process.apply(plan)
    process.start()
    progress = await process.until(plan)
    await process.stop()
    assert states(progress) == {NodeState.DONE: 20}
    assert hall.doubled() == []
    assert {device.effects["reset"] for device in hall.devices.values()} == {1}
    assert process.hands.dos >= 80


# Two on one database


async def test_only_one_of_two_acts_and_the_other_takes_over(
    anywhere: Path | str, hall: Hall
) -> None:
    plan = made(hall, 20)
    one, other = Process(anywhere, hall), Process(anywhere, hall)
    await one.apply(plan)
    one.start()
    await hall.clock.sleep(1.0)
    other.start()
    await hall.clock.sleep(20.0)
    assert one.conductor.acting
    assert not other.conductor.acting
    assert other.hands.dos == 0
    await one.stop()
    progress = await other.until(plan)
    await other.stop()
    assert states(progress) == {NodeState.DONE: 20}
    assert one.hands.dos > 0
    assert other.hands.dos > 0
    assert hall.doubled() == []
    epochs = [entry.epoch for entry in (await _entries(anywhere, hall, plan))]
    assert epochs == sorted(epochs)
    assert set(epochs) == {1, 2}


async def _entries(where: Path | str, hall: Hall, plan: Plan) -> Any:
    process = Process(where, hall)
    try:
        return await process.journal.entries(plan.id)
    finally:
        await process.stop()


@pytest.mark.parametrize("seed", range(6))
async def test_a_paused_one_that_wakes_is_fenced(
    anywhere: Path | str, clock: JumpClock, seed: int
) -> None:
    """Everything that the old one awaits stands still, wherever it is, and then goes on."""
    hall = Hall(clock, seed=seed)
    plan, old, new = made(hall, 20), Thawing(anywhere, hall), Process(anywhere, hall)
    await old.apply(plan)
    old.start()
    await clock.sleep(3.0 + 4.3 * seed)
    old.freeze()
    new.start()
    await clock.sleep(45.0)
    before = old.hands.dos
    old.thaw()
    progress = await new.until(plan)
    await old.stop()
    await new.stop()
    assert old.hands.dos == before
    assert states(progress) == {NodeState.DONE: 20}
    assert hall.doubled() == []
    assert {device.effects["reset"] for device in hall.devices.values()} == {1}


class Thawing(Process):
    """A process that can be frozen at its next points, and wake."""

    def freeze(self) -> None:
        self._warm = asyncio.Event()

        async def cold(where: str) -> None:
            await self._warm.wait()

        self.cut.point = cold  # type: ignore[method-assign]
        self.hands._point = cold

        async def renew(*_: Any) -> None:
            await self._warm.wait()

        self.leases.renew = renew  # type: ignore[method-assign, assignment]

    def thaw(self) -> None:
        self._warm.set()
